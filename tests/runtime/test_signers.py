"""Signers from their files: keys, chains, certificates and numbers."""

import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from stirmilter import runtime
from stirmilter.errors import ConfigError
from stirmilter.stir import hazmat, identity
from stirmilter.testca import TestCA, issuing
from tests.laboratory import ALICE, BOB, NOW, message
from tests.runtime.configurations import YEARS, Configured


def test_a_file_is_found_beside_the_configuration(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    shutil.copy(ca.files("one").key, tmp_path / "my.key")
    shutil.copy(ca.files("one").chain, tmp_path / "my.pem")
    shutil.copy(ca.anchors, tmp_path / "my-root.pem")
    change = {
        "signer.0.key": "my.key",
        "signer.0.chain": "my.pem",
        "verify.anchors": ["my-root.pem"],
    }

    built = runtime.build(configured(change))

    assert len(built.anchors.certificates) == 1
    assert built.filter.authentication.signers[0].name == "one"


def test_numbers_may_stand_in_a_file(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text(
        f"# ours\n\n+{ALICE}   # Alice\r\n  +1312555*\n+12025550100-+12025550109"
    )

    built = runtime.build(configured({"signer.0.numbers": ["@numbers.txt", "+1999*"]}))

    numbers = built.filter.authentication.signers[0].numbers
    for served in (ALICE, BOB, "12025550105", "19995550100"):
        assert served in numbers
    assert "12025550110" not in numbers


@pytest.mark.parametrize(
    ("chain", "key", "problem"),
    [
        pytest.param(
            "tls.pem", "tls.key", "not-authorized: no TNAuthList", id="of-the-web"
        ),
        pytest.param(
            "intermediate.pem",
            "intermediate.key",
            "credential-untrusted: a CA certificate does not sign",
            id="of-a-ca",
        ),
    ],
)
@pytest.mark.conformance("A-14")
def test_a_certificate_must_be_one_that_may_sign(
    ca: TestCA, configured: Configured, chain: str, key: str, problem: str
) -> None:
    change = {
        "signer.0.chain": str(ca.folder / chain),
        "signer.0.key": str(ca.folder / key),
    }

    with pytest.raises(ConfigError, match=r"signer\.0 \(one\)\.chain: ") as caught:
        runtime.build(configured(change))

    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("oid", "der", "problem"),
    [
        pytest.param(
            hazmat.CLAIM_CONSTRAINTS,
            b"\x30\x0a\xa0\x08\x30\x06\x16\x04msgi",
            None,
            id="msgi-must-be-there",
        ),
        pytest.param(
            hazmat.CLAIM_CONSTRAINTS,
            b"\x30\x0c\xa0\x0a\x30\x08\x16\x06attest",
            "attest is missing",
            id="what-we-never-say-must-be-there",
        ),
        pytest.param(
            hazmat.ENHANCED_CLAIM_CONSTRAINTS,
            b"\x30\x0a\xa2\x08\x30\x06\x16\x04msgi",
            "msgi is excluded",
            id="msgi-must-not-be-there",
        ),
    ],
)
@pytest.mark.conformance("A-14")
def test_a_certificate_must_let_us_say_what_we_say(
    ca: TestCA,
    configured: Configured,
    tmp_path: Path,
    oid: x509.ObjectIdentifier,
    der: bytes,
    problem: str | None,
) -> None:
    """RFC 8226 §8, RFC 9118 §3: before the first message, not with it."""
    issuer = ca._load("intermediate")
    key = serialization.load_pem_private_key(ca.files("one").key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = issuing.builder("constrained", issuer, key, NOW, NOW + YEARS)
    spc = hazmat.encode_tn_auth_list([("spc", "1234", 1)])
    for extension in ((hazmat.TN_AUTH_LIST, spc), (oid, der)):
        builder = builder.add_extension(
            x509.UnrecognizedExtension(*extension), critical=False
        )
    leaf = builder.sign(issuer.key, SHA256())
    (tmp_path / "one.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    settings = configured({"signer.0.chain": "one.pem"})

    if problem is None:
        assert runtime.build(settings).filter.authentication.signers
    else:
        with pytest.raises(ConfigError, match=f"claim-constrained: {problem}"):
            runtime.build(settings)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_key_may_be_read_by_its_owner_and_group(
    ca: TestCA, configured: Configured, tmp_path: Path, mode: int
) -> None:
    shutil.copy(ca.files("one").key, tmp_path / "one.key")
    (tmp_path / "one.key").chmod(mode)

    built = runtime.build(configured({"signer.0.key": "one.key"}))

    assert len(built.filter.authentication.signers) == 1


def test_a_chain_that_breaks_off_is_no_chain(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    (tmp_path / "cut.pem").write_bytes(ca.files("one").chain.read_bytes()[:-100])

    with pytest.raises(ConfigError):
        runtime.build(configured({"signer.0.chain": "cut.pem"}))


@pytest.mark.conformance("H-05")
@pytest.mark.parametrize("length", [900, 901])
def test_an_x5u_must_fit_on_a_line_of_a_header(
    configured: Configured, length: int
) -> None:
    x5u = "https://certs.example/".ljust(length, "x")
    settings = configured({"signer.0.x5u": x5u})

    if length > 900:
        with pytest.raises(ConfigError, match=r"x5u: longer than 900 characters"):
            runtime.build(settings)
    else:
        token = runtime.build(settings).filter.authentication.sign(message(), NOW)
        lines = identity.write(token, "PASSporT").split("\n")
        assert max(map(len, lines)) <= 998

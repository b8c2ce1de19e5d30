"""A signer whose certificate is a delegate's: what is refused before it signs."""

from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization

from stirmilter import findings, runtime
from stirmilter.config import Config
from stirmilter.errors import ConfigError
from tests.laboratory import ALICE, CAROL, NOW
from tests.runtime.configurations import Configured
from tests.stir import der
from tests.stir.certificates import Issued, pem
from tests.stir.delegates import delegate, end

BLOCK: Final = der.block("12025550100", 100)
OWN: Final = der.one(ALICE)
ROOT: Final = delegate("root", None)


def signing_with(configured: Configured, folder: Path, *chain: Issued) -> Config:
    """Make this chain the signer's, and ROOT the only anchor."""
    key = chain[0].key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "own.key").touch(0o600)
    (folder / "own.key").write_bytes(key)
    (folder / "own.pem").write_bytes(pem(*chain))
    (folder / "root.pem").write_bytes(pem(ROOT))
    files = {"signer.0.key": "own.key", "signer.0.chain": "own.pem"}
    return configured({**files, "verify.anchors": ["root.pem"]})


@pytest.mark.conformance("A-15", "A-16")
def test_a_delegate_with_its_whole_chain_may_sign(
    configured: Configured, tmp_path: Path
) -> None:
    upper = delegate("upper", ROOT, der.spc("1234"))
    lower = delegate("lower", upper, BLOCK)
    settings = signing_with(configured, tmp_path, end(lower, OWN), lower, upper)

    built = runtime.build(settings)

    [signer] = built.filter.authentication.signers
    assert len(signer.credential.path) == 3
    assert not [f for f in findings.findings(built, NOW) if f.level == "error"]


@pytest.mark.conformance("A-15")
@pytest.mark.parametrize(
    ("lower", "own", "identifiers", "problem"),
    [
        pytest.param([OWN], [BLOCK], {}, "not-authorized", id="more-than-the-issuer"),
        pytest.param(
            [OWN], [OWN, der.one(CAROL)], {}, "not-authorized", id="one-number-more"
        ),
        pytest.param([BLOCK], [der.spc("1")], {}, "not-authorized", id="a-code"),
        pytest.param(
            [BLOCK], [OWN], {"authority": b"x"}, "credential-untrusted", id="unlinked"
        ),
        pytest.param(
            [BLOCK], [OWN], {"authority": None}, "credential-untrusted", id="unnamed"
        ),
    ],
)
def test_what_the_issuer_does_not_hand_on_is_refused_at_the_start(
    configured: Configured,
    tmp_path: Path,
    lower: list[bytes],
    own: list[bytes],
    identifiers: dict[str, bytes | None],
    problem: str,
) -> None:
    above = delegate("lower", ROOT, *lower)
    leaf = end(above, *own, **identifiers)
    settings = signing_with(configured, tmp_path, leaf, above)

    with pytest.raises(ConfigError, match=r"signer\.0 \(one\)\.chain: ") as caught:
        runtime.build(settings)

    assert problem in str(caught.value)
    assert "own.pem" in str(caught.value)


@pytest.mark.conformance("A-15")
def test_a_step_above_the_issuer_is_looked_at_too(
    configured: Configured, tmp_path: Path
) -> None:
    upper = delegate("upper", ROOT, OWN)
    lower = delegate("lower", upper, BLOCK)
    settings = signing_with(configured, tmp_path, end(lower, OWN), lower, upper)

    with pytest.raises(ConfigError, match="not-authorized"):
        runtime.build(settings)


def test_a_file_in_another_order_is_refused_at_the_start(
    configured: Configured, tmp_path: Path
) -> None:
    upper = delegate("upper", ROOT, BLOCK)
    lower = delegate("lower", upper, BLOCK)
    settings = signing_with(configured, tmp_path, end(lower, OWN), upper, lower)

    with pytest.raises(ConfigError, match="credential-untrusted"):
        runtime.build(settings)


def test_without_delegation_key_identifiers_may_be_absent(
    configured: Configured, tmp_path: Path
) -> None:
    middle = delegate("middle", ROOT, subject=None)
    leaf = end(middle, OWN, authority=None)

    built = runtime.build(signing_with(configured, tmp_path, leaf, middle))

    assert built.filter.authentication.signers


@pytest.mark.conformance("A-16")
@pytest.mark.parametrize(
    "published",
    [
        pytest.param("leaf", id="signer-alone"),
        pytest.param("leaf lower", id="without-the-last-step"),
    ],
)
def test_a_chain_that_is_not_whole_is_found(
    configured: Configured, tmp_path: Path, published: str
) -> None:
    """RFC 9060 §5: x5u leads to the whole path, and it serves what the file holds."""
    upper = delegate("upper", ROOT, BLOCK)
    lower = delegate("lower", upper, BLOCK)
    known = {"leaf": end(lower, OWN), "lower": lower}
    chain = [known[name] for name in published.split()]

    built = runtime.build(signing_with(configured, tmp_path, *chain))

    [found] = [f for f in findings.findings(built, NOW) if f.level == "error"]
    assert found.subject == "signer one"
    assert "is the chain complete?" in found.text

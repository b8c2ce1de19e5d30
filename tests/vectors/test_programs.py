"""Certificates and tokens that other programs keep for their own tests."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from stirmilter.stir import credential, hazmat, identity, jws, passport
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Reason, Unverified
from tests.stir.tokens import HEADER, seal
from tests.stir.vectors import reason_of
from tests.vectors import reading
from tests.vectors.reading import judge

TODAY = datetime(2026, 11, 23, tzinfo=UTC)
"""All anchors here are valid then, but one."""

FILES = [
    pytest.param(
        "asterisk-testsuite/SPAST1-cert.pem", "accepted", "SPC 1", id="asterisk-1"
    ),
    pytest.param(
        "asterisk-testsuite/SPAST2-cert.pem", "accepted", "SPC 2", id="asterisk-2"
    ),
    pytest.param(
        # The words "881212,INTEGER:50" of a configuration file, not DER.
        "asterisk-testsuite/SPAST1-caexp-cert.pem",
        "credential-malformed",
        "TNAuthList: error parsing asn1 value",
        id="asterisk-list-in-words",
    ),
    pytest.param(
        "asterisk-testsuite/astdev-ca.crt",
        "credential-malformed",
        "not on P-256",
        id="asterisk-ca-with-rsa",
    ),
    pytest.param(
        "asterisk-testsuite/astdev-ca-expired.crt",
        "credential-malformed",
        "not on P-256",
        id="asterisk-expired-ca",
    ),
    pytest.param(
        "libstirshaken/sp.pem",
        "credential-malformed",
        "TNAuthList: error parsing asn1 value: ParseError { kind: UnexpectedTag",
        id="libstirshaken-bare-ia5string",
    ),
    pytest.param(
        "libstirshaken/wrongsp.pem",
        "credential-malformed",
        "TNAuthList: error parsing asn1 value: ParseError { kind: UnexpectedTag",
        id="libstirshaken-wrong-provider",
    ),
    pytest.param(
        "libstirshaken/ca.pem",
        "credential-untrusted",
        "a CA certificate",
        id="libstirshaken-ca",
    ),
    pytest.param(
        "libstirshaken/pa.pem",
        "credential-untrusted",
        "a CA certificate",
        id="libstirshaken-policy-administrator",
    ),
    pytest.param(
        "libstirshaken/csr.pem",
        "credential-malformed",
        "not a certificate",
        id="libstirshaken-request",
    ),
    pytest.param(
        "libstirshaken/ca.pub",
        "credential-malformed",
        "not a certificate",
        id="libstirshaken-public-key",
    ),
    pytest.param(
        "freeswitch/cert.pem",
        "credential-untrusted",
        "a CA certificate",
        id="freeswitch-signs-with-a-root",
    ),
    pytest.param(
        "freeswitch/pub.pem",
        "credential-malformed",
        "not a certificate",
        id="freeswitch-public-key",
    ),
    pytest.param(
        "sti-pa/STI-PA_ROOT.pem",
        "credential-untrusted",
        "a CA certificate",
        id="sti-pa-root",
    ),
    pytest.param(
        "sti-pa/STI-PA_STAGING_ROOT.pem",
        "credential-untrusted",
        "a CA certificate",
        id="sti-pa-staging-root",
    ),
    pytest.param(
        "interop-live/leaf.pem",
        "accepted",
        "SPC 1234, +12155550000-+12155550099, +12155551212",
        id="three-kinds-of-entries",
    ),
    pytest.param(
        "interop-live/ca.pem", "credential-untrusted", "a CA certificate", id="its-root"
    ),
]


@pytest.mark.parametrize(("name", "code", "detail"), FILES)
def test_each_file_gets_its_verdict_as_that_of_a_signer(
    vectors: Path, name: str, code: str, detail: str
) -> None:
    found = judge((vectors / name).read_bytes())

    assert found.code == code
    assert detail in found.detail


# Anchors


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("sti-pa/STI-PA_ROOT.pem", id="sti-pa"),
        pytest.param("sti-pa/STI-PA_STAGING_ROOT.pem", id="sti-pa-staging"),
        pytest.param("libstirshaken/ca.pem", id="libstirshaken"),
        pytest.param("libstirshaken/pa.pem", id="libstirshaken-policy-administrator"),
        pytest.param("freeswitch/cert.pem", id="freeswitch"),
        pytest.param("asterisk-testsuite/astdev-ca.crt", id="asterisk"),
    ],
)
def test_each_root_can_be_an_anchor(vectors: Path, name: str) -> None:
    root = reading.certificate(vectors / name)

    assert TrustAnchors([root]).path([root], TODAY, 6) == [root]


def test_the_root_of_the_policy_administrator_is_above_no_signer(vectors: Path) -> None:
    """It signs the list of roots to trust; it is not one of them."""
    root = reading.certificate(vectors / "sti-pa" / "STI-PA_ROOT.pem")
    [signer] = (vectors / "sti-corpus" / "sample-ee").glob("Sansay-29322bf8e3d9.der")
    leaf = reading.certificate(signer)

    with pytest.raises(Unverified, match="no path") as caught:
        credential.validate([leaf], TrustAnchors([root]), leaf.not_valid_before_utc)
    assert caught.value.reason is Reason.CREDENTIAL_UNTRUSTED


def test_the_two_roots_of_the_policy_administrator_are_one(vectors: Path) -> None:
    """Whoever publishes them gives one certificate under two names."""
    real, staging = (
        reading.certificate(vectors / "sti-pa" / name)
        for name in ("STI-PA_ROOT.pem", "STI-PA_STAGING_ROOT.pem")
    )

    assert real == staging


# Paths


def path(
    vectors: Path, leaf: str, anchor: str, at: datetime = TODAY
) -> tuple[str, ...] | Reason:
    """Validate one certificate to one anchor; return its codes, or why not."""
    chain = credential.load_chain((vectors / leaf).read_bytes())
    anchors = TrustAnchors([reading.certificate(vectors / anchor)])
    try:
        return credential.validate(chain, anchors, at).tn_auth_list.spcs
    except Unverified as error:
        return error.reason


@pytest.mark.parametrize(
    ("leaf", "found"),
    [
        pytest.param("SPAST1-cert.pem", ("1",), id="first"),
        pytest.param("SPAST2-cert.pem", ("2",), id="second"),
        pytest.param(
            "SPAST1-caexp-cert.pem", Reason.CREDENTIAL_EXPIRED, id="itself-expired"
        ),
    ],
)
def test_asterisk_signers_below_their_rsa_root(
    vectors: Path, leaf: str, found: tuple[str, ...] | Reason
) -> None:
    folder = "asterisk-testsuite"

    assert path(vectors, f"{folder}/{leaf}", f"{folder}/astdev-ca.crt") == found


def test_asterisk_signer_below_a_root_that_was_never_valid_with_it(
    vectors: Path,
) -> None:
    folder = "asterisk-testsuite"
    leaf, root = f"{folder}/SPAST1-caexp-cert.pem", f"{folder}/astdev-ca-expired.crt"
    at = TODAY - timedelta(days=365)

    assert path(vectors, leaf, root, at) is Reason.CREDENTIAL_EXPIRED


def test_asterisk_signer_outlives_its_root(vectors: Path) -> None:
    folder = "asterisk-testsuite"
    leaf, root = f"{folder}/SPAST1-cert.pem", f"{folder}/astdev-ca.crt"
    at = datetime(2035, 1, 1, tzinfo=UTC)

    assert path(vectors, leaf, root, at) is Reason.CREDENTIAL_EXPIRED


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        pytest.param("sp.pem", Reason.CREDENTIAL_MALFORMED, id="list-malformed"),
        pytest.param("wrongsp.pem", Reason.CREDENTIAL_UNTRUSTED, id="of-another-ca"),
        pytest.param("pa.pem", Reason.CREDENTIAL_UNTRUSTED, id="another-root"),
    ],
)
def test_libstirshaken_signers_below_their_root(
    vectors: Path, leaf: str, reason: Reason
) -> None:
    root = "libstirshaken/ca.pem"

    assert path(vectors, f"libstirshaken/{leaf}", root) is reason


# Keys that lie beside certificates


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        pytest.param("libstirshaken/ca.pem", "libstirshaken/ca.pub", id="ca"),
        pytest.param("libstirshaken/pa.pem", "libstirshaken/pa.pub", id="pa"),
        pytest.param("libstirshaken/sp.pem", "libstirshaken/sp.pub", id="sp"),
        pytest.param("freeswitch/cert.pem", "freeswitch/pub.pem", id="freeswitch"),
        pytest.param("interop-live/leaf.pem", "interop-live/leaf.pub", id="leaf"),
    ],
)
def test_a_certificate_has_the_key_that_lies_beside_it(
    vectors: Path, certificate: str, key: str
) -> None:
    found = reading.certificate(vectors / certificate).public_key()

    assert found == load_pem_public_key((vectors / key).read_bytes())


# Tokens of libstirshaken


def encoded(path: Path) -> list[str]:
    """Return the lines that hold a token; the files explain them in the others."""
    return [line for line in path.read_text().splitlines() if line.startswith("eyJ")]


def key_of(path: Path) -> ec.EllipticCurvePublicKey:
    key = reading.certificate(path).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


@pytest.mark.parametrize(
    ("name", "signer", "other"),
    [
        pytest.param("passport.txt", "sp.pem", "pa.pem", id="passport"),
        pytest.param("spc_token.txt", "pa.pem", "sp.pem", id="token-for-a-code"),
    ],
)
def test_libstirshaken_tokens_are_signed_by_whom_they_name(
    vectors: Path, name: str, signer: str, other: str
) -> None:
    folder = vectors / "libstirshaken"
    for line in encoded(folder / name):
        signing_input, _, text = identity.parse(line).token.rpartition(".")
        signature = jws.b64url_decode(text)

        jws.verify(signing_input.encode(), signature, key_of(folder / signer))

        with pytest.raises(Unverified):
            jws.verify(signing_input.encode(), signature, key_of(folder / other))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("passport.txt", 2, id="token-and-identity-field"),
        pytest.param("spc_token.txt", 1, id="token-for-a-code"),
    ],
)
def test_libstirshaken_tokens_vouch_for_no_message(
    vectors: Path, name: str, count: int
) -> None:
    lines = encoded(vectors / "libstirshaken" / name)

    reasons = [reason_of(identity.parse(line).token) for line in lines]

    assert reasons == [Reason.UNSUPPORTED_PPT] * count


def test_libstirshaken_identities_are_strings_and_so_malformed(vectors: Path) -> None:
    """Set in a token for messages: ``orig`` and ``dest`` are JSON inside of JSON."""
    [line, _] = encoded(vectors / "libstirshaken" / "passport.txt")
    payload = jws.b64url_decode(line.split(".")[1])
    claims = json.loads(payload)

    with pytest.raises(Unverified, match="orig") as caught:
        passport.parse(seal(json.dumps(HEADER).encode(), payload))

    assert isinstance(claims["orig"], str)
    assert isinstance(json.loads(claims["dest"])["tn"], str)
    assert caught.value.reason is Reason.MALFORMED


def test_freeswitch_certificate_names_no_number(vectors: Path) -> None:
    one = reading.certificate(vectors / "freeswitch" / "cert.pem")

    assert hazmat.extension(one, hazmat.TN_AUTH_LIST) is None

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import credential, hazmat
from stirmilter.stir.credential import Credential, TrustAnchors
from stirmilter.stir.result import Authority, Reason, Unverified
from tests.laboratory import ALICE, CAROL, NOW
from tests.stir import der
from tests.stir.certificates import (
    DAY,
    UNKNOWN,
    Issued,
    issue,
    leaf,
    pem,
    tn_auth_list,
    usage,
)

ROOT = issue("root", ca=True, begin=NOW - 9 * DAY, end=NOW + 9 * DAY)
STRANGER = issue("stranger", ca=True)
MIDDLE = issue("middle", ROOT, ca=True)
LEAF = leaf(MIDDLE)
PLAIN = x509.UnrecognizedExtension(
    hazmat.CLAIM_CONSTRAINTS, der.constraints(["attest"])
)
ENHANCED = x509.UnrecognizedExtension(
    hazmat.ENHANCED_CLAIM_CONSTRAINTS, der.constraints(exclude=["msgi"])
)
POLICIES = x509.CertificatePolicies(
    [x509.PolicyInformation(x509.ObjectIdentifier("2.16.840.1.114569.1.1.3"), None)]
)
SHORT_CODE_LIST = tn_auth_list(der.spc("1234"))


def validate(
    *chain: Issued, at: datetime = NOW, depth: int = 6, anchor: Issued = ROOT
) -> Credential:
    return credential.validate(
        [one.certificate for one in chain],
        TrustAnchors([anchor.certificate]),
        at,
        depth,
    )


def refusal(*chain: Issued, at: datetime = NOW, depth: int = 6) -> Reason:
    with pytest.raises(Unverified) as caught:
        validate(*chain, at=at, depth=depth)
    return caught.value.reason


def below(middle: Issued) -> tuple[Issued, Issued]:
    """A good leaf below an intermediate that may not be."""
    return leaf(middle), middle


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(lambda: (LEAF, MIDDLE), id="through-an-intermediate"),
        pytest.param(lambda: (leaf(ROOT),), id="straight-from-the-root"),
        pytest.param(lambda: (LEAF, MIDDLE, ROOT), id="with-the-root-sent-along"),
        pytest.param(
            lambda: (LEAF, STRANGER, ROOT, MIDDLE), id="with-strangers-and-out-of-order"
        ),
        pytest.param(
            lambda: (issue("leaf", MIDDLE, [tn_auth_list()], ca=None), MIDDLE),
            id="leaf-without-basic-constraints",
        ),
        pytest.param(
            lambda: (issue("leaf", MIDDLE, [tn_auth_list()], critical=True), MIDDLE),
            id="critical-TNAuthList",
        ),
        pytest.param(
            lambda: (
                issue("leaf", MIDDLE, [tn_auth_list(), PLAIN], critical=True),
                MIDDLE,
            ),
            id="critical-constraints",
        ),
        pytest.param(
            lambda: (
                issue("leaf", MIDDLE, [tn_auth_list(), ENHANCED], critical=True),
                MIDDLE,
            ),
            id="critical-enhanced-constraints",
        ),
        pytest.param(
            lambda: (
                issue("leaf", MIDDLE, [tn_auth_list(), POLICIES], critical=True),
                MIDDLE,
            ),
            id="critical-policies",
        ),
        pytest.param(
            lambda: below(issue("ca", ROOT, [tn_auth_list()], ca=True, critical=True)),
            id="critical-TNAuthList-above",
        ),
        pytest.param(lambda: (leaf(MIDDLE, UNKNOWN), MIDDLE), id="unknown-extension"),
        pytest.param(
            lambda: (
                leaf(MIDDLE, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])),
                MIDDLE,
            ),
            id="any-extended-key-usage",
        ),
        pytest.param(
            lambda: below(issue("ca", ROOT, ca=True, curve=ec.SECP384R1())),
            id="intermediate-on-p384",
        ),
        pytest.param(
            lambda: below(issue("ca", ROOT, ca=True, path_length=0)),
            id="path-as-long-as-allowed",
        ),
    ],
)
def test_good_chains_lead_to_the_anchor(
    chain: Callable[[], tuple[Issued, ...]],
) -> None:
    certificates = chain()

    found = validate(*certificates)

    assert found.certificate == certificates[0].certificate
    assert found.path[0] == found.certificate
    assert found.path[-1] == ROOT.certificate
    assert found.authority(ALICE) == "tn"
    assert found.public_key == certificates[0].key.public_key()


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        pytest.param(
            lambda: (leaf(STRANGER), STRANGER),
            Reason.CREDENTIAL_UNTRUSTED,
            id="another-root",
        ),
        pytest.param(
            lambda: (issue("self", None, [tn_auth_list()]),),
            Reason.CREDENTIAL_UNTRUSTED,
            id="self-signed",
        ),
        pytest.param(
            lambda: (LEAF,), Reason.CREDENTIAL_UNTRUSTED, id="intermediate-not-sent"
        ),
        pytest.param(
            lambda: (leaf(issue("middle", STRANGER, ca=True)), MIDDLE),
            Reason.CREDENTIAL_UNTRUSTED,
            id="issuer-of-the-same-name",
        ),
        pytest.param(
            lambda: (leaf(LEAF), LEAF, MIDDLE),
            Reason.CREDENTIAL_UNTRUSTED,
            id="issued-by-a-leaf",
        ),
        pytest.param(
            lambda: below(issue("ca", ROOT, ca=None, use=usage("key_cert_sign"))),
            Reason.CREDENTIAL_UNTRUSTED,
            id="intermediate-without-basic-constraints",
        ),
        pytest.param(
            lambda: below(issue("ca", ROOT, ca=True, use=usage("digital_signature"))),
            Reason.CREDENTIAL_UNTRUSTED,
            id="intermediate-may-not-sign-certificates",
        ),
        pytest.param(
            lambda: (
                *below(
                    issue(
                        "lower",
                        upper := issue("u", ROOT, ca=True, path_length=0),
                        ca=True,
                    )
                ),
                upper,
            ),
            Reason.CREDENTIAL_UNTRUSTED,
            id="path-longer-than-an-intermediate-allows",
        ),
        pytest.param(
            lambda: (
                issue("leaf", MIDDLE, [tn_auth_list(), UNKNOWN], critical=True),
                MIDDLE,
            ),
            Reason.CREDENTIAL_UNTRUSTED,
            id="unknown-critical-extension",
        ),
        pytest.param(
            lambda: below(issue("ca", ROOT, [UNKNOWN], ca=True, critical=True)),
            Reason.CREDENTIAL_UNTRUSTED,
            id="unknown-critical-extension-above",
        ),
        pytest.param(
            lambda: (issue("ca", MIDDLE, [tn_auth_list()], ca=True), MIDDLE),
            Reason.CREDENTIAL_UNTRUSTED,
            id="a-CA-certificate-signs",
        ),
        pytest.param(
            lambda: (
                issue(
                    "ca",
                    MIDDLE,
                    [tn_auth_list()],
                    ca=True,
                    use=usage("digital_signature", "key_cert_sign"),
                ),
                MIDDLE,
            ),
            Reason.CREDENTIAL_UNTRUSTED,
            id="a-CA-certificate-signs-that-may-sign-all",
        ),
        pytest.param(
            lambda: (
                issue("leaf", MIDDLE, [tn_auth_list()], use=usage("key_agreement")),
                MIDDLE,
            ),
            Reason.CREDENTIAL_UNTRUSTED,
            id="leaf-may-not-sign",
        ),
        pytest.param(
            lambda: (
                issue("leaf", MIDDLE, [tn_auth_list()], curve=ec.SECP384R1()),
                MIDDLE,
            ),
            Reason.CREDENTIAL_MALFORMED,
            id="leaf-on-p384",
        ),
        pytest.param(
            lambda: (issue("leaf", MIDDLE), MIDDLE),
            Reason.NOT_AUTHORIZED,
            id="leaf-without-TNAuthList",
        ),
        pytest.param(
            lambda: (
                leaf(MIDDLE, x509.UnrecognizedExtension(hazmat.TN_AUTH_LIST, b"0\x00")),
                MIDDLE,
            ),
            Reason.CREDENTIAL_MALFORMED,
            id="empty-TNAuthList",
        ),
        pytest.param(
            lambda: below(
                issue(
                    "ca",
                    ROOT,
                    [x509.UnrecognizedExtension(hazmat.TN_AUTH_LIST, b"\x16\x00")],
                    ca=True,
                )
            ),
            Reason.CREDENTIAL_MALFORMED,
            id="malformed-TNAuthList-above",
        ),
        pytest.param(
            lambda: (leaf(MIDDLE, PLAIN, ENHANCED), MIDDLE),
            Reason.CREDENTIAL_MALFORMED,
            id="both-forms-of-claim-constraints",
        ),
        pytest.param(
            lambda: (
                issue("leaf", MIDDLE, [tn_auth_list()], end=NOW - DAY / 9),
                MIDDLE,
            ),
            Reason.CREDENTIAL_EXPIRED,
            id="expired",
        ),
        pytest.param(
            lambda: (
                issue("leaf", MIDDLE, [tn_auth_list()], begin=NOW + DAY / 9),
                MIDDLE,
            ),
            Reason.CREDENTIAL_EXPIRED,
            id="not-valid-yet",
        ),
        pytest.param(
            lambda: below(issue("ca", ROOT, ca=True, end=NOW - DAY / 9)),
            Reason.CREDENTIAL_EXPIRED,
            id="expired-intermediate",
        ),
        pytest.param(
            lambda: below(issue("ca", ROOT, ca=True, begin=NOW + DAY / 9)),
            Reason.CREDENTIAL_EXPIRED,
            id="intermediate-not-valid-yet",
        ),
    ],
)
def test_bad_chains_are_refused(
    chain: Callable[[], tuple[Issued, ...]], reason: Reason
) -> None:
    assert refusal(*chain()) is reason


@pytest.mark.parametrize(
    ("at", "good"),
    [
        pytest.param(NOW - DAY, True, id="first-second"),
        pytest.param(NOW - DAY - timedelta(seconds=1), False, id="before-it"),
        pytest.param(NOW + DAY, True, id="last-second"),
        pytest.param(NOW + DAY + timedelta(seconds=1), False, id="after-it"),
    ],
)
def test_validity_includes_both_ends(at: datetime, good: bool) -> None:
    if good:
        assert validate(LEAF, MIDDLE, at=at).valid_at(at)
    else:
        assert refusal(LEAF, MIDDLE, at=at) is Reason.CREDENTIAL_EXPIRED
        assert not validate(LEAF, MIDDLE).valid_at(at)


def test_valid_at_asks_every_certificate_of_the_path() -> None:
    short = issue("ca", ROOT, ca=True, end=NOW + DAY / 2)

    found = validate(*below(short))

    assert found.valid_at(NOW + DAY / 2)
    assert not found.valid_at(NOW + DAY / 2 + timedelta(seconds=1))


@pytest.mark.parametrize(("depth", "good"), [(2, False), (3, True), (4, True)])
def test_depth_limits_the_certificates_below_the_anchor(depth: int, good: bool) -> None:
    upper = issue("upper", ROOT, ca=True)
    chain = (*below(issue("lower", upper, ca=True)), upper)

    if good:
        assert len(validate(*chain, depth=depth).path) == 4
    else:
        assert refusal(*chain, depth=depth) is Reason.CREDENTIAL_UNTRUSTED


def test_without_anchors_nothing_is_trusted() -> None:
    with pytest.raises(Unverified, match="no trust anchor") as caught:
        credential.validate([LEAF.certificate], TrustAnchors([]), NOW)
    assert caught.value.reason is Reason.CREDENTIAL_UNTRUSTED


@pytest.mark.parametrize(
    ("above", "own", "authority"),
    [
        pytest.param(der.one(ALICE), der.one(ALICE), "tn", id="same-number"),
        pytest.param(
            der.block("12025550100", 100), der.one(ALICE), "tn", id="range-above-number"
        ),
        pytest.param(
            der.block("12025550100", 100),
            der.block("12025550120", 5),
            "range",
            id="range-above-range",
        ),
        pytest.param(der.spc("1234"), der.one(ALICE), "tn", id="code-above-number"),
        pytest.param(der.spc("1234"), der.spc("1234"), "spc", id="code-above-code"),
        pytest.param(der.one(CAROL), der.one(ALICE), None, id="another-number-above"),
        pytest.param(
            der.block("12025550124", 9), der.one(ALICE), None, id="another-range-above"
        ),
        pytest.param(
            der.one(CAROL), der.spc("1234"), None, id="another-number-above-code"
        ),
        pytest.param(der.one(ALICE), der.one(CAROL), None, id="leaf-covers-another"),
    ],
)
@pytest.mark.parametrize("place", ["intermediate", "root"])
def test_list_in_a_CA_certificate_limits_its_leaf(  # noqa: N802 - CA is a name
    above: bytes, own: bytes, authority: Authority | None, place: str
) -> None:
    limits = [tn_auth_list(above)]
    root = issue("r", None, limits if place == "root" else [], ca=True)
    middle = issue("m", root, limits if place == "intermediate" else [], ca=True)

    found = validate(leaf(middle, tn_auth_list(own)), middle, anchor=root)

    if authority is None:
        with pytest.raises(Unverified) as caught:
            found.authority(ALICE)
        assert caught.value.reason is Reason.NOT_AUTHORIZED
    else:
        assert found.authority(ALICE) == authority


def test_refusals_name_no_number() -> None:
    found = validate(leaf(ROOT, tn_auth_list(der.one(CAROL))))

    with pytest.raises(Unverified) as caught:
        found.authority(ALICE)
    assert ALICE not in str(caught.value)


@pytest.mark.parametrize(
    ("extension", "claims", "good"),
    [
        pytest.param(PLAIN, {"attest": "A"}, True, id="plain-satisfied"),
        pytest.param(PLAIN, {}, False, id="plain-offended"),
        pytest.param(ENHANCED, {}, True, id="enhanced-satisfied"),
        pytest.param(ENHANCED, {"msgi": "x"}, False, id="enhanced-offended"),
    ],
)
def test_constraints_come_from_the_leaf(
    extension: x509.ExtensionType, claims: dict[str, str], good: bool
) -> None:
    found = validate(leaf(ROOT, extension))

    if good:
        found.constraints.check(claims)
    else:
        with pytest.raises(Unverified):
            found.constraints.check(claims)


def test_constraints_of_a_CA_certificate_bind_nobody() -> None:  # noqa: N802 - CA is a name
    """RFC 8226 §8: end-entity certificates only."""
    found = validate(*below(issue("ca", ROOT, [PLAIN], ca=True)))

    found.constraints.check({})


def test_read_takes_a_certificate_without_path() -> None:
    found = credential.read(LEAF.certificate)

    assert found.path == (LEAF.certificate,)
    assert found.limits == ()


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(pem(LEAF, MIDDLE), id="pem"),
        pytest.param(b"Subject: x\r\n" + pem(LEAF) + b"\r\n" + pem(MIDDLE), id="noisy"),
        pytest.param(pem(LEAF, MIDDLE).replace(b"\n", b"\r\n"), id="crlf"),
    ],
)
def test_chains_are_loaded_signer_first(octets: bytes) -> None:
    assert credential.load_chain(octets) == (LEAF.certificate, MIDDLE.certificate)


def test_one_certificate_may_be_der() -> None:
    octets = LEAF.certificate.public_bytes(Encoding.DER)

    assert credential.load_chain(octets) == (LEAF.certificate,)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>not found</html>", id="web-page"),
        pytest.param(pem(LEAF)[:200], id="pem-cut-off"),
        pytest.param(
            LEAF.certificate.public_bytes(Encoding.DER)[:-1], id="der-cut-off"
        ),
        pytest.param(
            LEAF.certificate.public_bytes(Encoding.DER) + b"\x00", id="octet-after-der"
        ),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            id="pem-of-something-else",
        ),
        pytest.param(pem(*[LEAF] * 7), id="seven-certificates"),
    ],
)
def test_what_is_no_chain_is_refused(octets: bytes) -> None:
    with pytest.raises(Unverified) as caught:
        credential.load_chain(octets)
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


def test_length_of_a_chain_is_limited() -> None:
    assert len(credential.load_chain(pem(LEAF, MIDDLE), 2)) == 2
    with pytest.raises(Unverified, match="2 certificates, at most 1"):
        credential.load_chain(pem(LEAF, MIDDLE), 1)


@given(st.binary(max_size=60))
def test_load_chain_refuses_octets_in_one_way(octets: bytes) -> None:
    for text in (octets, b"-----BEGIN CERTIFICATE-----\n" + octets):
        with pytest.raises(Unverified):
            credential.load_chain(text)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.integers(0, 999), st.integers(1, 255))
def test_spoilt_certificates_are_refused_in_one_way(place: int, mask: int) -> None:
    octets = bytearray(LEAF.certificate.public_bytes(Encoding.DER))
    octets[place % len(octets)] ^= mask
    anchors = TrustAnchors([ROOT.certificate])
    try:
        chain = credential.load_chain(bytes(octets))
        credential.validate((*chain, MIDDLE.certificate), anchors, NOW)
    except Unverified as error:
        assert error.reason.code.startswith("credential-")  # noqa: PT017 - see else
    else:  # the padding of the signature's BIT STRING is all that may differ
        assert chain[0].tbs_certificate_bytes == LEAF.certificate.tbs_certificate_bytes
        assert chain[0].signature == LEAF.certificate.signature

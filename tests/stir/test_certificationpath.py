from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from stirmilter.stir import credential, hazmat
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Reason, Unverified
from tests.laboratory import ALICE, NOW
from tests.stir.certificates import (
    DAY,
    UNKNOWN,
    Issued,
    issue,
    leaf,
    tn_auth_list,
    usage,
)
from tests.stir.pki import ENHANCED, LEAF, MIDDLE, PLAIN, ROOT, below, validate

STRANGER = issue("stranger", ca=True)
POLICIES = x509.CertificatePolicies(
    [x509.PolicyInformation(x509.ObjectIdentifier("2.16.840.1.114569.1.1.3"), None)]
)


def refusal(*chain: Issued, at: datetime = NOW, depth: int = 6) -> Reason:
    with pytest.raises(Unverified) as caught:
        validate(*chain, at=at, depth=depth)
    return caught.value.reason


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
@pytest.mark.conformance("C-01")
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
@pytest.mark.conformance("V-12", "C-01", "C-02", "C-07", "C-08")
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
@pytest.mark.conformance("V-12")
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


@pytest.mark.conformance("C-01")
def test_without_anchors_nothing_is_trusted() -> None:
    with pytest.raises(Unverified, match="no trust anchor") as caught:
        credential.validate([LEAF.certificate], TrustAnchors([]), NOW)
    assert caught.value.reason is Reason.CREDENTIAL_UNTRUSTED


def test_a_heap_of_issuers_of_one_name_is_not_searched() -> None:
    """Of several certificates with one name the first counts; the rest cost nothing."""
    heap = [issue("middle", ROOT, ca=True) for _ in range(4)]

    assert refusal(LEAF, *heap, MIDDLE) is Reason.CREDENTIAL_UNTRUSTED
    assert validate(LEAF, MIDDLE, *heap).path[1] == MIDDLE.certificate


def test_certificates_outside_the_line_are_not_looked_at() -> None:
    expired = issue("elsewhere", ROOT, ca=True, end=NOW - DAY / 2)

    assert len(validate(LEAF, expired, MIDDLE).path) == 3


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: rsa.generate_private_key(65_537, 4608), id="long-rsa"),
        pytest.param(ed25519.Ed25519PrivateKey.generate, id="ed25519"),
    ],
)
def test_keys_that_cost_too_much_or_do_not_belong_are_malformed(
    key: Callable[[], Any],
) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "costly")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key().public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    )

    with pytest.raises(Unverified, match="kind of key") as caught:
        credential.load_chain(made.public_bytes(Encoding.PEM))
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


@pytest.mark.conformance("V-12")
@pytest.mark.parametrize("at", [NOW - 9 * DAY, NOW + 9 * DAY], ids=["before", "after"])
def test_the_anchor_too_must_be_valid_at_the_time(at: datetime) -> None:
    begin, end = NOW - 99 * DAY, NOW + 99 * DAY
    anchor = issue("short root", ca=True, begin=NOW - 8 * DAY, end=NOW + 8 * DAY)
    signer = issue("leaf", anchor, [tn_auth_list()], begin=begin, end=end)

    assert validate(signer, anchor=anchor)
    with pytest.raises(Unverified) as caught:
        validate(signer, anchor=anchor, at=at)
    assert caught.value.reason is Reason.CREDENTIAL_EXPIRED

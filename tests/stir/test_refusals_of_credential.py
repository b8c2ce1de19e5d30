"""What is said of certificates that are refused, and where they begin to be."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID

from stirmilter.stir import credential, hazmat
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Reason
from tests.laboratory import ALICE, BOB, CAROL, NOW
from tests.stir import der
from tests.stir.certificates import DAY, Issued, issue, leaf, tn_auth_list, usage
from tests.stir.pki import LEAF, MIDDLE, ROOT, validate
from tests.stir.refusals import Said, said

SECOND: Final = timedelta(seconds=1)
NUMBERS: Final = "RFC 8226 §9"
STRANGER: Final = issue("stranger", ca=True)
EMPTY: Final = x509.UnrecognizedExtension(hazmat.TN_AUTH_LIST, b"0\x00")


def access(*methods: x509.ObjectIdentifier) -> x509.AuthorityInformationAccess:
    location = x509.UniformResourceIdentifier("https://a.example/numbers")
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(method, location) for method in methods]
    )


OCSP: Final = AuthorityInformationAccessOID.OCSP
BY_REFERENCE: Final = access(OCSP, hazmat.TN_AUTH_LIST_REFERENCE)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(
            lambda: issue("p384", ROOT, [tn_auth_list()], curve=ec.SECP384R1()),
            (
                Reason.CREDENTIAL_MALFORMED,
                "the key is not on P-256",
                "RFC 8226 §4",
            ),
            id="key-on-another-curve",
        ),
        pytest.param(
            lambda: issue("ca", ROOT, [tn_auth_list()], ca=True),
            (
                Reason.CREDENTIAL_UNTRUSTED,
                "a CA certificate does not sign PASSporTs",
                "RFC 9060 §4",
            ),
            id="ca-certificate",
        ),
        pytest.param(
            lambda: issue(
                "leaf", ROOT, [tn_auth_list()], use=usage("content_commitment")
            ),
            (
                Reason.CREDENTIAL_UNTRUSTED,
                "the key usage lacks digitalSignature",
                "RFC 5280 §4.2.1.3",
            ),
            id="key-for-another-use",
        ),
        pytest.param(
            lambda: issue("leaf", ROOT),
            (
                Reason.NOT_AUTHORIZED,
                "no TNAuthList: the certificate names no number",
                NUMBERS,
            ),
            id="no-list",
        ),
        pytest.param(
            lambda: issue("leaf", ROOT, [access(OCSP)]),
            (
                Reason.NOT_AUTHORIZED,
                "no TNAuthList: the certificate names no number",
                NUMBERS,
            ),
            id="no-list-but-other-information-access",
        ),
        pytest.param(
            lambda: issue("leaf", ROOT, [BY_REFERENCE]),
            (
                Reason.NOT_AUTHORIZED,
                "TNAuthList by reference, which is not fetched",
                "RFC 8226 §10.1",
            ),
            id="list-by-reference",
        ),
    ],
)
def test_refusals_of_a_leaf(made: Callable[[], Issued], expected: Said) -> None:
    certificate = made().certificate

    assert said(lambda: credential.read(certificate)) == expected
    assert said(lambda: validate(made())) == expected


@pytest.mark.parametrize(
    ("made", "told"),
    [
        pytest.param(
            lambda: issue(
                "x", ROOT, [EMPTY], ca=True, curve=ec.SECP384R1(), use=usage()
            ),
            "the key is not on P-256",
            id="the-key-first",
        ),
        pytest.param(
            lambda: issue("x", ROOT, [EMPTY], ca=True, use=usage("key_cert_sign")),
            "a CA certificate does not sign PASSporTs",
            id="then-whether-it-is-a-CA",
        ),
        pytest.param(
            lambda: issue("x", ROOT, [EMPTY], use=usage("key_cert_sign")),
            "the key usage lacks digitalSignature",
            id="then-the-key-usage",
        ),
        pytest.param(
            lambda: issue("x", ROOT, [EMPTY]), "TNAuthList: ", id="then-the-list"
        ),
    ],
)
def test_of_several_faults_in_a_leaf_the_first_is_told(
    made: Callable[[], Issued], told: str
) -> None:
    _, detail, _ = said(lambda: credential.read(made().certificate))

    assert detail.startswith(told)


@pytest.mark.parametrize(
    ("chain", "at", "expected"),
    [
        pytest.param(
            (LEAF, MIDDLE),
            NOW + DAY + SECOND,
            (
                Reason.CREDENTIAL_EXPIRED,
                "valid 2026-01-01T12:00Z to 2026-01-03T12:00Z",
                "RFC 8224 §6.2 step 4",
            ),
            id="expired-leaf",
        ),
        pytest.param(
            (issue("long", MIDDLE, [tn_auth_list()], end=NOW + 2 * DAY), MIDDLE),
            NOW + DAY + SECOND,
            (
                Reason.CREDENTIAL_EXPIRED,
                "no path to a trust anchor: ",
                "RFC 5280 §6",
            ),
            id="expired-intermediate",
        ),
        pytest.param(
            (leaf(STRANGER), STRANGER),
            NOW,
            (
                Reason.CREDENTIAL_UNTRUSTED,
                "no path to a trust anchor: ",
                "RFC 5280 §6",
            ),
            id="below-a-stranger",
        ),
        pytest.param(
            (issue("leaf", STRANGER),),
            NOW,
            (
                Reason.CREDENTIAL_UNTRUSTED,
                "no path to a trust anchor: ",
                "RFC 5280 §6",
            ),
            id="below-a-stranger-and-without-a-list",
        ),
    ],
)
def test_refusals_of_a_path(
    chain: tuple[Issued, ...], at: datetime, expected: Said
) -> None:
    reason, detail, rule = said(lambda: validate(*chain, at=at))

    assert (reason, rule) == (expected[0], expected[2])
    assert detail.startswith(expected[1])
    assert len(detail) > len("no path to a trust anchor: "), "why is said as well"


def test_a_chain_that_expired_is_expired_wherever_it_leads() -> None:
    """With what is late put right, it might be good; nobody looked further."""
    late = issue("late", STRANGER, ca=True, end=NOW - SECOND)

    assert said(lambda: validate(leaf(late), late))[0] is Reason.CREDENTIAL_EXPIRED


def test_a_chain_below_an_expired_anchor_is_expired() -> None:
    root = issue("short", ca=True, end=NOW - SECOND)
    middle = issue("middle", root, ca=True)

    found = said(lambda: validate(leaf(middle), middle, anchor=root))

    assert found[0] is Reason.CREDENTIAL_EXPIRED


def test_an_expired_anchor_of_another_name_is_not_the_fault() -> None:
    other = issue("other", ca=True, end=NOW - SECOND)
    anchors = TrustAnchors([ROOT.certificate, other.certificate])
    chain = [leaf(STRANGER).certificate, STRANGER.certificate]

    found = said(lambda: credential.validate(chain, anchors, NOW))

    assert found[0] is Reason.CREDENTIAL_UNTRUSTED


@pytest.mark.parametrize(
    ("own", "above", "number", "detail"),
    [
        pytest.param(
            der.one(ALICE),
            der.one(ALICE),
            CAROL,
            "the certificate does not cover the number",
            id="of-the-leaf",
        ),
        pytest.param(
            der.one(ALICE),
            der.one(CAROL),
            ALICE,
            "a certificate above does not cover the number",
            id="of-one-above",
        ),
        pytest.param(
            der.one(ALICE),
            der.one(ALICE),
            f"mailto:{ALICE}@a.example",
            "the certificate does not name the host of the URI",
            id="of-a-host",
        ),
    ],
)
def test_refusals_of_an_identity(
    own: bytes, above: bytes, number: str, detail: str
) -> None:
    middle = issue("middle", ROOT, [tn_auth_list(above)], ca=True)
    path = [leaf(middle, tn_auth_list(own)).certificate, middle.certificate]
    found = credential.read(path[0], path)

    assert said(lambda: found.authority(number)) == (
        Reason.NOT_AUTHORIZED,
        detail,
        "RFC 5922 §7.2" if ":" in number else NUMBERS,
    )


@pytest.mark.parametrize(
    ("lists", "number", "carriers"),
    [
        pytest.param(
            [der.spc("1"), der.spc("2")], ALICE, ("1",), id="code-below-a-code"
        ),
        pytest.param(
            [der.one(ALICE), der.spc("2")], ALICE, ("2",), id="number-below-a-code"
        ),
        pytest.param([der.one(ALICE), der.one(ALICE)], ALICE, (), id="numbers-alone"),
        pytest.param([der.one(BOB), der.one(BOB)], ALICE, (), id="nobodys-number"),
    ],
)
def test_carriers_are_those_of_the_lowest_certificate_that_names_one(
    lists: list[bytes], number: str, carriers: tuple[str, ...]
) -> None:
    middle = issue("middle", ROOT, [tn_auth_list(lists[1])], ca=True)
    path = [leaf(middle, tn_auth_list(lists[0])).certificate, middle.certificate]

    assert credential.read(path[0], path).carriers(number) == carriers


def test_a_certificate_is_known_by_its_sha_256() -> None:
    digest = LEAF.certificate.fingerprint(SHA256())

    assert credential.read(LEAF.certificate).fingerprint == digest.hex()


def test_the_validity_of_a_path_is_what_its_certificates_share() -> None:
    middle = issue("middle", ROOT, ca=True, begin=NOW - DAY / 2, end=NOW + 2 * DAY)
    path = [leaf(middle).certificate, middle.certificate, ROOT.certificate]

    found = credential.read(path[0], path)

    assert found.validity == (NOW - DAY / 2, NOW + DAY)


def test_a_credential_stays_as_it_was_read() -> None:
    found = credential.read(LEAF.certificate)

    with pytest.raises(FrozenInstanceError):
        found.domains = frozenset({"b.example"})  # type: ignore[misc]

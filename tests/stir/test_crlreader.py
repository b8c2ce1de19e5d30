"""Revocation lists are read strictly, and their entries kept by issuer and serial."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import crlreader, names
from stirmilter.stir.names import NameKey
from stirmilter.stir.revocation import SerialSet
from tests.laboratory import NOW
from tests.stir import der
from tests.stir.certificates import UNKNOWN, Issued
from tests.stir.crls import HOUR, URL, authority, crl, listed, named, point

PA = authority("PA")
ONE = authority("one")
TWO = authority("two")
INDIRECT = point(indirect_crl=True)
REMOVED = x509.CRLReason(x509.ReasonFlags.remove_from_crl)
HOLD = x509.CRLReason(x509.ReasonFlags.certificate_hold)


def key(issuer: Issued) -> NameKey:
    return names.key(issuer.certificate.subject.public_bytes())


def serials(octets: bytes, issuer: Issued, asked: Sequence[int]) -> list[int]:
    """Return which of some serial numbers a list names for an issuer."""
    found = crlreader.read(octets).revoked.get(key(issuer), SerialSet(b"", 1))
    return [serial for serial in asked if serial in found]


# Entries


def test_a_direct_list_is_about_its_issuer() -> None:
    octets = crl(ONE, (5, []), (7, []))

    assert serials(octets, ONE, range(10)) == [5, 7]
    assert serials(octets, TWO, range(10)) == []


def test_an_indirect_list_names_the_issuer_until_another_is_named() -> None:
    octets = crl(
        PA,
        (1, []),
        (2, [named(ONE.certificate)]),
        (3, []),
        (4, [named(TWO.certificate)]),
        (2, []),
        (6, [named(ONE.certificate)]),
        extensions=[INDIRECT],
    )

    assert serials(octets, PA, range(10)) == [1]
    assert serials(octets, ONE, range(10)) == [2, 3, 6]
    assert serials(octets, TWO, range(10)) == [2, 4]


def test_a_serial_belongs_to_the_issuer_that_was_named_not_to_another() -> None:
    """The library's own look-up, by serial number alone, would find both."""
    octets = crl(PA, (9, [named(ONE.certificate)]), extensions=[INDIRECT])

    assert x509.load_der_x509_crl(octets).get_revoked_certificate_by_serial_number(9)
    assert serials(octets, ONE, [9]) == [9]
    assert serials(octets, TWO, [9]) == []
    assert serials(octets, PA, [9]) == []


def test_an_empty_list_revokes_nothing() -> None:
    found = listed(ONE)

    assert found.entries == 0
    assert 1 not in found.revoked[key(ONE)]


def test_on_hold_is_revoked_and_removed_is_not() -> None:
    octets = crl(ONE, (1, [HOLD]), (2, [REMOVED]), (3, []), critical=False)

    assert serials(octets, ONE, range(5)) == [1, 3]


def test_pem_is_read_as_well() -> None:
    found = x509.load_der_x509_crl(crl(ONE, (5, []))).public_bytes(Encoding.PEM)

    assert serials(found, ONE, range(10)) == [5]


def test_what_a_list_says_of_itself_is_kept() -> None:
    place = [x509.UniformResourceIdentifier(URL)]
    found = listed(
        ONE, extensions=[point(full_name=place, only_contains_ca_certs=True)]
    )

    assert found.issuer == key(ONE)
    assert (found.this_update, found.next_update) == (NOW - HOUR, NOW + 24 * HOUR)
    assert (found.indirect, found.scope, found.complete) == (False, "ca", True)
    assert found.locations == {URL}


def test_where_the_certificates_of_the_signer_stand_is_kept() -> None:
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
            for method, url in (
                (x509.oid.AuthorityInformationAccessOID.OCSP, "https://ocsp.example/"),
                (x509.oid.AuthorityInformationAccessOID.CA_ISSUERS, URL),
            )
        ]
    )

    assert listed(ONE, extensions=[access], critical=False).issuers_at == (URL,)
    assert listed(ONE).issuers_at == ()


@given(st.lists(st.integers(-(2**159), 2**159 - 1)), st.integers(-(2**160), 2**160))
def test_a_set_of_serials_is_a_set(members: list[int], other: int) -> None:
    contents = [
        one.to_bytes(one.bit_length() // 8 + 1, "big", signed=True) for one in members
    ]
    found = SerialSet.build(contents)

    assert len(found) == len(members)
    assert all(one in found for one in members)
    assert (other in found) == (other in members)


def test_a_hundred_thousand_entries_are_kept_in_little_room() -> None:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(PA.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + HOUR)
        .add_extension(INDIRECT, critical=True)
    )
    date = b"\x17\x0d260101000000Z"
    issuers = [
        der.sequence(
            der.sequence(
                der.tlv(0x06, bytes.fromhex("551d1d")),
                b"\x01\x01\xff",
                der.tlv(0x04, named(one.certificate).public_bytes()),
            )
        )
        for one in (ONE, TWO)
    ]
    first = 2**158
    entries = b"".join(
        der.sequence(
            der.integer(first + number),
            date,
            issuers[number // 1000 % 2] if number % 1000 == 0 else b"",
        )
        for number in range(100_000)
    )
    octets = resign(builder.sign(PA.key, SHA256()), entries)

    found = crlreader.read(octets)

    assert found.entries == 100_000
    assert sum(len(one.octets) for one in found.revoked.values()) == 2_000_000
    assert first + 99_999 in found.revoked[key(TWO)]
    assert first + 99_999 not in found.revoked[key(ONE)]
    assert first + 98_000 in found.revoked[key(ONE)]
    assert found.signed_by(PA.certificate)
    with pytest.raises(ValueError, match="more than 99999 entries"):
        crlreader.read(octets, 99_999)


def resign(empty: x509.CertificateRevocationList, entries: bytes) -> bytes:
    """Put entries into an empty list; the builder takes minutes for so many."""
    tbs = empty.tbs_certlist_bytes
    start = 2 + (tbs[1] & 0x7F if tbs[1] & 0x80 else 0)
    cut = tbs.index(b"\xa0", tbs.index(b"\x17"))
    signed = der.sequence(tbs[start:cut], der.sequence(entries), tbs[cut:])
    algorithm = der.sequence(der.tlv(0x06, bytes.fromhex("2a8648ce3d040302")))
    signature = PA.key.sign(signed, ec.ECDSA(SHA256()))
    return der.sequence(signed, algorithm, der.tlv(0x03, b"\0" + signature))


# What is refused


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        pytest.param(
            crl(ONE, extensions=[x509.DeltaCRLIndicator(1)]), "delta", id="delta"
        ),
        pytest.param(
            crl(ONE, extensions=[UNKNOWN]),
            "critical extension that is not understood: 1.3.6.1.4.1.55555.1",
            id="critical-extension",
        ),
        pytest.param(
            crl(ONE, (1, [UNKNOWN])),
            "critical extension of an entry",
            id="critical-extension-of-an-entry",
        ),
        pytest.param(
            crl(ONE, (1, [named(TWO.certificate)])),
            "not indirect",
            id="issuer-in-a-direct-list",
        ),
        pytest.param(
            crl(
                PA,
                (1, [x509.CertificateIssuer([x509.DNSName("ca.example")])]),
                extensions=[INDIRECT],
            ),
            "does not name one issuer",
            id="issuer-that-is-no-name",
        ),
        pytest.param(
            crl(
                ONE,
                extensions=[
                    point(
                        relative_name=x509.RelativeDistinguishedName(
                            ONE.certificate.subject
                        )
                    )
                ],
            ),
            "relative name",
            id="relative-name",
        ),
        pytest.param(crl(ONE)[:-1], "parse", id="breaks-off"),
        pytest.param(crl(ONE) + b"\0", "parse", id="more"),
        pytest.param(b"", "parse", id="empty"),
        pytest.param(b"<html>not found</html>", "parse", id="html"),
        pytest.param(b"-----BEGIN X509 CRL-----\n", "PEM", id="empty-pem"),
        pytest.param(
            ONE.certificate.public_bytes(Encoding.DER), "parse", id="certificate"
        ),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(octets: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=r"^not a revocation list") as caught:
        crlreader.read(octets)

    assert why.lower() in str(caught.value).lower()


def test_an_extension_that_is_not_critical_is_passed_over() -> None:
    octets = crl(ONE, (1, [UNKNOWN]), extensions=[UNKNOWN], critical=False)

    assert serials(octets, ONE, range(3)) == [1]


def test_the_two_algorithms_of_a_list_must_be_one() -> None:
    """What is signed says SHA-256, what is not says SHA-384 (RFC 5280 §5.1.1.2)."""
    octets = crl(ONE)
    at = octets.rindex(bytes.fromhex("2a8648ce3d040302"))

    with pytest.raises(ValueError, match="algorithms do not match"):
        crlreader.read(octets[: at + 7] + b"\x03" + octets[at + 8 :])


def test_a_list_without_a_next_one_is_refused() -> None:
    octets = crl(ONE)
    end = b"\x17\x0d" + f"{NOW + 24 * HOUR:%y%m%d%H%M%SZ}".encode()
    assert octets.count(end) == 1
    tbs = x509.load_der_x509_crl(octets).tbs_certlist_bytes.replace(end, b"")
    signed = der.sequence(tbs[2:])
    algorithm = der.sequence(der.tlv(0x06, bytes.fromhex("2a8648ce3d040302")))
    signature = ONE.key.sign(signed, ec.ECDSA(SHA256()))

    with pytest.raises(ValueError, match="when the next one comes"):
        crlreader.read(
            der.sequence(signed, algorithm, der.tlv(0x03, b"\0" + signature))
        )


def test_an_algorithm_that_certificates_do_not_have_is_refused() -> None:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ONE.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + HOUR)
    )
    made = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)

    with pytest.raises(ValueError, match="algorithm"):
        crlreader.read(made.public_bytes(Encoding.DER))


@pytest.mark.parametrize("hashed", [SHA256(), SHA384()])
def test_a_list_is_signed_by_its_issuer(hashed: SHA256 | SHA384) -> None:
    found = listed(ONE, (1, []), hashed=hashed)

    assert found.signed_by(ONE.certificate)
    assert not found.signed_by(TWO.certificate)


# Octets of strangers

GOOD = crl(
    PA,
    (1, []),
    (2, [named(ONE.certificate), HOLD]),
    (3, []),
    extensions=[INDIRECT, x509.CRLNumber(7)],
)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
def test_a_list_that_was_spoilt_is_read_or_refused(at: int, octets: bytes) -> None:
    try:
        crlreader.read(GOOD[:at] + octets + GOOD[at + len(octets) :])
    except ValueError:
        return


@given(st.integers(0, len(GOOD) - 1))
def test_a_list_that_breaks_off_is_refused(at: int) -> None:
    with pytest.raises(ValueError, match="not a revocation list"):
        crlreader.read(GOOD[:at])


@given(st.binary(max_size=64))
def test_garbage_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match="not a revocation list"):
        crlreader.read(octets)


def test_the_dates_of_a_list_are_held_against_ours() -> None:
    found = listed(ONE, begin=NOW, end=NOW + HOUR)
    minute = HOUR / 60

    found.check_time(NOW, minute)
    found.check_time(NOW - minute, minute)
    found.check_time(NOW + HOUR, minute)
    with pytest.raises(ValueError, match="from the future"):
        found.check_time(NOW - 2 * minute, minute)
    with pytest.raises(ValueError, match="has expired: 2026-01-02 13:00Z"):
        found.check_time(NOW + HOUR + minute, minute)
    with pytest.raises(ValueError, match="has expired"):
        found.check_time(datetime(2030, 1, 1, tzinfo=UTC), minute)

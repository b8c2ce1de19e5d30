"""What a list says of a certificate, and whether it may (RFC 5280 §6.3)."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter.stir import crlreader, revocation
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.revocation import Elsewhere, RevocationList
from tests.laboratory import NOW
from tests.stir.certificates import DAY, Issued, issue, leaf, usage
from tests.stir.crls import HOUR, URL, authority, crl, listed, named, point, points

ROOT = authority("root")
MIDDLE = authority("middle", ROOT)
OTHER = authority("other", ROOT)
LEAF = leaf(MIDDLE)
NAMING = leaf(MIDDLE, points(URL))
PA_ROOT = authority("PA root")
PA = issue("PA", PA_ROOT, use=usage("crl_sign"))
INDIRECT = point(indirect_crl=True)
NOBODY = TrustAnchors([])
SERIAL = LEAF.certificate.serial_number


def ask(
    found: RevocationList,
    certificate: Issued = LEAF,
    issuer: Issued = MIDDLE,
    signers: TrustAnchors = NOBODY,
) -> bool:
    return revocation.answer(
        found, certificate.certificate, issuer.certificate, signers, NOW
    ).revoked


def trusting(*signers: Issued) -> TrustAnchors:
    return TrustAnchors([one.certificate for one in signers])


def about(certificate: Issued, signer: Issued = PA) -> RevocationList:
    """An indirect list that names one certificate of MIDDLE's."""
    entry = certificate.certificate.serial_number, [named(MIDDLE.certificate)]
    return listed(signer, entry, extensions=[INDIRECT])


# The issuer's own list


def test_a_certificate_that_the_list_of_its_issuer_names_is_revoked() -> None:
    assert ask(listed(MIDDLE, (1, []), (SERIAL, [])))


def test_a_certificate_that_the_list_does_not_name_is_good() -> None:
    assert not ask(listed(MIDDLE, (SERIAL + 1, [])))


def test_an_intermediate_is_looked_up_in_the_list_of_the_root() -> None:
    found = listed(ROOT, (MIDDLE.certificate.serial_number, []))

    assert ask(found, MIDDLE, ROOT)
    assert not ask(found, OTHER, ROOT)


def test_the_list_of_another_issuer_says_nothing() -> None:
    with pytest.raises(Elsewhere, match="another issuer"):
        ask(listed(OTHER, (SERIAL, [])))


def test_a_list_in_the_name_of_the_issuer_by_another_key_says_nothing() -> None:
    twin = authority("middle", OTHER)

    with pytest.raises(ValueError, match="nobody who may has signed"):
        ask(listed(twin, (SERIAL, [])))


def test_an_issuer_that_may_not_sign_lists_revokes_nothing() -> None:
    """Key usage without cRLSign (RFC 5280 §6.3.3 (f))."""
    middle = issue("middle", ROOT, ca=True, use=usage("key_cert_sign"))
    below = leaf(middle)

    with pytest.raises(ValueError, match="nobody who may has signed"):
        ask(listed(middle, (below.certificate.serial_number, [])), below, middle)


def test_a_list_that_was_altered_says_nothing() -> None:
    octets = crl(MIDDLE, (SERIAL, []))
    name = SERIAL.to_bytes((SERIAL.bit_length() + 8) // 8, "big")
    at = octets.index(name)
    altered = octets[:at] + bytes([octets[at], octets[at + 1] ^ 1]) + octets[at + 2 :]

    with pytest.raises(ValueError, match="nobody who may has signed"):
        ask(crlreader.read(altered))


def test_a_list_by_rsa_is_believed() -> None:
    key = rsa.generate_private_key(65_537, 2048)
    subject = MIDDLE.certificate.subject
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(key, SHA256())
    )
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
    )
    octets = builder.sign(key, SHA256()).public_bytes(Encoding.DER)

    found = crlreader.read(octets)

    assert found.signed_by(made)
    assert not replace(found, signature=bytes(256)).signed_by(made)
    assert not found.signed_by(MIDDLE.certificate)


def test_a_list_on_p384_is_believed() -> None:
    issuer = issue("middle", ca=True, use=usage("crl_sign"), curve=ec.SECP384R1())

    assert listed(issuer).signed_by(issuer.certificate)


# The list of an administrator


def test_a_signer_that_the_operator_names_revokes_for_every_issuer() -> None:
    assert ask(about(LEAF), signers=trusting(PA))
    assert not ask(about(NAMING), signers=trusting(PA))


def test_the_same_serial_of_another_issuer_is_not_revoked() -> None:
    twin = (SERIAL, [named(OTHER.certificate)])

    assert not ask(listed(PA, twin, extensions=[INDIRECT]), signers=trusting(PA))


def test_a_signer_below_a_root_that_the_operator_names_needs_its_certificate() -> None:
    found = about(LEAF)
    root = trusting(PA_ROOT)

    with pytest.raises(ValueError, match="nobody who may has signed"):
        ask(found, signers=root)
    assert ask(replace(found, helpers=(PA.certificate,)), signers=root)


@pytest.mark.parametrize(
    "signers",
    [
        pytest.param(NOBODY, id="nobody"),
        pytest.param(trusting(ROOT), id="anchor-of-the-certificate"),
        pytest.param(trusting(MIDDLE, OTHER), id="other-authorities"),
    ],
)
def test_nobody_else_signs_an_indirect_list(signers: TrustAnchors) -> None:
    found = replace(about(LEAF), helpers=(PA.certificate, PA_ROOT.certificate))

    with pytest.raises(ValueError, match="nobody who may has signed"):
        ask(found, signers=signers)


def test_a_stir_anchor_is_no_signer_of_lists_for_others() -> None:
    """OTHER is below the same root as the certificate; that is not enough."""
    with pytest.raises(ValueError, match="nobody who may has signed"):
        ask(about(LEAF, OTHER))


def test_a_signer_that_has_expired_is_not_believed() -> None:
    late = issue("PA", PA_ROOT, use=usage("crl_sign"), end=NOW - HOUR)

    with pytest.raises(ValueError, match="nobody who may has signed"):
        ask(about(LEAF, late), signers=trusting(late))


def test_a_signer_without_the_right_key_usage_is_not_believed() -> None:
    other = issue("PA", PA_ROOT)

    with pytest.raises(ValueError, match="nobody who may has signed"):
        ask(about(LEAF, other), signers=trusting(other))


def test_a_list_that_is_not_indirect_is_about_its_own_issuer_alone() -> None:
    with pytest.raises(Elsewhere, match="another issuer"):
        ask(listed(PA, (SERIAL, [])), signers=trusting(PA))


def test_the_name_of_the_list_in_a_certificate_need_not_be_that_of_its_issuer() -> None:
    """Real certificates spell it in three ways, or leave it out."""
    odd = leaf(MIDDLE, points(URL, issuer=OTHER.certificate.subject))

    assert ask(about(odd), odd, signers=trusting(PA))


# What a list is about


@pytest.mark.parametrize(
    ("parts", "asked", "issuer"),
    [
        pytest.param({"only_contains_ca_certs": True}, LEAF, MIDDLE, id="ca"),
        pytest.param({"only_contains_user_certs": True}, MIDDLE, ROOT, id="user"),
        pytest.param(
            {"only_contains_attribute_certs": True}, LEAF, MIDDLE, id="attribute"
        ),
    ],
)
def test_a_list_about_other_certificates_says_nothing(
    parts: dict[str, bool], asked: Issued, issuer: Issued
) -> None:
    found = listed(issuer, extensions=[point(**parts)])

    with pytest.raises(Elsewhere, match="certificates alone"):
        ask(found, asked, issuer)


@pytest.mark.parametrize(
    ("scope", "asked", "issuer"),
    [
        pytest.param("only_contains_ca_certs", MIDDLE, ROOT, id="ca"),
        pytest.param("only_contains_user_certs", LEAF, MIDDLE, id="user"),
    ],
)
def test_a_list_about_such_certificates_speaks(
    scope: str, asked: Issued, issuer: Issued
) -> None:
    entry = asked.certificate.serial_number, ()

    assert ask(
        listed(issuer, entry, extensions=[point(**{scope: True})]), asked, issuer
    )


def test_a_list_of_some_reasons_revokes_and_does_not_clear() -> None:
    some = point(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise]))

    assert ask(listed(MIDDLE, (SERIAL, []), extensions=[some]))
    found = listed(MIDDLE, extensions=[some])
    parts = LEAF.certificate, MIDDLE.certificate, NOBODY, NOW
    assert not revocation.answer(found, *parts).complete
    assert revocation.answer(listed(MIDDLE), *parts).complete


@pytest.mark.parametrize(
    ("says", "asked", "speaks"),
    [
        pytest.param(URL, NAMING, True, id="same-point"),
        pytest.param("https://crl.example/2.crl", NAMING, False, id="another-point"),
        pytest.param(URL, LEAF, True, id="certificate-names-none"),
        pytest.param("", NAMING, True, id="list-names-none"),
    ],
)
def test_the_point_that_a_list_names_must_be_one_of_the_certificate(
    says: str, asked: Issued, speaks: bool
) -> None:
    place = [x509.UniformResourceIdentifier(says)] if says else None
    found = listed(MIDDLE, extensions=[point(full_name=place)] if says else [])

    if speaks:
        assert not ask(found, asked)
    else:
        with pytest.raises(Elsewhere, match="another distribution point"):
            ask(found, asked)


# What a certificate says


def test_a_certificate_names_where_its_list_stands() -> None:
    urls = ("https://a.example/1", "http://b.example/2", "ldap://c.example/3")
    some = frozenset([x509.ReasonFlags.key_compromise])

    assert revocation.locations(leaf(MIDDLE, points(*urls)).certificate) == urls[:2]
    assert revocation.locations(LEAF.certificate) == ()
    assert revocation.needs_list(leaf(MIDDLE, points(urls[2])).certificate)
    assert not revocation.needs_list(LEAF.certificate)
    partial = leaf(MIDDLE, points(URL, reasons=some)).certificate
    assert revocation.locations(partial) == ()
    assert revocation.needs_list(partial)


def test_a_name_in_other_letters_is_the_same_issuer() -> None:
    """What revokes must not miss its certificate for a kind of string."""
    lower = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, "MIDDLE", _type=None)]
    )
    entry = SERIAL, [x509.CertificateIssuer([x509.DirectoryName(lower)])]

    assert ask(listed(PA, entry, extensions=[INDIRECT]), signers=trusting(PA))

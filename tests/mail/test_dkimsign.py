"""Our DKIM signature: what it covers, and that others accept it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from stirmilter.errors import SigningError
from stirmilter.mail.checks.canonical import BodyHashes, Canonicalization
from stirmilter.mail.dkimsign import NAMES, DkimSigner, read_key
from stirmilter.mail.message import RawMessage, write_field
from stirmilter.mail.results import DkimSignature
from stirmilter.mail.transaction import Header, Insertion
from tests.mail.checks.signed import DOMAIN, Zone, check, ed25519_key, pem, rsa_key

FORMS: list[Canonicalization] = ["simple", "relaxed"]
RSA = DkimSigner(domain=DOMAIN, selector="mms", key=rsa_key())
ED25519 = DkimSigner(domain=DOMAIN, selector="mms", key=ed25519_key())
PASSPORT = Insertion("PASSporT", "eyJhbGciOi\n\teyJkZXN0Ij;info=<https://a.example/b>")
MMS = (
    b"From: +12025550123/TYPE=PLMN@mms.example\r\n"
    b"To: +13125550100/TYPE=PLMN@\r\n\tmms.example\r\n"
    b"Date: Fri, 02 Jan 2026 12:00:00 +0000\r\n"
    b"X-Mms-Message-Type: MM4_forward.REQ\r\n"
    b"X-Mms-Priority:  Normal \r\n"
    b"X-Other: x\r\n"
    b"Content-Type: multipart/related;\r\n boundary=b\r\n"
    b"\r\n"
    b"--b\r\n\r\nHello  Bob \r\n--b--\r\n\r\n"
)


def send(
    signer: DkimSigner, message: bytes = MMS, *inserted: Insertion
) -> tuple[Insertion, bytes]:
    """Sign a message, and return the signature and what goes over SMTP."""
    raw = RawMessage.parse(message)
    hashes = BodyHashes([signer.body])
    hashes.update(raw.body)
    field = signer.sign(raw.headers, inserted, hashes.finish(), datetime.now(UTC))
    wire = b"".join(write_field(*one) for one in (field, *inserted)) + message
    return field, wire


def receive(signer: DkimSigner, wire: bytes) -> DkimSignature:
    [found] = check(wire, Zone(dict([signer.record])))
    return found


@pytest.mark.parametrize("header", FORMS)
@pytest.mark.parametrize("body", FORMS)
@pytest.mark.parametrize("key", [rsa_key(), ed25519_key()], ids=["rsa", "ed25519"])
def test_what_we_sign_verifies_here_and_with_dkimpy(
    header: Canonicalization,
    body: Canonicalization,
    key: object,
) -> None:
    signer = DkimSigner(
        domain=DOMAIN,
        selector="mms",
        key=key,  # type: ignore[arg-type] # both are
        header_form=header,
        body_form=body,
    )

    _, wire = send(signer, MMS, PASSPORT)

    assert receive(signer, wire).word == "pass"
    assert dkim.DKIM(wire).verify(dnsfunc=Zone(dict([signer.record])).txt)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"To", b"X-Mms-Message-ID", b"X-Mms-A", b"Subject", b"X"]),
            st.lists(st.sampled_from([b" ", b"\t", b"a", b"\r\n ", b"\xff"])).map(
                b"".join
            ),
        ),
        max_size=6,
    ),
    st.lists(st.sampled_from([b"\r\n", b" ", b"a"])).map(b"".join),
    st.sampled_from(FORMS),
    st.sampled_from(FORMS),
)
@settings(deadline=None)
def test_whatever_we_sign_verifies_here_and_with_dkimpy(
    fields: Sequence[tuple[bytes, bytes]],
    content: bytes,
    header: Canonicalization,
    body: Canonicalization,
) -> None:
    head = b"".join(name + b":" + value + b"\r\n" for name, value in fields)
    signer = DkimSigner(
        domain=DOMAIN,
        selector="mms",
        key=rsa_key(),
        header_form=header,
        body_form=body,
    )

    _, wire = send(signer, b"From: a\r\n" + head + b"\r\n" + content, PASSPORT)

    assert receive(signer, wire).word == "pass"
    assert dkim.DKIM(wire).verify(dnsfunc=Zone(dict([signer.record])).txt)


def test_every_field_that_gives_the_message_its_meaning_is_sealed() -> None:
    _, wire = send(RSA, MMS, PASSPORT)

    found = receive(RSA, wire)

    assert found.sealed == found.covers
    assert found.sealed == {
        name.lower() for name in NAMES if name not in {"Message-ID", "X-Mms-*"}
    } | {"x-mms-priority"}


@pytest.mark.parametrize(
    "field",
    [
        b"PASSporT: another",
        b"From: +12025550199@mms.example",
        b"Content-Type: text/html",
        b"Cc: +12025550199@mms.example",
        b"X-Mms-Priority: High",
        b"X-Mms-Transaction-ID: 1",
    ],
)
def test_no_sealed_field_can_be_added(field: bytes) -> None:
    _, wire = send(RSA, MMS, PASSPORT)

    above = receive(RSA, field + b"\r\n" + wire)
    below = receive(RSA, wire.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n", 1))

    assert (above.reason, below.reason) == ("bad-signature", "bad-signature")


def test_what_postfix_adds_behind_us_breaks_nothing() -> None:
    message = MMS.replace(b"Date: Fri, 02 Jan 2026 12:00:00 +0000\r\n", b"")
    _, wire = send(RSA, message, PASSPORT)

    added = b"Date: Fri, 02 Jan 2026 12:00:01 +0000\r\nMessage-ID: <1@a>\r\n" + wire

    assert receive(RSA, added).word == "pass"


def test_a_date_that_we_insert_is_signed() -> None:
    message = MMS.replace(b"Date: Fri, 02 Jan 2026 12:00:00 +0000\r\n", b"")

    _, wire = send(RSA, message, Insertion("Date", "Fri, 02 Jan 2026 12:00:00 +0000"))

    assert "date" in receive(RSA, wire).sealed


def test_the_field_is_folded_below_78_columns_with_lf() -> None:
    signer = DkimSigner(
        domain="a-rather-long-name-of-a-domain." * 2 + "example",
        selector="a-rather-long-selector-2026",
        key=rsa_key(4096),
        lifetime=timedelta(days=7),
    )

    field, _ = send(signer, MMS, PASSPORT)

    lines = f"{field.name}: {field.value}".split("\n")
    assert max(map(len, lines)) == 78
    assert all(line.startswith("\t") for line in lines[1:])
    assert "\r" not in field.value
    assert field.value.isascii()


@pytest.mark.parametrize("length", range(1, 62))
def test_lines_are_folded_in_time_wherever_they_end(length: int) -> None:
    signer = DkimSigner(
        domain=f"{'a' * length}.example", selector="mms", key=ed25519_key()
    )

    field, _ = send(signer)

    assert max(map(len, f"{field.name}: {field.value}".split("\n"))) <= 78


def test_a_signature_ends_with_its_lifetime() -> None:
    signer = DkimSigner(
        domain=DOMAIN, selector="mms", key=rsa_key(), lifetime=timedelta(hours=1)
    )
    _, wire = send(signer)
    served = Zone(dict([signer.record]))

    [early] = check(wire, served)
    [late] = check(wire, served, now=datetime.now(UTC) + timedelta(minutes=66))

    assert (early.word, late.reason) == ("pass", "expired")


def test_a_message_without_from_is_not_signed() -> None:
    with pytest.raises(SigningError, match="no-from"):
        send(RSA, b"To: a\r\n\r\n")


def test_a_header_of_too_many_names_is_not_signed() -> None:
    fields = b"".join(b"X-Mms-%d: a\r\n" % n for n in range(500))

    with pytest.raises(SigningError, match="too-many-fields"):
        send(RSA, b"From: a\r\n" + fields + b"\r\n")


def test_how_many_names_are_signed_is_a_setting() -> None:
    names, octets = ("From", "Subject"), len("from:from:subject:subject")
    message = b"From: a\r\nSubject: b\r\n\r\n"

    _, wire = send(replace(RSA, names=names, names_octets=octets), message)

    assert receive(RSA, wire).word == "pass"
    with pytest.raises(SigningError, match="too-many-fields"):
        send(replace(RSA, names=names, names_octets=octets - 1), message)


def test_a_name_that_would_end_the_list_is_left_out() -> None:
    _, wire = send(RSA, b"From: a\r\nX-Mms-A;b=: c\r\n\r\n")

    found = receive(RSA, wire)

    assert found.word == "pass"
    assert "x-mms-a" not in "".join(found.covers)


@pytest.mark.parametrize(
    ("domain", "selector", "names"),
    [
        ("", "mms", NAMES),
        ("example.net", "m m", NAMES),
        ("example.net;", "mms", NAMES),
        ("example.net", "mms", ("To",)),
        ("example.net", "mms", ("From", "To;")),
        ("example.net", "mms", ("From", "*")),
    ],
)
def test_a_signer_that_nobody_would_believe_is_refused(
    domain: str, selector: str, names: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match=r"name|From"):
        DkimSigner(domain=domain, selector=selector, key=rsa_key(), names=names)


def test_keys_are_read_in_the_forms_that_tools_write() -> None:
    edwards = ed25519_key().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    pkcs8 = rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    assert read_key(edwards).public_key() == ed25519_key().public_key()
    for octets in (pem(rsa_key()), pkcs8):
        assert read_key(octets).public_key() == rsa_key().public_key()


def test_keys_of_no_use_are_refused() -> None:
    ecdsa = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    locked = rsa_key().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    for octets in (ecdsa, locked, b"", b"-----BEGIN PRIVATE KEY-----"):
        with pytest.raises(ValueError, match=r"."):
            read_key(octets)


def test_fields_of_the_milter_and_of_a_file_are_signed_alike() -> None:
    """The milter hands folds as LF; SMTP has them as CRLF."""
    [header] = RawMessage.parse(b"From: a\r\n\tb\r\n\r\n").headers

    assert header == Header("From", b" a\n\tb")

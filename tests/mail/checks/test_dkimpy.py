"""dkimpy as a referee: its own test messages, and messages that it signs.

Where we part from it on purpose, `test_dkim` says so: rsa-sha1, and fields whose name
a signature seals although they are its own.
"""

from pathlib import Path
from typing import get_args

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stirmilter.mail.checks import dkimkey
from stirmilter.mail.checks.taglist import Refused
from stirmilter.mail.message import RawMessage
from tests.mail.checks.signed import (
    MESSAGE,
    Algorithm,
    Zone,
    check,
    sign,
    zone,
)

DATA = Path(__file__).with_name("dkimpy")
MESSAGES = sorted(
    path.name
    for path in DATA.iterdir()
    if path.suffix in {".msg", ".message", ".mbox", ".baddomain"}
)
GMAIL = (
    "k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1Kd87/UeJjenpabgbFwh"
    "+eBCsSTrqmwIYYvywlbhbqoo2DymndFkbjOVIPIldNs/m40KF+yzMn1skyoxcTUGCQ"
    "s8g3FgD2Ap3ZB5DekAo5wMmk4wimDO+U8QzI3SD07y2+07wlNWwIt8svnxgdxGkVbb"
    "hzY8i+RQ9DpSVpPbF7ykQxtKXkv/ahW3KjViiAH+ghvvIhkx4xYSIc9oSwVmAl5Oct"
    "MEeWUwg8Istjqz8BZeTWbf41fbNhte7Y+YqZOwq1Sd0DbvYAD9NOZK9vlfuac0598H"
    "Y+vtSBczUiKERHv1yRbcaQtZFh5wtiRrN04BLUTD21MycBX5jYchHjPY/wIDAQAB"
)


def record(name: str) -> str:
    return (DATA / name).read_text()


PUBLISHED = Zone(
    {
        "test._domainkey.example.com": record("test.txt"),
        "test._domainkey.football.example.com": record("test.txt"),
        "brisbane._domainkey.football.example.com": (
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
        ),
        "20120113._domainkey.gmail.com": GMAIL,
        "sed._domainkey.test.ex": record("eximtest.dns"),
        "test._domainkey.example.net": record("ed25519test.dns"),
    }
)


def referee(message: bytes, served: Zone) -> list[bool]:
    """What dkimpy says of each signature; an exception is a no."""
    found = []
    signatures = sum(
        header.named(("DKIM-Signature",))
        for header in RawMessage.parse(message).headers
    )
    for at in range(signatures):
        try:
            found.append(dkim.DKIM(message).verify(at, dnsfunc=served.txt))
        except dkim.DKIMException:
            found.append(False)
    return found


def ours(message: bytes, served: Zone) -> list[bool]:
    return [one.word == "pass" for one in check(message, served)]


@pytest.mark.parametrize("name", MESSAGES)
def test_its_own_messages_fare_as_with_dkimpy(name: str) -> None:
    message = (DATA / name).read_bytes()

    assert ours(message, PUBLISHED) == referee(message, PUBLISHED)


def test_messages_signed_by_gmail_and_exim_and_for_the_rfc_pass() -> None:
    """So that two who say no to everything do not agree."""
    for name in ("test2.message", "ed25519test2.msg", "rfc6376.signed.msg"):
        assert True in ours((DATA / name).read_bytes(), PUBLISHED), name


RECORDS = sorted(
    path.name for path in DATA.iterdir() if path.suffix in {".dns", ".txt"}
)


@pytest.mark.parametrize("name", RECORDS)
def test_its_own_key_records_are_as_good_as_with_dkimpy(name: str) -> None:
    try:
        *_, reports_alone = dkim.evaluate_pk(b"name", record(name).encode())
        good = not reports_alone
    except (dkim.DKIMException, ValueError):
        good = False
    try:
        dkimkey.read(record(name))
    except Refused:
        assert not good
    else:
        assert good


FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"To", b"to", b"Subject", b"X-Mms-Message-ID", b"Received"]),
        st.lists(st.sampled_from([b" ", b"\t", b"a", b":", b"\r\n ", b"\xc3\xa9"])).map(
            b"".join
        ),
    ),
    max_size=5,
)
BODIES = st.lists(
    st.sampled_from([b"\r\n", b" ", b"\t", b"a", b".", b"\xff"]), max_size=12
).map(b"".join)
FORMS = st.sampled_from([b"simple", b"relaxed"])
NAMES = st.lists(
    st.sampled_from([b"to", b"subject", b"received", b"x-mms-message-id", b"cc"]),
    max_size=6,
)


@given(
    FIELDS,
    BODIES,
    st.sampled_from(get_args(Algorithm)[:2]),
    st.tuples(FORMS, FORMS),
    NAMES,
    st.booleans(),
    st.binary(max_size=2),
)
@settings(deadline=None)
def test_messages_that_it_signs_fare_as_with_dkimpy(
    fields: list[tuple[bytes, bytes]],
    body: bytes,
    algorithm: Algorithm,
    form: tuple[bytes, bytes],
    names: list[bytes],
    length: bool,
    added: bytes,
) -> None:
    """Untouched, and with a field and octets of the body added."""
    head = b"".join(name + b":" + value + b"\r\n" for name, value in fields)
    message = b"From: a@example.net\r\n" + head + b"\r\n" + body
    served = zone()
    signed = sign(message, algorithm, form, [b"from", *names], length=length)

    assert ours(signed, served) == referee(signed, served) == [True]

    altered = b"To: x\r\n" + signed
    assert ours(altered, served) == referee(altered, served)
    altered = signed + added.replace(b"\n", b"").replace(b"\r", b"")
    assert ours(altered, served) == referee(altered, served)


def test_several_signatures_fare_as_with_dkimpy() -> None:
    message = sign(sign(MESSAGE, "ed25519-sha256"), form=(b"simple", b"simple"))
    message = message.replace(b"Hello  Bob", b"Hello Bob")

    assert ours(message, zone()) == referee(message, zone()) == [False, True]

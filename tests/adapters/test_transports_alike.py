"""The same octets given to libmilter and to ourselves: the same octets come back."""

import itertools
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from stirmilter.adapters.session import MACROS
from tests.adapters.native.talks import (
    CONNECT,
    END,
    END_OF_HEADER,
    HEADER,
    MAIL,
    RCPT,
    defined,
    offer,
)
from tests.adapters.sessions import frame

BYE = frame(b"Q")


@contextmanager
def serving(transport: str) -> Iterator[str]:
    """Serve by a transport, and give the address."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")
        listener.listen()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.adapters.serving"),
                *(transport, str(listener.fileno())),
            ],
            pass_fds=[listener.fileno()],
        )
        try:
            yield listener.getsockname()
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[str, str]]:
    with serving("libmilter") as libmilter, serving("native") as native:
        yield libmilter, native


def answers(address: str, *said: bytes) -> bytes:
    """All that comes back until the connection is closed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(address)
        for octets in said:
            connection.sendall(octets)
        found = b""
        with suppress(ConnectionResetError):  # closed with octets that it did not read
            while more := connection.recv(65_536):
                found += more
        return found


@pytest.mark.parametrize(
    ("version", "actions", "steps"),
    [
        *itertools.product((6,), (0x1FF, 0x31, 0x11, 0x1, 0), (0x1FFFFF, 0xFFFFF, 0)),
        (6, 0x1FF, 0x7F),
        (6, 0x1FF, 0x1FF),
        (6, 0x1FF, 0x301FFFFF),
        (7, 0x1FF, 0x1FFFFF),
        (5, 0x1FF, 0x7FF),
        (4, 0x3F, 0x3FF),
        (3, 0x3F, 0x17F),
        (2, 0x3F, 0x7F),
        (2, 0, 0),
        (1, 0xF, 0x3F),
        (0, 0, 0),
        (1 << 31, 0x1FF, 0x1FFFFF),
    ],
)
def test_an_offer_is_answered_alike(
    both: tuple[str, str], version: int, actions: int, steps: int
) -> None:
    said = offer(steps, actions, version) + BYE

    libmilter, native = (answers(address, said) for address in both)

    assert native == libmilter


@pytest.mark.conformance("O-06")
@pytest.mark.parametrize("transport", [0, 1], ids=["libmilter", "native"])
@pytest.mark.parametrize(
    ("offered", "taken"), [(0x1FF, 0x131), (0xFF, 0x31), (0x100, 0x100)]
)
def test_macros_are_asked_for_where_the_mta_lets_us(
    both: tuple[str, str], transport: int, offered: int, taken: int
) -> None:
    found = answers(both[transport], offer(actions=offered) + BYE)

    version, actions, steps = struct.unpack_from("!III", found, 5)
    assert (version, actions) == (6, taken)
    assert steps & 0x1F == 0, "from the connection to the body, every step is taken"
    expected = (
        b"\0\0\0\0{daemon_name} {client_resolve} _\0"
        b"\0\0\0\1{verify} {cn_subject}\0"
        b"\0\0\0\2i v {auth_authen} {cert_subject}\0"
        b"\0\0\0\5i\0"
    )
    assert found[17:] == (expected if offered & 0x100 else b"")


def message(sender: bytes, *body: bytes) -> bytes:
    """One as Postfix says it, macros included, with a field of each kind."""
    fields = [
        (b"From", b" +12025550123/TYPE=PLMN"),
        (b"X-Seen", b"no space"),
        (b"x-seen", b"\tfolded\n\tonce"),
        (b"Subject", bytes(range(1, 256))),
        (b"X-Empty", b""),
    ]
    return b"".join(
        [
            defined(b"M", **{"{auth_authen}": "mmsc", "{mail_addr}": "x"}),
            frame(b"M", sender + b"\0SIZE=10\0BODY=8BITMIME\0"),
            defined(b"R", i="4Yx1ab", **{"{rcpt_addr}": "b@two.example"}),
            frame(b"R", b"<b@two.example>\0NOTIFY=NEVER\0"),
            frame(b"R", b"<" + bytes(range(128, 256)) + b">\0"),
            *(frame(b"L", name + b"\0" + value + b"\0") for name, value in fields),
            defined(b"N", i="4Yx1ab"),
            frame(b"N"),
            *(frame(b"B", chunk) for chunk in body),
            defined(b"E", i="4Yx1ab"),
            frame(b"E"),
        ]
    )


SESSION = defined(b"C", **{"{daemon_name}": "smtpd", "v": "Postfix 3.7.11"}) + CONNECT
HELO = defined(b"H", **{"{cert_subject}": "mmsc.one.example"})
HELO += frame(b"H", b"client.example\0")
LARGE = b"line of a body\r\n" * 4_096


@pytest.mark.parametrize("steps", [0x1FFFFF, 0xFFFFF, 0x7F, 0])
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(message(b"<a@one.example>", b"Hello\r\n"), id="accept"),
        pytest.param(message(b"<a@one.example>"), id="no-body"),
        pytest.param(message(b"<a@one.example>", b"x\r", b"\ny"), id="cut"),
        pytest.param(
            message(b"<a@one.example>", *[LARGE[:65_535]] * 4), id="large-body"
        ),
        pytest.param(message(b"<reject@one.example>", b"x"), id="reject"),
        pytest.param(message(b"<tempfail@one.example>", b"x"), id="tempfail"),
        pytest.param(message(b"<quarantine@one.example>", b"x"), id="quarantine"),
        pytest.param(
            message(b"<reject@one.example>", b"x") + message(b"<>", b"y"), id="two"
        ),
        pytest.param(
            frame(b"M", b"<gone@one.example>\0")
            + frame(b"A")
            + message(b"<>", b"y")
            + frame(b"A"),
            id="abort",
        ),
        pytest.param(
            frame(b"M", b"<gone@one.example>\0") + HELO + message(b"<>", b"y"),
            id="helo-again",
        ),
        pytest.param(frame(b"M", b"<a@one.example>") + b"\0\0\0\0", id="no-frame"),
        pytest.param(frame(b"Z"), id="no-command"),
    ],
)
def test_a_session_is_answered_alike(
    both: tuple[str, str], steps: int, said: bytes
) -> None:
    octets = offer(steps) + SESSION + HELO + said + BYE

    libmilter, native = (answers(address, octets) for address in both)

    assert native == libmilter
    assert len(native) >= len(offer())


@pytest.mark.parametrize("actions", [0x31, 0x11, 0x1, 0])
@pytest.mark.parametrize("sender", [b"<a@one.example>", b"<quarantine@one.example>"])
def test_an_mta_that_forbids_is_answered_alike(
    both: tuple[str, str], actions: int, sender: bytes
) -> None:
    octets = offer(actions=actions) + SESSION + message(sender, b"x") + BYE

    libmilter, native = (answers(address, octets) for address in both)

    assert native == libmilter
    assert (b"y451 4.3." in native) == (
        not actions & 0x10 or (b"quarantine" in sender and not actions & 0x20)
    )


def test_a_login_is_that_of_its_message_alike(both: tuple[str, str]) -> None:
    """Of what we ask for with MAIL, Postfix always knows v, and perhaps nothing else.

    If it knew nothing, libmilter would keep what was known of the message before.
    """
    always = [one for one in MACROS[2] if one == "v"]
    said = b""
    for known in ({"{auth_authen}": "mmsc"}, {}):
        said += defined(b"M", **dict.fromkeys(always, "Postfix 3.7.11"), **known)
        said += MAIL + RCPT + HEADER + END_OF_HEADER + END

    found = [answers(one, offer() + SESSION + said + BYE) for one in both]

    assert found[0] == found[1]
    assert re.findall(rb"login='(\w*)'", found[0]) == [b"mmsc", b""]


PORT = struct.pack("!H", 25)
FOUR, SIX = b"IPv4Address('192.0.2.1')", b"IPv6Address('2001:db8::7')"


@pytest.mark.parametrize(
    ("client", "seen"),
    [
        (b"mx.one.example\x004" + PORT + b"192.0.2.1\0", FOUR),
        (b"mx.one.example\x006" + PORT + b"2001:db8::7\0", SIX),
        (b"mx.one.example\x006" + PORT + b"IPv6:2001:db8::7\0", SIX),
        # A socket for both protocols has it so; SPF and the lists of peers do not.
        (b"mx.one.example\x006" + PORT + b"::ffff:192.0.2.1\0", FOUR),
        (b"localhost\0L\0\0/run/socket\0", b"None"),
        (b"localhost\0U", b"None"),
        (b"localhost\0X\0\0x\0", b""),
        (b"unknown\x004" + PORT + b"192.0.2.256\0", b""),
        (b"unknown\x006" + PORT + b"2001:db8::x\0", b""),
    ],
)
def test_a_client_is_understood_alike(
    both: tuple[str, str], client: bytes, seen: bytes
) -> None:
    octets = offer() + frame(b"C", client) + message(b"<>", b"x") + BYE

    libmilter, native = (answers(address, octets) for address in both)

    assert native == libmilter
    assert (b"client=" + seen in native) == bool(seen), "or not spoken to any more"

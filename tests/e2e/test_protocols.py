"""What a real Postfix speaks to us: each version of the protocol that it knows."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stirmilter.demo import daemons, postfix
from stirmilter.mail.message import RawMessage
from tests.e2e.conftest import OVER_BOTH, Daemon, Start
from tests.e2e.watching import reload

pytestmark = pytest.mark.e2e

IDENTITY = b"Authentication-Results"
FORGED = b"".join(
    IDENTITY + colon + b"mx.example; " + method + b"=pass\r\n"
    for colon, method in ((b": ", b"stir"), (b":", b"spf"), (b":\t", b"dkim"))
)
OTHERS = (IDENTITY.decode(), b" other.example; spf=pass")
FIELDS = [
    ("X-Tab", b"\ttab"),
    ("X-None", b"none"),
    ("X-Octets", b" caf\xe9 \xff"),
    ("X-Folded", b" one\r\n\ttwo"),
]
LARGE = b"a line of a body that takes more than one frame\r\n" * 5_000


@dataclass
class Relay:
    """A Postfix that asks a daemon, and what it has sent on."""

    port: int
    received: daemons.Mailbox

    def send(self, *messages: tuple[str, bytes]) -> list[RawMessage]:
        """Send, all over one connection: names and octets without a Message-ID."""
        with smtplib.SMTP("127.0.0.1", self.port, "client.example", 60) as smtp:
            for name, octets in messages:
                smtp.sendmail(
                    "a@one.example",
                    ["b@two.example"],
                    f"Message-ID: <{name}@one.example>\r\n".encode() + octets,
                    mail_options=["BODY=8BITMIME"],
                )
        found = []
        for name, _ in messages:
            arrived = self.received.wait(f"<{name}@one.example>")
            assert arrived is not None, name
            found.append(RawMessage.parse(arrived))
        return found


@contextmanager
def relaying(daemon: Daemon, *settings: str) -> Iterator[Relay]:
    port = postfix.free_port()
    with (
        daemons.short_folder() as folder,
        daemons.sink(port) as received,
        postfix.instance(
            Path(folder) / "p",
            name="mx.example",
            milter=f"unix:{daemon.socket}",
            next_hop=port,
            settings=settings,
        ) as running,
    ):
        yield Relay(running.port, received)


def verifying(start: Start, milter: str) -> Daemon:
    """A daemon to which everybody is a stranger."""
    daemon = start(milter=milter)
    text, ours = daemon.configuration.read_text(), 'clients = ["127.0.0.0/8"]'
    assert ours in text
    daemon.configuration.write_text(text.replace(ours, ""))
    reload(daemon)
    return daemon


def values(message: RawMessage, name: str) -> list[bytes]:
    return [one.value for one in message.headers if one.name == name]


@OVER_BOTH
@pytest.mark.parametrize("version", [2, 3, 4, 6])
def test_each_version_carries_mail_and_its_changes(
    start: Start, version: int, transport: str
) -> None:
    """Below 6, values lose their leading space on the way to us, and on no other."""
    daemon = verifying(start, f'transport = "{transport}"')
    fields = b"".join(b"%s:%s\r\n" % (name.encode(), value) for name, value in FIELDS)
    forged = FORGED + b":".join([OTHERS[0].encode(), OTHERS[1]]) + b"\r\n" + fields

    with relaying(daemon, f"milter_protocol = {version}") as relay:
        first, empty, last = relay.send(
            ("first", forged + b"\r\ncaf\xc3\xa9\r\n" + LARGE),
            ("empty", b"From: a@one.example\r\n\r\n"),
            ("last", forged + b"\r\n.\r\n"),
        )

    ours = (b" mx.example; stir=none reason=no-passport", b"unauthenticated")
    for message in (first, last):
        result, other = values(message, IDENTITY.decode())
        assert result.startswith(ours[0])
        assert result.endswith(ours[1])
        assert other == OTHERS[1]
        for name, value in FIELDS:
            assert values(message, name) == [value.replace(b"\r\n", b"\n")]
    assert first.headers[0].name == IDENTITY.decode(), "above our Received"
    assert first.body.endswith(LARGE)
    assert len(values(empty, IDENTITY.decode())) == 1
    assert "internal error" not in daemon.logged()


@OVER_BOTH
@pytest.mark.parametrize("limit", [102_400, 300_000])
def test_as_long_a_header_field_as_postfix_lets_pass_is_taken(
    start: Start, limit: int, transport: str
) -> None:
    """Whatever header_size_limit, Postfix cuts at 60 000 while it has milters.

    A field beyond 65 535 would have libmilter hang up, and one beyond
    milter.frame_octets, us; here that is as small as it may be.
    """
    daemon = verifying(start, f'frame_octets = 65_536\ntransport = "{transport}"')
    lines = b"\r\n ".join(b"x" * 900 for _ in range(110))
    large = b"From: a@one.example\r\nX-Large: " + lines + b"\r\n"

    with relaying(daemon, f"header_size_limit = {limit}") as relay:
        [message] = relay.send(("large", large + b"\r\n" + LARGE))

    [kept] = values(message, "X-Large")
    assert 58_000 < len(kept) <= 60_000
    assert message.body == LARGE
    assert len(values(message, IDENTITY.decode())) == 1
    assert "does not speak" not in daemon.logged()


def test_what_postfix_makes_of_a_nul_is_a_header_field_to_us(start: Start) -> None:
    """We hang up on a NUL in a value; this shows that Postfix never sends one."""
    daemon = verifying(start, 'transport = "native"')
    octets = b"From: a@one.example\r\nX-Nul: one\0two\r\nX-Next: three\r\n\r\n\0\r\n"

    with relaying(daemon) as relay:
        [message] = relay.send(("nul", octets))

    assert len(values(message, IDENTITY.decode())) == 1
    assert values(message, "X-Next") == [b" three"]
    assert "does not speak" not in daemon.logged()

"""Messages as Postfix hands them to a milter, prepared in a file for the load client.

The packets, their order and their macros are those that Postfix 3.7 sends of a session
of several messages without TLS and login; load.h tells the layout of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHUNK: Final = 65_535

Fields = Sequence[tuple[bytes, bytes]]

_FILE: Final = struct.Struct("=4sIII")
_BODY: Final = struct.Struct("=QQ")
_MESSAGE: Final = struct.Struct("=QIIIIII")
_MAGIC: Final = b"MLT1"


@dataclass(frozen=True, slots=True)
class Mail:
    """One message and who brings it. What is octets goes over the wire as it is."""

    fields: Fields
    """Values begin with the space after the colon; lines of one end with LF alone."""

    body: bytes
    """Lines end with CRLF. Messages with equal bodies share one in the file."""

    sender: bytes = b"<+12025550123/TYPE=PLMN@one.example>"
    recipients: tuple[bytes, ...] = (b"<+13125550100/TYPE=PLMN@two.example>",)
    client: str = "127.0.0.1"
    helo: bytes = b"mmsc.one.example"
    daemon_name: bytes = b"relay.example"


def write(path: Path, mails: Iterable[Mail]) -> int:
    """Prepare messages, and return how many.

    Raises:
        OSError: the file cannot be written.
    """
    places: dict[bytes, int] = {}
    entries: list[tuple[int, ...]] = []
    octets: list[bytes] = []
    at = 0
    for number, mail in enumerate(mails):
        connecting, head, chunk, tail, bare = _packets(mail, b"4Y%09X" % number)
        place = places.setdefault(mail.body, len(places))
        first, lengths = len(connecting), [len(chunk), len(tail), place]
        entries.append((at, first, first + len(head), *lengths, first + len(bare)))
        parts = [connecting, head, chunk, tail, connecting, bare]
        octets += parts
        at += sum(map(len, parts))
    bodies = [b"".join(map(_chunk, chunks(body))) for body in places]
    begin = _FILE.size + _BODY.size * len(bodies) + _MESSAGE.size * len(entries)
    with path.open("wb") as out:
        out.write(_FILE.pack(_MAGIC, len(bodies), len(entries), 0))
        place = begin
        for body in bodies:
            out.write(_BODY.pack(place, len(body)))
            place += len(body)
        for offset, *rest in entries:
            out.write(_MESSAGE.pack(place + offset, *rest))
        out.writelines(bodies)
        out.writelines(octets)
    return len(entries)


def chunks(body: bytes) -> list[bytes]:
    """Cut a body as Postfix does."""
    return [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]


def _packets(mail: Mail, queue_id: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Return what a new connection gets, the rest before the body, what goes before
    each chunk of it, the end, and the second of these again without leading space.
    """
    family = b"6" if ":" in mail.client else b"4"
    address = mail.client.encode()
    macros = {
        b"j": b"relay.example",
        b"{daemon_name}": mail.daemon_name,
        b"{daemon_addr}": b"127.0.0.1",
        b"v": b"Postfix 3.7.11",
        b"_": b"%b [%b]" % (mail.helo, address),
    }
    port = struct.pack("!H", 40_000)
    connecting = [
        _macros(b"C", macros),
        _packet(b"C", mail.helo + b"\0" + family + port + address + b"\0"),
        _macros(b"H", {}),
        _packet(b"H", mail.helo + b"\0"),
    ]
    named = {b"i": queue_id}
    head = [
        _macros(b"M", _addressed(b"mail", mail.sender)),
        _packet(b"M", mail.sender + b"\0"),
    ]
    for recipient in mail.recipients:
        # The first message of Postfix's has its queue id only after a recipient.
        head += [
            _macros(b"R", _addressed(b"rcpt", recipient)),
            _packet(b"R", recipient + b"\0"),
        ]
    head += [_macros(b"T", named), _packet(b"T")]
    bare = [*head]
    for name, value in mail.fields:
        for to, text in ((head, value), (bare, value.removeprefix(b" "))):
            to += [_macros(b"L", named), _packet(b"L", name + b"\0" + text + b"\0")]
    end = [_macros(b"N", named), _packet(b"N")]
    return (
        b"".join(connecting),
        b"".join(head + end),
        _macros(b"B", named),
        _macros(b"E", named) + _packet(b"E"),
        b"".join(bare + end),
    )


def _addressed(kind: bytes, address: bytes) -> dict[bytes, bytes]:
    return {
        b"{%b_addr}" % kind: address.strip(b"<>").lower(),
        b"{%b_host}" % kind: b"[127.0.0.1]:2525",
        b"{%b_mailer}" % kind: b"smtp",
    }


def _macros(command: bytes, macros: dict[bytes, bytes]) -> bytes:
    packed = b"".join(n + b"\0" + v + b"\0" for n, v in macros.items())
    return _packet(b"D", command + packed)


def _chunk(octets: bytes) -> bytes:
    return _packet(b"B", octets)


def _packet(kind: bytes, octets: bytes = b"") -> bytes:
    return struct.pack("!I", len(octets) + 1) + kind + octets

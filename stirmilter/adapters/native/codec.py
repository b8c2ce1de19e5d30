"""Frames of the milter protocol, versions 2 to 6; no I/O and no state.

A frame is its length (32 bits, of what follows), one octet that names the command or
the answer, and data. No standard describes it: names and values are those of
libmilter's mfdef.h, and how a command is read is how libmilter reads it, but for what
it lets pass (strings without an end, or too many of them).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from stirmilter.stir.remembering import remembered

LENGTH: Final = struct.Struct("!I")
BEGIN: Final = struct.Struct("!IB")
"""How a frame begins: its length, and what it is."""

_OPTIONS: Final = struct.Struct("!III")
_PORT: Final = 2  # octets

OLDEST, NEWEST = 2, 6
"""Versions that we speak."""

ADD_HEADERS: Final = 0x01  # SMFIF_ADDHDRS
CHANGE_HEADERS: Final = 0x10  # SMFIF_CHGHDRS
QUARANTINE: Final = 0x20  # SMFIF_QUARANTINE
CHOOSE_MACROS: Final = 0x100  # SMFIF_SETSYMLIST
ACTIONS: Final = ADD_HEADERS | CHANGE_HEADERS | QUARANTINE | CHOOSE_MACROS
_OLD_ACTIONS: Final = 0x0F  # SMFI_V1_ACTS, of an MTA that names none

NR_HEADER: Final = 0x80  # SMFIP_NR_HDR, and so on: no reply to these
NR_CONNECT: Final = 0x1000
NR_HELO: Final = 0x2000
NR_MAIL: Final = 0x4000
NR_RCPT: Final = 0x8000
NR_DATA: Final = 0x10000
NR_UNKNOWN: Final = 0x20000
NR_EOH: Final = 0x40000
NR_BODY: Final = 0x80000
LEADING_SPACE: Final = 0x100000  # SMFIP_HDR_LEADSPC
_NO_UNKNOWN: Final = 0x100  # SMFIP_NOUNKNOWN
_NO_DATA: Final = 0x200  # SMFIP_NODATA
_SKIP: Final = 0x400  # SMFIP_SKIP, which libmilter claims as well
STEPS: Final = (
    NR_HEADER
    | NR_CONNECT
    | NR_HELO
    | NR_MAIL
    | NR_RCPT
    | NR_EOH
    | NR_BODY
    | LEADING_SPACE
    | _NO_UNKNOWN
    | _NO_DATA
    | _SKIP
)
"""What we ask for where the MTA offers it."""

_REPLY: Final = re.compile(r"([45])[0-9][0-9]")
_ENHANCED: Final = re.compile(r"[45]\.[0-9]{1,3}\.[0-9]{1,3}")
_REPLY_OCTETS: Final = 980  # MAXREPLYLEN of libmilter


class ProtocolError(Exception):
    """What the other side sent is no milter protocol, or not where it is."""


class Options(NamedTuple):
    """What both sides agree on (SMFIC_OPTNEG)."""

    version: int
    actions: int
    steps: int


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """Make a frame."""
    return LENGTH.pack(1 + len(data)) + kind + data


CONTINUE: Final = frame(b"c")
REJECT: Final = frame(b"r")
TEMPFAIL: Final = frame(b"t")
PROGRESS: Final = frame(b"p")


def agree(data: bytes) -> Options:
    """Read what an MTA offers, and return what we take of it.

    Raises:
        ProtocolError: it is too old, or that is no offer.
    """
    if len(data) < _OPTIONS.size:
        raise ProtocolError("an offer that is too short")
    version, actions, steps = _OPTIONS.unpack_from(data)
    if not OLDEST <= version < 1 << 31:
        raise ProtocolError(f"version {version} of the protocol")
    return Options(
        min(version, NEWEST), (actions or _OLD_ACTIONS) & ACTIONS, steps & STEPS
    )


def options(agreed: Options, macros: Mapping[int, Iterable[str]]) -> bytes:
    """Make the answer to an offer.

    Args:
        agreed: what we take of it.
        macros: names of those that we want at a stage, by its number (SMFIM_...), for
            an MTA that lets us choose.
    """
    answer = _OPTIONS.pack(*agreed)
    if agreed.actions & CHOOSE_MACROS:
        for stage, names in macros.items():
            answer += LENGTH.pack(stage) + " ".join(names).encode() + b"\0"
    return frame(b"O", answer)


def text(octets: bytes) -> str:
    """Read a string of an MTA; what is no UTF-8 is kept as surrogates."""
    return octets.decode("utf-8", "surrogateescape")


def _is_string(data: bytes) -> bool:
    """Tell whether a NUL stands at the end, and none before."""
    return data.find(0) == len(data) - 1 >= 0


def macros(data: bytes) -> dict[str, str]:
    """Read names and values (SMFIC_MACRO), without the command that they are for.

    Raises:
        ProtocolError: a name without a value.
    """
    if not data:
        return {}
    if not data.endswith(b"\0"):
        raise ProtocolError("a string without its end")
    found = text(data[:-1]).split("\0")
    if len(found) % 2:
        raise ProtocolError("a macro without a value")
    return dict(zip(found[::2], found[1::2], strict=True))


def client(data: bytes) -> tuple[str, IPv4Address | IPv6Address | None]:
    """Read name and address of a client (SMFIC_CONNECT).

    The address is None for one that came over no network, or over one that we do not
    know. Sendmail writes ``IPv6:`` before those.

    Raises:
        ProtocolError: that is no client.
    """
    name, end, rest = data.partition(b"\0")
    family, address = rest[:1], rest[1 + _PORT :]
    if not end or family not in (b"U", b"L", b"4", b"6"):
        raise ProtocolError("a client of no family")
    if family == b"U":
        return text(name), None
    if not _is_string(address):
        raise ProtocolError("an address without its end")
    if family == b"L":
        return text(name), None
    try:
        return text(name), _address(address[:-1])
    except ValueError as error:
        raise ProtocolError(str(error)) from None


@remembered(64)
def _address(octets: bytes) -> IPv4Address | IPv6Address:
    """Read an address; most connections of a relay come from few."""
    return ip_address(text(octets).removeprefix("IPv6:"))


def argument(data: bytes) -> str:
    """Read the first argument of a command (HELO, MAIL, RCPT).

    Raises:
        ProtocolError: there is none.
    """
    if not data.endswith(b"\0"):
        raise ProtocolError("a string without its end")
    return text(data[: data.index(0)])


def header(data: bytes) -> tuple[str, bytes]:
    """Read a header field (SMFIC_HEADER): its name, and its value as it is.

    Raises:
        ProtocolError: it is not two strings, or has no name.
    """
    match data.split(b"\0", 2):
        case [name, value, b""] if name:
            return text(name), value
    raise ProtocolError("a header field that is not a name and a value")


def insert_header(name: str, value: str) -> bytes:
    """Make SMFIR_INSHEADER: above all others, folds being LF and white space.

    Raises:
        ValueError: it would be another field as well, or none.
    """
    return frame(b"i", LENGTH.pack(0) + _field(name, value))


def remove_header(name: str, occurrence: int) -> bytes:
    """Make SMFIR_CHGHEADER: which of that name, from 1.

    Raises:
        ValueError: that is no field.
    """
    return frame(b"m", LENGTH.pack(occurrence) + _field(name, ""))


def quarantine(reason: str) -> bytes:
    """Make SMFIR_QUARANTINE.

    Raises:
        ValueError: there is no reason, or it has no place in one line.
    """
    if not reason or not reason.isprintable():
        raise ValueError(f"no reason to quarantine: {reason!r}")
    return frame(b"q", reason.encode() + b"\0")


def reply(code: str, enhanced: str, said: str) -> bytes:
    """Make SMFIR_REPLYCODE, in one line.

    Raises:
        ValueError: SMTP knows no such reply, or MTAs do not agree on how it is read.
    """
    line = f"{code} {enhanced} {said}"
    if (
        not (_REPLY.fullmatch(code) and _ENHANCED.fullmatch(enhanced))
        or not line.isprintable()
        or "%" in line
        or len(octets := line.encode()) > _REPLY_OCTETS
    ):
        raise ValueError(f"no reply of SMTP: {line!r}")
    return frame(b"y", octets + b"\0")


_NAME: Final = re.compile(r"[!-9;-~]+")


def _field(name: str, value: str) -> bytes:
    folds = value.count("\n ") + value.count("\n\t")
    good = value.count("\n") == folds and "\0" not in value and "\r" not in value
    if not good or not _NAME.fullmatch(name):
        raise ValueError(f"no header field: {name!r}")
    return b"%s\0%s\0" % (name.encode(), value.encode())

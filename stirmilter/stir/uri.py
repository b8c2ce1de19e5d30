"""URI identities in canonical form (RFC 8224 §8.5), for who turns them on.

``sip`` and ``sips`` as RFC 8224 §8.5 has them: user and host in lower case, escapes
undone where they are not needed, no password, port, parameters or header fields.
``mailto`` is our own profile (docs/profile.md): RFC 8224 knows no rule for it. The
local part of a mail address stays as it is; its host alone is in lower case.

A telephone number is never a URI here, so that it has one spelling only.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_SIP: Final = re.compile(
    r"""
    (?P<scheme> sips? ) :
    (?: (?P<user> (?: [A-Za-z0-9_.!~*'()&=+$,;?/-] | %[0-9A-Fa-f]{2} )+ )
        (?: : [^@<>]* )?
        @ )?
    (?P<host> [A-Za-z0-9.-]+ | \[ [0-9A-Fa-f:.]+ \] )
    (?: : [0-9]{1,5} )?
    (?: [;?] [!-~]* )?
    """,
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_USER: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/"
)
_ESCAPED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_ATOMS: Final = re.compile(
    r"(?=.{1,64}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*",
    re.ASCII,
)
_MAILTO: Final = "mailto:"
_DIALLED: Final = re.compile(r"\+?[0-9#*]+")
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*",
    re.ASCII,
)
_KEPT: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!$'*+-._~"
)


def from_sip(text: str) -> str | None:
    """Return the canonical form of a ``sip`` or ``sips`` URI, or None.

    None as well for one whose user is a telephone number: RFC 8224 §8.1 makes that a
    ``tn``.
    """
    match = _SIP.fullmatch(text)
    if match is None:
        return None
    user = _ESCAPED.sub(_unescaped, match["user"] or "")
    if _is_dialled(re.sub(r"[-.()]", "", unquote(user).partition(";")[0])):
        return None
    at = "@" if user else ""
    # Escapes that stay are written in capitals (RFC 3986 §6.2.2.1).
    shown = re.sub(r"%..", lambda c: c[0].upper(), user.lower())
    return f"{match['scheme'].lower()}:{shown}{at}{match['host'].lower()}"


def from_mail(local: str, domain: str) -> str | None:
    """Return the ``mailto`` URI of a mail address, or None.

    Args:
        local: local part, quoting undone; one that would need it has no URI here.
        domain: an ASCII host name (A-labels); literals have no URI here.
    """
    host = domain.lower()
    if not domain.isascii() or not _ATOMS.fullmatch(local):
        return None
    if not _DOMAIN.fullmatch(host) or _is_dialled(local.partition("/")[0]):
        return None
    escaped = "".join(c if c in _KEPT else f"%{ord(c):02X}" for c in local)
    return f"{_MAILTO}{escaped}@{host}"


def canonical(text: str) -> str | None:
    """Return the canonical form of a URI of these schemes, or None."""
    if text[: len(_MAILTO)].lower() != _MAILTO:
        return from_sip(text)
    local, _, host = text[len(_MAILTO) :].partition("@")
    return from_mail(unquote(local), host)


def domain(identity: str) -> str:
    """Return the host of a canonical URI: who may vouch for the rest of it."""
    return identity.partition(":")[2].rpartition("@")[2]


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _USER else match[0]


def _is_dialled(user: str) -> bool:
    return _DIALLED.fullmatch(user) is not None

"""Which fields claim to be ours, in whatever disguise (RFC 8601 §5)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from stirmilter.mail.addresses import end_of_comment
from stirmilter.mail.authres.values import NAME
from stirmilter.mail.transaction import Header, Removal

_ID: Final = re.compile(
    r'(?:"(?P<quoted>(?:[^"\\]++|\\.)*+)"|(?P<token>[^\x00-\x20\x7f()<>@,;:\\"/\[\]?=]+))',
    re.DOTALL,
)
_SHRINKS: Final = 4  # how many times longer than what it becomes a name can be
_AT_THE_END: Final = ". \u2024\u2025\u2026\u3002\uff0e\uff61"  # dots, or become some
# What is shown as nothing: RFC 3454 table B.1, and the like of later versions.
_IGNORED: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_DOTS: Final = str.maketrans("\u3002\uff0e\uff61", "...")  # RFC 3490 §3.1
_FIELD: Final = NAME.lower()
_OUTSIDE: Final = re.compile("[\ud800-\udfff]")
_CFWS: Final = re.compile(r"[ \t\r\n]*")
_VERSION: Final = re.compile(r"1(?![0-9])")


def removals(headers: Iterable[Header], authserv_id: str) -> tuple[Removal, ...]:
    """List the fields of a message that claim to be ours, in its order."""
    fields = (header for header in headers if header.name.lower() == _FIELD)
    return tuple(
        Removal(header.name, occurrence)
        for occurrence, header in enumerate(fields, 1)
        if forged(header.text, authserv_id)
    )


def forged(value: str, authserv_id: str) -> bool:
    """Tell whether a field that arrived must go before ours is added (RFC 8601 §5).

    It must if it claims our authserv-id, whatever follows and however it is written
    (quoted, in another case, as an A-label, with a final dot), if it has a version
    other than 1, and also if what stands before the first semicolon is not an
    authserv-id: a reader less strict than us might find ours in it. So it is with an
    octet outside UTF-8, a surrogate here: another reader may drop it.
    """
    position = _skip(value, 0)
    match = _ID.match(value, position)
    if match is None:
        return True
    found = (
        re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL)
        if match["quoted"] is not None
        else match["token"]
    )
    if _OUTSIDE.search(found) or _same(found, authserv_id):
        return True
    position = _skip(value, match.end())
    version = _VERSION.match(value, position)
    if version is not None:
        position = _skip(value, version.end())
    return position < len(value) and value[position] != ";"


def _same(one: str, other: str) -> bool:
    """Tell whether a stranger's name is ours; it costs its length, and no more."""
    ours = _normal(other)
    name = _IGNORED.sub("", one).strip().strip(_AT_THE_END)
    # Composing makes a letter of up to three; nothing else makes a name shorter.
    if len(name) > _SHRINKS * len(ours):
        return False
    if name.isascii() and "xn--" not in name.lower():
        return name.casefold() == ours
    return _normal(name) == ours


def _normal(name: str) -> str:
    """Bring a domain name to one spelling: U-labels, folded, no final dot.

    Label by label and by Punycode alone: what the IDNA tables of this machine make of a
    name must not decide whether a field is forged. Names that look alike (ss, ß) may
    come out equal, which removes a field too many.
    """
    folded = _fold(name).translate(_DOTS).rstrip(".")
    return ".".join(_label(label) for label in folded.split("."))


def _label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return _fold(label[4:].encode("ascii").decode("punycode"))
    except UnicodeError:
        return label


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text.strip()).casefold()
    shown = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", shown)


def _skip(text: str, position: int) -> int:
    """Return where the comments and folds that start at `position` end."""
    while True:
        match = _CFWS.match(text, position)
        position = match.end() if match else position
        if not text.startswith("(", position):
            return position
        position = end_of_comment(text, position) or len(text)

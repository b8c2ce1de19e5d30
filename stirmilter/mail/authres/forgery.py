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
_NAME_LENGTH: Final = 255  # no longer name is a domain's, so none is ours
_PART: Final = 16  # characters
_DOTS: Final = str.maketrans("\u3002\uff0e\uff61", "...")  # RFC 3490 §3.1
_CFWS: Final = re.compile(r"[ \t\r\n]*")
_VERSION: Final = re.compile(r"1(?![0-9])")


def removals(headers: Iterable[Header], authserv_id: str) -> tuple[Removal, ...]:
    """List the fields of a message that claim to be ours, in its order."""
    fields = (header for header in headers if header.named((NAME,)))
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
    authserv-id: a reader less strict than us might find ours in it.
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
    if _same(found, authserv_id):
        return True
    position = _skip(value, match.end())
    version = _VERSION.match(value, position)
    if version is not None:
        position = _skip(value, version.end())
    return position < len(value) and value[position] != ";"


def _same(one: str, other: str) -> bool:
    return _normal(one) == _normal(other)


def _normal(name: str) -> str:
    """Bring a domain name to one spelling: U-labels, folded, no final dot.

    Label by label and by Punycode alone: what the IDNA tables of this machine make of a
    name must not decide whether a field is forged. Names that look alike (ss, ß) may
    come out equal, which removes a field too many.
    """
    if len(name) > _NAME_LENGTH:
        return name
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
    """Fold case and compatibility; what is then too long is no domain's name."""
    if text.isascii():
        return text.strip().lower()
    shown = "".join(c for c in text.strip() if unicodedata.category(c) != "Cf")
    if _grows(shown):
        return text
    return unicodedata.normalize(
        "NFKC", unicodedata.normalize("NFKC", shown).casefold()
    )


def _grows(text: str) -> bool:
    """Tell whether a name is too long once folded, without folding all of it.

    One character may become eighteen. Final dots do not count, so none does.
    """
    length = 0
    for start in range(0, len(text), _PART):
        part = unicodedata.normalize("NFKC", text[start : start + _PART])
        length += len(part) - part.count(".")
        if length > _NAME_LENGTH:
            return True
    return False


def _skip(text: str, position: int) -> int:
    """Return where the comments and folds that start at `position` end."""
    while True:
        match = _CFWS.match(text, position)
        position = match.end() if match else position
        if not text.startswith("(", position):
            return position
        position = end_of_comment(text, position) or len(text)

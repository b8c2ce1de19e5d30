"""What must not be read in a log: numbers, tokens and keys, wherever they turn up.

A text may quote what a stranger wrote, so nobody who logs it can know what is in it.
Digits are hidden by what they look like. That costs a few that are no number, such as
a time without separators, and leaves those that are too short to tell from a count.
"""

from __future__ import annotations

import re
from typing import Final

from stirmilter.stir.result import DETAIL_LENGTH, printable
from stirmilter.stir.tn import mask

_LENGTH: Final = 1_000  # characters of a text that says nothing else: how a line looks
_LOOKED_AT: Final = (
    20_000  # characters; far more than is shown of any text, once masked
)
_E164: Final = 15  # digits of the longest number
_KEPT: Final = 4  # digits that stay of what may be several numbers
_DATE: Final = r"(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9](?:[ T][0-9]{2}:[0-9]{2})?"
_ADDRESS: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_OID: Final = r"[0-2](?:\.[0-9]{1,9}){5,}"
# As it is dialled, with the separators of RFC 3966 §5.1.1, or spaces.
_APART: Final = r"[ ().-]{0,2}"
_NUMBER: Final = rf"\+[0-9](?:{_APART}[0-9]){{4,}}|[0-9](?:{_APART}[0-9]){{7,}}"
_CALLED: Final = re.compile(
    rf"(?P<kept>(?<![0-9])(?:{_DATE}|{_ADDRESS}|{_OID})(?!{_APART}[0-9]))|{_NUMBER}"
)
_TOKEN: Final = re.compile(
    r"eyJ[A-Za-z0-9_=-]*(?:\.[A-Za-z0-9_=-]*)*"  # begins with {" in base64url
    # A signature, or a key: too long for a name, and no digest in hexadecimal.
    r"|(?<![A-Za-z0-9_+-])(?=[a-z0-9_+-]*[A-Z])[A-Za-z0-9_+-]{40,}={0,2}"
)
_KEY: Final = re.compile(r"-----BEGIN.*", re.DOTALL)
_PASSWORD: Final = re.compile(r"(?<=://)[^/@\s]*@")
_QUEUE_ID: Final = re.compile(r"[0-9A-Za-z]{1,24}")
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)


def clean(text: str, length: int = _LENGTH, known: str | None = None) -> str:
    """Make a text fit for the log: one line of ASCII with nobody's secrets in it.

    Args:
        text: whoever wrote it.
        length: characters that are left of it, at most.
        known: a number that is hidden however short it is.
    """
    text = text[:_LOOKED_AT]
    if "-----" in text:
        text = _KEY.sub("[key]", text)
    if "://" in text:
        text = _PASSWORD.sub("...@", text)
    text = _TOKEN.sub("[token]", text)
    if known:
        text = text.replace(known, mask(known))
    return printable(_CALLED.sub(_hidden, text), length)


def queue_name(text: str) -> str:
    """Show a queue id as it stands in the MTA's log: people look for it there.

    One of Postfix's is hexadecimal, so one in twenty has as many digits in a row as a
    number, and one in two hundred no letter. The MTA chose it, so nobody hides a number
    there; what is no word of letters and digits is cleaned like any text.
    """
    return text if _QUEUE_ID.fullmatch(text) else clean(text, DETAIL_LENGTH)


def without_query(url: str) -> str:
    """Leave out what may say more than where a document is."""
    return _QUERY.sub("?...", url)


def _hidden(found: re.Match[str]) -> str:
    if found["kept"] is not None:
        return found[0]
    count = sum(map(str.isdecimal, found[0]))
    alone = found[0].lstrip("+").isdecimal() and count <= _E164
    left = count - _KEPT if alone else _KEPT
    written = []
    for character in found[0]:
        if character.isdecimal():
            left -= 1
            written.append(character if left >= 0 else "x")
        else:
            written.append(character)
    return "".join(written)

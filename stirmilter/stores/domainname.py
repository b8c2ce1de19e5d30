"""One spelling for a domain name: A-labels, lower case, no final dot.

By UTS #46 in short, without its table of what is allowed: width and composition are
levelled, letters are lowered, and every label outside ASCII is written in Punycode. So
``ß`` stays what it is (IDNA 2008; the codec of Python's library makes ``ss`` of it,
which is another domain), and two names come out equal only if they look the same. A
name that no registry would have given away is not found, and that is all.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from stirmilter.stir.remembering import remembered

LENGTH: Final = 253
"""Characters of the longest name (RFC 1035 §2.3.4), its dots included."""

_LABEL: Final = 63
_DOTS: Final = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")


@remembered(LENGTH + 1)
def canonical(name: str) -> str | None:
    """Return the one spelling of a name that may be asked for, or None.

    The last few are remembered: of one message, some names are looked at ten times.
    Any printable label will do: SPF puts local parts into names (RFC 7208 §7).
    """
    if len(name) > LENGTH + 1:  # before any work on it; Punycode makes nothing shorter
        return None
    name = name.translate(_DOTS).removesuffix(".")
    labels = [_a_label(label) for label in name.split(".")]
    if not all(_PRINTABLE.fullmatch(label) for label in labels):
        return None
    if any(len(label) > _LABEL for label in labels):
        return None
    found = ".".join(labels)
    return found if len(found) <= LENGTH else None


def is_within(name: str, domain: str) -> bool:
    """Tell whether a name is a domain or below it; both in the one spelling."""
    return name == domain or name.endswith(f".{domain}")


def _a_label(label: str) -> str:
    """Write a label in ASCII; what cannot be comes back empty, which no label is."""
    if label.isascii():
        return label.lower()
    levelled = unicodedata.normalize("NFKC", label).lower()
    levelled = unicodedata.normalize("NFKC", levelled)
    if levelled.isascii():
        return "" if "." in levelled else levelled
    try:
        levelled.encode()  # a lone surrogate is an octet that was no UTF-8
        return "xn--" + levelled.encode("punycode").decode("ascii")
    except UnicodeError:
        return ""

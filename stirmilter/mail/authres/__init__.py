"""Authentication-Results: forged ones known, others read, ours written (RFC 8601).

    forgery     which fields claim our authserv-id, in whatever disguise
    reader      a bounded parser for what others wrote
    writer      any result of ours; `write` is for one method
    rendering   SPF, DKIM, DMARC and ARC as one field

The result of STIR stands in a field of its own: consumers may drop a whole field that
holds a method they do not know (§2.7.6), and ``stir`` is not registered.
"""

from stirmilter.mail.authres.forgery import forged, removals
from stirmilter.mail.authres.reader import Limits, parse
from stirmilter.mail.authres.rendering import LENGTH, SIGNATURES, render
from stirmilter.mail.authres.values import (
    FOLD_AT,
    NAME,
    Malformed,
    Parsed,
    Property,
    ResInfo,
)
from stirmilter.mail.authres.writer import field, write

__all__ = [
    "FOLD_AT",
    "LENGTH",
    "NAME",
    "SIGNATURES",
    "Limits",
    "Malformed",
    "Parsed",
    "Property",
    "ResInfo",
    "field",
    "forged",
    "parse",
    "removals",
    "render",
    "write",
]

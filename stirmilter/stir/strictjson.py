"""JSON with one meaning: the form that RFC 8225 §9 writes, read without leniency.

Two parsers that differ about a text are a place to hide a claim. Names that occur
twice, NaN, deep nesting and bad UTF-8 fail; white space and any order of names do not,
since signatures cover the octets that came (RFC 7515 §5.2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from stirmilter.stir.result import Reason, Unverified

# A string that is never closed takes the rest; see `identity`.
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def serialize(part: Mapping[str, Any]) -> bytes:
    """Write the deterministic JSON of RFC 8225 §9: sorted names, no white space."""
    return _ENCODER.encode(part).encode()


def parse(octets: bytes, name: str, depth: int) -> dict[str, Any]:
    """Read one object.

    Args:
        octets: the JSON text.
        name: what to call it in an error.
        depth: greatest nesting of arrays and objects.

    Raises:
        Unverified: `Reason.MALFORMED`.
    """
    try:
        source = octets.decode("utf-8")
        _check_depth(source, depth)
        part = _DECODER.decode(source)
        if "\\u" in source:
            serialize(part)  # half a surrogate pair is text to Python alone
    except ValueError as error:  # bad UTF-8, bad JSON, huge integers
        detail = f"{name}: {error}"
        raise Unverified(Reason.MALFORMED, detail, "RFC 8225 §9") from None
    if not isinstance(part, dict):
        detail = f"{name}: expected an object"
        raise Unverified(Reason.MALFORMED, detail, "RFC 7519 §7.2")
    return part


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name occurs twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant
)
_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
)


def _check_depth(source: str, limit: int) -> None:
    """Count brackets before the parser recurses into them."""
    if source.count("[") + source.count("{") <= limit:
        return
    depth = 0
    for character in _STRING.sub("", source):
        if character in "[{":
            depth += 1
            if depth > limit:
                raise ValueError(f"nested deeper than {limit}")
        elif character in "]}":
            depth -= 1

"""Mutations that get past base64, JSON and DER: below them lies what is worth breaking.

Each takes octets apart, changes one part, and writes the rest as it was. What they
cannot take apart goes to the fuzzer's own mutation, as does every tenth input, so that
the outer layers are tried as well.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.fuzz.pki import sign

Mutate = Callable[[bytes, int], bytes]
"""A mutation of octets that knows nothing, to at most so many; libFuzzer's."""

Mutator = Callable[[bytes, int, Random, Mutate], bytes]

_RAW: Final = 0.1  # of all inputs, to be mutated without taking them apart
_PEM: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL
)
_CONSTRUCTED: Final = 0x20
_OCTET_STRING: Final = 0x04
_VALUES: Final[tuple[object, ...]] = (
    *(None, True, 0, -1, 1.5, 2**63, 10**20, 253_402_300_799, 253_402_300_800),
    *("", "msg", "div", "ES256", "passport", "12025550123", "+1", "1" * 15, "1" * 16),
    *("*123", "\u0661", "\ud800", "\x00", "sip:a@b", "https://a/>", 'https://a/"'),
    *("sha256-", "sha256-" + "A" * 43 + "=", "sha512-" + "A" * 86 + "=="),
)
_NAMES: Final = (
    "tn",
    "uri",
    "orig",
    "dest",
    "iat",
    "msgi",
    "div",
    "x5u",
    "ppt",
    "crit",
)


class Members(list[tuple[str, Any]]):
    """A JSON object as pairs, so that a name may occur twice."""


def token(data: bytes, size: int, rng: Random, mutate: Mutate) -> bytes:
    """Change one part of a token: its JSON as a tree or as text, or the signature."""
    parts = data.split(b".")
    if len(parts) != 3 or rng.random() < _RAW:
        return mutate(data, size)
    place = rng.choice((0, 1, 1, 1, 2))
    try:
        octets = base64.urlsafe_b64decode(parts[place] + b"==")
    except ValueError:
        return mutate(data, size)
    if place != 2 and rng.random() < 0.7:
        octets = _json(octets, rng, mutate)
    else:
        octets = mutate(octets, max(size * 3 // 4 - len(data), 64))
    if place == 2 and rng.random() < 0.7:
        octets = octets.ljust(64, b"\0")[:64]
    parts[place] = base64.urlsafe_b64encode(octets).rstrip(b"=")
    return b".".join(parts)


def header(data: bytes, size: int, rng: Random, mutate: Mutate) -> bytes:
    """Change the token, or what stands behind it, or fold the value somewhere."""
    text, semicolon, rest = data.partition(b";")
    choice = rng.random()
    if choice < 0.4:
        return token(text, size, rng, mutate) + semicolon + rest
    if choice < 0.8:
        return text + semicolon + mutate(rest, max(size - len(text) - 1, 1))
    if choice < 1 - _RAW:
        place = rng.randrange(len(data) + 1)
        return data[:place] + rng.choice((b"\r\n ", b"\n\t", b" ")) + data[place:]
    return mutate(data, size)


def der(data: bytes, size: int, rng: Random, mutate: Mutate) -> bytes:
    """Change one element of DER; the lengths around it are written anew."""
    elements = _elements(data)
    if elements is None or rng.random() < _RAW:
        return mutate(data, size)
    _change_elements(elements, rng, mutate)
    return b"".join(element.encode() for element in elements)


def certificates(data: bytes, size: int, rng: Random, mutate: Mutate) -> bytes:
    """Change the DER in one certificate of a PEM chain, or their order and number."""
    blocks = [base64.b64decode(block) for block in _blocks(data)]
    if not blocks:
        return _certificate(data, size, rng, mutate)
    if rng.random() < _RAW:
        return mutate(data, size)
    place = rng.randrange(len(blocks))
    choice = rng.random()
    if choice < 0.05:
        blocks.insert(rng.randrange(len(blocks) + 1), blocks[place])
    elif choice < 0.1:
        rng.shuffle(blocks)
    else:
        blocks[place] = _certificate(blocks[place], size, rng, mutate)
    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
        % base64.encodebytes(block)
        for block in blocks
    )


MUTATORS: Final[Mapping[str, Mutator]] = {
    "token": token,
    "header": header,
    "tnauthlist": der,
    "certificates": certificates,
}
"""Addresses have no layers: octets are changed as they are."""


def _json(octets: bytes, rng: Random, mutate: Mutate) -> bytes:
    try:
        tree = json.loads(octets, object_pairs_hook=Members)
    except (ValueError, RecursionError):
        return mutate(octets, len(octets) + 64)
    if isinstance(tree, list) and tree:
        _change_json(tree, rng, mutate)
    return _dump(tree).encode("utf-8", "surrogatepass")


def _change_json(tree: list[Any], rng: Random, mutate: Mutate) -> None:
    """Change one place of a tree: a value, a name, how often it occurs, how deep."""
    place = rng.randrange(len(tree))
    name, value = tree[place] if isinstance(tree, Members) else ("", tree[place])
    if isinstance(value, list) and value and rng.random() < 0.6:
        _change_json(value, rng, mutate)
        return
    choice = rng.randrange(7)
    if choice == 0:
        del tree[place]
    elif choice == 1:
        tree.insert(rng.randrange(len(tree) + 1), tree[place])
    elif choice == 2:
        tree[place] = _entry(tree, rng.choice(_NAMES), value)
    elif choice == 3:
        tree[place] = _entry(tree, name, [value])
    elif choice == 4:
        tree[place] = _entry(tree, name, Members([(rng.choice(_NAMES), value)]))
    elif choice == 5 and isinstance(value, str):
        octets = mutate(value.encode("utf-8", "surrogatepass"), len(value) + 32)
        tree[place] = _entry(tree, name, octets.decode("utf-8", "replace"))
    else:
        tree[place] = _entry(tree, name, rng.choice(_VALUES))


def _entry(tree: list[Any], name: str, value: object) -> object:
    return (name, value) if isinstance(tree, Members) else value


def _dump(tree: object) -> str:
    if isinstance(tree, Members):
        pairs = (f"{json.dumps(name)}:{_dump(value)}" for name, value in tree)
        return f"{{{','.join(pairs)}}}"
    if isinstance(tree, list):
        return f"[{','.join(map(_dump, tree))}]"
    return json.dumps(tree)


@dataclass
class Element:
    """One element of DER: its octets, or its elements where it has some."""

    tag: int
    octets: bytes = b""
    inner: list[Element] = field(default_factory=list)

    def encode(self) -> bytes:
        """Write it with a length that is right, and as short as it can be."""
        octets = b"".join(e.encode() for e in self.inner) if self.inner else self.octets
        count = len(octets)
        if count < 0x80:
            return bytes((self.tag, count)) + octets
        length = count.to_bytes((count.bit_length() + 7) // 8, "big")
        return bytes((self.tag, 0x80 | len(length))) + length + octets


def _elements(data: bytes) -> list[Element] | None:
    """Take octets apart into elements, or return None if they are not some."""
    found: list[Element] = []
    position = 0
    while position < len(data):
        tag = data[position]
        if position + 2 > len(data):
            return None
        count, start = data[position + 1], position + 2
        if count & 0x80:
            width = count & 0x7F
            count = int.from_bytes(data[start : start + width], "big")
            start += width
        position = start + count
        octets = data[start:position]
        if len(octets) != count:
            return None
        element = Element(tag, octets)
        # Extensions keep their DER in an OCTET STRING.
        if tag & _CONSTRUCTED or tag == _OCTET_STRING:
            element.inner = _elements(octets) or []
        found.append(element)
    return found


def _change_elements(elements: list[Element], rng: Random, mutate: Mutate) -> None:
    if not elements:
        elements.append(Element(rng.choice((0x30, 0x16, 0x02, 0x05))))
        return
    place = rng.randrange(len(elements))
    chosen = elements[place]
    if chosen.inner and rng.random() < 0.85:
        _change_elements(chosen.inner, rng, mutate)
        return
    choice = rng.randrange(6)
    if choice == 0:
        del elements[place]
    elif choice == 1:
        elements.insert(rng.randrange(len(elements) + 1), chosen)
    elif choice == 2:
        rng.shuffle(elements)
    elif choice == 3:
        chosen.tag = rng.choice((chosen.tag ^ 0x20, chosen.tag ^ 1, rng.randrange(256)))
    elif not chosen.inner:
        chosen.octets = mutate(chosen.octets, len(chosen.octets) + 16)


def _certificate(data: bytes, size: int, rng: Random, mutate: Mutate) -> bytes:
    """Change one certificate, and let the root sign what came of it, or not."""
    changed = der(data, size, rng, mutate)
    elements = _elements(changed)
    if not elements or len(elements[0].inner) != 3 or rng.random() < 0.2:
        return changed
    body, _, signature = elements[0].inner
    signature.inner, signature.octets = [], b"\0" + sign(body.encode())
    return elements[0].encode()


def _blocks(data: bytes) -> list[bytes]:
    """Return the base64 of every certificate, where all of it can be read."""
    found = [match[1].strip() for match in _PEM.finditer(data)]
    try:
        for block in found:
            base64.b64decode(block)
    except ValueError:
        return []
    return found

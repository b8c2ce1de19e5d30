"""Texts, DER and certificates made to size, for `tests.hostile`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.stir import hazmat, jws
from tests.stir import der
from tests.stir.certificates import issue, leaf, pem, tn_auth_list
from tests.stir.pki import ROOT
from tests.stir.tokens import HEADER, PAYLOAD

Text = Callable[[int], str]
Octets = Callable[[int], bytes]
"""Make an input of about so many octets."""

SIGNATURE: Final = jws.b64url_encode(bytes(64))
_HEADER: Final = jws.b64url_encode(json.dumps(HEADER).encode())


def fill(unit: str, before: str = "", after: str = "") -> Text:
    """Repeat a text up to the size."""
    fixed, each_time = len((before + after).encode()), len(unit.encode())
    return lambda n: before + unit * ((n - fixed) // each_time) + after


def numbered(form: str, before: str = "", after: str = "") -> Text:
    """Repeat a text, each time with the next number in it."""
    return lambda n: before + "".join(counted(form, n - len(before + after))) + after


def counted(form: str, octets: int) -> list[str]:
    """Fill a text with one number after the other, to so many octets in all."""
    width = len(form.format(10**5))
    return [form.format(10**5 + place) for place in range(octets // width)]


def encoded(make: Text) -> Octets:
    return lambda n: make(n).encode()


def payload(make: Text) -> Text:
    """Put JSON where a token has its payload; base64 makes four octets of three."""

    def made(n: int) -> str:
        text = make((n - len(_HEADER) - len(SIGNATURE)) * 3 // 4)
        return f"{_HEADER}.{jws.b64url_encode(text.encode())}.{SIGNATURE}"

    return made


def claim(**claims: object) -> tuple[str, str]:
    """Cut the usual payload in two where ``@`` stands in a claim."""
    before, _, after = json.dumps({**PAYLOAD, **claims}).partition("@")
    return before, after


def members(entry: bytes) -> Octets:
    """Fill a SEQUENCE OF with copies of an entry."""
    return lambda n: der.sequence(entry * (n // len(entry)))


def each(entry: Callable[[int], bytes]) -> Octets:
    """Fill a SEQUENCE OF with entries that differ."""

    def made(n: int) -> bytes:
        width = len(entry(10**5))
        return der.sequence(*(entry(10**5 + place) for place in range(n // width)))

    return made


def nested(tag: int) -> Octets:
    """Put elements into each other, up to the size."""

    def made(n: int) -> bytes:
        starts: list[bytes] = []
        length = 0
        while length < n:
            # Of an element only the first octets are new; the rest is the one within.
            starts.append(der.tlv(tag, bytes(length))[: -length or None])
            length += len(starts[-1])
        return b"".join(reversed(starts))

    return made


def heap(curve: ec.EllipticCurve) -> Octets:
    """Repeat one certificate with a key on this curve."""
    one = pem(issue("heap", ROOT, [tn_auth_list()], curve=curve))
    return lambda n: one * (n // len(one))


def extended(oid: x509.ObjectIdentifier, make: Octets) -> Octets:
    """Put an extension of the size into a good certificate."""

    def made(n: int) -> bytes:
        octets = make(n * 3 // 4 - 1024)
        return pem(leaf(ROOT, x509.UnrecognizedExtension(oid, octets)))

    return made


def delegated(make: Octets) -> Octets:
    """Put a TNAuthList of half the size into a certificate, and into its issuer."""

    def made(n: int) -> bytes:
        octets = make(n * 3 // 8 - 1024)
        listed = x509.UnrecognizedExtension(hazmat.TN_AUTH_LIST, octets)
        middle = issue("middle", ROOT, [listed], ca=True)
        return pem(leaf(middle, listed), middle)

    return made


def many_extensions(n: int) -> bytes:
    """Put unknown extensions up to the size into a good certificate."""
    arcs = counted("1.3.6.1.4.1.55555.1.{}", n)
    others = [
        x509.UnrecognizedExtension(x509.ObjectIdentifier(arc), b"\x05\x00")
        for arc in arcs
    ]
    return pem(leaf(ROOT, *others))

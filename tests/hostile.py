"""Inputs made to cost much: one for each way we know to slow a parser down.

Each is made to size, about so many octets, so that growth can be measured. The limits
that an operator sets are lifted: what saves us must be the parser, and not a number in
a configuration. `test_hostile` counts work, `bench.core` measures time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.mail import addresses, authres, mm4
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.transaction import Header
from stirmilter.stir import credential, hazmat, identity, passport, uri
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.msgi import BodyDigester, Digest
from stirmilter.stir.passport import Limits
from stirmilter.stir.result import Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from tests.bench.grow import (
    SIGNATURE,
    Octets,
    Text,
    claim,
    counted,
    delegated,
    each,
    encoded,
    extended,
    fill,
    heap,
    many_extensions,
    members,
    nested,
    numbered,
    payload,
)
from tests.laboratory import NOW
from tests.stir import der
from tests.stir.pki import ROOT
from tests.stir.tokens import PAYLOAD

SIZE: Final = 65_536

_ENDLESS: Final = 1 << 40
_LIMITS: Final = Limits(token=_ENDLESS, dest=_ENDLESS)
_ANCHORS: Final = TrustAnchors([ROOT.certificate])
_OURS: Final = Reading(country="US", uris=True)
_UNENDING: Final = authres.Limits(
    length=_ENDLESS, depth=_ENDLESS, resinfos=_ENDLESS, properties=_ENDLESS
)
_CHUNK: Final = 7  # octets; odd, so that line ends are cut in two


@dataclass(frozen=True)
class Hostile:
    """An input of about any size, and the parser that it is for."""

    parser: str
    name: str
    make: Text | Octets

    def __str__(self) -> str:
        """Name it in a table, or as a test."""
        return f"{self.parser}: {self.name}"

    def refuse(self, data: str | bytes) -> None:
        """Let the parser have it, as if for the first time."""
        forget()
        PARSERS[self.parser](data)


def forget() -> None:
    """Empty the caches of the TNAuthLists that were decoded."""
    for value in TNAuthList.decode.__globals__.values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def _token(text: str) -> None:
    try:
        passport.parse(text, _LIMITS)
    except Unverified:
        return


def _header(value: str) -> None:
    try:
        parsed = identity.parse(value, _ENDLESS)
        identity.check_mirrors(parsed, passport.parse(parsed.token, _LIMITS))
    except Unverified:
        return


def _msgi(value: str) -> None:
    try:
        Digest.parse(value)
    except Unverified:
        return


def _body(octets: bytes) -> None:
    digester = BodyDigester()
    for start in range(0, len(octets), _CHUNK):
        digester.update(octets[start : start + _CHUNK])
    digester.finish()


def _tn_auth_list(octets: bytes) -> None:
    try:
        found = TNAuthList.decode(octets)
    except Unverified:
        return
    found.authority("12025550123")
    found.encompasses(found)


def _constraints(octets: bytes) -> None:
    try:
        ClaimConstraints.decode(None, octets).check(PAYLOAD)
    except Unverified:
        return


def _headers(octets: bytes, reading: Reading = mm4.STRICT) -> None:
    lines = (line.partition(b":") for line in octets.split(b"\n"))
    mm4.read([Header(name.decode(), value) for name, _, value in lines], reading)


def _results(text: str) -> None:
    authres.forged(text, "mx.example.net")


def _results_of_others(text: str) -> None:
    authres.parse(text, _UNENDING)


def _chain(octets: bytes) -> None:
    try:
        chain = credential.load_chain(octets, _ENDLESS)
        credential.validate(chain, _ANCHORS, NOW)
    except Unverified:
        return


PARSERS: Final[dict[str, Callable[..., object]]] = {
    "token": _token,
    "header": _header,
    "msgi": _msgi,
    "body": _body,
    "TNAuthList": _tn_auth_list,
    "constraints": _constraints,
    "addresses": addresses.parse,
    "MM4": _headers,
    "MM4 of ours": lambda octets: _headers(octets, _OURS),
    "results": _results,
    "results of others": _results_of_others,
    "uri": uri.from_sip,
    "chain": _chain,
}


_ONES: Final = each(lambda place: der.one(str(place)))
_BLOCKS: Final = each(lambda place: der.block(f"1{place}00", 50))
_DEST_BEFORE, _DEST_AFTER = claim(dest={"tn": ["1", "@"]})
_MSGI_BEFORE, _MSGI_AFTER = claim(msgi="@")
_X_BEFORE, _X_AFTER = claim(x=["@"])
_ORIG_BEFORE, _ORIG_AFTER = claim(orig={"tn": "@"})

_HEADERS: Final[dict[str, Text]] = {
    "semicolons": fill(";"),
    "parameters": numbered(";a{}"),
    "parameters with values": numbered(";a{}=b"),
    "quoted parameters": numbered(';a{}="b"'),
    "quotes": fill('"'),
    "quotes that open and never close": fill(';a="x', "a"),
    "an unclosed quote of escapes": fill("\\\\", 'a;b="'),
    "an escaped end": fill('\\"', 'a;b="'),
    "an unclosed angle": fill("a", "a;info=<"),
    "a long name": fill("a", "a;"),
    "white space": fill(" \t\r\n"),
    "folds inside a token": fill("a\r\n "),
    "white space around parameters": numbered(" ; a{} = b"),
}
_TOKENS: Final[dict[str, Text]] = {
    "dots": fill("."),
    "base64": fill("A"),
    "a header of base64": fill("A", after=f".e30.{SIGNATURE}"),
    "padding": fill("=", "e30", ".e30.AA"),
    "no ASCII": fill("\u00e9", "e30."),
    "deep arrays": payload(fill("[")),
    "deep objects": payload(fill('{"a":')),
    "closing brackets": payload(fill("]", "[[[[[[[[[[")),
    "empty arrays": payload(fill("[],", '{"x":[', "1]}")),
    "brackets in a string": payload(fill("[{", '{"x":"', '"}')),
    "brackets in an unclosed string": payload(fill("[{", '{"x":"')),
    "brackets and quotes": payload(fill('["', "{" * 9)),
    "escapes": payload(fill("\\\\", '{"x":"', '"}')),
    "an unclosed string of escapes": payload(fill("\\\\", "[" * 9 + '"')),
    "surrogates": payload(fill("\\ud800", '{"x":"', '"}')),
    "a huge integer": payload(fill("9", '{"iat":', "}")),
    "large integers": payload(fill("9" * 4300 + ",", '{"x":[', "9]}")),
    "a huge fraction": payload(fill("7", '{"iat":0.', "}")),
    "a huge exponent": payload(fill("9", '{"iat":1e', "}")),
    "exponents": payload(fill("1e999,", '{"x":[', "1]}")),
    "white space": payload(fill(" \n")),
    "members": payload(numbered('"a{}":1,', "{", '"z":1}')),
    "members that repeat": payload(fill('"a":1,', "{", '"z":1}')),
    "recipients": payload(numbered('1{}","', _DEST_BEFORE, _DEST_AFTER)),
    "a long recipient": payload(fill("1", _DEST_BEFORE, _DEST_AFTER)),
    "a long originator": payload(fill("1", _ORIG_BEFORE, _ORIG_AFTER)),
    "a long claim": payload(fill("\u00e9", _X_BEFORE, _X_AFTER)),
    "msgi": payload(fill("A", _MSGI_BEFORE.replace("@", "") + "sha256-", _MSGI_AFTER)),
}
_DIGESTS: Final[dict[str, Text]] = {
    "base64": fill("A", "sha256-"),
    "padding": fill("=", "sha256-A"),
    "hyphens": fill("-"),
    "a long label": fill("a", after="-A"),
}
_BODIES: Final[dict[str, Octets]] = {
    "CRLFs": encoded(fill("\r\n")),
    "CRs": encoded(fill("\r")),
    "LFs": encoded(fill("\n")),
    "LF CR": encoded(fill("\n\r")),
    "runs of CRLFs": encoded(fill("\r\n" * 40 + "x")),
}
_LISTS: Final[dict[str, Octets]] = {
    "entries": _ONES,
    "the same entry": members(der.one("1")),
    "blocks": _BLOCKS,
    "blocks that overlap": each(lambda place: der.block(f"1{place}", 10**6)),
    "the same block": members(der.block("1", 2)),
    "codes": each(lambda place: der.spc(f"{place}")),
    "a long number": lambda n: der.sequence(der.one("1" * n)),
    "a long count": lambda n: der.sequence(der.block("1", 1 << (8 * n))),
    "long counts": members(der.block("1", 1 << 4096)),
    "nested": nested(0x30),
    "empty entries": members(b"\xa2\x00"),
}
_CONSTRAINTS: Final[dict[str, Octets]] = {
    "claims": lambda n: der.constraints(counted("{}", n * 3 // 4)),
    "the same claim": lambda n: der.constraints(exclude=["a"] * (n // 3)),
    "values": lambda n: der.constraints(permit={"a": counted("{}", n * 3 // 4)}),
    "claims with values": lambda n: der.constraints(
        permit={name: ["a"] for name in counted("{}", n * 6 // 15)}
    ),
    "nested": nested(0xA0),
}
_ADDRESSES: Final[dict[str, Text]] = {
    "opening comments": fill("("),
    "comments": fill("()"),
    "nested comments": lambda n: "(" * (n // 2) + ")" * (n // 2),
    "comments that never close": fill("(a\\)"),
    "comments before an open one": fill("()", after="("),
    "quotes": fill('"'),
    "an unclosed quote of escapes": fill("\\\\", '"'),
    "escaped quotes": fill('\\"', '"'),
    "commas": fill(","),
    "addresses": fill("a@b,"),
    "numbers": fill("+12025550123/TYPE=PLMN,"),
    "a long number": fill("1", "+"),
    "a long national number": fill("0"),
    "groups": fill("a:"),
    "angles": fill("<"),
    "angles that close first": fill("><"),
    "at signs": fill("@"),
    "brackets": fill("["),
    "an unclosed bracket": fill("a", "["),
    "controls": fill("\x00"),
    "white space": fill(" "),
    "a long local part": fill("a", after="@b"),
    "a long domain": fill("a-", "a@"),
    "a domain of labels": fill("a.", "a@", "-"),
}
_MM4: Final[dict[str, Octets]] = {
    "addresses": encoded(fill("a,", "To:")),
    "fields": encoded(fill("To:+1\n")),
    "a long date": encoded(fill("1 ", "Date:")),
    "a date of colons": encoded(fill("1:", "Date: 1 Jan 2026 ")),
    "a date of comments": encoded(fill("(", "Date:")),
    "a long expiry": encoded(
        fill("9", "Date: 1 Jan 2026 00:00:00 +0000\nX-Mms-Expiry:")
    ),
}
_OWN_MM4: Final[dict[str, Octets]] = {
    "addresses": encoded(fill("a@b,", "To:")),
    "national numbers": encoded(fill("12345678,", "To:")),
}
_RESULTS: Final[dict[str, Text]] = {
    "comments": fill("()"),
    "opening comments": fill("("),
    "white space": fill(" "),
    "a long name": fill("a"),
    "labels": fill("xn--a."),
    "an unclosed quote": fill("\\\\", '"'),
}
_OTHERS: Final[dict[str, Text]] = {
    "comments": fill("()", "mx;"),
    "opening comments": fill("(", "mx;"),
    "comments between words": fill("(a) . ", "mx; a=b c"),
    "a long id": fill("a"),
    "a long method": fill("a-", "mx;"),
    "a long version": fill("1", "mx "),
    "methods": fill(";a=b", "mx"),
    "properties": fill(" a.b=c", "mx; a=b"),
    "properties that end early": fill(" a.b=", "mx; a=b"),
    "quoted values": fill(' a.b=""', "mx; a=b"),
    "an unclosed quote": fill("\\\\", 'mx; a=b c.d="'),
    "a quote of escapes": fill('\\"', 'mx; a=b c.d="', '"'),
    "a bare value": fill("=", "mx; a=b c.d="),
    "white space": fill(" \n", "mx; a"),
}
_URIS: Final[dict[str, Text]] = {
    "escapes": fill("%41", "sip:", "@a"),
    "a user and no host": fill("a", "sip:"),
    "a password": fill("a:", "sip:a:"),
    "parameters": fill(";", "sip:a@b"),
}
_CHAINS: Final[dict[str, Octets]] = {
    "a heap on P-256": heap(ec.SECP256R1()),
    "a heap on P-521": heap(ec.SECP521R1()),
    "lines that begin": encoded(fill("-----BEGIN CERTIFICATE-----\n")),
    "empty certificates": encoded(
        fill("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    ),
    "base64": encoded(fill("A", "-----BEGIN CERTIFICATE-----\n")),
    "hyphens": encoded(fill("-", "-----BEGIN CERTIFICATE-----\n")),
    "nested DER": nested(0x30),
    "a TNAuthList": extended(hazmat.TN_AUTH_LIST, _ONES),
    "delegated numbers": delegated(_ONES),
    "delegated blocks": delegated(_BLOCKS),
    "claim constraints": extended(hazmat.CLAIM_CONSTRAINTS, _CONSTRAINTS["claims"]),
    "extensions": many_extensions,
}

_ALL: Final[dict[str, Mapping[str, Text | Octets]]] = {
    "header": _HEADERS,
    "token": _TOKENS,
    "msgi": _DIGESTS,
    "body": _BODIES,
    "TNAuthList": _LISTS,
    "constraints": _CONSTRAINTS,
    "addresses": _ADDRESSES,
    "MM4": _MM4,
    "MM4 of ours": _OWN_MM4,
    "results": _RESULTS,
    "results of others": _OTHERS,
    "uri": _URIS,
    "chain": _CHAINS,
}
CATALOGUE: Final = tuple(
    Hostile(parser, name, make)
    for parser, makes in _ALL.items()
    for name, make in makes.items()
)

"""What must hold of every parser, for any octets at all.

A target takes octets and returns, or raises: an `AssertionError` for an invariant that
does not hold, anything else for what a parser let out. Only `Unverified` is expected,
and from the address parsers not even that. No fuzzer is needed here; `engine` has it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter.mail import addresses, mm4
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.transaction import Header
from stirmilter.stir import credential, hazmat, identity, passport, tn, uri
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.credential import Credential
from stirmilter.stir.identity import IdentityValue
from stirmilter.stir.msgi import Digest
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from tests.fuzz.pki import ROOT
from tests.laboratory import ALICE, NOW
from tests.stir.tokens import PAYLOAD

Target = Callable[[bytes], None]

FIELD: Final = "PASSporT"
COUNTRY: Final = "US"
READINGS: Final = (mm4.STRICT, Reading(country=COUNTRY, uris=True))
_ANCHORS: Final = credential.TrustAnchors([ROOT.certificate])


def token(data: bytes) -> None:
    """`passport.parse`: what it accepts has one spelling, and canonical claims."""
    parsed = _token(_text(data))
    if parsed is not None:
        _check_token(parsed)


def header(data: bytes) -> None:
    """`identity.parse` and `check_mirrors`; `identity.write` says the same again."""
    try:
        value = identity.parse(_text(data))
    except Unverified:
        return
    _check_folding(_text(data), value)
    parsed = _token(value.token)
    if parsed is None:
        return
    _mirrors(value, parsed)
    _check_writing(parsed)


def tnauthlist(data: bytes) -> None:
    """`TNAuthList.decode`, and the claim constraints in both their forms."""
    found = _tn_auth_list(data)
    if found is not None:
        _check_tn_auth_list(found)
        assert hazmat.encode_tn_auth_list(hazmat.decode_tn_auth_list(data)) == data
    for plain, enhanced in ((data, None), (None, data)):
        _constraints(plain, enhanced)


def address(data: bytes) -> None:
    """`addresses` and `mm4.read`; an identity has one spelling, read again or not."""
    text = _text(data)
    for mailbox in (*addresses.parse(text).entries, addresses.parse_path(text)):
        if mailbox is not None:
            _check_identity(mailbox.number)
            _check_identity(mailbox.uri)
            _check_identity(mailbox.national(COUNTRY))
    lines = (line.partition(b":") for line in data.split(b"\n"))
    headers = [Header(_text(name), value) for name, _, value in lines]
    for reading in READINGS:
        view = mm4.read(headers, reading)
        for who in (view.originator, *view.recipients):
            _check_identity(who)
        assert all(date is None or date.tzinfo for date in (view.date, view.expires))
    sip = uri.from_sip(text)
    assert sip is None or uri.from_sip(sip) == sip


def certificates(data: bytes) -> None:
    """`credential.load_chain` and `read`; what they accept can be used without care."""
    try:
        chain = credential.load_chain(data)
    except Unverified:
        return
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    assert credential.load_chain(pem) == chain
    _judge(chain)
    try:
        found = credential.read(chain[0], chain)
    except Unverified:
        return
    _check_credential(found)
    _check_tn_auth_list(found.tn_auth_list)


TARGETS: Final[Mapping[str, Target]] = {
    "token": token,
    "header": header,
    "tnauthlist": tnauthlist,
    "addresses": address,
    "certificates": certificates,
}


def _text(octets: bytes) -> str:
    """Read octets as `Header.text` does."""
    return octets.decode("utf-8", "surrogateescape")


def _token(text: str) -> Passport | None:
    try:
        return passport.parse(text)
    except Unverified:
        return None


def _check_token(parsed: Passport) -> None:
    parts = parsed.text.split(".")
    octets = [base64.urlsafe_b64decode(part + "==") for part in parts]
    spelled = [base64.urlsafe_b64encode(o).rstrip(b"=").decode() for o in octets]
    assert spelled == parts
    assert parsed.signature == octets[2]
    assert parsed.signing_input == ".".join(parts[:2]).encode()
    assert len(parsed.fingerprint) == 64
    claims = parsed.claims
    # Python's own reader, lax as it is, reads nothing else out of it.
    assert json.loads(octets[0])["x5u"] == parsed.x5u
    assert json.loads(octets[1]) == dict(claims.raw)
    for kind, value in (claims.orig, *claims.dest):
        assert value
        assert kind != "tn" or tn.is_canonical(value)
    datetime.fromtimestamp(claims.iat, UTC)
    if claims.msgi is not None:
        assert Digest.parse(str(claims.msgi)) == claims.msgi
        assert len(claims.msgi.octets) in {32, 48, 64}


def _check_folding(text: str, value: IdentityValue) -> None:
    """White space means nothing outside quoted strings."""
    if '"' not in text:
        folded = "\r\n\t".join(text)
        assert identity.parse(folded, len(folded)) == value


def _check_writing(parsed: Passport) -> None:
    written = identity.write(parsed, FIELD)
    again = identity.parse(written, len(written))
    assert again.token == parsed.text
    assert passport.parse(again.token) == parsed
    identity.check_mirrors(again, parsed)
    assert identity.parse(written.replace("\n ", ""), len(written)) == again


def _mirrors(value: IdentityValue, parsed: Passport) -> None:
    try:
        identity.check_mirrors(value, parsed)
    except Unverified:
        return
    assert value.parameters.get("info", parsed.x5u) == parsed.x5u


def _tn_auth_list(der: bytes) -> TNAuthList | None:
    try:
        return TNAuthList.decode(der)
    except Unverified:
        return None


def _check_tn_auth_list(found: TNAuthList) -> None:
    entries = [
        *(("spc", spc, 1) for spc in found.spcs),
        *(("one", number, 1) for number in sorted(found.numbers)),
        *(("range", a, int(b) - int(a) + 1) for a, b in found.ranges),
    ]
    assert entries
    assert TNAuthList.decode(hazmat.encode_tn_auth_list(entries)) == found
    assert all(found.authority(number) == "tn" for number in found.numbers)
    for first, last in found.ranges:
        assert len(first) == len(last)
        assert first <= last
        assert found.covers(first, last)
        assert {found.authority(n) for n in (first, last)} <= {"tn", "range"}
    assert str(found)


def _constraints(plain: bytes | None, enhanced: bytes | None) -> None:
    try:
        found = ClaimConstraints.decode(plain, enhanced)
    except Unverified:
        return
    assert not found.must_exclude & {"iat", "orig", "dest"}
    try:
        found.check(PAYLOAD)
    except Unverified:
        return
    assert found.must_include <= PAYLOAD.keys()
    assert not found.must_exclude & PAYLOAD.keys()


def _check_identity(canonical: str | None) -> None:
    if canonical is None:
        return
    assert canonical.isascii()
    assert ":" in canonical or tn.is_canonical(canonical)
    plain = f"+{canonical}" if canonical.isdigit() else canonical
    spellings: tuple[str, ...] = (f"{plain}/TYPE=PLMN", f'"{plain}/type=plmn"@a')
    if canonical.isdigit():
        spellings += (plain, f"<{plain}@mms.example>")
    elif ":" in canonical:
        spellings = (unquote(canonical.removeprefix("mailto:")),)
    for spelling in spellings:
        [mailbox] = addresses.parse(spelling).entries
        for reading in READINGS:
            if reading.uris or tn.is_canonical(canonical):
                assert reading.identity(mailbox) == canonical
                assert reading.identity(addresses.parse_path(spelling)) == canonical


def _judge(chain: tuple[x509.Certificate, ...]) -> None:
    """A stranger's chain may fail to lead to our anchor; it may not break the way."""
    try:
        found = credential.validate(chain, _ANCHORS, NOW)
    except Unverified:
        return
    assert found.path[-1] == ROOT.certificate
    assert found.valid_at(NOW)


def _check_credential(found: Credential) -> None:
    assert found.public_key.curve.name == "secp256r1"
    assert found.valid_at(NOW) in {True, False}
    assert found.valid_at(NOW + timedelta(days=365_000)) in {True, False}
    try:
        assert found.authority(ALICE) in {"tn", "range", "spc"}
    except Unverified:
        return

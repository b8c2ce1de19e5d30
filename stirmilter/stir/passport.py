"""PASSporT: the token, its header and its claims (RFC 8225), for messages (RFC 9475).

Only the full form, ES256 and ``ppt`` ``msg`` mean anything in mail. A token of another
type is recognized and set aside (`Reason.UNSUPPORTED_PPT`): it vouches for a call.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, NoReturn

from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.stir import jws, tn
from stirmilter.stir.msgi import Digest
from stirmilter.stir.result import Reason, Unverified

PPT: Final = "msg"
TYP: Final = "passport"
_LATEST: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the end of Python's dates
# A string that is never closed takes the rest; see `identity`.
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


class Identity(NamedTuple):
    """One entry of ``orig`` or ``dest`` (RFC 8225 §5.2.1)."""

    kind: Literal["tn", "uri"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a token may cost before anything is fetched for it."""

    token: int = 16_384
    """Characters of the whole token."""

    depth: int = 8
    """Nesting of arrays and objects in its JSON."""

    dest: int = 100
    """Entries of ``dest``, telephone numbers and URIs together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The payload. `raw` holds every claim, known or not, as it was received."""

    orig: Identity
    dest: tuple[Identity, ...]
    iat: int
    """Seconds since 1970."""

    msgi: Digest | None
    raw: Mapping[str, Any]

    @classmethod
    def message(
        cls, orig: str, dest: tuple[str, ...], iat: int, msgi: Digest
    ) -> Claims:
        """Make the claims of a message between canonical telephone numbers.

        ``dest`` comes out sorted and without duplicates (RFC 8225 §5.2.1).
        """
        numbers = sorted(set(dest))
        return cls(
            orig=Identity("tn", orig),
            dest=tuple(Identity("tn", number) for number in numbers),
            iat=iat,
            msgi=msgi,
            raw={
                "dest": {"tn": numbers},
                "iat": iat,
                "msgi": str(msgi),
                "orig": {"tn": orig},
            },
        )


@dataclass(frozen=True)
class Passport:
    """A token whose syntax is good. Nothing in it has been verified.

    Its `repr` shows no number and no signature: it may end up in a trace.
    """

    text: str = field(repr=False)
    x5u: str
    claims: Claims = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """Replay key: equal for every token that came from one act of signing.

        The token text would not do. If (R, S) verifies then so does (R, n - S), and
        anybody can compute it; R, the first half, needs the private key.
        """
        return hashlib.sha256(self.signing_input + self.signature[:32]).hexdigest()


def issue(claims: Claims, x5u: str, key: ec.EllipticCurvePrivateKey) -> Passport:
    """Sign `claims` (RFC 8225 §6; ``ppt`` by RFC 9475 §3.2).

    Says whatever it is told: whether the key may make the claim is decided by
    `services.AuthenticationService`.
    """
    header = {"alg": jws.ALG, "ppt": PPT, "typ": TYP, "x5u": x5u}
    signing_input = ".".join(
        jws.b64url_encode(serialize(part)) for part in (header, claims.raw)
    )
    octets = signing_input.encode("ascii")
    signature = jws.sign(octets, key)
    return Passport(
        f"{signing_input}.{jws.b64url_encode(signature)}",
        x5u,
        claims,
        octets,
        signature,
    )


def serialize(part: Mapping[str, Any]) -> bytes:
    """Write the deterministic JSON of RFC 8225 §9: sorted names, no white space."""
    return json.dumps(
        part, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def parse(text: str, limits: Limits = Limits()) -> Passport:
    """Read a token in full form.

    Raises:
        Unverified: `Reason.UNSUPPORTED_PPT` as soon as the header shows another type
            (RFC 8224 §6.2 step 1: such a token is ignored, whatever else it holds),
            `Reason.UNSUPPORTED_ALGORITHM`, or `Reason.MALFORMED`.
    """
    if len(text) > limits.token:
        raise Unverified(Reason.MALFORMED, f"token longer than {limits.token} octets")
    parts = text.split(".")
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - header, payload, signature
        # RFC 8225 §7: the compact form needs a protocol that says how to rebuild it.
        raise Unverified(Reason.MALFORMED, "not a token in full form")
    header = _object(parts[0], "header", limits)
    x5u = _check_header(header)
    payload = _object(parts[1], "payload", limits)
    signature = jws.b64url_decode(parts[2])
    if len(signature) != jws.SIGNATURE_OCTETS:
        raise Unverified(Reason.MALFORMED, f"signature of {len(signature)} octets")
    signing_input = f"{parts[0]}.{parts[1]}".encode("ascii")
    return Passport(text, x5u, _claims(payload, limits), signing_input, signature)


def check_freshness(
    claims: Claims, now: datetime, limit: timedelta, skew: timedelta
) -> None:
    """Refuse a PASSporT whose ``iat`` is too old or lies in the future.

    Source: RFC 8224 §6.2 step 4 and §12.1. The RFC recommends sixty seconds for a
    request that travels in real time; MM4 is store-and-forward, so the mail front end
    passes its own, longer `limit` (RFC 9475 §3.2).

    Args:
        claims: the claims to judge.
        now: aware time of evaluation, never read from the clock in here.
        limit: greatest accepted age.
        skew: how far ahead of ours the signer's clock may run.

    Raises:
        Unverified: `Reason.STALE` or `Reason.FROM_THE_FUTURE`, with the seconds.
    """
    age = int(now.timestamp()) - claims.iat
    if age > limit.total_seconds():
        raise Unverified(Reason.STALE, f"iat is {age} s old")
    if -age > skew.total_seconds():
        raise Unverified(Reason.FROM_THE_FUTURE, f"iat is {-age} s ahead")


def _check_header(header: dict[str, Any]) -> str:
    ppt = header.get("ppt")
    if ppt != PPT:
        raise Unverified(Reason.UNSUPPORTED_PPT, f"ppt {ppt}" if ppt else "no ppt")
    if header.get("alg") != jws.ALG:
        raise Unverified(Reason.UNSUPPORTED_ALGORITHM, f"alg {header.get('alg')}")
    if header.get("typ") != TYP:
        raise Unverified(Reason.MALFORMED, f"typ {header.get('typ')}")
    if "crit" in header:
        # RFC 7515 §4.1.11: all of it must be understood, and PASSporT defines none.
        raise Unverified(Reason.MALFORMED, "crit")
    x5u = header.get("x5u")
    if not isinstance(x5u, str) or not re.fullmatch(r"[!-~]+", x5u):
        raise Unverified(Reason.MALFORMED, "x5u: expected a URL")
    return x5u


def _claims(payload: dict[str, Any], limits: Limits) -> Claims:
    orig = _identities(payload.get("orig"), "orig")
    if len(orig) != 1:
        raise Unverified(Reason.MALFORMED, "orig: expected exactly one identity")
    dest = _identities(payload.get("dest"), "dest")
    if not 1 <= len(dest) <= limits.dest:
        raise Unverified(
            Reason.MALFORMED, f"dest: {len(dest)} entries, expected 1 to {limits.dest}"
        )
    iat = payload.get("iat")
    if type(iat) is not int or not 0 <= iat <= _LATEST:
        # A bool is an int to Python, and printed examples carry strings (errata 5985).
        raise Unverified(Reason.MALFORMED, "iat: expected whole seconds since 1970")
    msgi = payload.get("msgi", "")
    if not isinstance(msgi, str) or ("msgi" in payload and not msgi):
        raise Unverified(Reason.MALFORMED, "msgi: expected a digest")
    return Claims(
        orig=orig[0],
        dest=dest,
        iat=iat,
        msgi=Digest.parse(msgi) if msgi else None,
        raw=payload,
    )


def _identities(claim: object, name: str) -> tuple[Identity, ...]:
    """Read ``{"tn": ..., "uri": ...}``: plain strings in orig, arrays in dest."""
    if not isinstance(claim, dict) or not claim or not claim.keys() <= {"tn", "uri"}:
        raise Unverified(Reason.MALFORMED, f"{name}: expected tn or uri")
    found: list[Identity] = []
    for kind in ("tn", "uri"):
        values = claim.get(kind, [])
        if name == "orig" and kind in claim:
            values = [values]
        if not isinstance(values, list):
            raise Unverified(Reason.MALFORMED, f"{name}.{kind}: expected an array")
        for value in values:
            if not isinstance(value, str) or (
                not tn.is_canonical(value) if kind == "tn" else not value
            ):
                # The value is not told: it may be somebody's number.
                raise Unverified(Reason.MALFORMED, f"{name}.{kind}: not canonical")
            found.append(Identity(kind, value))
    return tuple(found)


def _object(text: str, name: str, limits: Limits) -> dict[str, Any]:
    """Decode one part of the token as a strict JSON object (RFC 8259, RFC 8725 §3)."""
    octets = jws.b64url_decode(text)
    try:
        source = octets.decode("utf-8")
        _check_depth(source, limits.depth)
        part = json.loads(
            source, object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except ValueError as error:  # bad UTF-8, bad JSON, huge integers
        raise Unverified(Reason.MALFORMED, f"{name}: {error}") from None
    if not isinstance(part, dict):
        raise Unverified(Reason.MALFORMED, f"{name}: expected an object")
    return part


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # RFC 8225 §9. Which of two wins depends on the parser: a place to hide.
        raise ValueError("a member name occurs twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_depth(source: str, limit: int) -> None:
    """Count brackets before the parser recurses into them."""
    depth = 0
    for character in _STRING.sub("", source):
        if character in "[{":
            depth += 1
            if depth > limit:
                raise ValueError(f"nested deeper than {limit}")
        elif character in "]}":
            depth -= 1

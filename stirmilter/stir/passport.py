"""PASSporT: the token and its header (RFC 8225), for messages (RFC 9475).

Only the full form and ES256 mean anything in mail, and two types: ``msg``, which
vouches for a message, and ``div`` (RFC 8946), which tells that such a message was
forwarded. A token of another type is recognized and set aside
(`Reason.UNSUPPORTED_PPT`): it vouches for a call.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

from stirmilter.stir import claims, jws, strictjson
from stirmilter.stir.claims import DIV, MSG, Claims, Ppt
from stirmilter.stir.jws import SigningKey
from stirmilter.stir.remembering import remembered
from stirmilter.stir.result import Reason, Unverified

TYP: Final = "passport"
CALLS: Final = {
    None: "a baseline token",
    "shaken": "RFC 8588",
    "rcd": "RFC 9795",
    "rph": "RFC 8443",
    "rsp": "connected identity",
    "msec": "RFC 8862",
    "div-o": "RFC 8946, out of band",
}
"""Types that vouch for calls or dialogs, never for a message."""

_URL: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")  # RFC 3986 §2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a token may cost before anything is fetched for it."""

    token: int = 16_384
    """Characters of the whole token."""

    depth: int = 8
    """Nesting of arrays and objects in its JSON."""

    dest: int = 100
    """Entries of ``dest``, telephone numbers and URIs together."""


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

    @property
    def ppt(self) -> Ppt:
        """``msg`` or ``div``: only the latter names a diverting party."""
        return MSG if self.claims.div is None else DIV

    @cached_property
    def fingerprint(self) -> str:
        """Replay key: equal for every token that came from one act of signing.

        The token text would not do. If (R, S) verifies then so does (R, n - S), and
        anybody can compute it; R, the first half, needs the private key.
        """
        return hashlib.sha256(self.signing_input + self.signature[:32]).hexdigest()


def issue(content: Claims, x5u: str, key: SigningKey) -> Passport:
    """Sign claims (RFC 8225 §6; ``ppt`` by RFC 9475 §3.2, or RFC 8946 §3).

    Says whatever it is told: whether the key may make the claim is decided by
    `services.AuthenticationService`.

    Raises:
        StoreError: what holds the key does not answer.
    """
    ppt = MSG if content.div is None else DIV
    payload = jws.b64url_encode(strictjson.serialize(content.raw))
    signing_input = f"{_header_of(ppt, x5u)}.{payload}"
    octets = signing_input.encode("ascii")
    signature = key.sign(octets)
    return Passport(
        f"{signing_input}.{jws.b64url_encode(signature)}",
        x5u,
        content,
        octets,
        signature,
    )


@lru_cache(maxsize=1024)
def _header_of(ppt: Ppt, x5u: str) -> str:
    """Write the header; every token of a signer has the same."""
    header = {"alg": jws.ALG, "ppt": ppt, "typ": TYP, "x5u": x5u}
    return jws.b64url_encode(strictjson.serialize(header))


def parse(text: str, limits: Limits = Limits()) -> Passport:
    """Read a token in full form.

    Raises:
        Unverified: `Reason.UNSUPPORTED_PPT` as soon as the header shows another type
            (RFC 8224 §6.2 step 1: such a token is ignored, whatever else it holds),
            `Reason.UNSUPPORTED_ALGORITHM`, or `Reason.MALFORMED`.
    """
    if len(text) > limits.token:
        raise Unverified(
            Reason.MALFORMED, f"token longer than {limits.token} octets", "RFC 8725 §3"
        )
    parts = text.split(".")
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - header, payload, signature
        # The compact form needs a protocol that says how to rebuild it.
        raise Unverified(Reason.MALFORMED, "not a token in full form", "RFC 8225 §7")
    ppt, x5u = _header(parts[0], limits.depth)
    payload = _part(parts[1], "payload", limits.depth)
    signature = jws.b64url_decode(parts[2])
    if len(signature) != jws.SIGNATURE_OCTETS:
        raise Unverified(
            Reason.MALFORMED, f"signature of {len(signature)} octets", "RFC 7518 §3.4"
        )
    return Passport(
        text,
        x5u,
        claims.parse(payload, ppt, limits.dest),
        f"{parts[0]}.{parts[1]}".encode("ascii"),
        signature,
    )


def lint(token: Passport) -> tuple[str, ...]:
    """Name what differs from the form that a signer should write; it still verifies.

    Source: RFC 8225 §9 (deterministic JSON) and §5.2.1 (order of ``dest``), RFC 9475
    §3.2 with RFC 4648 §3.2 (padding of ``msgi``).
    """
    found = []
    header, payload, _ = token.text.split(".")
    for name, part in (("header", header), ("payload", payload)):
        octets = jws.b64url_decode(part)
        content = strictjson.parse(octets, name, len(octets))
        if strictjson.serialize(content) != octets:
            found.append(f"{name}: not the deterministic JSON of RFC 8225 section 9")
    if list(token.claims.dest) != sorted(set(token.claims.dest)):
        found.append("dest: not sorted, or with duplicates (RFC 8225 section 5.2.1)")
    msgi = token.claims.msgi
    if msgi is not None and token.claims.raw["msgi"] != str(msgi):
        found.append("msgi: base64 without padding (RFC 4648 section 3.2)")
    return tuple(found)


def _part(text: str, name: str, depth: int) -> dict[str, Any]:
    return strictjson.parse(jws.b64url_decode(text), name, depth)


@remembered(1_024)
def _header(text: str, depth: int) -> tuple[Ppt, str]:
    """Return the type and the URL of the chain; every token of a signer has them.

    Other members that bring or name a key (``jwk``, ``jku``, ``x5c``, ``kid``) are
    ignored: a signer does not choose what we believe (RFC 8725 §3.10).
    """
    header = _part(text, "header", depth)
    ppt: object = header.get("ppt")
    if ppt not in (MSG, DIV):
        what = CALLS.get(ppt) if ppt is None or isinstance(ppt, str) else None
        detail = "no ppt" if ppt is None else f"ppt {ppt}"
        raise Unverified(
            Reason.UNSUPPORTED_PPT,
            f"{detail}: {what}, which vouches for no message" if what else detail,
            "RFC 8224 §6.2 step 1",
        )
    if header.get("alg") != jws.ALG:
        raise Unverified(
            Reason.UNSUPPORTED_ALGORITHM, f"alg {header.get('alg')}", "RFC 8225 §4.2"
        )
    if header.get("typ") != TYP:
        raise Unverified(Reason.MALFORMED, f"typ {header.get('typ')}", "RFC 8225 §4.1")
    if "crit" in header:
        # All that it lists must be understood, and PASSporT defines nothing to list.
        raise Unverified(Reason.MALFORMED, "crit", "RFC 7515 §4.1.11")
    x5u = header.get("x5u")
    if not isinstance(x5u, str) or not _URL.fullmatch(x5u):
        raise Unverified(Reason.MALFORMED, "x5u: expected a URL", "RFC 8225 §4.3")
    return (DIV if ppt == DIV else MSG), x5u

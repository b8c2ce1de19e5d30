"""The payload of a PASSporT: who, to whom, when, and which body (RFC 8225 §5).

`Claims` holds what a verifier compares. `msgi` belongs to ``msg`` (RFC 9475 §3.2) and
`div` to ``div`` (RFC 8946 §3); in a token of the other type they are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from stirmilter.stir import tn
from stirmilter.stir.msgi import Digest
from stirmilter.stir.result import Reason, Unverified

Ppt = Literal["msg", "div"]
MSG: Final = "msg"
DIV: Final = "div"
_LATEST: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, the end of Python's dates
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_KINDS: Final = frozenset({"tn", "uri"})


class Identity(NamedTuple):
    """One entry of ``orig`` or ``dest`` (RFC 8225 §5.2.1)."""

    kind: Literal["tn", "uri"]
    value: str

    @classmethod
    def of(cls, canonical: str) -> Identity:
        """Tell a canonical number from a canonical URI: only the latter has a colon."""
        return cls("uri" if ":" in canonical else "tn", canonical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The payload. `raw` holds every claim, known or not, as it was received."""

    orig: Identity
    dest: tuple[Identity, ...]
    iat: int
    """Seconds since 1970."""

    msgi: Digest | None
    div: Identity | None = None
    """Whom the message was for before it was diverted to `dest`."""

    raw: Mapping[str, Any]

    @property
    def named(self) -> frozenset[str]:
        """Every identity in ``dest``; a number and a URI cannot be mistaken."""
        return frozenset([value for _, value in self.dest])

    @classmethod
    def message(cls, orig: str, dest: Iterable[str], iat: int, msgi: Digest) -> Claims:
        """Make the claims of a message between canonical numbers, or URIs.

        ``dest`` comes out sorted and without duplicates (RFC 8225 §5.2.1).

        Raises:
            ValueError: an identity is not canonical; the caller should have seen to it.
        """
        origin = Identity.of(orig)
        return cls._of(
            origin,
            dest,
            iat=iat,
            msgi=msgi,
            raw={"iat": iat, "msgi": str(msgi), "orig": {origin.kind: origin.value}},
        )

    def diverted(self, div: str, dest: Iterable[str]) -> Claims:
        """Make the claims that say: this message, meant for `div`, goes on to `dest`.

        Source: RFC 8946 §4.1: ``orig`` and ``iat`` stay, nothing else is copied.
        """
        diverted = Identity.of(div)
        return self._of(
            self.orig,
            dest,
            iat=self.iat,
            div=diverted,
            raw={
                "div": {diverted.kind: diverted.value},
                "iat": self.iat,
                "orig": {self.orig.kind: self.orig.value},
            },
        )

    @classmethod
    def _of(
        cls,
        orig: Identity,
        dest: Iterable[str],
        *,
        iat: int,
        raw: dict[str, Any],
        msgi: Digest | None = None,
        div: Identity | None = None,
    ) -> Claims:
        entries = sorted(map(Identity.of, set(dest)))
        for kind, value in (orig, *entries, *([div] if div else ())):
            if not (tn.is_canonical(value) if kind == "tn" else _URI.fullmatch(value)):
                raise ValueError("an identity is neither a canonical number nor a URI")
        lists: dict[str, list[str]] = {}
        for kind, value in entries:
            lists.setdefault(kind, []).append(value)
        return cls(
            orig=orig,
            dest=tuple(entries),
            iat=iat,
            msgi=msgi,
            div=div,
            raw={"dest": lists, **raw},
        )


def parse(payload: dict[str, Any], ppt: Ppt, limit: int) -> Claims:
    """Read the payload of a token of type `ppt`, with at most `limit` of ``dest``.

    Raises:
        Unverified: `Reason.MALFORMED`, naming the claim.
    """
    rule = "RFC 8225 §5.2.1"
    orig = _identity(payload.get("orig"), "orig", rule)
    dest = _identities(payload.get("dest"), rule)
    if not 1 <= len(dest) <= limit:
        detail = f"dest: {len(dest)} entries, expected 1 to {limit}"
        raise Unverified(Reason.MALFORMED, detail, rule)
    iat = payload.get("iat")
    if type(iat) is not int or not 0 <= iat <= _LATEST:
        # A bool is an int to Python, and printed examples carry strings (errata 5985).
        detail = "iat: expected whole seconds since 1970"
        raise Unverified(Reason.MALFORMED, detail, "RFC 8225 §5.1.1")
    return Claims(
        orig=orig,
        dest=tuple(dest),
        iat=iat,
        msgi=_msgi(payload) if ppt == MSG else None,
        div=_identity(payload.get("div"), DIV, "RFC 8946 §3") if ppt == DIV else None,
        raw=payload,
    )


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
    rule = "RFC 8224 §6.2 step 4"
    if age > limit.total_seconds():
        raise Unverified(Reason.STALE, f"iat is {age} s old", rule)
    if -age > skew.total_seconds():
        raise Unverified(Reason.FROM_THE_FUTURE, f"iat is {-age} s ahead", rule)


def _msgi(payload: dict[str, Any]) -> Digest | None:
    if "msgi" not in payload:
        return None
    msgi = payload["msgi"]
    if not isinstance(msgi, str):
        detail = "msgi: expected a digest"
        raise Unverified(Reason.MALFORMED, detail, "RFC 9475 §3.2")
    return Digest.parse(msgi)


def _identity(claim: object, name: Literal["orig", "div"], rule: str) -> Identity:
    """Read ``{"tn": "..."}`` or ``{"uri": "..."}``: exactly one, a plain string.

    ``div`` may hold the index of a SIP History-Info entry beside it (RFC 8946 §3).
    """
    if isinstance(claim, dict) and (len(claim) == 1 or name == DIV):
        if "tn" in claim and "uri" not in claim:
            return _checked("tn", claim["tn"], name, rule)
        if "uri" in claim and "tn" not in claim:
            return _checked("uri", claim["uri"], name, rule)
    detail = f"{name}: expected exactly one identity, tn or uri"
    raise Unverified(Reason.MALFORMED, detail, rule)


def _identities(claim: object, rule: str) -> list[Identity]:
    """Read ``dest``: ``{"tn": [...], "uri": [...]}``, either or both."""
    if not isinstance(claim, dict) or not claim.keys() <= _KINDS:
        raise Unverified(Reason.MALFORMED, "dest: expected tn or uri", rule)
    found: list[Identity] = []
    for kind in sorted(claim):  # tn before uri
        values = claim[kind]
        if not isinstance(values, list):
            detail = f"dest.{kind}: expected an array"
            raise Unverified(Reason.MALFORMED, detail, rule)
        found += [_checked(kind, value, "dest", rule) for value in values]
    return found


def _checked(
    kind: Literal["tn", "uri"], value: object, name: str, rule: str
) -> Identity:
    if isinstance(value, str) and (
        tn.is_canonical(value) if kind == "tn" else _URI.fullmatch(value)
    ):
        return Identity(kind, value)
    # The value is not told: it may be somebody's number.
    raise Unverified(Reason.MALFORMED, f"{name}.{kind}: not canonical", rule)

"""What the methods beside STIR found, as values (RFC 8601 §2.7).

Every result carries the registered word, which is written to the message, and a code of
ours, which tells an operator what the word leaves open: `fail` of DKIM may be another
body, another header or no key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Word = Literal[
    "pass",
    "fail",
    "softfail",
    "neutral",
    "none",
    "policy",
    "temperror",
    "permerror",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfResult:
    """SPF of the identity that was checked (RFC 7208 §2.6)."""

    word: Word
    reason: str = ""
    scope: Literal["mailfrom", "helo"] = "mailfrom"
    domain: str = ""
    """A-labels, in lower case; empty when there was none to ask about."""

    address: str = ""
    """The identity itself: MAIL FROM with its local part, or the HELO name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSignature:
    """One DKIM-Signature field (RFC 6376 §6, RFC 8601 §2.7.1)."""

    word: Word
    reason: str = ""
    domain: str = ""
    """``d=``: A-labels, in lower case."""

    selector: str = ""
    identity: str = ""
    """``i=``, or ``@`` and the domain."""

    algorithm: str = ""
    value: str = ""
    """First octets of ``b=``, which tell two signatures apart (RFC 6008)."""

    covers: frozenset[str] = frozenset()
    """Names, in lower case, whose every occurrence in the message is signed."""

    sealed: frozenset[str] = frozenset()
    """Those of which one more would break the signature (oversigned)."""

    whole_body: bool = True
    """Whether it covers the body to its end (no ``l=`` that stops before)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcResult:
    """The chain of custody, for the report alone (RFC 8617 §5.2)."""

    word: Word
    reason: str = ""
    sets: int = 0
    domain: str = ""
    """``d=`` of the newest seal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcResult:
    """DMARC of the domain in From (RFC 9989)."""

    word: Word
    reason: str = ""
    domain: str = ""
    """Of From: A-labels, in lower case."""

    organizational: str = ""
    policy: Literal["", "none", "quarantine", "reject"] = ""
    """What the domain's owner asks for, as applied to this message."""

    aligned: tuple[str, ...] = ()
    """The identifiers that pass and are aligned, such as ``dkim=example.net``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailResults:
    """What was found of one message; None is what was not asked for."""

    spf: SpfResult | None = None
    dkim: tuple[DkimSignature, ...] | None = None
    arc: ArcResult | None = None
    dmarc: DmarcResult | None = None
    source: str = ""
    """authserv-id of who evaluated it, ``-`` if nobody did; empty when we did."""

    @property
    def dmarc_pass(self) -> bool:
        """Tell whether the domain in From is vouched for."""
        return self.dmarc is not None and self.dmarc.word == "pass"

    @property
    def signatures(self) -> tuple[DkimSignature, ...]:
        """The DKIM signatures that pass."""
        return tuple(one for one in self.dkim or () if one.word == "pass")

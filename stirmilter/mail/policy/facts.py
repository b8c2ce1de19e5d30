"""What a table of rules may ask about one message, in words of closed lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from stirmilter.mail.results import DkimSignature, MailResults
from stirmilter.mail.verdict import Verdict
from stirmilter.stir.result import Reason

Binding = Literal["none", "match", "mismatch", "absent"]
"""Whether the carrier of the certificate and the domain of DKIM belong together, or
there is no DKIM signature that passes though the carrier's mail has one."""

METHODS: Final = ("spf", "dkim", "dmarc", "arc")
PLAIN: Final = "plain"
"""Stands for mail without an MM4 message type."""

SEVERAL: Final = "several"
"""Stands for a message type that occurs more than once."""

OTHER: Final = "other"
"""Stands for a message type that TS 23.140 does not know."""

_KNOWN: Final = frozenset(
    {
        "mm4_forward.req",
        "mm4_forward.res",
        "mm4_delivery_report.req",
        "mm4_delivery_report.res",
        "mm4_read_reply_report.req",
        "mm4_read_reply_report.res",
        SEVERAL,
    }
)
KINDS: Final = _KNOWN | {PLAIN, OTHER}
"""Message types as rules and ladders name them (TS 23.140 §8.4)."""

NOBODY: Final = "unknown"
"""Stands for a client that no peer is."""

NUMBERLESS: Final = "none"
"""Stands for a From that names no single number."""

_SAYS_MOST: Final = (
    "pass",
    "temperror",  # it might have been a pass
    "fail",
    "policy",
    "neutral",
    "permerror",
    "none",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One judged message as the policy sees it."""

    verdict: Verdict
    reason: Reason
    """Of the PASSporT that speaks for the message."""

    spf: str = "none"
    dkim: str = "none"
    dmarc: str = "none"
    arc: str = "none"
    peer: str = ""
    """Name of the peer; empty when the client is none."""

    spcs: frozenset[str] = frozenset()
    """Carriers in the certificate, once an anchor vouched for it."""

    number: str | None = None
    """Originator as the message names it, canonical; proven only by a pass."""

    message_type: str = ""
    """``X-Mms-Message-Type`` in lower case; empty for plain mail."""

    protected: bool = False
    """Whether a valid DKIM signature covers PASSporT, From and Content-Type."""

    binding: Binding = "none"
    differences: frozenset[str] = frozenset()
    """Methods of which somebody upstream found something else than we did."""

    direction: str = "in"
    """Only what arrives is judged."""

    @property
    def stir(self) -> str:
        """The result word."""
        return self.reason.word

    @property
    def kind(self) -> str:
        """The message type, as one of `KINDS`."""
        if not self.message_type:
            return PLAIN
        return self.message_type if self.message_type in _KNOWN else OTHER

    def word(self, method: str) -> str:
        """Return the result word of ``stir``, ``spf``, ``dkim``, ``dmarc``, ``arc``."""
        found: str = getattr(self, method)
        return found


def words(results: MailResults) -> dict[str, str]:
    """Return one result word for each method; ``none`` for what was not asked for."""
    return {
        "spf": results.spf.word if results.spf else "none",
        "dkim": dkim_word(results.dkim or ()),
        "dmarc": results.dmarc.word if results.dmarc else "none",
        "arc": results.arc.word if results.arc else "none",
    }


def dkim_word(signatures: Iterable[DkimSignature]) -> str:
    """Return one word for all signatures: one that passes is enough (RFC 6376 §6.1)."""
    found = {one.word for one in signatures}
    return next((word for word in _SAYS_MOST if word in found), "none")

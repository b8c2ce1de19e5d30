"""What becomes of mail while something of ours does not work: a knob for each kind.

That we cannot sign (no key) has its knob where signing is set, `sign.on_failure`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from stirmilter.mail.policy.actions import Action
from stirmilter.mail.policy.facts import Facts
from stirmilter.stir.result import Reason

Kind = Literal["dns", "fetch", "store"]

_BY_REASON: Final[dict[Reason, Kind]] = {
    Reason.CREDENTIAL_UNAVAILABLE: "fetch",
    Reason.STATUS_UNAVAILABLE: "fetch",
    Reason.REPLAY_UNKNOWN: "store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePolicy:
    """The knobs."""

    internal: Literal["tempfail", "accept"] = "tempfail"
    """A bug of ours, or no decision in time. A message that is accepted then carries no
    result, and no forged one either."""

    dns: Action = "accept"
    """SPF, DKIM or DMARC could not be asked, and the verdict might be another."""

    fetch: Action = "accept"
    """A certificate, or a revocation list that must be had, cannot be had."""

    store: Action = "accept"
    """The replay store does not answer."""

    def actions(self, facts: Facts) -> Iterator[tuple[Kind, Action]]:
        """Yield what failed with this message, and what is to be done about it."""
        kind = _BY_REASON.get(facts.reason)
        if kind is not None:
            yield kind, self.fetch if kind == "fetch" else self.store
        if _needed_dns(facts):
            yield "dns", self.dns


def _needed_dns(facts: Facts) -> bool:
    """Tell whether a failed look-up may have cost the message a better verdict.

    Mail authentication repairs no STIR failure (E-10), and adds nothing to a verdict
    that is the best already.
    """
    if facts.stir == "pass":
        return not facts.protected and facts.dkim == "temperror"
    if facts.stir not in ("none", "neutral", "policy") or facts.dmarc == "pass":
        return False
    return "temperror" in (facts.spf, facts.dkim, facts.dmarc)

"""Facts, rules and peers as the tests of the policy write them."""

from stirmilter.mail.policy.actions import Measure, Tag
from stirmilter.mail.policy.facts import NUMBERLESS, Facts
from stirmilter.mail.policy.rules import Conditions, Rule
from stirmilter.mail.verdict import Verdict, combine
from stirmilter.stir.result import Reason
from stirmilter.stir.tn import NumberSet

TAG = Tag()


def facts(reason: Reason = Reason.VERIFIED, **changes: object) -> Facts:
    """Facts of a message whose verdict follows from the rest."""
    verdict: Verdict = combine(
        reason.word,
        headers_covered=bool(changes.get("protected")),
        dmarc_pass=changes.get("dmarc") == "pass",
    )
    return Facts(verdict=verdict, reason=reason, **changes)  # type: ignore[arg-type]


def rule(
    name: str = "one", action: str = "reject", number: str = "", **when: object
) -> Rule:
    """A rule; conditions are words that blanks part."""
    numbers = [one for one in number.split() if one != NUMBERLESS]
    words = {key: frozenset(str(value).split()) for key, value in when.items()}
    return Rule(
        name=name,
        when=Conditions(
            number=NumberSet.parse(numbers) if numbers else None,
            numberless=NUMBERLESS in number.split(),
            **words,
        ),
        measure=Measure(action=action),  # type: ignore[arg-type]
    )

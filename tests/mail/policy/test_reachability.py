"""Rules that can never apply are found, and no others."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stirmilter.mail.policy.facts import Facts
from stirmilter.mail.policy.reachability import unreachable
from stirmilter.mail.policy.rules import VALUES, Conditions, Rule
from stirmilter.stir.result import Reason
from tests.mail.policy.tables import facts, rule


def names(*table: Rule) -> list[str]:
    return [one.name for one, _ in unreachable(table)]


def test_what_follows_a_rule_for_everything_never_applies() -> None:
    assert names(rule("all"), rule("late", stir="fail")) == ["late"]


def test_what_an_earlier_rule_takes_whole_never_applies() -> None:
    assert names(rule("wide", stir="fail none"), rule("x", stir="fail")) == ["x"]
    assert names(rule("narrow", stir="fail"), rule("y", stir="fail none")) == []


def test_several_rules_together_can_take_everything() -> None:
    table = (
        rule("a", dkim="pass"),
        rule("b", dkim="fail none neutral"),
        rule("c", dkim="policy temperror permerror"),
    )

    assert names(*table, rule("never")) == ["never"]
    assert names(*table[:2], rule("c", dkim="policy"), rule("some")) == []


def test_a_rule_that_needs_more_pieces_than_may_be_is_taken_as_it_is() -> None:
    """The first one leaves two of it: other words of DKIM, and other words of SPF."""
    others = {method: " ".join(VALUES[method] - {"pass"}) for method in ("dkim", "spf")}
    table = (
        rule("both", dkim="pass", spf="pass"),
        rule("dkim", dkim=others["dkim"]),
        rule("spf", spf=others["spf"]),
        rule("never"),
    )

    assert [one.name for one, _ in unreachable(table, pieces=2)] == ["never"]
    assert [one.name for one, _ in unreachable(table, pieces=1)] == []
    assert [one.name for one, _ in unreachable(table[-1:] * 2, pieces=0)] == ["never"]


def test_conditions_on_different_things_do_not_take_each_other() -> None:
    assert names(rule("a", stir="fail"), rule("b", dkim="fail")) == []


@pytest.mark.parametrize(
    "when",
    [
        pytest.param({"stir": "fail", "reason": "verified"}, id="reason-of-a-pass"),
        pytest.param({"verdict": "failed", "stir": "pass"}, id="verdict-of-a-fail"),
        pytest.param({"verdict": "domain-authenticated", "dmarc": "fail"}, id="dmarc"),
    ],
)
def test_conditions_that_exclude_each_other_are_told(when: dict[str, str]) -> None:
    [(found, why)] = unreachable([rule("r", **when)])

    assert found.name == "r"
    assert why == "its conditions exclude each other"


def test_words_that_say_the_same_take_each_other() -> None:
    """A verdict of failed is what fail and permerror are, and nothing else."""
    assert names(rule("v", verdict="failed"), rule("s", stir="fail")) == ["s"]
    assert names(rule("s", stir="fail permerror"), rule("v", verdict="failed")) == ["v"]
    assert names(rule("s", stir="fail"), rule("v", verdict="failed")) == []


@pytest.mark.parametrize(
    ("above", "below", "taken"),
    [
        ("+1*", "+1202*", True),
        ("+1*", "+12025550123", True),
        ("+1202*", "+12025550100-+12025550199", True),
        ("+12025550100-+12025550199", "+12025550150-+12025550160", True),
        ("+1202*", "+1*", False),
        ("+12025550100-+12025550199", "+1202*", False),
        ("+12025550123", "+12025550123", True),
        ("+12025550123", "+12025550124", False),
        ("none", "none", True),
        ("+1* none", "none", True),
        ("+1* none", "+1202* none", True),
        ("+1* none", "+1202*", True),
        ("+1*", "none", False),
        ("none", "+1*", False),
        ("none", "+1* none", False),
    ],
)
def test_numbers_are_held_against_numbers(above: str, below: str, taken: bool) -> None:
    table = rule("a", number=above), rule("b", number=below)

    assert names(*table) == (["b"] if taken else [])


def test_a_message_without_a_number_is_left_by_rules_about_numbers() -> None:
    assert names(rule("a", number="+1*"), rule("b")) == []
    assert names(rule("a", number="none"), rule("b")) == []
    assert names(rule("a"), rule("b", number="none")) == ["b"]


def test_peers_that_nobody_names_are_left() -> None:
    assert names(rule("a", peer="one two"), rule("b", peer="one")) == ["b"]
    assert names(rule("a", peer="one two"), rule("b")) == []


def test_a_table_of_many_rules_is_looked_at_in_bounded_work() -> None:
    """Each takes one corner of ten; without a bound that would be 2 to the 10th."""
    conditions = ("spf", "dkim", "dmarc", "arc", "binding", "peer", "spc", "stir")
    table = [
        rule(f"r{i}", **{c: sorted(VALUES.get(c, {"x", "y"}))[i % 2] for c in pair})
        for i, pair in enumerate(product(conditions, conditions))
    ]

    assert isinstance(names(*table, rule("last")), list)


SMALL = {
    "stir": ["pass", "fail", "none"],
    "dkim": ["pass", "fail", "none"],
    "dmarc": ["pass", "fail"],
    "binding": ["absent", "match", "mismatch", "none"],
}
CONDITIONS = st.fixed_dictionaries(
    {name: st.frozensets(st.sampled_from(words)) for name, words in SMALL.items()}
)


def everything() -> list[Facts]:
    return [
        facts(reason, dkim=dkim, dmarc=dmarc, binding=binding, protected=protected)
        for reason in Reason
        for dkim in sorted(VALUES["dkim"])
        for dmarc in sorted(VALUES["dmarc"])
        for binding in ("absent", "match", "mismatch", "none")
        for protected in (True, False)
    ]


EVERYTHING = everything()


@settings(max_examples=40)
@given(st.lists(CONDITIONS, min_size=1, max_size=5))
def test_it_finds_what_trying_every_message_finds(
    table: list[dict[str, frozenset[str]]],
) -> None:
    rules = [
        Rule(
            name=str(i),
            when=Conditions(**conditions),  # type: ignore[arg-type]
            measure=rule().measure,
        )
        for i, conditions in enumerate(table)
    ]
    fired = {
        next((r.name for r in rules if r.applies(message)), "")
        for message in EVERYTHING
    }

    assert set(names(*rules)) == {r.name for r in rules} - fired

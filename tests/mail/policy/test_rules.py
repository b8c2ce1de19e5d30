"""A table of rules: what applies, what wins, and what is refused."""

import pytest

from stirmilter.mail.policy import rules
from stirmilter.mail.policy.actions import Measure
from stirmilter.mail.policy.facts import Facts, dkim_word, words
from stirmilter.mail.policy.rules import Conditions, Rule
from stirmilter.mail.results import (
    ArcResult,
    DkimSignature,
    DmarcResult,
    MailResults,
    SpfResult,
    Word,
)
from stirmilter.stir.result import Reason
from tests.laboratory import ALICE
from tests.mail.policy.tables import TAG, facts, rule

ALTERED = facts(Reason.BODY_ALTERED)
RICH = facts(
    Reason.VERIFIED,
    spf="softfail",
    dkim="fail",
    dmarc="temperror",
    arc="pass",
    peer="carrier",
    spcs=frozenset({"1234", "5678"}),
    number=ALICE,
    message_type="mm4_forward.req",
    binding="mismatch",
    differences=frozenset({"dkim"}),
)


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        ("verdict", "number-authenticated failed", "failed"),
        ("stir", "pass", "fail none"),
        ("reason", "verified", "stale"),
        ("spf", "softfail", "fail"),
        ("dkim", "fail", "pass none"),
        ("dmarc", "temperror", "none"),
        ("arc", "pass", "fail"),
        ("peer", "carrier", "unknown other"),
        ("spc", "9999 5678", "9999"),
        ("number", "+1202555*", "+1202556*"),
        ("message_type", "mm4_forward.req", "plain other"),
        ("binding", "mismatch", "match none"),
        ("differs", "spf dkim", "spf"),
    ],
)
def test_each_condition_is_held_against_its_fact(
    condition: str, holds: str, fails: str
) -> None:
    assert rule(**{condition: holds}).applies(RICH)
    assert not rule(**{condition: fails}).applies(RICH)


def test_every_condition_must_hold() -> None:
    assert rule(stir="pass", dkim="fail", spc="1234").applies(RICH)
    assert not rule(stir="pass", dkim="fail", spc="9999").applies(RICH)


def test_a_rule_without_conditions_is_for_every_message() -> None:
    assert rule().applies(RICH)
    assert rule().applies(ALTERED)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("peer", "unknown"),
        ("message_type", "plain"),
        ("binding", "none"),
        ("spf", "none"),
    ],
)
def test_what_is_not_there_has_a_word(condition: str, value: str) -> None:
    assert rule(**{condition: value}).applies(facts())


@pytest.mark.parametrize("condition", ["spc", "number", "differs"])
def test_what_is_not_there_meets_no_condition_on_it(condition: str) -> None:
    value = {"spc": "1234", "number": "+1*", "differs": "dkim"}[condition]

    assert not rule(**{condition: value}).applies(facts())


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("none", (None, "mailto:a@b.example")),
        ("+1* none", (None, "mailto:a@b.example", ALICE)),
        ("+1*", (ALICE,)),
    ],
)
def test_a_rule_can_ask_for_a_from_without_a_number(
    condition: str, holds: tuple[str | None, ...]
) -> None:
    found = (None, "mailto:a@b.example", ALICE, "442079460123")
    asks = rule(number=condition)

    assert tuple(one for one in found if asks.applies(facts(number=one))) == holds
    assert asks.when.asked() == {"number"}


def test_what_asks_for_no_number_says_so() -> None:
    unmet = rule(number="none").when.unmet(facts(number=ALICE))

    assert list(unmet) == [("number", "none", ALICE)]


def test_a_message_type_that_nobody_knows_is_another() -> None:
    strange = facts(message_type="mm4_forward.req\x1b[2J")

    assert rule(message_type="other").applies(strange)
    assert not rule(message_type="mm4_forward.req plain").applies(strange)


def test_the_first_rule_that_applies_decides() -> None:
    table = [
        rule("no", "tempfail", stir="none"),
        rule("first", "quarantine", stir="fail"),
        rule("second", "reject"),
    ]

    found = rules.decide(ALTERED, table, TAG)

    assert found is not None
    assert (found.action, found.rule) == ("quarantine", "first")


def test_a_table_without_a_rule_for_it_says_nothing() -> None:
    assert rules.decide(ALTERED, [rule(stir="none")], TAG) is None
    assert rules.decide(ALTERED, [], TAG) is None


def test_a_tag_is_filled_with_our_own_words() -> None:
    found = rules.decide(ALTERED, [rule("mark", "tag")], TAG)

    assert found is not None
    assert found.header == (
        "X-Stirmilter",
        "failed; reason=body-altered; rule=mark",
    )
    assert found.reply is None


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("verdict", "Failed"),
        ("stir", "softfail"),
        ("reason", "bad"),
        ("spf", "passed"),
        ("dkim", "softfail"),
        ("dmarc", "policy"),
        ("message_type", "mm4_forward"),
        ("binding", "yes"),
        ("differs", "stir"),
    ],
)
def test_a_value_that_nothing_has_is_refused_and_named(
    condition: str, value: str
) -> None:
    with pytest.raises(ValueError, match=f"{condition}: '{value}' is none of "):
        Conditions(**{condition: frozenset({value})})  # type: ignore[arg-type]


def test_what_is_not_met_is_told_with_what_was_found() -> None:
    unmet = rule(stir="pass none", spc="9", number="+44*").when.unmet(ALTERED)

    assert sorted(unmet) == [
        ("number", "a number of the set", "none"),
        ("spc", "9", ""),
        ("stir", "none pass", "fail"),
    ]


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ((), "none"),
        (("fail", "pass"), "pass"),
        (("fail", "temperror"), "temperror"),
        (("permerror", "fail"), "fail"),
        (("none", "permerror"), "permerror"),
        (("neutral", "policy"), "policy"),
    ],
)
def test_one_word_speaks_for_all_dkim_signatures(
    found: tuple[Word, ...], word: str
) -> None:
    assert dkim_word(DkimSignature(word=one) for one in found) == word


def test_what_was_not_asked_for_is_none() -> None:
    assert set(words(MailResults()).values()) == {"none"}


def test_every_method_gives_its_own_word() -> None:
    results = MailResults(
        spf=SpfResult(word="softfail"),
        dkim=(DkimSignature(word="pass"),),
        arc=ArcResult(word="fail"),
        dmarc=DmarcResult(word="permerror"),
    )

    assert words(results) == {
        "spf": "softfail",
        "dkim": "pass",
        "dmarc": "permerror",
        "arc": "fail",
    }


def reply_of(what: Facts, **when: str) -> str:
    measure = Measure(action="reject")
    words = {name: frozenset(value.split()) for name, value in when.items()}
    one = Rule(name="r", when=Conditions(**words), measure=measure)  # type: ignore[arg-type]
    found = rules.decide(what, [one], TAG)
    assert found is not None
    assert found.reply is not None
    return f"{found.reply.code} {found.reply.enhanced}"


@pytest.mark.conformance("E-16")
@pytest.mark.parametrize(
    ("reason", "reply"),
    [
        (Reason.NO_PASSPORT, "550 5.7.1"),
        (Reason.STALE, "550 5.7.1"),
        (Reason.REPLAYED, "550 5.7.1"),
        (Reason.CREDENTIAL_UNTRUSTED, "550 5.7.5"),
        (Reason.CREDENTIAL_EXPIRED, "550 5.7.5"),
        (Reason.CREDENTIAL_REVOKED, "550 5.7.5"),
        (Reason.UNSUPPORTED_ALGORITHM, "550 5.7.6"),
        (Reason.BAD_SIGNATURE, "550 5.7.5"),
        (Reason.MALFORMED, "550 5.7.5"),
        (Reason.BODY_ALTERED, "550 5.7.7"),
        (Reason.SPC_NOT_ACCEPTED, "550 5.7.1"),
        (Reason.VERIFIED, "550 5.7.1"),
    ],
)
def test_the_code_of_a_rejection_fits_the_reason(reason: Reason, reply: str) -> None:
    assert reply_of(facts(reason)) == reply


@pytest.mark.conformance("E-16")
def test_a_message_that_fails_twice_has_the_code_for_several() -> None:
    """RFC 7372 §3.4."""
    both = facts(Reason.BODY_ALTERED, dkim="fail")

    assert reply_of(both) == "550 5.7.26"
    assert reply_of(facts(spf="fail", dkim="fail"), spf="fail", dkim="fail") == (
        "550 5.7.26"
    )


@pytest.mark.conformance("E-16")
def test_what_no_condition_asked_about_has_no_part_in_the_code() -> None:
    unsigned = facts(Reason.NO_PASSPORT, spf="fail", dkim="fail")

    assert reply_of(unsigned, stir="none") == "550 5.7.1"
    assert reply_of(unsigned, spf="fail") == "550 5.7.23"
    assert reply_of(unsigned, dkim="fail") == "550 5.7.20"


def test_a_deferral_is_temporary_whatever_failed() -> None:
    found = rules.decide(
        facts(Reason.CREDENTIAL_UNAVAILABLE), [rule(action="tempfail")], TAG
    )

    assert found is not None
    assert found.reply == (
        "451",
        "4.7.0",
        "message deferred by policy: stir=temperror reason=credential-unavailable",
    )


def test_what_the_operator_sets_is_said() -> None:
    measure = Measure(action="reject", code="554", enhanced="5.7.0", text="No.")

    found = rules.decide(ALTERED, [Rule(name="r", measure=measure)], TAG)

    assert found is not None
    assert found.reply == ("554", "5.7.0", "No.")

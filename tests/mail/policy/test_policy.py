"""What comes first: rules, then the stronger of ladder and failure, then acceptance."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from stirmilter.mail.policy import explanation
from stirmilter.mail.policy.actions import Action
from stirmilter.mail.policy.facts import Facts
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.ladders import Ladder, Step
from stirmilter.mail.policy.peers import Peer
from stirmilter.mail.policy.policy import Policy
from stirmilter.stir.result import Reason
from tests.mail.policy.tables import facts, rule

NOW = datetime(2026, 10, 1, tzinfo=UTC)
PEER = Peer(
    name="carrier",
    ladder=Ladder(
        (Step(date(2026, 9, 1), "tag"), Step(date(2027, 1, 1), "reject")),
        frozenset({"mm4_forward.req"}),
    ),
)
UNSIGNED = facts(Reason.NO_PASSPORT, peer="carrier", message_type="mm4_forward.req")
ALTERED = facts(Reason.BODY_ALTERED, peer="carrier")


def decided(policy: Policy, message: Any = UNSIGNED) -> tuple[str, str]:  # noqa: ANN401 - facts
    outcome = policy.decide(message, NOW).outcome
    return outcome.action, outcome.rule


def test_without_a_policy_every_message_is_accepted_as_it_is() -> None:
    for reason in Reason:
        ruling = Policy().decide(facts(reason, dkim="temperror"), NOW)

        assert (ruling.outcome.action, ruling.outcome.rule) == ("accept", "")
        assert ruling.outcome.header is None
        assert ruling.shadow is None


def test_a_ladder_decides_what_no_rule_does() -> None:
    assert decided(Policy(peers=(PEER,))) == ("tag", "ladder:carrier")
    assert decided(Policy(peers=(PEER,)), ALTERED) == ("tag", "ladder:carrier")


def test_a_ladder_is_for_its_own_peer_alone() -> None:
    stranger = facts(Reason.NO_PASSPORT, message_type="mm4_forward.req")

    assert decided(Policy(peers=(PEER,)), stranger) == ("accept", "")


def test_a_rule_comes_before_a_ladder_even_to_accept() -> None:
    policy = Policy(
        peers=(PEER,), rules=(rule("spare", "accept", reason="no-passport"),)
    )

    assert decided(policy) == ("accept", "spare")
    assert decided(policy, ALTERED) == ("tag", "ladder:carrier")


@pytest.mark.parametrize(
    ("reason", "changes", "knob", "name"),
    [
        (Reason.CREDENTIAL_UNAVAILABLE, {}, "fetch", "failure:fetch"),
        (Reason.STATUS_UNAVAILABLE, {}, "fetch", "failure:fetch"),
        (Reason.REPLAY_UNKNOWN, {}, "store", "failure:store"),
        (Reason.NO_PASSPORT, {"dmarc": "temperror"}, "dns", "failure:dns"),
        (Reason.NO_PASSPORT, {"spf": "temperror"}, "dns", "failure:dns"),
        (Reason.VERIFIED, {"dkim": "temperror"}, "dns", "failure:dns"),
    ],
)
def test_each_failure_has_a_knob_of_its_own(
    reason: Reason, changes: dict[str, str], knob: str, name: str
) -> None:
    message = facts(reason, **changes)

    assert decided(Policy(failures=FailurePolicy(**{knob: "tempfail"})), message) == (  # type: ignore[arg-type]
        "tempfail",
        name,
    )
    others: dict[str, Any] = {
        k: "reject" for k in ("dns", "fetch", "store") if k != knob
    }
    assert decided(Policy(failures=FailurePolicy(**others)), message) == ("accept", "")


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(facts(Reason.BODY_ALTERED, dkim="temperror"), id="failed-anyway"),
        pytest.param(
            facts(Reason.VERIFIED, dkim="temperror", protected=True), id="best-already"
        ),
        pytest.param(facts(Reason.VERIFIED, spf="temperror"), id="adds-nothing"),
        pytest.param(
            facts(Reason.NO_PASSPORT, spf="temperror", dmarc="pass"), id="dmarc-passed"
        ),
    ],
)
@pytest.mark.conformance("E-10")
def test_a_look_up_that_could_change_nothing_is_no_failure(message: Any) -> None:  # noqa: ANN401
    assert decided(Policy(failures=FailurePolicy(dns="reject")), message) == (
        "accept",
        "",
    )


@pytest.mark.parametrize(
    ("dns", "expected"),
    [
        ("accept", ("tag", "ladder:carrier")),
        ("tempfail", ("tempfail", "failure:dns")),
    ],
)
def test_of_ladder_and_failure_the_stronger_decides(
    dns: Action, expected: tuple[str, str]
) -> None:
    message = facts(
        Reason.NO_PASSPORT,
        peer="carrier",
        message_type="mm4_forward.req",
        dmarc="temperror",
    )
    policy = Policy(peers=(PEER,), failures=FailurePolicy(dns=dns))

    assert decided(policy, message) == expected


UNDETERMINED = [reason for reason in Reason if reason.word == "temperror"]
HELD = Ladder(
    (Step(date(2026, 9, 1), "quarantine"), Step(date(2027, 1, 1), "reject")),
    frozenset({"mm4_forward.req"}),
)


def unjudged(reason: Reason, **changes: str) -> Facts:
    """A message of the peer's that must be signed, and is said to be."""
    return facts(
        reason, **{"peer": "carrier", "message_type": "mm4_forward.req", **changes}
    )


def test_what_only_our_own_store_does_not_know_does_not_wait() -> None:
    """It would come again until it is stale: each token is older than a new store."""
    policy = Policy(peers=(Peer(name="carrier", ladder=HELD),))

    assert decided(policy, unjudged(Reason.REPLAY_UNKNOWN)) == ("accept", "")


@pytest.mark.conformance("V-18")
@pytest.mark.parametrize(
    "reason", [one for one in UNDETERMINED if one is not Reason.REPLAY_UNKNOWN]
)
@pytest.mark.parametrize(
    ("ladder", "at", "expected"),
    [
        pytest.param(PEER.ladder, NOW, ("accept", ""), id="tag"),
        pytest.param(HELD, datetime(2026, 1, 1, tzinfo=UTC), ("accept", ""), id="none"),
        pytest.param(HELD, NOW, ("tempfail", "ladder:carrier"), id="quarantine"),
        pytest.param(
            HELD,
            datetime(2027, 1, 1, tzinfo=UTC),
            ("tempfail", "ladder:carrier"),
            id="reject",
        ),
    ],
)
def test_what_must_be_signed_and_was_not_judged_comes_again(
    reason: Reason, ladder: Ladder, at: datetime, expected: tuple[str, str]
) -> None:
    """Whoever writes a token chooses its x5u, and may choose one that is dead."""
    policy = Policy(peers=(Peer(name="carrier", ladder=ladder),))

    outcome = policy.decide(unjudged(reason), at).outcome

    assert (outcome.action, outcome.rule) == expected
    assert (outcome.reply is not None) == (expected[0] == "tempfail")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"message_type": "mm4_forward.res"}, id="not-asked-for"),
        pytest.param({"peer": "another"}, id="no-peer"),
    ],
)
def test_what_need_not_be_signed_does_not_wait(changes: dict[str, str]) -> None:
    policy = Policy(peers=(Peer(name="carrier", ladder=HELD),))
    message = unjudged(Reason.CREDENTIAL_UNAVAILABLE, **changes)

    assert decided(policy, message) == ("accept", "")


@pytest.mark.parametrize("reason", UNDETERMINED)
@pytest.mark.parametrize("action", ["tag", "quarantine", "tempfail", "reject"])
def test_what_is_said_of_failures_goes_before_waiting(
    reason: Reason, action: Action
) -> None:
    policy = Policy(
        peers=(Peer(name="carrier", ladder=HELD),),
        failures=FailurePolicy(fetch=action, store=action),
    )
    kind = "store" if reason is Reason.REPLAY_UNKNOWN else "fetch"

    assert decided(policy, unjudged(reason)) == (action, f"failure:{kind}")


def test_the_shadow_table_is_compared_and_changes_nothing() -> None:
    policy = Policy(
        rules=(rule("active", "tag", stir="fail"),),
        shadow=(rule("candidate", "reject", stir="fail"),),
    )

    ruling = policy.decide(ALTERED, NOW)

    assert (ruling.outcome.action, ruling.outcome.rule) == ("tag", "active")
    assert ruling.shadow is not None
    assert (ruling.shadow.action, ruling.shadow.rule) == ("reject", "candidate")


def test_without_a_shadow_table_nothing_is_compared() -> None:
    assert Policy(rules=(rule("active"),)).decide(ALTERED, NOW).shadow is None


def test_a_shadow_that_does_the_same_is_no_difference() -> None:
    policy = Policy(
        rules=(rule("active", "reject", stir="fail"),),
        shadow=(rule("candidate", "reject", verdict="failed"),),
    )

    assert policy.decide(ALTERED, NOW).shadow is None
    assert policy.decide(facts(), NOW).shadow is None


def test_a_shadow_that_would_spare_a_message_is_a_difference() -> None:
    policy = Policy(
        rules=(rule("active", "reject"),), shadow=(rule("c", "tag", stir="none"),)
    )

    shadow = policy.decide(ALTERED, NOW).shadow

    assert shadow is not None
    assert (shadow.action, shadow.rule) == ("accept", "")


def test_ladders_stand_behind_the_shadow_table_as_well() -> None:
    policy = Policy(peers=(PEER,), shadow=(rule("c", "reject", stir="pass"),))

    assert policy.decide(UNSIGNED, NOW).shadow is None


def test_an_explanation_tells_of_each_rule_what_is_missing() -> None:
    policy = Policy(
        rules=(
            rule("a", stir="none", dkim="pass"),
            rule("b", stir="fail"),
            rule("c"),
        )
    )

    found = explanation.explain(policy, ALTERED, NOW)

    assert found["rules"] == [
        {
            "rule": "a",
            "applies": False,
            "unmet": [
                {"condition": "dkim", "wanted": "pass", "found": "none"},
                {"condition": "stir", "wanted": "none", "found": "fail"},
            ],
        },
        {"rule": "b", "applies": True, "unmet": []},
    ]
    assert found["outcome"]["rule"] == "b"
    assert found["shadow"] is None


def test_an_explanation_shows_no_strangers_text_as_it_is() -> None:
    found = explanation.facts_of(facts(message_type="x\x1b[2J\n"))

    assert found["message_type"] == "x\\u{1b}[2J\\u{a}"

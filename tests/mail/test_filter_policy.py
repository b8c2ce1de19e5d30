"""The filter builds the facts, has the policy decide, and says what came of it."""

from dataclasses import replace
from datetime import date, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from stirmilter.mail.beside import Beside, NoChecks
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy, MM4Answers
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.ladders import Ladder, Step
from stirmilter.mail.policy.peers import Peer
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.protection import Protection
from stirmilter.mail.results import (
    DkimSignature,
    DmarcResult,
    MailResults,
    SpfResult,
)
from stirmilter.mail.transaction import Connection, Decision, Transaction
from stirmilter.services import (
    TrustSet,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, NOW
from tests.mail.mails import (
    FROM,
    OURS,
    PLAIN,
    POLICY,
    REQ,
    STRANGER,
    TO,
    Make,
    mail,
    signed,
    with_signature_of,
)
from tests.mail.policy.tables import rule

ACK = (
    'X-Mms-Transaction-ID: "t1"',
    'X-Mms-Message-ID: "m1"',
    "X-Mms-Ack-Request: Yes",
    "X-Mms-Originator-System: system@mms.two.example",
)
UNSIGNED = mail(*PLAIN, REQ, connection=STRANGER)
PEER = Peer(name="carrier", networks=(ip_network("198.51.100.0/24"),))


def deciding(make: Make, policy: Policy, **more: Any) -> MailFilter:  # noqa: ANN401
    return make(policy=replace(POLICY, actions=policy, **more))


def facts_of(decision: Decision) -> Any:  # noqa: ANN401 - the tests ask for what they want
    assert decision.ruling is not None
    return decision.ruling.facts


@pytest.mark.parametrize(
    "action", ["accept", "tag", "quarantine", "tempfail", "reject"]
)
def test_what_a_rule_says_is_in_decision_and_event(make: Make, action: str) -> None:
    rules = (rule("unsigned", action, reason="no-passport"),)

    decision = deciding(make, Policy(rules=rules)).decide(UNSIGNED)

    assert decision.action == action
    assert (decision.reply is not None) == (action in ("tempfail", "reject"))
    event = decision.event
    assert (event.action, event.rule) == (action, "unsigned")
    inserted = [name for name, _ in decision.insert]
    assert inserted[0] == "Authentication-Results"
    assert inserted[1:] == (["X-Stirmilter"] if action == "tag" else [])


def test_by_default_nothing_becomes_of_a_bad_message(make: Make, ca: TestCA) -> None:
    bad = mail(*PLAIN, signed(ca), connection=STRANGER, body=b"other\r\n")

    decision = make().decide(bad)

    assert (decision.event.outcome, decision.action) == ("failed", "accept")
    assert decision.event.rule == ""
    assert len(decision.insert) == 1


def test_the_shadow_is_in_the_event_when_it_differs(make: Make) -> None:
    policy = Policy(shadow=(rule("candidate", "reject", stir="none"),))

    decision = deciding(make, policy).decide(UNSIGNED)

    assert decision.action == "accept"
    event = decision.event
    assert (event.shadow_action, event.shadow_rule) == ("reject", "candidate")


def test_forged_tags_are_removed_from_what_arrives_and_what_leaves(make: Make) -> None:
    lines = (*PLAIN, "X-Stirmilter: authenticated", "x-STIRmilter: x")

    for connection in (STRANGER, OURS):
        gone = make().decide(mail(*lines, connection=connection)).remove

        assert [(g.name.lower(), g.occurrence) for g in gone] == [
            ("x-stirmilter", 1),
            ("x-stirmilter", 2),
        ]


def test_what_other_methods_found_becomes_verdict_and_facts(make: Make) -> None:
    results = MailResults(
        spf=SpfResult(word="pass"),
        dkim=(DkimSignature(word="pass", domain="two.example"),),
        dmarc=DmarcResult(word="pass"),
    )
    beside = Beside(results=results, differences=("spf: pass here, fail at mx",))

    decision, _ = make().verify(UNSIGNED, NOW, beside)

    assert decision.event.outcome == "domain-authenticated"
    facts = facts_of(decision)
    assert (facts.spf, facts.dkim, facts.dmarc, facts.arc) == (
        "pass",
        "pass",
        "pass",
        "none",
    )
    assert facts.differences == {"spf"}


def test_covered_headers_make_a_pass_authenticated(make: Make, ca: TestCA) -> None:
    good = mail(*PLAIN, signed(ca), connection=STRANGER)

    decision, _ = make().verify(good, NOW, Beside(protection=Protection(covered=True)))

    assert decision.event.outcome == "authenticated"
    assert facts_of(decision).protected


def test_the_checks_are_asked_once_for_a_message_that_arrives(
    make: Make, ca: TestCA
) -> None:
    asked: list[Transaction] = []

    class Passing(NoChecks):
        def check(self, transaction: Transaction, _now: object) -> Beside:
            asked.append(transaction)
            return Beside(results=MailResults(dmarc=DmarcResult(word="pass")))

    made = make()
    mail_filter = MailFilter(
        policy=made.policy,
        authentication=made.authentication,
        verification=made.verification,
        clock=made.clock,
        checks=Passing(),
    )

    decision = mail_filter.decide(UNSIGNED)
    mail_filter.decide(mail(*PLAIN))
    again = mail_filter.using(laboratory.authenticator(ca)).decide(UNSIGNED)

    assert decision.event.outcome == again.event.outcome == "domain-authenticated"
    assert asked == [UNSIGNED, UNSIGNED]


def test_the_facts_name_peer_number_and_type(make: Make) -> None:
    facts = facts_of(deciding(make, Policy(peers=(PEER,))).decide(UNSIGNED))

    assert (facts.peer, facts.number, facts.message_type) == (
        "carrier",
        ALICE,
        "mm4_forward.req",
    )
    assert facts.direction == "in"


def test_a_carrier_is_a_fact_once_its_signature_is_good(make: Make, ca: TestCA) -> None:
    """Anybody can point at a carrier's certificate."""
    good = signed(ca, name="spc")
    forged = with_signature_of(good, signed(ca, name="spc", iat=1_767_355_201))
    peers = (Peer(name="carrier", spcs=frozenset({"1234"})),)

    found = [
        facts_of(
            deciding(make, Policy(peers=peers)).decide(
                mail(*PLAIN, field, connection=STRANGER)
            )
        )
        for field in (good, forged)
    ]

    assert [(facts.reason.code, set(facts.spcs), facts.peer) for facts in found] == [
        ("verified", {"1234"}, "carrier"),
        ("bad-signature", set(), ""),
    ]


@pytest.mark.parametrize(
    ("domain", "mark"),
    [
        ("carrier.example", "match"),
        ("other.example", "mismatch"),
        ("", "absent"),
    ],
)
def test_a_carriers_token_is_held_against_the_dkim_it_came_under(
    make: Make, ca: TestCA, domain: str, mark: str
) -> None:
    peer = replace(PEER, dkim={"1234": frozenset({"carrier.example"})})
    rules = (rule("stolen", "reject", binding="mismatch absent"),)
    signature = DkimSignature(word="pass", domain=domain)
    results = MailResults(dkim=(signature,) if domain else ())
    sent = mail(*PLAIN, signed(ca, name="spc"), connection=STRANGER)

    decision, _ = deciding(make, Policy(peers=(peer,), rules=rules)).verify(
        sent, NOW, Beside(results=results)
    )

    assert facts_of(decision).binding == mark
    assert decision.action == ("accept" if mark == "match" else "reject")


def test_a_ladder_reads_the_clock_of_the_message(make: Make) -> None:
    ladder = Ladder((Step(date(2026, 1, 3), "reject"),), frozenset({"mm4_forward.req"}))
    policy = Policy(peers=(replace(PEER, ladder=ladder),))
    mail_filter = deciding(make, policy)

    before, _ = mail_filter.verify(UNSIGNED, NOW)
    after, _ = mail_filter.verify(UNSIGNED, NOW + timedelta(days=1))

    assert (before.action, after.action) == ("accept", "reject")
    assert after.event.rule == "ladder:carrier"


@pytest.mark.parametrize(
    ("lines", "action"),
    [
        pytest.param([REQ, REQ], "reject", id="twice"),
        pytest.param([REQ, f"{REQ[:-1]}S"], "reject", id="answer-as-well"),
        pytest.param([f"{REQ} (x)"], "reject", id="comment"),
        pytest.param([f"{REQ};"], "reject", id="semicolon"),
        pytest.param(["X-Mms-Message-Type: plain"], "reject", id="says-plain"),
        pytest.param([f"{REQ[:-1]}S"], "accept", id="answer"),
        pytest.param([], "accept", id="plain"),
    ],
)
@pytest.mark.conformance("V-18")
def test_no_odd_type_spares_what_must_be_signed(
    make: Make, lines: list[str], action: str
) -> None:
    """A lenient MMSC reads a request in each of them."""
    ladder = Ladder((Step(date(2026, 1, 1), "reject"),), frozenset({"mm4_forward.req"}))
    policy = Policy(peers=(replace(PEER, ladder=ladder),))
    sent = mail(*PLAIN, *lines, connection=STRANGER)

    assert deciding(make, policy).decide(sent).action == action


def with_peers(ca: TestCA, make: Make, **services: VerificationService) -> MailFilter:
    made = make(policy=replace(POLICY, actions=Policy(peers=(PEER,))))
    nobody = VerificationService(
        repository=laboratory.FolderRepository(ca.folder / "www"),
        anchors=[TrustSet(anchors=TrustAnchors(()))],
        replays=MemoryReplayStore(),
        policy=VerificationPolicy(),
    )
    return MailFilter(
        policy=made.policy,
        authentication=made.authentication,
        verification=nobody,
        clock=made.clock,
        peers=services,
    )


def test_anchors_of_a_peer_count_for_its_messages_alone(make: Make, ca: TestCA) -> None:
    mail_filter = with_peers(ca, make, carrier=laboratory.verifier(ca))
    elsewhere = Connection(client=ip_address("203.0.113.1"))
    sent = mail(*PLAIN, signed(ca), connection=STRANGER)

    theirs = mail_filter.decide(sent)
    others = mail_filter.decide(replace(sent, connection=elsewhere))

    assert theirs.event.reason == "verified"
    assert others.event.reason == "credential-untrusted"


def test_limits_of_a_peer_count_for_what_is_fetched_ahead(
    make: Make, ca: TestCA
) -> None:
    """A token that is too old for this peer is not worth a fetch."""
    strict = laboratory.verifier(ca, VerificationPolicy(freshness=timedelta(minutes=1)))
    mail_filter = with_peers(ca, make, carrier=strict)
    old = int((NOW - timedelta(hours=1)).timestamp())
    sent = mail(*PLAIN, signed(ca, iat=old), connection=STRANGER)

    prepared = mail_filter.prepare(STRANGER, sent.recipients, sent.headers, sent.sender)

    assert prepared.urls == ()
    assert mail_filter.decide(sent).event.reason == "stale"


REJECT = Policy(rules=(rule("r", "reject", stir="none"),), peers=(PEER,))
ANSWERS = MM4Answers(system="system-user@mx.example")


def answered(
    make: Make,
    policy: Policy = REJECT,
    mm4: MM4Answers | None = ANSWERS,
    client: str = "198.51.100.1",
    sender: str = f"<+{ALICE}@mms.example>",
) -> str | None:
    sent = mail(
        FROM,
        TO,
        REQ,
        *ACK,
        connection=Connection(client=ip_address(client)),
        sender=sender,
    )
    answer = deciding(make, policy, mm4=mm4).decide(sent).answer
    return answer.recipient if answer else None


def test_a_rejected_request_of_a_peer_is_answered(make: Make) -> None:
    assert answered(make) == "system@mms.two.example"


def test_nothing_is_answered_unless_it_is_set(make: Make) -> None:
    assert answered(make, mm4=None) is None


@pytest.mark.parametrize("action", ["accept", "tag", "quarantine", "tempfail"])
def test_only_a_rejection_is_answered(make: Make, action: str) -> None:
    policy = replace(REJECT, rules=(rule("r", action, stir="none"),))

    assert answered(make, policy) is None


def test_a_shadow_rejection_is_not_answered(make: Make) -> None:
    assert answered(make, Policy(shadow=REJECT.rules, peers=(PEER,))) is None


def test_strangers_are_answered_only_if_that_is_set(make: Make) -> None:
    stranger = "203.0.113.1"

    assert answered(make, client=stranger) is None
    assert answered(make, mm4=replace(ANSWERS, strangers=True), client=stranger)


def test_a_peer_that_anybody_can_pass_for_is_a_stranger(make: Make) -> None:
    """Whoever says the right HELO would have us write to whom he likes."""
    claimed = replace(PEER, networks=(), domains=frozenset({"mms.example"}))

    assert claimed.claimed
    assert answered(make, replace(REJECT, peers=(claimed,))) is None


def test_the_null_sender_is_not_answered(make: Make) -> None:
    assert answered(make, sender="<>") is None


@pytest.mark.conformance("O-08")
@pytest.mark.parametrize("action", ["tempfail", "accept"])
def test_a_message_that_could_not_be_decided_loses_what_is_forged(
    make: Make,
    action: Any,  # noqa: ANN401 - one of two words
) -> None:
    policy = MailPolicy(
        authserv_id="mx.example",
        actions=Policy(failures=FailurePolicy(internal=action)),
    )
    forged = ("Authentication-Results: mx.example; stir=pass", "X-Stirmilter: x")
    sent = mail(*PLAIN, *forged, connection=STRANGER)

    decision = make(policy=policy).undecided(sent)

    assert decision.action == action
    assert [gone.name for gone in decision.remove] == [
        "Authentication-Results",
        "X-Stirmilter",
    ]
    assert decision.insert == ()
    assert (decision.event.outcome, decision.event.reason) == (
        "undetermined",
        "internal-error",
    )

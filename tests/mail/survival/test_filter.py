"""Hazards and diagnoses in the filter: told, and never a reason for another verdict."""

from dataclasses import replace

import pytest

from stirmilter.haste import TakesLong, haste
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import Survival
from stirmilter.mail.survival import HAZARDS
from stirmilter.mail.transaction import Decision, Transaction
from tests.mail.mails import OURS, PLAIN, POLICY, STRANGER, Make, delivered, mail
from tests.mail.survival.relays import wrapped

LONG = b"<smil>" + b"x" * 2000 + b"</smil>\r\n"
EVERYTHING = b"x" * 1000 + b"\xff\0"


def read(made: MailFilter, transaction: Transaction, body: bytes) -> Transaction:
    """Give a filter the body as the adapter does."""
    connection, sender = transaction.connection, transaction.sender
    recipients, headers = transaction.recipients, transaction.headers
    prepared = made.prepare(connection, recipients, headers, sender)
    for reader in prepared.readers():
        for begin in range(0, len(body), 700):
            reader(body[begin : begin + 700])
    return prepared.transaction(connection, sender, recipients, headers)


def outgoing(make: Make, body: bytes, **survival: object) -> Decision:
    made = make(policy=replace(POLICY, survival=Survival(**survival)))  # type: ignore[arg-type]
    return made.decide(read(made, mail(*PLAIN, connection=OURS), body))


def test_hazards_of_a_signed_body_are_told_and_kept(make: Make) -> None:
    decision = outgoing(make, EVERYTHING)

    assert decision.insert
    assert decision.event.hazards == HAZARDS
    assert decision.event.evidence is not None
    [token] = decision.event.evidence.tokens
    assert token.notes == tuple(f"hazard: {one}" for one in HAZARDS)


def test_a_body_without_hazards_has_nothing_to_tell(make: Make) -> None:
    decision = outgoing(make, b"Hello\r\n", hazards="tempfail")

    assert decision.insert
    assert decision.event.hazards == ()


def test_a_body_at_risk_can_be_kept_here(make: Make) -> None:
    decision = outgoing(make, EVERYTHING, hazards="tempfail")

    assert decision.action == "tempfail"
    assert decision.reply == ("451", "4.6.3", "the next hop may alter the body")
    assert not decision.insert
    event = decision.event
    assert (event.outcome, event.reason, event.action) == (
        "failed",
        "body-at-risk",
        "tempfail",
    )
    assert event.detail == "long-lines, 8bit, binary, no-final-newline"


def test_that_failures_are_accepted_is_another_setting(make: Make) -> None:
    policy = replace(
        POLICY, survival=Survival(hazards="tempfail"), signing_failure="accept"
    )
    made = make(policy=policy)

    decision = made.decide(read(made, mail(*PLAIN, connection=OURS), LONG))

    assert decision.action == "tempfail"


def test_what_the_next_hop_carries_is_no_hazard(make: Make) -> None:
    known = frozenset({"long-lines", "binary"})

    decision = outgoing(make, EVERYTHING, harmless=known)

    assert decision.event.hazards == ("8bit", "no-final-newline")


def test_a_message_that_is_not_ours_to_sign_is_not_kept_for_its_body(
    make: Make,
) -> None:
    policy = replace(POLICY, survival=Survival(hazards="tempfail"))
    made = make(policy=policy)
    lines = ("From: alice@mms.example", *PLAIN[1:])

    decision = made.decide(read(made, mail(*lines, connection=OURS), LONG))

    assert decision.action == "accept"
    assert decision.event.reason == "no-originator"


def test_who_does_not_want_to_know_pays_nothing(make: Make) -> None:
    decision = outgoing(make, EVERYTHING, hazards="sign")

    assert decision.insert
    assert decision.event.hazards == ()


@pytest.fixture
def sent(make: Make) -> Transaction:
    """A message that we signed, as a stranger gets it."""
    made = make()
    transaction = read(made, mail(*PLAIN, connection=OURS), LONG)
    return delivered(made.decide(transaction), transaction)


def judged(make: Make, sent: Transaction, body: bytes, **survival: object) -> Decision:
    made = make(policy=replace(POLICY, survival=Survival(**survival)))  # type: ignore[arg-type]
    decision = made.decide(read(made, replace(sent, connection=STRANGER), body))
    assert made.keeper.left == made.policy.survival.total  # all of it came back
    return decision


def test_what_altered_the_body_is_told_and_kept(make: Make, sent: Transaction) -> None:
    decision = judged(make, sent, wrapped(LONG))

    event = decision.event
    assert event.reason == "body-altered"
    assert event.detail == "altered: wrapped at 998"
    assert event.evidence is not None
    [token] = event.evidence.tokens
    assert token.detail == "altered: wrapped at 998"
    assert token.notes == ("altered: wrapped at 998",)


@pytest.mark.parametrize("body", [wrapped(LONG), LONG + b"\r\nfooter\r\n", b"x\r\n"])
def test_no_explanation_changes_the_verdict(
    make: Make, sent: Transaction, body: bytes
) -> None:
    explained = judged(make, sent, body)
    silent = judged(make, sent, body, each=0)

    assert explained.insert == silent.insert
    assert explained.action == silent.action
    assert explained.event.outcome == silent.event.outcome == "failed"
    assert silent.event.detail == "msgi is the digest of another body"
    assert silent.event.evidence is not None
    assert silent.event.evidence.tokens[0].notes == ()


def test_a_good_body_needs_no_explanation(make: Make, sent: Transaction) -> None:
    decision = judged(make, sent, LONG)

    assert decision.event.reason == "verified"
    assert decision.event.detail == ""


@pytest.mark.parametrize(
    ("limits", "note"),
    [
        ({}, "what altered the body is not known"),
        ({"effort": 100}, "what altered the body is not known"),
        ({"each": 10}, "what altered the body is not known: it was too large to keep"),
        ({"total": 10}, "what altered the body is not known: it was too large to keep"),
    ],
)
def test_what_is_not_known_is_told_as_well(
    make: Make, sent: Transaction, limits: dict[str, int], note: str
) -> None:
    decision = judged(make, sent, b"Hello Mallory\r\n", **limits)

    assert decision.event.detail == "msgi is the digest of another body"
    assert decision.event.evidence is not None
    assert decision.event.evidence.tokens[0].notes == (note,)


def test_a_message_without_a_token_is_not_kept(make: Make) -> None:
    made = make()
    transaction = mail(*PLAIN, connection=STRANGER)

    kept = made.prepare(
        STRANGER, transaction.recipients, transaction.headers, transaction.sender
    ).kept

    assert kept is None


def test_many_tokens_do_not_buy_more_effort(make: Make, sent: Transaction) -> None:
    """All of a message share what may be digested; equal digests are tried once."""
    [first, *others] = sent.headers
    doubled = replace(sent, headers=(first, first, *others))

    decision = judged(make, doubled, wrapped(LONG))

    assert decision.event.evidence is not None
    notes = [token.notes for token in decision.event.evidence.tokens]
    assert notes == [("altered: wrapped at 998",)] * 2


def test_what_altered_a_body_is_found_by_who_has_time(
    make: Make, sent: Transaction
) -> None:
    made = make()
    stranger = replace(sent, connection=STRANGER)
    whole, altered = (read(made, stranger, body) for body in (LONG, wrapped(LONG)))

    def told(transaction: Transaction) -> str:
        return made.decide(transaction).event.detail

    assert told(whole) == ""
    with pytest.raises(TakesLong), haste():
        told(altered)
    assert told(altered) == "altered: wrapped at 998"

"""A carrier's token under DKIM of the same carrier, of another, or under none."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from stirmilter.mail.methods import Methods
from stirmilter.mail.policy.peers import Peer
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.transaction import Decision, Header, Transaction
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.mail.mails import POLICY, mail
from tests.mail.policy.tables import rule
from tests.mail.relays import (
    CLIENT,
    DOMAIN,
    LINES,
    SIGNER,
    record,
    relay,
    through,
    written,
)

PEER = Peer(name="carrier", dkim={"1234": frozenset({DOMAIN})})
REQUIRED = rule("theirs-alone", "reject", binding="mismatch absent")
Make = Callable[..., Methods]


def sent_by(ca: TestCA, domain: str = "", signer: str = "spc") -> Transaction:
    """What a relay with a carrier's certificate hands to us, signed as `domain`."""
    dkim = replace(SIGNER, domain=domain) if domain else None
    sent = mail(*LINES)
    inserted = through(relay(ca, dkim=dkim, signer=signer), sent).insert
    fields = tuple(Header(name, f" {value}".encode()) for name, value in inserted)
    return replace(sent, headers=(*fields, *sent.headers), connection=CLIENT)


def judged(ca: TestCA, made: Methods, received: Transaction) -> Decision:
    actions = Policy(peers=(PEER,), rules=(REQUIRED,))
    policy = replace(POLICY, actions=actions)
    return through(relay(ca, checks=made, policy=policy), received)


def stripped(sent: Transaction) -> Transaction:
    """Leave out what the attacker would rather not send."""
    kept = tuple(h for h in sent.headers if not h.named(("dkim-signature",)))
    assert kept != sent.headers
    return replace(sent, headers=kept)


@pytest.mark.parametrize(
    ("domain", "mark", "action"),
    [
        (DOMAIN, "match", "accept"),
        ("other.example", "mismatch", "reject"),
        ("", "absent", "reject"),
    ],
)
def test_a_rule_can_require_a_carriers_token_to_come_under_its_own_dkim(
    ca: TestCA, names: DnsServer, methods: Make, domain: str, mark: str, action: str
) -> None:
    names.add(*record(replace(SIGNER, domain="other.example")))

    decision = judged(ca, methods(), sent_by(ca, domain))

    assert f"policy.carrier={mark}" in written(decision)[0]
    assert decision.action == action
    assert decision.event.rule == ("" if action == "accept" else "theirs-alone")


def test_who_takes_the_signature_off_gains_nothing_by_it(
    ca: TestCA, methods: Make
) -> None:
    received = sent_by(ca, DOMAIN)

    decision = judged(ca, methods(), stripped(received))

    assert decision.event.reason == "verified", "the token is a good one"
    assert (decision.action, decision.event.rule) == ("reject", "theirs-alone")


def test_nor_by_one_that_nobody_can_look_up(
    ca: TestCA, names: DnsServer, methods: Make
) -> None:
    """Of a domain of his own, whose name server never answers."""
    names.fails.add("mallory.example")

    decision = judged(ca, methods(), sent_by(ca, "mallory.example"))

    assert "dkim=temperror" in written(decision)[1]
    assert decision.event.rule == "theirs-alone"


def test_a_name_server_of_the_carrier_that_is_silent_rejects_nothing(
    ca: TestCA, names: DnsServer, methods: Make
) -> None:
    names.fails.add(DOMAIN)

    decision = judged(ca, methods(), sent_by(ca, DOMAIN))

    assert "dkim=temperror reason=dns" in written(decision)[1]
    assert "policy.carrier" not in written(decision)[0]
    assert decision.action == "accept"


def test_a_token_of_a_number_is_no_carriers_and_requires_nothing(
    ca: TestCA, methods: Make
) -> None:
    decision = judged(ca, methods(), sent_by(ca, signer="one"))

    assert "policy.carrier" not in written(decision)[0]
    assert decision.action == "accept"


def test_where_dkim_is_not_looked_at_it_is_not_missed(
    ca: TestCA, methods: Make
) -> None:
    decision = judged(ca, methods(methods=frozenset({"spf"})), sent_by(ca))

    assert "policy.carrier" not in written(decision)[0]
    assert decision.action == "accept"

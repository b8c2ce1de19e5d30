"""A From made to look like somebody else's: what a reader and an operator are told.

evil.example is the attacker's: its SPF, DKIM and DMARC are in order, and pass. What he
wants is that bank.example, or a number, is believed to speak.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from stirmilter import log
from stirmilter.events import Removed
from stirmilter.mail.checks.canonical import BodyHashes
from stirmilter.mail.methods import Methods
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.transaction import Connection, Decision, Header, Transaction
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.laboratory import ALICE, BODY, NOW
from tests.mail import mails
from tests.mail.mails import POLICY, TO, US, mail
from tests.mail.policy.tables import rule
from tests.mail.relays import SIGNER, TYPE, record, relay, through, written

EVIL = replace(SIGNER, domain="evil.example")
CLIENT = Connection(client=ip_address("203.0.113.9"), helo="mail.evil.example")
FORGED = f"{US}; dmarc=pass header.from=bank.example"
DISGUISED = f'"{US.upper()}"(we)/1; stir=pass header.orig={ALICE}'
Make = Callable[..., Methods]


@pytest.fixture
def judged(ca: TestCA, names: DnsServer, methods: Make) -> Callable[..., Decision]:
    """Judges what the attacker sends, with a forged result on top of it."""
    names.add(*record(EVIL))
    names.add("evil.example", "TXT", "v=spf1 ip4:203.0.113.9 -all")
    for domain in ("evil.example", "bank.example"):
        names.add(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=reject")

    def judge(*lines: str, policy: Policy | None = None) -> Decision:
        sent = mail(
            f"Authentication-Results: {FORGED}",
            f"AUTHENTICATION-results: {DISGUISED}",
            *lines,
            TO,
            TYPE,
            connection=CLIENT,
            sender="<x@evil.example>",
        )
        judging = replace(POLICY, actions=policy or Policy())
        return through(relay(ca, checks=methods(), policy=judging), signed(sent))

    return judge


def signed(sent: Transaction) -> Transaction:
    """Let evil.example sign what it sends with DKIM."""
    hashes = BodyHashes([EVIL.body])
    hashes.update(BODY)
    name, value = EVIL.sign(sent.headers, [], hashes.finish(), NOW)
    return replace(sent, headers=(Header(name, f" {value}".encode()), *sent.headers))


AUTHORS = [
    pytest.param(
        "ceo@bank.example: x@evil.example;", "permerror unreadable-from", id="group"
    ),
    pytest.param(
        f"+{ALICE}: x@evil.example;", "permerror unreadable-from", id="number-of-group"
    ),
    pytest.param(
        "ceo@bank.example, x@evil.example", "permerror several-domains", id="two"
    ),
    pytest.param(
        "x@evil.example, ceo@bank.example", "permerror several-domains", id="turned"
    ),
    pytest.param(
        "<ceo@bank.example> <x@evil.example>", "permerror unreadable-from", id="side"
    ),
    pytest.param(
        "ceo@bank.example <x@evil.example>", "permerror unreadable-from", id="name"
    ),
    pytest.param("ceo@[203.0.113.9]", "permerror address-literal", id="literal"),
    pytest.param(
        "x@evil.example, ceo@[203.0.113.9]", "permerror address-literal", id="beside"
    ),
    pytest.param(
        f"+{ALICE}, x@evil.example", "permerror several-domains", id="number-beside"
    ),
    pytest.param(
        f"x@evil.example, +{ALICE}/TYPE=PLMN", "permerror several-domains", id="plmn"
    ),
]


@pytest.mark.parametrize(("author", "told"), AUTHORS)
def test_a_hidden_author_gets_nothing_by_the_domain_beside_it(
    judged: Callable[..., Decision],
    author: str,
    told: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log.logger, "propagate", True)
    decision = judged(f"From: {author}")

    stir, others = written(decision)
    assert stir == f"{US}; stir=none reason=no-passport policy.verdict=unauthenticated"
    assert "spf=pass" in others, "its own domain is in order"
    assert "dkim=pass header.d=evil.example" in others
    word, reason = told.split()
    assert f"dmarc={word} reason={reason}; arc=none" in others
    assert "bank.example" not in stir + others
    assert decision.event.orig is None
    with caplog.at_level(logging.INFO, log.logger.name):
        log.handled()(decision.event)
    assert "in=unauthenticated reason=no-passport orig=- action=accept" in caplog.text
    assert f'dmarc="{told}"' in caplog.text
    assert "bank.example" not in caplog.text


@pytest.mark.parametrize(("author", "told"), AUTHORS)
def test_nor_does_a_token_for_the_number(
    judged: Callable[..., Decision], ca: TestCA, author: str, told: str
) -> None:
    """Stolen or his own: the message names no single number that it could be for."""
    decision = judged(mails.signed(ca), f"From: {author}")

    assert decision.event.outcome == "failed"
    assert decision.event.reason == "orig-mismatch"
    assert ALICE not in written(decision)[0]
    assert dict(decision.event.methods)["dmarc"] == told


@pytest.mark.parametrize("author", [case.values[0] for case in AUTHORS])
def test_a_rule_can_refuse_every_such_from(
    judged: Callable[..., Decision], author: object
) -> None:
    hidden = rule("hidden-author", "reject", dmarc="permerror", number="none")

    decision = judged(f"From: {author}", policy=Policy(rules=(hidden,)))

    assert (decision.action, decision.event.rule) == ("reject", "hidden-author")


@pytest.mark.parametrize(
    "author",
    [
        "x@evil.example",
        '"ceo@bank.example" <x@evil.example>',
        f'"+{ALICE}" <x@evil.example>',
        "x@evil.example, y@evil.example",
    ],
)
def test_his_own_name_is_all_that_he_can_prove(
    judged: Callable[..., Decision], author: str
) -> None:
    """A display name is anybody's to choose; the verdict is about the domain."""
    decision = judged(f"From: {author}")

    assert decision.event.outcome == "domain-authenticated"
    assert "dmarc=pass header.from=evil.example" in written(decision)[1]
    assert "bank.example" not in "".join(written(decision))
    assert decision.event.orig is None


def test_bank_example_itself_fails(judged: Callable[..., Decision]) -> None:
    decision = judged("From: ceo@bank.example")

    assert decision.event.outcome == "unauthenticated"
    assert (
        "dmarc=fail reason=not-aligned header.from=bank.example policy.dmarc=reject"
        in written(decision)[1]
    )


def test_two_from_fields_name_nobody(judged: Callable[..., Decision]) -> None:
    decision = judged("From: x@evil.example", "From: ceo@bank.example")

    assert decision.event.outcome == "unauthenticated"
    assert "dmarc=permerror reason=several-from" in written(decision)[1]


def test_forged_results_are_taken_out_and_kept_as_they_were(
    judged: Callable[..., Decision],
) -> None:
    decision = judged("From: ceo@bank.example: x@evil.example;")

    assert [tuple(one) for one in decision.remove] == [
        ("Authentication-Results", 1),
        ("AUTHENTICATION-results", 2),
    ]
    assert decision.event.evidence is not None
    assert decision.event.evidence.removed == (
        Removed("Authentication-Results", FORGED),
        Removed("AUTHENTICATION-results", DISGUISED),
    )

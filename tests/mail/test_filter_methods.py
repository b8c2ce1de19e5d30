"""SPF, DKIM, ARC and DMARC beside STIR: what one relay signs, another judges.

Both filters are real, and so are the look-ups: a name server on loopback has the
records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from stirmilter.mail.checks.spf import SpfLimits
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.methods import Methods
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.transaction import Header, Transaction
from stirmilter.mail.upstream import Upstream
from stirmilter.services import VerificationPolicy
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.laboratory import ALICE, BODY, NOW
from tests.mail.mails import FROM, POLICY, TO, US, mail
from tests.mail.relays import (
    CLIENT,
    DOMAIN,
    LINES,
    SIGNER,
    altered,
    record,
    relay,
    signed,
    through,
    written,
)

Make = Callable[..., Methods]


def test_number_and_header_together_are_authenticated(
    ca: TestCA, methods: Make
) -> None:
    decision = through(relay(ca, checks=methods()), signed(ca))

    assert decision.event.outcome == "authenticated"
    stir, others = written(decision)
    assert stir.startswith(f"{US}; stir=pass reason=verified header.orig={ALICE}")
    assert "policy.verdict=authenticated" in stir
    assert others == (
        f"{US}; spf=pass reason=ip4 smtp.mailfrom=+{ALICE}@{DOMAIN};"
        f" dkim=pass header.d={DOMAIN} header.i=@{DOMAIN} header.s=s1"
        f" header.a=ed25519-sha256 header.b={b_of(others)};"
        f" dmarc=pass header.from={DOMAIN} policy.dmarc=reject; arc=none"
    )
    assert dict(decision.event.methods) == {
        "spf": "pass ip4",
        "dkim": f"pass {DOMAIN}",
        "dmarc": "pass",
        "arc": "none",
    }


def b_of(field: str) -> str:
    return field.partition("header.b=")[2].partition(";")[0]


def test_without_dkim_the_number_alone_is(ca: TestCA, methods: Make) -> None:
    decision = through(relay(ca, checks=methods()), signed(ca, dkim=None))

    assert decision.event.outcome == "number-authenticated"
    assert "dkim=none" in written(decision)[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("Content-Type", b" text/html", id="shown-otherwise"),
        pytest.param("Subject", b" Other", id="subject"),
    ],
)
def test_a_header_that_was_altered_protects_nothing(
    ca: TestCA, methods: Make, name: str, value: bytes
) -> None:
    received = altered(signed(ca), name, value)

    decision = through(relay(ca, checks=methods()), received)

    assert decision.event.outcome == "number-authenticated"
    assert "dkim=fail reason=bad-signature" in written(decision)[1]


def test_a_body_that_was_altered_fails_whatever_dmarc_says(
    ca: TestCA, methods: Make
) -> None:
    decision = through(relay(ca, checks=methods()), signed(ca), b"Hello Mallory\r\n")

    assert decision.event.outcome == "failed"
    assert decision.event.reason == "body-altered"
    _, others = written(decision)
    assert "dkim=fail reason=body-altered" in others
    assert "dmarc=pass" in others, "by SPF"


def test_a_domain_alone_is_authenticated_by_dmarc(ca: TestCA, methods: Make) -> None:
    received = replace(mail(*LINES), connection=CLIENT)

    decision = through(relay(ca, checks=methods()), received)

    assert decision.event.outcome == "domain-authenticated"
    assert decision.event.reason == "no-passport"


@pytest.mark.conformance("E-11")
def test_strict_wants_the_header_covered(ca: TestCA, methods: Make) -> None:
    strict = VerificationPolicy(protected=True)
    judge = relay(ca, checks=methods(), verification=strict)
    good, bare = signed(ca), signed(ca, dkim=None)

    assert through(judge, good).event.outcome == "authenticated"
    decision, judged = judge.verify(with_body(judge, bare), NOW)

    assert decision.event.reason == "headers-unprotected"
    assert decision.event.outcome == "domain-authenticated", "by SPF and DMARC"
    assert written(decision)[0].startswith(f"{US}; stir=policy")
    assert ALICE not in written(decision)[0], "what is not verified is not published"
    assert [one.passed for one in judged.found.passports] == [False]


def with_body(mail_filter: MailFilter, sent: Transaction) -> Transaction:
    prepared = mail_filter.whole(sent.headers)
    prepared.digester.update(BODY)
    prepared.hashes.update(BODY)
    hashed = prepared.hashes.finish()
    return replace(sent, body=prepared.digester.finish(), hashed=hashed)


def test_only_known_domains_protect_if_the_operator_says_so(
    ca: TestCA, names: DnsServer, methods: Make
) -> None:
    """Whoever alters Content-Type may sign again, with a domain of his own."""
    mallory = replace(SIGNER, domain="mallory.example")
    names.add(*record(mallory))
    received = signed(ca, dkim=mallory)

    for protecting, word in (
        (None, "authenticated"),
        ((), "number-authenticated"),
        (("mallory.example",), "authenticated"),
    ):
        judge = relay(ca, checks=methods(protecting=protecting))
        assert through(judge, received).event.outcome == word


def test_a_name_server_that_is_silent_costs_dkim_and_no_more(
    ca: TestCA, names: DnsServer, methods: Make
) -> None:
    names.fails.add(DOMAIN)
    policy = replace(POLICY, actions=Policy(failures=FailurePolicy(dns="tempfail")))

    decision = through(relay(ca, checks=methods(), policy=policy), signed(ca))

    assert decision.event.outcome == "number-authenticated"
    assert "dkim=temperror reason=dns" in written(decision)[1]
    assert "dmarc=temperror" in written(decision)[1]
    assert (decision.action, decision.event.rule) == ("tempfail", "failure:dns")


# What a trusted hop found


HOP = Upstream(
    authserv_ids=("hop.example",), networks=(ip_network("0.0.0.0/0"),), strips=True
)
SAID = "Authentication-Results: hop.example; dmarc=pass header.from=mms.example"


def test_the_word_of_a_trusted_hop_is_taken(
    ca: TestCA, names: DnsServer, methods: Make
) -> None:
    received = replace(mail(SAID, *LINES), connection=CLIENT)
    judge = relay(ca, checks=methods(mode="trust", upstreams=(HOP,)))

    decision = through(judge, received)

    assert decision.event.outcome == "domain-authenticated"
    assert len(written(decision)) == 1, "it stands in the field of the hop"
    assert not decision.remove
    assert names.questions == []


def test_where_both_differ_ours_counts_and_it_is_told(
    ca: TestCA, methods: Make
) -> None:
    received = replace(
        mail(SAID, *LINES), connection=replace(CLIENT, client=ip_address("192.0.9.9"))
    )
    judge = relay(ca, checks=methods(mode="both", upstreams=(HOP,)))

    decision = through(judge, received)

    assert decision.event.outcome == "unauthenticated"
    assert ("differs", "dmarc: fail here, pass at hop.example") in (
        decision.event.methods
    )
    assert decision.ruling is not None
    assert decision.ruling.facts.differences == {"dmarc"}


# What is asked for


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"spf"}, ["spf"]),
        ({"dkim"}, ["dkim"]),
        ({"arc"}, ["arc"]),
        ({"dmarc"}, ["dmarc"]),
        ({"spf", "dkim", "arc", "dmarc"}, ["spf", "dkim", "dmarc", "arc"]),
    ],
)
def test_what_is_not_wanted_is_not_reported(
    ca: TestCA, methods: Make, wanted: set[str], shown: list[str]
) -> None:
    judge = relay(ca, checks=methods(methods=frozenset(wanted)))

    _, field = written(through(judge, signed(ca)))

    said = [part.split("=")[0].strip() for part in field.split(";")[1:]]
    assert said == shown
    if "dmarc" in wanted:
        assert "dmarc=pass" in field, "whatever else is reported"


def test_limits_reach_their_places(ca: TestCA, names: DnsServer, methods: Make) -> None:
    names.add("far.example", "TXT", "v=spf1 include:mms.example -all")
    names.add("further.example", "TXT", "v=spf1 include:far.example -all")
    sent = mail(FROM, TO, sender="<a@further.example>")
    received = replace(sent, connection=CLIENT)

    found = [
        dict(through(relay(ca, checks=made), received).event.methods)["spf"]
        for made in (methods(), methods(spf=SpfLimits(lookups=1)))
    ]

    assert [word.split()[0] for word in found] == ["pass", "permerror"]


# DKIM of what leaves


def test_what_leaves_is_signed_with_dkim_also_without_a_token(ca: TestCA) -> None:
    report = mail(*LINES, sender="<>")

    decision = through(relay(ca, dkim=SIGNER), report)

    assert [name for name, _ in decision.insert] == ["DKIM-Signature"]
    assert decision.event.reason == "null-sender"
    assert decision.event.methods == (("dkim", f"signed {DOMAIN}"),)


def test_the_signature_stands_above_the_token_that_it_covers(ca: TestCA) -> None:
    decision = through(relay(ca, dkim=SIGNER), mail(*LINES))

    names = [name for name, _ in decision.insert]
    assert names == ["DKIM-Signature", "PASSporT"]
    assert "passport" in decision.insert[0].value


def test_what_dkim_cannot_sign_goes_out_without(ca: TestCA) -> None:
    decision = through(relay(ca, dkim=SIGNER), mail(TO))

    assert decision.action == "accept"
    assert ("dkim", "unsigned no-from") in decision.event.methods


def test_a_forged_result_that_is_removed_is_not_signed(
    ca: TestCA, methods: Make
) -> None:
    sent = mail(f"Authentication-Results: {US}; stir=pass", *LINES)
    decision = through(relay(ca, dkim=SIGNER), sent)
    fields = tuple(
        Header(name, f" {value}".encode()) for name, value in decision.insert
    )
    left = sent.headers[1:]

    judged = through(
        relay(ca, checks=methods()),
        replace(sent, headers=(*fields, *left), connection=CLIENT),
    )

    assert judged.event.outcome == "authenticated"


def test_what_is_refused_is_not_signed(ca: TestCA) -> None:
    ours = relay(ca, dkim=SIGNER, signer="expired")

    decision = through(ours, mail(*LINES))

    assert decision.action == "tempfail"
    assert decision.insert == ()

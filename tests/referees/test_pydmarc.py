"""DMARC as the package dmarc (pydmarc) has it: each case of its own tests, with ours.

Its test suite runs, and must pass, while we listen: which records it reads, which
domains it compares, what it decides of a message, and what comes of each. Then the same
is asked of us, with the record served by a name server. Where we say something else,
the reason stands beside the case.

It knows no tree walk: a domain and another are aligned if one lies within the other,
whatever is published between, and siblings never are (but with a list of public
suffixes, which its tests of messages do not use). And it refuses a record whose tags
are wrong, where RFC 9989 has us pass over them.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module
from typing import Any, Final, NamedTuple, cast

import dmarc as referee
import pytest

from stirmilter.mail.checks import dmarc, dmarcrecord
from stirmilter.mail.checks.dmarcrecord import Record
from stirmilter.mail.results import DkimSignature, DmarcResult, SpfResult, Word
from stirmilter.stores.dns import Dns
from tests.dns_server import DnsServer

Policy = referee.Policy
Reading = tuple[str, bool, Policy | None]
"""A record, whether wrong tags are refused, and what it says; None if it is refused."""


class Message(NamedTuple):
    """A message, what vouches for it, and what becomes of it."""

    record: str
    policy: Policy
    spf: referee.SPF | None
    dkim: tuple[referee.DKIM, ...]
    testing: bool
    """Whether ``t=y`` is heeded."""

    found: referee.Result


class Listener:
    """Runs a test suite and notes what is asked of the package meanwhile."""

    def __init__(self) -> None:
        self.records: list[Reading] = []
        self.alignments: list[tuple[str, str, str, bool]] = []
        self.messages: list[Message] = []
        self._texts: dict[int, str] = {}

    def run(self, name: str) -> unittest.TestResult:
        with pytest.MonkeyPatch.context() as patch:
            for owner, method, told in (
                (referee.Policy, "parse_record", self._record),
                (referee.DMARC, "check_alignment", self._alignment),
                (referee.DMARC, "get_result", self._message),
            ):
                patch.setattr(owner, method, listened(getattr(owner, method), told))
            suite = unittest.defaultTestLoader.loadTestsFromModule(import_module(name))
            return suite.run(unittest.TestResult())

    def _record(
        self, result: object, policy: Policy, record: str, strict: bool = True
    ) -> None:
        refused = isinstance(result, Exception)
        self._texts[id(policy)] = record
        self.records.append((record, strict, None if refused else policy))

    def _alignment(
        self,
        result: object,
        _: object,
        fd: str,
        ad: str,
        mode: referee.Word,
        psl: object = None,
    ) -> None:
        if isinstance(result, bool) and psl is None:
            self.alignments.append((fd, ad, str(mode.value), result))

    def _message(
        self,
        result: object,
        _: object,
        policy: Policy,
        spf: referee.SPF | None = None,
        dkim: referee.DKIM | None = None,
        auth_results: referee.AuthResults | None = None,
        allow_policy_test_mode: bool = False,
    ) -> None:
        signatures = [dkim] if dkim else []
        if auth_results is not None:
            spf, signatures = auth_results.spf, auth_results.dkim or []
        self.messages.append(
            Message(
                self._texts[id(policy)],
                policy,
                spf,
                tuple(signatures),
                allow_policy_test_mode,
                cast("referee.Result", result),
            )
        )


def listened(
    method: Callable[..., Any], told: Callable[..., None]
) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: object, **named: object) -> object:
        try:
            result: object = method(*args, **named)
        except Exception as error:
            told(error, *args, **named)
            raise
        told(result, *args, **named)
        return result

    return call


HEARD: Final = Listener()
OUTCOME: Final = HEARD.run("dmarc.tests.test_dmarc")

# What its strict parser refuses, and we read: the reason, and the policy that is left.
REFUSED: Final = {
    "v=DMARC1; p:none": "§4.7: what is no tag is passed over; §4.10.1: no p, no DMARC",
    "v=DMARC1; sp=none": "§4.10.1: without p and rua, no DMARC",
    "v=DMARC1; p=pass": "§4.10.1: a p that cannot be read, and no rua: no DMARC",
    "v=DMARC1; p=reject; sp=pass": "§4.10.1: so with an sp that cannot be read",
    "v=DMARC1; p=none; adkim=none": "§4.7: a value that is none is as if not there",
    "v=DMARC1; p=none; aspf=none": "§4.7: as before",
}
READ: Final = frozenset({"v=DMARC1; p=none; adkim=none", "v=DMARC1; p=none; aspf=none"})
"""Of these, those that are a policy for us."""

# Messages of which we say something else: From, the record, and the section for it.
OTHERWISE: Final = {
    ("mail.example.com", "v=DMARC1; p=none; sp=quarantine; adkim=s;"): (
        "§4.10.2: news.example.com has the same Organizational Domain"
    ),
}
UNHEEDED: Final = "§4.7: t=y asks for the milder policy, whoever would rather not"


@pytest.fixture
def zone() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def asked(zone: DnsServer) -> Dns:
    return Dns([zone.address])


def decided(
    asked: Dns,
    author: str,
    spf: tuple[str, str] | None,
    dkim: list[tuple[str, str]],
) -> DmarcResult:
    """Ask ourselves about a message from an author, as SPF and DKIM found it."""
    sender = SpfResult(word=cast("Word", spf[1]), domain=spf[0]) if spf else None
    signatures = [
        DkimSignature(word=cast("Word", word), domain=domain) for domain, word in dkim
    ]
    found = dmarc.author([f"x@{author}"])
    return dmarc.check_author(found, sender, signatures, asked.for_message())


def test_its_own_tests_pass_and_were_heard() -> None:
    assert OUTCOME.wasSuccessful()
    assert OUTCOME.testsRun >= 29
    assert len(HEARD.records) >= 35
    assert len(HEARD.alignments) >= 24
    assert len(HEARD.messages) >= 18


@pytest.mark.parametrize(
    "reading", HEARD.records, ids=[record for record, *_ in HEARD.records]
)
def test_a_record_says_the_same(reading: Reading) -> None:
    text, _, theirs = reading
    ours = dmarcrecord.parse(text)

    if text in REFUSED:
        assert theirs is None
        assert ours is not None
        assert ours.applies == (text in READ), REFUSED[text]
    elif theirs is None:
        assert ours is None
    else:
        assert ours is not None
        said_by_both(ours, theirs)


def said_by_both(ours: Record, theirs: Policy) -> None:
    assert ours.p == theirs.p.value
    assert ours.sp == theirs.sp.value, "None where it is not there, or not a policy"
    assert ours.strict_dkim == (theirs.adkim.value == "s")
    assert ours.strict_spf == (theirs.aspf.value == "s")
    assert ours.testing == (theirs.t.value == "y")
    assert ours.reported == bool(theirs.rua)


def test_no_difference_is_named_that_is_none() -> None:
    assert REFUSED.keys() <= {text for text, _, found in HEARD.records if not found}
    asked = {(one.policy.domain, one.record) for one in HEARD.messages}
    assert OTHERWISE.keys() <= asked


@pytest.mark.parametrize("compared", sorted(set(HEARD.alignments)), ids=str)
@pytest.mark.parametrize("method", ["spf", "dkim"])
def test_two_domains_are_aligned_the_same_way(
    zone: DnsServer, asked: Dns, compared: tuple[str, str, str, bool], method: str
) -> None:
    """With a record at the upper one, which is then the Organizational Domain.

    That of siblings is above both, where its tests have nothing: none is aligned.
    """
    author, domain, mode, aligned = compared
    author, domain = author.lower(), domain.lower()
    upper = min(author, domain, key=len)
    if not max(author, domain, key=len).endswith(upper):
        upper = author
    zone.add(f"_dmarc.{upper}", "TXT", f"v=DMARC1; p=reject; adkim={mode}; aspf={mode}")
    passed = (domain, "pass")

    by_spf = passed if method == "spf" else None
    by_dkim = [passed] if method == "dkim" else []
    found = decided(asked, compared[0], by_spf, by_dkim)

    assert (found.word == "pass") == aligned
    assert found.aligned == ((f"{method}={domain}",) if aligned else ())


@pytest.mark.parametrize("number", range(len(HEARD.messages)))
def test_what_becomes_of_a_message_is_the_same(
    zone: DnsServer, asked: Dns, number: int
) -> None:
    record, policy, spf, dkim, testing, theirs = HEARD.messages[number]
    zone.add(f"_dmarc.{policy.org_domain or policy.domain}", "TXT", record)

    found = decided(
        asked,
        policy.domain,
        (spf.domain, str(spf.result.value)) if spf else None,
        [(one.domain, str(one.result.value)) for one in dkim],
    )

    if (policy.domain, record) in OTHERWISE:
        assert theirs.result.value == "fail"
        assert found.word == "pass", OTHERWISE[policy.domain, record]
        return
    assert found.word == theirs.result.value
    methods = {one.partition("=")[0] for one in found.aligned}
    assert ("spf" in methods) == (theirs.spf.value == "pass")
    assert ("dkim" in methods) == (theirs.dkim.value == "pass")
    if found.word == "fail" and policy.t.value == "y" and not testing:
        assert found.policy != theirs.disposition.value, UNHEEDED
    elif found.word == "fail":
        assert found.policy == theirs.disposition.value


DOMAINS: Final = ("example.com", "b.example.com", "a.b.example.com", "xexample.com")
RECORDS: Final = (
    "v=DMARC1; p=reject; sp=quarantine",
    "v=DMARC1; p=none; sp=reject; aspf=s; adkim=r",
    "V = DMARC1; P = Quarantine ; ASPF=S; adkim = r; t=y",
    "v=DMARC1; p=reject; t=y; sp=none; pct=0; fo=1",
)


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("author", DOMAINS[:-1])
def test_they_decide_alike_where_nothing_but_one_record_is_published(
    zone: DnsServer, asked: Dns, author: str, record: str
) -> None:
    """For every message of these domains, none of which is another's sibling."""
    above = DOMAINS[0] if author != DOMAINS[0] else None
    zone.add(f"_dmarc.{DOMAINS[0]}", "TXT", record)
    zone.add(author, "A", "192.0.2.1")
    words: list[tuple[str, str]] = [
        (domain, word) for domain in DOMAINS for word in ("pass", "fail", "neutral")
    ]
    judge = referee.DMARC()
    theirs = judge.parse_record(record, author, above)
    for by_spf in (None, *words):
        for by_dkim in (None, *words):
            wanted = judge.get_result(
                theirs,
                referee.SPF(by_spf[0], referee.SPFResult(by_spf[1]))
                if by_spf
                else None,
                referee.DKIM(by_dkim[0], referee.DKIMResult(by_dkim[1]))
                if by_dkim
                else None,
                allow_policy_test_mode=True,
            )

            found = decided(asked, author, by_spf, [by_dkim] if by_dkim else [])

            assert found.word == wanted.result.value, (by_spf, by_dkim)
            if found.word == "fail":
                assert found.policy == wanted.disposition.value, (by_spf, by_dkim)

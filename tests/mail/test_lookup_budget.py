"""DMARC cannot be escaped by spending our look-ups; real filter, real name server.

The victim is `mms.example`, which wants what does not pass rejected; `tar.example` is a
zone of the attacker's whose server never answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

import pytest

from stirmilter.mail.checks.dmarc import DmarcLimits
from stirmilter.mail.methods import Methods, MethodsPolicy
from stirmilter.mail.transaction import Connection, Header, Transaction
from stirmilter.stores.dns import Dns, DnsLimits
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.mail.mails import mail
from tests.mail.relays import (
    DOMAIN,
    LINES,
    SIGNER,
    record,
    relay,
    signed,
    through,
    written,
)
from tests.silence import only_silence_takes_time

TAR: Final = "tar.example"
STRANGER: Final = Connection(client=ip_address("203.0.113.9"), helo="mail.evil.example")
LIMITS: Final = DnsLimits(question_seconds=1.0, server_seconds=0.5, message_seconds=4.0)

KEPT: Final = DmarcLimits(seconds=1.5, questions=10)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    with DnsServer() as server:
        only_silence_takes_time(server, monkeypatch)
        server.add(DOMAIN, "TXT", "v=spf1 ip4:198.51.100.1 -all")
        server.add(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
        server.add("evil.example", "TXT", "v=spf1 ip4:203.0.113.9 -all")
        server.add(*record(SIGNER))
        server.silent.add(TAR)
        yield server


def judged(
    ca: TestCA,
    names: DnsServer,
    sent: Transaction,
    limits: DnsLimits = LIMITS,
    kept: DmarcLimits = KEPT,
) -> str:
    """The field of results by a filter that remembers nothing."""
    dns = Dns([names.address], limits)
    checks = Methods(MethodsPolicy(dmarc=kept), dns.for_message)
    return written(through(relay(ca, checks=checks), sent))[-1]


def forged(ca: TestCA, sender: str, *signatures: tuple[str, str]) -> Transaction:
    """Mail in the victim's name with signatures, of a domain and a selector each."""
    own = signed(ca).headers[0]
    assert own.named(("dkim-signature",))
    fields = tuple(
        Header(
            own.name,
            own.value.replace(f"d={DOMAIN}".encode(), f"d={domain}".encode()).replace(
                b"s=s1", f"s={selector}".encode()
            ),
        )
        for domain, selector in signatures
    )
    sent = mail(*LINES, sender=f"<{sender}>")
    return replace(sent, headers=(*fields, *sent.headers), connection=STRANGER)


DEAD: Final = tuple((TAR, f"s{n}") for n in range(9))


@pytest.mark.parametrize(
    ("sender", "signatures", "spf"),
    [
        pytest.param(f"x@{DOMAIN}", DEAD, "spf=fail", id="spf-of-the-victim"),
        pytest.param(
            "x@evil.example", (*DEAD, (DOMAIN, "zz")), "spf=", id="dkim-of-the-victim"
        ),
        pytest.param(f"x@{TAR}", (*DEAD, (DOMAIN, "zz")), "spf=temperror", id="both"),
    ],
)
def test_dead_zones_of_a_sender_do_not_free_him_from_dmarc(
    ca: TestCA,
    names: DnsServer,
    sender: str,
    signatures: tuple[tuple[str, str], ...],
    spf: str,
) -> None:
    found = judged(ca, names, forged(ca, sender, *signatures))

    assert "dmarc=fail" in found
    assert "policy.dmarc=reject" in found
    assert spf in found
    results = [part for part in found.split("; ") if part.startswith("dkim=")]
    assert len(results) == len(signatures)
    for (domain, selector), result in zip(signatures, results, strict=True):
        assert f"header.d={domain} " in result, "in the order of the header"
        assert f"header.s={selector}" in result
    assert all("temperror" in one for one in results[: len(DEAD)])
    assert "permerror reason=no-key" in results[-1] or len(results) == len(DEAD)
    late = results[LIMITS.unanswered : len(DEAD)]
    assert all("reason=budget" in one for one in late)


def test_a_dead_zone_is_not_waited_for_under_each_of_its_names(
    ca: TestCA, names: DnsServer
) -> None:
    limits = replace(LIMITS, message_seconds=8.0)

    judged(ca, names, forged(ca, "x@evil.example", *DEAD), limits)

    assert len({one.name for one in names.questions if TAR in one.name}) == 2


@pytest.mark.parametrize("questions", [1, 4])
def test_questions_used_up_do_not_free_a_sender_from_dmarc(
    ca: TestCA, names: DnsServer, questions: int
) -> None:
    """What the victim's own record has us ask is more than there are questions."""
    includes = " ".join(f"include:{n}.{DOMAIN}" for n in range(8))
    names.add(f"long.{DOMAIN}", "TXT", f"v=spf1 {includes} -all")
    for n in range(8):
        names.add(f"{n}.{DOMAIN}", "TXT", "v=spf1 ip4:198.51.100.7 -all")
    limits = replace(LIMITS, questions=questions + 10, question_seconds=1.0)
    kept = replace(KEPT, questions=10)

    found = judged(ca, names, forged(ca, f"x@long.{DOMAIN}"), limits, kept)

    assert "spf=temperror reason=budget" in found
    assert "dmarc=fail" in found


def test_names_of_a_client_that_are_dead_are_no_failure_of_the_victim(
    ca: TestCA, names: DnsServer
) -> None:
    """With `ptr`, the victim has us ask about names that the client chose."""
    names.remove(DOMAIN)
    names.add(DOMAIN, "TXT", f"v=spf1 ptr include:more.{DOMAIN} -all")
    names.add(f"more.{DOMAIN}", "TXT", "v=spf1 ip4:198.51.100.7 -all")
    names.add("9.113.0.203.in-addr.arpa", "PTR", *(f"{n}.{TAR}." for n in range(9)))

    found = judged(ca, names, forged(ca, f"x@{DOMAIN}"))

    assert "spf=temperror reason=budget" in found
    assert "dmarc=fail" in found


@pytest.mark.parametrize("message_seconds", [1.2, 4.0])
@pytest.mark.parametrize("silent", [True, False], ids=["silent", "servfail"])
def test_a_victim_whose_name_server_does_not_answer_leaves_it_undecided(
    ca: TestCA, names: DnsServer, *, silent: bool, message_seconds: float
) -> None:
    """Also where a whole message has less time than a question."""
    names.add(f"_dmarc.shop.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
    if silent:
        names.silent.add(f"shop.{DOMAIN}")
    else:
        names.fails.add(f"shop.{DOMAIN}")
    limits = replace(LIMITS, message_seconds=message_seconds)

    by_spf = judged(ca, names, forged(ca, f"x@shop.{DOMAIN}"), limits)
    by_dkim = judged(
        ca, names, forged(ca, "x@evil.example", *DEAD, (f"shop.{DOMAIN}", "a")), limits
    )

    assert "spf=temperror reason=dns" in by_spf
    assert "dmarc=temperror reason=undecided-" in by_spf
    assert "dkim=temperror reason=dns" in by_dkim
    assert "dmarc=temperror reason=undecided-" in by_dkim


def test_an_honest_signature_below_dead_ones_passes(
    ca: TestCA, names: DnsServer
) -> None:
    honest = signed(ca)
    dead = forged(ca, f"x@{DOMAIN}", *DEAD).headers[: len(DEAD)]
    received = replace(honest, headers=(*dead, *honest.headers), connection=STRANGER)

    found = judged(ca, names, received)

    words = [part.split()[0] for part in found.split("; ") if "dkim=" in part]
    assert words == ["dkim=pass"] + ["dkim=temperror"] * len(DEAD)
    assert "dmarc=pass" in found


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(DnsLimits(message_seconds=3.0), id="seconds"),
        pytest.param(DnsLimits(questions=30), id="questions"),
    ],
)
def test_no_settings_switch_spf_and_dkim_off(
    ca: TestCA, names: DnsServer, limits: DnsLimits
) -> None:
    """As much is kept for DMARC by default."""
    found = judged(ca, names, signed(ca), limits, DmarcLimits())

    assert "spf=pass" in found
    assert "dkim=pass" in found
    assert "dmarc=pass" in found

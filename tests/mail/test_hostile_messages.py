"""What a stranger's message costs at most: every method, from the header to the end.

In processor time, and the least of some tries, so that a busy machine changes little.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time

import pytest

from stirmilter.mail.methods import Methods, MethodsPolicy
from stirmilter.mail.transaction import Header, Transaction
from stirmilter.stir.msgi import digest_body
from stirmilter.stores.dns import Dns
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.mail.relays import (
    CLIENT,
    DOMAIN,
    SIGNER,
    record,
    relay,
    through,
)
from tests.untraced import untraced

ALLOWED = 0.1
"""Seconds more than for an ordinary message."""

TRIES = 3
BODY = 300_000
HEADER = 100_000
FROM = Header("From", b" +12025550123@mms.example")


def dkim(tags: str, canonicalization: str = "relaxed/relaxed") -> Header:
    value = (
        f" v=1; a=ed25519-sha256; c={canonicalization}; d={DOMAIN}; s=s1;"
        f" h=from:to; bh=AAAA; b=AAAA;{tags}"
    )
    return Header("DKIM-Signature", value.encode())


TOKEN = Header("PASSporT", b" e.e.e")
SIGNED = (FROM, dkim(""), dkim("", "simple/simple"))
HEADERS: dict[str, tuple[Header, ...]] = {
    "dkim-b": (FROM, dkim("b=" + "A " * (HEADER // 2) + "!")),
    "dkim-blanks": (FROM, dkim(" " * HEADER)),
    "dkim-names": (FROM, dkim("h=" + "a:" * (HEADER // 2) + "from")),
    "dkim-many": (FROM, *[dkim("x=" + "1" * 7_000)] * 14),
    "from": (Header("From", b" " + b"<a@b.example>, " * (HEADER // 15)),),
    "from-comments": (Header("From", b" " + b"(" * HEADER),),
    "from-quotes": (Header("From", b' "' + b"\\a" * (HEADER // 2)),),
    "from-words": (Header("From", b" " + b"a " * (HEADER // 2)), TOKEN),
    "from-brackets": (Header("From", b" " + b"<>" * (HEADER // 2)), TOKEN),
    "from-controls": (Header("From", b" " + b"\x01" * HEADER), TOKEN),
    "from-empty-comments": (Header("From", b" " + b"()" * (HEADER // 2)), TOKEN),
    "from-comment-of-comments": (
        Header("From", b" (" + b"()" * (HEADER // 2) + b")"),
        TOKEN,
    ),
    "from-comment-of-pairs": (Header("From", b" (" + b"\\a" * (HEADER // 2)), TOKEN),
    "from-colons": (Header("From", b" " + b"a:" * (HEADER // 2)), TOKEN),
    "from-commas": (Header("From", b" " + b"," * HEADER), TOKEN),
    "to-words": (FROM, Header("To", b" " + b"a " * (HEADER // 2)), TOKEN),
    "to-brackets": (FROM, Header("To", b" " + b"<>" * (HEADER // 2)), TOKEN),
    "to-many": (FROM, TOKEN, *[Header("To", b" " + b"<>" * 95)] * (HEADER // 190)),
    "results-that-grow": (
        FROM,
        *[Header("Authentication-Results", "\ufdfa".encode() * 80 + b"; x")] * 370,
    ),
    "to": (FROM, Header("To", b" " + b"a@b.example, " * (HEADER // 13))),
    "passport": (FROM, Header("PASSporT", b" " + b"eyJ" * (HEADER // 3))),
    "passports": (FROM, *[Header("PASSporT", b" e.e.e;" + b"x" * 1_000)] * 100),
    "results": (FROM, Header("Authentication-Results", b" " + b"(" * HEADER)),
    "results-many": (
        FROM,
        *[Header("Authentication-Results", b" mx.example; stir=pass")] * 999,
    ),
    "fields": (FROM, *[Header(f"X-{n}", b" " + b"y" * 90) for n in range(999)]),
    "arc": (
        FROM,
        *[Header("ARC-Seal", f" i={n}; a={'x' * 2_000}".encode()) for n in range(50)],
    ),
    "blanks": (FROM, Header("Subject", b" \t" * (HEADER // 2) + b"x")),
}
BODIES: dict[str, bytes] = {
    "blanks": b" \t" * (BODY // 2) + b"x\r\n",
    "blank-lines": b"\r\n" * (BODY // 2),
    "blanks-in-lines": b"a \r\n" * (BODY // 4),
    "carriage-returns": b"\r" * BODY,
    "line-feeds": b"\n" * BODY,
    "letters": b"x" * BODY,
    "one-letter-lines": b"x\r\n" * (BODY // 3),
    "nothing-but-zero": b"\0" * BODY,
}


@pytest.fixture(scope="module")
def names() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.add(DOMAIN, "TXT", "v=spf1 ip4:198.51.100.1 -all")
        server.add(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
        server.add(*record(SIGNER))
        yield server


def cost(
    ca: TestCA, names: DnsServer, headers: tuple[Header, ...], body: bytes
) -> float:
    """Return the seconds that a message costs, with answers of the DNS at hand."""
    dns = Dns([names.address])
    judge = relay(ca, checks=Methods(MethodsPolicy(), dns.for_message))
    sent = Transaction(
        connection=CLIENT,
        sender="<+12025550123@mms.example>",
        recipients=("<+13125550100@mms.example>",),
        headers=headers,
        body=digest_body(b""),
    )
    spent = []
    for _ in range(TRIES + 1):
        started = process_time()
        with untraced():
            through(judge, sent, body)
        spent.append(process_time() - started)
    return min(spent[1:])


@pytest.fixture(scope="module")
def ordinary(ca: TestCA, names: DnsServer) -> float:
    return cost(ca, names, SIGNED, b"Hello\r\n")


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_costs_little(
    ca: TestCA, names: DnsServer, ordinary: float, name: str
) -> None:
    headers = HEADERS[name]
    size = sum(len(one.name) + len(one.value) for one in headers)
    assert size > 0.3 * HEADER

    assert cost(ca, names, headers, b"Hello\r\n") < ordinary + ALLOWED


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_costs_little(
    ca: TestCA, names: DnsServer, ordinary: float, name: str
) -> None:
    assert cost(ca, names, SIGNED, BODIES[name]) < ordinary + ALLOWED

"""DMARC's records and its tree walk, as checkdmarc reads them.

checkdmarc tells owners what is wrong with their records; we read what others publish.
Where both answer, they must agree. Where it refuses, the RFC has us go on:

* a tag twice, a value that is none of the tag's, a piece that is no tag: it refuses the
  record; RFC 9989 §4.7 has syntax errors ignored, and §4.10.1 says what becomes of a
  policy that cannot be read;
* several records at one name: it refuses the domain; §4.10 has them discarded, and the
  walk goes on;
* no ``p`` and no ``rua``: ``p=none`` for it (§4.7), no DMARC at all for us (§4.10.1).
  The sections disagree; ours says in so many words what a receiver does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import dns.nameserver
import dns.resolver
import pytest
from checkdmarc import dmarc as referee
from checkdmarc import utils
from hypothesis import assume, given
from hypothesis import strategies as st

from stirmilter.mail.checks import dmarcrecord, dmarcwalk
from stirmilter.stores.dns import Dns
from tests.dns_server import DnsServer

ZONES: Final = 150
_RECORDS: Final = (
    *[""] * 6,
    *["v=DMARC1; p=reject"] * 3,
    "v=DMARC1; p=none; sp=reject; psd=u",
    "v=DMARC1; p=none; psd=y",
    "v = DMARC1 ; psd = Y ; p=none",
    "v=DMARC1; p=quarantine; psd=n",
    "v=dmarc1; p=reject; psd=n",
    "v=spf1 -all",
)
_NAMES: Final = st.sampled_from(
    ["p", "P", "sp", "np", "psd", "t", "adkim", "aspf", "fo", "pct", "x"]
)
_VALUES: Final = st.sampled_from(
    ["none", "Quarantine", "reject", "y", "n", "u", "r", "s", "0", "1", "maybe"]
)
_SPACE: Final = st.sampled_from(["", " ", "\t", "  "])


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


def _resolver(server: DnsServer) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(*server.address)]
    return resolver


def _location(domain: str, resolver: dns.resolver.Resolver) -> str | None:
    utils.DNS_CACHE.clear()
    try:
        found = referee.query_dmarc_record(
            domain, resolver=resolver, ignore_unrelated_records=True
        )
    except referee.DMARCRecordNotFound:
        return None
    return str(found["location"])


def test_the_record_that_applies_is_the_same(server: DnsServer) -> None:
    chance = random.Random(9989)  # noqa: S311 - so that a failure comes again
    asked = Dns([server.address])
    resolver = _resolver(server)
    found: dict[str, tuple[str | None, str | None]] = {}
    for number in range(ZONES):
        labels = [*"abcdefghij"[: chance.randrange(1, 10)], f"zone{number}"]
        domain = ".".join(labels)
        server.add(domain, "A", "192.0.2.1")
        for level in range(len(labels)):
            record = chance.choice(_RECORDS)
            if record:
                server.add(f"_dmarc.{'.'.join(labels[level:])}", "TXT", record)
        applicable = dmarcwalk.walk(domain, asked.for_message()).applicable
        ours = applicable[0] if applicable else None
        found[domain] = (ours, _location(domain, resolver))

    assert {domain: pair for domain, pair in found.items() if pair[0] != pair[1]} == {}
    assert sum(ours is not None for ours, _ in found.values()) > ZONES / 2


@given(
    st.lists(st.tuples(_SPACE, _NAMES, _SPACE, _VALUES, _SPACE), max_size=5),
    st.sampled_from(["", ";", " ; "]),
)
def test_a_record_says_the_same_where_both_can_read_it(
    pieces: list[tuple[str, ...]], end: str
) -> None:
    tags = [f"{a}{name}{b}={c}{value}" for a, name, b, value, c in pieces]
    text = ";".join(["v=DMARC1", *tags]) + end
    theirs = _parsed(text)
    assume(theirs is not None)
    ours = dmarcrecord.parse(text)

    assert ours is not None
    assert theirs is not None
    plain = {name: tag["value"] for name, tag in theirs.items()}
    milder = {"reject": "quarantine", "quarantine": "none", "none": "none"}
    steps = milder if plain["t"] == "y" else {policy: policy for policy in milder}
    assert ours.policy(own=True, exists=True) == steps[plain["p"]]
    if ours.sound:
        assert ours.policy(own=False, exists=True) == steps[plain["sp"]]
        assert ours.policy(own=False, exists=False) == steps[plain["np"]]
    assert (ours.psd, ours.testing) == (plain["psd"], plain["t"] == "y")
    assert ours.strict_dkim == (plain["adkim"] == "s")
    assert ours.strict_spf == (plain["aspf"] == "s")


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("v=DMARC1; p=none", False),
        ("v=DMARC1", False),
        ("v=dmarc1; p=none", True),
        ("v=DMARC1 p=none", True),
        ("p=none; v=DMARC1", True),
    ],
)
def test_what_is_a_record_is_the_same(text: str, refused: bool) -> None:
    assert (dmarcrecord.parse(text) is None) == (_parsed(text) is None) == refused


def _parsed(text: str) -> dict[str, Any] | None:
    """Return the tags, or None for what it refuses."""
    try:
        return dict(referee.parse_dmarc_record(text, "example.net")["tags"])
    except referee.DMARCError:
        return None

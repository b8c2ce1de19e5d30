"""Chains of custody: dkimpy makes them, and referees what it can."""

from datetime import UTC, datetime, timedelta

import dkim
import pytest

from stirmilter.mail.checks.dns import Answer
from stirmilter.mail.checks.verification import DkimLimits
from tests.mail.checks.signed import (
    DOMAIN,
    MESSAGE,
    Zone,
    check_arc,
    pem,
    rsa_key,
    zone,
)

NAMES = [b"from", b"to", b"date", b"subject"]


def forward(message: bytes, hops: int = 1, status: bytes = b"pass") -> bytes:
    """Let relays add a set each; the first finds no chain, each other `status`."""
    for _ in range(hops):
        hop = message.count(b"ARC-Seal")
        found = status if hop else b"none"
        message = (
            b"Authentication-Results: mx%d.example; arc=%b\r\n" % (hop, found) + message
        )
        fields = dkim.arc_sign(
            message,
            b"rsa",
            DOMAIN.encode(),
            pem(rsa_key()),
            b"mx%d.example" % hop,
            include_headers=NAMES,
        )
        message = b"".join(fields) + message
    return message


def without(message: bytes, start: bytes) -> bytes:
    """Remove the first field that begins so."""
    before, _, rest = message.partition(start)
    lines = rest.split(b"\r\n")
    while lines[1].startswith((b" ", b"\t")):
        del lines[1]
    return before + b"\r\n".join(lines[1:])


def referee(message: bytes) -> bool:
    return dkim.arc_verify(message, dnsfunc=zone().txt)[0] == b"pass"


CHAIN = forward(MESSAGE, 3)


def test_a_message_without_chain_has_none() -> None:
    assert check_arc(MESSAGE).word == "none"


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_a_chain_that_holds_passes(hops: int) -> None:
    message = forward(MESSAGE, hops)

    found = check_arc(message)

    assert (found.word, found.reason) == ("pass", "")
    assert (found.sets, found.domain) == (hops, DOMAIN)
    assert referee(message)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param(CHAIN.replace(b"Hello", b"Hullo"), "body-altered", id="body"),
        pytest.param(
            CHAIN.replace(b"Two", b"Too"), "bad-message-signature", id="header"
        ),
        pytest.param(
            CHAIN.replace(b"mx0.example; arc", b"mx9.example; arc"),
            "",
            id="outside-the-chain",
        ),
        pytest.param(
            CHAIN.replace(b"i=1; mx0.example", b"i=1; mx9.example"),
            "bad-seal",
            id="results-of-a-set",
        ),
        pytest.param(without(CHAIN, b"ARC-Seal: i=2"), "incomplete-set", id="no-seal"),
        pytest.param(
            without(CHAIN, b"ARC-Message-Signature: i=1"), "incomplete-set", id="no-ams"
        ),
        pytest.param(
            without(CHAIN, b"ARC-Authentication-Results: i=3"),
            "incomplete-set",
            id="no-results",
        ),
        pytest.param(
            CHAIN.replace(b"ARC-Seal: i=1", b"ARC-Seal: i=2"),
            "incomplete-set",
            id="twice-the-same",
        ),
        pytest.param(
            CHAIN.replace(b"ARC-Seal: i=1", b"ARC-Seal: i=0"),
            "malformed-set",
            id="instance-0",
        ),
        pytest.param(
            CHAIN.replace(b"Results: i=1", b"Results: x=1"),
            "malformed-set",
            id="results-without-instance",
        ),
        pytest.param(
            CHAIN.replace(b"i=3; cv=pass", b"i=3; h=from; cv=pass"),
            "malformed-set",
            id="seal-of-names",
        ),
        pytest.param(
            CHAIN.replace(b"h=from", b"h=arc-seal : from"),
            "seal-signed-by-message-signature",
            id="seal-in-names",
        ),
        pytest.param(
            CHAIN.replace(b"i=2; cv=pass", b"i=2; cv=none"),
            "wrong-status",
            id="none-later",
        ),
        pytest.param(
            CHAIN.replace(b"i=1; cv=none", b"i=1; cv=pass"),
            "wrong-status",
            id="pass-first",
        ),
        pytest.param(
            CHAIN.replace(b"i=1; cv=none", b"i=1"), "wrong-status", id="no-status"
        ),
        pytest.param(
            CHAIN.replace(b"i=3; cv=pass", b"i=3; cv=fail"),
            "chain-broken-before",
            id="fail-last",
        ),
    ],
)
def test_a_chain_that_does_not_hold_fails(message: bytes, reason: str) -> None:
    assert message != CHAIN

    found = check_arc(message)

    assert found.reason == reason
    assert (found.word == "pass") == (not reason)
    assert (found.word == "pass") == referee(message)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(Answer("no-name"), "no-key"), (Answer("temporary"), "dns")],
)
def test_a_chain_without_key_fails(answer: Answer, reason: str) -> None:
    found = check_arc(CHAIN, Zone({f"rsa._domainkey.{DOMAIN}": answer}))

    assert (found.word, found.reason) == ("fail", reason)


def test_a_chain_from_the_future_fails() -> None:
    found = check_arc(CHAIN, now=datetime.now(UTC) - timedelta(hours=1))

    assert (found.word, found.reason) == ("fail", "from-the-future")


def test_the_oldest_seal_must_hold_although_newer_ones_vouch_for_it() -> None:
    forged = forward(MESSAGE).replace(b"i=1; mx0.example", b"i=1; mx9.example")

    message = forward(forged)

    assert check_arc(message).reason == "bad-seal"
    assert not referee(message)


def test_a_chain_longer_than_the_limit_is_not_verified() -> None:
    served = zone()

    found = check_arc(CHAIN, served, DkimLimits(arc_sets=2))

    assert (found.word, found.reason) == ("fail", "too-many-sets")
    assert served.asked == []


def test_a_set_longer_than_the_limit_is_not_read() -> None:
    found = check_arc(CHAIN, limits=DkimLimits(field_size=100))

    assert (found.word, found.reason) == ("fail", "signature-too-long")


def test_a_body_altered_before_the_last_relay_leaves_the_chain_whole() -> None:
    """Only the newest relay's signature must hold (RFC 8617 §5.2)."""
    altered = forward(MESSAGE).replace(b"Hello", b"Hullo")

    assert check_arc(altered).reason == "body-altered"
    assert check_arc(forward(altered)).word == "pass"

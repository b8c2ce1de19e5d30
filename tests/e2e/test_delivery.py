"""Nothing is lost: each message arrives once, signed, whatever the daemon suffers."""

from pathlib import Path

import pytest

from stirmilter.demo.daemons import short_folder
from stirmilter.stir import credential
from stirmilter.testca import TestCA
from tests.e2e.conftest import Start
from tests.e2e.traffic import Outcome, Relay, carry, is_signed, relay

pytestmark = pytest.mark.e2e


def hold(running: Relay, outcome: Outcome, count: int, ca: TestCA) -> None:
    """Hold what arrived against what was sent."""
    arrived = running.received.messages
    assert len(outcome.accepted) == count
    assert set(arrived) == outcome.accepted
    assert {len(copies) for copies in arrived.values()} == {1}, "exactly once"
    assert [code for code in outcome.refused if not 400 <= code < 500] == []
    [leaf, *_] = credential.load_chain(ca.files("spc").chain.read_bytes())
    assert all(is_signed(octets, leaf) for [octets] in arrived.values())


def test_each_message_arrives_once_and_signed_whatever_happens_meanwhile(
    start: Start, published: tuple[TestCA, str]
) -> None:
    """One event of each kind; `make soak` has more of them, and more messages."""
    count = 300
    daemon = start(milter="drain_seconds = 10.0")
    with short_folder() as folder, relay(daemon, Path(folder)) as running:
        events = [
            running.reload,
            running.kill_worker,
            running.reload_what_is_bad,
            running.restart,
        ]

        outcome = carry(running, count, events)

        hold(running, outcome, count, published[0])
        assert "nonsense: no such setting" in running.logged()


def test_a_reload_costs_nobody_an_answer(
    start: Start, published: tuple[TestCA, str]
) -> None:
    """Who is connected is served to the end; who comes is served by the next."""
    count = 150
    daemon = start()
    with short_folder() as folder, relay(daemon, Path(folder)) as running:
        outcome = carry(running, count, [running.reload] * 3)

        hold(running, outcome, count, published[0])
        assert outcome.refused == []

"""Nothing is lost: each message arrives once, signed or judged, whatever happens."""

from pathlib import Path

import pytest

from stirmilter.demo.daemons import short_folder
from stirmilter.stir import credential
from stirmilter.testca import TestCA
from tests.e2e.arrivals import Arrivals, take_nobody_for_ours, verdicts
from tests.e2e.conftest import OVER_BOTH, Hook, Start
from tests.e2e.traffic import Outcome, Relay, carry, is_signed, name, relay

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


@OVER_BOTH
def test_each_message_arrives_once_and_signed_whatever_happens_meanwhile(
    start: Start, published: tuple[TestCA, str], transport: str
) -> None:
    """One event of each kind; `make soak` has more of them, and more messages."""
    count = 300
    daemon = start(milter=f'drain_seconds = 10.0\ntransport = "{transport}"')
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


@OVER_BOTH
def test_a_reload_costs_nobody_an_answer(
    start: Start, published: tuple[TestCA, str], transport: str
) -> None:
    """Who is connected is served to the end; who comes is served by the next."""
    count = 150
    daemon = start(milter=f'transport = "{transport}"')
    with short_folder() as folder, relay(daemon, Path(folder)) as running:
        outcome = carry(running, count, [running.reload] * 3)

        hold(running, outcome, count, published[0])
        assert outcome.refused == []


def hold_judged(running: Relay, outcome: Outcome, count: int) -> None:
    """Hold what arrived at the verifying side against what was sent."""
    arrived = running.received.messages
    assert len(outcome.accepted) == count
    assert set(arrived) == outcome.accepted
    assert {len(copies) for copies in arrived.values()} == {1}, "exactly once"
    assert [code for code in outcome.refused if not 400 <= code < 500] == []
    told = {one: verdicts(octets) for one, [octets] in arrived.items()}
    assert told == {name(n): [Arrivals.expected(n)] for n in range(count)}


def test_each_message_arrives_once_and_judged_whatever_happens_meanwhile(
    start: Start, published: tuple[TestCA, str]
) -> None:
    """At the other side, too, and with the verdict that belongs to it."""
    count = 120
    daemon = start(milter="drain_seconds = 10.0")
    take_nobody_for_ours(daemon)
    with short_folder() as folder, relay(daemon, Path(folder)) as running:
        events = [running.reload, running.kill_worker, running.restart]

        outcome = carry(running, count, events, Arrivals(*published).compose)

        hold_judged(running, outcome, count)


# A worker dies when it has used up a token, and before Postfix hears of that; once for
# each of the first messages, of which no retry may find another's mark.
_DYING = """
import os, pathlib, signal
from stirmilter.services.replays import ReplayGuard

folder = pathlib.Path({folder!r})
claim = ReplayGuard.claim

def dying(self, good, message, now, *, keep):
    found = claim(self, good, message, now, keep=keep)
    mark = folder / message.delivery
    if len(list(folder.iterdir())) < 4 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return found

ReplayGuard.claim = dying
"""


def test_what_comes_again_after_its_token_was_used_up_is_no_replay(
    start: Start, published: tuple[TestCA, str], hook: Hook
) -> None:
    count = 12
    marks = hook(_DYING)
    daemon = start()
    take_nobody_for_ours(daemon)
    with short_folder() as folder, relay(daemon, Path(folder)) as running:
        outcome = carry(running, count, [], Arrivals(*published).compose)

        hold_judged(running, outcome, count)
        assert running.logged().count("ended with status -9") >= 2
    assert len(list(marks.iterdir())) >= 3, "the file itself, and who died"
    assert outcome.refused

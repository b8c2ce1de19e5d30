"""The long form of tests/e2e/test_delivery.py, for `make soak`."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stirmilter.demo.daemons import short_folder
from stirmilter.testca import TestCA
from tests.e2e.arrivals import Arrivals, take_nobody_for_ours
from tests.e2e.conftest import Start
from tests.e2e.test_delivery import hold, hold_judged
from tests.e2e.traffic import Outcome, Relay, carry, relay

pytestmark = pytest.mark.e2e

COUNT = 2_000


def events_of(running: Relay) -> list[Callable[[], None]]:
    """Five reloads, two restarts, three workers killed, and a file that is bad."""
    return [
        running.reload,
        running.kill_worker,
        running.reload,
        running.restart,
        running.reload_what_is_bad,
        running.kill_worker,
        running.reload,
        running.restart,
        running.kill_worker,
        running.reload,
        running.reload,
    ]


def tell(outcome: Outcome, what: str) -> None:
    refused = len(outcome.refused)
    sys.stdout.write(f"{COUNT} messages {what}, {refused} refused and sent again\n")


def test_2000_messages_through_reloads_restarts_and_kills(
    start: Start, published: tuple[TestCA, str]
) -> None:
    daemon = start(milter="drain_seconds = 10.0")
    with short_folder() as folder, relay(daemon, Path(folder)) as running:
        outcome = carry(running, COUNT, events_of(running))

        hold(running, outcome, COUNT, published[0])
    tell(outcome, "signed")


def test_2000_messages_from_elsewhere_through_the_same(
    start: Start, published: tuple[TestCA, str]
) -> None:
    daemon = start(milter="drain_seconds = 10.0")
    take_nobody_for_ours(daemon)
    with short_folder() as folder, relay(daemon, Path(folder)) as running:
        compose = Arrivals(*published).compose

        outcome = carry(running, COUNT, events_of(running), compose)

        hold_judged(running, outcome, COUNT)
    tell(outcome, "judged")

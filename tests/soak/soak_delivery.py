"""The long form of tests/e2e/test_delivery.py, for `make soak`."""

import sys
from pathlib import Path

import pytest

from stirmilter.demo.daemons import short_folder
from stirmilter.testca import TestCA
from tests.e2e.conftest import Start
from tests.e2e.test_delivery import hold
from tests.e2e.traffic import carry, relay

pytestmark = pytest.mark.e2e


def test_2000_messages_through_reloads_restarts_and_kills(
    start: Start, published: tuple[TestCA, str]
) -> None:
    count = 2_000
    daemon = start(milter="drain_seconds = 10.0")
    with short_folder() as folder, relay(daemon, Path(folder)) as running:
        events = [
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

        outcome = carry(running, count, events)

        hold(running, outcome, count, published[0])
    refused = len(outcome.refused)
    sys.stdout.write(f"{count} messages, {refused} refused and sent again\n")

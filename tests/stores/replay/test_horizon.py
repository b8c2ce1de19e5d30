"""What is forgotten when clocks are set."""

from datetime import timedelta

import pytest

from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.stores.replay.retention import Horizon
from tests.laboratory import NOW
from tests.stores.replay.conftest import SIGNED, A, B, key

HOUR = timedelta(hours=1)
RETENTION = 24 * HOUR


class Machine:
    """A clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.wall = NOW
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def pass_(self, time: timedelta) -> None:
        self.wall += time
        self.seconds += time.total_seconds()


@pytest.fixture
def machine() -> Machine:
    return Machine()


def behind(horizon: Horizon, machine: Machine) -> timedelta:
    """How far the horizon is behind the clock."""
    return timedelta(seconds=machine.wall.timestamp() - horizon.at(machine.wall))


def test_it_goes_with_a_clock_that_goes(machine: Machine) -> None:
    horizon = Horizon(RETENTION, machine.monotonic)
    for _ in range(100):
        assert behind(horizon, machine) == timedelta(0)
        machine.pass_(HOUR)


def test_it_follows_a_clock_that_is_slewed(machine: Machine) -> None:
    horizon = Horizon(RETENTION, machine.monotonic)
    horizon.at(machine.wall)
    for _ in range(100):
        machine.pass_(timedelta(minutes=1))
        machine.wall += timedelta(seconds=0.9)
        assert behind(horizon, machine) == timedelta(0)


def test_it_does_not_jump_with_a_clock_that_is_set_forward(machine: Machine) -> None:
    horizon = Horizon(RETENTION, machine.monotonic)
    horizon.at(machine.wall)
    machine.wall += 48 * HOUR

    for hours in range(24):
        assert behind(horizon, machine) == 48 * HOUR, hours
        machine.pass_(HOUR)


def test_it_believes_a_clock_that_stays_ahead(machine: Machine) -> None:
    horizon = Horizon(RETENTION, machine.monotonic)
    horizon.at(machine.wall)
    machine.wall += 48 * HOUR
    horizon.at(machine.wall)
    machine.pass_(RETENTION)

    assert behind(horizon, machine) == timedelta(0)


def test_a_clock_that_is_set_right_again_has_cost_nothing(machine: Machine) -> None:
    horizon = Horizon(RETENTION, machine.monotonic)
    horizon.at(machine.wall)
    machine.wall += 48 * HOUR
    horizon.at(machine.wall)
    machine.pass_(HOUR)
    machine.wall -= 48 * HOUR

    assert behind(horizon, machine) == timedelta(0)
    machine.wall += 48 * HOUR
    horizon.at(machine.wall)
    machine.pass_(RETENTION - HOUR / 2)
    assert behind(horizon, machine) == 48 * HOUR, "its patience begins anew"


def test_it_goes_back_with_the_clock(machine: Machine) -> None:
    horizon = Horizon(RETENTION, machine.monotonic)
    horizon.at(machine.wall)
    machine.wall -= 5 * HOUR

    assert behind(horizon, machine) == timedelta(0)


@pytest.mark.conformance("V-09")
def test_a_replay_is_known_after_the_clock_was_wrong_for_a_while(
    machine: Machine,
) -> None:
    store = MemoryReplayStore(10, RETENTION, monotonic=machine.monotonic)
    assert store.claim([key(1)], A, SIGNED, machine.wall)
    machine.wall += 30 * HOUR
    assert store.claim([key(2)], A, machine.wall, machine.wall)
    machine.pass_(HOUR)
    machine.wall -= 30 * HOUR

    assert not store.claim([key(1)], B, SIGNED, machine.wall)
    assert not store.claim([key(2)], B, machine.wall, machine.wall)

"""What a replay file knows of itself: what it lost, and how the clock stood."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores.replay import SqliteReplayStore
from stirmilter.stores.replay import standing as standing_
from tests.laboratory import NOW
from tests.stores.replay.conftest import RETENTION, SIGNED, A, B, Clock, key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.sqlite"


def standing(
    path: Path,
    now: datetime = NOW,
    boot: str = "one",
    monotonic: Callable[[], float] = time.monotonic,
) -> SqliteReplayStore:
    return SqliteReplayStore(
        path, retention=RETENTION, since=lambda: now, boot=boot, monotonic=monotonic
    )


MINUTE = timedelta(minutes=1)


@pytest.mark.conformance("V-09")
def test_a_machine_that_went_down_has_lost_something(path: Path) -> None:
    with closing(standing(path)) as store:
        store.claim([key(1)], A, NOW, NOW)
    later = NOW + 5 * MINUTE

    with closing(standing(path, later, boot="two")) as store:
        assert not store.claim([key(1)], B, NOW, later), "what is there is known"
        for signed_at in (NOW, later, later + MINUTE):
            with pytest.raises(StoreError, match="knows nothing of tokens signed"):
                store.claim([key(2)], A, signed_at, later)
    with closing(standing(path, later, boot="two")) as store:
        assert store.claim([key(2)], A, later + MINUTE + timedelta(seconds=1), later)


def test_a_machine_that_was_shut_down_has_not(path: Path) -> None:
    with closing(standing(path)) as store:
        store.claim([key(1)], A, NOW, NOW)
        store.rest()
    later = NOW + 5 * MINUTE

    with closing(standing(path, later, boot="two")) as store:
        assert store.claim([key(2)], A, NOW, later)
        assert not store.claim([key(1)], B, NOW, later)
    with (
        closing(standing(path, later, boot="three")) as store,
        pytest.raises(StoreError, match="knows nothing"),
    ):
        store.claim([key(3)], A, NOW, later)


DASHED = "c5f6ae0b-6f2f-4d6b-9d3e-0f2d9f1a7b11"


@pytest.mark.parametrize(
    ("told", "kernel", "known"),
    [
        (DASHED.replace("-", ""), None, DASHED),  # as systemd's %b in a sandbox
        (None, f"{DASHED}\n", DASHED),
        ("", f"{DASHED}\n", DASHED),
        (None, None, ""),
        ("%b", None, ""),
    ],
)
def test_daemon_and_commands_call_this_run_of_the_machine_the_same(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    told: str | None,
    kernel: str | None,
    known: str,
) -> None:
    """Or the file takes each command that was typed for a machine that went down."""
    file = tmp_path / "boot_id"
    if kernel is not None:
        file.write_text(kernel)
    monkeypatch.setattr(standing_, "_BOOT_ID", file)
    monkeypatch.delenv(standing_.BOOT_ID, raising=False)
    if told is not None:
        monkeypatch.setenv(standing_.BOOT_ID, told)

    assert standing_.boot_id() == known


def test_a_daemon_that_was_killed_has_lost_nothing(path: Path) -> None:
    """The kernel has what it wrote."""
    with closing(standing(path)) as store:
        store.claim([key(1)], A, NOW, NOW)

    with closing(standing(path, NOW + MINUTE)) as store:
        assert store.claim([key(2)], A, NOW, NOW + MINUTE)


def test_it_begins_when_it_is_opened_and_not_when_it_is_first_used(
    path: Path,
) -> None:
    now = [NOW]
    with closing(SqliteReplayStore(path, since=lambda: now[0])) as store:
        now[0] = NOW + 5 * MINUTE

        assert store.claim([key(1)], A, NOW, now[0])


def test_a_beginning_that_is_still_to_come_is_set_right(path: Path) -> None:
    """The clock was a year ahead when the file was made."""
    with closing(standing(path, NOW + timedelta(days=365))) as store:
        store.stats()

    with closing(standing(path)) as store:
        assert store.stats().since == NOW + MINUTE + timedelta(seconds=1)
        assert store.claim([key(1)], A, NOW + MINUTE + timedelta(seconds=1), NOW)


@pytest.mark.conformance("V-09")
def test_a_process_that_begins_under_a_wrong_clock_forgets_nothing(path: Path) -> None:
    clock = Clock()
    with closing(standing(path, monotonic=clock.monotonic)) as store:
        store.claim([key(1)], A, NOW, NOW)
    wrong = NOW + timedelta(days=2)
    with closing(standing(path, wrong, monotonic=clock.monotonic)) as store:
        for number in range(2, 5):
            clock.offset += 2
            assert store.claim([key(number)], A, wrong, wrong)
    with closing(standing(path, monotonic=clock.monotonic)) as store:
        assert not store.claim([key(1)], B, NOW, NOW)
        assert not store.claim([key(2)], B, wrong, NOW)


def test_replays_do_not_keep_what_is_due_from_being_forgotten(path: Path) -> None:
    clock = Clock()
    with closing(
        SqliteReplayStore(path, retention=RETENTION, monotonic=clock.monotonic)
    ) as store:
        for number in range(600):
            store.claim([key(number)], A, SIGNED, NOW)
        later = clock.pass_to(NOW + RETENTION)
        store.claim([key(900)], A, later, later)
        for _ in range(5):
            clock.offset += 2
            assert not store.claim([key(900)], B, later, later)

        assert store.stats().keys == 1

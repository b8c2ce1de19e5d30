"""A worker stays as small as it was: `make soak` for a while."""

import pytest

from tests.bench.soak import IDLE, Scales, allocator
from tests.bench.traffic import plant, send

pytestmark = pytest.mark.e2e

WARM = 2_000
MORE = 3_000
GROWTH = 0.05
"""What a failed fetch once held, 24 kB, would make it 9 %; 2 % are caches."""


def test_a_worker_is_small_and_stays_so_under_all_kinds_of_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No message, whatever becomes of it, leaves anything in the worker."""
    settings = allocator()
    assert settings.keys() == {"MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with plant(workers=1) as running:
        scales = Scales(running, 1, quiet=True)
        scales.weigh(0)
        send(running, range(WARM), evil=WARM)
        scales.weigh(WARM)
        send(running, range(WARM, WARM + MORE), evil=WARM + MORE)
        scales.weigh(WARM + MORE)
        [pid] = running.workers()

    assert scales.rows[0][pid].rss < IDLE
    assert scales.growth(WARM, pid) < GROWTH, scales.rows
    reasons = {outcome.partition(": ")[2] for outcome in running.outcomes}
    assert reasons >= {"verified", "body-altered", "replayed", "credential-unavailable"}

"""A worker stays as small as it was: `make soak` for a while."""

import pytest

from tests.bench.soak import IDLE, Scales
from tests.bench.traffic import KINDS, plant, send

pytestmark = pytest.mark.e2e

WARM = 2_000
MORE = 3_000
GROWTH = 0.05
"""What a failed fetch once held, 24 kB, would make it 9 %; 2 % are caches."""

EVIL = dict.fromkeys(KINDS, 1.0)
"""Everything as often: what a stranger can do shows sooner."""


def test_a_worker_is_small_and_stays_so_under_all_kinds_of_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No message, whatever becomes of it, leaves anything in the worker."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")  # as in the systemd unit
    with plant(workers=1) as running:
        scales = Scales(running, 1, quiet=True)
        scales.weigh(0)
        send(running, range(WARM), kinds=EVIL)
        scales.weigh(WARM)
        send(running, range(WARM, WARM + MORE), kinds=EVIL)
        scales.weigh(WARM + MORE)
        [pid] = running.workers()

    assert scales.rows[0][pid].rss < IDLE
    assert scales.growth(WARM, pid) < GROWTH, scales.rows
    reasons = {outcome.partition(": ")[2] for outcome in running.outcomes}
    assert reasons >= {"verified", "body-altered", "replayed", "credential-unavailable"}

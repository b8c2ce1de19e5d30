"""What is counted of the parts of the work, of caches, queues and processes."""

import re
import time
from dataclasses import replace
from typing import get_args

import pytest

from stirmilter.errors import StoreError
from stirmilter.events import Claimed, Fetched, Handled, Stage
from stirmilter.metrics import Metrics
from stirmilter.sampling import Sampler
from tests.metrics.conftest import value
from tests.metrics.test_metrics import elsewhere
from tests.stores.events import EVENT


def test_stages_are_counted_by_how_long_they_took(metrics: Metrics) -> None:
    event = replace(EVENT, stages=(("queue", 0.0002), ("stir", 0.003)))

    metrics.handled(event)
    metrics.handled(replace(event, stages=(("stir", 100.0),)))
    metrics.flush()
    metrics.flush()

    name = "stirmilter_stage_seconds"
    assert value(metrics, f"{name}_count", stage="queue") == 1
    assert value(metrics, f"{name}_bucket", stage="queue", le="0.0001") == 0
    assert value(metrics, f"{name}_bucket", stage="queue", le="0.00025") == 1
    assert value(metrics, f"{name}_count", stage="stir") == 2
    assert value(metrics, f"{name}_bucket", stage="stir", le="0.0025") == 0
    assert value(metrics, f"{name}_bucket", stage="stir", le="0.005") == 1
    assert value(metrics, f"{name}_bucket", stage="stir", le="+Inf") == 2
    assert value(metrics, f"{name}_sum", stage="stir") == pytest.approx(100.003)


def test_a_stage_that_takes_just_as_long_as_a_bucket_is_in_it(metrics: Metrics) -> None:
    """``le`` is less or equal."""
    metrics.handled(replace(EVENT, stages=(("stir", 0.0001),)))
    metrics.flush()

    name = "stirmilter_stage_seconds_bucket"
    assert value(metrics, name, stage="stir", le="0.0001") == 1


def test_results_of_methods_are_counted_and_no_stranger_makes_a_word(
    metrics: Metrics,
) -> None:
    methods = (
        ("spf", "temperror the name server"),
        ("dkim", "pass a.example"),
        ("dkim", "fail b.example"),
        ("dmarc", "strange 12025550123"),
        ("differs", "spf: pass/fail"),
    )
    metrics.handled(replace(EVENT, methods=methods))
    metrics.flush()

    name = "stirmilter_methods_total"
    assert value(metrics, name) == 4
    assert value(metrics, name, method="spf", result="temperror") == 1
    assert value(metrics, name, method="dkim", result="pass") == 1
    assert value(metrics, name, method="dkim", result="fail") == 1
    assert value(metrics, name, method="dmarc", result="other") == 1


def test_questions_to_the_replay_store_are_counted_by_what_it_said(
    metrics: Metrics,
) -> None:
    name = "stirmilter_replay_claim_seconds"
    assert value(metrics, f"{name}_count", outcome="replayed") == 0

    for outcome in ("granted", "granted", "unknown"):
        metrics.claimed(Claimed(outcome, 0.01))
    metrics.flush()

    assert value(metrics, f"{name}_count", outcome="granted") == 2
    assert value(metrics, f"{name}_count", outcome="unknown") == 1
    assert value(metrics, f"{name}_sum", outcome="granted") == pytest.approx(0.02)


def test_messages_of_a_peer_are_counted_whatever_decided_them(metrics: Metrics) -> None:
    metrics.handled(replace(EVENT, peer="two"))
    metrics.handled(replace(EVENT, peer="two", rule="r", action="reject"))
    metrics.handled(EVENT)

    name = "stirmilter_peer_messages_total"
    assert value(metrics, name) == 2
    assert value(metrics, name, peer="two", action="reject") == 1


def test_the_time_of_a_fetch_falls_into_a_bucket(metrics: Metrics) -> None:
    metrics.fetched(Fetched("h", "fetched", 9, 0.2))

    name = "stirmilter_fetch_seconds_bucket"
    assert value(metrics, name, le="0.1") == 0
    assert value(metrics, name, le="0.25") == 1


def test_answers_and_replaced_workers_are_counted_from_zero(metrics: Metrics) -> None:
    """A rate needs a first value: the first failure would not be seen."""
    assert value(metrics, "stirmilter_mm4_answers_total", outcome="failed") == 0
    text = metrics.collect(0.0).decode()
    assert 'stirmilter_mm4_answers_total{outcome="dropped"} 0.0' in text
    assert 'stirmilter_fetches_total{outcome="postponed"} 0.0' in text
    for reason in ("ended", "stuck"):
        line = f'stirmilter_workers_replaced_total{{reason="{reason}"}} 0.0'
        assert line in text

    metrics.answered("failed")
    metrics.replaced(stuck=True)

    assert value(metrics, "stirmilter_mm4_answers_total", outcome="failed") == 1
    name = "stirmilter_workers_replaced_total"
    assert value(metrics, name, reason="stuck") == 1
    assert value(metrics, name, reason="ended") == 0


class Remembers:
    def __init__(self, hits: int, misses: int, entries: int) -> None:
        self.hits, self.misses, self.entries = hits, misses, entries


def sampler(metrics: Metrics, *caches: Remembers, waiting: int = 0) -> Sampler:
    return Sampler(metrics, {"dns": caches}, lambda: 3, {"judge": lambda: waiting})


def look(sampler: Sampler) -> None:
    assert list(sampler()) == []


def test_caches_are_counted_since_the_last_look_and_added_up(metrics: Metrics) -> None:
    one, two = Remembers(5, 2, 10), Remembers(1, 1, 1)
    looks = sampler(metrics, one, two)

    look(looks)
    one.hits += 4
    look(looks)
    look(looks)

    name = "stirmilter_cache_lookups_total"
    assert value(metrics, name, cache="dns", result="hit") == 10
    assert value(metrics, name, cache="dns", result="miss") == 3
    assert value(metrics, "stirmilter_cache_entries", cache="dns") == 11


def test_what_waits_is_added_up_over_the_workers_that_live(metrics: Metrics) -> None:
    look(sampler(metrics, waiting=2))
    pid = elsewhere(lambda: look(sampler(metrics, waiting=5)))

    assert value(metrics, "stirmilter_waiting", queue="judge") == 7
    assert value(metrics, "stirmilter_sessions") == 6

    metrics.ended(pid)
    assert value(metrics, "stirmilter_waiting", queue="judge") == 2
    assert value(metrics, "stirmilter_sessions") == 3


def test_the_fullest_replay_store_is_told_as_all_see_one_file(
    metrics: Metrics,
) -> None:
    def look_at(keys: int) -> None:
        looks = Sampler(metrics, {}, lambda: 0, {}, {"sqlite": lambda: (keys, 10)})
        look(looks)

    look_at(3)
    pid = elsewhere(lambda: look_at(7))

    for name, wanted in (("keys", 7), ("keys_limit", 10)):
        assert value(metrics, f"stirmilter_replay_{name}", store="sqlite") == wanted
    metrics.ended(pid)
    assert value(metrics, "stirmilter_replay_keys", store="sqlite") == 3


def test_a_replay_store_that_cannot_be_looked_at_is_told_of(metrics: Metrics) -> None:
    def broken() -> tuple[int, int]:
        raise StoreError("replay store: it is locked")

    looks = Sampler(metrics, {}, lambda: 3, {}, {"sqlite": broken})

    assert list(looks()) == ["replay store: it is locked"]
    assert value(metrics, "stirmilter_sessions") == 3
    assert "stirmilter_replay_keys{" not in metrics.collect(0.0).decode()


def test_what_the_journal_keeps_is_told_with_its_age(metrics: Metrics) -> None:
    age = "stirmilter_journal_oldest_seconds"
    now = time.time()
    assert f"\n{age} " not in metrics.collect(now).decode(), "there is no journal"

    metrics.journal_kept(now - 90, 5, 10)
    metrics.ended(elsewhere(lambda: metrics.journal_kept(now - 99, 6, 10)))

    assert value(metrics, "stirmilter_journal_octets") == 5
    assert value(metrics, "stirmilter_journal_octets_limit") == 10
    assert f"\n{age} 100.0\n" in metrics.collect(now + 10).decode()
    metrics.journal_kept(None, 5, 10)
    [line] = re.findall(rf"(?m)^{age} (.*)", metrics.collect(time.time()).decode())
    assert 0 <= float(line) < 60, "an empty one is not old"


def test_a_look_hands_over_what_was_counted_of_stages(metrics: Metrics) -> None:
    def work() -> None:
        metrics.handled(replace(EVENT, stages=(("stir", 0.1),)))
        look(sampler(metrics))

    pid = elsewhere(work)
    metrics.ended(pid)

    assert value(metrics, "stirmilter_stage_seconds_count", stage="stir") == 1


def test_what_runs_is_told(metrics: Metrics) -> None:
    text = metrics.collect(0.0, version="1.2.3").decode()

    assert 'stirmilter_build_info{python="3.' in text
    assert 'version="1.2.3"} 1.0' in text


def test_every_stage_has_a_label_and_none_is_a_number(metrics: Metrics) -> None:
    stages = tuple((stage, 0.1) for stage in get_args(Stage))
    metrics.handled(Handled("in", "failed", "stale", stages=stages))
    metrics.flush()

    assert value(metrics, "stirmilter_stage_seconds_count") == len(stages)

"""What is counted: over processes, beyond their end, and with bounded labels."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stirmilter.events import Fetched
from stirmilter.metrics import Credential, Metrics
from tests.stores.events import EVENT

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def samples(metrics: Metrics, at: datetime = NOW) -> dict[str, float]:
    """Scrape, and return the values by name and labels, as they are written."""
    text = metrics.collect(
        at.timestamp(), [Credential("one", NOW + timedelta(days=2), proven=True)]
    ).decode()
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: dict[str, float], name: str) -> float:
    return sum(value for key, value in found.items() if key.startswith(name))


def elsewhere(do: Callable[[], None]) -> int:
    """Do something in a process of its own, and return its number when it has ended."""
    pid = os.fork()
    if pid == 0:
        try:
            do()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_a_message_is_counted_with_what_became_of_it(metrics: Metrics) -> None:
    metrics.handled(EVENT)
    metrics.handled(EVENT)
    metrics.handled(replace(EVENT, direction="out", outcome="signed", reason="signed"))

    found = samples(metrics)

    labels = [
        ("action", "accept"),
        ("direction", "in"),
        ("outcome", "number-authenticated"),
        ("reason", "verified"),
    ]
    assert found[f"stirmilter_messages_total{labels}"] == 2
    assert total(found, "stirmilter_messages_total") == 3


def test_rules_and_differences_of_the_shadow_are_counted(metrics: Metrics) -> None:
    metrics.handled(EVENT)
    metrics.handled(replace(EVENT, action="tag", rule="r", peer="two"))
    shadowed = replace(EVENT, shadow_action="reject", shadow_rule="s")
    metrics.handled(shadowed)
    metrics.handled(shadowed)

    found = samples(metrics)

    ruled = [("action", "tag"), ("peer", "two"), ("rule", "r")]
    assert found[f"stirmilter_policy_total{ruled}"] == 1
    assert total(found, "stirmilter_policy_total") == 1
    differs = [
        ("action", "accept"),
        ("rule", ""),
        ("shadow_action", "reject"),
        ("shadow_rule", "s"),
    ]
    assert found[f"stirmilter_shadow_differences_total{differs}"] == 2
    assert total(found, "stirmilter_shadow_differences_total") == 2


def test_rules_make_a_bounded_number_of_series(metrics: Metrics) -> None:
    for number in range(600):
        metrics.handled(replace(EVENT, rule=f"r{number}"))

    found = samples(metrics)

    assert total(found, "stirmilter_policy_total") == 500
    assert total(found, "stirmilter_messages_total") == 600


def test_how_many_series_there_are_is_a_setting(tmp_path: Path) -> None:
    """Of messages what is beyond shares one, of rules it is not counted."""
    made = Metrics(tmp_path, series=2, lists=1)
    for number in range(3):
        made.handled(replace(EVENT, reason=f"x{number}", rule=f"r{number}"))
        made.crl_age(f"https://crl.example/{number}", 5.0)

    found = samples(made)
    made.close()

    kinds = [name for name in found if name.startswith("stirmilter_messages_total")]
    assert len(kinds) == 3
    assert sum("'other'" in name for name in kinds) == 1
    assert total(found, "stirmilter_messages_total") == 3
    assert total(found, "stirmilter_policy_total") == 2
    ages = [name for name in found if name.startswith("stirmilter_crl_age")]
    assert len(ages) == 2, "the first, and all others"


def test_the_time_of_a_message_falls_into_a_bucket(metrics: Metrics) -> None:
    metrics.handled(replace(EVENT, seconds=0.003))

    found = samples(metrics)

    name = "stirmilter_message_seconds"
    assert found[f"{name}_bucket[('direction', 'in'), ('le', '0.0025')]"] == 0
    assert found[f"{name}_bucket[('direction', 'in'), ('le', '0.005')]"] == 1
    assert found[f"{name}_sum[('direction', 'in')]"] == 0.003
    assert found[f"{name}_count[('direction', 'in')]"] == 1


def test_no_stranger_s_text_is_a_label(metrics: Metrics) -> None:
    metrics.handled(replace(EVENT, detail="secret", x5u="secret", queue_id="secret"))

    assert b"secret" not in metrics.collect(0.0)
    assert b"1202555" not in metrics.collect(0.0)


def test_processes_are_added_up(metrics: Metrics) -> None:
    metrics.handled(EVENT)
    for _ in range(2):
        elsewhere(lambda: metrics.handled(EVENT))

    assert total(samples(metrics), "stirmilter_messages_total") == 3


def test_what_an_ended_process_counted_stays_and_its_files_go(metrics: Metrics) -> None:
    metrics.handled(EVENT)
    pids = [elsewhere(lambda: metrics.handled(EVENT)) for _ in range(3)]
    before = samples(metrics)

    for pid in pids:
        metrics.ended(pid)

    assert samples(metrics) == before
    names = [path.name for path in metrics.folder.iterdir()]
    assert not [name for pid in pids for name in names if f"_{pid}." in name]
    assert "counter_0.db" in names


def test_a_process_that_was_killed_while_it_made_its_file_spoils_nothing(
    metrics: Metrics,
) -> None:
    metrics.handled(EVENT)
    (metrics.folder / "counter_4711.db").write_bytes(b"")

    metrics.ended(4711)

    assert total(samples(metrics), "stirmilter_messages_total") == 1


def test_a_file_that_is_just_being_made_spoils_no_scrape(metrics: Metrics) -> None:
    """Its process has opened it, and not yet given it a size."""
    metrics.handled(EVENT)
    (metrics.folder / "gauge_livesum_4711.db").write_bytes(b"")

    assert total(samples(metrics), "stirmilter_messages_total") == 1


def test_what_ends_while_somebody_reads_is_kept_for_later(metrics: Metrics) -> None:
    one, two = (elsewhere(lambda: metrics.handled(EVENT)) for _ in range(2))

    with metrics._kept.locked(fcntl.LOCK_SH):
        metrics.ended(one)
    assert (metrics.folder / f"counter_{one}.db").exists()
    metrics.ended(two)

    assert not (metrics.folder / f"counter_{one}.db").exists()
    assert total(samples(metrics), "stirmilter_messages_total") == 2


def test_each_hazard_of_a_body_is_counted(metrics: Metrics) -> None:
    metrics.handled(EVENT)
    metrics.handled(replace(EVENT, hazards=("long-lines", "8bit")))
    metrics.handled(replace(EVENT, hazards=("8bit",)))

    found = samples(metrics)
    assert found["stirmilter_hazards_total[('hazard', '8bit')]"] == 2
    assert found["stirmilter_hazards_total[('hazard', 'long-lines')]"] == 1
    assert total(found, "stirmilter_hazards_total") == 3


def test_lost_evidence_is_counted(metrics: Metrics) -> None:
    assert samples(metrics)["stirmilter_journal_lost_total"] == 0

    metrics.journal_lost(3)

    assert samples(metrics)["stirmilter_journal_lost_total"] == 3


def test_fetches_are_counted_and_their_labels_have_an_end(metrics: Metrics) -> None:
    for number in range(100):
        metrics.fetched(Fetched("h", f"outcome-{number}", 0, 0.1))  # type: ignore[arg-type]

    found = samples(metrics)
    assert total(found, "stirmilter_fetches_total") == 100
    assert found["stirmilter_fetches_total[('outcome', 'other')]"] == 68


def test_a_list_ages_while_nobody_looks(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", NOW.timestamp)
    metrics.crl_age("https://crl.example/a", 60.0)

    found = samples(metrics, NOW + timedelta(seconds=30))

    assert found["stirmilter_crl_age_seconds[('url', 'https://crl.example/a')]"] == 90


def test_a_list_is_as_young_as_in_the_worker_that_had_it_last(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", NOW.timestamp)
    for age in (60.0, 10.0, 600.0):
        elsewhere(lambda age=age: metrics.crl_age("a", age))  # type: ignore[misc]

    assert samples(metrics)["stirmilter_crl_age_seconds[('url', 'a')]"] == 10


def test_lists_have_an_end(metrics: Metrics) -> None:
    for number in range(100):
        metrics.crl_age(f"https://crl.example/{number}", 0.0)

    found = samples(metrics)
    assert sum(key.startswith("stirmilter_crl_age") for key in found) == 65


def test_outcomes_have_an_end(metrics: Metrics) -> None:
    for number in range(600):
        metrics.handled(replace(EVENT, reason=f"reason-{number}"))

    found = samples(metrics)
    assert total(found, "stirmilter_messages_total") == 600
    assert sum(key.startswith("stirmilter_messages_total") for key in found) == 501


def test_workers_are_those_of_now(metrics: Metrics) -> None:
    metrics.workers(4)
    elsewhere(lambda: metrics.handled(EVENT))
    metrics.workers(2)

    assert samples(metrics)["stirmilter_workers"] == 2


def test_reloads_are_counted_by_what_became_of_them(metrics: Metrics) -> None:
    metrics.reloaded(done=True)

    found = samples(metrics)
    assert found["stirmilter_reloads_total[('result', 'done')]"] == 1
    assert found["stirmilter_reloads_total[('result', 'refused')]"] == 0


@pytest.mark.parametrize(("later", "left"), [(1, 86_400), (2, 0), (3, -86_400)])
def test_a_certificate_comes_nearer_to_its_end(
    metrics: Metrics, later: int, left: float
) -> None:
    found = samples(metrics, NOW + timedelta(days=later))

    assert found["stirmilter_certificate_expiry_seconds[('signer', 'one')]"] == left


def test_a_signer_that_is_not_proven_is_told(metrics: Metrics) -> None:
    until = NOW + timedelta(days=2)
    both = [Credential("a", until, proven=True), Credential("b", until, proven=False)]

    text = metrics.collect(NOW.timestamp(), both).decode()

    assert 'stirmilter_signer_proven{signer="a"} 1.0' in text
    assert 'stirmilter_signer_proven{signer="b"} 0.0' in text


def test_what_daemons_that_are_gone_have_left_is_removed(tmp_path: Path) -> None:
    gone = elsewhere(lambda: None)
    left = tmp_path / f"stirmilter-{gone}"
    alive = tmp_path / f"stirmilter-{os.getppid()}"
    others = tmp_path / str(gone)
    for folder in (left, alive, others):
        folder.mkdir()
        (folder / "counter_1.db").write_bytes(b"")

    made = Metrics(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        alive.name,
        others.name,
        made.folder.name,
    }
    made.close()
    assert not made.folder.exists()


def test_a_folder_that_cannot_be_made_is_an_error() -> None:
    with pytest.raises(OSError, match="/proc"):
        Metrics(Path("/proc/none/metrics"))

"""Metrics in a folder of their own, and what a scrape of them shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stirmilter.metrics import Metrics
from tests.stores.events import NOW


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # put back afterwards


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[Metrics]:
    made = Metrics(tmp_path / "metrics")
    yield made
    made.close()


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Add up the samples of a name that have these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(
            metrics.collect(NOW.timestamp()).decode()
        )
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )

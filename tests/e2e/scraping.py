"""A daemon that is scraped, and what it tells."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from stirmilter.demo.postfix import free_port
from tests.e2e.conftest import Daemon, Start
from tests.e2e.watching import until, workers


def start_scraped(start: Start, more: str = "") -> tuple[Daemon, int]:
    port = free_port()
    metrics = f'[metrics]\nlisten = "inet:{port}@127.0.0.1"\ncounters = "metrics"\n'
    daemon = start(more=metrics + more)
    until(lambda: len(workers(daemon)) == 3, "who is scraped: it begins after READY")
    return daemon, port


def text(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as got:
        assert got.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return str(got.read().decode())


def value(port: int, name: str, **labels: str) -> float:
    """Add up the samples of a name that have these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text(port))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def come_to(port: int, expected: float, name: str, **labels: str) -> None:
    """Wait until the samples of a name that have these labels add up to so many."""
    what = f"{name}{labels} is {expected}"
    until(lambda: value(port, name, **labels) == expected, what)

"""The rules and the board in conf/ name what is exposed, and words that exist."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stirmilter.events import Claim, Claimed, Fetched, Outcome, Stage
from stirmilter.mail.verdict import Verdict
from stirmilter.metrics import Credential, Metrics
from stirmilter.metrics.families import METHODS, MM4, REPLACED, RESULTS
from stirmilter.stir.result import Reason
from tests.metrics.promtool import ROOT, needed, promtool
from tests.stores.events import EVENT, NOW

RULES = ROOT / "conf" / "prometheus-rules.yml"
BOARD = ROOT / "conf" / "grafana-dashboard.json"
OPERATIONS = ROOT / "docs" / "operations.md"

# What Prometheus adds to all that it scrapes, and what makes a bucket.
ANYWHERE = {"instance", "job", "le"}
SCRAPED = {"up": ANYWHERE}  # what it says of the scrape itself
METRIC = re.compile(r"\bstirmilter_[a-z0-9_]+|\bup(?=\{)")
SELECTOR = re.compile(r"(stirmilter_[a-z0-9_]+|\bup\b)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring) \(([^)]*)\)")

WORDS = {
    "direction": {"in", "out"},
    "outcome": {
        *(verdict.value for verdict in Verdict),
        *("signed", "unsigned"),
        *get_args(Outcome),
        *get_args(Claim),
        *MM4,
    },
    "reason": {
        *(reason.code for reason in Reason),
        *("internal-error", "too-late"),
        *REPLACED,
    },
    "result": {*RESULTS, "hit", "miss", "done", "refused"},
    "queue": {"judge", "fetch", "journal", "mm4"},
    "cache": {"documents", "chains", "paths", "dns"},
    "method": METHODS,
    "stage": set(get_args(Stage)),
    "job": {"stirmilter"},  # as the comment at the top of the rules has it
}


def exercised(metrics: Metrics) -> str:
    """Count one of everything, and scrape."""
    event = replace(
        EVENT,
        peer="p",
        rule="r",
        shadow_action="reject",
        shadow_rule="s",
        stages=(("stir", 0.1),),
        methods=(("spf", "pass"),),
        hazards=("8bit",),
    )
    metrics.handled(event)
    metrics.claimed(Claimed("granted", 0.1))
    metrics.fetched(Fetched("h", "fetched", 1, 0.1))
    metrics.answered("sent")
    metrics.crl_age("u", 1.0)
    metrics.cache("dns", 1, 1, 1)
    metrics.occupied(1, {"judge": 1})
    metrics.workers(2)
    metrics.unproven(0)
    metrics.flush()
    credential = Credential("one", NOW, proven=True)
    return metrics.collect(NOW.timestamp(), [credential], "1.2.3").decode()


@pytest.fixture
def exposed(metrics: Metrics) -> dict[str, set[str]]:
    """Every name that is exposed, with its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exercised(metrics)):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(BOARD.read_text())
    return found


def board_expressions() -> list[tuple[str, str]]:
    """Each query of the board, with what names its lines."""
    whole = board()
    return [
        (target["expr"], target["legendFormat"])
        for panel in whole["panels"]
        for target in panel.get("targets", [])
    ] + [(one["expr"], one["titleFormat"]) for one in whole["annotations"]["list"]]


def rule_texts() -> list[tuple[str, str]]:
    """Each rule, whole: its query, and the texts that name its labels."""
    rules = re.split(r"(?m)^ +- alert: ", RULES.read_text())[1:]
    split = (re.split(r"(?m)^ +(?:for|labels): ", rule, maxsplit=1) for rule in rules)
    return [(query, texts) for query, texts in split]


QUERIES = board_expressions() + rule_texts()


def test_queries_are_found() -> None:
    assert len(board_expressions()) > 20
    assert len(rule_texts()) > 15
    assert all(METRIC.search(query) for query, _ in QUERIES)


@pytest.mark.parametrize(("query", "texts"), QUERIES)
def test_a_query_names_what_is_exposed_and_labels_that_it_has(
    exposed: dict[str, set[str]], query: str, texts: str
) -> None:
    exposed = exposed | SCRAPED
    names = set(METRIC.findall(query))
    assert names <= set(exposed), names - set(exposed)
    for name, matchers in SELECTOR.findall(query):
        for label, value in MATCHER.findall(matchers):
            assert label in exposed[name] | ANYWHERE, (name, label)
            if not value.startswith("$"):
                assert set(value.split("|")) <= WORDS[label], (label, value)
    known = set.union(*(exposed[name] for name in names)) | ANYWHERE
    for grouping in GROUPING.findall(query):
        assert set(re.split(r",\s*", grouping)) <= known, grouping
    told = re.findall(r"\$labels\.(\w+)", texts) + re.findall(r"\{\{(\w+)\}\}", texts)
    assert set(told) <= known, told
    kept = {one for found in GROUPING.findall(query) for one in found.split(", ")}
    if kept:
        assert set(told) <= kept, (told, kept)


def test_every_metric_is_on_the_board_and_in_the_document(
    exposed: dict[str, set[str]],
) -> None:
    text = OPERATIONS.read_text()
    shown = " ".join(query for query, _ in board_expressions())
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in exposed}

    assert {name for name in families if name not in shown} == set()
    assert {name for name in families if name not in text} == set()


def test_every_metric_of_the_document_is_exposed_with_its_labels(
    exposed: dict[str, set[str]],
) -> None:
    rows = re.findall(
        r"(?m)^\| `(stirmilter_[a-z0-9_]+)(?:\{([a-z0-9_,]*)\})?`",
        OPERATIONS.read_text(),
    )

    assert len(rows) > 20
    for name, labels in rows:
        found = exposed[name if name in exposed else f"{name}_count"]
        assert set(filter(None, labels.split(","))) == found, name


def test_panels_of_the_board_have_names_places_and_numbers_of_their_own() -> None:
    panels = board()["panels"]

    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
    assert len({p["id"] for p in panels}) == len(panels)
    assert len({p["title"] for p in panels}) == len(panels)
    assert len(set(places)) == len(panels)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in panels)


@needed
def test_prometheus_finds_nothing_wrong_with_what_is_exposed(metrics: Metrics) -> None:
    assert promtool("check", "metrics", given=exercised(metrics)) == ""


@needed
def test_prometheus_can_read_every_query_of_the_board(tmp_path: Path) -> None:
    """As rules, since this is what promtool checks."""
    rules = [
        {"record": f"board:{number}", "expr": expression(query)}
        for number, (query, _) in enumerate(board_expressions())
    ]
    path = tmp_path / "board.yml"
    path.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))

    assert f"SUCCESS: {len(rules)} rules" in promtool("check", "rules", path)


def expression(query: str) -> str:
    """A query as Grafana sends it."""
    return query.replace("$__rate_interval", "5m").replace("$instance", ".*")

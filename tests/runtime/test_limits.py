"""Limits of the configuration reach what they limit."""

import re

import pytest

from stirmilter import exporter, runtime
from stirmilter.errors import ConfigError
from stirmilter.exporter import ScrapeLimits
from stirmilter.mail.policy.rules import VALUES
from stirmilter.mail.survival import PartLimits
from stirmilter.runtime import actions
from stirmilter.stores.replay import MemoryReplayStore
from tests.runtime.configurations import Change, Configured


@pytest.mark.parametrize("table", ["rule", "shadow_rule"])
def test_how_finely_rules_are_cut_up_is_a_setting(
    configured: Configured, table: str
) -> None:
    words = {"a": ["none"], "b": sorted(VALUES["dkim"] - {"none"}), "c": None}
    rules = [
        {"name": name, "action": "tag"} | ({"dkim": dkim} if dkim else {})
        for name, dkim in words.items()
    ]

    actions.policy(configured({table: rules, "policy.rule_pieces": 0}))
    with pytest.raises(ConfigError, match=r"\(c\): never applies"):
        actions.policy(configured({table: rules}))


def test_settings_reach_what_takes_a_multipart_apart(configured: Configured) -> None:
    change: Change = {
        "limits": {"parts": 3, "part_header_octets": 400, "boundaries": 5}
    }

    made = runtime.build(configured(change), MemoryReplayStore()).filter

    assert made.policy.survival.parts == PartLimits(
        parts=3, header_octets=400, boundaries=5
    )


def test_settings_reach_what_answers_scrapes(configured: Configured) -> None:
    change: Change = {
        "metrics": {"request_seconds": 1.5, "request_octets": 65, "connections": 3}
    }
    made = runtime.build(configured(change), MemoryReplayStore())

    assert exporter._limits(made) == ScrapeLimits(seconds=1.5, octets=65, connections=3)


@pytest.mark.parametrize(
    ("setting", "least"),
    [
        ("checks.key_records", 1),
        ("checks.dmarc_record_octets", 1),
        ("checks.result_properties", 1),
        ("checks.result_comments", 1),
        ("checks.result_value", 16),
        ("dkim.names_octets", 256),
        ("journal.removed_fields", 0),
        ("journal.removed_characters", 16),
        ("policy.rule_pieces", 0),
        ("limits.address_words", 5),
        ("limits.parts", 1),
        ("limits.part_header_octets", 256),
        ("limits.boundaries", 1),
        ("fetch.interim", 0),
        ("metrics.series", 1),
        ("metrics.request_octets", 64),
        ("metrics.connections", 1),
        ("log.repeats", 1),
        ("log.trace_exceptions", 1),
        ("log.trace_frames", 1),
    ],
)
def test_a_limit_that_could_not_work_is_refused(
    configured: Configured, setting: str, least: int
) -> None:
    section, _, name = setting.partition(".")

    found = configured({setting: least})
    with pytest.raises(ConfigError) as refused:
        configured({setting: least - 1})

    assert getattr(getattr(found, section), name) == least
    [(where, problem)] = refused.value.faults
    assert where.endswith(f": {setting}")
    assert re.search(r"greater than (or equal to )?\d+", problem)

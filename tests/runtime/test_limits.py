"""Limits of the configuration reach what they limit."""

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

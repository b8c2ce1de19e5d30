"""Limits of the configuration reach what they limit."""

import pytest

from stirmilter.errors import ConfigError
from stirmilter.mail.policy.rules import VALUES
from stirmilter.runtime import actions
from tests.runtime.configurations import Configured


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

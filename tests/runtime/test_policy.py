"""From the operator's tables to values; every fault names the block that it is in."""

import re
from pathlib import Path
from typing import Any

import pytest

from stirmilter.adapters.submission import Submitter
from stirmilter.errors import ConfigError
from stirmilter.runtime import actions
from tests.laboratory import ALICE
from tests.runtime.configurations import NETWORK, Configured, block


def test_a_rule_becomes_what_it_says(configured: Configured) -> None:
    config = configured(
        {
            "peer": block(networks=[NETWORK]),
            "rule": [
                {
                    "name": "r",
                    "verdict": ["failed"],
                    "peer": ["x", "unknown"],
                    "message_type": ["MM4_Forward.REQ", "plain"],
                    "number": ["+1202555*"],
                    "action": "reject",
                    "code": "554",
                }
            ],
        }
    )

    [rule] = actions.policy(config).rules

    assert rule.when.verdict == {"failed"}
    assert rule.when.peer == {"x", "unknown"}
    assert rule.when.message_type == {"mm4_forward.req", "plain"}
    assert rule.when.number is not None
    assert ALICE in rule.when.number
    assert rule.when.dkim == frozenset()
    assert rule.measure.code == "554"


def test_no_number_stands_alone_or_beside_numbers(
    configured: Configured, tmp_path: Path
) -> None:
    (tmp_path / "empty.txt").write_text("# nobody yet\n")
    tables = [[f"@{tmp_path}/empty.txt"], ["none"], ["+12*"], ["+1*", "none"]]
    config = configured(
        {
            "rule": [
                {"name": f"r{i}", "number": numbers, "action": "reject"}
                for i, numbers in enumerate(tables)
            ]
        }
    )

    found = [rule.when for rule in actions.policy(config).rules]

    assert [one.numberless for one in found] == [False, True, False, True]
    assert [ALICE in (one.number or ()) for one in found] == [False, False, True, True]
    assert all(one.asks_number for one in found)


def test_tags_have_the_field_of_their_rule_or_that_of_all(
    configured: Configured,
) -> None:
    config = configured(
        {
            "policy": {"header": "X-All"},
            "rule": [
                {"name": "a", "stir": ["fail"], "action": "tag", "header": "X-Own"},
                {"name": "b", "stir": ["none"], "action": "tag", "value": "b"},
                {"name": "c", "action": "tag"},
            ],
        }
    )

    policy = actions.policy(config)

    tags = [rule.measure.tag for rule in policy.rules]
    assert [tag and (tag.name, tag.value) for tag in tags] == [
        ("X-Own", "{verdict}; reason={reason}; rule={rule}"),
        ("X-All", "b"),
        None,
    ]
    assert policy.header_names == {"X-All", "X-Own"}


def test_the_shipped_configuration_does_nothing(configured: Configured) -> None:
    policy = actions.policy(configured())

    assert (policy.rules, policy.shadow, policy.peers) == ((), (), ())
    failures = policy.failures
    assert (failures.internal, failures.dns, failures.fetch, failures.store) == (
        "tempfail",
        "accept",
        "accept",
        "accept",
    )


@pytest.mark.parametrize("table", ["rule", "shadow_rule"])
@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        pytest.param(
            [("a", {}), ("b", {"stir": ["fail"]})],
            r"\.1 \(b\): never applies: the rules above it leave no message to it",
            id="unreachable",
        ),
        pytest.param(
            [("a", {"stir": ["fail"], "reason": ["verified"]})],
            r"\.0 \(a\): never applies: its conditions exclude each other",
            id="contradictory",
        ),
        pytest.param(
            [("a", {"stir": ["softfail"]})],
            r"\.0 \(a\): stir: 'softfail' is none of fail, neutral",
            id="unknown-word",
        ),
        pytest.param(
            [("a", {"peer": ["nobody"]})],
            r"\.0 \(a\): peer: 'nobody' is no \[\[peer\]\]",
            id="unknown-peer",
        ),
        pytest.param(
            [("a", {"message_type": ["MM4_forward"]})],
            r"\.0 \(a\): message_type: 'mm4_forward' is none of",
            id="unknown-type",
        ),
        pytest.param(
            [("a", {"number": ["1202"]})],
            r"\.0 \(a\)\.number: '1202': expected a number",
            id="no-number",
        ),
        pytest.param(
            [("a", {"enhanced": "5.7.99"})],
            r"\.0 \(a\): enhanced: expected a registered code",
            id="code-of-nobody",
        ),
        pytest.param(
            [("a", {"text": "x\ny"})],
            r"\.0 \(a\): text: expected printable ASCII",
            id="line-end-in-text",
        ),
        pytest.param(
            [("a", {"action": "tag", "value": "{from}"})],
            r"\.0 \(a\)\.value: expected no braces but those of",
            id="unknown-placeholder",
        ),
        pytest.param(
            [("a", {"stir": []})],
            r"\.0 \(a\)\.stir: expected at least one",
            id="a-condition-without-values",
        ),
        pytest.param(
            [("a", {"action": "tag", "header": "X-Mms-Priority"})],
            r"\.0 \(a\)\.header: expected a name that is not taken",
            id="header-of-mm4",
        ),
        pytest.param(
            [("a", {"action": "tag", "header": "From"})],
            r"\.0 \(a\)\.header: expected a name that is not taken",
            id="header-of-mail",
        ),
        pytest.param(
            [("a", {"action": "bounce"})], r"\.0 \(a\)\.action: ", id="unknown-action"
        ),
        pytest.param(
            [("a", {"stir": ["fail"]}), ("a", {"stir": ["none"]})],
            r": expected names that differ",
            id="one-name-twice",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused_and_the_rule_named(
    configured: Configured,
    table: str,
    rules: list[tuple[str, dict[str, Any]]],
    problem: str,
) -> None:
    blocks = [{"name": name, "action": "reject", **rest} for name, rest in rules]

    with pytest.raises(ConfigError, match=rf"{table}{problem}"):
        actions.policy(configured({table: blocks}))


def test_all_rules_that_never_apply_are_named_at_once(configured: Configured) -> None:
    blocks = [{"name": name, "action": "accept"} for name in "abc"]

    with pytest.raises(ConfigError) as caught:
        actions.policy(configured({"rule": blocks}))

    places = [where.rpartition(": ")[2] for where, _ in caught.value.faults]
    assert places == ["rule.1 (b)", "rule.2 (c)"]


def test_a_tag_cannot_take_the_field_of_tokens(configured: Configured) -> None:
    with pytest.raises(ConfigError, match="PASSporT: carries PASSporTs"):
        actions.policy(configured({"policy": {"header": "PASSporT"}}))


def test_answers_go_where_they_are_told(configured: Configured) -> None:
    config = configured({"mm4": {"reply": True, "relay": "[::1]:2525"}})

    made = actions.mm4_answers(config)
    submitter = actions.submitter(config, print)

    assert made is not None
    assert (made.system, made.strangers) == ("system-user@mx.example", False)
    assert isinstance(submitter, Submitter)
    assert (submitter._relay.host, submitter._relay.port) == ("::1", 2525)
    assert submitter._relay.name == "mx.example"


def test_without_the_setting_nobody_is_answered(configured: Configured) -> None:
    assert actions.mm4_answers(configured()) is None
    assert actions.submitter(configured(), print) is None


@pytest.mark.parametrize(
    ("setting", "given", "problem"),
    [
        ("relay", "relay.example", "expected host:port"),
        ("relay", "relay.example:0", "expected host:port"),
        ("relay", ":25", "expected host:port"),
        ("system", "mms", "expected user@host"),
        ("system", "a@b.example\r\nX: y", "expected user@host"),
        ("system", "+12025550123@b.example", "expected user@host"),
    ],
)
def test_a_relay_or_an_address_that_is_none_is_refused(
    configured: Configured, setting: str, given: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(problem)):
        configured({"mm4": {setting: given}})


def test_an_address_of_ours_that_cannot_be_made_up_is_asked_for(
    configured: Configured,
) -> None:
    change = {"milter.authserv_id": "localhost", "mm4": {"reply": True}}

    with pytest.raises(ConfigError, match=r"mm4\.system: missing"):
        actions.mm4_answers(configured(change))

"""From the operator's tables to peers: who they are, what is believed of them."""

from datetime import date, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from stirmilter import findings, runtime
from stirmilter.errors import ConfigError
from stirmilter.mail.policy.ladders import Step
from stirmilter.runtime import actions, stores
from stirmilter.stores.replay import MemoryReplayStore
from tests.laboratory import NOW
from tests.runtime.configurations import NETWORK, Configured, block


def test_a_peer_becomes_what_it_says(configured: Configured) -> None:
    config = configured(
        {
            "peer": block(
                networks=[NETWORK],
                tls_names=["MMSC.two.example"],
                dkim={"1234": ["two.example"]},
                must_sign=["MM4_forward.REQ"],
                ladder=[
                    {"from": date(2026, 9, 1), "action": "none"},
                    {"from": date(2026, 12, 1), "action": "reject"},
                ],
            )
        }
    )

    [peer] = actions.policy(config).peers

    assert peer.networks == (ip_network(NETWORK),)
    assert peer.tls_names == {"mmsc.two.example"}
    assert peer.dkim == {"1234": {"two.example"}}
    assert peer.ladder.must_sign == {"mm4_forward.req"}
    assert peer.ladder.steps == (
        Step(date(2026, 9, 1), "none"),
        Step(date(2026, 12, 1), "reject"),
    )


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        pytest.param({}, "missing: networks, tls_names", id="no-criterion"),
        pytest.param(
            {"name": "unknown", "helo": ["a.example"]}, "unknown stands for", id="name"
        ),
        pytest.param(
            {"networks": [NETWORK], "trust": ["eu"]},
            r"x\)\.trust: 'eu' is no \[\[trust\]\]",
            id="unknown-trust",
        ),
        pytest.param(
            {"spcs": ["1234"], "freshness": 60},
            r"x\)\.spcs: who is known by its certificate has no trust",
            id="limits-after-the-fact",
        ),
        pytest.param(
            {"networks": [NETWORK], "must_sign": ["MM4_forward"], "ladder": []},
            r"must_sign: 'mm4_forward' is none of",
            id="unknown-type",
        ),
        pytest.param(
            {"networks": [NETWORK], "must_sign": ["plain"]},
            "nothing comes of it without a ladder",
            id="no-ladder",
        ),
        pytest.param(
            {
                "networks": [NETWORK],
                "ladder": [
                    {"from": date(2026, 9, 1), "action": "tag"},
                    {"from": date(2026, 9, 1), "action": "reject"},
                ],
            },
            r"x\)\.ladder: 2026-09-01 does not follow 2026-09-01",
            id="dates-do-not-ascend",
        ),
        pytest.param(
            {
                "networks": [NETWORK],
                "ladder": [
                    {"from": date(2026, 9, 1), "action": "reject"},
                    {"from": date(2026, 10, 1), "action": "tag"},
                ],
            },
            "tag is weaker than reject",
            id="leads-down",
        ),
        pytest.param(
            {"networks": [NETWORK], "ladder": [{"from": 20260901, "action": "tag"}]},
            "expected a date such as 2026-09-01",
            id="no-date",
        ),
        pytest.param(
            {"networks": [NETWORK], "dkim": {"1234": []}}, "dkim.1234", id="no-domain"
        ),
    ],
)
def test_a_peer_that_is_wrong_is_refused_and_named(
    configured: Configured, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        actions.policy(configured({"peer": block(**settings)}))


def trust(configured: Configured, **peer: Any) -> Any:  # noqa: ANN401 - TOML
    anchors = configured().verify.anchors
    [root] = [str(path) for path in anchors]
    return configured(
        {
            "verify.anchors": [],
            "trust": [
                {"name": "all", "anchors": [root]},
                {"name": "private", "anchors": [root], "peers_only": True},
            ],
            "peer": block(networks=[NETWORK], **peer),
        }
    )


def test_anchors_for_peers_alone_vouch_for_nobody_else(configured: Configured) -> None:
    built = runtime.build(trust(configured, trust=["private"]), MemoryReplayStore())

    def names(service: Any) -> list[str]:  # noqa: ANN401
        return [one.name for one in service.credentials.trust]

    assert names(built.filter.verification) == ["all"]
    assert names(built.filter.peers["x"]) == ["private"]


def test_replay_keys_are_kept_for_the_peer_that_may_be_slowest(
    configured: Configured,
) -> None:
    assert stores.retention(configured()) == timedelta(seconds=86_461)
    slow = trust(configured, freshness=100_000.0, skew=5.0)
    assert stores.retention(slow) == timedelta(seconds=100_061)


def test_limits_of_a_peer_are_its_own(configured: Configured) -> None:
    config = trust(configured, freshness=60.0, skew=0.0, strict=True)

    built = runtime.build(config, MemoryReplayStore())

    theirs = built.filter.peers["x"].policy
    assert (theirs.freshness, theirs.skew) == (timedelta(minutes=1), timedelta(0))
    assert theirs.forms == ("exact",)
    assert theirs.protected
    assert built.filter.verification.policy.freshness == timedelta(days=1)
    shared = built.filter.verification.replays.store
    assert built.filter.peers["x"].replays.store is shared
    assert [one.name for one in built.filter.peers["x"].credentials.trust] == ["all"]


def test_a_peer_without_anchors_or_limits_is_judged_as_all_are(
    configured: Configured,
) -> None:
    built = runtime.build(trust(configured), MemoryReplayStore())

    assert built.filter.peers == {}


def test_new_signers_leave_the_policy_as_it_is(configured: Configured) -> None:
    built = runtime.build(trust(configured, freshness=60.0), MemoryReplayStore())

    changed = built.using([], [])

    assert changed.filter.peers is built.filter.peers
    assert changed.filter.policy is built.filter.policy
    assert changed.signers == ()


def test_with_anchors_for_peers_alone_nobody_else_is_believed(
    configured: Configured,
) -> None:
    config = trust(configured)
    only = config.model_copy(update={"trust": config.trust[1:]})

    built = runtime.build(only, MemoryReplayStore())

    [empty] = built.filter.verification.credentials.trust
    assert empty.anchors.certificates == ()


def test_a_peer_that_anybody_can_claim_to_be_is_a_warning(
    configured: Configured,
) -> None:
    config = configured({"peer": block(helo=["a.example"])})

    built = runtime.build(config, MemoryReplayStore())

    assert ("warning", "peer x") in [
        (one.level, one.subject) for one in findings.findings(built, NOW)
    ]

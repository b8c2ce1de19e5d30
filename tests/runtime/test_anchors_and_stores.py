"""Trust anchors from several files, and the stores of the configuration."""

import sys
from pathlib import Path
from types import NoneType

import pytest

from stirmilter import runtime
from stirmilter.errors import ConfigError
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.stores.replay.redis import RedisReplayStore
from stirmilter.stores.tiers import RedisTier, SqliteTier
from stirmilter.testca import TestCA
from tests.runtime.configurations import Configured


@pytest.mark.conformance("C-16")
def test_anchors_of_several_files_are_all_trusted(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    untrusted = ca.folder / "untrusted-root.pem"
    both = tmp_path / "both.pem"
    both.write_bytes(ca.anchors.read_bytes() + untrusted.read_bytes())

    built = runtime.build(configured({"verify.anchors": [str(both), str(untrusted)]}))

    assert len(built.anchors.certificates) == 3


@pytest.mark.parametrize(
    ("store", "kind"),
    [
        pytest.param("memory:", MemoryReplayStore, id="memory"),
        pytest.param("sqlite:replay.sqlite", SqliteReplayStore, id="sqlite"),
        pytest.param("redis://127.0.0.1:1/0", RedisReplayStore, id="redis"),
        pytest.param("unix:///nowhere/redis.sock", RedisReplayStore, id="socket"),
    ],
)
def test_the_replay_store_is_the_configured_one(
    configured: Configured, tmp_path: Path, store: str, kind: type
) -> None:
    built = runtime.build(configured({"replay.store": store}))

    assert type(built.filter.verification.replays.store) is kind
    assert (tmp_path / "replay.sqlite").exists() is (kind is SqliteReplayStore)


def test_another_replay_store_may_be_given(
    configured: Configured, tmp_path: Path
) -> None:
    mine = MemoryReplayStore()

    built = runtime.build(configured({"replay.store": "sqlite:r.sqlite"}), mine)

    assert built.filter.verification.replays.store is mine
    assert not (tmp_path / "r.sqlite").exists()


@pytest.mark.parametrize(
    ("store", "kind"),
    [
        pytest.param("memory:", NoneType, id="memory"),
        pytest.param("sqlite:none/c.sqlite", SqliteTier, id="sqlite"),
        pytest.param("redis://:secret@192.0.2.1/1", RedisTier, id="redis"),
        pytest.param("rediss://192.0.2.1", RedisTier, id="redis-over-tls"),
        pytest.param("unix:///run/redis.sock", RedisTier, id="redis-on-a-socket"),
    ],
)
def test_certificates_are_shared_as_configured(
    configured: Configured, store: str, kind: type
) -> None:
    """That it cannot be used yet is no reason not to start."""
    built = runtime.build(configured({"fetch.store": store}))

    assert type(built.certificates._documents._tier) is kind


def test_a_redis_that_cannot_be_named_is_refused(configured: Configured) -> None:
    with pytest.raises(
        ConfigError, match=r"fetch\.store: certificate store: redis://"
    ) as e:
        runtime.build(configured({"fetch.store": "redis://:secret@host:port"}))

    assert "secret" not in str(e.value)


def test_redis_wants_its_library(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "stirmilter.stores.redis")
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ConfigError, match=r"fetch\.store: needs redis-py: pip install"):
        runtime.build(configured({"fetch.store": "redis://192.0.2.1"}))


def test_whoever_judges_by_hand_shares_nothing(configured: Configured) -> None:
    """The file of the daemon must not come to belong to another user."""
    change = {"fetch.store": "sqlite:c.sqlite"}

    built = runtime.build(configured(change), MemoryReplayStore())

    assert built.certificates._documents._tier is None


def test_a_least_time_above_the_greatest_is_refused(configured: Configured) -> None:
    with pytest.raises(ConfigError, match=r"fetch\.floor_seconds: expected at most"):
        runtime.build(configured({"fetch.floor_seconds": 604_801}))

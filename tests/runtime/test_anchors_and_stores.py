"""Trust anchors from several files, and the replay store of the configuration."""

from pathlib import Path

import pytest

from stirmilter import runtime
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
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
    ],
)
def test_the_replay_store_is_the_configured_one(
    configured: Configured, tmp_path: Path, store: str, kind: type
) -> None:
    built = runtime.build(configured({"replay.store": store}))

    assert type(built.filter.verification.replays) is kind
    assert (tmp_path / "replay.sqlite").exists() is (kind is SqliteReplayStore)


def test_another_replay_store_may_be_given(
    configured: Configured, tmp_path: Path
) -> None:
    mine = MemoryReplayStore()

    built = runtime.build(configured({"replay.store": "sqlite:r.sqlite"}), mine)

    assert built.filter.verification.replays is mine
    assert not (tmp_path / "r.sqlite").exists()

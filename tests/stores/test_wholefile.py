"""Files that are written whole: in which order, and as what."""

import os
import stat
from pathlib import Path

import pytest

from stirmilter.stores import wholefile


def test_a_file_is_on_the_disk_before_its_name_is_and_then_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a crash may leave an empty file, or the old one after all."""
    path = tmp_path / "one"
    path.write_bytes(b"old")
    synced: list[tuple[str, bytes]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if folder else "file", path.read_bytes()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    wholefile.replace(path, b"new")

    assert synced == [("file", b"old"), ("folder", b"new")]


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o640), (0o644, 0o644)])
def test_a_mode_is_what_was_asked_for_or_that_of_any_file(
    tmp_path: Path, mode: int | None, expected: int
) -> None:
    path = tmp_path / "one"
    before = os.umask(0o027)
    try:
        wholefile.replace(path, b"new", mode)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == expected

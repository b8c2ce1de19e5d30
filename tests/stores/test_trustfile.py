"""A file of anchors and what is remembered about it: whole, or not there."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.stores import trustfile
from stirmilter.stores.trustfile import Import

RECORD = Import(
    source="https://sti-pa.example/list",
    sha256="ab",
    time="2026-01-02T12:00:00+00:00",
    sequence=7,
    expires="2026-02-02T12:00:00+00:00",
)


def test_what_was_saved_is_there(tmp_path: Path) -> None:
    path = tmp_path / "us.pem"

    trustfile.save(path, b"anchors", RECORD)

    assert path.read_bytes() == b"anchors"
    assert trustfile.load(path) == RECORD
    assert RECORD.end == datetime(2026, 2, 2, 12, tzinfo=UTC)
    modes = [stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()]
    assert modes == [0o644, 0o644]


def test_nothing_is_remembered_about_another_file(tmp_path: Path) -> None:
    assert trustfile.load(tmp_path / "us.pem") is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"source": 1}', '{"source":"","sha256":"","time":"yesterday"}'],
)
def test_a_record_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "us.pem"
    trustfile.beside(path).write_text(text)

    with pytest.raises(StoreError, match="not what an import writes"):
        trustfile.load(path)


def test_a_crash_in_between_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "us.pem"
    trustfile.save(path, b"old", RECORD)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        trustfile.save(path, b"new", RECORD)

    assert path.read_bytes() == b"old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["us.pem", "us.pem.json"]


def test_each_file_is_on_the_disk_before_its_name_and_its_name_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename(2) that is not written with its folder may be undone by a power cut."""
    path = tmp_path / "us.pem"
    synced: list[tuple[bool, list[str]]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        names = [one.name for one in tmp_path.iterdir() if one.name[0] != "."]
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), sorted(names)))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    trustfile.save(path, b"anchors", RECORD)

    assert synced == [
        (False, []),
        (True, ["us.pem.json"]),
        (False, ["us.pem.json"]),
        (True, ["us.pem", "us.pem.json"]),
    ]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        trustfile.save(tmp_path / "none" / "us.pem", b"", RECORD)

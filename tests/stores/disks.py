"""A small file system of its own, that a test may fill or make read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

OCTETS = 1 << 20


class Disk:
    """What is mounted at a folder, in memory, of a few pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no octet free."""
        with self._filler.open("wb", buffering=0) as file:
            for size in (4_096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
        assert os.statvfs(self.folder).f_bavail == 0

    def clear(self) -> None:
        """End `fill`."""
        self._filler.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Take no writes, as after a fault; no file may be open for any."""
        self._remount("ro")
        yield
        self._remount("rw")

    def _remount(self, how: str) -> None:
        command = ["mount", "-o", f"remount,{how}", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """Mount one at a folder; skips the test where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={OCTETS}", "tmpfs", str(folder)]
    folder.mkdir()
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"nothing can be mounted here: {error.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)

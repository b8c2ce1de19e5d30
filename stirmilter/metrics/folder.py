"""The files that the processes of a daemon count in, and what is left of ended ones."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

_PREFIX: Final = "stirmilter-"  # of a daemon's folder; its process id follows
_DEAD: Final = 0  # stands for all processes that ended, in the names of their files


class Folder:
    """The folder of this daemon."""

    def __init__(self, parent: Path) -> None:
        """Make it, and remove those of daemons that are gone.

        Raises:
            OSError: it cannot be made or written to.
        """
        parent.mkdir(exist_ok=True)
        self.path = parent / f"{_PREFIX}{os.getpid()}"
        for left in parent.glob(f"{_PREFIX}*"):
            if left == self.path or not _is_alive(left.name.removeprefix(_PREFIX)):
                shutil.rmtree(left, ignore_errors=True)
        self.path.mkdir(exist_ok=True)
        self._ended: set[int] = set()

    def files(self) -> list[str]:
        """Name those that can be read: one that is just being made is empty."""
        found = ((path, _octets(path)) for path in self.path.glob("*.db"))
        return [str(path) for path, octets in found if octets]

    def ended(self, pid: int) -> None:
        """Keep what an ended process counted, and none of its files.

        Waits for nobody: while somebody reads, it is left for the next time.
        """
        self._ended.add(pid)
        with suppress(OSError), self.locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for gone in list(self._ended):
                self._fold(gone)
                self._ended.discard(gone)

    @contextmanager
    def locked(self, how: int = fcntl.LOCK_SH) -> Iterator[None]:
        """Keep a reader from seeing what is moved twice, or not at all."""
        descriptor = os.open(self.path, os.O_RDONLY)  # its own: forks share others
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove it all."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _fold(self, pid: int) -> None:
        """Add the counters of one process to those of all that ended."""
        from prometheus_client import mmap_dict  # noqa: PLC0415 - see `metrics`

        library: Any = mmap_dict
        for kind in ("counter", "histogram"):
            source = self.path / f"{kind}_{pid}.db"
            if not source.exists():
                continue
            kept = library.MmapedDict(str(self.path / f"{kind}_{_DEAD}.db"))
            with suppress(Exception):  # killed while it made the file
                for key, value, *_ in library.MmapedDict.read_all_values_from_file(
                    source
                ):
                    kept.write_value(key, kept.read_value(key)[0] + value, 0.0)
            kept.close()
        for left in self.path.glob(f"*_{pid}.db"):
            left.unlink()


def _octets(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, OSError):
        return True  # not ours to remove
    return True

"""Writing a small file anew, all of it or nothing."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace(path: Path, octets: bytes, mode: int | None = None) -> None:
    """Put a file in the place of another (rename(2)), and on the disk before that.

    Whoever reads meanwhile reads the one or the other. What could not be written is
    not left behind.

    Args:
        path: of the file; its folder is there.
        octets: what is to stand in it.
        mode: its permissions; None are those of any new file of this process.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with new.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

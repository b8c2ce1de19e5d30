"""Test data of other people's packages that only their source archives hold.

    python -m tests.oracles

downloads the archives into build/oracles, by the hashes of requirements/dev.lock, once.
Nothing of them is copied into this project. A test reads them by `read`, and is skipped
with the command to run where they are absent.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "build" / "oracles"
LOCK: Final = ROOT / "requirements" / "dev.lock"
PACKAGES: Final = ("pyspf",)
"""Each is locked as a source archive."""


def read(package: str, path: str) -> bytes:
    """Return a file of an archive, by its path below the archive's only folder."""
    archives = sorted(FOLDER.glob(f"{package}-*.tar.gz"))
    if not archives:
        pytest.skip(f"no {package} in {FOLDER}: python -m tests.oracles")
    with tarfile.open(archives[-1]) as archive:
        folder = archive.getnames()[0].partition("/")[0]
        file = archive.extractfile(f"{folder}/{path}")
        assert file is not None
        return file.read()


def locked(package: str) -> str:
    """Return the requirement of the lock, with its hashes."""
    lines = LOCK.read_text(encoding="utf-8")
    match = re.search(rf"^{package}==(?:.*\\\n)*.*", lines, re.MULTILINE)
    assert match is not None, f"{package} is not in {LOCK}"
    return match[0]


def main() -> None:
    """Download what is absent. No build in isolation: its tools would be unhashed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    missing = [one for one in PACKAGES if not any(FOLDER.glob(f"{one}-*.tar.gz"))]
    if not missing:
        return
    wanted = FOLDER / "wanted.txt"
    wanted.write_text("\n".join(map(locked, missing)), encoding="utf-8")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet"),
            *("--no-deps", "--no-binary", ":all:", "--no-build-isolation"),
            *("--require-hashes", "-r", wanted, "-d", FOLDER),
        ],
        check=True,
    )


if __name__ == "__main__":
    main()

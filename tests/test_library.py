"""The public API: complete, lazy, typed, and used as docs/library.md shows."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

import stirmilter
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "library.md"


def example() -> str:
    """Everything that the page shows, as one program."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return "\n".join(blocks)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the page names."""
    # The example reads the clock, so its certificates must be of today.

    now = datetime.now(UTC)
    ca = TestCA.create(tmp_path / "ca", now)
    made = ca.signer("carrier", TNAuthList.build(ranges=[("12025550000", 1000)]), now)
    (tmp_path / "carrier.key").write_bytes(made.key.read_bytes())
    (tmp_path / "carrier.pem").write_bytes(made.chain.read_bytes())
    (tmp_path / "anchors.pem").write_bytes(ca.anchors.read_bytes())
    return tmp_path


def test_the_example_of_the_page_runs(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.returncode == 0
    assert re.fullmatch(r"eyJ\S+;alg=ES256;ppt=msg\n", done.stdout)


def test_the_example_is_typed(tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(example())

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", program],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.startswith("Success"), done.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (files("stirmilter") / "py.typed").is_file()


def test_every_public_name_is_there() -> None:
    for name in stirmilter.__all__:
        found = getattr(stirmilter, name)
        assert found.__module__.startswith("stirmilter."), name
    assert set(stirmilter.__all__) <= set(dir(stirmilter))


def test_public_names_are_sorted_and_have_one_home_each() -> None:
    homes = [name for names in stirmilter._HOMES.values() for name in names]

    assert stirmilter.__all__ == sorted(stirmilter.__all__)
    assert sorted(homes) == stirmilter.__all__


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Milter'"):
        _ = stirmilter.Milter


def test_the_package_alone_loads_no_cryptography() -> None:
    program = "import stirmilter, sys; print('cryptography' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"

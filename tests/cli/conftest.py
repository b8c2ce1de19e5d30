"""A test CA, and configurations for its signers, as the commands are given them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stirmilter.testca import TestCA
from tests.cli.administrators import Administrator, Import
from tests.cli.commands import CONFIGURATION, Configure, stirmilter


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cli")
    status, _, _ = stirmilter("testca", "create", made / "ca")
    assert status == 0
    return made


@pytest.fixture(scope="module")
def configure(folder: Path) -> Iterator[Configure]:
    """Write a configuration for a signer of the test CA, whose chains are served."""
    with ExitStack() as stack:
        base = stack.enter_context(TestCA(folder / "ca").publish())

        def write(
            name: str = "one", numbers: str = "+12025550123", more: str = ""
        ) -> Path:
            path = folder / f"{name}.toml"
            path.write_text(
                CONFIGURATION.format(name=name, numbers=numbers, base=base) + more
            )
            return path

        yield write


@pytest.fixture(scope="session")
def administrator(tmp_path_factory: pytest.TempPathFactory) -> Administrator:
    return Administrator(tmp_path_factory.mktemp("sti-pa"))


@pytest.fixture
def importing(tmp_path: Path, administrator: Administrator) -> Import:
    return Import(tmp_path, administrator)

"""What all tests of the services share: one world, made once."""

from pathlib import Path

import pytest

from stirmilter.testca import TestCA
from tests.services.revoked import Lab
from tests.services.world import World


@pytest.fixture(scope="session")
def world(ca: TestCA, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(ca, tmp_path_factory.mktemp("chains"))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Set up a verification service that looks at revocation lists."""
    return Lab(tmp_path)

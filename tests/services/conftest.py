"""What all tests of the services share: one world, made once."""

import pytest

from stirmilter.testca import TestCA
from tests.services.world import World


@pytest.fixture(scope="session")
def world(ca: TestCA, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(ca, tmp_path_factory.mktemp("chains"))

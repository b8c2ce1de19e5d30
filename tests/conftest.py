"""Fixtures of all tests; the helpers behind them stand in `laboratory`."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests.conformance.rows import check_markers
from tests.laboratory import ALICE, NOW
from tests.redis_server import RedisServerProcess, servers

# A slow machine is no failure; what must not be slow is counted, or benchmarked.
settings.register_profile("untimed", deadline=None)
# For `make mutants`: the same examples each time, and none is made smaller.
settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("untimed")

if os.environ.get("STIRMILTER_TRANSPORT"):  # of the daemons that tests start
    before = os.environ.get("PYTHONPATH", "")
    chosen = [str(Path(__file__).parent / "transport"), *before.split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, chosen))

VECTORS = Path(__file__).parents[2] / "shared" / "vectors"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that names a row of the conformance page that there is not."""
    check_markers(items)


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> TestCA:
    """A test CA with signers: one, range, spc, other, expired, untrusted."""
    made = TestCA.create(tmp_path_factory.mktemp("testca"), NOW)
    alice = TNAuthList.build(numbers=[ALICE])
    made.signer("one", alice, NOW)
    made.signer("range", TNAuthList.build(ranges=[("12025550100", 100)]), NOW)
    made.signer("spc", TNAuthList.build(spcs=["1234"]), NOW)
    made.signer("other", TNAuthList.build(numbers=["19995550100"]), NOW)
    made.signer("expired", alice, NOW, valid=timedelta(days=-1))
    made.signer("untrusted", alice, NOW, trusted=False)
    return made


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of public test vectors that lies beside a checkout, if it does."""
    if not VECTORS.is_dir():
        pytest.skip("no folder shared/vectors beside the checkout")
    return VECTORS


@pytest.fixture
def own_redis() -> Iterator[Callable[..., RedisServerProcess]]:
    """Makes Redis servers that a test may kill."""
    with servers() as make:
        yield make

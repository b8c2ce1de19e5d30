"""Daemons that are measured run without the tracer of coverage."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def daemons_without_a_tracer() -> Iterator[None]:
    """Let the programs that are started here be those that operators run."""
    with pytest.MonkeyPatch.context() as patch:
        # By these coverage has programs that are started traced as well.
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        patch.delenv("COVERAGE_PROCESS_START", raising=False)
        yield

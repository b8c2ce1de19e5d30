"""What the tests of vectors share: the corpus, read once, and a world to judge in."""

from pathlib import Path

import pytest

from stirmilter.testca import TestCA
from tests.services.world import World
from tests.vectors.corpus import Corpus
from tests.vectors.taxonomy import Laboratory


@pytest.fixture(scope="session")
def corpus(vectors: Path) -> Corpus:
    return Corpus.read(vectors / "sti-corpus")


@pytest.fixture(scope="session")
def laboratory(ca: TestCA, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    return Laboratory(ca, World.create(ca, tmp_path_factory.mktemp("taxonomy")))

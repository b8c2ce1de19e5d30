"""Failure cases that suites of others have, and some that none has: each is run."""

import csv
from pathlib import Path

import pytest

from tests.vectors.proofs_of_content import CONTENT
from tests.vectors.proofs_of_tokens import TOKENS
from tests.vectors.taxonomy import Laboratory, Outside, Proof, split

ROWS = (*TOKENS, *CONTENT)
PROOFS = [proof for row in ROWS for proof in row.proofs]


def test_the_taxonomy_has_no_row_and_no_case_without_a_proof(vectors: Path) -> None:
    with (vectors / "negative-case-taxonomy.csv").open() as rows:
        expected = [(row["source"], split(row["case"])) for row in csv.DictReader(rows)]

    assert [(row.source, row.cases) for row in ROWS] == expected


@pytest.mark.parametrize("proof", [p for p in PROOFS if isinstance(p, Proof)], ids=str)
def test_each_case_gets_its_reason(laboratory: Laboratory, proof: Proof) -> None:
    assert proof.run(laboratory) == proof.expected


def test_only_what_is_of_calls_alone_is_not_run() -> None:
    outside = [proof.case for proof in PROOFS if isinstance(proof, Outside)]

    assert outside == ["fail-with-Reason header"]

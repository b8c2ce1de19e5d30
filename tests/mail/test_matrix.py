"""Every combination of results has the verdict that the product promises."""

import pytest

from tests.mail import matrix
from tests.mail.matrix import STIR


@pytest.mark.parametrize("stir", STIR)
@pytest.mark.conformance("E-10")
def test_every_cell_has_the_verdict_of_the_table(stir: str) -> None:
    wrong = [
        (cell, matrix.verdict_of(cell), matrix.expected(cell))
        for cell in matrix.cells()
        if cell.stir == stir and matrix.verdict_of(cell) != matrix.expected(cell)
    ]
    assert wrong == []


def test_the_table_shows_every_cell() -> None:
    """See it with ``pytest -s``."""
    lines = list(matrix.table())
    print(*lines, sep="\n")  # noqa: T201 - that is what it is for

    letters = "".join("".join(line.split()[3:]) for line in lines[3:])
    assert len(letters) == len(list(matrix.cells()))


def test_all_six_verdicts_occur() -> None:
    assert {matrix.expected(cell) for cell in matrix.cells()} == {
        "authenticated",
        "number-authenticated",
        "domain-authenticated",
        "unauthenticated",
        "failed",
        "undetermined",
    }

"""The verdict of every combination: ``python -m tests.mail.matrix``.

`RULES` is written by hand and without a look at the code: the first row that fits a
combination tells its verdict. `verdict_of` asks the code, by the way a message goes:
results, protection of the header, verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple, cast

from stirmilter.mail import protection, results, verdict
from stirmilter.mail.results import DkimSignature, DmarcResult, MailResults, SpfResult
from stirmilter.mail.transaction import Header
from stirmilter.stir.result import Word

RULES: Final = """
stir       dkim   dmarc  header     verdict
pass       pass   *      all        authenticated
pass       pass   *      no-to      authenticated
pass       *      *      *          number-authenticated
none       *      pass   *          domain-authenticated
none       *      *      *          unauthenticated
neutral    *      pass   *          domain-authenticated
neutral    *      *      *          unauthenticated
policy     *      pass   *          domain-authenticated
policy     *      *      *          unauthenticated
fail       *      *      *          failed
permerror  *      *      *          failed
temperror  *      *      *          undetermined
"""

STIR: Final = ("pass", "none", "neutral", "policy", "fail", "permerror", "temperror")
DKIM: Final = ("pass", "fail", "neutral", "none", "policy", "temperror", "permerror")
SPF: Final = (
    *("pass", "fail", "softfail", "neutral", "none", "policy"),
    *("temperror", "permerror"),
)
DMARC: Final = ("pass", "fail", "none", "temperror", "permerror")
HEADER: Final[dict[str, frozenset[str]]] = {
    "all": frozenset({"passport", "from", "to", "content-type"}),
    "no-to": frozenset({"passport", "from", "content-type"}),
    "no-type": frozenset({"passport", "from", "to"}),
    "no-from": frozenset({"passport", "to", "content-type"}),
    "no-token": frozenset({"from", "to", "content-type"}),
    "nothing": frozenset(),
}
"""What the DKIM signature covers."""

_FIELDS: Final = tuple(
    Header(name, b" x") for name in ("PASSporT", "From", "To", "Content-Type")
)


class Cell(NamedTuple):
    """One combination."""

    stir: str
    dkim: str
    spf: str
    dmarc: str
    header: str


def cells() -> Iterator[Cell]:
    return map(Cell._make, product(STIR, DKIM, SPF, DMARC, HEADER))


def expected(cell: Cell) -> str:
    """Look a combination up in `RULES`; SPF has no say of its own."""
    for line in RULES.strip().splitlines()[1:]:
        stir, dkim, dmarc, header, word = line.split()
        told = (cell.stir, cell.dkim, cell.dmarc, cell.header)
        if all(
            rule in ("*", found)
            for rule, found in zip((stir, dkim, dmarc, header), told, strict=True)
        ):
            return word
    raise LookupError(cell)


def verdict_of(cell: Cell) -> str:
    """Ask the code."""
    signature = DkimSignature(
        word=cast("results.Word", cell.dkim),
        domain="one.example",
        covers=HEADER[cell.header],
    )
    found = MailResults(
        spf=SpfResult(word=cast("results.Word", cell.spf)),
        dkim=() if cell.dkim == "none" else (signature,),
        dmarc=DmarcResult(word=cast("results.Word", cell.dmarc)),
    )
    protected = protection.protect(found, _FIELDS, ("PASSporT",))
    return verdict.combine(
        cast("Word", cell.stir),
        headers_covered=protected.covered,
        dmarc_pass=found.dmarc_pass,
    )


LETTERS: Final = {
    "authenticated": "A",
    "number-authenticated": "N",
    "domain-authenticated": "D",
    "unauthenticated": "-",
    "failed": "F",
    "undetermined": "?",
}


def table() -> Iterator[str]:
    """Write a line for STIR, DKIM and header, a column for DMARC, a letter for SPF."""
    yield ", ".join(f"{letter} {word}" for word, letter in LETTERS.items())
    yield f"the letters of a column are those of SPF: {', '.join(SPF)}"
    yield "".join(f"{head:11}" for head in ("stir", "dkim", "covered", *DMARC))
    for stir, dkim, header in product(STIR, DKIM, HEADER):
        yield f"{stir:11}{dkim:11}{header:11}" + "".join(
            f"{''.join(_letter(stir, dkim, spf, dmarc, header) for spf in SPF):11}"
            for dmarc in DMARC
        )


def _letter(*words: str) -> str:
    return LETTERS[verdict_of(Cell(*words))]


if __name__ == "__main__":
    print(*table(), sep="\n")  # noqa: T201 - that is what it is for

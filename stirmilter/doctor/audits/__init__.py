"""What in Postfix's configuration breaks the link to us, or a signature.

Each audit is pure: from the configurations of Postfix and of stirmilter to findings.
What Postfix does to a message and when was measured and read in its source; the table
in docs/operations.md, "Doctor", tells it to operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from stirmilter.config import Config
from stirmilter.doctor.audits import (
    arrival,
    delivery,
    filters,
    link,
    macros,
    order,
    spelling,
)
from stirmilter.doctor.milters import links
from stirmilter.doctor.postfix import Postfix
from stirmilter.findings import Finding

Audit = Callable[[Postfix, Config], Iterable[Finding]]

_AUDITS: Final[Sequence[tuple[str, str, Sequence[Audit]]]] = (
    ("milters", "Postfix asks us, once and in the right place", order.AUDITS),
    ("milter link", "a failure of ours lets nothing through", link.AUDITS),
    ("macros", "Postfix tells us whose mail it is", macros.AUDITS),
    ("filters", "every message that we are to see gets here", filters.AUDITS),
    ("arrival", "nothing is changed before we look", arrival.AUDITS),
    ("delivery", "nothing is changed after we signed", delivery.AUDITS),
    ("spelling", "no setting is misspelt", spelling.AUDITS),
)

_LINKED: Final = frozenset({"milter link", "macros", "filters"})
"""Parts of which nothing can be said while nobody asks us."""


def audit(postfix: Postfix, config: Config) -> list[Finding]:
    """Look at everything; a part in which nothing is wrong says so."""
    found: list[Finding] = []
    linked = any(link.asks_us for link in links(postfix, config))
    for name, praise, audits in _AUDITS:
        said = [finding for one in audits for finding in one(postfix, config)]
        # Several services that share one setting say the same.
        found += dict.fromkeys(said)
        if not said and (linked or name not in _LINKED):
            found.append(Finding("ok", f"postfix: {name}", praise))
    return found

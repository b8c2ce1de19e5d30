"""Whether a table of header_checks(5) or body_checks(5) changes what it looks at."""

from __future__ import annotations

import re
from typing import Final, Literal

from stirmilter.doctor.postfix import Postfix, Service

Verdict = Literal["no", "yes", "perhaps"]

# STRIP and IGNORE take lines out, REPLACE and PREPEND put others in.
_ACTION: Final = re.compile(
    r"^(?!\s*#).*\s(?:IGNORE|PREPEND|REPLACE|STRIP)\b", re.IGNORECASE | re.MULTILINE
)


def changes(postfix: Postfix, name: str, service: Service) -> Verdict:
    """Tell by the text of its tables, where that can be read, what a parameter does."""
    tables = postfix.words(name, service)
    if not tables:
        return "no"
    texts = [postfix.tables.get(table) for table in tables]
    if any(text is not None and _ACTION.search(text) for text in texts):
        return "yes"
    return "perhaps" if None in texts else "no"

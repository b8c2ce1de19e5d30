"""A line of the log, as text and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Line:
    """What is said, by whoever knows what is in it: clean, and one line."""

    event: str
    """What kind of line it is."""

    text: str
    fields: Mapping[str, object] = field(default_factory=dict)
    """For JSON; the text, where they say nothing."""

    key: str = ""
    """What it need not be said again with when that was just said; empty: always."""

    def again(self, held: int) -> Line:
        """Return the line that also says how often it was held back."""
        return replace(
            self,
            text=f"{self.text} ({held} more of these were not written)",
            fields={**(self.fields or {"text": self.text}), "suppressed": held},
        )

    def __str__(self) -> str:
        return self.text

"""What may be done to a message, and what is said with it (RFC 5321 §4.2, RFC 3463).

Only registered enhanced codes are ever written, and only text that cannot break a line:
what an operator sets is checked here, once, before the first message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Action = Literal["accept", "tag", "quarantine", "tempfail", "reject"]

ACTIONS: Final[tuple[Action, ...]] = (
    "accept",
    "tag",
    "quarantine",
    "tempfail",
    "reject",
)
"""From the mildest to the strongest."""

TEXT_LENGTH: Final = 400
"""Characters of a reply: a line may have 512 octets (RFC 5321 §4.5.3.1.5)."""

VALUE_LENGTH: Final = 200
"""Characters of a tag before its placeholders are filled: what they stand for must find
room in a line of 998 (RFC 5322 §2.1.1)."""

_SUBJECTS: Final = {
    "0": 0,
    "1": 10,
    "2": 4,
    "3": 6,
    "4": 7,
    "5": 6,
    "6": 10,
    "7": 30,
}
"""The registry of RFC 5248 as of 2026: greatest detail of each subject."""

_CODES: Final = {
    "tempfail": frozenset({"450", "451", "452"}),
    "reject": frozenset({"550", "552", "554"}),
}
"""What may answer the end of a message (RFC 5321 §4.3.2)."""

_ENHANCED: Final = re.compile(
    r"([45])\.([0-7])\.(0|[1-9][0-9]?)", re.ASCII
)  # RFC 3463 §2
_TEXT: Final = re.compile(r"[\x20-\x24\x26-\x7e]+")
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_BRACED: Final = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS: Final = ("verdict", "reason", "rule")


class Reply(NamedTuple):
    """An SMTP reply: ``550``, ``5.7.1`` and the text."""

    code: str
    enhanced: str
    text: str


class Field(NamedTuple):
    """A header field to add."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Tag:
    """The header field of ``tag``, before it is filled."""

    name: str = "X-Stirmilter"
    value: str = "{verdict}; reason={reason}; rule={rule}"

    def __post_init__(self) -> None:
        """Refuse a value that would break the header, or that nobody fills.

        Raises:
            ValueError: says what is wrong.
        """
        if len(self.value) > VALUE_LENGTH or _VALUE.fullmatch(self.value) is None:
            raise ValueError(f"expected printable ASCII, at most {VALUE_LENGTH}")
        unknown = set(_BRACED.findall(self.value)) - set(_PLACEHOLDERS)
        if unknown or re.search(r"[{}]", _BRACED.sub("", self.value)):
            known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
            raise ValueError(f"expected no braces but those of {known}")

    def fill(self, verdict: str, reason: str, rule: str) -> Field:
        """Write the field of a message; all three are words of our own."""
        words = {"verdict": verdict, "reason": reason, "rule": rule}
        return Field(self.name, _BRACED.sub(lambda m: words[m[1]], self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """An action with what the operator wants said; None is said by default."""

    action: Action
    code: str | None = None
    enhanced: str | None = None
    text: str | None = None
    tag: Tag | None = None
    """Header field; for ``tag`` and ``quarantine``."""

    def __post_init__(self) -> None:
        """Refuse a reply that no MTA should be given.

        Raises:
            ValueError: says what is wrong.
        """
        said = {"code": self.code, "enhanced": self.enhanced, "text": self.text}
        allowed = _CODES.get(self.action)
        given = [name for name, value in said.items() if value is not None]
        if allowed is None:
            if given:
                raise ValueError(f"{given[0]}: only with tempfail or reject")
            return
        if self.tag is not None:
            raise ValueError("header: only with tag or quarantine")
        if self.code is not None and self.code not in allowed:
            raise ValueError(f"code: expected one of {', '.join(sorted(allowed))}")
        if self.enhanced is not None:
            kind = "4" if self.action == "tempfail" else "5"
            if not is_registered(self.enhanced) or self.enhanced[0] != kind:
                raise ValueError(
                    f"enhanced: expected a registered code {kind}.x.x, RFC 5248"
                )
        if self.text is not None and not is_text(self.text):
            raise ValueError(
                f"text: expected printable ASCII without %, at most {TEXT_LENGTH}"
            )


def is_registered(enhanced: str) -> bool:
    """Tell whether an enhanced status code is in IANA's registry (RFC 5248)."""
    match = _ENHANCED.fullmatch(enhanced)
    return match is not None and int(match[3]) <= _SUBJECTS[match[2]]


def is_text(text: str) -> bool:
    """Tell whether a text may stand in a reply.

    No percent sign: libmilter refuses a single one, and MTAs do not agree on two.
    """
    return len(text) <= TEXT_LENGTH and _TEXT.fullmatch(text) is not None

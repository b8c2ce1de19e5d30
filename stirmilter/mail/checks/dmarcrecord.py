"""One DMARC Policy Record (RFC 9989 §4.7, §4.8).

What makes it a record is strict: ``v=DMARC1``, first, so spelled. All that follows is
lenient: an unknown tag, a value that the grammar does not know, a piece that is no tag
are as if they were not there, but for a policy that cannot be read (§4.10.1). Of a tag
that occurs twice the first counts; the RFC is silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from stirmilter.stir.remembering import remembered

Policy = Literal["none", "quarantine", "reject"]

OCTETS: Final = 8_192
"""Default for the octets of a record; a longer one is none."""

_VERSION: Final = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_TAG: Final = re.compile(r"([A-Za-z]++)[ \t]*+=[ \t]*+([\x20-\x7e]+)")
# RFC 3986 in short: a scheme, and something of what its grammar allows.
_URI: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*+:"
    r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+=-]|%[0-9A-Fa-f]{2})++"
)
_READ: Final = ("p", "sp", "np")
_POLICIES: Final[dict[str, Policy]] = {
    "none": "none",
    "quarantine": "quarantine",
    "reject": "reject",
}
_MILDER: Final[dict[Policy, Policy]] = {
    "none": "none",
    "quarantine": "none",
    "reject": "quarantine",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a record says, defaults filled in."""

    p: Policy | None = None
    """None if there is none that can be read; so are the next two."""

    sp: Policy | None = None
    np: Policy | None = None
    psd: Literal["y", "n", "u"] = "u"
    strict_dkim: bool = False
    strict_spf: bool = False
    testing: bool = False
    sound: bool = True
    """Whether `p` can be read, and `sp` and `np` if they are there."""

    reported: bool = False
    """Whether aggregate reports are to go somewhere (``rua``)."""

    @property
    def applies(self) -> bool:
        """Tell whether there is any policy in it (RFC 9989 §4.10.1)."""
        return self.sound or self.reported

    def policy(self, *, own: bool, exists: bool) -> Policy:
        """Return the policy for a domain (RFC 9989 §4.10.1).

        Args:
            own: the record is that of the domain itself, not of one above.
            exists: the domain does. Without meaning if the record is its own.
        """
        if not self.sound or self.p is None:
            return "none"
        chosen = self.p
        if not own:
            chosen = self.sp or self.p
            if not exists and self.np is not None:
                chosen = self.np
        return _MILDER[chosen] if self.testing else chosen


@remembered(2_048)
def parse(text: str, limit: int = OCTETS) -> Record | None:
    """Read a record; None if it is not one of DMARC. Never raises.

    What the last few say is remembered.
    """
    match = _VERSION.match(text)
    if match is None or len(text) > limit:
        return None
    tags: dict[str, str] = {}
    for piece in text[match.end() :].split(";"):
        tag = _TAG.fullmatch(piece.strip(" \t"))
        if tag is not None:
            tags.setdefault(tag[1].lower(), tag[2])
    policies = {name: _POLICIES.get(tags.get(name, "").lower()) for name in _READ}
    return Record(
        p=policies["p"],
        sp=policies["sp"],
        np=policies["np"],
        psd=_psd(tags.get("psd", "").lower()),
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        testing=tags.get("t", "").lower() == "y",
        sound=policies["p"] is not None
        and all(policies[name] is not None for name in _READ if name in tags),
        reported=any(
            _URI.fullmatch(uri.strip(" \t")) for uri in tags.get("rua", "").split(",")
        ),
    )


def _psd(value: str) -> Literal["y", "n", "u"]:
    match value:
        case "y" | "n":
            return value
        case _:
            return "u"

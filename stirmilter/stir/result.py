"""The closed list of outcomes, and the value that carries one.

Each `Reason` fixes its result word (RFC 8601 §2.7) and its SIP response code (RFC 8224
§6.2.2); nobody else maps. The rows stand by how much has been found good when they
come up, the last ones after everything: `most_informed` uses that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

from stirmilter.errors import StirmilterError

if TYPE_CHECKING:
    from stirmilter.stir.credential import Credential
    from stirmilter.stir.passport import Passport

Word = Literal["pass", "fail", "none", "neutral", "policy", "temperror", "permerror"]
Authority = Literal["tn", "range", "domain", "spc", "none"]
BodyMatch = Literal["exact", "simple", "nocrlf", "altered", "absent"]
Status = Literal["good", "revoked", "unavailable", "unchecked"]

DETAIL_LENGTH = 120
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class Reason(Enum):
    """Why a message, or one PASSporT, got its result word."""

    #                        code                       word         SIP
    NO_PASSPORT = ("no-passport", "none", 428)
    UNSUPPORTED_PPT = ("unsupported-ppt", "none", 428)
    TOO_MANY_PASSPORTS = ("too-many-passports", "permerror", 438)
    MALFORMED = ("malformed", "permerror", 438)
    UNSUPPORTED_ALGORITHM = ("unsupported-algorithm", "neutral", 437)
    ORIG_MISMATCH = ("orig-mismatch", "fail", 438)
    DEST_MISMATCH = ("dest-mismatch", "fail", 438)
    STALE = ("stale", "fail", 403)
    FROM_THE_FUTURE = ("from-the-future", "fail", 403)
    BODY_ALTERED = ("body-altered", "fail", 438)
    CREDENTIAL_UNAVAILABLE = ("credential-unavailable", "temperror", 436)
    CREDENTIAL_MALFORMED = ("credential-malformed", "permerror", 437)
    CREDENTIAL_UNTRUSTED = ("credential-untrusted", "fail", 437)
    CREDENTIAL_EXPIRED = ("credential-expired", "fail", 437)
    CREDENTIAL_REVOKED = ("credential-revoked", "fail", 437)
    STATUS_UNAVAILABLE = ("status-unavailable", "temperror", 436)
    NOT_AUTHORIZED = ("not-authorized", "fail", 437)
    CLAIM_CONSTRAINED = ("claim-constrained", "fail", 437)
    BAD_SIGNATURE = ("bad-signature", "fail", 438)
    REPLAY_UNKNOWN = ("replay-unknown", "temperror", None)
    REPLAYED = ("replayed", "fail", 403)
    # The token is good; local policy withholds the pass.
    SPC_NOT_ACCEPTED = ("spc-not-accepted", "policy", 437)
    NO_MSGI = ("no-msgi", "policy", 438)
    DEST_PARTIAL = ("dest-partial", "policy", 438)
    HEADERS_UNPROTECTED = ("headers-unprotected", "policy", 438)
    VERIFIED = ("verified", "pass", None)

    def __init__(self, code: str, word: Word, sip_code: int | None) -> None:
        self.code = code
        self.word: Word = word
        self.sip_code = sip_code
        self.rank = len(type(self).__members__)
        """Position in the list: how much was known when the outcome was reached."""


def printable(text: str, length: int = DETAIL_LENGTH) -> str:
    """Make a stranger's text safe to log, print and quote: ASCII, one line, bounded.

    Escaped here, once, where it enters a result; whoever writes it out later need not
    know where it came from.
    """
    shown = _UNPRINTABLE.sub(lambda c: f"\\u{{{ord(c[0]):x}}}", text[: length + 1])
    return shown if len(shown) <= length else shown[: length - 3] + "..."


class Unverified(StirmilterError):  # noqa: N818 - a finding about a token, not a fault
    """One PASSporT, or one part of it, does not verify.

    `rule` is the sentence's source, ``RFC 8225 §9``: where to read why. `services`
    makes a `StirResult` of it. `runtime` and `inspection`, which read an operator's own
    files with the same functions, tell it to the operator.
    """

    def __init__(self, reason: Reason, detail: str = "", rule: str = "") -> None:
        self.reason = reason
        self.detail = printable(detail)
        self.rule = rule
        super().__init__(f"{reason.code}: {self.detail}")


@dataclass(frozen=True, slots=True)
class StirResult:
    """The conclusion about one PASSporT, with what is needed to explain it later.

    `passport` is None when the token could not be parsed. Its claims are trustworthy
    only if `passed`; after any other reason they are what somebody *said*. `authority`
    tells how the certificate covers the number: ``spc`` means that it names a carrier,
    not a number, and that nobody checked whether the number is that carrier's.
    """

    reason: Reason
    detail: str = ""
    passport: Passport | None = None
    authority: Authority = "none"
    msgi: BodyMatch = "absent"
    rule: str = ""
    """Where the requirement stands that was not met: ``RFC 8225 §9``."""

    credential: Credential | None = None
    """The certificate and its path, once a trust anchor vouched for them."""

    notes: tuple[str, ...] = ()
    """What is odd and costs no pass."""

    diversions: int = 0
    """Good ``div`` tokens in a row that it took to reach the recipients (RFC 8946).
    Then the originator vouches for number and body, others for whom it goes to."""

    status: Status = "unchecked"
    """What the revocation lists said of the path at reception (RFC 9475 §4)."""

    trust: str = ""
    """Name of the set of anchors that vouched; empty if none did."""

    @property
    def passed(self) -> bool:
        """Whether the originator, the recipients and the body are all vouched for."""
        return self.reason is Reason.VERIFIED


def most_informed(results: Iterable[StirResult]) -> StirResult:
    """Pick the result that speaks for the message.

    Source: RFC 8224 §6.2.1: one valid PASSporT is enough, and the message is invalid
    only if all are. Among failures, the one that got furthest says most.
    """
    return max(results, key=lambda result: result.reason.rank, default=_NONE)


_NONE = StirResult(Reason.NO_PASSPORT)

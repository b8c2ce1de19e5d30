"""What the operator decides about verification, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from stirmilter.stir.credential import CERTIFICATES, Credential
from stirmilter.stir.msgi import FORMS, Form
from stirmilter.stir.passport import Limits
from stirmilter.stir.result import Authority, Reason, Unverified
from stirmilter.stir.tn import NumberSet


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationPolicy:
    """What the operator decides about verification."""

    freshness: timedelta = timedelta(hours=24)
    """Greatest age of a token; RFC 8224 suggests a minute for what is not stored."""

    skew: timedelta = timedelta(seconds=60)
    """How far a signer's clock may run ahead of ours."""

    forms: tuple[Form, ...] = FORMS
    """Forms of the body that count as unaltered; strict is ``("exact",)``."""

    protected: bool = False
    """Whether a pass takes more than the token: that whoever carries the message shows
    that its header is whole. By what is the carrier's affair (docs/profile.md)."""

    accept_spc: bool = True
    """Whether a certificate that names only a carrier may give a pass."""

    spc_numbers: Mapping[str, NumberSet] | None = None
    """If not None, whose numbers are whose: a carrier speaks for its own alone."""

    replay_failure: Literal["unknown", "pass"] = "unknown"
    """What a replay store that does not answer means for a token that is good."""

    uris: bool = True
    """Whether a diversion by a URI counts; identities of messages are the caller's."""

    passports: int = 8
    """More tokens than this in one message are not judged."""

    x5u: int = 3
    """Different URLs that one message may have fetched."""

    diversions: int = 4
    """Greatest length of a chain of ``div`` tokens; 0 believes none."""

    certificates: int = CERTIFICATES
    """Longest chain, anchor not counted."""

    paths: int = 2_000
    """Validated chains that are remembered."""

    reference_lifetime: timedelta = timedelta(hours=1)
    """How long a TNAuthList that a certificate refers to is used."""

    references: int = 8
    """TNAuthLists that the certificates of one path may refer to."""

    list_seconds: float = 5.0
    """How long one message may wait for lists, those of revocation included."""

    limits: Limits = field(default_factory=Limits)

    def check_carrier(
        self, signer: Credential, authority: Authority, speaker: str
    ) -> None:
        """Hold a number that rests on a carrier's word to what is accepted (C-04).

        Raises:
            Unverified: `Reason.SPC_NOT_ACCEPTED` or `Reason.NOT_AUTHORIZED`.
        """
        if authority == "spc" and not self.accept_spc:
            detail = "the certificate names a carrier, no number"
            raise Unverified(Reason.SPC_NOT_ACCEPTED, detail, "profile §5")
        whose = self.spc_numbers
        carriers = () if authority == "domain" else signer.carriers(speaker)
        if whose is None or not carriers:
            return
        known = [whose[spc] for spc in carriers if spc in whose]
        if not known:
            detail = f"nobody told us the numbers of SPC {', '.join(carriers)}"
            raise Unverified(Reason.SPC_NOT_ACCEPTED, detail, "profile §5")
        if not any(speaker in numbers for numbers in known):
            detail = f"not a number of SPC {', '.join(carriers)}"
            raise Unverified(Reason.NOT_AUTHORIZED, detail, "profile §5")

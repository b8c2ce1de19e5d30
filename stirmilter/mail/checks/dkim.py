"""DKIM: which signatures hold, and why the others do not (RFC 6376 §6).

Cheap checks first, then the body hash, and only then a question to the DNS: what is
refused before costs nobody anything, and no key mends a body that was altered.

Known deviations from RFC 6376, all of them on purpose: rsa-sha1 is not verified
(RFC 8301); a message with more From fields than were signed does not pass (§8.15); of
several key records the first usable one counts (§3.6.2.2 leaves it open). dkimpy is the
referee of the tests and does no work here: besides its two quadratic patterns it
searches the whole header for each name in ``h=`` and lets a key choose its exponent.

The reasons, by word:

* ``pass``: none, or ``body-partly-signed`` and ``testing``, with a space between.
* ``fail``: ``body-altered``, ``expired``, ``bad-signature`` (and ``testing``).
* ``policy``: ``rsa-sha1``, ``short-key``, ``long-key``, ``from-the-future``,
  ``from-repeated``, ``signature-too-long``, ``too-many-signatures``.
* ``temperror``: ``dns``; ``budget`` if the message had used up its look-ups.
* ``permerror``, of the key: ``no-key``, ``key-revoked``, ``malformed-key``,
  ``unsupported-key-type``, ``key-of-another-algorithm``, ``key-for-another-hash``,
  ``key-for-another-service``; of the signature: ``no-`` and a tag,
  ``malformed-signature``, ``malformed-domain``, ``identity-outside-domain``,
  ``from-not-signed``, ``body-shorter-than-signed``, and ``unsupported-`` with
  ``version``, ``algorithm``, ``canonicalization`` or ``query``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from stirmilter.mail.checks import arc
from stirmilter.mail.checks.block import Chosen, HeaderBlock
from stirmilter.mail.checks.canonical import BodyForm, BodyHashes, HashedBody
from stirmilter.mail.checks.dkimkey import Keys
from stirmilter.mail.checks.dns import Resolver
from stirmilter.mail.checks.signature import (
    MessageSignature,
    claimed,
    labelled,
    read_dkim,
)
from stirmilter.mail.checks.taglist import Refused
from stirmilter.mail.checks.verification import (
    DkimLimits,
    check_body,
    check_times,
    covers_whole_body,
    signed_octets,
)
from stirmilter.mail.results import ArcResult, DkimSignature, Word
from stirmilter.mail.transaction import Header

FIELD: Final = "dkim-signature"


class DkimChecker:
    """Verifies the signatures and the ARC chain of messages; keeps nothing of them."""

    def __init__(self, resolver: Resolver, limits: DkimLimits | None = None) -> None:
        """Ask `resolver` for keys, within the deadline of the message."""
        self._resolver = resolver
        self._limits = limits or DkimLimits()

    def prepare(self, headers: Sequence[Header]) -> BodyHashes:
        """Say what is to be hashed of the body that follows these headers."""
        block = HeaderBlock(headers)
        forms: list[BodyForm] = []
        for at in block.places(FIELD)[: self._limits.signatures]:
            try:
                forms.append(_read(block, at, self._limits).body)
            except Refused:
                continue
        return BodyHashes([*forms, *arc.needs(block, self._limits)])

    def check(
        self, headers: Sequence[Header], body: HashedBody, now: datetime
    ) -> tuple[DkimSignature, ...]:
        """Judge each signature, from the top; all beyond the limit are one result.

        Args:
            headers: those that `prepare` was given.
            body: what the hashes found that it returned.
            now: aware time of evaluation.
        """
        message = self.open(HeaderBlock(headers), body, now)
        return message.results([message.judge(at) for at in message.places])

    def open(self, block: HeaderBlock, body: HashedBody, now: datetime) -> DkimMessage:
        """Return what judges one signature after the other, in whatever order."""
        return DkimMessage(block, body, self._keys(), self._limits, now)

    def check_arc(
        self, block: HeaderBlock, body: HashedBody, now: datetime
    ) -> ArcResult:
        """Judge the chain of custody; arguments as for `check`."""
        return arc.validate(block, self._limits, self._keys(), body, now)

    def _keys(self) -> Keys:
        limits = self._limits
        return Keys(self._resolver, limits)


@dataclass(frozen=True, slots=True)
class DkimMessage:
    """One message, complete, with what its signatures are held against."""

    block: HeaderBlock
    body: HashedBody
    keys: Keys
    limits: DkimLimits
    now: datetime

    @property
    def places(self) -> Sequence[int]:
        """Where the signatures stand that are to be judged, from the top."""
        return self.block.places(FIELD)[: self.limits.signatures]

    def domain(self, at: int) -> str:
        """Return ``d=`` of a signature; nothing if it cannot be read."""
        return claimed(self.block.field(at).value, self.limits.field_size)

    def results(self, judged: Sequence[DkimSignature]) -> tuple[DkimSignature, ...]:
        """Add one result for all signatures that are not judged, if there are any."""
        if len(self.block.places(FIELD)) == len(judged):
            return tuple(judged)
        beyond = DkimSignature(word="policy", reason="too-many-signatures")
        return (*judged, beyond)

    def judge(self, at: int) -> DkimSignature:
        """Judge the signature at a place."""
        try:
            signature = _read(self.block, at, self.limits)
        except Refused as refused:
            domain, value = labelled(self.block.field(at).value, self.limits.field_size)
            return DkimSignature(
                word=refused.word, reason=refused.reason, domain=domain, value=value
            )
        chosen = self.block.select(signature.names, but=at)
        whole = covers_whole_body(signature, self.body)
        word: Word = "pass"
        try:
            testing = self._verify(signature, at, chosen)
            notes = [] if whole else ["body-partly-signed"]
            reason = " ".join([*notes, *testing])
        except Refused as refused:
            word, reason = refused.word, refused.reason
        return DkimSignature(
            word=word,
            reason=reason,
            domain=signature.domain,
            selector=signature.selector,
            identity=signature.identity,
            algorithm=signature.algorithm,
            value=signature.value,
            covers=chosen.covers,
            sealed=chosen.sealed,
            whole_body=whole,
        )

    def _verify(
        self, signature: MessageSignature, at: int, chosen: Chosen
    ) -> list[str]:
        """Verify one signature, and return what is to be noted of its key.

        Raises:
            Refused: it does not pass.
        """
        # RFC 6376 §6.1.1: Validate the Signature Header Field
        check_times(signature, self.now, self.limits.skew)
        # Of §6.1.3, what needs no key
        check_body(signature, self.body)
        # §6.1.2: Get the Public Key
        key = self.keys.of(signature)
        if key.strict and not signature.identity.endswith(f"@{signature.domain}"):
            raise Refused("permerror", "identity-outside-domain")
        # §6.1.3: Compute the Verification
        octets = signed_octets(self.block, chosen.places, at, signature.header_form)
        testing = ["testing"] if key.testing else []
        if not key.verifies(signature.octets, octets):
            raise Refused("fail", " ".join(["bad-signature", *testing]))
        if "from" not in chosen.covers:
            raise Refused("policy", "from-repeated")
        return testing


def _read(block: HeaderBlock, at: int, limits: DkimLimits) -> MessageSignature:
    value = block.field(at).value
    if len(value) > limits.field_size:
        raise Refused("policy", "signature-too-long")
    return read_dkim(value)

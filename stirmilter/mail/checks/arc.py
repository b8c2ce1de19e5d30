"""ARC: the chain of custody of a message, for the report alone (RFC 8617 §5.2).

Known deviations: older ARC-Message-Signatures are not verified (step 5 leaves it to the
verifier, and relays alter messages); what the DNS has no answer for now makes the chain
``fail`` with the reason ``dns``, since a chain has no ``temperror`` (RFC 8601 §2.7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from stirmilter.mail.checks import taglist
from stirmilter.mail.checks.block import HeaderBlock
from stirmilter.mail.checks.canonical import BodyForm, HashedBody
from stirmilter.mail.checks.dkimkey import Keys
from stirmilter.mail.checks.signature import (
    MessageSignature,
    Signature,
    read_common,
    read_message_signature,
)
from stirmilter.mail.checks.taglist import Refused
from stirmilter.mail.checks.verification import (
    DkimLimits,
    check_body,
    check_times,
    signed_octets,
)
from stirmilter.mail.results import ArcResult

RESULTS: Final = "arc-authentication-results"
MESSAGE: Final = "arc-message-signature"
SEAL: Final = "arc-seal"
NAMES: Final = (RESULTS, MESSAGE, SEAL)
"""The fields of a set, in the order in which a seal covers them (§5.1.1)."""

_INSTANCE: Final = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]+)")
_NUMBER: Final = re.compile(rb"[1-9][0-9]?")


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The three fields that one relay added: where they stand."""

    results: int
    message: int
    seal: int

    def __iter__(self) -> Iterator[int]:
        """Go through them in the order in which a seal covers them."""
        return iter((self.results, self.message, self.seal))


@dataclass(frozen=True, slots=True)
class Seal:
    """ARC-Seal (§4.1.3)."""

    signature: Signature
    status: str
    """``cv=``: what its maker found of the chain before it."""


def needs(block: HeaderBlock, limits: DkimLimits) -> tuple[BodyForm, ...]:
    """Say what is to be hashed of the body: what the newest relay hashed."""
    try:
        sets = collect(block, limits)
        return (_read_message(block, sets[-1].message).body,) if sets else ()
    except Refused:
        return ()


def validate(
    block: HeaderBlock, limits: DkimLimits, keys: Keys, body: HashedBody, now: datetime
) -> ArcResult:
    """Validate the chain in the steps of RFC 8617 §5.2."""
    sets: list[ArcSet] = []
    seals: list[Seal] = []
    try:
        # Step 1: Collect all ARC Sets
        # Step 3: Validate the structure of the Authenticated Received Chain
        sets = collect(block, limits)
        if not sets:
            return ArcResult(word="none")
        seals = [_read_seal(block, one.seal) for one in sets]
        # Step 2: "cv=fail" of the newest
        _check_statuses(seals)
        # Step 4: Validate the AMS with the greatest instance value
        message = _read_message(block, sets[-1].message)
        check_times(message, now, limits.skew)
        check_body(message, body)
        chosen = block.select(message.names, but=sets[-1].message)
        octets = signed_octets(
            block, chosen.places, sets[-1].message, message.header_form
        )
        if not keys.of(message).verifies(message.octets, octets):
            raise Refused("fail", "bad-message-signature")
        # Step 6: Validate each AS beginning with the greatest instance value
        for count in range(len(sets), 0, -1):
            _verify_seal(block, sets[:count], seals[count - 1].signature, keys)
    except Refused as refused:
        newest = seals[-1].signature.domain if seals else ""
        return ArcResult(
            word="fail", reason=refused.reason, sets=len(sets), domain=newest
        )
    return ArcResult(word="pass", sets=len(sets), domain=seals[-1].signature.domain)


def collect(block: HeaderBlock, limits: DkimLimits) -> list[ArcSet]:
    """Sort the fields of all sets, oldest first.

    Raises:
        Refused: there are too many, one is too long or names no instance, or they do
            not make up whole sets from 1 on.
    """
    places = [block.places(name) for name in NAMES]
    if not any(places):
        return []
    if max(map(len, places)) > limits.arc_sets:
        raise Refused("fail", "too-many-sets")
    for at in (*places[1], *places[2]):
        if len(block.field(at).value) > limits.field_size:
            raise Refused("fail", "signature-too-long")
    numbered = [
        sorted(
            (_instance(name, block.field(at).value[: limits.field_size]), at)
            for at in of_name
        )
        for name, of_name in zip(NAMES, places, strict=True)
    ]
    expected = list(range(1, len(places[0]) + 1))
    if any([instance for instance, _ in one] != expected for one in numbered):
        raise Refused("fail", "incomplete-set")
    return [
        ArcSet(results, message, seal)
        for (_, results), (_, message), (_, seal) in zip(*numbered, strict=True)
    ]


def _instance(name: str, value: bytes) -> int:
    """Return ``i=``, which stands first in a results field (§4.1.1)."""
    if name == RESULTS:
        match = _INSTANCE.match(value)
        found = match[1] if match else b""
    else:
        found = taglist.parse(value, "malformed-set").get("i", b"")
    if not _NUMBER.fullmatch(found):
        raise Refused("fail", "malformed-set")
    return int(found)


def _read_message(block: HeaderBlock, at: int) -> MessageSignature:
    tags = taglist.parse(block.field(at).value, "malformed-set")
    found = read_message_signature(tags)
    if SEAL in found.names:  # §4.1.2
        raise Refused("fail", "seal-signed-by-message-signature")
    return found


def _read_seal(block: HeaderBlock, at: int) -> Seal:
    tags = taglist.parse(block.field(at).value, "malformed-set")
    if "h" in tags or "bh" in tags:  # §4.1.3: it covers sets and nothing else
        raise Refused("fail", "malformed-set")
    return Seal(read_common(tags), tags.get("cv", b"").decode("ascii", "replace"))


def _check_statuses(seals: Sequence[Seal]) -> None:
    """Check what each relay said of the chain that it was given.

    Raises:
        Refused: one found it broken, or said what it cannot have found.
    """
    if seals[-1].status == "fail":
        raise Refused("fail", "chain-broken-before")
    expected = ["none", *["pass"] * (len(seals) - 1)]
    if [seal.status for seal in seals] != expected:
        raise Refused("fail", "wrong-status")


def _verify_seal(
    block: HeaderBlock, sets: Sequence[ArcSet], seal: Signature, keys: Keys
) -> None:
    """Verify the seal of the last of `sets`, which covers all of them (§5.1.1).

    Raises:
        Refused: it does not hold.
    """
    *chosen, own = [at for one in sets for at in one]
    octets = signed_octets(block, chosen, own, "relaxed")
    if not keys.of(seal).verifies(seal.octets, octets):
        raise Refused("fail", "bad-seal")

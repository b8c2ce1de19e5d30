"""The verification service: what to believe of a message's PASSporTs (RFC 8224 §6.2).

`_judge` is the RFC's five steps for a ``msg`` token, `_judge_diversion` the same steps
for a ``div`` token that takes the message on to somebody else (RFC 8946 §4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from stirmilter.errors import FetchError
from stirmilter.events import Claimed
from stirmilter.haste import takes_long
from stirmilter.services import foresight, outcome
from stirmilter.services.credentials import (
    Again,
    CredentialService,
    References,
)
from stirmilter.services.foresight import Needs
from stirmilter.services.message import (
    CertificateRepository,
    Message,
    ReplayStore,
    read_value,
)
from stirmilter.services.patience import Patience
from stirmilter.services.policy import VerificationPolicy
from stirmilter.services.replays import ReplayGuard
from stirmilter.services.revocation import RevocationService
from stirmilter.services.signatures import Asking, SignatureService, Signer
from stirmilter.services.trust import TrustSet
from stirmilter.stir import claims, dialling, diversion, identity
from stirmilter.stir.claims import Claims
from stirmilter.stir.credential import Credential, TrustAnchors
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import (
    Authority,
    BodyMatch,
    Reason,
    StirResult,
    Unverified,
    most_informed,
)


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for the message, and one for each PASSporT (RFC 9410, V-14)."""

    result: StirResult
    passports: tuple[StirResult, ...] = ()


@dataclass(slots=True)
class _Delivery:
    """One message under judgement."""

    message: Message
    now: datetime
    diversions: list[Passport]
    asking: Asking
    judged: dict[int, StirResult] = field(default_factory=dict)
    """Results of `diversions`, by `id`, as far as they were needed."""


class VerificationService:
    """Judges the PASSporTs of a message against the message."""

    def __init__(
        self,
        *,
        repository: CertificateRepository,
        anchors: TrustAnchors | Sequence[TrustSet],
        replays: ReplayStore,
        policy: VerificationPolicy,
        revocation: RevocationService | None = None,
        references: References | None = None,
        again: Again | None = None,
        trouble: Callable[[str], None] = lambda _: None,
        claimed: Callable[[Claimed], None] = lambda _: None,
    ) -> None:
        """Take whom to trust, what decides, and the ports.

        Args:
            repository: chains by URL.
            anchors: one set of anchors for everything, or several with their limits.
            replays: who used a token first.
            policy: what the operator decides.
            revocation: who knows what is revoked; None asks nobody.
            references: fetches a TNAuthList by reference; None fetches none, and
                chains of authorities that refer to one are credential-unavailable.
            again: asks a server whether it has another chain than `repository`, for a
                token whose signature does not fit; None asks nobody.
            trouble: told what did not work and cost no message its pass.
            claimed: told of each token that `replays` was asked about.
        """
        if isinstance(anchors, TrustAnchors):
            anchors = [TrustSet(anchors=anchors)]
        self.credentials = CredentialService(
            repository,
            anchors,
            revocation=revocation,
            references=references,
            again=again,
            reference_lifetime=policy.reference_lifetime,
            reference_limit=policy.references,
            list_seconds=policy.list_seconds,
            certificates=policy.certificates,
            paths=policy.paths,
        )
        self._signatures = SignatureService(self.credentials, policy.x5u)
        self.replays = ReplayGuard(replays, policy.replay_failure, trouble, claimed)
        self.policy = policy

    def algorithms(self, values: Iterable[str]) -> set[str]:
        """Name the digests that `verify` will need of the body.

        Asked when the header is complete and the body is still to come.
        """
        tokens = []
        for value in list(values)[: self.policy.passports]:
            with suppress(Unverified):
                tokens.append(read_value(value, self.policy.limits)[0])
        return set(foresight.algorithms(tokens))

    def needs(self, message: Message, values: Sequence[str], now: datetime) -> Needs:
        """Name what `verify` will need, while the body is still to come.

        Args:
            message: as it will be, but for its body.
            values: as for `verify`.
            now: aware time; `verify` may be asked later.
        """
        read = [self._read(value) for value in values[: self.policy.passports]]
        tokens = [token for token in read if isinstance(token, Passport)]
        if len(values) > self.policy.passports:
            return Needs(foresight.algorithms(tokens))
        usable = self._usable(tokens)
        return Needs(
            foresight.algorithms(tokens),
            foresight.urls(tokens, usable, message, now, self.policy),
        )

    def verify(
        self,
        message: Message,
        values: Sequence[str],
        now: datetime,
        *,
        admits: Callable[[Verification], bool] = lambda _: True,
    ) -> Verification:
        """Judge every header value; one good PASSporT is enough (RFC 8224 §6.2.1).

        Args:
            message: its body digested with what `algorithms` named, at least.
            values: header field values, ``token;info=...``, folded or not.
            now: aware time of reception.
            admits: tells whether a message with such a result is let through, with a
                pass; always the same of the same result, but for its notes. No token
                of one that is not is used up.
        """
        if len(values) > self.policy.passports:
            # Before any fetch: a header block must not buy a hundred of them.
            detail = f"{len(values)} header fields, at most {self.policy.passports}"
            return Verification(
                StirResult(Reason.TOO_MANY_PASSPORTS, detail, rule="profile §1")
            )
        read = [self._read(value) for value in values]
        delivery = _Delivery(
            message,
            now,
            self._usable(read),
            Asking(now, Patience(self.policy.list_seconds)),
        )
        results = [
            self._judge(token, delivery)
            if isinstance(token, Passport) and token.claims.div is None
            else token
            for token in read
        ]
        return self._once(results, delivery, admits)

    def _once(
        self,
        results: Sequence[Passport | StirResult],
        delivery: _Delivery,
        admits: Callable[[Verification], bool],
    ) -> Verification:
        """Take the pass from tokens that were used before, and use up the others.

        They are used up for a message that is let through, and only looked at for one
        that is not: whoever sends a copy that is refused would otherwise spoil the
        message itself, and so would a 451 of ours. So what passes in the end was used
        up, or is what `admits` has refused.

        Source: RFC 8224 §12.1. Last, so that only a good token can use up its key.
        """
        while True:
            found = _summary(results, delivery)
            if not outcome.passes(results):
                return found
            if sum(isinstance(one, StirResult) for one in results) > 1:
                takes_long()  # one may be used up, and then another one has to wait
            keep = admits(found)
            once = [
                self.replays.claim(one, delivery.message, delivery.now, keep=keep)
                if isinstance(one, StirResult) and one.passed
                else one
                for one in results
            ]
            # What is left may be let through where all of them together were not.
            if keep or outcome.passes(once) == outcome.passes(results):
                return _summary(once, delivery) if once != results else found
            results = once

    def _usable(self, read: Iterable[Passport | StirResult]) -> list[Passport]:
        """Pick the ``div`` tokens that policy lets count."""
        return [
            token
            for token in read
            if isinstance(token, Passport)
            and token.claims.div is not None
            and (self.policy.uris or token.claims.div.kind == "tn")
        ]

    def _read(self, value: str) -> Passport | StirResult:
        # Step 1: Check for an Unsupported "ppt"
        token: Passport | None = None
        try:
            token, parameters = read_value(value, self.policy.limits)
            identity.check_mirrors(parameters, token)
        except Unverified as error:
            return StirResult(error.reason, error.detail, token, rule=error.rule)
        return token

    def _judge(self, token: Passport, delivery: _Delivery) -> StirResult:
        """Judge one ``msg`` token, but for whether it was used before."""
        message, now, policy = delivery.message, delivery.now, self.policy
        signer = Signer()
        body: BodyMatch = "absent"
        diversions = 0
        try:
            # RFC 8224 §6.2. Step 3 costs a fetch, so what needs none goes before it.
            # Step 2: Determine the Originator's Identity
            _check_orig(token.claims, message)
            self._check_dest(token.claims, delivery)
            # Step 4: Check the Freshness of Date
            claims.check_freshness(token.claims, now, policy.freshness, policy.skew)
            if message.expires is not None and now > message.expires:
                detail = "the message has expired"
                raise Unverified(Reason.STALE, detail, "profile §5")
            # What "msg" adds to step 5 (RFC 9475 §3.2)
            if token.claims.msgi is not None:
                body = message.body.match(token.claims.msgi, policy.forms) or "altered"
                if body == "altered":
                    detail = "msgi is the digest of another body"
                    raise Unverified(Reason.BODY_ALTERED, detail, "RFC 9475 §3.2")
            # Steps 3 and 5
            speaker = token.claims.orig.value
            found = self._signatures.check(token, speaker, delivery.asking, signer)
            self._check_policy(token.claims, found, signer.authority)
            diversions = self._check_covered(token.claims, delivery)
        except (Unverified, FetchError) as error:
            reason, detail, rule = outcome.explain(error)
        else:
            reason, detail, rule = Reason.VERIFIED, "", ""
        odd = outcome.notes(token.claims, message, policy.skew)
        result = StirResult(
            reason,
            detail,
            token,
            signer.authority,
            body,
            rule,
            notes=(*odd, *signer.notes),
            diversions=diversions,
        )
        return outcome.evidence(result, signer.vouched)

    def _judge_diversion(self, token: Passport, delivery: _Delivery) -> StirResult:
        """Judge one ``div`` token, whose place in the chain is already known."""
        signer = Signer()
        assert token.claims.div is not None  # noqa: S101 - what makes it a diversion
        try:
            # Step 4 needs no second look: ``iat`` is that of the fresh ``msg`` token.
            # Whoever diverts speaks for the number it diverts from, not for orig.
            speaker = token.claims.div.value
            found = self._signatures.check(token, speaker, delivery.asking, signer)
            self.policy.check_carrier(found, signer.authority, speaker)
        except (Unverified, FetchError) as error:
            reason, detail, rule = outcome.explain(error)
        else:
            reason, detail, rule = Reason.VERIFIED, "", ""
        result = StirResult(
            reason, detail, token, signer.authority, rule=rule, notes=signer.notes
        )
        return outcome.evidence(result, signer.vouched)

    def _check_dest(self, content: Claims, delivery: _Delivery) -> None:
        """Refuse a token that names no recipient of the envelope, diversions included.

        Source: RFC 8224 §12.1, RFC 9475 §3.2. Never says which: a Bcc is a secret.
        """
        named = content.named
        if delivery.diversions:
            steps = self.policy.diversions
            named = diversion.reach(content, delivery.diversions, steps)
        if named.isdisjoint(delivery.message.dest):
            detail = "dest names no recipient"
            raise Unverified(Reason.DEST_MISMATCH, detail, "RFC 8225 §5.2.1")

    def _check_covered(self, content: Claims, delivery: _Delivery) -> int:
        """Hold the recipients against ``dest`` and every diversion that is good.

        Returns how many diversions in a row it took.
        """
        message = delivery.message
        wanted = message.dest | message.shown
        named = content.named
        steps = 0
        while steps < self.policy.diversions and not wanted <= named:
            found = self._diverted(content, named, delivery)
            if found <= named:
                break
            named |= found
            steps += 1
        if named.isdisjoint(message.dest):
            detail = "dest names no recipient, and no diversion to one is good"
            raise Unverified(Reason.DEST_MISMATCH, detail, "RFC 8946 §4.2")
        unknown = dialling.unexplained(message.dialled, named)
        recipients = len(wanted) + message.others + unknown
        if len(wanted & named) < recipients:
            detail = f"dest names {len(wanted & named)} of {recipients} recipients"
            raise Unverified(Reason.DEST_PARTIAL, detail, "RFC 9475 §3.2.1")
        return steps

    def _diverted(
        self, innermost: Claims, named: frozenset[str], delivery: _Delivery
    ) -> set[str]:
        """Return whom good diversions by one of `named` lead to."""
        found: set[str] = set()
        for token in delivery.diversions:
            if not diversion.continues(token.claims, innermost, named):
                continue
            if id(token) not in delivery.judged:
                delivery.judged[id(token)] = self._judge_diversion(token, delivery)
            if delivery.judged[id(token)].passed:
                found |= token.claims.named
        return found

    def _check_policy(
        self, content: Claims, signer: Credential, authority: Authority
    ) -> None:
        """Withhold the pass from a good token that proves too little."""
        self.policy.check_carrier(signer, authority, content.orig.value)
        if content.msgi is None:
            # Good STIR, but any body could stand below it.
            detail = "the token does not cover the body"
            raise Unverified(Reason.NO_MSGI, detail, "RFC 9475 §3.2")


def _summary(
    results: Sequence[Passport | StirResult], delivery: _Delivery
) -> Verification:
    """Conclude from what was found of each token; diversions are still tokens."""
    judged = tuple([r for r in results if isinstance(r, StirResult)])
    if len(judged) == len(results):
        speaks = judged[0] if len(judged) == 1 else most_informed(judged)
        return Verification(speaks, judged)
    # Which diversions were needed is known only now. A good one vouches for itself
    # alone, not for the message.
    everything = tuple(
        delivery.judged.get(id(one)) or outcome.unused(one)
        if isinstance(one, Passport)
        else one
        for one in results
    )
    bad = [
        result
        for one, result in zip(results, everything, strict=True)
        if isinstance(one, Passport) and not result.passed
    ]
    return Verification(most_informed([*judged, *bad]), everything)


def _check_orig(content: Claims, message: Message) -> None:
    """Hold ``orig`` against the signalling; by itself it proves nothing (§6.2.4)."""
    rule = "RFC 8224 §6.2.4"
    if message.orig is None:
        detail = "the message names no single number"
        raise Unverified(Reason.ORIG_MISMATCH, detail, rule)
    if content.orig.value != message.orig:
        raise Unverified(Reason.ORIG_MISMATCH, "orig is not the originator", rule)

"""Start here: the two services of RFC 8224 §6, for any using protocol.

`AuthenticationService` signs what we may sign; `VerificationService` judges what others
signed. They know no mail, SIP or HTTP: an adapter turns its protocol into a `Message`
and a list of header values, and does as it likes with the result. Blocking, without
async twins; safe to call from many threads. The clock is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.errors import FetchError, SigningError, StoreError
from stirmilter.stir import credential, identity, jws, passport
from stirmilter.stir.credential import Credential, TrustAnchors
from stirmilter.stir.identity import IdentityValue
from stirmilter.stir.msgi import FORMS, BodyDigests, Form
from stirmilter.stir.passport import Claims, Identity, Limits, Passport
from stirmilter.stir.result import (
    Authority,
    BodyMatch,
    Reason,
    StirResult,
    Unverified,
    most_informed,
    printable,
)
from stirmilter.stir.tn import NumberSet

_SECOND: Final = timedelta(seconds=1)


class CertificateRepository(Protocol):
    """Where chains come from; `stores.certificates` is one over https."""

    def chain(self, x5u: str) -> tuple[x509.Certificate, ...]:
        """Return the chain published at a URL, signer first, or raise FetchError."""
        ...


class ReplayStore(Protocol):
    """Who used a key first; `stores.replay` has several."""

    def claim(self, key: str, holder: str, until: datetime, now: datetime) -> str:
        """Record `holder` for `key` unless one is recorded, and return whose it is.

        One atomic step, however many threads and processes share the store.
        Raises StoreError when it cannot answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a PASSporT is held against, or made from."""

    orig: str | None
    """Canonical number of the originator; None when the message names no single one."""

    dest: frozenset[str]
    """Canonical numbers of the recipients: of those it is delivered to, to verify; of
    those it shows, to sign."""

    body: BodyDigests

    shown: frozenset[str] = frozenset()
    """To verify: canonical numbers that the message shows as its recipients. Some
    MMSCs deliver to those, whatever the envelope said."""

    others: int = 0
    """Recipients that are not telephone numbers: no ``tn`` can name them."""

    delivery: str = ""
    """What a retry of this delivery repeats and a replay does not: the replay store
    keeps it beside the key."""

    expires: datetime | None = None
    """When the originator stops caring; the token is stale from then on."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for the message, and one for each PASSporT (RFC 9410, V-14)."""

    result: StirResult
    passports: tuple[StirResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One key, the certificate that names what it may say, and where that is served."""

    name: str
    key: ec.EllipticCurvePrivateKey
    credential: Credential
    x5u: str
    numbers: NumberSet


class AuthenticationService:
    """Makes PASSporTs for messages from numbers that we hold authority over."""

    def __init__(
        self,
        signers: Sequence[Signer],
        *,
        algorithm: str = "sha256",
        freshness: timedelta = timedelta(hours=24),
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        """Take the signers and what holds for all of them.

        Args:
            signers: in order of preference.
            algorithm: name of the msgi digest.
            freshness: how long a token of ours keeps a message from another one.
            limits: what our own verifiers would accept; more is not signed.
        """
        self.signers = tuple(signers)
        self.algorithm = algorithm
        self.freshness = freshness
        self.limits = limits

    def sign(self, message: Message, now: datetime) -> Passport:
        """Make the PASSporT of a message, or say why there is none.

        Source: RFC 8224 §6.1. That the sender may use the number at all (step 2) is the
        caller's to know.

        Raises:
            SigningError: `failure` tells a fault of ours from a message that is simply
                not ours to sign (RFC 8224 §6.1 step 1: pass it on without).
        """
        if message.orig is None:
            raise SigningError("no-originator", "no single originating number")
        if not message.dest:
            raise SigningError("no-recipient", "no recipient is a telephone number")
        if len(message.dest) > self.limits.dest:
            raise SigningError(
                "too-many-recipients",
                f"{len(message.dest)} numbers, at most {self.limits.dest}",
            )
        signer = self.signer_for(message.orig)
        if signer is None:
            raise SigningError("no-signer", "no signer serves the number")
        claims = Claims.message(
            message.orig,
            tuple(message.dest),
            int(now.timestamp()),
            message.body.value(self.algorithm),
        )
        try:
            signer.credential.authority(message.orig)
            signer.credential.constraints.check(claims.raw)
        except Unverified as error:
            raise SigningError(
                error.reason.code, f"{signer.name}: {error.detail}", failure=True
            ) from None
        if not signer.credential.valid_at(now):
            raise SigningError(
                "credential-expired",
                f"{signer.name}: the certificate is not valid now",
                failure=True,
            )
        return passport.issue(claims, signer.x5u, signer.key)

    def signer_for(self, number: str) -> Signer | None:
        """Return the first signer whose configured numbers hold this one."""
        return next((s for s in self.signers if number in s.numbers), None)

    def signed(self, message: Message, values: Iterable[str], now: datetime) -> bool:
        """Tell whether a message carries a good and fresh PASSporT of ours already.

        A message that passes us twice, after a content filter say, keeps its first
        token (H-10).
        """
        keys = {s.x5u: s.credential.public_key for s in self.signers}
        for value in values:
            try:
                parsed = _split(value, self.limits)
                token = passport.parse(parsed.token, self.limits)
                identity.check_mirrors(parsed, token)
                claims = token.claims
                if (
                    token.x5u in keys
                    and claims.orig == ("tn", message.orig)
                    and set(claims.dest) == {("tn", n) for n in message.dest}
                    and claims.msgi == message.body.value(self.algorithm)
                ):
                    passport.check_freshness(claims, now, self.freshness, _SECOND)
                    jws.verify(token.signing_input, token.signature, keys[token.x5u])
                    return True
            except Unverified:
                continue
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationPolicy:
    """What the operator decides about verification."""

    freshness: timedelta = timedelta(hours=24)
    """Greatest age of a token; RFC 8224 suggests a minute for what is not stored."""

    skew: timedelta = timedelta(seconds=60)
    """How far a signer's clock may run ahead of ours."""

    forms: tuple[Form, ...] = FORMS
    """Forms of the body that count as unaltered; strict is ``("exact",)``."""

    accept_spc: bool = True
    """Whether a certificate that names only a carrier may give a pass."""

    passports: int = 8
    """More tokens than this in one message are not judged."""

    x5u: int = 3
    """Different URLs that one message may have fetched."""

    certificates: int = credential.CERTIFICATES
    """Longest chain, anchor not counted."""

    limits: Limits = field(default_factory=Limits)


class VerificationService:
    """Judges the PASSporTs of a message against the message."""

    def __init__(
        self,
        *,
        repository: CertificateRepository,
        anchors: TrustAnchors,
        replays: ReplayStore,
        policy: VerificationPolicy,
    ) -> None:
        self.repository = repository
        self.anchors = anchors
        self.replays = replays
        self.policy = policy

    def algorithms(self, values: Iterable[str]) -> set[str]:
        """Name the digests that `verify` will need of the body.

        Asked when the header is complete and the body is still to come.
        """
        needed = set()
        limits = self.policy.limits
        for value in list(values)[: self.policy.passports]:
            try:
                token = passport.parse(_split(value, limits).token, limits)
            except Unverified:
                continue
            if token.claims.msgi is not None:
                needed.add(token.claims.msgi.algorithm)
        return needed

    def verify(
        self, message: Message, values: Sequence[str], now: datetime
    ) -> Verification:
        """Judge every header value; one good PASSporT is enough (RFC 8224 §6.2.1).

        Args:
            message: its body digested with what `algorithms` named, at least.
            values: header field values, ``token;info=...``, folded or not.
            now: aware time of reception.
        """
        if len(values) > self.policy.passports:
            # Before any fetch: a header block must not buy a hundred of them.
            detail = f"{len(values)} header fields, at most {self.policy.passports}"
            return Verification(StirResult(Reason.TOO_MANY_PASSPORTS, detail))
        urls: set[str] = set()
        results = tuple(self._verify_one(message, v, now, urls) for v in values)
        return Verification(most_informed(results), results)

    def _verify_one(
        self, message: Message, value: str, now: datetime, urls: set[str]
    ) -> StirResult:
        """Judge one header value; `urls` collects those that were fetched from."""
        token: Passport | None = None
        authority: Authority = "none"
        body: BodyMatch = "absent"
        policy = self.policy
        try:
            # RFC 8224 §6.2. Step 3 costs a fetch, so what needs none goes before it.
            # Step 1: Check for an Unsupported "ppt"
            parsed = _split(value, policy.limits)
            token = passport.parse(parsed.token, policy.limits)
            identity.check_mirrors(parsed, token)
            # Step 2: Determine the Originator's Identity
            _check_orig(token.claims, message)
            covered = _check_dest(token.claims, message)
            # Step 4: Check the Freshness of Date
            passport.check_freshness(token.claims, now, policy.freshness, policy.skew)
            if message.expires is not None and now > message.expires:
                raise Unverified(Reason.STALE, "the message has expired")
            # What "msg" adds to step 5 (RFC 9475 §3.2)
            if token.claims.msgi is not None:
                body = message.body.match(token.claims.msgi, policy.forms) or "altered"
                if body == "altered":
                    raise Unverified(
                        Reason.BODY_ALTERED, "msgi is the digest of another body"
                    )
            # Step 3: Identify Credential for Validation
            urls.add(token.x5u)
            if len(urls) > policy.x5u:
                raise Unverified(
                    Reason.TOO_MANY_PASSPORTS, f"more than {policy.x5u} different x5u"
                )
            signed_at = datetime.fromtimestamp(token.claims.iat, UTC)
            signer = credential.validate(
                self.repository.chain(token.x5u),
                self.anchors,
                signed_at,
                policy.certificates,
            )
            authority = signer.authority(token.claims.orig.value)
            signer.constraints.check(token.claims.raw)
            # Step 5: Validate the Signature
            jws.verify(token.signing_input, token.signature, signer.public_key)
            self._check_policy(token.claims, message, authority, covered)
            # RFC 8224 §12.1. Last, so that only a good token can use up its key.
            self._claim(token, message, now)
        except Unverified as error:
            return StirResult(error.reason, error.detail, token, authority, body)
        except FetchError as error:
            reason = (
                Reason.CREDENTIAL_UNAVAILABLE
                if error.temporary
                else Reason.CREDENTIAL_UNTRUSTED
            )
            return StirResult(reason, printable(str(error)), token, authority, body)
        except StoreError as error:
            detail = printable(str(error))
            return StirResult(Reason.REPLAY_UNKNOWN, detail, token, authority, body)
        return StirResult(Reason.VERIFIED, "", token, authority, body)

    def _check_policy(
        self, claims: Claims, message: Message, authority: Authority, covered: int
    ) -> None:
        """Withhold the pass from a good token that proves too little."""
        if authority == "spc" and not self.policy.accept_spc:
            raise Unverified(
                Reason.SPC_NOT_ACCEPTED, "the certificate names a carrier, no number"
            )
        if claims.msgi is None:
            # Good STIR, but any body could stand below it (RFC 9475 §3.2).
            raise Unverified(Reason.NO_MSGI, "the token does not cover the body")
        recipients = len(message.dest | message.shown) + message.others
        if covered < recipients:
            raise Unverified(
                Reason.DEST_PARTIAL, f"dest names {covered} of {recipients} recipients"
            )

    def _claim(self, token: Passport, message: Message, now: datetime) -> None:
        """Use up the token for each recipient of this delivery."""
        # Ages are whole seconds: the token is fresh for up to one more.
        signed_at = datetime.fromtimestamp(token.claims.iat, UTC)
        until = signed_at + self.policy.freshness + _SECOND
        for number in sorted(message.dest):
            key = f"{token.fingerprint}:{number}"
            holder = self.replays.claim(key, message.delivery, until, now)
            if holder != message.delivery:
                raise Unverified(Reason.REPLAYED, "seen before in another delivery")


def _split(value: str, limits: Limits) -> IdentityValue:
    # Folds and parameters may take as much room again as the token.
    return identity.parse(value, 2 * limits.token)


def _check_orig(claims: Claims, message: Message) -> None:
    """Hold ``orig`` against the signalling; by itself it proves nothing (§6.2.4)."""
    if message.orig is None:
        raise Unverified(Reason.ORIG_MISMATCH, "the message names no single number")
    if claims.orig != Identity("tn", message.orig):
        raise Unverified(Reason.ORIG_MISMATCH, "orig is not the originator")


def _check_dest(claims: Claims, message: Message) -> int:
    """Count the recipients that ``dest`` names; one of the envelope at least.

    Source: RFC 8224 §12.1, RFC 9475 §3.2. Never says which: a Bcc is a secret.
    """
    named = {value for kind, value in claims.dest if kind == "tn"}
    if not message.dest & named:
        raise Unverified(Reason.DEST_MISMATCH, "dest names no recipient")
    return len((message.dest | message.shown) & named)

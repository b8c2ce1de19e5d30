"""From an x5u and a time to a credential that an anchor vouches for.

Each chain is validated once for as long as it is valid, under every set of anchors. Its
status is looked up again when a revocation list changes or runs out, its TNAuthList by
reference after a while; the path is not validated again for either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from stirmilter.errors import FetchError
from stirmilter.haste import takes_long
from stirmilter.services.message import CertificateRepository
from stirmilter.services.patience import Patience
from stirmilter.services.revocation import PathStatus, RevocationService
from stirmilter.services.trust import TrustSet
from stirmilter.stir import credential
from stirmilter.stir.credential import CERTIFICATES, Credential
from stirmilter.stir.result import Reason, Unverified

Chain = tuple[x509.Certificate, ...]
References = Callable[[str, float], bytes]
"""From the URL of a TNAuthList, and seconds to wait, to its octets, or FetchError."""

Again = Callable[[str, float], None]
"""Has the repository ask the server of an x5u whether there is another chain, unless it
was asked lately, and waits for so many seconds at most. Never raises."""

_UNCHECKED: Final = PathStatus("unchecked")


@dataclass(frozen=True, slots=True)
class Vouched:
    """A credential, the set of anchors that vouches for it, and what lists say."""

    credential: Credential
    trust: TrustSet
    status: PathStatus = _UNCHECKED


@dataclass(frozen=True, slots=True)
class _Looked:
    """What lists say, and which generation of them; None if they are to be asked."""

    vouched: Vouched
    generation: int | None = None


@dataclass(slots=True)
class _Candidate:
    """A chain as one set of anchors sees it, and the last answer about its status."""

    looked: _Looked
    """One value: of two threads that look, each leaves its own answer, whole."""

    until: datetime | None = None
    """When the lists that it refers to are asked for again; None if there are none."""

    @property
    def vouched(self) -> Vouched:
        """The credential, as it was looked up last."""
        return self.looked.vouched


@dataclass(slots=True)
class _Known:
    chain: Chain
    candidates: list[_Candidate] = field(default_factory=list)


class CredentialService:
    """Has chains fetched, validates them, and asks whether they are revoked."""

    def __init__(
        self,
        repository: CertificateRepository,
        trust: Sequence[TrustSet],
        *,
        revocation: RevocationService | None = None,
        references: References | None = None,
        again: Again | None = None,
        reference_lifetime: timedelta = timedelta(hours=1),
        reference_limit: int = 8,
        list_seconds: float = 5.0,
        certificates: int = CERTIFICATES,
        paths: int = 2_000,
    ) -> None:
        """Take where chains come from, and whom to trust.

        Args:
            repository: by URL.
            trust: sets of anchors; the first that vouches counts.
            revocation: None asks nobody.
            references: None fetches no TNAuthList by reference; what is below an
                authority with one is then never good.
            again: None asks for no chain before its time.
            reference_lifetime: how long such a list is used.
            reference_limit: how many of them one path may refer to.
            list_seconds: for all lists together, when `at` is given no patience.
            certificates: longest chain, anchor not counted.
            paths: validated chains that are remembered.
        """
        self.repository = repository
        self.trust = tuple(trust)
        self.revocation = revocation
        self._references = references
        self._again = again
        self._lifetime = reference_lifetime
        self._reference_limit = reference_limit
        self._list_seconds = list_seconds
        self._certificates = certificates
        self._limit = paths
        # By identity: a repository returns the tuple that it has, and hashing all the
        # octets of a chain would cost more than any other step but the signature.
        self._paths: dict[int, _Known] = {}
        self.hits = 0
        """Paths that did not have to be validated; counted as well as threads allow."""

        self.misses = 0

    @property
    def entries(self) -> int:
        """Validated chains that are remembered."""
        return len(self._paths)

    def at(
        self,
        x5u: str,
        signed_at: datetime,
        now: datetime,
        identity: str,
        patience: Patience | None = None,
    ) -> Vouched:
        """Have a chain, validated at ``iat``, and looked up now.

        The set that vouches is the first whose numbers hold the identity; if none has
        it, the first: `check` then refuses. For lists, all of those of a message, it
        waits within the patience.

        Raises:
            FetchError: the chain, or a list that it refers to, cannot be had.
            Unverified: it gives nobody the right to sign.
        """
        patience = patience or Patience(self._list_seconds)
        chain = self.repository.chain(x5u)
        known = self._paths.get(id(chain))
        if known is None:  # what is remembered holds its chain, so no id comes twice
            known = _Known(chain)
        found = _choose(known.candidates, signed_at, now, identity)
        if found is not None:
            self.hits += 1
        else:
            takes_long()
            self.misses += 1
            known.candidates = list(self._validate(chain, signed_at, now, patience))
            self._remember(known)
            found = _choose(known.candidates, signed_at, now, identity)
            found = found or known.candidates[0]
        return self._with_status(found, now, patience)

    def renewed(self, x5u: str, vouched: Vouched, patience: Patience) -> bool:
        """Tell whether `at` would now take another certificate than it took.

        The server is asked, if it was not lately: its signer may have a new key. A
        server that does not answer, or serves no chain, changes nothing.

        Args:
            x5u: the URL.
            vouched: what `at` returned.
            patience: as for `at`; what is left of it is for waiting.
        """
        if self._again is None:
            return False
        if not self._stands(x5u, vouched):
            return True  # another thread has asked meanwhile
        self._again(x5u, patience.left())
        return not self._stands(x5u, vouched)

    def _stands(self, x5u: str, vouched: Vouched) -> bool:
        """Tell whether the certificate still is the one at hand."""
        try:
            return self.repository.chain(x5u)[0] == vouched.credential.path[0]
        except (FetchError, Unverified):
            return True

    def check(self, vouched: Vouched, identity: str) -> None:
        """Refuse what is revoked, or outside the numbers of its set of anchors.

        Raises:
            Unverified: what `RevocationService.check` raises, or
                `Reason.NOT_AUTHORIZED`.
        """
        if self.revocation is not None:
            self.revocation.check(vouched.status)
        if not vouched.trust.vouches_for(identity):
            raise Unverified(
                Reason.NOT_AUTHORIZED,
                f"trust set {vouched.trust.name} does not vouch for this number",
                "profile §5",
            )

    def _validate(
        self, chain: Chain, signed_at: datetime, now: datetime, patience: Patience
    ) -> Iterable[_Candidate]:
        """Validate under each set; of the failures, the one that got furthest.

        But what lacks a list comes first: with it, that set may have vouched.
        """
        failures: list[Unverified] = []
        found = []
        for trust in self.trust:
            try:
                path = credential.find_path(
                    chain, trust.anchors, signed_at, self._certificates
                )
                trust.check_policy(path)
                lists = self._fetch(credential.references(path), patience)
                read = credential.assemble(path, chain, lists)
            except Unverified as error:
                failures.append(error)
                continue
            until = now + self._lifetime if lists else None
            found.append(_Candidate(_Looked(Vouched(read, trust)), until))
        if not found:
            raise max(failures, key=_weight)
        return found

    def _fetch(self, urls: Sequence[str], patience: Patience) -> Mapping[str, bytes]:
        """Fetch the TNAuthLists that a validated path refers to (RFC 8226 §10.1)."""
        if self._references is None:
            return {}
        if len(urls) > self._reference_limit:
            detail = f"more than {self._reference_limit} TNAuthLists by reference"
            raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "profile §5")
        try:
            return {url: self._references(url, patience.left()) for url in urls}
        except FetchError as error:
            # Whatever was wrong, the certificate itself is none that we refuse.
            raise FetchError(f"TNAuthList by reference: {error}") from None

    def _remember(self, known: _Known) -> None:
        if len(self._paths) >= self._limit:
            self._paths.clear()
        self._paths[id(known.chain)] = known

    def _with_status(
        self, found: _Candidate, now: datetime, patience: Patience
    ) -> Vouched:
        """Look the path up again, if the last answer may not hold any more."""
        looked = found.looked
        vouched = looked.vouched
        if self.revocation is None:
            return vouched
        generation = self.revocation.generation
        end = vouched.status.until
        if looked.generation == generation and (end is None or now <= end):
            return vouched
        takes_long()
        path = vouched.credential.path
        status = self.revocation.status(path, vouched.trust, now, patience)
        vouched = Vouched(vouched.credential, vouched.trust, status)
        # What is missing now may be there in a moment: the store remembers failures.
        kept = None if status.word == "unavailable" else generation
        found.looked = _Looked(vouched, kept)
        return vouched


def _weight(failure: Unverified) -> tuple[bool, int]:
    reason = failure.reason
    return reason is Reason.CREDENTIAL_UNAVAILABLE, reason.rank


def _choose(
    candidates: Iterable[_Candidate],
    signed_at: datetime,
    now: datetime,
    identity: str,
) -> _Candidate | None:
    """Return the first that was valid then, is fresh, and vouches for the identity."""
    for one in candidates:
        if (
            one.vouched.trust.vouches_for(identity)
            and one.vouched.credential.valid_at(signed_at)
            and (one.until is None or now < one.until)
        ):
            return one
    return None

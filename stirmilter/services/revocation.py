"""Whether the certificates of a path have been revoked, as far as lists tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal, Protocol

from cryptography import x509

from stirmilter.errors import FetchError
from stirmilter.services.patience import Patience
from stirmilter.services.trust import TrustSet
from stirmilter.stir import revocation
from stirmilter.stir.result import Reason, Status, Unverified, printable
from stirmilter.stir.revocation import RevocationList

Mode = Literal["off", "soft", "hard"]


class RevocationLists(Protocol):
    """Where lists come from; `stores.crl` is one."""

    @property
    def generation(self) -> int:
        """Another number whenever a list has changed."""
        ...

    def begin(self, places: Iterable[str]) -> None:
        """Begin to fetch what is not there, and wait for nothing."""
        ...

    def find(self, place: str, seconds: float) -> Sequence[RevocationList]:
        """Return what a URL or file has served, or raise FetchError.

        More than one if they are not by the same signer. Waits for so long at most.
        """
        ...

    def prove(
        self, place: str, listed: RevocationList, signer: x509.Certificate
    ) -> None:
        """Be told that one who may sign a list of a place did."""
        ...


@dataclass(frozen=True, slots=True)
class PathStatus:
    """What lists say of a whole path, anchor excepted."""

    word: Status
    detail: str = ""
    until: datetime | None = None
    """When a list that was used expires; None if none was, or one was missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationPolicy:
    """What the operator decides about revocation."""

    mode: Mode = "soft"
    """Off looks at no list; soft lets a path pass when a list cannot be had; hard makes
    that temporary. A certificate that names no list passes in each."""

    skew: timedelta = timedelta(seconds=60)
    """How far the clock of who makes lists may run ahead of ours."""

    places: int = 4
    """How many of the lists that one certificate names are asked: the first ones."""

    short_lived: timedelta = timedelta(0)
    """Certificates that live no longer are not looked up: they expire soon enough."""


class RevocationService:
    """Asks the lists that a path names, and those that the operator does."""

    def __init__(self, lists: RevocationLists, policy: RevocationPolicy) -> None:
        self.lists = lists
        self.policy = policy

    @property
    def generation(self) -> int:
        """Another number whenever a conclusion may be another."""
        return self.lists.generation

    def status(
        self,
        path: Sequence[x509.Certificate],
        trust: TrustSet,
        now: datetime,
        patience: Patience,
    ) -> PathStatus:
        """Look up a validated path, leaf first.

        One revoked certificate is enough, else one that cannot be looked up. Otherwise
        the leaf's own status speaks: an intermediate's says nothing of it.
        """
        if self.policy.mode == "off":
            return PathStatus("unchecked")
        questions = [
            _Question(one, issuer, trust, now, self._named(one), patience)
            for one, issuer in pairwise(path)
        ]
        wanted = [one for one in questions if not self._is_short(one.certificate)]
        self.lists.begin(place for one in wanted for place in one.places)
        found = [self._one(one) for one in questions]
        for word in ("revoked", "unavailable"):
            for one in found:
                if one.word == word:
                    return one
        ends = [one.until for one in found if one.until is not None]
        word = found[0].word if found else "unchecked"
        return PathStatus(word, until=min(ends, default=None))

    def check(self, status: PathStatus) -> None:
        """Refuse a path by its status.

        Raises:
            Unverified: `Reason.CREDENTIAL_REVOKED`, or `Reason.STATUS_UNAVAILABLE` if
                policy is hard.
        """
        rule = "RFC 5280 §6.3"
        if status.word == "revoked":
            raise Unverified(Reason.CREDENTIAL_REVOKED, status.detail, rule)
        if status.word == "unavailable" and self.policy.mode == "hard":
            raise Unverified(Reason.STATUS_UNAVAILABLE, status.detail, rule)

    def _named(self, certificate: x509.Certificate) -> tuple[str, ...]:
        return revocation.locations(certificate)[: self.policy.places]

    def _is_short(self, certificate: x509.Certificate) -> bool:
        lives = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        return lives <= self.policy.short_lived

    def _one(self, question: _Question) -> PathStatus:
        """Ask the operator's lists and the certificate's, every one.

        Whichever revokes it, it is revoked. The operator's count for each certificate,
        so that one that cannot be had is missed. Of those that the certificate names,
        and which tell the same at several places, one is enough, be it by the
        operator's copy.
        """
        if self._is_short(question.certificate):
            return PathStatus("unchecked")
        said = {place: self._ask(place, question) for place in question.places}
        ours = [said[place] for place in question.trust.crls]
        copies = [one for one in ours if one.word == "good"]
        theirs = _first([*(said[place] for place in question.named), *copies], _ANY)
        if theirs.word == "unchecked" and revocation.needs_list(question.certificate):
            theirs = PathStatus("unavailable", theirs.detail or _NOWHERE)
        return _first([*ours, theirs], _ALL)

    def _ask(self, place: str, question: _Question) -> PathStatus:
        """Ask the lists of one place; what any of them revokes is revoked."""
        try:
            lists = self.lists.find(place, question.patience.left())
        except FetchError as error:
            return PathStatus("unavailable", printable(f"{place}: {error}"))
        return _first([self._read(place, one, question) for one in lists], _ANY)

    def _read(
        self, place: str, listed: RevocationList, question: _Question
    ) -> PathStatus:
        """Say what one list does; unchecked is: it is not about this certificate."""
        certificate, now = question.certificate, question.now
        try:
            said = revocation.answer(
                listed, certificate, question.issuer, question.trust.crl_issuers, now
            )
            self.lists.prove(place, listed, said.signer)
            if said.revoked:
                # Also by a list that has expired since: this does not change.
                detail = f"{_name(certificate)}, by the list at {place}"
                return PathStatus("revoked", printable(detail), listed.next_update)
            if said.silent and not _stands_at(listed, place, certificate):
                raise revocation.Elsewhere("the list says nothing of its issuer")
            listed.check_time(now, self.policy.skew)
            if not said.complete:
                raise ValueError("the list is of some reasons alone")
        except revocation.Elsewhere as error:
            return PathStatus("unchecked", printable(f"{place}: {error}"))
        except ValueError as error:
            return PathStatus("unavailable", printable(f"{place}: {error}"))
        return PathStatus("good", until=listed.next_update)


@dataclass(frozen=True, slots=True)
class _Question:
    """Which certificate is looked up, and under what."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    trust: TrustSet
    now: datetime
    named: tuple[str, ...]
    """Where it says that its lists stand."""

    patience: Patience

    @property
    def places(self) -> tuple[str, ...]:
        """Where to ask: the operator's first, each once."""
        return tuple(dict.fromkeys((*self.trust.crls, *self.named)))


_ANY: Final[tuple[Status, ...]] = ("revoked", "good", "unavailable", "unchecked")
_ALL: Final[tuple[Status, ...]] = ("revoked", "unavailable", "good", "unchecked")
"""Which word counts, where one answer is enough, and where each is wanted."""

_NOWHERE: Final = "it names no list that can be fetched"


def _first(found: Sequence[PathStatus], order: Sequence[Status]) -> PathStatus:
    """Return the one whose word comes first in an order, and ends when the first does.

    Unchecked, if there are none.
    """
    if not found:
        return PathStatus("unchecked")
    one = min(found, key=lambda said: order.index(said.word))
    if one.word != "good":
        return one
    ends = [said.until for said in found if said.until is not None]
    return replace(one, until=min(ends, default=None))


def _stands_at(
    listed: RevocationList, place: str, certificate: x509.Certificate
) -> bool:
    """Tell whether a certificate sends us to an indirect list that is silent about it.

    What came over plain http must say itself that it stands there: else anybody on the
    way could put an indirect list in the place of the issuer's own.
    """
    if place not in revocation.locations(certificate):
        return False
    return place.startswith("https://") or bool(listed.locations)


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate"


def notes(status: PathStatus) -> Iterable[str]:
    """Say what is odd and costs no pass."""
    if status.word == "unavailable":
        yield f"revocation: {status.detail}"

"""Whether the certificates of a path have been revoked, as far as lists tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, Protocol

from cryptography import x509

from stirmilter.errors import FetchError
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

    def find(self, place: str) -> RevocationList:
        """Return the list of a URL or file, or raise FetchError."""
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
        self, path: Sequence[x509.Certificate], trust: TrustSet, now: datetime
    ) -> PathStatus:
        """Look up a validated path, leaf first.

        One revoked certificate is enough, else one that cannot be looked up. Otherwise
        the leaf's own status speaks: an intermediate's says nothing of it.
        """
        if self.policy.mode == "off":
            return PathStatus("unchecked")
        found = [
            self._one(certificate, issuer, trust, now)
            for certificate, issuer in pairwise(path)
        ]
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

    def _one(
        self,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        trust: TrustSet,
        now: datetime,
    ) -> PathStatus:
        """Ask the operator's lists, then the certificate's; the first that answers."""
        lives = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        if lives <= self.policy.short_lived:
            return PathStatus("unchecked")
        named = revocation.locations(certificate)
        reason, tried = "it names no list that can be fetched", False
        for place in dict.fromkeys((*trust.crls, *named)):
            try:
                listed = self.lists.find(place)
                if revocation.answer(
                    listed, certificate, issuer, trust.crl_issuers, now
                ):
                    # Also by a list that has expired since: this does not change.
                    detail = f"{_name(certificate)}, by the list at {place}"
                    return PathStatus("revoked", printable(detail), listed.next_update)
                listed.check_time(now, self.policy.skew)
            except revocation.Elsewhere as error:
                if not tried and place in named:
                    reason = f"{place}: {error}"
            except (FetchError, ValueError) as error:
                reason, tried = f"{place}: {error}", True
            else:
                return PathStatus("good", until=listed.next_update)
        if tried or revocation.needs_list(certificate):
            return PathStatus("unavailable", printable(reason))
        return PathStatus("unchecked")


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate"


def notes(status: PathStatus) -> Iterable[str]:
    """Say what is odd and costs no pass."""
    if status.word == "unavailable":
        yield f"revocation: {status.detail}"

"""SPF, DKIM, ARC and DMARC of a message: evaluated here, or read from a trusted hop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from stirmilter.mail import nearness, protection, upstream
from stirmilter.mail.authres import Limits
from stirmilter.mail.beside import Beside
from stirmilter.mail.checks import dmarc, spf
from stirmilter.mail.checks.block import HeaderBlock
from stirmilter.mail.checks.canonical import BodyHashes
from stirmilter.mail.checks.dkim import DkimChecker
from stirmilter.mail.checks.dmarc import DmarcLimits
from stirmilter.mail.checks.dns import Answer, Kind, Resolver
from stirmilter.mail.checks.spf import SpfLimits
from stirmilter.mail.checks.verification import DkimLimits
from stirmilter.mail.results import DkimSignature, MailResults, SpfResult
from stirmilter.mail.transaction import Header, Transaction
from stirmilter.mail.upstream import METHODS, Method, Mode, Upstream


class Lookups(Resolver, Protocol):
    """The look-ups of one message; `stores.dns` has one."""

    def reserve(self, seconds: float = 0.0, questions: int = 0) -> Lookups:
        """Return a part that leaves so much to the rest, and soon tires of silence."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodsPolicy:
    """What the operator decides about the methods."""

    methods: frozenset[Method] = METHODS
    """Those that are looked at."""

    mode: Mode = "evaluate"
    upstreams: tuple[Upstream, ...] = ()
    headers: frozenset[str] = field(default_factory=lambda: frozenset({"PASSporT"}))
    """Fields that may hold a PASSporT."""

    protecting: Collection[str] | None = None
    """Domains whose DKIM signatures protect a header, besides those aligned with From;
    None lets every domain."""

    dkim: DkimLimits = field(default_factory=DkimLimits)
    spf: SpfLimits = field(default_factory=SpfLimits)
    dmarc: DmarcLimits = field(default_factory=DmarcLimits)
    signatures: int = upstream.SIGNATURES
    """DKIM results of an upstream that are read."""

    results: Limits = field(default_factory=Limits)
    """How much of each of its fields is read."""

    result_length: int = upstream.LENGTH
    """Characters of a value in them."""


class Methods:
    """Evaluates by the look-ups that it is given; keeps nothing of a message."""

    def __init__(self, policy: MethodsPolicy, lookups: Callable[[], Lookups]) -> None:
        """Take what the operator decided, and what begins the look-ups of a message."""
        self.policy = policy
        self._lookups = lookups
        self._reader = DkimChecker(_Nobody(), policy.dkim)

    def prepare(self, headers: Sequence[Header]) -> BodyHashes:
        """Say what DKIM and ARC need to be hashed of the body."""
        hashing = {"dkim", "arc", "dmarc"} & self.policy.methods
        if self.policy.mode == "trust" or not hashing:
            return BodyHashes(())
        return self._reader.prepare(headers)

    def check(self, transaction: Transaction, now: datetime) -> Beside:
        """Evaluate what is to be evaluated, and read what is to be trusted."""
        policy = self.policy
        theirs = None
        if policy.mode != "evaluate":
            theirs = upstream.read(
                transaction.headers,
                transaction.connection,
                policy.upstreams,
                signatures=policy.signatures,
                limits=policy.results,
                length=policy.result_length,
            )
        ours = MailResults()
        if policy.mode != "trust":
            ours = self._evaluate(transaction, now)
        chosen = upstream.choose(policy.mode, ours, theirs, policy.result_length)
        return Beside(
            results=chosen.results,
            protection=protection.protect(
                chosen.results,
                transaction.headers,
                policy.headers,
                trusted=policy.protecting,
            ),
            differences=chosen.differences,
        )

    def _evaluate(self, transaction: Transaction, now: datetime) -> MailResults:
        wanted, limits = self.policy.methods, self.policy.dmarc
        headers = transaction.headers
        block = HeaderBlock(headers)
        authors = [field.text for field in headers if field.name.lower() == "from"]
        whole = part = self._lookups()
        author = dmarc.author(authors, limits)
        if "dmarc" in wanted:
            part = whole.reserve(limits.seconds, limits.questions)
        sender, dkim = self._identifiers(transaction, block, author[0], part, now)
        found = arc = None
        if "dmarc" in wanted:
            found = dmarc.check_author(author, sender, dkim or (), whole, limits)
        if "arc" in wanted:
            checker = DkimChecker(part.reserve(), self.policy.dkim)
            arc = checker.check_arc(block, transaction.hashed, now)
        return MailResults(
            spf=sender if "spf" in wanted else None,
            dkim=dkim if "dkim" in wanted else None,
            arc=arc,
            dmarc=found,
        )

    def _identifiers(
        self,
        transaction: Transaction,
        block: HeaderBlock,
        author: str,
        part: Lookups,
        now: datetime,
    ) -> tuple[SpfResult | None, tuple[DkimSignature, ...] | None]:
        """Evaluate SPF and DKIM, and first what may be aligned with From.

        DMARC rests on them, whether they are reported or not. The others are whoever
        the sender likes: were they asked first, his dead name servers would use up the
        time for those that count.
        """
        wanted, connection = self.policy.methods, transaction.connection
        checker = DkimChecker(part.reserve(), self.policy.dkim)
        message = checker.open(block, transaction.hashed, now)
        asked: list[tuple[str, int | None]] = []  # a domain, and where it signed
        if wanted & {"dkim", "dmarc"}:
            asked += [(message.domain(at), at) for at in message.places]
        if wanted & {"spf", "dmarc"}:
            domain = spf.mail_from_domain(connection.helo, transaction.sender)
            asked.append((domain, None))
        sender: SpfResult | None = None
        judged: dict[int, DkimSignature] = {}
        for _, at in sorted(asked, key=lambda one: nearness.rank(one[0], author)):
            if at is None:
                sender = self._spf(transaction, part.reserve())
            else:
                judged[at] = message.judge(at)
        if not wanted & {"dkim", "dmarc"}:
            return sender, None
        return sender, message.results([judged[at] for at in message.places])

    def _spf(self, transaction: Transaction, resolver: Resolver) -> SpfResult:
        connection = transaction.connection
        return spf.mail_from(
            connection.client,
            connection.helo,
            transaction.sender,
            resolver,
            self.policy.spf,
        )


class _Nobody:
    """Stands for the DNS where nothing is asked."""

    def ask(self, _name: str, _kind: Kind) -> Answer:
        return Answer("temporary")

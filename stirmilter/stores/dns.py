"""Questions to the DNS about a message: bounded, remembered, never an exception.

A name is asked for as it stands: no search domain is appended. A stranger chooses what
we ask for, and of whom in the end, so each question and all those of one message have
an end in time, their number has one, and so has the size of what is read and kept. What
could not be answered is remembered too, if only for a short time, lest a dead name
server cost each message the same wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Final

import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver

from stirmilter.errors import StoreError
from stirmilter.haste import hurries, takes_long
from stirmilter.stores import domainname
from stirmilter.stores.answers import Answer, AnswerMemory, Kind
from stirmilter.stores.deadline import Deadline
from stirmilter.stores.resolvconf import SYSTEM, ResolvConf
from stirmilter.stores.unresolved import in_words, last_words

Server = tuple[str, int]
"""Address and port of a name server."""

_PAYLOAD: Final = (
    1232  # octets by UDP that need no fragments; what is more comes by TCP
)

_LEAST: Final = 0.001  # seconds of a question, if time ends just as it is asked

_READ: Final = 16_384
"""Octets of answers, 16 for each record besides, that are read in no time. What SPF,
DKIM and DMARC make of more takes about a millisecond for each four thousand."""

_RECORD: Final = 16

_HEARD: Final = 0.5
"""Of the time for a question: a name that had less was not asked in earnest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsLimits:
    """What a question may cost."""

    question_seconds: float = 3.0
    """For one question, whoever answers it in the end."""

    server_seconds: float = 1.0
    """For one name server, before the next is asked, or the same again."""

    message_seconds: float = 10.0
    """For all questions about one message."""

    questions: int = 100
    """About one message, those that the memory answers not counted."""

    unanswered: int = 2
    """Of one part of them, that nobody answers in time; then it asks nothing more."""

    records: int = 100
    """In one answer; one that has more counts as malformed."""

    octets: int = 32_768
    """Of all records in one answer; as above."""

    entries: int = 10_000
    """Answers that are remembered."""

    memory_octets: int = 16_777_216
    """Octets that the remembered answers may take."""

    found_seconds: float = 3_600.0
    """The longest that records are remembered, whatever their TTL is."""

    absent_seconds: float = 300.0
    """The longest that the absence of records is (RFC 2308 §5)."""

    failed_seconds: float = 10.0
    """How long a failure is (RFC 2308 §7 allows five minutes)."""


class Dns:
    """Name servers and what they said of late; one for all messages.

    Safe to share between threads.
    """

    def __init__(
        self,
        servers: Sequence[Server] = (),
        limits: DnsLimits | None = None,
        path: Path = SYSTEM,
    ) -> None:
        """Take the servers to ask instead of those in the system's file, if any."""
        self.limits = limits or DnsLimits()
        self._file = ResolvConf(path, self.limits.server_seconds)
        self._given = self._resolver(servers) if servers else None
        self.memory = AnswerMemory(self.limits.entries, self.limits.memory_octets)

    def for_message(self) -> Lookups:
        """Begin the look-ups of one message, all of which end together."""
        deadline = Deadline.after(self.limits.message_seconds)
        return Lookups(self, deadline, self.limits.questions)

    def recall(self, name: str, kind: Kind) -> Answer | None:
        """Return what was said of late about a name in its one spelling."""
        return self.memory.get(name, kind)

    def look_up(self, name: str, kind: Kind, seconds: float) -> Answer:
        """Ask the name servers, and remember what they say."""
        lifetime = min(seconds, self.limits.question_seconds)
        try:
            answer, keep = self._ask(name, kind, lifetime)
        except dns.resolver.NXDOMAIN as error:
            said: dict[dns.name.Name, dns.message.Message] = error.kwargs["responses"]
            answer, keep = Answer("no-name"), self._absent(said.values())
        except dns.resolver.YXDOMAIN:
            answer = Answer("malformed", detail="the alias makes too long a name")
            keep = self.limits.failed_seconds
        except dns.resolver.NoNameservers as error:
            answer = Answer("temporary", detail=last_words(error))
            keep = self.limits.failed_seconds
        except (dns.exception.DNSException, StoreError) as error:
            answer, keep = _unheard(error, lifetime), self.limits.failed_seconds
            # Others may have more time than this message had left.
            keep = keep if lifetime == self.limits.question_seconds else 0.0
        self.memory.put(name, kind, answer, keep)
        return answer

    def _ask(self, name: str, kind: Kind, lifetime: float) -> tuple[Answer, float]:
        """Return the answer, and the seconds to remember it."""
        resolver = self._given or self._configured()
        found = resolver.resolve(
            _absolute(name), kind, lifetime=lifetime, raise_on_no_answer=False
        )
        if found.rrset is None:
            return Answer("no-data"), self._absent([found.response])
        if len(found.rrset) > self.limits.records:
            answer = Answer("malformed", detail=f"{len(found.rrset)} records")
        else:
            answer = self._measured(_records(found.rrset, kind))
        return answer, min(found.chaining_result.minimum_ttl, self.limits.found_seconds)

    def _measured(self, records: tuple[str, ...]) -> Answer:
        octets = sum(map(len, records))
        if octets > self.limits.octets:
            return Answer("malformed", detail=f"{octets} octets of records")
        return Answer("found", records)

    def _absent(self, responses: Iterable[dns.message.Message]) -> float:
        """Return the seconds to remember that there is none (RFC 2308 §5)."""
        for response in responses:
            for rrset in response.authority:
                if rrset.rdtype == dns.rdatatype.SOA:
                    seconds: int = min(rrset.ttl, rrset[0].minimum)
                    return min(seconds, self.limits.absent_seconds)
        return min(self.limits.failed_seconds, self.limits.absent_seconds)

    def _configured(self) -> dns.resolver.Resolver:
        resolver = self._file.resolver()
        resolver.use_edns(0, 0, _PAYLOAD)
        return resolver

    def _resolver(self, servers: Sequence[Server]) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, port) for address, port in servers
        ]
        resolver.timeout = self.limits.server_seconds
        resolver.use_edns(0, 0, _PAYLOAD)
        return resolver


class Lookups:
    """The look-ups of one message, or a part of them; safe between threads."""

    def __init__(self, dns: Dns, deadline: Deadline, questions: int) -> None:
        """Take the end of all of them, and the number of questions there may be."""
        self._dns = dns
        self._deadline = deadline
        self._lock = Lock()
        self._left = questions
        self._read = 0
        self._whole: Lookups | None = None
        # Of names that stay silent one knows it after so many seconds.
        self._hearing = _HEARD * min(dns.limits.question_seconds, deadline.remaining)
        self._silences = 0

    def reserve(self, seconds: float = 0.0, questions: int = 0) -> Lookups:
        """Return a part that leaves so much to the rest, at most half of what there is.

        For what asks where a stranger tells it to: his slow names then take nothing
        from the question that he would rather not have answered. A part asks nothing
        more when too many of its questions were met with silence: a dead zone has as
        many names as one cares to write.

        Args:
            seconds: to be left.
            questions: to be left.
        """
        kept = min(seconds, max(0.0, self._deadline.remaining) / 2)
        part = Lookups(
            self._dns,
            Deadline(self._deadline.at - kept),
            self._left - min(questions, self._left // 2),
        )
        part._whole = self
        return part

    def ask(self, name: str, kind: Kind) -> Answer:
        """Answer out of the memory or by asking, while there is time."""
        spelling = domainname.canonical(name)
        if spelling is None:
            return Answer("malformed", detail="not a domain name")
        known = self._dns.recall(spelling, kind)
        if known is not None:
            if hurries():
                self._read_more(sum(_RECORD + len(one) for one in known.records))
            return known
        takes_long()
        refusal = self._refusal()
        if refusal:
            return Answer("temporary", detail=refusal, cause="spent")
        seconds = max(_LEAST, self._deadline.remaining)
        answer = self._dns.look_up(spelling, kind, seconds)
        if answer.cause != "silent":
            return answer
        with self._lock:
            self._silences += 1
        return answer if seconds >= self._hearing else replace(answer, cause="spent")

    def _read_more(self, octets: int) -> None:
        """Count what is read, here and in the whole; much of it takes long."""
        self._read += octets
        if self._read > _READ:
            takes_long()
        if self._whole is not None:
            self._whole._read_more(octets)  # noqa: SLF001

    def _refusal(self) -> str:
        """Count one question, or say why there is none to be asked any more."""
        with self._lock:
            silences = self._silences
        if self._whole is not None and silences >= self._dns.limits.unanswered:
            return "too many questions that nobody answers"
        if not self._take():
            return "too many questions for one message"
        if self._deadline.remaining <= 0:
            return "no time is left for this message"
        return ""

    def _take(self) -> bool:
        """Count one question here and in the whole; False when there are none left."""
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
        return self._whole is None or self._whole._take()  # noqa: SLF001


def _absolute(name: str) -> dns.name.Name:
    """Build the name out of its labels: an escape in one of them means nothing."""
    return dns.name.Name([*(label.encode() for label in name.split(".")), b""])


def _records(rrset: dns.rrset.RRset, kind: Kind) -> tuple[str, ...]:
    if kind == "MX":
        ordered = sorted((one.preference, _text(one.exchange)) for one in rrset)
        return tuple(f"{preference} {exchange}" for preference, exchange in ordered)
    if kind == "TXT":
        return tuple(b"".join(one.strings).decode("latin-1") for one in rrset)
    if kind == "PTR":
        return tuple(_text(one.target) for one in rrset)
    return tuple(str(one.address) for one in rrset)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() or "."


def _unheard(error: Exception, lifetime: float) -> Answer:
    if isinstance(error, dns.exception.Timeout):
        detail = f"no answer in {lifetime:.1f} s"
        return Answer("temporary", detail=detail, cause="silent")
    if isinstance(error, StoreError):
        return Answer("temporary", detail=ascii(str(error))[1:-1])
    return Answer("temporary", detail=in_words(error))

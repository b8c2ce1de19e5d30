"""What it takes to run a case of the taxonomy: a proof, and a laboratory for it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from stirmilter.errors import FetchError
from stirmilter.stir import hazmat
from stirmilter.stir.result import Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.documents import DocumentStore, Fetch
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, NOW, message
from tests.services.world import Case, World
from tests.stores.fetchers import fetcher
from tests.stores.servers import Answer, https
from tests.vectors.reading import ACCEPTED

PATIENCE: Final = 0.3
"""Seconds that a server has which will not answer in time."""

_BETWEEN: Final = re.compile(r";\s*|\s+/\s+")


def split(text: str) -> list[str]:
    """Take a row of the taxonomy apart: ``a; b / c`` are three cases."""
    return _BETWEEN.split(text)


@dataclass(frozen=True)
class Laboratory:
    """The test CA, the world of the services, and a fetcher as in production."""

    ca: TestCA
    world: World

    @cached_property
    def production(self) -> Fetcher:
        return Fetcher(FetchPolicy(seconds=PATIENCE))

    def verdict(self, *values: str, **parts: Any) -> str:  # noqa: ANN401
        """Return the code for the usual message under these header values."""
        service = self.world.verifier(**parts)
        return service.verify(message(), list(values), NOW).result.reason.code

    def at(self, url: str, fetch: Fetch) -> str:
        """Return the code for a good token whose chain is fetched from a URL."""
        token = self.world.token("one", {"x5u": url})
        return self.verdict(token, repository=CertificateStore(DocumentStore(fetch)))


Run = Callable[[Laboratory], str]


@dataclass(frozen=True)
class Proof:
    """One case of a row: what runs it, and what we say then."""

    case: str
    """In the words of the taxonomy."""

    expected: str
    """The code of a reason, or another word that `run` returns."""

    run: Run
    variant: str = ""
    """Where one case is several."""

    def __str__(self) -> str:
        return f"{self.case}, {self.variant}" if self.variant else self.case


class Outside(NamedTuple):
    """A case that does not apply to messages, and why."""

    case: str
    why: str


@dataclass(frozen=True)
class Row:
    """A row of the taxonomy, taken apart."""

    source: str
    proofs: tuple[Proof | Outside, ...]

    @property
    def cases(self) -> list[str]:
        """Name the cases in their order, each once."""
        return list(dict.fromkeys(proof.case for proof in self.proofs))


def judged(**parts: Any) -> Run:  # noqa: ANN401
    """Run a case of the services: one token and one message, spoilt somewhere."""
    return lambda lab: Case(**parts).run(lab.world)[0].result.reason.code


def carried(*values: str) -> Run:
    """Judge the usual message under these header values."""
    return lambda lab: lab.verdict(*values)


def fetched(url: str) -> Run:
    """Judge a good token whose x5u is this, with the fetcher of production."""
    return lambda lab: lab.at(url, lab.production.get)


def allowed(url: str) -> Run:
    """Ask the fetcher of production whether it would go there, without going."""

    def run(lab: Laboratory) -> str:
        try:
            lab.production.check(url)
        except FetchError as error:
            return str(error)
        return "allowed"

    return run


def served(answer: Answer, seconds: float = 5.0) -> Run:
    """Judge a good token whose chain is served by a real server, in this way."""

    def run(lab: Laboratory) -> str:
        with https(lab.ca, answer) as server:
            url = f"https://127.0.0.1:{server.port}/a.pem"
            return lab.at(url, fetcher(lab.ca, seconds=seconds).get)

    return run


def listed(octets: bytes) -> Run:
    """Decode a TNAuthList; a good one has no second spelling."""

    def run(_: Laboratory) -> str:
        try:
            found = TNAuthList.decode(octets)
        except Unverified as error:
            return error.reason.code
        spelt = hazmat.encode_tn_auth_list(hazmat.decode_tn_auth_list(octets))
        assert spelt == octets
        return f"{ACCEPTED}: {found.authority(ALICE)}"

    return run

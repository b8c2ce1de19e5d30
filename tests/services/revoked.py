"""Signers whose certificates name a revocation list, and the lists, to be changed."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from cryptography import x509

from stirmilter.errors import FetchError
from stirmilter.services import (
    RevocationPolicy,
    RevocationService,
    TrustSet,
    Verification,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Reason, Status
from stirmilter.stores.crl import RevocationStore
from stirmilter.stores.replay import MemoryReplayStore
from tests.laboratory import ALICE, NOW, X5U, FolderRepository, message
from tests.stir.certificates import Issued, issue, leaf, publish, usage
from tests.stir.crls import authority, crl, named, point, points
from tests.stir.tokens import forge

HOUR = timedelta(hours=1)
ROOT = authority("root")
MIDDLE = authority("middle", ROOT)
PA = issue("PA", use=usage("crl_sign"))
DIRECT = "https://crl.example/middle.crl"
INDIRECT = "https://crl.example/sti-pa.crl"

PLAIN = leaf(MIDDLE)
NAMING = leaf(MIDDLE, points(DIRECT))
OURS = leaf(MIDDLE, points(INDIRECT, issuer=PA.certificate.subject))


class Kept:
    """Gives the same tuple each time, as a repository that remembers does."""

    def __init__(self, folder: Path) -> None:
        self.behind = FolderRepository(folder)
        self.chains: dict[str, tuple[x509.Certificate, ...]] = {}

    def chain(self, x5u: str) -> tuple[x509.Certificate, ...]:
        if x5u not in self.chains:
            self.chains[x5u] = self.behind.chain(x5u)
        return self.chains[x5u]


class Lab:
    """A verification service, whose lists a test can change."""

    def __init__(
        self,
        folder: Path,
        *,
        mode: str = "soft",
        trust: Sequence[TrustSet] = (),
        policy: VerificationPolicy | None = None,
        short_lived: timedelta = timedelta(0),
        places: int = 4,
    ) -> None:
        self.folder = folder
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.hook: Callable[[], object] = lambda: None
        self.held: set[str] = set()
        """What is not served before `released`."""
        self.released = Event()
        self.now = NOW
        self.store = RevocationStore(self._get, clock=self._clock, failure_seconds=1.0)
        self.service = VerificationService(
            repository=Kept(folder),
            anchors=trust
            or [TrustSet(anchors=trusting(ROOT), crl_issuers=trusting(PA))],
            replays=MemoryReplayStore(),
            policy=policy or VerificationPolicy(),
            revocation=RevocationService(
                self.store,
                RevocationPolicy(
                    mode=mode,  # type: ignore[arg-type]
                    short_lived=short_lived,
                    places=places,
                ),
            ),
        )

    def _clock(self) -> float:
        return self.now.timestamp()

    def _get(self, url: str, _revalidate: bool) -> bytes:
        self.asked.append(url)
        self.hook()
        if url in self.held:
            self.released.wait(30)
        if url not in self.pages:
            raise FetchError("nobody answers")
        return self.pages[url]

    def direct(self, *revoked: Issued, begin: datetime = NOW) -> None:
        """Publish the list of MIDDLE."""
        entries = [(one.certificate.serial_number, ()) for one in revoked]
        end = begin + timedelta(hours=24)
        self.pages[DIRECT] = crl(MIDDLE, *entries, begin=begin, end=end)

    def indirect(self, *revoked: Issued, signer: Issued = PA) -> None:
        """Publish the list of the administrator."""
        entries = [
            (one.certificate.serial_number, [named(MIDDLE.certificate)])
            for one in revoked
        ]
        extensions = [point(indirect_crl=True)]
        self.pages[INDIRECT] = crl(signer, *entries, extensions=extensions)

    def status(self, one: Issued) -> str:
        """Look a certificate up that was judged before, however old its token."""
        x5u = f"{X5U}n{one.certificate.serial_number:x}.pem"
        found = self.service.credentials.at(x5u, NOW, self.now, ALICE)
        return found.status.word

    def verify(self, *chain: Issued) -> Verification:
        """Judge a good token under a chain, MIDDLE above if it is one alone."""
        name = f"n{chain[0].certificate.serial_number:x}"
        publish(self.folder, name, *(chain if chain[1:] else (*chain, MIDDLE)))
        token = forge({"x5u": f"{X5U}{name}.pem"}, None, chain[0].key)
        return self.service.verify(message(), [token], self.now)


def trusting(*anchors: Issued) -> TrustAnchors:
    return TrustAnchors([one.certificate for one in anchors])


def said(found: Verification) -> tuple[Reason, Status]:
    return found.result.reason, found.result.status


def x5u_of(one: Issued) -> str:
    return f"https://certs.example/n{one.certificate.serial_number:x}.pem"

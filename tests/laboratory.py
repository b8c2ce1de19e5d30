"""The laboratory that the tests share: one toy PKI, one clock, one message.

No fake of our own core: keys, certificates and stores are real; only the network is
left out, by a repository that reads the chains the test CA wrote.
"""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stirmilter.errors import FetchError
from stirmilter.services import (
    AuthenticationService,
    Message,
    ReplayStore,
    Signer,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir import credential
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.tn import NumberSet
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ALICE = "12025550123"
BOB = "13125550100"
CAROL = "13125550101"
BODY = b"Hello Bob\r\n"
X5U = "https://certs.example/"


def message(
    orig: str | None = ALICE,
    dest: tuple[str, ...] = (BOB,),
    body: bytes = BODY,
    others: int = 0,
    delivery: str = "first",
    expires: datetime | None = None,
) -> Message:
    """The message that most tests send, with whatever differs."""
    return Message(
        orig=orig,
        dest=frozenset(dest),
        body=digest_body(body),
        others=others,
        delivery=delivery,
        expires=expires,
    )


def private_key(ca: TestCA, name: str) -> ec.EllipticCurvePrivateKey:
    """The key of a signer of the test CA."""
    key = load_pem_private_key(ca.files(name).key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def signer(ca: TestCA, name: str, numbers: tuple[str, ...] = ("+1*",)) -> Signer:
    """A signer of the test CA, as the runtime would load it."""
    chain = credential.load_chain(ca.files(name).chain.read_bytes())
    return Signer(
        name=name,
        key=SoftwareKey(private_key(ca, name)),
        credential=credential.read(chain[0], chain),
        x5u=f"{X5U}{name}.pem",
        numbers=NumberSet.parse(numbers),
    )


class FolderRepository:
    """Serves the chains of the test CA under `X5U`, and counts the fetches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetched: list[str] = []

    def chain(self, x5u: str) -> tuple[x509.Certificate, ...]:
        self.fetched.append(x5u)
        path = self.folder / x5u.removeprefix(X5U)
        if not x5u.startswith(X5U) or not path.is_file():
            raise FetchError(f"nothing at {x5u}")
        return credential.load_chain(path.read_bytes())


def anchors(ca: TestCA) -> TrustAnchors:
    return TrustAnchors(credential.load_chain(ca.anchors.read_bytes()))


def verifier(
    ca: TestCA,
    policy: VerificationPolicy | None = None,
    replays: ReplayStore | None = None,
) -> VerificationService:
    return VerificationService(
        repository=FolderRepository(ca.folder / "www"),
        anchors=anchors(ca),
        replays=replays or MemoryReplayStore(),
        policy=policy or VerificationPolicy(),
    )


def authenticator(ca: TestCA, *names: str) -> AuthenticationService:
    return AuthenticationService([signer(ca, name) for name in names or ("one",)])

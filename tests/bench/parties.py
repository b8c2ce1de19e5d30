"""A signer and a verifier with everything warm, and a message between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from cryptography import x509

from stirmilter.services import (
    AuthenticationService,
    Message,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir import credential, identity, jws
from stirmilter.stir.passport import Passport
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, BOB, NOW, anchors, message, signer

FIELD = "PASSporT"
WARM = 300


@dataclass(frozen=True)
class Cached:
    """A repository that has the chain already, and returns the same one."""

    certificates: tuple[x509.Certificate, ...]

    def chain(self, _x5u: str) -> tuple[x509.Certificate, ...]:
        """Return the only chain."""
        return self.certificates


class Forgetful:
    """Takes every token for new: what is measured is the token, not the store."""

    remote = False

    def claim(
        self,
        keys: Sequence[bytes],
        holder: bytes,
        signed_at: datetime,
        now: datetime,
        *,
        keep: bool = True,
    ) -> bool:
        assert keep
        assert signed_at <= now == NOW
        return bool(keys and holder)


@dataclass(frozen=True)
class Parties:
    """Both services, as a daemon has them that has run for a while."""

    authentication: AuthenticationService
    verification: VerificationService
    remembering: VerificationService
    """The same with a replay store in memory."""

    message: Message
    ca: TestCA

    @classmethod
    def create(cls, folder: str) -> Self:
        """Make a PKI in a folder, and both services of it."""
        ca = TestCA.create(Path(folder), NOW)
        files = ca.signer("one", TNAuthList.build(numbers=[ALICE]), NOW)
        chain = Cached(credential.load_chain(files.chain.read_bytes()))
        token_alone, remembering = (
            VerificationService(
                repository=chain,
                anchors=anchors(ca),
                replays=replays,
                policy=VerificationPolicy(),
            )
            for replays in (Forgetful(), MemoryReplayStore())
        )
        return cls(
            AuthenticationService([signer(ca, "one")]),
            token_alone,
            remembering,
            message(ALICE, (BOB,)),
            ca,
        )

    def warm(self) -> None:
        """Sign and verify until every cache has what it needs."""
        for place in range(WARM):
            value = self.write(self.sign(place))
            self.verify(value)
            self.verify_and_claim(value)

    def sign(self, _place: int = 0) -> Passport:
        """Make a token; each is another, since signatures are randomized."""
        return self.authentication.sign(self.message, NOW)

    def write(self, token: Passport) -> str:
        """Write the header value that carries it."""
        return identity.write(token, FIELD)

    def files(self) -> tuple[Path, Path]:
        """Return where the signer's key and chain are."""
        files = self.ca.files("one")
        return files.key, files.chain

    def parts(self) -> tuple[str, str]:
        """Return header and claims of a token of ours as JSON."""
        header, claims, _ = self.sign().text.split(".")
        return jws.b64url_decode(header).decode(), jws.b64url_decode(claims).decode()

    def verify(self, value: str) -> None:
        """Judge a header value that nobody has judged before, and find it good."""
        found = self.verification.verify(self.message, [value], NOW)
        assert found.result.passed, found.result

    def verify_and_claim(self, value: str) -> None:
        """Do that, and remember that it was seen."""
        found = self.remembering.verify(self.message, [value], NOW)
        assert found.result.passed, found.result

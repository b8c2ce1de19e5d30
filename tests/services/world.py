"""The world that the services are tested in, and one delivery to vary in it."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.errors import FetchError, StoreError
from stirmilter.services import Verification, VerificationPolicy, VerificationService
from stirmilter.stir import hazmat
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests.laboratory import (
    CAROL,
    NOW,
    X5U,
    FolderRepository,
    anchors,
    message,
    private_key,
)
from tests.stir import der
from tests.stir.certificates import Issued, issue, leaf, publish, tn_auth_list
from tests.stir.tokens import KEY, forge

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(seconds=60)
DAY: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)


class Silent:
    """A replay store that cannot answer."""

    def claim(
        self,
        _keys: object,
        _holder: bytes,
        _signed_at: datetime,
        now: datetime,
        **_: bool,
    ) -> bool:
        raise StoreError(f"no answer\r\nby {now}")


class Closed:
    """A repository that refuses every address, for good."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def chain(self, x5u: str) -> tuple[x509.Certificate, ...]:
        self.fetched.append(x5u)
        raise FetchError(f"\x1b[2J{x5u}", temporary=False)


@dataclass(frozen=True)
class World:
    """The chains of the test CA and odd ones, in one folder, and the keys to them."""

    folder: Path
    keys: dict[str, ec.EllipticCurvePrivateKey]
    trusted: TrustAnchors

    @classmethod
    def create(cls, ca: TestCA, folder: Path) -> Self:
        """Copy the chains of the test CA into a folder, and add the odd ones."""
        shutil.copytree(ca.folder / "www", folder, dirs_exist_ok=True)
        (folder / "garbage.pem").write_text("<html>\r\nnot found</html>")
        root = issue("root", ca=True, begin=NOW - 9 * DAY, end=NOW + 9 * DAY)
        middle = issue("middle", root, ca=True, end=NOW - HOUR)
        limited = issue("limited", root, [tn_auth_list(der.one(CAROL))], ca=True)
        constraints = x509.UnrecognizedExtension(
            hazmat.ENHANCED_CLAIM_CONSTRAINTS, der.constraints(exclude=["msgi"])
        )
        chains: dict[str, tuple[Issued, ...]] = {
            "constrained": (leaf(root, constraints),),
            "old-intermediate": (leaf(middle), middle),
            "limited": (leaf(limited), limited),
            "p384": (issue("p384", root, [tn_auth_list()], curve=ec.SECP384R1()),),
            "no-list": (issue("no list", root),),
            "short": (issue("short", root, [tn_auth_list()], end=NOW + HOUR),),
        }
        for name, chain in chains.items():
            publish(folder, name, *chain)
        return cls(
            folder,
            {
                name: private_key(ca, name)
                for name in ("one", "range", "spc", "other", "expired", "untrusted")
            }
            | {name: chain[0].key for name, chain in chains.items() if name != "p384"},
            TrustAnchors([*anchors(ca).certificates, root.certificate]),
        )

    def token(
        self,
        name: str,
        header: Mapping[str, object] | None = None,
        payload: Mapping[str, object] | None = None,
    ) -> str:
        """Sign with the key of a signer, pointing at its chain."""
        x5u = {"x5u": f"{X5U}{name}.pem"}
        return forge({**x5u, **(header or {})}, payload, self.keys.get(name, KEY))

    def verifier(self, **parts: Any) -> VerificationService:  # noqa: ANN401
        policy = VerificationPolicy(**parts.pop("policy", {}))
        return VerificationService(
            repository=parts.get("repository", FolderRepository(self.folder)),
            anchors=self.trusted,
            replays=parts.get("replays") or MemoryReplayStore(),
            policy=policy,
            trouble=parts.get("trouble", lambda _: None),
            claimed=parts.get("claimed", lambda _: None),
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """One token and one message; by default, a good token for this message."""

    signer: str = "one"
    header: Mapping[str, object] = field(default_factory=dict)
    payload: Mapping[str, object] = field(default_factory=dict)
    parameters: str = ""
    message: Mapping[str, Any] = field(default_factory=dict)
    at: datetime = NOW
    policy: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)
    before: str | None = None
    """Name of a delivery of the same token that came before this one."""

    def run(self, world: World) -> tuple[Verification, list[str]]:
        """Return what was found, and the URLs that were fetched for it."""
        service = world.verifier(policy=dict(self.policy), **self.parts)
        value = world.token(self.signer, self.header, self.payload) + self.parameters
        if self.before is not None:
            arguments = {**self.message, "delivery": self.before}
            assert service.verify(message(**arguments), [value], self.at).result.passed
        repository = service.credentials.repository
        assert isinstance(repository, FolderRepository | Closed)
        repository.fetched.clear()
        found = service.verify(message(**self.message), [value], self.at)
        return found, repository.fetched

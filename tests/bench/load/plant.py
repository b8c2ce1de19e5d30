"""Everything that is measured, on one machine at the same time: ours and the peers.

Each candidate has a UNIX socket below one folder, answers to the same prepared
messages, and says which header fields each of them must get, so that nobody is fast
by doing nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stirmilter.demo import daemons
from stirmilter.mail.dkimsign import DkimSigner, PrivateKey
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests.bench.load.corpus import DOMAIN, SELECTOR, THEM, Sender
from tests.bench.load.daemon import Daemon
from tests.e2e import neighbours

Kind = Literal["sign", "verify"]
Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Plant:
    """What the candidates share."""

    folder: Path
    ca: TestCA
    base: str
    dns: tuple[str, int]
    keys: Mapping[str, Path]
    """``rsa`` and ``ed25519``, published below the selectors ``s1`` and ``ed``."""

    sender: Sender


@dataclass(frozen=True)
class Candidate:
    """One daemon with one task."""

    name: str
    kind: Kind
    start: Callable[[Plant], AbstractContextManager[Daemon]]
    insert: Fields = ()
    """Fields that each message must get, and text that must be in each."""

    remembers: bool = False
    """Takes no message twice."""

    verdict: str = "c"


SELECTORS: Final = {"rsa": SELECTOR, "ed25519": "ed"}


@contextmanager
def plant() -> Iterator[Plant]:
    """Prepare keys, certificates and names; all of it goes when the block ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        now = datetime.now(UTC)
        ca = TestCA.create(folder / "ca", now)
        ca.signer("spc", TNAuthList.build(spcs=["1234"]), now)
        base = stack.enter_context(ca.publish())
        key = rsa.generate_private_key(65537, 2048)
        pairs: dict[str, PrivateKey] = {
            "rsa": key,
            "ed25519": ed25519.Ed25519PrivateKey.generate(),
        }
        names = stack.enter_context(neighbours.name_server())
        names.ttl = 86_400
        names.add(DOMAIN, "TXT", f"v=spf1 ip4:{THEM} -all")
        names.add(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
        for kind, one in pairs.items():
            signs = DkimSigner(domain=DOMAIN, selector=SELECTORS[kind], key=one)
            names.add(signs.record[0], "TXT", signs.record[1])
        address, port = names.address
        yield Plant(
            folder=folder,
            ca=ca,
            base=base,
            dns=(str(address), port),
            keys={kind: _kept(folder, kind, one) for kind, one in pairs.items()},
            sender=Sender(ca, base, key),
        )


def _kept(folder: Path, kind: str, key: PrivateKey) -> Path:
    path = folder / f"{kind}.pem"
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path

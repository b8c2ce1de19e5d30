"""A keeper with clocks that stand still, real files and a real web server."""

import logging
import select
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from stirmilter import config, log, runtime
from stirmilter.renewal import Keeper
from stirmilter.runtime import Runtime
from stirmilter.services import Signer
from stirmilter.stir import jws
from stirmilter.stir.passport import Passport
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests.laboratory import NOW, message

WATCH: Final = 10.0
RETRY: Final = 30.0
DAY: Final = timedelta(days=1)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The lines of the log, as they come."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    handler = Lines()
    before = log.logger.level
    log.logger.addHandler(handler)
    log.logger.setLevel(logging.INFO)
    yield lines
    log.logger.removeHandler(handler)
    log.logger.setLevel(before)


@dataclass
class Desk:
    """An operator's files: ``live`` links to a key and a chain in ``archive``."""

    ca: TestCA
    base: str
    folder: Path
    now: datetime = NOW
    ticks: float = 1_000.0
    table: dict[str, Any] = field(default_factory=dict)
    keepers: list[Keeper] = field(default_factory=list)

    @property
    def key(self) -> Path:
        return self.folder / "live" / "privkey.pem"

    @property
    def chain(self) -> Path:
        return self.folder / "live" / "fullchain.pem"

    @property
    def www(self) -> Path:
        """What the web server serves as ``carrier.pem``."""
        return self.ca.folder / "www" / "carrier.pem"

    def issue(self, name: str, **others: Any) -> None:  # noqa: ANN401
        """Have a certificate for the carrier 1234, in the archive."""
        covers = others.pop("covers", TNAuthList.build(spcs=["1234"]))
        files = self.ca.signer(name, covers, NOW, **others)
        archive = self.folder / "archive"
        archive.mkdir(exist_ok=True)
        shutil.move(files.key, archive / f"{name}.key")
        shutil.move(files.chain, archive / f"{name}.pem")

    def publish(self, name: str) -> None:
        shutil.copy(self.folder / "archive" / f"{name}.pem", self.www)

    def link(self, name: str, *parts: str) -> None:
        """Point the links at other files, one after the other, as certbot does."""
        self.key.parent.mkdir(exist_ok=True)
        pairs = {"key": (self.key, f"{name}.key"), "chain": (self.chain, f"{name}.pem")}
        for part in parts or pairs:
            path, target = pairs[part]
            new = path.with_suffix(".new")
            new.symlink_to(self.folder / "archive" / target)
            new.replace(path)

    def load(self, change: dict[str, dict[str, Any]] | None = None) -> Runtime:
        table: dict[str, Any] = {
            "milter": {"authserv_id": "mx.example"},
            "sign": {"proofs": "proofs.json", **self.table.get("sign", {})},
            "signer": [
                {
                    "name": "carrier",
                    "key": str(self.key),
                    "chain": str(self.chain),
                    "x5u": f"{self.base}/carrier.pem",
                    "numbers": ["+1202*"],
                    **self.table.get("signer", {}),
                }
            ],
            "verify": {"anchors": [str(self.ca.anchors)]},
            "fetch": {
                "laboratory": True,
                "tls_ca": str(self.ca.tls_ca),
                **self.table.get("fetch", {}),
            },
            "replay": {"store": "memory:"},
        }
        for name, value in (change or {}).items():
            if name == "signer":
                table["signer"][0] |= value
            else:
                table[name] |= value
        return runtime.build(config.parse(table, self.folder / "stirmilter.toml"))

    def keeper(self, loaded: Runtime | None = None) -> Keeper:
        """Start, as the supervisor does, and let the first look end."""
        made = Keeper(clock=lambda: self.now, ticks=lambda: self.ticks)
        self.keepers.append(made)
        self.adopt(made, loaded or self.load())
        finish(made)
        return made

    @staticmethod
    def adopt(keeper: Keeper, loaded: Runtime) -> None:
        keeper.adopt(loaded, keeper.settle(loaded))

    def pass_by(self, keeper: Keeper, seconds: float) -> bool:
        """Let time go by, and what comes due be done; tell whether anything changed."""
        self.ticks += seconds
        self.now += timedelta(seconds=seconds)
        changed = keeper.tick()
        return finish(keeper) or changed


def finish(keeper: Keeper) -> bool:
    """Let the look that is under way end; tell whether the signers changed."""
    changed = False
    while keeper._probe is not None:
        assert select.select([keeper._probe.pipe], [], [], 30)[0], "it never ends"
        changed = keeper.tick() or changed
    return changed


Made = Callable[..., Desk]


@pytest.fixture
def desk(ca: TestCA, tmp_path: Path) -> Iterator[Desk]:
    """A desk with the certificate ``first`` in use, its x5u not yet served."""
    own = tmp_path / "ca"
    shutil.copytree(ca.folder, own)
    mine = TestCA(own)
    with mine.publish() as base:
        made = Desk(mine, base, tmp_path)
        made.issue("first")
        made.link("first")
        yield made
        for keeper in made.keepers:
            keeper.stop()


def subject(one: Signer) -> str:
    return one.credential.certificate.subject.rfc4514_string().split(",")[0]


def used(keeper: Keeper) -> tuple[str, bool]:
    """Which certificate the only signer has, and whether it may sign."""
    [one] = keeper.runtime.signers
    return subject(one).removeprefix("CN=SHAKEN "), one.proven


def sign(keeper: Keeper, desk: Desk) -> Passport:
    made = keeper.runtime.filter.authentication.sign(message(), desk.now)
    [one] = [s for s in keeper.runtime.signers if s.x5u == made.x5u]
    jws.verify(made.signing_input, made.signature, one.credential.public_key)
    return made

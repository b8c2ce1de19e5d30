"""A real daemon on loopback, with its PKI published over real https."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

import pytest

from stirmilter.demo import daemons
from stirmilter.demo.laboratory import Laboratory, laboratory
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA

OVER_BOTH = pytest.mark.parametrize("transport", ["native", "libmilter"])
"""What a transport may break; all the rest runs over one (STIRMILTER_TRANSPORT)."""

CONFIGURATION = """\
[milter]
sockets = [{sockets}]
authserv_id = "mx.example"
{milter}
[sign]
clients = ["{clients}"]
daemon_names = ["submission"]
proofs = "{folder}/proofs.json"
{sign}
[[signer]]
name = "spc"
key = "{ca}/keys/spc.key"
chain = "{ca}/www/spc.pem"
x5u = "{base}/spc.pem"
numbers = ["+1*"]
[verify]
anchors = ["{ca}/root.pem"]
{verify}
[checks]
{checks}
[fetch]
laboratory = true
tls_ca = "{ca}/tls-ca.pem"
store = "sqlite:{folder}/certificates.sqlite"
store_seconds = 30.0
{fetch}
[replay]
{replay}
[journal]
path = "journal.sqlite"
{more}
"""

PATIENT = "seconds = 30.0"
"""Of servers and files that are alive, and may be as slow as this machine."""


@dataclass
class Daemon:
    """A running daemon and what one needs to talk to it."""

    process: Popen[bytes]
    configuration: Path
    log: Path
    socket: str

    def logged(self) -> str:
        return self.log.read_text()


@pytest.fixture(scope="session")
def published() -> Iterator[tuple[TestCA, str]]:
    """A test CA whose chains are served; certificates are valid now."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        now = datetime.now(UTC)
        made = TestCA.create(folder / "ca", now)
        made.signer("spc", TNAuthList.build(spcs=["1234"]), now)
        yield made, stack.enter_context(made.publish())


Start = Callable[..., Daemon]


@pytest.fixture
def start(published: tuple[TestCA, str]) -> Iterator[Start]:
    """Start daemons that stop with the test."""
    ca, base = published
    with ExitStack() as stack:

        def start_one(
            *sockets: str,
            milter: str = "",
            sign: str = "",
            verify: str = "",
            checks: str = "methods = []",
            fetch: str = PATIENT,
            replay: str = "",
            more: str = "",
            clients: str = "127.0.0.0/8",
        ) -> Daemon:
            folder = Path(stack.enter_context(daemons.short_folder()))
            path = f"{folder}/milter.sock"
            configuration = folder / "stirmilter.toml"
            configuration.write_text(
                CONFIGURATION.format(
                    sockets=", ".join(f'"{s}"' for s in (f"unix:{path}", *sockets)),
                    milter=milter if "workers" in milter else f"workers = 2\n{milter}",
                    sign=sign,
                    verify=verify,
                    checks=checks,
                    fetch=fetch,
                    replay=replay
                    or f'store = "sqlite:{folder}/replay.sqlite"\n{PATIENT}',
                    more=more,
                    clients=clients,
                    ca=ca.folder,
                    base=base,
                    folder=folder,
                )
            )
            log = folder / "log"
            process = stack.enter_context(daemons.stirmilter(configuration, log))
            return Daemon(process, configuration, log, path)

        yield start_one


Hook = Callable[[str], Path]


@pytest.fixture
def hook(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Hook:
    """Have each Python that is started read a text before anything else.

    For what no signal does to a daemon, such as to die at a certain point of its work.
    Returns a folder to talk to it by; ``{folder!r}`` in the text is its name. It stays
    when the test ends: the daemon may end later, and write there still.
    """
    folder = tmp_path_factory.mktemp("hook")

    def written(text: str) -> Path:
        (folder / "sitecustomize.py").write_text(text.format(folder=str(folder)))
        before = os.environ.get("PYTHONPATH")
        path = os.pathsep.join(filter(None, (str(folder), before)))
        monkeypatch.setenv("PYTHONPATH", path)
        return folder

    return written


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Run the two operators of the demonstration."""
    with laboratory(tmp_path_factory.mktemp("logs")) as running:
        yield running

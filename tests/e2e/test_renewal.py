"""Keys that are renewed under a running daemon, as an ACME client renews them."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

import pytest

from stirmilter.demo import daemons
from stirmilter.demo.postfix import free_port
from stirmilter.stir import credential, jws
from stirmilter.stir.passport import Passport
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests import mta
from tests.e2e.conftest import Daemon
from tests.e2e.test_milter import BOB, SENDER, headers, token_of
from tests.e2e.watching import alive, until
from tests.stores.servers import https, silence
from tests.stores.softhsm import SoftToken

pytestmark = pytest.mark.e2e

CONFIGURATION = """\
[milter]
sockets = ["unix:{folder}/milter.sock"]
authserv_id = "mx.example"
workers = 2
[sign]
clients = ["127.0.0.0/8"]
proofs = "{folder}/proofs.json"
watch_seconds = 0.1
retry_seconds = 0.2
[[signer]]
name = "carrier"
key = "{key}"
chain = "{folder}/live/fullchain.pem"
x5u = "{x5u}"
numbers = ["+1202*"]
[verify]
anchors = ["{folder}/ca/root.pem"]
[checks]
methods = []
[fetch]
laboratory = true
tls_ca = "{folder}/ca/tls-ca.pem"
seconds = {seconds}
[replay]
store = "memory:"
"""


@dataclass
class Relay:
    """A daemon, its files as certbot lays them out, and where they are served."""

    folder: Path
    ca: TestCA
    port: int
    stack: ExitStack
    issued: list[str] = field(default_factory=list)
    key: str = ""
    x5u: str = ""
    seconds: float = 30.0

    def issue(self, name: str) -> None:
        files = self.ca.signer(name, TNAuthList.build(spcs=["1234"]), datetime.now(UTC))
        archive = self.folder / "archive"
        archive.mkdir(exist_ok=True)
        shutil.move(files.key, archive / f"{name}.key")
        shutil.move(files.chain, archive / f"{name}.pem")
        self.issued.append(name)

    def publish(self, name: str) -> None:
        """Put a chain where the web server finds it, whole at once."""
        www = self.ca.folder / "www"
        shutil.copy(self.folder / "archive" / f"{name}.pem", www / "new")
        (www / "new").rename(www / "carrier.pem")

    def link(self, link: str, target: str) -> None:
        """Point ``live/LINK`` somewhere else."""
        live = self.folder / "live"
        live.mkdir(exist_ok=True)
        (live / "new").symlink_to(self.folder / "archive" / target)
        (live / "new").replace(live / link)

    def serve(self) -> None:
        """Bring the web server up."""
        self.stack.enter_context(self.ca.publish(self.port))

    def configure(self) -> Path:
        configuration = self.folder / "stirmilter.toml"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                key=self.key or f"{self.folder}/live/privkey.pem",
                x5u=self.x5u or f"https://127.0.0.1:{self.port}/carrier.pem",
                seconds=self.seconds,
            )
        )
        return configuration

    def start(self, stack: ExitStack | None = None) -> Daemon:
        configuration = self.configure()
        log = self.folder / "log"
        running = daemons.stirmilter(configuration, log)
        process = (stack or self.stack).enter_context(running)
        return Daemon(process, configuration, log, f"{self.folder}/milter.sock")

    def signed_with(self, token: Passport) -> str:
        """Name the certificate that a token verifies with."""
        for name in self.issued:
            pem = (self.folder / "archive" / f"{name}.pem").read_bytes()
            found = credential.read(credential.load_chain(pem)[0])
            try:
                jws.verify(token.signing_input, token.signature, found.public_key)
            except Exception:  # noqa: BLE001, S112 - the next may
                continue
            return name
        raise AssertionError("no key of ours signed that")


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay with the certificate ``first``; no daemon and no web server runs yet."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        ca = TestCA.create(folder / "ca", datetime.now(UTC))
        made = Relay(folder, ca, free_port(), stack)
        made.issue("first")
        made.link("privkey.pem", "first.key")
        made.link("fullchain.pem", "first.pem")
        made.publish("first")
        yield made


def send(daemon: Daemon) -> mta.Answer:
    with mta.session(daemon.socket) as session:
        return session.message(SENDER, [BOB], headers(123), b"Hello\r\n")


def signer_of(relay: Relay, daemon: Daemon) -> str:
    return relay.signed_with(token_of(send(daemon).value(b"PASSporT")))


def signers(relay: Relay, answers: Iterable[mta.Answer]) -> set[str]:
    tokens = [token_of(answer.value(b"PASSporT")) for answer in answers]
    return {relay.signed_with(token) for token in tokens}


class Traffic:
    """Messages without a pause, each in its own session, until it is told to end."""

    def __init__(self, daemon: Daemon) -> None:
        self.answers: list[mta.Answer] = []
        self.failed: list[BaseException] = []
        self._daemon = daemon
        self._stop = threading.Event()
        self._lanes = [threading.Thread(target=self._flow) for _ in range(3)]

    def __enter__(self) -> Self:
        for lane in self._lanes:
            lane.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for lane in self._lanes:
            lane.join()

    def _flow(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(send(self._daemon))
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                self.failed.append(error)
                return


@pytest.mark.conformance("A-17", "A-20")
def test_a_key_is_renewed_while_mail_flows(relay: Relay) -> None:
    """Every message is signed, by the old key until the URL serves the new chain."""
    relay.serve()
    daemon = relay.start()
    with Traffic(daemon) as traffic:
        until(lambda: len(traffic.answers) > 20, "mail flows")
        relay.issue("second")
        relay.link("privkey.pem", "second.key")
        until(lambda: "the new files are not used" in daemon.logged(), "half a pair")
        relay.link("fullchain.pem", "second.pem")
        until(lambda: "serves another chain" in daemon.logged(), "not served yet")
        before = len(traffic.answers)
        until(lambda: len(traffic.answers) > before + 20, "mail flows on")
        assert not traffic.failed
        early = traffic.answers[: before + 20]

        relay.publish("second")
        until(lambda: "new credentials" in daemon.logged(), "the new one is used")
        # The old workers are told to drain at that moment; how soon they do is theirs.
        until(lambda: signers(relay, traffic.answers[-20:]) == {"second"}, "by all")

    assert traffic.failed == []
    assert signers(relay, early) == {"first"}
    assert daemon.logged().count("out=signed") == len(traffic.answers)


def test_a_pair_that_does_not_match_changes_nothing(relay: Relay) -> None:
    relay.serve()
    daemon = relay.start()
    relay.issue("second")
    relay.publish("second")

    relay.link("privkey.pem", "second.key")
    until(lambda: "the new files are not used" in daemon.logged(), "told")

    assert (
        "live/privkey.pem: not the key of the first certificate in the chain"
        in daemon.logged()
    )
    assert signer_of(relay, daemon) == "first"


def test_a_remembered_proof_signs_while_the_web_server_is_down(relay: Relay) -> None:
    with ExitStack() as first:
        first.enter_context(relay.ca.publish(relay.port))
        assert signer_of(relay, relay.start(first)) == "first"

    daemon = relay.start()

    assert signer_of(relay, daemon) == "first"
    assert "not used yet" not in daemon.logged()


@pytest.mark.conformance("A-18")
def test_what_was_never_proven_waits_until_the_web_server_comes_up(
    relay: Relay,
) -> None:
    daemon = relay.start()
    answer = send(daemon)

    assert answer.verdict == b"y"
    assert answer.reply.startswith(b"451 4.7.0")
    assert "out=failed reason=credential-unproven" in daemon.logged()
    assert "signer carrier: not used yet: " in daemon.logged()

    relay.serve()
    until(lambda: "new credentials" in daemon.logged(), "it is proven by itself")
    # An old worker that drains may take one more; its client would come again.
    until(lambda: send(daemon).verdict == b"c", "the new workers sign")
    assert signer_of(relay, daemon) == "first"


@pytest.fixture
def hanging(relay: Relay) -> Relay:
    """The same, at a web server that takes connections and says nothing."""
    server = relay.stack.enter_context(https(relay.ca, silence))
    relay.x5u = f"https://127.0.0.1:{server.port}/carrier.pem"
    relay.seconds = 60.0
    return relay


def children(process: int) -> list[int]:
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(pid) for pid in path.read_text().split()]


def run(relay: Relay, errors: IO[bytes] | int) -> subprocess.Popen[bytes]:
    """Start a daemon that is not ready for long."""
    command = [sys.executable, "-m", "stirmilter", "run"]
    return subprocess.Popen([*command, "--config", relay.configure()], stderr=errors)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_look_that_hangs_keeps_no_daemon_from_ending(
    hanging: Relay, number: signal.Signals
) -> None:
    """It has not even begun to serve, and ends; its prober with it."""
    process = run(hanging, subprocess.DEVNULL)
    try:
        until(lambda: len(children(process.pid)) == 1, "it looks")
        [prober] = children(process.pid)

        process.send_signal(number)

        assert process.wait(20) == 0
        assert not alive(prober)
    finally:
        process.kill()
        process.wait()


def test_a_reload_that_is_asked_for_at_the_start_is_not_lost(hanging: Relay) -> None:
    hanging.seconds = 2.0
    log = hanging.folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "stirmilter",
                "run",
                "--config",
                hanging.configure(),
            ],
            stderr=out,
        )
    try:
        until(lambda: children(process.pid) != [], "it looks")
        process.send_signal(signal.SIGHUP)

        until(lambda: "reloaded" in log.read_text(), "it has reloaded")

        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_a_reload_works_while_a_look_hangs(relay: Relay, hanging: Relay) -> None:
    """The signer that was proven goes on; the settings that need no proof go live."""
    url, relay.x5u = hanging.x5u, ""
    relay.seconds = 60.0
    relay.serve()
    daemon = relay.start()
    text = daemon.configuration.read_text()
    daemon.configuration.write_text(
        text.replace(f"https://127.0.0.1:{relay.port}/carrier.pem", url)
    )
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in daemon.logged(), "reloaded")
    assert signer_of(relay, daemon) == "first"

    daemon.configuration.write_text(
        text.replace("[sign]", '[sign]\nheader = "Identity"')
    )
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.logged().count("reloaded") == 2, "reloaded again")

    # The old workers hand over a moment after the line.
    until(
        lambda: [name for _, name, _ in send(daemon).inserted] == [b"Identity"],
        "the new name",
    )
    daemon.process.terminate()
    assert daemon.process.wait(20) == 0


def test_workers_sign_with_a_key_in_a_token(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a prober and two forked workers, and over a reload."""
    folder = relay.folder / "softhsm"
    folder.mkdir()
    token = SoftToken.create(folder)
    pem = (relay.folder / "archive" / "first.key").read_bytes()
    token.put_pem(pem, "carrier", "01")
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.configuration))
    relay.key = token.uri("carrier")
    relay.serve()
    daemon = relay.start()

    assert [signer_of(relay, daemon) for _ in range(10)] == ["first"] * 10

    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in daemon.logged(), "reloaded")
    assert [signer_of(relay, daemon) for _ in range(10)] == ["first"] * 10

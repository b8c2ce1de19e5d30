"""Looks at credentials that hang, die, ask tokens, or cannot begin."""

import errno
import os
import select
import signal
from pathlib import Path

import pkcs11
import pytest

from stirmilter.renewal import Keeper, prober
from stirmilter.stir import jws
from tests.laboratory import NOW
from tests.renewal.conftest import RETRY, WATCH, Desk, finish, subject, used
from tests.stores.servers import https, silence
from tests.stores.softhsm import SoftToken

# The web server's thread is the test's, not the daemon's.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)


def process_of(pidfd: int) -> int:
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    [number] = [line.split()[1] for line in lines if line.startswith("Pid:")]
    return int(number)


def test_a_reload_ends_the_look_that_is_under_way(desk: Desk) -> None:
    with https(desk.ca, silence) as server:
        slow = {"x5u": f"https://127.0.0.1:{server.port}/slow.pem"}
        keeper = Keeper(clock=lambda: desk.now, ticks=lambda: desk.ticks)
        desk.adopt(keeper, desk.load({"signer": slow, "fetch": {"seconds": 60}}))
        assert not keeper.tick(), "it does not wait"
        assert keeper._probe is not None
        before = keeper._probe.process
        child = process_of(before)
        desk.publish("first")

        desk.adopt(keeper, desk.load())
        finish(keeper)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(before)
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)
    assert used(keeper) == ("first", True)


def test_a_look_that_outlives_its_time_is_ended(
    desk: Desk, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever holds it up: the kernel ends it, and it is tried again."""
    monkeypatch.setattr(prober, "seconds", lambda *_: 0.5)
    with https(desk.ca, silence) as server:
        desk.table["signer"] = {"x5u": f"https://127.0.0.1:{server.port}/slow.pem"}
        desk.table["fetch"] = {"seconds": 60}
        keeper = desk.keeper()

        assert used(keeper) == ("first", False)
        assert any("not used yet: no answer in time" in text for text in logged)
        desk.ticks += RETRY
        keeper.tick()
        assert keeper.proving
        keeper.stop()


def test_one_signer_that_hangs_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "seconds", lambda *_: 2.0)
    desk.publish("first")
    loaded = desk.load({"fetch": {"seconds": 60}})
    [good] = loaded.signers
    with https(desk.ca, silence) as server:
        url = f"https://127.0.0.1:{server.port}/slow.pem"
        hangs = desk.load({"fetch": {"seconds": 60}, "signer": {"x5u": url}}).signers[0]
        probe = prober.start(loaded, [hangs, good], NOW, ())
        select.select([probe.pipe], [], [], 30)
        assert probe.reports() is None
        reports = None
        while reports is None:
            select.select([probe.pipe], [], [], 30)
            reports = probe.reports()

    assert [report.reason for report in reports] == ["no answer in time", ""]


def test_a_look_keeps_no_pipe_of_a_worker_open(desk: Desk) -> None:
    """Its end is what tells a worker to drain."""
    with https(desk.ca, silence) as server:
        slow = {"x5u": f"https://127.0.0.1:{server.port}/slow.pem"}
        loaded = desk.load({"signer": slow, "fetch": {"seconds": 60}})
        reading, control = os.pipe()
        probe = prober.start(loaded, loaded.signers, NOW, [control])

        os.close(control)

        assert select.select([reading], [], [], 20)[0]
        assert os.read(reading, 1) == b""
        assert probe.reports() is None, "it still looks"
        probe.stop()
        os.close(reading)


def test_what_comes_while_another_is_looked_at_has_its_turn_at_once(
    desk: Desk,
) -> None:
    with https(desk.ca, silence) as server:
        slow = {"x5u": f"https://127.0.0.1:{server.port}/slow.pem"}
        keeper = Keeper(clock=lambda: desk.now, ticks=lambda: desk.ticks)
        desk.adopt(keeper, desk.load({"signer": slow, "fetch": {"seconds": 60}}))
        desk.issue("second")
        desk.link("second")
        desk.ticks += WATCH
        keeper.tick()
        first = keeper._probe
        assert first is not None
        signal.pidfd_send_signal(first.process, signal.SIGKILL)
        assert select.select([first.pipe], [], [], 20)[0]

        keeper.tick()

        assert keeper._probe is not None
        assert [subject(one) for one in keeper._probe.signers] == ["CN=SHAKEN second"]
        keeper.stop()


def test_a_look_that_dies_is_a_look_that_found_nothing(
    desk: Desk, logged: list[str]
) -> None:
    with https(desk.ca, silence) as server:
        slow = {"x5u": f"https://127.0.0.1:{server.port}/slow.pem"}
        keeper = Keeper(clock=lambda: desk.now, ticks=lambda: desk.ticks)
        desk.adopt(keeper, desk.load({"signer": slow, "fetch": {"seconds": 60}}))
        assert keeper._probe is not None
        signal.pidfd_send_signal(keeper._probe.process, signal.SIGKILL)
        finish(keeper)

    assert used(keeper) == ("first", False)
    assert any("no answer in time" in text for text in logged)


def test_a_system_that_would_not_fork_is_asked_again(
    desk: Desk, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    desk.publish("first")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", refuse)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as it is
        keeper = desk.keeper()
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert any("no prober now, trying again" in text for text in logged)

    assert desk.pass_by(keeper, RETRY)
    assert used(keeper) == ("first", True)


@pytest.fixture
def token(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """The key of ``first``, in a token, which this process does not open."""
    folder = desk.folder / "softhsm"
    folder.mkdir()
    made = SoftToken.create(folder)
    [one] = desk.load().signers
    assert isinstance(one.key, jws.SoftwareKey)
    made.put(one.key.private, "carrier", "01")
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.configuration))
    return made


def test_a_key_in_a_token_is_proven_without_opening_it_here(
    desk: Desk, token: SoftToken
) -> None:
    pkcs11._loaded.clear()
    desk.publish("first")
    desk.table["signer"] = {"key": token.uri("carrier")}

    keeper = desk.keeper()

    assert used(keeper) == ("first", True)
    assert not pkcs11._loaded, "a module must not be initialized before a fork"


def test_a_pin_that_was_refused_is_not_tried_again_until_a_reload(
    desk: Desk, token: SoftToken, logged: list[str]
) -> None:
    desk.publish("first")
    desk.table["signer"] = {"key": token.uri("carrier")}
    (token.folder / "pin").write_text("wrong\n")
    keeper = desk.keeper()
    assert any("PinIncorrect" in text for text in logged)

    desk.ticks += 2 * RETRY
    keeper.tick()
    assert not keeper.proving
    assert used(keeper) == ("first", False)

    (token.folder / "pin").write_text("314159\n")
    desk.adopt(keeper, desk.load())
    assert finish(keeper)
    assert used(keeper) == ("first", True)

"""When a new key takes over: real files, a real web server, real children."""

import errno
import os
import select
import signal
from datetime import timedelta
from pathlib import Path

import pkcs11
import pytest

from stirmilter.errors import SigningError
from stirmilter.renewal import Keeper, prober
from stirmilter.services import Signer
from stirmilter.stir import identity, jws
from stirmilter.stir.passport import Passport
from stirmilter.stir.tnauthlist import TNAuthList
from tests.laboratory import NOW, message
from tests.renewal.conftest import Desk, finish
from tests.stores.servers import https, silence
from tests.stores.softhsm import MODULE, SoftToken

# The web server's thread is the test's, not the daemon's.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)

WATCH = 10.0
RETRY = 30.0
DAY = timedelta(days=1)


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


@pytest.mark.conformance("A-15", "A-16")
def test_what_its_url_serves_is_used(desk: Desk, logged: list[str]) -> None:
    desk.publish("first")

    keeper = desk.keeper()

    assert used(keeper) == ("first", True)
    assert sign(keeper, desk)
    [line] = [text for text in logged if "in use" in text]
    assert line.startswith("INFO signer carrier: in use: CN=SHAKEN first")
    assert line.endswith(f"until 2026-02-01 12:00Z, {desk.base}/carrier.pem")


def test_what_was_never_proven_signs_nothing_and_is_tried_again(
    desk: Desk, logged: list[str]
) -> None:
    keeper = desk.keeper()
    assert used(keeper) == ("first", False)
    with pytest.raises(SigningError, match="credential-unproven") as caught:
        sign(keeper, desk)
    assert caught.value.failure
    assert any("not used yet" in text and "status 404" in text for text in logged)

    desk.publish("first")
    assert not desk.pass_by(keeper, RETRY - 1), "too early"
    assert desk.pass_by(keeper, 1)

    assert sign(keeper, desk)


def test_a_proof_outlives_a_restart_while_the_web_server_is_down(desk: Desk) -> None:
    desk.publish("first")
    desk.keeper()
    desk.www.unlink()

    again = Keeper(clock=lambda: desk.now, ticks=lambda: desk.ticks)
    desk.adopt(again, desk.load())

    assert not again.proving, "nothing is to be fetched"
    assert sign(again, desk)


@pytest.mark.conformance("A-17", "A-20")
def test_a_renewal_through_links_waits_for_the_url(
    desk: Desk, logged: list[str]
) -> None:
    """Key and chain change one after the other; the URL is served last."""
    desk.publish("first")
    keeper = desk.keeper()
    desk.issue("second")

    desk.link("second", "key")
    assert not desk.pass_by(keeper, WATCH)
    assert used(keeper) == ("first", True)
    assert any(
        "the new files are not used" in text
        and "not the key of the first certificate" in text
        for text in logged
    )

    desk.link("second", "chain")
    assert not desk.pass_by(keeper, WATCH)
    assert used(keeper) == ("first", True)
    assert any("serves another chain than the file holds" in text for text in logged)

    desk.publish("second")
    assert desk.pass_by(keeper, RETRY)
    assert used(keeper) == ("second", True)
    assert sign(keeper, desk)


def test_the_url_of_another_certificate_is_told(desk: Desk, logged: list[str]) -> None:
    """RFC 8224 §7.3: mail in queues was signed under the old one."""
    desk.publish("first")
    keeper = desk.keeper()
    desk.issue("second")
    desk.publish("second")
    desk.link("second")

    assert desk.pass_by(keeper, WATCH)

    [line] = [text for text in logged if "give a new certificate a new URL" in text]
    assert line.startswith(f"WARNING signer carrier: x5u: {desk.base}/carrier.pem")


def test_the_token_of_the_key_before_is_still_ours(desk: Desk) -> None:
    desk.publish("first")
    keeper = desk.keeper()
    value = identity.write(sign(keeper, desk), "PASSporT")
    desk.issue("second")
    desk.publish("second")
    desk.link("second")

    desk.pass_by(keeper, WATCH)

    service = keeper.runtime.filter.authentication
    assert used(keeper) == ("second", True)
    assert service.signed(message(), [value], desk.now)
    assert not service.signed(message(), [value], desk.now + 2 * DAY)


def test_files_that_come_back_need_no_proof(desk: Desk) -> None:
    desk.publish("first")
    keeper = desk.keeper()
    desk.issue("second")
    desk.link("second")
    desk.pass_by(keeper, WATCH)
    before = keeper.runtime

    desk.link("first")
    changed = desk.pass_by(keeper, WATCH)

    assert not changed, "the same is used as before: no worker is to be replaced"
    assert keeper.runtime is before
    desk.pass_by(keeper, RETRY)
    assert not keeper.proving


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        pytest.param(
            {"covers": TNAuthList.build(numbers=["13125550100"])},
            "the certificate does not cover +1202*",
            id="numbers-not-covered",
        ),
        pytest.param({"trusted": False}, "our own anchors refuse it", id="not-trusted"),
        pytest.param({"valid": -DAY}, "not valid now", id="expired"),
    ],
)
@pytest.mark.conformance("A-01", "A-13", "A-15")
def test_a_new_key_that_would_not_do_leaves_the_old(
    desk: Desk, logged: list[str], others: dict[str, object], reason: str
) -> None:
    desk.publish("first")
    keeper = desk.keeper()
    desk.issue("second", **others)
    desk.publish("second")
    desk.link("second")

    assert not desk.pass_by(keeper, WATCH)

    assert used(keeper) == ("first", True)
    assert any(f"not used yet: {reason}" in text for text in logged)


def test_a_domain_that_is_not_named_leaves_the_old(
    desk: Desk, logged: list[str]
) -> None:
    desk.publish("first")
    keeper = desk.keeper()

    desk.issue("second")
    desk.link("second")
    desk.publish("second")
    desk.adopt(keeper, desk.load({"signer": {"domains": ["example.net"]}}))
    finish(keeper)

    assert used(keeper) == ("first", True)
    assert any("does not name example.net" in text for text in logged)


def test_a_reload_takes_what_needs_no_proof_at_once(desk: Desk) -> None:
    """A new URL waits; the numbers that the operator took away do not."""
    desk.publish("first")
    keeper = desk.keeper()
    change = {"x5u": f"{desk.base}/new.pem", "numbers": ["+1312*"]}

    desk.adopt(keeper, desk.load({"signer": change}))

    [one] = keeper.runtime.signers
    assert one.x5u == f"{desk.base}/carrier.pem"
    assert "12025550123" not in one.numbers
    (desk.www.parent / "new.pem").write_bytes(desk.www.read_bytes())
    assert finish(keeper) or desk.pass_by(keeper, RETRY)
    [one] = keeper.runtime.signers
    assert one.x5u == f"{desk.base}/new.pem"


def test_a_reload_ends_the_look_that_is_under_way(desk: Desk) -> None:
    with https(desk.ca, silence) as server:
        slow = {"x5u": f"https://127.0.0.1:{server.port}/slow.pem"}
        keeper = Keeper(clock=lambda: desk.now, ticks=lambda: desk.ticks)
        desk.adopt(keeper, desk.load({"signer": slow, "fetch": {"seconds": 60}}))
        assert not keeper.tick(), "it does not wait"
        assert keeper._probe is not None
        before = keeper._probe.process
        desk.publish("first")

        desk.adopt(keeper, desk.load())
        finish(keeper)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(before)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
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


def test_without_proofs_nothing_is_fetched_and_all_else_is_checked(
    desk: Desk, logged: list[str]
) -> None:
    desk.table["sign"] = {"prove": False}
    keeper = desk.keeper()
    assert used(keeper) == ("first", True)

    desk.issue("second", trusted=False)
    desk.link("second")
    desk.pass_by(keeper, WATCH)
    assert used(keeper) == ("first", True)
    assert any("our own anchors refuse it" in text for text in logged)

    # Turned on again, what was not fetched is no proof.
    desk.link("first")
    proving = Keeper(clock=lambda: desk.now, ticks=lambda: desk.ticks)
    desk.table["sign"] = {"prove": True}
    desk.adopt(proving, desk.load())
    finish(proving)
    assert used(proving) == ("first", False)


def test_proofs_that_cannot_be_kept_are_used_all_the_same(
    desk: Desk, logged: list[str]
) -> None:
    (desk.folder / "proofs.json.new").mkdir()
    desk.publish("first")

    keeper = desk.keeper()

    assert sign(keeper, desk)
    assert any("proofs are not remembered: " in text for text in logged)


def test_proofs_that_cannot_be_read_are_made_anew(
    desk: Desk, logged: list[str]
) -> None:
    (desk.folder / "proofs.json").write_text("{")
    desk.publish("first")

    keeper = desk.keeper()

    assert sign(keeper, desk)
    assert any("proofs are lost, and made anew: " in text for text in logged)
    assert (desk.folder / "proofs.json").read_text() != "{"


def test_the_log_says_the_same_once_an_hour(desk: Desk, logged: list[str]) -> None:
    keeper = desk.keeper()
    for _ in range(119):
        desk.pass_by(keeper, RETRY)

    def count() -> int:
        return sum("not used yet" in text for text in logged)

    assert count() == 1
    desk.pass_by(keeper, RETRY)
    assert count() == 2


def test_each_stage_of_an_expiry_is_told_once(desk: Desk, logged: list[str]) -> None:
    """Thirty days: warnings at 14, 7 and 1, then an error each day."""
    desk.publish("first")
    keeper = desk.keeper()
    logged.clear()

    for _ in range(32 * 4):
        desk.ticks += WATCH
        desk.now += DAY / 4
        keeper.tick()

    assert [text.partition(": valid until")[0] for text in logged] == [
        "WARNING signer carrier: 14 days left at most",
        "WARNING signer carrier: 7 days left at most",
        "WARNING signer carrier: 1 day left at most",
        "ERROR signer carrier: its chain has expired",
        "ERROR signer carrier: its chain has expired",
        "ERROR signer carrier: its chain has expired",
    ]


def test_a_key_with_a_mode_that_is_mended_is_taken(desk: Desk) -> None:
    """Only the mode changes: neither octets nor time of the file do."""
    desk.publish("first")
    keeper = desk.keeper()
    desk.issue("second")
    desk.publish("second")
    (desk.folder / "archive" / "second.key").chmod(0o644)
    desk.link("second")
    assert not desk.pass_by(keeper, WATCH)

    (desk.folder / "archive" / "second.key").chmod(0o600)

    assert desk.pass_by(keeper, WATCH)
    assert used(keeper) == ("second", True)


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

    desk.pass_by(keeper, 2 * RETRY)
    assert not keeper.proving
    assert used(keeper) == ("first", False)

    (token.folder / "pin").write_text("314159\n")
    desk.adopt(keeper, desk.load())
    assert finish(keeper)
    assert used(keeper) == ("first", True)
    assert Path(MODULE).exists()

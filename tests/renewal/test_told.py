"""What the log says of our credentials, and how often; what is kept over a restart."""

import pytest

from tests.renewal.conftest import DAY, RETRY, WATCH, Desk, sign

# The web server's thread is the test's, not the daemon's.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)


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


def test_proofs_that_cannot_be_kept_are_used_all_the_same(
    desk: Desk, logged: list[str]
) -> None:
    (desk.folder / "proofs.json").mkdir()
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
    for _ in range(11):
        desk.pass_by(keeper, 10 * RETRY)

    def count() -> int:
        return sum("not used yet" in text for text in logged)

    assert count() == 1
    desk.pass_by(keeper, 10 * RETRY)
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


def test_an_expiry_that_the_start_has_told_is_not_told_again(
    desk: Desk, logged: list[str]
) -> None:
    """`findings` says it at each start and reload."""
    desk.publish("first")
    desk.now += 20 * DAY
    keeper = desk.keeper()

    desk.pass_by(keeper, WATCH)
    assert not any("left at most" in text for text in logged)

    desk.now += 4 * DAY
    desk.pass_by(keeper, WATCH)
    assert any("7 days left at most" in text for text in logged)

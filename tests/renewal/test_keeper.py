"""When a new key takes over: real files, a real web server, real children."""

import pytest

from stirmilter.errors import SigningError
from stirmilter.renewal import Keeper
from stirmilter.stir import identity
from stirmilter.stir.tnauthlist import TNAuthList
from tests.laboratory import message
from tests.renewal.conftest import DAY, RETRY, WATCH, Desk, finish, sign, used

# The web server's thread is the test's, not the daemon's.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)


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


def test_a_key_that_others_may_read_from_now_on_is_told_and_goes_on(
    desk: Desk, logged: list[str]
) -> None:
    desk.publish("first")
    keeper = desk.keeper()
    desk.pass_by(keeper, WATCH)

    (desk.folder / "archive" / "first.key").chmod(0o644)
    desk.pass_by(keeper, WATCH)

    assert any("the new files are not used" in t and "0644" in t for t in logged)
    assert sign(keeper, desk)


def test_numbers_in_a_file_wait_for_a_reload(desk: Desk) -> None:
    """A list that is half written must not go live with a new key."""
    numbers = desk.folder / "numbers.txt"
    numbers.write_text("+1202*\n")
    desk.table["signer"] = {"numbers": ["@numbers.txt"]}
    desk.publish("first")
    keeper = desk.keeper()
    numbers.write_text("+1312*\n")
    desk.issue("second")
    desk.publish("second")
    desk.link("second")

    assert desk.pass_by(keeper, WATCH)

    assert used(keeper) == ("second", True)
    assert sign(keeper, desk)
    desk.adopt(keeper, desk.load())
    with pytest.raises(SigningError, match="no-signer"):
        sign(keeper, desk)

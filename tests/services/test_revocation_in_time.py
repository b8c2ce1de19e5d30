"""What a look at the lists may cost, and what becomes of a verdict over time."""

from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from stirmilter.haste import TakesLong, haste
from stirmilter.services import VerificationPolicy
from stirmilter.services.patience import Patience
from stirmilter.stir.result import Reason
from tests.laboratory import NOW
from tests.services.revoked import (
    DIRECT,
    HOUR,
    MIDDLE,
    NAMING,
    PLAIN,
    ROOT,
    Lab,
    said,
    x5u_of,
)
from tests.stir.certificates import issue, leaf, usage
from tests.stir.crls import authority, crl, points

DAY = 24 * HOUR


# What it may cost

HANGS = [f"https://crl.example/{number}.crl" for number in range(150)]


@pytest.mark.parametrize("places", [1, 4])
def test_only_the_first_few_lists_of_a_certificate_are_asked(
    tmp_path: Path, places: int
) -> None:
    lab = Lab(tmp_path, places=places)

    found = lab.verify(leaf(MIDDLE, points(*HANGS)))

    assert found.result.status == "unavailable"
    assert sorted(lab.asked) == sorted(HANGS[:places])


def test_a_message_waits_for_all_its_lists_until_one_time(tmp_path: Path) -> None:
    """They hang until it has been judged; then the next message has them."""
    lab = Lab(tmp_path, policy=VerificationPolicy(list_seconds=0.05))
    lab.held = {*HANGS, DIRECT}
    several = leaf(MIDDLE, points(*HANGS[:3], DIRECT))
    lab.direct(several)

    assert said(lab.verify(several)) == (Reason.VERIFIED, "unavailable")
    assert set(lab.asked) == {*HANGS[:3], DIRECT}  # all were begun
    assert not lab.released.is_set()
    lab.released.set()
    lab.store.find(DIRECT)

    assert lab.verify(several).result.status == "revoked"
    assert len(lab.asked) == 4


def test_the_lists_of_a_path_are_fetched_at_the_same_time(lab: Lab) -> None:
    """Each is served when all are asked for."""
    use = usage("key_cert_sign", "crl_sign")
    middle = issue("listed", ROOT, [points(*HANGS[:2])], ca=True, use=use)
    below = leaf(middle, points(DIRECT))
    together = Barrier(3)
    lab.hook = lambda: together.wait(30)
    for url in HANGS[:2]:
        lab.pages[url] = crl(ROOT)
    lab.pages[DIRECT] = crl(middle)

    assert said(lab.verify(below, middle)) == (Reason.VERIFIED, "good")


def test_the_time_of_a_message_is_one_for_all_its_tokens() -> None:
    patience = Patience(3600.0)
    first = patience.left()

    assert 0 < patience.left() <= first <= 3600.1  # as far as floats go
    spent = Patience(0.0)
    assert (spent.left(), spent.left()) == (0.0, 0.0)


# Over time


def test_what_was_good_is_looked_up_again_when_a_list_changes(lab: Lab) -> None:
    lab.direct()
    assert lab.verify(NAMING).result.status == "good"
    path = lab.verify(NAMING).result.credential

    lab.now += 2 * HOUR
    lab.direct(NAMING, begin=lab.now)
    lab.store.refresh()
    found = lab.verify(NAMING)

    assert said(found) == (Reason.CREDENTIAL_REVOKED, "revoked")
    assert found.result.credential is path  # not validated again


def test_what_was_good_is_not_for_longer_than_its_list(lab: Lab) -> None:
    lab.direct()
    assert lab.verify(NAMING).result.status == "good"

    lab.now += timedelta(hours=23)
    assert lab.verify(NAMING).result.status == "good"
    lab.now += timedelta(hours=2)
    del lab.pages[DIRECT]
    lab.store.refresh()

    assert lab.status(NAMING) == "unavailable"


def test_what_was_revoked_stays_so_when_its_list_has_ended(lab: Lab) -> None:
    lab.direct(NAMING)
    lab.verify(NAMING)

    lab.now += timedelta(hours=30)
    del lab.pages[DIRECT]
    lab.store.refresh()

    assert lab.status(NAMING) == "revoked"


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_list_that_is_wrongly_signed_does_not_clear_who_is_revoked(
    tmp_path: Path, mode: str
) -> None:
    """Anybody on the way to a list over plain http can serve such a one."""
    lab = Lab(tmp_path, mode=mode)
    lab.direct(NAMING)
    assert lab.verify(NAMING).result.status == "revoked"

    lab.now += 2 * HOUR
    lab.pages[DIRECT] = crl(authority("middle"), begin=lab.now, end=lab.now + DAY)
    told = lab.store.refresh()
    assert said(lab.verify(NAMING)) == (Reason.CREDENTIAL_REVOKED, "revoked")
    assert "not signed by whoever signed the list before" in told[0]

    lab.direct(NAMING, begin=lab.now - HOUR)  # older than the wrong one
    lab.now += 2 * HOUR
    assert lab.store.refresh() == []
    assert said(lab.verify(NAMING)) == (Reason.CREDENTIAL_REVOKED, "revoked")


def test_what_is_good_stays_so_until_the_end_of_its_list(lab: Lab) -> None:
    lab.direct()
    assert lab.verify(NAMING).result.status == "good"
    lab.pages[DIRECT] = crl(authority("middle"), begin=NOW, end=NOW + 9 * DAY)
    lab.now += 2 * HOUR
    lab.store.refresh()

    assert lab.verify(NAMING).result.status == "good"
    lab.now += timedelta(hours=21, minutes=50)
    assert lab.verify(NAMING).result.status == "good"
    lab.now += timedelta(minutes=20)
    assert lab.status(NAMING) == "unavailable"


def test_when_the_key_of_an_authority_changes_the_lists_of_both_count(
    lab: Lab,
) -> None:
    heir = authority("middle", ROOT)
    below = leaf(heir, points(DIRECT))
    lab.direct(NAMING)
    assert lab.verify(NAMING).result.status == "revoked"

    entry = below.certificate.serial_number, ()
    lab.pages[DIRECT] = crl(heir, entry, begin=NOW, end=NOW + DAY)
    lab.now += 2 * HOUR
    lab.store.refresh()

    assert lab.verify(below, heir).result.status == "revoked"
    assert lab.verify(NAMING).result.status == "revoked"


def test_a_path_is_looked_up_once_for_many_messages(lab: Lab) -> None:
    lab.direct()
    lab.verify(NAMING)
    known = lab.service.credentials.at(x5u_of(NAMING), NOW, lab.now, "12025550123")

    again = lab.service.credentials.at(x5u_of(NAMING), NOW, lab.now, "12025550123")

    assert again is known
    assert lab.asked == [DIRECT]


def test_more_paths_than_are_remembered_are_looked_up_all_the_same(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, policy=VerificationPolicy(paths=1))
    lab.direct(NAMING)

    for _ in range(2):
        assert lab.verify(PLAIN).result.status == "unchecked"
        assert lab.verify(NAMING).result.status == "revoked"
    assert lab.asked == [DIRECT]


def test_lists_are_looked_at_by_who_has_time(lab: Lab) -> None:
    lab.direct()

    def reason() -> Reason:
        return lab.verify(NAMING, MIDDLE).result.reason

    with pytest.raises(TakesLong), haste():
        reason()
    assert not lab.asked
    for _ in range(2):  # that the first list came is a change
        assert reason() is Reason.VERIFIED
    with haste():
        assert reason() is Reason.VERIFIED

    lab.direct(NAMING, begin=NOW + HOUR)
    lab.now += 23 * HOUR
    lab.store.refresh()  # a list has come
    with pytest.raises(TakesLong), haste():
        reason()
    assert reason() is Reason.CREDENTIAL_REVOKED
    with haste():
        assert reason() is Reason.CREDENTIAL_REVOKED

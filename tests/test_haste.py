"""Where there is no time: what takes long ends the attempt, there and nowhere else."""

import threading
from contextlib import suppress

import pytest

from stirmilter.haste import TakesLong, haste, hurries, takes_long


def test_outside_of_haste_anything_may_take_long() -> None:
    takes_long()

    assert not hurries()


def test_in_haste_what_takes_long_is_not_begun() -> None:
    begun = []

    def work() -> None:
        assert hurries()
        takes_long()
        begun.append("it")

    with pytest.raises(TakesLong), haste():
        work()
    assert not begun


def test_what_takes_no_time_is_done() -> None:
    done = []

    with haste():
        done.append("it")

    assert done
    takes_long()


def test_after_haste_there_is_time_again() -> None:
    with pytest.raises(TakesLong), haste():
        takes_long()
    takes_long()

    with pytest.raises(ValueError, match="bad"), haste():
        int("bad")
    takes_long()


def test_no_handler_of_failures_takes_it_for_one() -> None:
    begun = []

    def work() -> None:
        with suppress(Exception):
            takes_long()
        begun.append("what comes after a failure")

    with pytest.raises(TakesLong), haste():
        work()
    assert not begun


@pytest.mark.parametrize("made", ["nothing", "an error"])
def test_what_somebody_made_of_it_is_worth_nothing(made: str) -> None:
    def work() -> None:
        with suppress(BaseException):
            takes_long()
        if made == "an error":
            raise ValueError(made)

    with pytest.raises(TakesLong), haste():
        work()


def test_a_later_attempt_knows_nothing_of_an_earlier_one() -> None:
    with pytest.raises(TakesLong), haste():
        takes_long()

    with haste():
        pass


def test_haste_within_haste_is_part_of_it() -> None:
    def work() -> None:
        with suppress(TakesLong), haste():
            takes_long()
        assert hurries()

    with haste():
        with haste():
            pass
        assert hurries()

    with pytest.raises(TakesLong), haste():
        work()
    assert not hurries()


def test_other_threads_have_their_time() -> None:
    found = []

    def work() -> None:
        takes_long()
        found.append(hurries())

    with haste():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert found == [False]

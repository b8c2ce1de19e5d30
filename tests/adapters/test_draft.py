"""What is kept of a message while it arrives, and where that ends."""

import pytest

from stirmilter.adapters.draft import Bounds, Draft, Held


def draft(held: Held | None = None, **bounds: int) -> Draft:
    return Draft(Bounds(**bounds), held or Held(10_000))


def reply(one: Draft) -> str:
    assert one.refusal is not None
    return f"{one.refusal.action} {' '.join(one.refusal.reply[:2])}"


def test_what_is_within_bounds_is_kept() -> None:
    one = draft(recipients=2, headers=2, header_octets=10)
    for place in range(2):
        one.add_recipient(f"<{place}>")
        one.add_header([("A", b"1234")])

    assert one.refusal is None
    assert (len(one.recipients), len(one.headers)) == (2, 2)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"recipients": 1}, "tempfail 452 4.5.3"),
        ({"headers": 1}, "reject 552 5.3.4"),
        ({"header_octets": 9}, "reject 552 5.3.4"),
    ],
)
def test_beyond_a_bound_nothing_is_kept_and_the_first_reason_stays(
    bounds: dict[str, int], expected: str
) -> None:
    held = Held(1_100)
    one = draft(held, **bounds)
    for _ in range(3):
        one.add_recipient("<x>")
    for _ in range(3):
        one.add_header([("A", b"1234")])

    assert reply(one) == expected
    assert not one.recipients
    assert not one.headers
    assert held.take(1_100), "and its room is free for others"


def test_messages_share_what_room_there_is() -> None:
    held = Held(1_000)
    first, second = draft(held), draft(held)
    first.add_header([("A", b"x" * 600)])
    second.add_header([("A", b"x" * 600)])

    assert first.refusal is None
    assert reply(second) == "tempfail 452 4.3.1"
    first.release()
    first.release()
    assert not held.take(1_001), "what is given back twice is given back once"
    third = draft(held)
    third.add_header([("A", b"x" * 600)])
    assert third.refusal is None


def test_many_small_fields_weigh_more_than_their_octets() -> None:
    one = draft(Held(10_000))
    for _ in range(100):
        one.add_header([("A", b"")])

    assert reply(one) == "tempfail 452 4.3.1"

"""Bodies are kept within bounds, and what they borrowed always comes back."""

from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.survival import BodyKeeper


def test_a_body_that_fits_is_kept_as_it_is() -> None:
    body = BodyKeeper(10, 100).body()

    body.update(b"abc")
    body.update(b"defghij")

    assert body.octets == b"abcdefghij"


def test_a_body_that_does_not_fit_is_let_go_at_once() -> None:
    keeper = BodyKeeper(10, 100)
    body = keeper.body()

    body.update(b"x" * 10)
    body.update(b"x")

    assert body.octets is None
    assert keeper.left == 100
    body.update(b"x")
    assert body.octets is None


def test_all_bodies_share_what_there_is() -> None:
    keeper = BodyKeeper(10, 15)
    one, two = keeper.body(), keeper.body()

    one.update(b"x" * 10)
    two.update(b"x" * 5)
    two.update(b"x")

    assert one.octets is not None
    assert two.octets is None
    assert keeper.left == 5


@given(st.lists(st.lists(st.binary(max_size=8), max_size=5), max_size=8))
def test_whatever_becomes_of_bodies_nothing_is_lost(bodies: list[list[bytes]]) -> None:
    keeper = BodyKeeper(20, 40)
    kept = [keeper.body() for _ in bodies]

    for chunks, body in zip([[], *bodies], [keeper.body(), *kept], strict=True):
        for chunk in chunks:
            body.update(chunk)

    held = [body.octets for body in kept]
    assert keeper.left == 40 - sum(len(octets) for octets in held if octets)
    del kept, body
    assert keeper.left == 40

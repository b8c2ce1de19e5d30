"""In which order domains are asked about."""

from stirmilter.mail import nearness


def test_those_that_may_be_aligned_come_before_all_others() -> None:
    nearest_first = [
        "a.bank.example",
        "x.a.bank.example",
        "bank.example",
        "b.bank.example",
        "evil.example",
        "evil.test",
    ]

    def near(domain: str) -> tuple[int, int]:
        return nearness.rank(domain, "a.bank.example")

    # A domain within shares more labels than one above.
    assert sorted(sorted(nearest_first), key=near) == nearest_first


def test_nobody_is_near_an_author_who_is_not_known() -> None:
    assert nearness.rank("bank.example", "") == nearness.rank("", "bank.example")

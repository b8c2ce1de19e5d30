"""How long an address may be, and what becomes of the rest of its field."""

import pytest

from stirmilter.mail import addresses, mm4
from stirmilter.mail.checks import dmarc
from stirmilter.mail.checks.dmarc import DmarcLimits
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.transaction import Header
from tests.laboratory import ALICE, BOB

WORDS = "a " * 27  # 54 lexemes, and 5 of the address: 59 of an entry
NAMED = f"{WORDS}<+{ALICE}@mms.example>"


@pytest.mark.parametrize(("lexemes", "read"), [(6, True), (5, False)])
def test_one_name_may_be_longer_by_ten_addresses(lexemes: int, read: bool) -> None:
    """Of two entries at most: 12 times 6 are enough, and 12 times 5 are 60."""
    long = f"{NAMED} "
    assert len(list(addresses._tokens(long))) == 60

    assert addresses.parse(long, 2, lexemes).single is not None
    assert (addresses.parse(f"{long} (x)", 2, lexemes).single is not None) is read


@pytest.mark.parametrize(("lexemes", "found"), [(6, ALICE), (5, None)])
def test_a_longer_originator_is_nobody(lexemes: int, found: str | None) -> None:
    headers = [Header("From", f"{NAMED} (x) (y)".encode())]

    assert mm4.read(headers, Reading(lexemes=lexemes)).originator == found


@pytest.mark.parametrize(("lexemes", "unreadable"), [(6, 0), (5, 1)])
def test_a_longer_recipient_is_one_that_cannot_be_read(
    lexemes: int, unreadable: int
) -> None:
    text = f"{NAMED} (x) (y), +{BOB}"
    headers = [Header("To", text.encode())]

    view = mm4.read(headers, Reading(entries=2, lexemes=lexemes))

    assert view.unreadable == unreadable
    assert (BOB in view.recipients) is not bool(unreadable)


@pytest.mark.parametrize(
    ("lexemes", "reason"), [(6, "mms.example"), (5, "unreadable-from")]
)
def test_a_longer_author_is_none_for_dmarc(lexemes: int, reason: str) -> None:
    limits = DmarcLimits(authors=2, lexemes=lexemes)

    assert reason in dmarc.author([f"{NAMED} (x) (y)"], limits)


def test_a_longer_path_is_nobody() -> None:
    path = f"<+{ALICE}@mms.example>" + "()" * 5_100

    assert addresses.parse_path(path, 11) is not None
    assert addresses.parse_path(path, 5) is None

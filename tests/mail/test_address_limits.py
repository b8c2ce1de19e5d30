"""How much of an address field is looked at, what becomes of the rest, and how."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail import addresses, mm4
from stirmilter.mail.addresses import Mailbox
from stirmilter.mail.checks import dmarc
from stirmilter.mail.checks.dmarc import DmarcLimits
from stirmilter.mail.mm4 import Reading
from stirmilter.mail.transaction import Header
from tests.laboratory import ALICE, BOB

NUMBER = "12025550123"
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
    """It is one address without a name, so it has the lexemes of one."""
    path = f"<+{ALICE}@mms.example>" + "()" * 4

    assert addresses.parse_path(path, 9) is not None
    assert addresses.parse_path(path, 8) is None


@pytest.mark.parametrize(("octets", "read"), [(256, True), (257, False)])
def test_a_path_longer_than_smtp_has_it_is_nobody(octets: int, read: bool) -> None:
    path = f"<+{ALICE}@{'m' * 256}"[: octets - 1] + ">"

    assert len(path) == octets
    assert (addresses.parse_path(path) is not None) is read


def test_no_path_is_read_beyond_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand long source routes took most of a second."""
    seen: list[str] = []
    before = addresses._tokens

    def counted(text: str) -> Iterator[tuple[str, str]]:
        for kind, lexeme in before(text):
            seen.append(lexeme)
            yield kind, lexeme

    monkeypatch.setattr(addresses, "_tokens", counted)

    assert addresses.parse_path("<" + "@a," * 80 + ":b@c>") is None
    assert len(seen) <= addresses.LEXEMES + 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a " * 50_000, id="words"),
        pytest.param("<>" * 50_000, id="brackets"),
        pytest.param("()" * 50_000, id="comments"),
        pytest.param("(" + "()" * 50_000 + ")", id="comments-in-a-comment"),
        pytest.param("," * 100_000, id="commas"),
        pytest.param("a:" * 50_000, id="colons"),
    ],
)
def test_no_more_is_looked_at_than_so_many_entries_need(text: str) -> None:
    found = addresses.parse(text + ", +12025550123", 2)

    assert found.lexemes < 300
    assert found.entries[-1] is None


@pytest.mark.parametrize("stray", ["\x01", "\x7f", "\r", "\\", ")", "]", "["])
def test_a_stray_octet_ends_the_list(stray: str) -> None:
    found = addresses.parse(f"+12025550123, {stray * 9_001} a, b")

    assert [entry and entry.number for entry in found.entries] == [NUMBER, None]
    assert found.lexemes < 10


def test_a_long_list_with_long_names_is_read_whole() -> None:
    text = ", ".join(['"A. B." Carol Doe (of the C.) <c@d.example>'] * 1_000)

    assert addresses.parse(text).entries == (Mailbox("c", "d.example"),) * 1_000


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param("a@h, b@h", 2, id="as-many"),
        pytest.param("a@h, b@h ", 2, id="as-many-and-space"),
        pytest.param("g: a@h, b@h;", 2, id="as-many-in-a-group"),
        pytest.param("a@h, b@h, c@h", 3, id="one-more"),
        pytest.param("a@h, b@h, c@h, d@h" + ", e@h" * 9_000, 3, id="thousands-more"),
    ],
)
def test_entries_beyond_the_limit_are_one_that_cannot_be_read(
    text: str, read: int
) -> None:
    found = addresses.parse(text, 2).entries

    assert len(found) == read
    assert found[:2] == (Mailbox("a", "h"), Mailbox("b", "h"))
    assert all(entry is None for entry in found[2:])


_PIECES = st.lists(
    st.sampled_from([*' \t\n\r"()<>[],:;@\\\0é', "+12025550123", "/TYPE=PLMN", "mx"]),
    max_size=9,
).map("".join)


@given(
    st.one_of(
        _PIECES,
        st.from_regex(r"[ \n]?<?\+1/TYPE=PLMN(@mx)?>?[ \n]?", fullmatch=True),
    ),
    st.integers(min_value=0, max_value=3),
)
def test_one_plain_address_is_read_in_the_long_way_too(text: str, limit: int) -> None:
    long = addresses._parse(text, limit, (limit + 10) * addresses.LEXEMES)

    assert addresses.parse(text, limit) == long

"""Which number an address names, and that no two readers can differ about it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail import addresses
from stirmilter.mail.addresses import AddressList, Mailbox

NUMBER = "12025550123"
MMSC = "mms.mnc006.mcc260.gprs"
FOLD = "\n\t"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("+12025550123", id="number-alone"),
        pytest.param("<+12025550123>", id="number-in-brackets"),
        pytest.param("+12025550123@mx.example", id="number-at-a-host"),
        pytest.param("+12025550123/TYPE=PLMN", id="mm4-without-a-host"),
        pytest.param(f"+12025550123/TYPE=PLMN@{MMSC}", id="mm4-at-an-mmsc"),
        pytest.param(f"+12025550123/type=plmn@{MMSC}", id="type-in-lower-case"),
        pytest.param("+12025550123/Type=Plmn", id="type-in-mixed-case"),
        pytest.param('"+12025550123/TYPE=PLMN"', id="quoted-without-a-host"),
        pytest.param(f'"+12025550123/TYPE=PLMN"@{MMSC}', id="quoted-local-part"),
        pytest.param(r'"\+1202555012\3/TYPE=PLMN"@mx.example', id="quoted-pairs"),
        pytest.param("Alice <+12025550123/TYPE=PLMN>", id="display-name"),
        pytest.param('"Doe, A." <+12025550123>', id="quoted-display-name"),
        pytest.param('"<+13125550100>" <+12025550123>', id="brackets-quoted-in-a-name"),
        pytest.param("(+13125550100,) +12025550123", id="comment-before"),
        pytest.param("+12025550123 (mobile)", id="comment-behind"),
        pytest.param("( ( nested \\) ) ) <+12025550123> ( )", id="comments-all-round"),
        pytest.param("<\r\n\t+12025550123\r\n >", id="folds-in-brackets"),
        pytest.param("\n +12025550123\n\t", id="folds-all-round"),
        pytest.param(", +12025550123 ,", id="empty-entries"),
        pytest.param("=?utf-8?q?=2B1312?= <+12025550123>", id="encoded-word-as-name"),
    ],
)
def test_names_the_number(text: str) -> None:
    single = addresses.parse(text).single

    assert single is not None
    assert single.number == NUMBER


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(" \r\n\t(nobody)", id="white-space-and-a-comment"),
        pytest.param("alice@mx.example", id="mail-address"),
        pytest.param("12025550123", id="without-plus"),
        pytest.param("12025550123@mx.example", id="national-look-at-a-host"),
        pytest.param("0012025550123", id="international-prefix"),
        pytest.param("+012025550123", id="plus-and-zero"),
        pytest.param("+1", id="a-single-digit"),
        pytest.param("+1234567890123456", id="sixteen-digits"),
        pytest.param("++12025550123", id="two-plus-signs"),
        pytest.param("+1-202-555-0123", id="hyphens"),
        pytest.param("+1.202.555.0123", id="dots"),
        pytest.param("+1 202 555 0123", id="spaces"),
        pytest.param("+1202(c)5550123", id="comment-inside"),
        pytest.param('"+1202 5550123"', id="space-in-quotes"),
        pytest.param("+12025550123 @mx.example", id="space-before-the-at-sign"),
        pytest.param("+12025550123(c)@mx.example", id="comment-before-the-at-sign"),
        pytest.param('+1202"5550123"', id="half-quoted"),
        pytest.param('"+1202"5550123', id="half-quoted-the-other-way"),
        pytest.param("+12025550123/TYPE=IPv4", id="type-ipv4"),
        pytest.param("+12025550123/TYPE=IPv6@mx.example", id="type-ipv6"),
        pytest.param("+12025550123/TYPE=PLMN/X=Y", id="further-qualifier"),
        pytest.param("+12025550123/TYPE=PLMNX", id="longer-type"),
        pytest.param("+12025550123/TYPE=", id="empty-type"),
        pytest.param("+12025550123/", id="slash"),
        pytest.param("/TYPE=PLMN", id="type-alone"),
        pytest.param("x+12025550123", id="something-before"),
        pytest.param("+12025550123%evil.example@mx.example", id="percent-hack"),
        pytest.param("evil.example!+12025550123@mx.example", id="bang-path"),
        pytest.param("<@a.example,@b.example:+12025550123@c.example>", id="route"),
        pytest.param("<@a.example:+12025550123>", id="route-without-a-host"),
        pytest.param("+12025550123@a.example@b.example", id="two-at-signs"),
        pytest.param("@+12025550123", id="as-a-domain"),
        pytest.param("+12025550123@", id="empty-domain"),
        pytest.param("<>", id="empty-brackets"),
        pytest.param("<+12025550123", id="bracket-never-closed"),
        pytest.param("+12025550123>", id="bracket-never-opened"),
        pytest.param("<<+12025550123>>", id="brackets-in-brackets"),
        pytest.param("<+12025550123> <+13125550100>", id="two-pairs-of-brackets"),
        pytest.param("<+12025550123> +13125550100", id="words-behind-brackets"),
        pytest.param("<+12025550123>@mx.example", id="domain-behind-brackets"),
        pytest.param("<+12025550123 +13125550100>", id="two-numbers-in-brackets"),
        pytest.param("+12025550123 +13125550100", id="two-numbers"),
        pytest.param('"+12025550123', id="quote-never-closed"),
        pytest.param('"Alice <+12025550123>', id="quote-never-closed-in-a-name"),
        pytest.param('Alice" <+12025550123>', id="quote-never-opened"),
        pytest.param("\\+12025550123", id="backslash-outside-quotes"),
        pytest.param(")+12025550123", id="comment-closed-before-it-opens"),
        pytest.param("+12025550123\x00", id="nul-behind"),
        pytest.param("+12025550123\x0b", id="vertical-tab-behind"),
        pytest.param("\xa0+12025550123", id="no-break-space-before"),
        pytest.param("\uff0b12025550123", id="fullwidth-plus"),
        pytest.param("+1202555012\uff13", id="fullwidth-digit"),
        pytest.param("+1202555012\u0663", id="arabic-digit"),
        pytest.param("+12025550123\u200b", id="zero-width-space"),
        pytest.param("\u202e+12025550123", id="right-to-left-override"),
        pytest.param("+12025550123/TYPE=PLM\u0274", id="small-capital-n"),
        pytest.param("+12025550123\udcff", id="octet-outside-utf-8"),
    ],
)
@pytest.mark.conformance("A-05")
def test_names_no_number(text: str) -> None:
    single = addresses.parse(text).single

    assert single is None or single.number is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("+12025550123@a.example <+13125550100>", id="address-as-a-name"),
        pytest.param("Alice\\ <+12025550123>", id="backslash-outside-quotes"),
        pytest.param("Alice) <+12025550123>", id="comment-closed-before-it-opens"),
    ],
)
def test_a_display_name_that_readers_split_differently_spoils_the_address(
    text: str,
) -> None:
    assert addresses.parse(text).single is None


@pytest.mark.parametrize(
    ("text", "locals_"),
    [
        pytest.param("+1202, +1312", ["+1202", "+1312"], id="two"),
        pytest.param("a <+1202>, b <+1312>", ["+1202", "+1312"], id="two-with-names"),
        pytest.param("a; b", ["a", "b"], id="semicolon-between"),
        pytest.param(
            "+1202, a b, +1312", ["+1202", None, "+1312"], id="one-unreadable"
        ),
        pytest.param("+1202, <a, b>", ["+1202", None], id="comma-in-brackets"),
        pytest.param('+1202, "a, b" <c>', ["+1202", "c"], id="comma-in-quotes"),
        pytest.param("(a, b) c", ["c"], id="comma-in-a-comment"),
        pytest.param("<a, b", [None], id="bracket-never-closed"),
        pytest.param(",,", [], id="commas-alone"),
    ],
)
def test_splits_a_list(text: str, locals_: list[str | None]) -> None:
    found = addresses.parse(text)

    assert [entry and entry.local for entry in found.entries] == locals_
    assert not found.grouped


@pytest.mark.parametrize(
    ("text", "locals_"),
    [
        pytest.param("undisclosed-recipients:;", [], id="empty-group"),
        pytest.param("Friends: +1202;", ["+1202"], id="group-of-one"),
        pytest.param('"a, b": +1202, <+1312>;', ["+1202", "+1312"], id="group-of-two"),
        pytest.param("+1202, g: +1312;", ["+1202", "+1312"], id="group-behind"),
        pytest.param("g: +1202", ["+1202"], id="group-never-closed"),
    ],
)
def test_a_group_yields_its_members_and_no_single(
    text: str, locals_: list[str]
) -> None:
    found = addresses.parse(text)

    assert [entry and entry.local for entry in found.entries] == locals_
    assert found.grouped
    assert found.single is None


@pytest.mark.parametrize(
    ("text", "locals_"),
    [
        pytest.param("c@bank.example: +1202;", [None, "+1202"], id="address"),
        pytest.param("<c@bank.example>: +1202;", [None, "+1202"], id="brackets"),
        pytest.param("C <c@bank.example>: +1202;", [None, "+1202"], id="mailbox"),
        pytest.param("c@bank.example: +1202", [None, "+1202"], id="never-closed"),
        pytest.param("a:c@bank.example:+1202;", [None, "+1202"], id="in-a-group"),
        pytest.param("a: b: +1202;", [None, "+1202"], id="group-in-a-group"),
        pytest.param("a: +1, b: +1202;", ["+1", None, "+1202"], id="behind-a-member"),
        pytest.param("+1999555/TYPE=PLMN: +1202;", [None, "+1202"], id="mm4"),
        pytest.param("+19995550100: +1202;", [None, "+1202"], id="number"),
        pytest.param("9995550100: +1202;", [None, "+1202"], id="national-number"),
        pytest.param("*123/TYPE=PLMN: +1202;", [None, "+1202"], id="service-code"),
        pytest.param('"+19995550100": +1202;', [None, "+1202"], id="quoted-number"),
        pytest.param('"c@bank.example": +1202;', [None, "+1202"], id="quoted-address"),
        pytest.param("To +19995550100: +1202;", [None, "+1202"], id="among-words"),
        pytest.param("c@[192.0.2.1]: +1202;", [None, "+1202"], id="literal"),
        pytest.param(": +1202;", [None, "+1202"], id="nameless"),
        pytest.param("(a): +1202;", [None, "+1202"], id="comment-as-a-name"),
    ],
)
def test_what_is_no_name_of_a_group_is_an_entry_that_cannot_be_read(
    text: str, locals_: list[str | None]
) -> None:
    """Another program may show what stands before the colon, and drop the rest."""
    found = addresses.parse(text)

    assert [entry and entry.local for entry in found.entries] == locals_
    assert found.single is None


@pytest.mark.parametrize(
    ("text", "locals_"),
    [
        pytest.param("a: +1; b: +2;", ["+1", "+2"], id="one-behind-the-other"),
        pytest.param('The "A. B." (c) U.S.: +1;', ["+1"], id="words-and-dots"),
        pytest.param("a: +1;, +2", ["+1", "+2"], id="address-behind"),
    ],
)
def test_groups_with_names_are_read(text: str, locals_: list[str]) -> None:
    found = addresses.parse(text).entries

    assert [entry and entry.local for entry in found] == locals_


def test_a_second_mailbox_leaves_no_single_even_when_unreadable() -> None:
    assert addresses.parse("+12025550123, a b").single is None


@pytest.mark.parametrize(
    ("path", "mailbox"),
    [
        pytest.param("<a@b>", Mailbox("a", "b"), id="brackets"),
        pytest.param("a@b", Mailbox("a", "b"), id="no-brackets"),
        pytest.param("<>", None, id="null"),
        pytest.param("", None, id="empty"),
        pytest.param("<@r.example:a@b>", None, id="source-route"),
        pytest.param("<a>,<b>", None, id="two"),
    ],
)
def test_reads_a_path(path: str, mailbox: Mailbox | None) -> None:
    assert addresses.parse_path(path) == mailbox


@pytest.mark.parametrize(
    ("text", "end"),
    [
        pytest.param("(a)b", 3, id="plain"),
        pytest.param("((a)(b))c", 8, id="nested"),
        pytest.param("(\\)a)b", 5, id="quoted-pair"),
        pytest.param("((a)b", None, id="never-closed"),
    ],
)
def test_finds_the_end_of_a_comment(text: str, end: int | None) -> None:
    assert addresses.end_of_comment(text, 0) == end


# Few characters, so that quotes, brackets and comments meet each other often.
SPECIALS = st.text('+12/@ "()<>,:;\\a\t\u0661\udcff', max_size=24)
# Words, so that many of the lists hold an address that is accepted.
WORDS = st.lists(
    st.sampled_from(
        [
            "+1202",
            "/TYPE=PLMN",
            "@",
            "h",
            '"+1312"',
            "<",
            ">",
            "(c)",
            " ",
            " ",
            ",",
            ":",
        ]
    ),
    max_size=8,
).map("".join)


@given(SPECIALS)
def test_reads_anything(text: str) -> None:
    """Whatever a stranger writes gives a list, not an exception."""
    found = addresses.parse(text)

    assert isinstance(found, AddressList)


@given(SPECIALS | WORDS)
def test_refolding_changes_no_number(text: str) -> None:
    """A relay may fold at any white space (RFC 5322 §2.2.3)."""
    folded = re.sub("[ \t]", FOLD, text)

    assert _numbers(folded) == _numbers(text)


@given(SPECIALS.map(lambda text: text.replace("\\", "")) | WORDS)
def test_a_comment_for_white_space_changes_no_number(text: str) -> None:
    """Comments are white space (RFC 5322 §3.2.2), also to whoever sees none."""
    commented = re.sub("[ \t]", "(+13125550100, <x>)", text)

    assert _numbers(commented) == _numbers(text)


@given(
    digits=st.from_regex(r"[1-9][0-9]{1,14}", fullmatch=True, alphabet="0123456789"),
    kind=st.sampled_from(["", "/TYPE=PLMN", "/type=plmn", "/Type=pLMN"]),
    host=st.sampled_from(["", "@h", f"@{MMSC}"]),
    quoted=st.booleans(),
    frame=st.sampled_from(["%s", "<%s>", "A. <%s>", '"a,<b>" <%s>(c)', " %s\r\n\t"]),
)
@pytest.mark.conformance("F-18", "A-05")
def test_every_spelling_of_a_number_names_it(
    digits: str, kind: str, host: str, quoted: bool, frame: str
) -> None:
    local = f"+{digits}{kind}"
    text = frame % ((f'"{local}"' if quoted else local) + host)

    assert _numbers(text) == [digits]


@given(
    spoilt=st.characters(exclude_characters="0123456789"),
    place=st.integers(min_value=0, max_value=len("+12025550123")),
)
@pytest.mark.conformance("A-05")
def test_one_foreign_character_and_it_is_no_number(spoilt: str, place: int) -> None:
    """Quoted, so that the character is part of the local part whatever it is."""
    local = "+12025550123"
    mailbox = Mailbox(local[:place] + spoilt + local[place:])

    assert mailbox.number is None


def _numbers(text: str) -> list[str | None]:
    return [entry.number if entry else None for entry in addresses.parse(text).entries]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("+12025550123[ <+19995550100/TYPE=PLMN>", id="open-bracket"),
        pytest.param("+12025550123] <+19995550100>", id="closing-bracket"),
        pytest.param("[x] <+19995550100>", id="literal-as-name"),
        pytest.param("+12025550123 (never closed, +1312", id="comment-without-end"),
        pytest.param("+12025550123( , <+13125550100>", id="comment-swallows-one"),
        pytest.param("+12025550123((x)", id="outer-comment-without-end"),
        pytest.param("+12025550123( , <+13125550100> (x)", id="ends-as-if-closed"),
        pytest.param("Alice\r <+19995550100>", id="bare-carriage-return"),
        pytest.param("Alice\x00 <+19995550100>", id="nul"),
        pytest.param("Alice\x7f <+19995550100>", id="delete"),
        pytest.param("[+19995550100]", id="literal-alone"),
    ],
)
def test_what_two_programs_may_read_differently_names_nobody(text: str) -> None:
    """Python's own parser takes the number before the bracket for the address."""
    assert None in addresses.parse(text).entries
    assert addresses.parse(text).single is None


def test_a_domain_literal_is_a_domain() -> None:
    found = addresses.parse("+12025550123/TYPE=PLMN@[192.0.2.1]").single

    assert found is not None
    assert (found.number, found.domain) == ("12025550123", "[192.0.2.1]")

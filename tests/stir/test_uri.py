"""URI identities have one spelling each, and none of them is a telephone number."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stirmilter.stir import tn, uri

USER: Final = "abYZ01-_.!~*'()&=+$,;?/"
"""Characters of a SIP user part that need no escape (RFC 3261 §25.1), a few of each."""

ESCAPED: Final = "aZ1@:%#< /"
HOSTS: Final = ["h", "h.example", "x-1.h.example", "192.0.2.1", "[2001:db8::1]"]
ATOM: Final = "abYZ01!#$%&'*+-/=?^_`{|}~."
"""Characters of a dot-atom (RFC 5322 §3.2.3), a few of each."""


@dataclass(frozen=True)
class Part:
    """One character of a user part, and how it is written."""

    character: str
    written: str


PARTS: Final = st.one_of(
    st.sampled_from(USER).map(lambda c: Part(c, c)),
    st.sampled_from(ESCAPED).flatmap(
        lambda c: st.sampled_from(
            [Part(c, f"%{ord(c):02x}"), Part(c, f"%{ord(c):02X}")]
        )
    ),
)


@dataclass(frozen=True)
class Sip:
    """A SIP URI, part by part: what it means, and how it is written."""

    scheme: str
    user: tuple[Part, ...]
    host: str
    rest: tuple[str, str, str]

    @property
    def meaning(self) -> tuple[str, str, str]:
        """What RFC 8224 §8.5 leaves: scheme, user and host, in one case."""
        user = "".join(part.character for part in self.user)
        return self.scheme.lower(), user.lower(), self.host.lower()

    def __str__(self) -> str:
        password, port, more = self.rest
        user = "".join(part.written for part in self.user)
        at = f"{user}{password}@" if user else ""
        return f"{self.scheme}:{at}{self.host}{port}{more}"


SIPS: Final = st.builds(
    Sip,
    st.sampled_from(["sip", "SIP", "sips", "Sips"]),
    st.lists(PARTS, max_size=4).map(tuple),
    st.sampled_from([*HOSTS, *map(str.upper, HOSTS)]),
    st.tuples(
        st.sampled_from(["", ":", ":secret"]),
        st.sampled_from(["", ":5060"]),
        st.sampled_from(["", ";user=phone", ";x=%41?subject=y", "?a=b"]),
    ),
)
TEXT: Final = st.text("siptelmao:@;%24aB.1+[]<>\n\u00e9\u0661\uff11\u212a", max_size=12)


PLAIN: Final = Sip("sip", (Part("a", "a"),), "h", ("", "", ""))
ODD: Final = Sip("SIP", (Part("A", "%41"),), "H", (":secret", ":5060", "?a=b"))


@given(SIPS, SIPS)
@example(PLAIN, ODD)
def test_sip_uris_of_one_meaning_have_one_spelling(one: Sip, other: Sip) -> None:
    first, second = uri.from_sip(str(one)), uri.from_sip(str(other))

    if first is not None and second is not None:
        assert (first == second) == (one.meaning == other.meaning)
    elif one.meaning == other.meaning:
        assert first == second


@given(SIPS.map(str) | TEXT.map(lambda text: f"sip:{text}"))
def test_sip_spelling_is_its_own(text: str) -> None:
    found = uri.from_sip(text)

    assert found is None or uri.from_sip(found) == found


@given(SIPS)
def test_sip_users_that_are_numbers_are_no_uris(given_uri: Sip) -> None:
    _, user, _ = given_uri.meaning

    if tn.is_canonical(user.removeprefix("+")) and "#" not in user:
        assert uri.from_sip(str(given_uri)) is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("sip:alice@h.example", "sip:alice@h.example", id="as-it-is"),
        pytest.param("SIPS:Alice@H.Example", "sips:alice@h.example", id="case"),
        pytest.param("sip:a@h:5060", "sip:a@h", id="port"),
        pytest.param("sip:a:secret@h", "sip:a@h", id="password"),
        pytest.param("sip:a@h;transport=tls;lr", "sip:a@h", id="parameters"),
        pytest.param("sip:a@h?subject=x&y=z", "sip:a@h", id="header-fields"),
        pytest.param("sip:%61%4C%69ce@h", "sip:alice@h", id="escapes-not-needed"),
        pytest.param("sip:a%40b%3a@h", "sip:a%40b%3A@h", id="escapes-that-stay"),
        pytest.param("sip:a%2540@h", "sip:a%2540@h", id="escapes-are-undone-once"),
        pytest.param("sip:h.example", "sip:h.example", id="no-user"),
        pytest.param("sip:a@[2001:DB8::1]:5060", "sip:a@[2001:db8::1]", id="ipv6"),
        pytest.param("sip:12025550123@h", None, id="number"),
        pytest.param("sip:+12025550123@h;user=phone", None, id="number-with-plus"),
        pytest.param("sip:%2B1202555%30123@h", None, id="number-with-escapes"),
        pytest.param("sip:12025550123:secret@h", None, id="number-with-password"),
        pytest.param("sip:*123@h", None, id="service-code"),
        pytest.param("tel:+12025550123", None, id="tel"),
        pytest.param("mailto:a@h", None, id="mailto"),
        pytest.param("sip:", None, id="nothing"),
        pytest.param("sip:@h", None, id="empty-user"),
        pytest.param("sip:a@", None, id="empty-host"),
        pytest.param("sip:a@b@h", None, id="two-hosts"),
        pytest.param("sip:a b@h", None, id="blank"),
        pytest.param("sip:a%4@h", None, id="half-an-escape"),
        pytest.param("<sip:a@h>", None, id="brackets"),
        pytest.param("sip:a@h\n", None, id="line-end"),
        pytest.param(" sip:a@h", None, id="blank-before"),
        pytest.param("sip:\u00e9@h", None, id="user-beyond-ascii"),
        pytest.param("sip:a@\u00e9", None, id="host-beyond-ascii"),
        pytest.param("sip:a\u212a@h", None, id="kelvin-sign"),
        pytest.param("\u017fip:a@h", None, id="long-s-in-the-scheme"),
        pytest.param("sip:\uff11\uff12@h", None, id="fullwidth-digits"),
        pytest.param("sip:a@h:\u0661", None, id="arabic-indic-port"),
    ],
)
def test_sip_spelling(text: str, canonical: str | None) -> None:
    assert uri.from_sip(text) == canonical


ADDRESSES: Final = st.tuples(
    st.text(ATOM, min_size=1, max_size=4), st.sampled_from(["h", "H", "h.ex", "H.eX"])
)


@given(ADDRESSES, ADDRESSES)
def test_mail_addresses_have_one_spelling_each(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    """The case of a local part may mean something; that of a host does not."""
    first, second = uri.from_mail(*one), uri.from_mail(*other)

    if first is not None:
        same = one[0] == other[0] and one[1].lower() == other[1].lower()
        assert (first == second) is same


@given(ADDRESSES)
def test_a_mailto_uri_leads_back_to_its_address(address: tuple[str, str]) -> None:
    found = uri.from_mail(*address)

    if found is not None:
        local, _, host = found.removeprefix("mailto:").partition("@")
        assert (unquote(local), host) == (address[0], address[1].lower())
        assert uri.from_mail(unquote(local), host) == found


@given(
    st.text("0129#*", min_size=1, max_size=15),
    st.sampled_from(["", "+"]),
    st.sampled_from(["", "/TYPE=PLMN", "/TYPE=IPv4", "/x"]),
)
def test_mail_addresses_of_numbers_are_no_uris(
    number: str, plus: str, kind: str
) -> None:
    assert uri.from_mail(f"{plus}{number}{kind}", "h.example") is None


URIS: Final = SIPS.map(lambda sip: uri.from_sip(str(sip)))
MAILTOS: Final = ADDRESSES.map(lambda address: uri.from_mail(*address))


@given(URIS | MAILTOS)
def test_no_uri_looks_like_a_number(found: str | None) -> None:
    """Only URIs have a colon: that is how `Identity.of` tells the two apart."""
    if found is not None:
        assert ":" in found
        assert not tn.is_canonical(found)
        assert found.isascii()
        assert found.isprintable()


@pytest.mark.parametrize(
    ("local", "domain", "canonical"),
    [
        pytest.param("alice", "h.example", "mailto:alice@h.example", id="plain"),
        pytest.param("Alice", "H.Example", "mailto:Alice@h.example", id="case"),
        pytest.param("a+b", "h", "mailto:a+b@h", id="plus-inside"),
        pytest.param("a/b", "h", "mailto:a%2Fb@h", id="slash"),
        pytest.param("a%40b", "h", "mailto:a%2540b@h", id="percent"),
        pytest.param("1202555x", "h", "mailto:1202555x@h", id="not-all-digits"),
        pytest.param("1" * 16, "h", None, id="too-long-for-a-number"),
        pytest.param(f"+{'1' * 16}/TYPE=PLMN", "h", None, id="too-long-for-mm4"),
        pytest.param("a..b", "h", None, id="two-dots"),
        pytest.param(".a", "h", None, id="dot-first"),
        pytest.param("a.", "h", None, id="dot-last"),
        pytest.param("a", "ban\u212a.example", None, id="kelvin-sign"),
        pytest.param("a" * 64, "h", f"mailto:{'a' * 64}@h", id="longest-local-part"),
        pytest.param("a" * 65, "h", None, id="longer"),
        pytest.param("", "h", None, id="nobody"),
        pytest.param("a", "", None, id="nowhere"),
        pytest.param("a b", "h", None, id="needs-quotes"),
        pytest.param("a@b", "h", None, id="needs-quotes-for-its-at"),
        pytest.param("a\n", "h", None, id="line-end"),
        pytest.param("a", "h\n", None, id="line-end-after-the-host"),
        pytest.param("a", "[192.0.2.1]", None, id="address-literal"),
        pytest.param("a", "h.", None, id="dot-at-the-end"),
        pytest.param("a", "h..x", None, id="two-dots"),
        pytest.param("a", "-h", None, id="hyphen-first"),
        pytest.param("a", "h_x", None, id="underscore"),
        pytest.param("\u00e9", "h", None, id="local-part-beyond-ascii"),
        pytest.param("a", "\u00e9.x", None, id="host-beyond-ascii"),
        pytest.param("a", "\uff48", None, id="fullwidth-host"),
        pytest.param("\uff11\uff12", "h", None, id="fullwidth-digits"),
        pytest.param("1\u200b2", "h", None, id="zero-width-space"),
    ],
)
def test_mail_spelling(local: str, domain: str, canonical: str | None) -> None:
    assert uri.from_mail(local, domain) == canonical


@pytest.mark.parametrize(
    ("text", "host"),
    [
        pytest.param("mailto:a@h.example", "h.example", id="mail"),
        pytest.param("mailto:a%40evil.example@h.example", "h.example", id="escaped-at"),
        pytest.param("sip:a@h.example", "h.example", id="sip"),
        pytest.param("sip:h.example", "h.example", id="sip-without-a-user"),
        pytest.param("sips:a@[2001:db8::1]", "[2001:db8::1]", id="ipv6"),
        pytest.param("urn:x:y", "x:y", id="no-host-at-all"),
    ],
)
def test_the_host_vouches_for_the_rest(text: str, host: str) -> None:
    assert uri.domain(text) == host


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("mailto:alice@h.example", "mailto:xxxx@h.example", id="mail"),
        pytest.param("sip:a@h.example", "sip:xxxx@h.example", id="sip"),
        pytest.param("mailto:a%40b@h.example", "mailto:xxxx@h.example", id="escapes"),
        pytest.param("sip:h.example", "sip:xxxx@h.example", id="nobody"),
    ],
)
def test_mask_hides_the_user(text: str, shown: str) -> None:
    assert tn.mask(text) == shown


@given(SIPS.map(str) | ADDRESSES.map(lambda a: f"mailto:{a[0]}@{a[1]}"))
def test_mask_shows_nothing_but_scheme_and_host(text: str) -> None:
    masked = tn.mask(text)

    scheme, _, rest = masked.partition(":")
    assert text.startswith(f"{scheme}:")
    assert rest.startswith("xxxx@")
    assert "@" not in rest.removeprefix("xxxx@")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("mailto:alice@a.example", "mailto:alice@a.example", id="mail"),
        pytest.param("MailTo:Alice@A.example", "mailto:Alice@a.example", id="capitals"),
        pytest.param("mailto:a%2Fb@h", "mailto:a%2Fb@h", id="escape-stays"),
        pytest.param("mailto:%61@h", "mailto:a@h", id="escape-that-is-not-needed"),
        pytest.param("mailto:a@b@h", None, id="two-ats"),
        pytest.param("mailto:alice", None, id="mail-without-a-host"),
        pytest.param("mailto:+12025550123@h", None, id="mail-of-a-number"),
        pytest.param("SIP:Alice@X.example", "sip:alice@x.example", id="sip"),
        pytest.param("sips:x.example:5061", "sips:x.example", id="sips-host"),
        pytest.param("tel:+12025550123", None, id="another-scheme"),
        pytest.param("alice@a.example", None, id="no-scheme"),
    ],
)
@pytest.mark.conformance("A-22")
def test_canonical_takes_every_scheme_that_has_a_form(
    text: str, canonical: str | None
) -> None:
    assert uri.canonical(text) == canonical
    assert canonical is None or uri.canonical(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("sip:+1-202-555-0123@h", id="hyphens"),
        pytest.param("sip:(202)5550123@h", id="brackets"),
        pytest.param("sip:202.555.0123@h", id="dots"),
        pytest.param("sip:12025550123;phone-context=+1@h", id="phone-context"),
        pytest.param("sip:%23123@h", id="escaped-service-code"),
        pytest.param("sip:*123@h", id="service-code"),
    ],
)
def test_a_number_in_any_dress_is_no_uri(text: str) -> None:
    """RFC 8224 §8.1 makes it a ``tn``, and it must not have two names."""
    assert uri.from_sip(text) is None

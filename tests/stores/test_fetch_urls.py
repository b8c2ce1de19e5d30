"""Which URLs are fetched, and which are refused before anything is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.errors import FetchError
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.stores.urls import HostSet, parse
from tests.stores.fetchers import PUBLIC, PUBLIC_V6, URL, production
from tests.stores.servers import NameServer

FORM = r"^(not https|only https|port \d+ is not|no such host)"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://certs.example/a.pem", id="http"),
        pytest.param("ftp://certs.example/a.pem", id="ftp"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("//certs.example/a.pem", id="no-scheme"),
        pytest.param("certs.example/a.pem", id="neither-scheme-nor-slashes"),
        pytest.param("https:///a.pem", id="no-host"),
        pytest.param("https://:443/a.pem", id="port-alone"),
        pytest.param("https://alice@certs.example/a.pem", id="user"),
        pytest.param("https://alice:secret@certs.example/a.pem", id="password"),
        pytest.param("https://certs.example@127.0.0.1/", id="name-as-a-user"),
        pytest.param("https://certs.example/a.pem?b=c", id="query"),
        pytest.param("https://certs.example?b", id="query-without-a-path"),
        pytest.param("https://certs.example/a.pem#b", id="fragment"),
        pytest.param("https://certs.example/a.pem;b=c", id="path-parameter"),
        pytest.param("https://certs.example:444/a.pem", id="another-port"),
        pytest.param("https://certs.example:80/a.pem", id="port-of-http"),
        pytest.param("https://certs.example:0/a.pem", id="port-zero"),
        pytest.param("https://certs.example:65979/a.pem", id="port-beyond-16-bits"),
        pytest.param("https://certs.example:/a.pem", id="empty-port"),
        pytest.param("https://certs.example:0443/a.pem", id="port-with-a-zero"),
        pytest.param("https://certs.example:443 /a.pem", id="space-behind-the-port"),
        pytest.param("HTTPS://certs.example/a.pem", id="scheme-in-capitals"),
        pytest.param("https:/certs.example/a.pem", id="one-slash"),
        pytest.param("https://certs.example:+443/a.pem", id="signed-port"),
        pytest.param("https://certs.example:\uff14\uff14\uff13/", id="fullwidth-port"),
        pytest.param("https://certs.example./a.pem", id="final-dot"),
        pytest.param("https://-certs.example/a.pem", id="leading-hyphen"),
        pytest.param("https://certs_.example/a.pem", id="underscore"),
        pytest.param("https://%31%32%37.0.0.1/", id="percent-encoded-host"),
        pytest.param("https://b\u00fccher.example/a.pem", id="host-outside-ascii"),
        pytest.param("https://certs\u3002example/a.pem", id="ideographic-full-stop"),
        pytest.param("https://certs.example/\u00fc.pem", id="path-outside-ascii"),
        pytest.param("https://certs.example/a b.pem", id="space"),
        pytest.param(" https://certs.example/a.pem", id="space-before"),
        pytest.param("https://certs.example/a.pem\n", id="line-end-behind"),
        pytest.param("https://certs.example/a\r\nX: y", id="line-end-inside"),
        pytest.param("https://certs.example\\@127.0.0.1/", id="backslash"),
        pytest.param("https://certs.example\x00/", id="nul"),
        pytest.param("https://[::1/", id="bracket-never-closed"),
        pytest.param("https://[fe80::1%25lo]/", id="zone"),
        pytest.param("https://[::1]a/", id="words-behind-an-address"),
        pytest.param("", id="nothing"),
    ],
)
@pytest.mark.conformance("C-10")
def test_a_url_of_another_form_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], url: str
) -> None:
    fetch = production(names)

    with pytest.raises(FetchError, match=FORM) as fetched:
        fetch.get(url)
    with pytest.raises(FetchError, match=FORM) as checked:
        fetch.check(url)

    assert not fetched.value.temporary
    assert not checked.value.temporary
    assert names.queries == []
    assert dialled == []


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("2130706433", id="decimal"),
        pytest.param("0x7f000001", id="hexadecimal"),
        pytest.param("0177.0.0.1", id="octal"),
        pytest.param("127.1", id="short"),
        pytest.param("0", id="zero"),
        pytest.param("127.0.0.256", id="octet-beyond-255"),
        pytest.param("[1:2]", id="half-an-address"),
        pytest.param(f"[{PUBLIC}]", id="ipv4-in-brackets"),
        pytest.param("[certs.example]", id="name-in-brackets"),
        pytest.param("1.2.3.04", id="leading-zero"),
        pytest.param("a." * 127, id="final-dot"),
        pytest.param("a." * 126 + "ab", id="name-of-254-octets"),
        pytest.param("certs..example", id="empty-label"),
        pytest.param("a" * 64 + ".example", id="label-of-64-octets"),
    ],
)
def test_a_host_that_is_no_name_and_no_address_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], host: str
) -> None:
    with pytest.raises(FetchError) as caught:
        production(names).get(f"https://{host}/a.pem")

    assert dialled == []
    assert names.queries == []
    assert not caught.value.temporary


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(URL, id="plain"),
        pytest.param("https://certs.example", id="no-path"),
        pytest.param("https://certs.example:8443/a.pem", id="second-port"),
        pytest.param(
            "https://certs.example:443/a.pem", id="port-that-goes-without-saying"
        ),
        pytest.param("https://xn--bcher-kva.example/%C3%BC.pem", id="encoded"),
        pytest.param(
            "https://a-1.b.example/~a/b_c.d+e,f=g:h@i!$&'()*", id="every-character"
        ),
        pytest.param(f"https://[{PUBLIC_V6}]/a.pem", id="ipv6-literal"),
        pytest.param(f"https://{PUBLIC}/a.pem", id="ipv4-literal"),
    ],
)
def test_a_url_of_the_narrow_form_is_accepted(names: NameServer, url: str) -> None:
    production(names).check(url)

    assert names.queries == []


def test_other_ports_can_be_allowed() -> None:
    fetch = Fetcher(FetchPolicy(ports=frozenset({444})))

    fetch.check("https://certs.example:444/a.pem")
    with pytest.raises(FetchError, match="port 443"):
        fetch.check(URL)


@pytest.mark.parametrize("url", ["http://crl.example/a.crl", "http://crl.example:80/"])
def test_plain_http_to_port_80_is_for_callers_who_say_so(
    names: NameServer, dialled: list[tuple[str, int]], url: str
) -> None:
    names.addresses["crl.example"] = [PUBLIC]
    fetch = production(names)
    with pytest.raises(FetchError, match="only https"):
        fetch.get(url)

    fetch.check(url, schemes=("http", "https"))
    with pytest.raises(FetchError, match="refused"):
        fetch.get(url, schemes=("http", "https"))

    assert dialled == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://crl.example:8080/a.crl", id="another-port"),
        pytest.param("http://crl.example:443/a.crl", id="the-port-of-https"),
        pytest.param("https://crl.example:80/a.crl", id="https-at-the-port-of-http"),
        pytest.param("http://127.0.0.1/a.crl", id="private-address"),
    ],
)
def test_plain_http_is_guarded_as_https_is(names: NameServer, url: str) -> None:
    with pytest.raises(FetchError, match=r"port \d+ is not|not public") as caught:
        production(names).get(url, schemes=("http", "https"))

    assert not caught.value.temporary


@pytest.mark.parametrize(
    ("entry", "host", "member"),
    [
        pytest.param("example.net", "example.net", True, id="name"),
        pytest.param("Example.NET", "eXample.net", True, id="capitals"),
        pytest.param("example.net", "certs.example.net", False, id="below-a-name"),
        pytest.param(".example.net", "certs.example.net", True, id="domain"),
        pytest.param(".example.net", "a.b.example.net", True, id="deep-in-a-domain"),
        pytest.param(".example.net", "example.net", True, id="the-domain-itself"),
        pytest.param(".example.net", "evilexample.net", False, id="part-of-a-label"),
        pytest.param(".example.net", "example.net.evil", False, id="in-front"),
        pytest.param(PUBLIC, PUBLIC, True, id="address"),
        pytest.param("93.184.216.0/24", PUBLIC, True, id="network"),
        pytest.param("93.184.217.0/24", PUBLIC, False, id="another-network"),
        pytest.param("2606:2800::/32", f"[{PUBLIC_V6}]", True, id="network-of-ipv6"),
        pytest.param("0.0.0.0/0", "example.net", False, id="every-address-no-name"),
    ],
)
def test_lists_decide_which_hosts_are_fetched_from(
    names: NameServer, entry: str, host: str, member: bool
) -> None:
    url = f"https://{host}/a.pem"
    allow, deny = production(names, allow=[entry]), production(names, deny=[entry])
    passes, refuses = (allow, deny) if member else (deny, allow)

    passes.check(url)
    with pytest.raises(FetchError, match=r"fetch\.(allow|deny)") as caught:
        refuses.get(url)

    assert not caught.value.temporary
    assert names.queries == []


def test_who_is_on_both_lists_is_denied(names: NameServer) -> None:
    fetch = production(names, allow=[".example"], deny=["certs.example"])

    fetch.check("https://other.example/")
    with pytest.raises(FetchError, match=r"fetch\.deny"):
        fetch.check(URL)


def test_an_address_of_no_public_host_is_refused_without_asking() -> None:
    with pytest.raises(FetchError, match="not public"):
        Fetcher(FetchPolicy()).check("https://127.0.0.1/")


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param("", id="nothing"),
        pytest.param(".", id="dot"),
        pytest.param("*.example.net", id="star"),
        pytest.param("example.net.", id="final-dot"),
        pytest.param("https://example.net", id="url"),
        pytest.param("example.net:443", id="port"),
        pytest.param("exa mple.net", id="space"),
        pytest.param("192.0.2.1/24", id="host-bits"),
        pytest.param("192.0.2", id="part-of-an-address"),
        pytest.param("[2001:db8::1]", id="brackets"),
        pytest.param("b\u00fccher.example", id="outside-ascii"),
    ],
)
def test_what_is_no_entry_of_a_list_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="is no host name") as caught:
        HostSet.of("example.net", entry)

    assert repr(entry) in str(caught.value)


@given(st.text())
def test_whatever_is_taken_for_a_url_has_one_spelling(text: str) -> None:
    for url in (text, f"https://{text}", f"https://certs.example:{text}"):
        try:
            target = parse(url)
        except FetchError:
            continue
        written = f"{target.scheme}://{target.authority}{target.path}"
        assert parse(written) == target
        assert written.isascii()

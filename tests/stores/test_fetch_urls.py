"""Which URLs are fetched, and which are refused before anything is asked."""

import pytest

from stirmilter.errors import FetchError
from stirmilter.stores.fetch import Fetcher, FetchPolicy
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
        pytest.param("[127.0.0.1]", id="ipv4-in-brackets"),
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

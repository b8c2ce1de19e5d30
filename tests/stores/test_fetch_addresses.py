"""Which addresses are connected to: public ones, and those that were checked."""

from ipaddress import ip_address

import pytest

from stirmilter.errors import FetchError
from stirmilter.stores.addresses import is_public
from tests.stores.fetchers import PUBLIC, PUBLIC_V6, URL, production
from tests.stores.servers import NameServer


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("10.0.0.1", id="private"),
        pytest.param("169.254.169.254", id="cloud-metadata"),
        pytest.param("[::1]", id="ipv6-loopback"),
        pytest.param("[::ffff:127.0.0.1]", id="mapped"),
    ],
)
@pytest.mark.conformance("C-11")
def test_an_address_that_is_not_public_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], host: str
) -> None:
    with pytest.raises(FetchError, match="not public") as caught:
        production(names).get(f"https://{host}/a.pem")

    assert not caught.value.temporary
    assert dialled == []


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["10.0.0.1"], id="private"),
        pytest.param(["127.0.0.1"], id="loopback"),
        pytest.param(["::1"], id="ipv6-loopback"),
        pytest.param(["::ffff:10.0.0.1"], id="mapped"),
        pytest.param([PUBLIC, "10.0.0.1"], id="public-then-private"),
        pytest.param(["10.0.0.1", PUBLIC], id="private-then-public"),
        pytest.param([PUBLIC, "fd00::1"], id="public-ipv4-and-private-ipv6"),
        pytest.param([PUBLIC_V6, "192.168.0.1"], id="public-ipv6-and-private-ipv4"),
    ],
)
@pytest.mark.conformance("C-11")
def test_a_name_with_one_private_address_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], addresses: list[str]
) -> None:
    names.addresses["certs.example"] = addresses

    with pytest.raises(FetchError, match="not public") as caught:
        production(names).get(URL)

    assert not caught.value.temporary
    assert dialled == []


@pytest.mark.conformance("C-11")
def test_connects_to_the_addresses_that_were_checked(
    names: NameServer, dialled: list[tuple[str, int]]
) -> None:
    """By address, after one look-up: a second could be answered otherwise."""
    names.addresses["certs.example"] = [PUBLIC, PUBLIC_V6]

    with pytest.raises(FetchError, match="refused") as caught:
        production(names).get("https://certs.example:8443/a.pem")

    assert caught.value.temporary
    assert sorted(dialled) == [(PUBLIC_V6, 8443), (PUBLIC, 8443)]
    assert sorted(names.queries) == [("certs.example", "A"), ("certs.example", "AAAA")]


@pytest.mark.conformance("C-11")
def test_a_second_answer_of_the_dns_is_never_asked_for(
    names: NameServer, dialled: list[tuple[str, int]]
) -> None:
    """DNS rebinding: a public address to the one who checks, then a private one."""
    names.addresses["certs.example"] = [PUBLIC]
    names.later["certs.example"] = ["127.0.0.1"]
    fetch = production(names)

    with pytest.raises(FetchError, match="refused"):
        fetch.get(URL)
    asked = len(names.queries)
    with pytest.raises(FetchError, match="not public"):
        fetch.get(URL)

    assert asked == 2
    assert dialled == [(PUBLIC, 443)]


def test_an_alias_for_a_private_name_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]]
) -> None:
    names.aliases["certs.example"] = "inside.example"
    names.addresses["inside.example"] = ["10.0.0.1"]

    with pytest.raises(FetchError, match="not public"):
        production(names).get(URL)

    assert dialled == []


def test_only_some_of_many_addresses_are_tried_and_all_are_checked(
    names: NameServer, dialled: list[tuple[str, int]]
) -> None:
    names.addresses["certs.example"] = [f"93.184.216.{n}" for n in range(1, 31)]

    with pytest.raises(FetchError, match="refused"):
        production(names).get(URL)
    names.addresses["certs.example"].append("fd00::1")
    with pytest.raises(FetchError, match="not public"):
        production(names).get(URL)

    assert len(dialled) == 4


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["198.41.0.4"], id="in-a-denied-network"),
        pytest.param([PUBLIC, "198.41.0.4"], id="one-of-two"),
        pytest.param(["2606:4700::1"], id="ipv6"),
    ],
)
def test_a_name_that_leads_to_a_denied_network_is_refused_for_good(
    names: NameServer, dialled: list[tuple[str, int]], addresses: list[str]
) -> None:
    names.addresses["certs.example"] = addresses
    fetch = production(names, deny=["198.41.0.0/24", "2606:4700::/32"])

    with pytest.raises(FetchError, match=r"address \S+ is in fetch\.deny") as caught:
        fetch.get(URL)

    assert not caught.value.temporary
    assert dialled == []


@pytest.mark.parametrize(
    ("known", "problem"),
    [
        pytest.param(False, "the DNS has no such name", id="unknown"),
        pytest.param(True, "the DNS has no address of this name", id="no-address"),
    ],
)
def test_a_name_without_an_address_is_a_temporary_failure(
    names: NameServer, dialled: list[tuple[str, int]], known: bool, problem: str
) -> None:
    if known:
        names.addresses["certs.example"] = []

    with pytest.raises(FetchError) as caught:
        production(names).get(URL)

    assert str(caught.value) == f"certs.example: {problem}"
    assert caught.value.temporary
    assert dialled == []


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("0.0.0.0", id="this-host"),  # noqa: S104 - an address to refuse
        pytest.param("0.1.2.3", id="this-network"),
        pytest.param("10.255.255.255", id="private-10"),
        pytest.param("100.64.0.1", id="carrier-nat"),
        pytest.param("100.127.255.255", id="end-of-carrier-nat"),
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.255.255.254", id="end-of-loopback"),
        pytest.param("169.254.169.254", id="link-local"),
        pytest.param("172.16.0.1", id="private-172"),
        pytest.param("172.31.255.255", id="end-of-private-172"),
        pytest.param("192.0.0.8", id="ietf-protocols"),
        pytest.param("192.0.2.1", id="documentation-1"),
        pytest.param("192.31.196.1", id="as112-v4"),
        pytest.param("192.52.193.1", id="amt"),
        pytest.param("192.88.99.1", id="6to4-relay"),
        pytest.param("192.168.255.255", id="private-192"),
        pytest.param("192.175.48.1", id="direct-delegation-as112"),
        pytest.param("198.18.0.1", id="benchmarking"),
        pytest.param("198.19.255.255", id="end-of-benchmarking"),
        pytest.param("198.51.100.1", id="documentation-2"),
        pytest.param("203.0.113.1", id="documentation-3"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("239.255.255.255", id="end-of-multicast"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("::", id="ipv6-unspecified"),
        pytest.param("::1", id="ipv6-loopback"),
        pytest.param("::127.0.0.1", id="ipv4-compatible"),
        pytest.param("::ffff:93.184.216.34", id="ipv4-mapped"),
        pytest.param("64:ff9b::7f00:1", id="nat64"),
        pytest.param("64:ff9b:1::1", id="local-nat64"),
        pytest.param("100::1", id="discard-only"),
        pytest.param("2001::1", id="teredo"),
        pytest.param("2001:2::1", id="ipv6-benchmarking"),
        pytest.param("2001:20::1", id="orchid-2"),
        pytest.param("2001:db8::1", id="ipv6-documentation"),
        pytest.param("2002:7f00:1::", id="6to4"),
        pytest.param("2620:4f:8000::1", id="as112-v6"),
        pytest.param("3fff::1", id="ipv6-documentation-2"),
        pytest.param("4000::1", id="not-yet-assigned"),
        pytest.param("5f00::1", id="segment-routing"),
        pytest.param("fc00::1", id="unique-local"),
        pytest.param("fdff::1", id="end-of-unique-local"),
        pytest.param("fe80::1", id="ipv6-link-local"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("ff02::1", id="ipv6-multicast"),
        pytest.param("ff0e::1", id="global-multicast"),
    ],
)
@pytest.mark.conformance("C-11")
def test_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.20.0.0",
        "223.255.255.255",
        PUBLIC,
        "2001:200::1",
        "2400:cb00::1",
        "2a00::1",
        "3ffe::1",
        PUBLIC_V6,
    ],
)
def test_is_public(address: str) -> None:
    assert is_public(ip_address(address))

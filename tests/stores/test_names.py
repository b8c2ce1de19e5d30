"""From a name to addresses: what is asked, of whom, and for how long."""

import errno
import os
from ipaddress import ip_address
from pathlib import Path

import dns.exception
import dns.name
import dns.resolver
import pytest

from stirmilter.errors import FetchError
from stirmilter.stores.deadline import Deadline
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.stores.names import Names
from stirmilter.stores.unresolved import in_words
from tests.dns_server import DnsServer
from tests.stores.servers import NameServer

HOST = "certs.example"


def found(names: NameServer, host: str = HOST, seconds: float = 5.0) -> list[str]:
    addresses = Names(names.resolver).addresses(host, Deadline.after(seconds))
    return sorted(str(address) for address in addresses)


def test_both_kinds_of_address_are_asked_for_once(names: NameServer) -> None:
    names.addresses[HOST] = ["2001:db8::1", "192.0.2.1", "192.0.2.2"]

    assert found(names) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert sorted(names.queries) == [(HOST, "A"), (HOST, "AAAA")]


@pytest.mark.parametrize("host", [HOST, "certs"])
def test_no_search_domain_is_appended(names: NameServer, host: str) -> None:
    names.resolver.search = [dns.name.from_text("inside.example")]
    names.resolver.use_search_by_default = True
    names.addresses[f"{host}.inside.example"] = ["192.0.2.1"]

    with pytest.raises(dns.resolver.NXDOMAIN):
        found(names, host)

    assert names.queries == [(host, "A")]


def test_an_alias_leads_to_the_addresses_of_another_name(names: NameServer) -> None:
    names.aliases[HOST] = "hosting.example"
    names.addresses["hosting.example"] = ["192.0.2.1"]

    assert found(names) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("silent", "known"),
    [
        pytest.param("AAAA", "192.0.2.1", id="ipv6"),
        pytest.param("A", "2001:db8::1", id="ipv4"),
    ],
)
def test_silence_about_one_kind_does_not_take_the_other_away(
    names: NameServer, monkeypatch: pytest.MonkeyPatch, silent: str, known: str
) -> None:
    """It has half of the time; here its share ends sooner, lest we wait for that."""
    names.addresses[HOST] = [known]
    names.silent.add((HOST, silent))
    resolve = names.resolver.resolve
    shares = {}

    def hurried(name: dns.name.Name, kind: str, lifetime: float) -> dns.resolver.Answer:
        shares[kind] = lifetime
        seconds = 0.05 if kind == silent else lifetime
        return resolve(name, kind, lifetime=seconds)

    monkeypatch.setattr(names.resolver, "resolve", hurried)

    assert found(names, seconds=60) == [known]
    assert max(shares.values()) <= 30


def test_a_name_of_very_many_addresses_is_none_of_a_repository(
    names: NameServer,
) -> None:
    names.addresses[HOST] = [f"192.0.2.{number}" for number in range(33)]

    with pytest.raises(FetchError, match="33 addresses, at most 32"):
        found(names)


def test_how_many_addresses_a_name_may_have_is_a_setting(names: NameServer) -> None:
    """Of both kinds together; those that a fetch tries are another matter."""
    policy = FetchPolicy(laboratory=True, addresses=1, name_addresses=6)
    fetch = Fetcher(policy, names.resolver)
    names.addresses[HOST] = ["::1", *(f"127.0.0.{number}" for number in range(1, 6))]
    nobody_listens = f"http://{HOST}:1/"

    with pytest.raises(FetchError) as tried:
        fetch.get(nobody_listens)
    assert "at most" not in str(tried.value)
    names.addresses[HOST].append("127.0.0.6")
    with pytest.raises(FetchError, match="7 addresses, at most 6"):
        fetch.get(nobody_listens)


def test_a_changed_file_of_the_system_is_read_again(
    names: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon may be started before the network, and lives for months."""
    monkeypatch.setattr(dns.resolver.Resolver, "port", names.resolver.port, False)
    path = tmp_path / "resolv.conf"
    system = Names(path=path)

    with pytest.raises(FetchError, match="resolv"):
        system.addresses(HOST, Deadline.after(5))
    path.write_text("search inside.example\n")
    with pytest.raises(FetchError, match="nameservers"):
        system.addresses(HOST, Deadline.after(5))
    path.write_text("nameserver nonsense\n")
    with pytest.raises(FetchError, match="nameserver"):
        system.addresses(HOST, Deadline.after(5))
    path.write_text("nameserver 127.0.0.1\n")
    first = system._system()
    assert [ip_address(str(server)) for server in first.nameservers] == [
        ip_address("127.0.0.1")
    ]
    assert first.timeout == 1.0
    assert system._system() is first
    path.write_text("nameserver 127.0.0.53\n")
    assert system._system() is not first


def test_of_a_server_that_fails_the_last_words_are_told() -> None:
    with DnsServer() as server:
        server.fails.add(HOST)
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [server.address[0]]
        resolver.port = server.address[1]
        fetch = Fetcher(FetchPolicy(), resolver)

        with pytest.raises(FetchError) as caught:
            fetch.get(f"https://{HOST}/x.pem")

    assert str(caught.value) == f"{HOST}: no name server gives an answer: SERVFAIL"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)),
            "Network is unreachable",
            id="of-the-system",
        ),
        pytest.param(EOFError("text of a stranger"), "EOFError", id="another"),
    ],
)
def test_an_error_of_the_system_is_told_in_its_words(
    error: Exception, words: str
) -> None:
    assert in_words(error) == words

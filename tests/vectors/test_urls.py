"""Every x5u that was seen in a real token, held against what we would fetch."""

import re
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import pytest

from stirmilter.errors import FetchError
from stirmilter.stir import identity
from stirmilter.stores.addresses import is_public
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from tests.stir.tokens import forge
from tests.vectors.corpus import Corpus

REFUSED = {
    "only https is fetched": 27,
    "port 1443 is not allowed (fetch.ports)": 1,
    "port 5000 is not allowed (fetch.ports)": 4,
    "port 8080 is not allowed (fetch.ports)": 8,
}
"""Why, and how many of 17 839. ATIS-1000074 wants https, and port 443 or 8443."""


def refusals(urls: list[str], policy: FetchPolicy) -> dict[str, FetchError]:
    """Return the URLs that a policy refuses, each with why."""
    fetcher = Fetcher(policy)
    refused: dict[str, FetchError] = {}
    for url in urls:
        try:
            fetcher.check(url)
        except FetchError as error:
            refused[url] = error
    return refused


def hosts(urls: list[str]) -> set[str]:
    found = (re.match(r"https?://([^/:]+)", url) for url in urls)
    return {match[1] for match in found if match}


def test_forty_real_urls_are_refused_for_their_scheme_or_port(corpus: Corpus) -> None:
    refused = refusals(corpus.urls, FetchPolicy())

    assert Counter(map(str, refused.values())) == REFUSED
    assert {error.temporary for error in refused.values()} == {False}
    assert len(corpus.urls) == 17_839


def test_no_real_url_is_refused_for_its_form(corpus: Corpus) -> None:
    """A laboratory may use any scheme and port, and has the same grammar."""
    assert refusals(corpus.urls, FetchPolicy(laboratory=True)) == {}


def test_the_unusual_urls_are_the_refused_and_those_on_port_8443(
    vectors: Path, corpus: Corpus
) -> None:
    unusual = (vectors / "sti-corpus" / "unusual-urls.txt").read_text().splitlines()
    refused = refusals(corpus.urls, FetchPolicy())

    rest = [url for url in unusual if url not in refused]

    assert refused.keys() <= set(unusual)
    assert len(rest) == 20
    assert all(".sticr.att.net:8443/" in url for url in rest)


def test_the_index_links_to_no_other_urls(corpus: Corpus) -> None:
    links = [row["x5u_link"] for row in corpus.index.values() if row["x5u_link"]]

    assert set(links) <= set(corpus.urls)
    assert len(links) == 15_936


def test_real_addresses_in_urls_are_public(corpus: Corpus) -> None:
    literals = {host for host in hosts(corpus.urls) if not re.search("[A-Za-z]", host)}

    assert {host for host in literals if is_public(ip_address(host))} == literals
    assert len(literals) == 10


def test_every_real_url_survives_the_parameter_of_a_field(corpus: Corpus) -> None:
    token = forge()

    changed = [
        url
        for url in corpus.urls
        if identity.parse(f"{token};info=<{url}>").parameters != {"info": url}
    ]

    assert changed == []


@pytest.mark.parametrize(
    ("ports", "refused"),
    [
        pytest.param({443}, 33, id="without-8443"),
        pytest.param({443, 8443, 1443, 5000, 8080}, 0, id="with-those-in-use"),
    ],
)
def test_the_ports_of_a_policy_decide(
    corpus: Corpus, ports: set[int], refused: int
) -> None:
    found = refusals(corpus.urls, FetchPolicy(ports=frozenset(ports)))

    assert sum("port" in str(error) for error in found.values()) == refused

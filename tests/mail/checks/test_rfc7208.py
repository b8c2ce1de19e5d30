"""The test suite of RFC 7208, which pyspf ships in its source archive alone."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

import pytest
import yaml

from stirmilter.mail.checks import spf
from stirmilter.stores.dns import Dns
from tests import oracles
from tests.dns_server import DnsServer

KINDS: Final = ("A", "AAAA", "MX", "PTR", "TXT")
SCENARIOS: Final = 16
TESTS: Final = 203

Scenario = dict[str, Any]


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    suite = oracles.read("pyspf", "test/rfc7208-tests.yml")
    return [one for one in yaml.safe_load_all(suite) if one]


def test_the_suite_is_the_whole_of_it(scenarios: list[Scenario]) -> None:
    assert len(scenarios) == SCENARIOS
    assert sum(len(one["tests"]) for one in scenarios) == TESTS


@pytest.mark.parametrize("number", range(SCENARIOS))
def test_every_result_is_one_that_the_suite_expects(
    scenarios: list[Scenario], number: int
) -> None:
    scenario = scenarios[number]
    with DnsServer() as server:
        _publish(server, scenario["zonedata"])
        wrong = [
            (name, found, expected)
            for name, found, expected in _run(server, scenario["tests"])
            if found not in expected
        ]

    assert wrong == [], scenario["description"]


def _run(
    server: DnsServer, tests: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, str, list[str]]]:
    for name, test in tests.items():
        found = spf.mail_from(
            ip_address(test["host"]),
            test["helo"],
            test["mailfrom"],
            Dns([server.address]).for_message(),
        )
        expected = test["result"]
        yield name, found.word, [expected] if isinstance(expected, str) else expected


def _publish(server: DnsServer, zone: dict[str, list[Any]]) -> None:
    """Serve the data as the notes at the head of the suite say.

    ``TIMEOUT`` stands for a failure of the DNS: for one kind of record, or for all that
    the name does not have. A record of type SPF is one of type TXT, too, unless the
    name has its own.
    """
    for name, entries in zone.items():
        records = [pair for one in entries if one != "TIMEOUT" for pair in one.items()]
        kinds = {kind for kind, _ in records}
        known = {kind for kind, value in records if value != "NONE"}
        if "TIMEOUT" in entries:
            server.fails |= {
                (name.lower(), kind) for kind in KINDS if kind not in known
            }
        server.add(name, "A")
        for kind, value in records:
            if kind == "SPF" and "TXT" not in kinds:
                _add(server, name, "TXT", value)
            elif kind != "SPF":
                _add(server, name, kind, value)


def _add(server: DnsServer, name: str, kind: str, value: Any) -> None:  # noqa: ANN401
    match value:
        case "TIMEOUT":
            server.fails.add((name.lower(), kind))
        case "NONE":
            pass
        case [int() as preference, str() as exchange]:
            server.add(name, kind, f"{preference} {exchange.rstrip('.')}.")
        case [*strings]:
            server.add(name, kind, tuple(str(one).encode() for one in strings or [""]))
        case str() if kind in ("CNAME", "PTR"):
            server.add(name, kind, f"{value.rstrip('.')}.")
        case _:
            server.add(name, kind, str(value))

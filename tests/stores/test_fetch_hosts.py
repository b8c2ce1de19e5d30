"""How a fetch treats hosts: places, rest, and what silences none of them."""

import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from stirmilter.errors import FetchError
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.stores.hosts import HostPolicy
from stirmilter.testca import TestCA
from tests.stores.servers import (
    CHAIN,
    OK,
    Answer,
    NameServer,
    WebServer,
    https,
    in_order,
    say,
    silence,
)

GOOD = say(OK, b"\r\n", CHAIN)
WILDCARD = [f"{letter}.wild.example" for letter in "abcdef"]


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def careful(
    ca: TestCA, clock: Clock, names: NameServer | None = None, seconds: float = 0.2
) -> Fetcher:
    """Make a fetcher whose hosts rest after three failures."""
    policy = FetchPolicy(
        laboratory=True,
        seconds=seconds,
        tls_ca=str(ca.tls_ca),
        hosts=HostPolicy(failures=3, rest=30, wait=0),
    )
    return Fetcher(policy, names.resolver if names else None, clock=clock)


def failure(fetch: Fetcher, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch.get(url)
    return caught.value


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence, id="hangs-after-connect"),
        pytest.param(say(b"garbage\r\n\r\n"), id="speaks-no-http"),
        pytest.param(say(), id="closes"),
    ],
)
@pytest.mark.conformance("C-12")
def test_a_host_that_fails_again_and_again_is_left_alone(
    ca: TestCA, clock: Clock, answer: Answer
) -> None:
    fetch = careful(ca, clock, seconds=0.7)
    with https(ca, answer) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert [failure(fetch, f"{url}{n}").again for n in range(3)] == [None] * 3
        told = failure(fetch, f"{url}4")

        assert server.connections == 3
    assert f"127.0.0.1:{server.port}: resting after 3 failures" in str(told)
    assert told.temporary
    assert told.again == 30


def test_a_host_that_has_rested_is_tried_and_good_again(
    ca: TestCA, clock: Clock
) -> None:
    fetch = careful(ca, clock, seconds=5)
    answers = in_order(*[say(b"garbage\r\n\r\n")] * 3, GOOD)
    with https(ca, answers) as server:
        url = f"https://127.0.0.1:{server.port}/"
        for _ in range(4):
            failure(fetch, url)
        clock.seconds += 30

        assert fetch.get(url).body == CHAIN
        assert fetch.get(url).body == CHAIN


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(say(b"HTTP/1.1 404 Not Found\r\n\r\n"), id="not-there"),
        pytest.param(say(b"HTTP/1.1 500 Oops\r\n\r\n"), id="stumbles"),
        pytest.param(say(b"HTTP/1.1 503 Busy\r\n\r\n"), id="has-no-time"),
        pytest.param(say(b"HTTP/1.1 429 Too Many\r\n\r\n"), id="wants-fewer"),
        pytest.param(say(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), id="elsewhere"),
        pytest.param(say(OK, b"Content-Length: 65537\r\n\r\n"), id="too-large"),
        pytest.param(say(OK, b"Content-Encoding: gzip\r\n\r\n"), id="coded"),
    ],
)
def test_a_stranger_cannot_silence_a_good_host_with_paths_of_his_choice(
    ca: TestCA, clock: Clock, answer: Answer
) -> None:
    fetch = careful(ca, clock, seconds=5)
    with https(ca, in_order(*[answer] * 6, GOOD)) as server:
        for number in range(6):
            failure(fetch, f"https://127.0.0.1:{server.port}/{number}")

        assert fetch.get(f"https://127.0.0.1:{server.port}/").body == CHAIN


def test_a_stranger_cannot_silence_a_good_host_with_a_port_of_his_choice(
    ca: TestCA, clock: Clock
) -> None:
    fetch = careful(ca, clock, seconds=5)
    with https(ca, GOOD) as server, WebServer(say(b"x"), None, listens=False) as other:
        for _ in range(4):
            failure(fetch, f"https://127.0.0.1:{other.port}/")

        assert fetch.get(f"https://127.0.0.1:{server.port}/").body == CHAIN


def test_a_stranger_cannot_silence_an_address_with_names_that_lead_to_it(
    ca: TestCA, clock: Clock, names: NameServer
) -> None:
    """The certificate is not theirs; the address did nothing wrong."""
    fetch = careful(ca, clock, names, seconds=5)
    for name in (*WILDCARD, "localhost"):
        names.addresses[name] = ["127.0.0.1"]
    with https(ca, GOOD) as server:
        for name in WILDCARD:
            assert "mismatch" in str(failure(fetch, f"https://{name}:{server.port}/"))

        assert fetch.get(f"https://localhost:{server.port}/").body == CHAIN


def test_many_names_of_one_silent_address_are_one_host(
    ca: TestCA, clock: Clock, names: NameServer
) -> None:
    fetch = careful(ca, clock, names, seconds=0.9)
    for name in WILDCARD:
        names.addresses[name] = ["127.0.0.1"]
    with WebServer(silence, None) as server:
        told = [failure(fetch, f"http://{name}:{server.port}/") for name in WILDCARD]

        assert server.connections == 3
    assert [error.again for error in told] == [None] * 3 + [30] * 3
    assert "127.0.0.1: resting after 3 failures" in str(told[-1])


def test_a_name_that_was_good_is_asked_though_its_neighbours_hang(
    ca: TestCA, clock: Clock, names: NameServer
) -> None:
    fetch = careful(ca, clock, names, seconds=1.1)
    for name in (*WILDCARD, "good.example"):
        names.addresses[name] = ["127.0.0.1"]
    answers = in_order(GOOD, silence, silence, silence, GOOD)
    with WebServer(answers, None) as server:
        good = f"http://good.example:{server.port}/"
        fetch.get(good)
        told = [failure(fetch, f"http://{n}:{server.port}/") for n in WILDCARD[:4]]

        assert fetch.get(good).body == CHAIN
    assert told[-1].again == 30


def test_an_address_that_refuses_rests_and_the_others_of_a_name_do_not(
    ca: TestCA, clock: Clock, names: NameServer, dialled: list[tuple[str, int]]
) -> None:
    fetch = careful(ca, clock, names, seconds=5)
    for name in WILDCARD[:3]:
        names.addresses[name] = ["127.0.0.1"]
        failure(fetch, f"https://{name}/")
    names.addresses["both.example"] = ["127.0.0.1", "127.0.0.2"]
    failure(fetch, "https://both.example/")

    assert dialled == [("127.0.0.1", 443)] * 3 + [("127.0.0.2", 443)]


def test_only_the_address_that_was_asked_answers_for_what_came_of_it(
    ca: TestCA, clock: Clock, names: NameServer
) -> None:
    fetch = careful(ca, clock, names)
    with WebServer(silence, None) as server:
        for name in WILDCARD[:3]:
            names.addresses[name] = ["127.0.0.1", "::1"]
            failure(fetch, f"http://{name}:{server.port}/")
        names.addresses["other.example"] = ["::1"]
        told = failure(fetch, f"http://other.example:{server.port}/")

    assert "resting" not in str(told)


def test_one_more_than_a_host_has_places_is_told_that_it_is_busy(
    ca: TestCA, clock: Clock
) -> None:
    inside, leave = Barrier(3), Event()

    def hold(connection: socket.socket, stopped: Event) -> None:
        inside.wait(60)
        leave.wait(60)
        GOOD(connection, stopped)

    fetch = careful(ca, clock, seconds=60)
    with https(ca, hold) as server, ThreadPoolExecutor(2) as pool:
        url = f"https://127.0.0.1:{server.port}/"
        two = [pool.submit(fetch.get, url) for _ in range(2)]
        inside.wait(60)
        told = failure(fetch, url)
        leave.set()

        assert [future.result().body for future in two] == [CHAIN, CHAIN]
        assert server.connections == 2
    assert "busy" in str(told)
    assert told.again == 0


def test_a_burst_for_one_host_is_served_one_after_the_other(ca: TestCA) -> None:
    policy = FetchPolicy(
        laboratory=True, tls_ca=str(ca.tls_ca), seconds=60, hosts=HostPolicy(wait=60)
    )
    fetch = Fetcher(policy)
    with https(ca, GOOD) as server, ThreadPoolExecutor(8) as pool:
        url = f"https://127.0.0.1:{server.port}/"
        found = list(pool.map(fetch.get, [f"{url}{n}" for n in range(24)]))

    assert {response.body for response in found} == {CHAIN}

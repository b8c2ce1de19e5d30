"""Places at hosts, and hosts that rest: the gate alone, with a clock of its own."""

from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from threading import Barrier, Event, Lock

import pytest

from stirmilter.errors import FetchError
from stirmilter.stores.hosts import HostGate, HostPolicy, Key, Stay, key_of

HOST = "certs.example:443"
OTHER = "other.example:443"
ADDRESS = key_of(ip_address("203.0.113.7"), 443)
FAULTS = (OSError,)


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> HostGate:
    return HostGate(HostPolicy(concurrency=2, failures=3, rest=30, wait=0), clock)


def enter(
    gate: HostGate, *keys: Key, seconds: float = 0, excused: bool = False
) -> Stay:
    return gate.enter(keys or [HOST], seconds, FAULTS, excused=excused)


def fail(gate: HostGate, *keys: Key, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(OSError, match="hangs"), enter(gate, *keys):
            raise OSError("hangs")


def succeed(gate: HostGate, *keys: Key) -> None:
    with enter(gate, *keys):
        pass


def test_a_host_has_so_many_places(gate: HostGate) -> None:
    with enter(gate), enter(gate):
        with pytest.raises(FetchError, match=r"certs\.example:443: busy") as caught:
            enter(gate)
        succeed(gate, OTHER)
    succeed(gate)

    assert caught.value.temporary
    assert caught.value.again == 0


def test_an_address_has_places_of_its_own() -> None:
    gate = HostGate(HostPolicy(concurrency=1, address_concurrency=2, wait=0))

    with enter(gate, ADDRESS), enter(gate, ADDRESS):
        with pytest.raises(FetchError, match=r"203\.0\.113\.7: busy"):
            enter(gate, ADDRESS)
        succeed(gate, key_of(ip_address("203.0.113.8"), 443))


def test_of_several_addresses_those_with_a_place_are_taken() -> None:
    gate = HostGate(HostPolicy(address_concurrency=1, wait=0))
    second = key_of(ip_address("203.0.113.8"), 443)

    with enter(gate, ADDRESS), enter(gate, ADDRESS, second) as stay:
        assert stay.keys == [second]


def test_places_that_turn_out_not_to_be_needed_are_given_back() -> None:
    gate = HostGate(HostPolicy(address_concurrency=1, wait=0))
    second = key_of(ip_address("203.0.113.8"), 443)

    with enter(gate, ADDRESS, second) as stay:
        stay.only(second)
        succeed(gate, ADDRESS)
        with pytest.raises(FetchError, match="busy"):
            enter(gate, second)


def test_who_finds_no_place_waits_for_one() -> None:
    gate = HostGate(HostPolicy(concurrency=1, wait=60))
    entered, leave = Event(), Event()

    def hold() -> None:
        with enter(gate):
            entered.set()
            leave.wait(60)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hold)
        entered.wait(60)
        second = pool.submit(lambda: succeed_after(gate, seconds=60))
        leave.set()
        first.result()
        second.result()


def succeed_after(gate: HostGate, seconds: float) -> None:
    with enter(gate, seconds=seconds):
        pass


@pytest.mark.parametrize(
    ("wait", "left"),
    [pytest.param(0.01, 60, id="the-setting"), pytest.param(60, 0.01, id="the-fetch")],
)
def test_the_wait_ends_with_what_ends_first(wait: float, left: float) -> None:
    gate = HostGate(HostPolicy(concurrency=1, wait=wait))

    with enter(gate), pytest.raises(FetchError, match="busy"):
        enter(gate, seconds=left)


def test_never_more_than_the_places_are_taken_however_many_threads_ask() -> None:
    gate = HostGate(HostPolicy(concurrency=2, wait=60))
    lock, inside, most = Lock(), 0, 0

    def fetch(_: int) -> None:
        nonlocal inside, most
        with enter(gate, seconds=60):
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, range(400)))

    assert 1 <= most <= 2


def test_after_failures_in_a_row_a_host_rests(gate: HostGate, clock: Clock) -> None:
    fail(gate, times=3)
    clock.seconds += 10

    with pytest.raises(FetchError, match="resting after 3 failures") as caught:
        enter(gate)

    assert caught.value.temporary
    assert caught.value.again == 20
    succeed(gate, OTHER)


def test_a_success_between_failures_starts_the_count_again(gate: HostGate) -> None:
    fail(gate, times=2)
    succeed(gate)
    fail(gate, times=2)

    succeed(gate)


def test_another_answer_than_the_one_wanted_is_no_failure(gate: HostGate) -> None:
    """Or a stranger, with paths that are not there, could silence a good host."""
    fail(gate, times=2)
    for _ in range(9):
        with pytest.raises(FetchError), enter(gate):
            raise FetchError("status 404")
    fail(gate, times=2)

    succeed(gate)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(FetchError("not public", temporary=False), id="refused-by-us"),
        pytest.param(FetchError("busy", again=0.0), id="not-asked"),
        pytest.param(ZeroDivisionError(), id="a-bug"),
    ],
)
def test_what_never_reached_a_host_says_nothing_about_it(
    gate: HostGate, error: Exception
) -> None:
    fail(gate, times=2)
    with pytest.raises(type(error)), enter(gate):
        raise error
    fail(gate)

    with pytest.raises(FetchError, match="resting"):
        enter(gate)


def test_after_its_rest_one_fetch_tries(gate: HostGate, clock: Clock) -> None:
    fail(gate, times=3)
    clock.seconds += 30

    with enter(gate), pytest.raises(FetchError, match="resting") as caught:
        enter(gate)

    assert caught.value.again == 0
    with enter(gate), enter(gate):
        pass


def test_a_try_that_fails_makes_the_host_rest_again(
    gate: HostGate, clock: Clock
) -> None:
    fail(gate, times=3)
    clock.seconds += 30
    fail(gate)
    clock.seconds += 29

    with pytest.raises(FetchError, match="resting"):
        enter(gate)


def test_a_try_that_never_reached_the_host_leaves_it_to_the_next(
    gate: HostGate, clock: Clock
) -> None:
    fail(gate, times=3)
    clock.seconds += 30
    with pytest.raises(FetchError, match="busy"), enter(gate):
        raise FetchError("busy", again=0.0)

    succeed(gate)


def test_who_waits_for_a_place_is_told_when_the_host_begins_to_rest() -> None:
    gate = HostGate(HostPolicy(concurrency=1, failures=1, wait=60))
    entered, started = Event(), Barrier(2)

    def hang() -> None:
        entered.set()
        started.wait(60)
        raise OSError("hangs")

    def visit() -> None:
        with pytest.raises(OSError, match="hangs"), enter(gate):
            hang()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(visit)
        entered.wait(60)
        started.wait(60)
        with pytest.raises(FetchError, match="resting"):
            enter(gate, seconds=60)
        first.result()


def test_a_good_host_can_be_excused_from_its_neighbours_rest(gate: HostGate) -> None:
    succeed(gate)
    fail(gate, ADDRESS, times=3)

    assert gate.is_good(HOST)
    with pytest.raises(FetchError, match="resting"):
        enter(gate, ADDRESS)
    with enter(gate, ADDRESS, excused=True) as stay:
        assert stay.keys == [ADDRESS]


def test_a_host_is_good_until_it_fails(gate: HostGate) -> None:
    assert not gate.is_good(HOST)
    with pytest.raises(FetchError), enter(gate):
        raise FetchError("status 404")
    assert not gate.is_good(HOST)
    succeed(gate)
    with pytest.raises(FetchError), enter(gate):
        raise FetchError("status 404")
    assert gate.is_good(HOST)
    fail(gate)
    assert not gate.is_good(HOST)


def test_the_least_recently_used_host_is_forgotten(clock: Clock) -> None:
    gate = HostGate(HostPolicy(failures=1, hosts=2, wait=0), clock)
    fail(gate, "a:443")
    fail(gate, "b:443")
    fail(gate, "c:443")

    succeed(gate, "a:443")  # forgets b
    succeed(gate, "b:443")
    assert len(gate._hosts) == 2


def test_a_host_that_is_being_asked_is_not_forgotten() -> None:
    gate = HostGate(HostPolicy(concurrency=1, hosts=2, wait=0))

    with enter(gate):
        for number in range(100):
            succeed(gate, f"{number}.example:443")
        with pytest.raises(FetchError, match="busy"):
            enter(gate)

    assert len(gate._hosts) == 2


def test_addresses_of_one_network_of_ipv6_are_one() -> None:
    one, same, other = (
        key_of(ip_address(text), 443)
        for text in ("2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1")
    )

    assert one == same
    assert one != other


def test_another_port_is_another_host() -> None:
    assert key_of(ip_address("203.0.113.7"), 8443) != ADDRESS

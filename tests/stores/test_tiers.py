"""What workers and relays share of documents, and what of it is believed."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stirmilter.errors import FetchError
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.document import Document
from stirmilter.stores.documents import DocumentStore, Kind, Tier, _key
from stirmilter.stores.tiers import RedisTier, SqliteTier
from stirmilter.testca import TestCA
from tests.redis_server import RedisServerProcess, patient
from tests.stores.fetchers import fetcher
from tests.stores.servers import OK, https, say
from tests.stores.webs import Clock, Web

A, B = (f"https://certs.example/{name}" for name in "ab")
HOUR = 3_600.0
DAY = 24 * HOUR


def check(octets: bytes) -> None:
    if not octets.startswith(b"good"):
        raise Unverified(Reason.CREDENTIAL_MALFORMED, "not a good one")


KIND = Kind(name="certificate", octets=100, check=check)


def test_what_one_has_fetched_another_has(tier: Tier, web: Web, clock: Clock) -> None:
    one, two = (DocumentStore(web.get, tier, clock=clock) for _ in range(2))

    assert one.get(A, KIND) == two.get(A, KIND) == b"good"

    assert web.fetched == [A]


def test_a_restart_forgets_nothing(tier: Tier, web: Web, clock: Clock) -> None:
    """Nor does it make anything fresh again."""
    web.etag = '"1"'
    DocumentStore(web.get, tier, clock=clock).get(A, KIND)
    clock.now += DAY

    DocumentStore(web.get, tier, clock=clock).get(A, KIND)

    assert web.validators == ["", '"1"']


def test_what_another_has_renewed_is_not_fetched(
    tier: Tier, web: Web, clock: Clock
) -> None:
    one, two = (DocumentStore(web.get, tier, clock=clock) for _ in range(2))
    for store in (one, two):
        store.get(A, KIND)
    clock.now += DAY

    one.get(A, KIND)
    two.get(A, KIND)

    assert len(web.fetched) == 2


def test_an_old_document_that_is_shared_serves_while_the_host_is_down(
    tier: Tier, web: Web, clock: Clock
) -> None:
    DocumentStore(web.get, tier, clock=clock).get(A, KIND)
    clock.now += DAY
    web.broken[A] = FetchError("no answer")
    restarted = DocumentStore(web.get, tier, clock=clock)

    for _ in range(3):
        assert restarted.get(A, KIND) == b"good"

    assert len(web.fetched) == 2


def test_failures_and_rubbish_are_not_shared(
    tier: Tier, web: Web, clock: Clock
) -> None:
    one, two = (DocumentStore(web.get, tier, clock=clock) for _ in range(2))
    web.body = b"rubbish"
    with pytest.raises(Unverified):
        one.get(A, KIND)
    web.body = b"good"

    assert two.get(A, KIND) == b"good"


def test_whoever_cannot_wait_is_given_what_is_shared(
    tier: Tier, web: Web, clock: Clock
) -> None:
    DocumentStore(web.get, tier, clock=clock).get(A, KIND)
    other = DocumentStore(web.get, tier, clock=clock)

    assert not other.cached(A, KIND), "that would take a look at what is shared"
    assert other.get(A, KIND, wait=False) == b"good"
    assert web.fetched == [A]


def test_a_url_that_is_refused_now_does_not_come_out_of_what_is_shared(
    tier: Tier, web: Web, clock: Clock
) -> None:
    def refuse(url: str) -> None:
        raise FetchError(f"{url} is on the list", temporary=False)

    DocumentStore(web.get, tier, clock=clock).get(A, KIND)
    stricter = DocumentStore(web.get, tier, allow=refuse, clock=clock)

    for wait in (True, False):
        with pytest.raises(FetchError, match="on the list"):
            stricter.get(A, KIND, wait=wait)


def record(body: bytes, at: float, until: float, etag: str = "") -> bytes:
    return Document(body=body, at=at, until=until, etag=etag).encode()


NOW = Clock().now


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"good", id="a-body-alone"),
        pytest.param(b"\xff\t\x00\n" * 20, id="rubbish"),
        pytest.param(b"[" * 100 + b"\ngood", id="brackets"),
        pytest.param(record(b"bad", NOW, NOW + DAY), id="another-body"),
        pytest.param(record(b"good" * 26, NOW, NOW + DAY), id="too-large"),
        pytest.param(record(b"good" * 10_000, NOW, NOW + DAY), id="far-too-large"),
        pytest.param(record(b"good!", float("nan"), NOW + DAY), id="no-number"),
        pytest.param(record(b"good!", 1e308, 1e308), id="from-the-end-of-time"),
        pytest.param(record(b"good!", NOW + HOUR, NOW + DAY), id="from-the-future"),
        pytest.param(record(b"good!", NOW - 30 * DAY, NOW + DAY), id="too-long"),
    ],
)
def test_what_is_shared_is_checked_as_the_network_is(
    tier: Tier, web: Web, clock: Clock, poison: bytes
) -> None:
    """Rubbish has us fetch. What is well formed is believed, as the network is."""
    told: list[str] = []
    tier.save(_key(A, KIND), poison, clock.now, clock.now + 30 * DAY)
    store = DocumentStore(web.get, tier, clock=clock, observe=told.append)

    assert store.get(A, KIND) == b"good"

    assert web.fetched == [A]
    assert len(told) <= 1


def test_what_is_shared_ends_where_we_would_have_ended_it(
    tier: Tier, web: Web, clock: Clock
) -> None:
    endless = record(b"good!", clock.now, float("inf"))
    tier.save(_key(A, KIND), endless, clock.now, clock.now + 30 * DAY)
    store = DocumentStore(web.get, tier, clock=clock)

    assert store.get(A, KIND) == b"good!"
    clock.now += KIND.ceiling
    assert store.get(A, KIND) == b"good"


def test_validators_that_are_shared_cannot_add_to_a_request(
    tier: Tier, web: Web, clock: Clock
) -> None:
    poison = record(b"good", NOW, NOW + 1).replace(b"\t\t", b"\t\x01X\t")
    assert b"\x01" in poison
    tier.save(_key(A, KIND), poison, clock.now, clock.now + DAY)
    clock.now += 1

    DocumentStore(web.get, tier, clock=clock).get(A, KIND)

    assert web.validators == [""]


def test_a_chain_of_a_stranger_does_not_poison_what_is_shared(
    tier: Tier, ca: TestCA
) -> None:
    """Over https, with a record of another kind of document in the place of a chain."""
    chain = ca.files("one").chain.read_bytes()
    with https(ca, say(OK, b"\r\n", chain)) as server:
        url = f"https://127.0.0.1:{server.port}/one.pem"
        documents = DocumentStore(fetcher(ca).get, tier)
        store = CertificateStore(documents)
        key = _key(url, store._kind)
        now = documents._clock()
        tier.save(key, record(b"<html>", now, now + DAY), now, now + DAY)

        assert len(store.chain(url)) == 2

    assert len(server.requests) == 1


def test_two_processes_share_one_fetch(tier: Tier, ca: TestCA) -> None:
    chain = ca.files("one").chain.read_bytes()
    with https(ca, say(OK, b"\r\n", chain)) as server:
        url = f"https://127.0.0.1:{server.port}/one.pem"
        store = CertificateStore(DocumentStore(fetcher(ca).get, tier))
        found = []
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                good = len(store.chain(url)) == 2
                os._exit(0 if good else 1)
            found.append(os.waitpid(pid, 0)[1])
            assert len(server.requests) == 1

    assert found == [0, 0]


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        pytest.param({"entries": 3}, [7, 8, 9], id="entries"),
        pytest.param({"octets": 450}, [6, 7, 8, 9], id="octets"),
        pytest.param({}, list(range(10)), id="room-for-all"),
    ],
)
def test_a_file_holds_so_much_and_no_more(
    tmp_path: Path, limits: dict[str, Any], left: list[int]
) -> None:
    """What was written first gives way."""
    tier = SqliteTier(tmp_path / "db", **limits)

    for number in range(10):
        tier.save(str(number), bytes(100), float(number), 100.0)

    found = [n for n in range(10) if tier.load(str(n), 100, 10.0) is not None]
    assert found == left


def test_what_its_server_wants_kept_for_longest_gives_way_as_all_do(
    tmp_path: Path,
) -> None:
    """Or a stranger's chains, good for a week, would leave no room for a good one."""
    tier = SqliteTier(tmp_path / "db", entries=3)
    for number in range(3):
        tier.save(f"week-{number}", b"x", number, 7 * DAY)

    tier.save("day", b"x", 3, DAY)

    assert tier.load("day", 100, 4) == b"x"
    assert tier.load("week-0", 100, 4) is None


def test_what_is_used_stays(tmp_path: Path) -> None:
    """By whichever worker, and whoever writes how many others meanwhile."""
    tier, sibling = (SqliteTier(tmp_path / "db", entries=3) for _ in range(2))
    tier.save("good", b"x", 0.0, DAY)
    tier.save("idle", b"x", 0.0, DAY)

    for number in range(1, 10):
        assert sibling.load("good", 100, 60.0 * number) == b"x"
        tier.save(str(number), b"x", 60.0 * number, DAY)

    assert tier.load("idle", 100, 600.0) is None


def test_a_use_is_noted_once_a_minute(tmp_path: Path) -> None:
    """Each note is a write."""
    tier = SqliteTier(tmp_path / "db")
    tier.save("a", b"x", 0.0, DAY)

    def used(now: float) -> float:
        tier.load("a", 100, now)
        connection = tier._database().connection()
        [[found]] = connection.execute("SELECT used FROM records")
        return float(found)

    assert [used(now) for now in (1, 59, 60, 119, 120)] == [0, 0, 60, 60, 120]
    assert used(7) == 7, "the clock was set back"


def test_a_file_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    """What it held is fetched again."""
    with closing(sqlite3.connect(tmp_path / "db")) as old:
        old.executescript(
            "CREATE TABLE documents (key TEXT PRIMARY KEY, until REAL NOT NULL,"
            " octets INTEGER NOT NULL, record BLOB NOT NULL);"
            "CREATE INDEX documents_until ON documents (until, octets);"
            "INSERT INTO documents VALUES ('a', 9e9, 1, x'78')"
        )
    rebuilt: list[Path] = []
    tier = SqliteTier(tmp_path / "db", rebuilt=rebuilt.append)

    assert tier.load("a", 100, 0.0) is None
    tier.save("a", b"y", 0.0, 9e9)

    assert SqliteTier(tmp_path / "db").load("a", 100, 0.0) == b"y"
    assert rebuilt == []


def test_what_is_not_worth_a_place_is_not_shared(
    tier: Tier, web: Web, clock: Clock
) -> None:
    """As a stranger's chain that leads to no anchor."""
    kind = replace(KIND, shared=lambda octets: octets == b"good and known")
    one, two, three = (DocumentStore(web.get, tier, clock=clock) for _ in range(3))

    one.get(A, kind)
    web.body = b"good and known"
    two.get(A, kind)

    assert three.get(A, kind) == b"good and known"
    assert web.fetched == [A, A]


def test_a_kind_can_be_kept_out_of_what_is_shared(
    tier: Tier, web: Web, clock: Clock
) -> None:
    """Neither is it put there, nor is what somebody has put there believed."""
    kind = replace(KIND, shared=None)
    poison = record(b"good for all numbers", NOW, NOW + DAY)

    DocumentStore(web.get, tier, clock=clock).get(A, kind)
    assert tier.load(_key(A, kind), 100, clock.now) is None

    tier.save(_key(A, kind), poison, clock.now, clock.now + DAY)
    assert DocumentStore(web.get, tier, clock=clock).get(A, kind) == b"good"
    with pytest.raises(FetchError):
        DocumentStore(web.get, tier, clock=clock).get(A, kind, wait=False)


def test_a_file_forgets_what_is_over(tmp_path: Path) -> None:
    tier = SqliteTier(tmp_path / "db")
    tier.save("old", b"x", 0.0, 10.0)

    tier.save("new", b"x", 10.0, 20.0)

    rows = sqlite3.connect(tmp_path / "db").execute("SELECT key FROM records")
    assert rows.fetchall() == [("new",)]


def test_values_in_redis_end_by_themselves(
    redis_server: RedisServerProcess, web: Web, clock: Clock
) -> None:
    client = redis_server.client()
    client.flushall()
    tier = RedisTier(patient("certificate store", redis_server.url))
    DocumentStore(web.get, tier, clock=clock).get(A, KIND)

    [name] = list(client.scan_iter())

    assert name.startswith(b"stirmilter:document:")
    assert 2 * DAY - 60 < client.pttl(name) / 1000 <= 2 * DAY

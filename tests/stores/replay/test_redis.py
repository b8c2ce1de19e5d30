"""A real server, which is killed, fills, forbids and forgets."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis

from stirmilter.errors import StoreError
from stirmilter.stores.redis import RedisServer
from stirmilter.stores.replay.redis import RedisReplayStore
from tests.redis_server import RedisServerProcess, patient
from tests.stores.replay.conftest import A, B, key

MakeServer = Callable[..., RedisServerProcess]
HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def relay(
    process: RedisServerProcess,
    retention: timedelta = HOUR,
    prefix: str = "t:",
    skew: float = 0.0,
) -> RedisReplayStore:
    server = patient("replay store", process.url, pause=0.0)
    slack = timedelta(seconds=skew)
    return RedisReplayStore(server, retention, prefix=prefix, since=now, skew=slack)


def direct(process: RedisServerProcess) -> redis.Redis:
    return redis.Redis.from_url(process.url)


def test_relays_share_what_they_remember(own_redis: MakeServer) -> None:
    process = own_redis()
    first, second = relay(process), relay(process)

    assert first.claim([key(1)], A, now(), now())
    assert not second.claim([key(1)], B, now(), now())
    assert second.claim([key(1)], A, now(), now())


def test_prefixes_keep_apart(own_redis: MakeServer) -> None:
    process = own_redis()
    one, other = relay(process, prefix="a[*]?:"), relay(process, prefix="b:")
    one.claim([key(1)], A, now(), now())

    assert other.claim([key(1)], B, now(), now())
    assert other.clear() == 1
    assert not one.claim([key(1)], B, now(), now())
    names = map(str, direct(process).scan_iter())
    assert all(name.startswith(("b'a[*]?:", "b'b:")) for name in names)


def test_the_server_forgets_by_itself(own_redis: MakeServer) -> None:
    process = own_redis()
    store = relay(process, timedelta(seconds=0.2))
    began = now()
    assert store.claim([key(1)], A, began, began)
    time.sleep(0.4)

    assert not direct(process).keys("t:0*")
    assert store.claim([key(1)], B, began, now())


def test_a_clock_that_runs_ahead_shortens_no_key(own_redis: MakeServer) -> None:
    process = own_redis()
    store = relay(process)
    store.claim([key(1)], A, now(), now() + 50 * timedelta(minutes=1))

    [left] = [direct(process).pttl(name) for name in direct(process).keys("t:0*")]
    assert left > 3_000_000, "not fifty minutes less"


def test_the_script_is_known_again_after_it_was_flushed(own_redis: MakeServer) -> None:
    process = own_redis()
    store = relay(process)
    assert store.claim([key(1)], A, now(), now())
    direct(process).script_flush()

    assert not store.claim([key(1)], B, now(), now())


# Restarts


@pytest.mark.conformance("V-09")
def test_after_a_restart_older_tokens_are_unknown(own_redis: MakeServer) -> None:
    """This server keeps nothing on disk, so what was used is gone."""
    process = own_redis()
    store = relay(process)
    signed_at = now() - timedelta(seconds=2)
    store.claim([key(1)], A, now(), now())
    process.restart()

    for _ in range(2):
        with pytest.raises(StoreError, match="knows nothing of tokens signed before"):
            store.claim([key(1)], B, signed_at, now())
    time.sleep(2.1)
    assert store.claim([key(2)], B, now(), now())


def test_after_a_restart_fast_clocks_are_reckoned_with(own_redis: MakeServer) -> None:
    """A token of a signer whose clock runs ahead may have been used before as well."""
    process = own_redis()
    store = relay(process, skew=60.0)
    store.claim([key(1)], A, now() + timedelta(seconds=50), now())
    process.restart()

    with pytest.raises(StoreError, match="knows nothing"):
        store.claim([key(1)], B, now() + timedelta(seconds=50), now())
    assert store.claim([key(1)], B, now() + timedelta(seconds=62), now())


def test_a_new_server_is_no_loss(own_redis: MakeServer) -> None:
    store = relay(own_redis(), skew=60.0)

    assert store.claim([key(1)], A, now(), now())


def test_a_server_that_was_emptied_and_restarted_has_lost_something(
    own_redis: MakeServer,
) -> None:
    """It does not know itself; whoever has met it before does."""
    process = own_redis()
    store = relay(process, skew=60.0)
    store.claim([key(1)], A, now(), now())
    direct(process).flushall()
    process.restart()

    with pytest.raises(StoreError, match="knows nothing"):
        store.claim([key(1)], B, now(), now())


def test_a_restart_while_nobody_asks_is_noticed(own_redis: MakeServer) -> None:
    """redis-py connects again by itself, and says nothing of it."""
    process = own_redis()
    first = relay(process)
    first.claim([key(1)], A, now(), now())
    signed_at = now() - timedelta(seconds=2)
    process.restart()
    relay(process).claim([key(2)], A, now(), now())

    with pytest.raises(StoreError, match="knows nothing"):
        first.claim([key(3)], A, signed_at, now())


def test_a_server_that_keeps_everything_knows_it_after_a_restart(
    own_redis: MakeServer,
) -> None:
    process = own_redis(durable=True)
    store = relay(process)
    store.claim([key(1)], A, now(), now())  # which greets it for the first time
    time.sleep(1.1)
    signed_at = now()
    store.claim([key(2)], A, signed_at, now())
    process.restart()
    time.sleep(1.1)

    assert not store.claim([key(2)], B, signed_at, now())
    assert store.claim([key(3)], B, signed_at, now()), "it was never used"


def test_a_server_that_saves_now_and_then_is_not_believed(
    own_redis: MakeServer,
) -> None:
    """Its snapshot brings back older keys, and the mark of the run that it was."""
    process = own_redis()
    store = relay(process)
    store.claim([key(1)], A, now(), now())
    direct(process).save()
    signed_at = now()
    store.claim([key(2)], A, signed_at, now())
    time.sleep(1.1)
    process.restart()

    with pytest.raises(StoreError, match="knows nothing"):
        store.claim([key(2)], B, signed_at, now())
    assert not store.claim([key(1)], B, signed_at, now()), "it is in the snapshot"


@pytest.mark.conformance("V-09")
@pytest.mark.parametrize("all_of_it", [True, False], ids=["flushed", "evicted"])
def test_a_server_that_forgot_since_when_it_knows_has_lost_something(
    own_redis: MakeServer, all_of_it: bool
) -> None:
    """While we are connected: nobody greets it, and it says nothing of it."""
    process = own_redis()
    store = relay(process)
    signed_at = now()
    store.claim([key(1)], A, signed_at, now())
    if all_of_it:
        direct(process).flushall()
    else:
        direct(process).delete("t:since", f"t:{key(1).hex()}")

    with pytest.raises(StoreError, match="knows nothing of tokens signed before"):
        store.claim([key(1)], B, signed_at, now())
    time.sleep(2.1)
    assert store.claim([key(2)], B, now(), now())


def test_a_relay_whose_clock_is_wrong_does_not_spoil_the_others(
    own_redis: MakeServer,
) -> None:
    process = own_redis()
    ahead = RedisReplayStore(
        patient("replay store", process.url),
        HOUR,
        prefix="t:",
        since=lambda: now() + timedelta(days=365),
    )
    with pytest.raises(StoreError):
        ahead.claim([key(1)], A, now(), now())

    store = relay(process)
    assert list(store.look()) == []
    time.sleep(2.1)
    assert store.claim([key(1)], B, now(), now())


def test_a_look_says_what_is_wrong(own_redis: MakeServer) -> None:
    process = own_redis()
    store = relay(process)
    assert list(store.look()) == []
    process.kill()

    [problem] = store.look()
    assert problem.startswith("unix://")  # the log line begins with the store


def test_other_keys_of_the_server_are_no_entries(own_redis: MakeServer) -> None:
    process = own_redis()
    for prefix in ("", "a*", "[x]"):
        store = relay(process, prefix=prefix)
        store.claim([key(1)], A, now(), now())
        direct(process).set(prefix + "z" * 32, "foreign")
        direct(process).set("q" * 32, "foreign")

        assert [entry.key for entry in store.entries()] == [key(1)]
        assert store.clear() == 1
    assert direct(process).get("q" * 32) == b"foreign"


# Servers that do not serve


def test_a_dead_server_does_not_answer_and_is_not_waited_for(
    own_redis: MakeServer,
) -> None:
    process = own_redis()
    seconds = 0.0
    server = patient("replay store", process.url, pause=30.0, clock=lambda: seconds)
    store = RedisReplayStore(server, HOUR)
    assert store.claim([key(1)], A, now(), now())
    process.kill()

    for text in ("replay store: unix://", "not asked again yet"):
        with pytest.raises(StoreError, match=text):
            store.claim([key(1)], B, now(), now())
    process.start()
    seconds = 30.0

    assert store.claim([key(1)], B, now(), now()), "without `since`, it believes"


def test_a_server_that_hangs_costs_its_seconds(own_redis: MakeServer) -> None:
    process = own_redis()
    relay(process).claim([key(1)], A, now(), now())  # it answers whoever has time
    server = RedisServer("replay store", process.url, seconds=0.1, pause=30.0)
    store = RedisReplayStore(server, HOUR, prefix="t:", since=now)
    process.hang()
    try:
        with pytest.raises(StoreError, match=r"[Tt]imeout"):
            store.claim([key(2)], A, now(), now())
        with pytest.raises(StoreError, match="not asked again yet"):
            store.claim([key(2)], A, now(), now())
    finally:
        process.go_on()


def test_a_full_server_refuses_and_keeps_what_it_has(own_redis: MakeServer) -> None:
    process = own_redis("--maxmemory-policy", "noeviction")
    store = relay(process)
    store.claim([key(1)], A, now(), now())
    direct(process).config_set("maxmemory", 1)

    with pytest.raises(StoreError, match=r"OOM|maxmemory"):
        store.claim([key(2)], A, now(), now())

    direct(process).config_set("maxmemory", 0)
    assert not store.claim([key(1)], B, now(), now())


def test_a_server_that_may_not_be_asked_what_it_keeps_is_greeted(
    own_redis: MakeServer,
) -> None:
    process = own_redis(durable=True)
    direct(process).acl_setuser(
        "default",
        enabled=True,
        nopass=True,
        keys=["*"],
        commands=["+@all", "-config"],
    )
    store = relay(process)

    assert store.claim([key(1)], A, now(), now())


def test_a_password_is_needed_and_not_shown(own_redis: MakeServer) -> None:
    process = own_redis()
    direct(process).config_set("requirepass", "s3cret")
    url = process.url.replace("unix://", "unix://:s3cret@")
    good = RedisReplayStore(patient("replay store", url), HOUR, since=now)
    assert good.claim([key(1)], A, now(), now())

    wrong = process.url.replace("unix://", "unix://:wr0ng@")
    with pytest.raises(StoreError, match="replay store: unix:///") as caught:
        RedisReplayStore(patient("replay store", wrong), HOUR).claim(
            [key(1)], A, now(), now()
        )

    assert "wr0ng" not in str(caught.value)


def test_it_tells_whether_it_evicts_and_what_it_keeps(own_redis: MakeServer) -> None:
    process = own_redis("--maxmemory-policy", "allkeys-lru")
    assert relay(process).checked() == ("allkeys-lru", False)
    assert relay(own_redis(durable=True)).checked() == ("noeviction", True)


def test_more_entries_than_a_scan_returns_are_shown_and_cleared(
    own_redis: MakeServer,
) -> None:
    store = relay(own_redis())
    for start in range(0, 2_500, 50):
        store.claim([key(start + n) for n in range(50)], A, now(), now())

    found = {entry.key: entry.until - now() for entry in store.entries()}
    assert len(found) == store.stats().keys == 2_500
    assert all(HOUR - timedelta(minutes=1) < left <= HOUR for left in found.values())
    assert store.clear(list(found)) == 2_500

"""Replay keys in a Redis or Valkey server that several relays share.

The server forgets by its own clock. What it cannot be trusted with is a restart: unless
every claim was on its disk before it was answered, some are gone. So each new
connection asks which run of the server it speaks to, and a new run knows nothing of
tokens signed before it.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import redis

from stirmilter.errors import StoreError
from stirmilter.stores.redis import RedisServer
from stirmilter.stores.replay.entries import Entry, Stats
from stirmilter.stores.replay.retention import (
    RETENTION,
    SKEW,
    began,
    too_young,
)

_BATCH: Final = 1_000

# KEYS[1] is since when the server knows; ARGV: holder, milliseconds, when the token had
# been signed, whether the server was greeted, and whether to record anything. The
# scripts run whole, whoever asks.
_CLAIM: Final = """
local since = redis.call('GET', KEYS[1])
if not since and ARGV[4] == '1' then return 'forgot' end
local new = {}
for i = 2, #KEYS do
  local holder = redis.call('GET', KEYS[i])
  if not holder then new[#new + 1] = KEYS[i]
  elseif holder ~= ARGV[1] then return 'taken' end
end
if #new > 0 and since and tonumber(ARGV[3]) <= tonumber(since) then return since end
if ARGV[5] ~= '1' then return 'ok' end
for _, key in ipairs(new) do redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end
return 'ok'
"""
# KEYS: its last run, and since when it knows; ARGV: this run, whether all is kept,
# whether we have met it before, and since when it knows: if it is new; if it lost any.
# What it says to know from a time that is still to come, a clock set wrong has told it.
_GREET: Final = """
local before = redis.call('GET', KEYS[1])
local since = redis.call('GET', KEYS[2])
local wrong = since and tonumber(since) > tonumber(ARGV[5]) + 1
if since and not wrong then
  if before == ARGV[1] then return 0 end
  if before and ARGV[2] == '1' then
    redis.call('SET', KEYS[1], ARGV[1])
    return 0
  end
end
local lost = before or since or ARGV[3] == '1'
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], lost and ARGV[5] or ARGV[4])
return 1
"""
_DIGEST: Final = hashlib.sha1(_CLAIM.encode(), usedforsecurity=False).hexdigest()
_DIGITS: Final = 32  # of a key, in the name of its entry


class RedisReplayStore:
    """As exact as the server: it must never evict keys (``maxmemory-policy``)."""

    remote = True

    def __init__(
        self,
        server: RedisServer,
        retention: timedelta = RETENTION,
        *,
        prefix: str = "stirmilter:replay:",
        since: Callable[[], datetime] | None = None,
        skew: timedelta = SKEW,
    ) -> None:
        """Take a server; nothing is connected yet.

        Args:
            server: ours alone, as it is greeted for each new connection.
            retention: for how long after its token was signed a key is kept.
            prefix: of every key, for a server that others use too.
            since: the time; read when a new run of the server is met: claims of
                earlier tokens are refused. None lets them pass.
            skew: how far a signer's clock may run ahead: after a loss, so much longer.
        """
        self._server = server
        self._retention = retention
        self._prefix = prefix.encode()
        self._now = since
        self._skew = skew
        self._met = ""
        self._began = self._prefix + b"since"
        if since is not None:
            server.greet(self._greet)

    def claim(
        self,
        keys: Sequence[bytes],
        holder: bytes,
        signed_at: datetime,
        now: datetime,
        *,
        keep: bool = True,
    ) -> bool:
        """Record `holder` for all keys, unless another one is recorded for any.

        Raises:
            StoreError: no answer, or a refusal; or the token is older than what the
                server knows.
        """
        # Never less than all of it, as our clock may run ahead for now.
        left = max(signed_at + self._retention - now, self._retention)
        last = f"{signed_at.timestamp() + 1:.3f}"
        greeted = int(self._now is not None)
        milliseconds = int(left / timedelta(milliseconds=1))
        arguments = (holder, milliseconds, last, greeted, int(keep))
        names = [self._began, *map(self._name, keys)]
        said = self._server.ask(lambda r: _run(r, names, arguments))
        if said == b"forgot":  # somebody emptied it, or it evicts
            self._server.ask(self._greet_again)
            said = self._server.ask(lambda r: _run(r, names, arguments))
        if said in (b"ok", b"taken"):
            return bool(said == b"ok")
        try:
            since = datetime.fromtimestamp(float(said), UTC)
        except ValueError:
            raise StoreError(
                f"{self._server.name}: it forgets what it is told"
            ) from None
        raise too_young(self._server.name, since)

    def look(self) -> Iterator[str]:
        """Speak to the server, and yield what is wrong with it.

        Without a message: so that it is known since when it runs, and that it does.
        """
        try:
            self._server.ask(self._greet_again if self._now else lambda r: r.ping())
        except StoreError as error:  # whoever looks names the store
            yield str(error).removeprefix(f"{self._server.name}: ")

    def entries(self) -> Iterator[Entry]:
        """Yield what is kept, in no order."""
        cursor = 0
        while True:
            cursor, batch = self._server.ask(partial(self._batch, cursor))
            yield from batch
            if not cursor:
                return

    def stats(self) -> Stats:
        """Tell how full it is; reads every key."""
        began = self._server.ask(lambda r: r.get(self._began))
        since = datetime.fromtimestamp(float(began), UTC) if began else None
        return Stats(sum(1 for _ in self.entries()), None, since)

    def clear(self, keys: Sequence[bytes] | None = None) -> int:
        """Forget some keys, or all; return how many of them there were."""
        if keys is None:
            keys = [entry.key for entry in self.entries()]
        gone = 0
        for at in range(0, len(keys), _BATCH):
            gone += self._server.ask(partial(self._unlink, keys[at : at + _BATCH]))
        return gone

    def checked(self) -> tuple[str, bool]:
        """Return the eviction policy, and whether a restart loses nothing.

        The policy is empty when the server does not tell.

        Raises:
            StoreError: no answer.
        """

        def look(client: redis.Redis) -> tuple[str, bool]:
            facts = client.info()
            policy = facts.get("maxmemory_policy", "")
            ask = client.execute_command
            return str(policy), bool(facts.get("aof_enabled")) and _always(ask)

        return self._server.ask(look)

    def _greet(self, ask: Callable[..., Any]) -> None:
        """Tell a new run of the server from the one that is known.

        Raises:
            redis.RedisError: it does not say.
        """
        assert self._now is not None  # noqa: S101 - or nobody would greet
        facts = _facts(ask("INFO", "server")) | _facts(ask("INFO", "persistence"))
        durable = facts.get("aof_enabled") == "1" and _always(ask)
        now, run = self._now(), facts.get("run_id", "")
        fresh, lost = (
            f"{began(now, self._skew, lost=lost).timestamp():.3f}"
            for lost in (False, True)
        )
        keys = self._prefix + b"run", self._began
        met = int(self._met != "")
        ask("EVAL", _GREET, 2, *keys, run, int(durable), met, fresh, lost)
        self._met = run

    def _greet_again(self, client: redis.Redis) -> None:
        """Say on a connection that was greeted what a new one would be told."""
        connection = client.connection_pool.get_connection()
        try:
            self._greet(partial(_on, connection))
        finally:
            client.connection_pool.release(connection)

    def _unlink(self, keys: Sequence[bytes], client: redis.Redis) -> int:
        return int(client.unlink(*map(self._name, keys)))

    def _batch(self, cursor: int, client: redis.Redis) -> tuple[int, list[Entry]]:
        pattern = _literal(self._prefix) + b"[0-9a-f]" * _DIGITS
        cursor, names = client.scan(cursor, match=pattern, count=_BATCH)
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.get(name)
            pipe.pttl(name)
        said = pipe.execute()
        now = datetime.now(UTC)
        found = []
        for name, holder, left in zip(names, said[::2], said[1::2], strict=True):
            if holder is not None and left > 0:
                key = binascii.unhexlify(name[len(self._prefix) :])
                until = now + timedelta(milliseconds=left)
                found.append(Entry(key, holder, until))
        return cursor, found

    def _name(self, key: bytes) -> bytes:
        return self._prefix + key.hex().encode()


def _run(client: redis.Redis, keys: list[bytes], arguments: Sequence[Any]) -> bytes:
    """Run the script by its digest; a server that does not know it yet is told."""
    try:
        said = client.evalsha(_DIGEST, len(keys), *keys, *arguments)
    except redis.exceptions.NoScriptError:
        said = client.eval(_CLAIM, len(keys), *keys, *arguments)
    return bytes(said)


def _on(connection: Any, *command: object) -> Any:  # noqa: ANN401 - redis-py's own
    connection.send_command(*command)
    return connection.read_response()


def _literal(text: bytes) -> bytes:
    """Quote what stands for other things in a pattern."""
    return re.sub(rb"([*?\[\]\\^-])", rb"\\\1", text)


def _facts(said: bytes) -> dict[str, str]:
    """Read what INFO says: lines of ``name:value``."""
    lines = bytes(said).decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _always(ask: Callable[..., Any]) -> bool:
    """Tell whether every write is on the disk before it is answered."""
    try:
        return "always" in str(ask("CONFIG", "GET", "appendfsync"))
    except redis.ResponseError:  # not for us to know
        return False

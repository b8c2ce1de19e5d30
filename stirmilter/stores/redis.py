"""One way to Redis or Valkey, for every store that several relays share.

redis-py tries again by itself, and a dead server then costs each message seconds. Here
nothing is tried twice, every wait has an end, and after a failure the server is left
alone for a moment: a burst of messages must not wait for it one after the other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.retry import Retry

from stirmilter.errors import StoreError
from stirmilter.haste import takes_long

T = TypeVar("T")


class RedisServer:
    """One server, safe to share between threads, and to fork before first use."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        seconds: float = 0.5,
        pause: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where it is; nothing is connected yet.

        Args:
            name: whose server it is, for messages, for example ``replay store``.
            url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with a password if
                need be, which no message shows.
            seconds: for a connection, and for an answer.
            pause: seconds for which a server that failed is not asked.
            clock: seconds that never go back.

        Raises:
            StoreError: no such URL.
        """
        self.name = name
        self.shown = re.sub(r"//[^@/]*@", "//", url).partition("?")[0]
        self._pause = pause
        self._clock = clock
        self._lock = Lock()
        self._rests_until = 0.0
        self._why = ""
        self._greeting: Callable[[Callable[..., Any]], None] | None = None
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_timeout=seconds,
                socket_connect_timeout=seconds,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=0,
                redis_connect_func=self._connected,
            )
        except ValueError as error:
            raise StoreError(f"{name}: {self.shown}: {error}") from None

    def greet(self, greeting: Callable[[Callable[..., Any]], None]) -> None:
        """Have something said on each new connection, before anything else.

        Args:
            greeting: given what sends a command and returns its raw answer; what it
                raises of `redis.RedisError` ends the connection.
        """
        self._greeting = greeting

    def _connected(self, connection: Connection) -> None:
        connection.on_connect()  # type: ignore[no-untyped-call]
        if self._greeting is None:
            return

        def ask(*command: object) -> Any:  # noqa: ANN401 - whatever it answers
            connection.send_command(*command)  # type: ignore[no-untyped-call]
            return connection.read_response()

        self._greeting(ask)

    def ask(self, question: Callable[[redis.Redis], T]) -> T:
        """Ask once.

        Raises:
            StoreError: no answer, now or a moment ago.
        """
        takes_long()
        with self._lock:
            if self._clock() < self._rests_until:
                raise StoreError(f"{self._why} (not asked again yet)")
        try:
            return question(self._client)
        except (redis.RedisError, OSError) as error:
            text = f"{self.name}: {self.shown}: {error or type(error).__name__}"
            with self._lock:
                self._why = text
                self._rests_until = self._clock() + self._pause
            raise StoreError(text) from None

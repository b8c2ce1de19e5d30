"""A real redis-server on a UNIX socket, that tests may kill and start again."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import redis

from stirmilter.demo.daemons import short_folder
from stirmilter.stores.redis import RedisServer


def patient(name: str, url: str, **more: Any) -> RedisServer:  # noqa: ANN401
    """Return the way to a server that is to answer, however busy this machine is.

    The half second that a message would wait by default may well pass while a system
    does other things.
    """
    return RedisServer(name, url, seconds=30.0, **more)


class RedisServerProcess:
    """One server in a folder of its own; keeps its data when it is started again."""

    def __init__(self, folder: Path, *options: str, durable: bool = False) -> None:
        """Take a folder, whose path must be short enough for a socket in it.

        Args:
            folder: for the socket, and for what the server keeps.
            options: of redis-server.
            durable: whether what was answered survives `kill`.
        """
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        durably = ["--appendonly", "yes", "--appendfsync", "always"]
        self._command = [
            "redis-server",
            *("--port", "0", "--unixsocket", str(self.socket)),
            *("--dir", str(folder), "--save", "", "--daemonize", "no"),
            *(durably if durable else []),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(500):
            if self._answers():
                return
            time.sleep(0.02)
        self.kill()  # nobody else would: a `with` that is not entered is not left
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def hang(self) -> None:
        """Let it take connections and say nothing, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End `hang`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End it, if it still runs, and if it hangs, too."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def client(self) -> redis.Redis:
        """Return a client of its own, to look at what is there."""
        return redis.Redis(unix_socket_path=str(self.socket))

    def _answers(self) -> bool:
        client = self.client()
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def servers() -> Iterator[Callable[..., RedisServerProcess]]:
    """Make servers that a test may kill; those that still run end with the block."""
    with ExitStack() as stack:

        def make(*options: str, durable: bool = False) -> RedisServerProcess:
            folder = Path(stack.enter_context(short_folder()))
            server = RedisServerProcess(folder, *options, durable=durable)
            return stack.enter_context(server)

        yield make

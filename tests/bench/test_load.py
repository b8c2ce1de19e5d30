"""The load client speaks as Postfix does, and takes no wrong answer for a right one."""

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stirmilter.demo.daemons import short_folder
from tests.bench.load import client, messages
from tests.bench.load.daemon import Daemon, running
from tests.bench.load.messages import Mail

Frames = list[tuple[bytes, bytes]]

_LEADING_SPACE = 0x100000
_NO_ANSWERS = 0x1FF080 & ~_LEADING_SPACE & ~0x20000  # all of them but "unknown"
_NO_DATA = 0x200
_NO_BODY = 0x10
_NO_BODY_ANSWER = 0x80000

MAIL = Mail(
    fields=[(b"From", b" +12025550123"), (b"PASSporT", b" a\n b")],
    body=b"x" * (2 * messages.CHUNK + 7),
    recipients=(b"<one@two.example>", b"<two@two.example>"),
)
POSTFIX = (
    b"DC C DH H DM M DR R DR R DT T DL L DL L DN N DB B DB B DB B DE E A Q".split()
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    messages.write(tmp_path / "mails", [MAIL])
    return tmp_path / "mails"


class Milter:
    """Answers whatever its options say is answered, and keeps what came."""

    def __init__(
        self,
        steps: int = _LEADING_SPACE,
        ends: bytes = b"c",
        answer: bytes = b"c",
        chunk: bytes = b"c",
        inserts: bytes = b"",
    ) -> None:
        self.steps = steps
        self.inserts = inserts
        self.ends = ends
        self.answers = dict.fromkeys(b"CHMRTLN", answer) | {ord("B"): chunk}
        self.frames: Frames = []

    def serve(self, door: socket.socket) -> None:
        """Take one connection after another, until the door is shut."""
        with suppress(OSError):
            while True:
                connection, _ = door.accept()
                with connection, connection.makefile("rb") as octets:
                    while head := octets.read(4):
                        [length] = struct.unpack("!I", head)
                        packet = octets.read(length)
                        self.frames.append((packet[:1], packet[1:]))
                        for reply in self.replies(packet[:1]):
                            size = struct.pack("!I", len(reply))
                            connection.sendall(size + reply)
                        if packet[:1] == b"E" and not self.ends:
                            break

    def replies(self, kind: bytes) -> list[bytes]:
        if kind == b"O":
            return [b"O" + struct.pack("!III", 6, 1, self.steps)]
        if kind == b"E":
            fields = [b"i" + struct.pack("!I", 0) + self.inserts]
            last = [b"p", self.ends] if self.ends else []
            return [*(fields if self.inserts else []), *last]
        quiet = _NO_BODY_ANSWER if kind == b"B" else _NO_ANSWERS & ~_NO_BODY_ANSWER
        if self.steps & quiet or kind in b"DAQ":
            return []
        return [self.answers[kind[0]]]


@contextmanager
def milter(
    family: socket.AddressFamily = socket.AF_UNIX,
    **how: Any,  # noqa: ANN401 - of Milter
) -> Iterator[tuple[str, Frames]]:
    """Run one, until the block ends."""
    made = Milter(**how)
    with short_folder() as folder, socket.socket(family) as door:
        if family == socket.AF_UNIX:
            door.bind(f"{folder}/milter.sock")
            address = f"unix:{folder}/milter.sock"
        else:
            door.bind(("127.0.0.1", 0))
            address = f"inet:127.0.0.1:{door.getsockname()[1]}"
        door.listen()
        serving = Thread(target=made.serve, args=(door,), daemon=True)
        serving.start()
        yield address, made.frames
        door.shutdown(socket.SHUT_RDWR)
        serving.join()  # what the client sent last may still be on its way


def names(frames: Frames) -> list[bytes]:
    """Each packet's letter, and with macros the letter of the command they are for."""
    return [kind + (rest[:1] if kind == b"D" else b"") for kind, rest in frames]


@pytest.mark.parametrize("steps", [_LEADING_SPACE, _LEADING_SPACE | _NO_ANSWERS])
def test_packets_are_those_of_postfix(path: Path, steps: int) -> None:
    with milter(steps=steps) as (address, frames):
        found = client.run(path, address, count=1)

    assert names(frames) == [b"O", *POSTFIX]
    assert frames[0][1] == struct.pack("!III", 6, 0x1FF, 0x1FFFFF)
    assert (b"L", b"PASSporT\0 a\n b\0") in frames
    assert b"".join(rest for kind, rest in frames if kind == b"B") == MAIL.body
    assert b"{daemon_name}\0relay.example\0" in frames[1][1]
    assert frames[-4] == (b"D", b"Ei\0E305420C3E4\0")
    assert (found.messages, found.answers) == (1, {"c": 1})
    assert 0 < found.p50 <= found.p99 <= found.longest


def test_tcp_does_as_well(path: Path) -> None:
    with milter(socket.AF_INET) as (address, frames):
        client.run(path, address, count=1)

    assert names(frames) == [b"O", *POSTFIX]


def test_a_milter_is_not_told_what_it_does_not_want(path: Path) -> None:
    with milter(steps=_LEADING_SPACE | _NO_ANSWERS | _NO_DATA | _NO_BODY) as (
        address,
        frames,
    ):
        client.run(path, address, count=1)

    left = [one for one in POSTFIX if one not in (b"DT", b"T", b"DB", b"B")]
    assert names(frames) == [b"O", *left]


def test_a_milter_that_has_enough_of_the_body_gets_no_more(path: Path) -> None:
    steps = _LEADING_SPACE | _NO_ANSWERS & ~_NO_BODY_ANSWER
    with milter(steps=steps, chunk=b"s") as (address, frames):
        client.run(path, address, count=1)

    assert names(frames).count(b"B") == 1
    assert names(frames)[-4:] == [b"DE", b"E", b"A", b"Q"]


def test_without_leading_space_the_mta_takes_one_away(path: Path) -> None:
    with milter(steps=0) as (address, frames):
        client.run(path, address, count=1)

    assert names(frames) == [b"O", *POSTFIX]
    assert (b"L", b"PASSporT\0a\n b\0") in frames


def test_several_messages_share_a_connection(path: Path) -> None:
    with milter() as (address, frames):
        found = client.run(path, address, per_connection=3, count=7)

    assert found.connections == 3
    sequence = b" ".join(names(frames))
    assert sequence.count(b"DC C DH H") == 3
    assert sequence.count(b"E A DM M") == 4
    assert sequence.count(b"E A Q") == 3


def test_connections_are_busy_at_a_time(path: Path) -> None:
    with short_folder() as folder:
        responder = client.program("responder")
        with running([responder, f"{folder}/s"], Path(folder, "s")) as daemon:
            found = client.run(path, daemon.address, connections=8, count=100)

    assert (found.messages, found.answers) == (100, {"c": 100})
    assert found.connections >= 10


def test_what_is_inserted_is_looked_at(path: Path) -> None:
    with milter(inserts=b'PASSporT\0 a "b"\n c\0') as (address, _):
        found = client.run(path, address, count=2, insert={"PASSporT": "b"})
        assert found.sample == [("PASSporT", ' a "b"\n c')]
        assert found.insertions == 2
        for name, text in (("PASSporT", "d"), ("Authentication-Results", "b")):
            with pytest.raises(client.MisledError, match='"unexpected": 2'):
                client.run(path, address, count=2, insert={name: text})


@pytest.mark.parametrize("letter", [b"t", b"r", b"a", b"d", b"y"])
def test_another_answer_is_an_error(path: Path, letter: bytes) -> None:
    with milter(ends=letter) as (address, _):
        with pytest.raises(client.MisledError, match="answer"):
            client.run(path, address, count=1)
        found = client.run(path, address, count=1, verdict=letter.decode())
        assert found.answers == {letter.decode(): 1}
    with (
        milter(answer=letter) as (address, _),
        pytest.raises(client.MisledError, match="answer"),
    ):
        client.run(path, address, count=1)


def test_a_milter_that_goes_away_is_an_error(path: Path) -> None:
    with (
        milter(ends=b"") as (address, _),
        pytest.raises(client.MisledError, match="closed the connection"),
    ):
        client.run(path, address, count=1)


def test_the_cost_of_a_daemon_is_that_of_all_its_processes() -> None:
    burns = "import time\nwhile time.process_time() < 0.2: pass\nprint(1, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{burns}\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        us = Daemon(os.getpid(), "")
        before = time.process_time()
        cost = us.cost()
        alone = Daemon(child.pid, "").cost()
        child.communicate(b"\n")

    assert alone.cpu_seconds >= 0.2
    assert cost.cpu_seconds >= before + 0.2
    assert cost.rss > alone.rss > 1

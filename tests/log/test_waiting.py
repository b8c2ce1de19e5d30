"""Lines wait for a reader that stands still; messages do not, and no loss is silent."""

import fcntl
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

import pytest

from stirmilter.log.waiting import Writer

BOUND = 100_000
SMALL = 8_192  # octets that the kernel takes for whoever does not read


@dataclass
class Reader:
    """The other end of what is written to."""

    descriptor: int
    written: int

    def ready(self, seconds: float = 0.0) -> bool:
        return bool(select.select([self.descriptor], [], [], seconds)[0])

    def read(self) -> bytes:
        """All that comes, until nothing more does."""
        octets = b""
        while self.ready(0.05):
            more = os.read(self.descriptor, 65_536)
            if not more:
                break
            octets += more
        return octets


@pytest.fixture(params=["pipe", "socket"])
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    if request.param == "pipe":
        made = Reader(*os.pipe())
        fcntl.fcntl(made.written, fcntl.F_SETPIPE_SZ, SMALL)
    else:
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        made = Reader(ours.detach(), theirs.detach())
    yield made
    for descriptor in (made.descriptor, made.written):
        with suppress(OSError):
            os.close(descriptor)


def told(lost: int) -> bytes:
    return b"lost %d\n" % lost


def line(number: int) -> bytes:
    return b"%06d %s\n" % (number, b"x" * 92)  # 100 octets


@pytest.fixture(params=["thread", "none"])
def writer(request: pytest.FixtureRequest, reader: Reader) -> Writer:
    made = Writer(reader.written, BOUND, 0.2, told)
    if request.param == "thread":
        made.start()
    return made


def all_of(writer: Writer, reader: Reader) -> list[bytes]:
    """What is read in the end, by lines."""
    octets = b""
    while not writer.flush(0.02):
        octets += reader.read()
    return (octets + reader.read()).splitlines(keepends=True)


def count(lines: list[bytes]) -> tuple[int, int]:
    """How many lines there were, each in its place or told to be lost; and lost."""
    number = lost = 0
    for one in lines:
        if one.startswith(b"lost "):
            lost += int(one.split()[1])
            number += int(one.split()[1])
        else:
            assert one == line(number)
            number += 1
    return number, lost


def test_what_is_read_is_what_was_written(writer: Writer, reader: Reader) -> None:
    for number in range(10):
        writer.put(line(number))

    assert all_of(writer, reader) == [line(number) for number in range(10)]


def test_nobody_waits_for_a_reader_that_stands_still(
    writer: Writer, reader: Reader
) -> None:
    """900 lines are far more than a pipe holds, and fewer than may wait."""
    for number in range(900):
        writer.put(line(number))

    assert all_of(writer, reader) == [line(number) for number in range(900)]


def test_what_is_lost_is_counted_where_it_would_have_stood(
    writer: Writer, reader: Reader
) -> None:
    for number in range(3_000):
        writer.put(line(number))

    lines = all_of(writer, reader)
    assert lines[-1].startswith(b"lost ")
    number, lost = count(lines)
    assert number == 3_000
    assert 1_500 < lost <= 2_000


def test_what_comes_after_a_loss_stands_behind_the_count(
    writer: Writer, reader: Reader
) -> None:
    for number in range(3_000):
        writer.put(line(number))
    first = reader.read().splitlines(keepends=True)
    writer.flush(0.1)  # some room, now

    writer.put(b"later\n")

    *lines, last = [*first, *all_of(writer, reader)]
    assert last == b"later\n"
    assert count(lines)[0] == 3_000


def test_a_line_that_is_longer_than_what_is_taken_at_once_stays_whole(
    writer: Writer, reader: Reader
) -> None:
    long = b"y" * 20_000 + b"\n"

    writer.put(line(0))
    writer.put(long)
    writer.put(line(1))

    assert all_of(writer, reader) == [line(0), long, line(1)]


def test_an_urgent_line_is_written_before_who_writes_it_goes_on(
    writer: Writer, reader: Reader
) -> None:
    writer.put(b"first\n")
    writer.put(b"urgent\n", urgent=True)

    assert reader.ready()
    assert os.read(reader.descriptor, 100) == b"first\nurgent\n"


def test_an_urgent_line_does_not_wait_for_ever_and_is_not_lost(
    writer: Writer, reader: Reader
) -> None:
    for number in range(3_000):
        writer.put(line(number))

    writer.put(b"urgent\n", urgent=True)

    *lines, last = all_of(writer, reader)
    assert last == b"urgent\n"
    assert count(lines)[0] == 3_000


def test_a_reader_that_has_gone_holds_up_nobody(writer: Writer, reader: Reader) -> None:
    os.close(reader.descriptor)

    for number in range(3_000):
        writer.put(line(number))

    assert writer.flush(10)


def test_lines_of_several_threads_stay_whole(reader: Reader) -> None:
    writer = Writer(reader.written, BOUND, 0.2, told)
    writer.start()

    def write(thread: int) -> None:
        for number in range(100):
            writer.put(line(thread * 100 + number))

    threads = [Thread(target=write, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(all_of(writer, reader)) == [line(number) for number in range(800)]


def test_what_waits_is_not_written_by_a_child_as_well(reader: Reader) -> None:
    """The supervisor forks workers while lines of its own wait."""
    writer = Writer(reader.written, BOUND, 0.2, told)
    for number in range(500):
        writer.put(line(number))

    pid = os.fork()
    if not pid:
        writer.start()
        writer.put(b"child\n")
        os._exit(writer.flush(30) is not True)

    lines = []
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        lines += reader.read().splitlines(keepends=True)
    lines += all_of(writer, reader)
    assert sorted(lines) == [*(line(number) for number in range(500)), b"child\n"]


def test_who_forks_has_no_thread_for_it(reader: Reader) -> None:
    before = set(threading.enumerate())

    Writer(reader.written, BOUND, 0.2, told).put(b"x\n")

    assert set(threading.enumerate()) <= before


def test_others_do_not_get_a_descriptor_that_does_not_block(reader: Reader) -> None:
    """The flag belongs to all who share it: children, and the shell behind us."""
    Writer(reader.written, BOUND, 0.2, told).put(b"x\n")

    assert os.get_blocking(reader.written)


def test_a_descriptor_that_does_not_block_is_written_to_all_the_same(
    writer: Writer, reader: Reader
) -> None:
    os.set_blocking(reader.written, False)

    for number in range(500):
        writer.put(line(number))

    time.sleep(0.1)
    assert all_of(writer, reader) == [line(number) for number in range(500)]


def test_a_pipe_of_another_user_is_written_to_once_there_is_room(
    monkeypatch: pytest.MonkeyPatch, reader: Reader
) -> None:
    """What cannot be opened anew is written to after poll(2) alone."""

    def refused(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refused)
    writer = Writer(reader.written, BOUND, 0.2, told)

    for number in range(500):
        writer.put(line(number))

    assert all_of(writer, reader) == [line(number) for number in range(500)]

"""A milter on pymilter that is given everything and does nothing: the floor.

    python -m tests.bench.load.noop PATH

Written as pymilter's documentation has it. The callbacks are stirmilter's, none of
which the MTA waits for; values come as octets, with the space before them, and are
dropped. Whatever is made with pymilter costs about that at least.
"""

from __future__ import annotations

import sys

import Milter


@Milter.header_leading_space
class Noop(Milter.Base):
    """One SMTP session."""

    @Milter.noreply
    def connect(self, *_: object) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def hello(self, _name: str) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def envfrom(self, _sender: str, *_: str) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def envrcpt(self, _recipient: str, *_: str) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    @Milter.decode("bytes")
    def header(self, _name: str, _value: bytes) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def eoh(self) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def body(self, _chunk: bytes) -> int:
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        return int(Milter.CONTINUE)


if __name__ == "__main__":
    Milter.factory = Noop
    Milter.runmilter("noop", f"unix:{sys.argv[1]}")

"""The main job end to end on one machine: honest MMS, then the attacks.

Everything is real: two private Postfix instances, the daemon on each, a PKI, a web
server for its chains, and a mail server that plays the receiving MMSC.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from stirmilter.demo.laboratory import laboratory
from stirmilter.demo.scenario import Outcome, Row, play, rows

_WIDTHS: Final = (48, 10, 20, 22, 0)
_HEAD: Final = ("message", "file", "verdict", "reason", "what the receiver saw")
_INTRODUCTION: Final = """\
mms.one.example signs, mms.two.example verifies; the MMSC behind it received this.
Attacks enter at mms.two.example, from another address. A body is intact when it
arrives as whoever wrote that message, honest or not, wrote it.
""".splitlines()


def run(out: Path, say: Callable[[str], object]) -> bool:
    """Play every row; print the table; keep messages and logs in `out`.

    Returns:
        Whether every row came out as expected.

    Raises:
        ConfigError: something cannot be started.
    """
    received = out / "received"
    captured = out / "captured"
    logs = out / "logs"
    for folder in (received, captured, logs):
        folder.mkdir(parents=True, exist_ok=True)
    good = True
    with laboratory(logs) as lab:
        for line in (*_INTRODUCTION, "", _line(_HEAD)):
            say(line)
        for row in rows():
            outcome = play(lab, row)
            (received / f"{row.message.name}.eml").write_bytes(outcome.received)
            as_expected = _as_expected(row, outcome)
            good &= as_expected
            name = row.message.name
            say(_line((row.title, name, outcome.verdict, outcome.reason, outcome.saw)))
            if not as_expected:
                expected = f"{row.verdict}, {row.reason}, body {row.body}"
                say(f"  NOT AS EXPECTED: expected {expected}")
        for name, copies in lab.tap.messages.items():
            local = name.strip("<>").partition("@")[0]
            (captured / f"{local}.eml").write_bytes(copies[-1])
    say("")
    say(
        f"{'all as expected' if good else 'NOT all as expected'}; messages are in"
        f" {received}/FILE.eml, logs in {logs}"
    )
    return good


def _as_expected(row: Row, outcome: Outcome) -> bool:
    return (outcome.verdict, outcome.reason, outcome.body) == (
        row.verdict,
        row.reason,
        row.body,
    )


def _line(cells: tuple[str, ...]) -> str:
    padded = zip(cells, _WIDTHS, strict=True)
    return "  ".join(cell.ljust(width) for cell, width in padded).rstrip()

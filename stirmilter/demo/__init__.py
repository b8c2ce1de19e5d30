"""The main job end to end on one machine: honest MMS, then the attacks.

Everything is real: two private Postfix instances, the daemon on each, a PKI, a web
server for its chains, a name server, and a mail server that plays the receiving MMSC.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from stirmilter.demo.laboratory import Laboratory, laboratory
from stirmilter.demo.operators import TWO
from stirmilter.demo.scenario import Outcome, Row, play, rows
from stirmilter.errors import ConfigError, reason

_WIDTHS: Final = (50, 11, 20, 22, 4, 4, 5, 6, 7)
_HEAD: Final = (
    *("message", "file", "verdict", "stir"),
    *("spf", "dkim", "dmarc", "action", "body"),
)
_MEANS: Final = {
    "authenticated": "number, recipients, body and header are vouched for",
    "number-authenticated": "number, recipients and body; not the header",
    "domain-authenticated": "the sender's domain, by DMARC; nothing of the number",
    "unauthenticated": "nobody vouches for anything",
    "failed": "a PASSporT that does not hold",
    "undetermined": "cannot be judged now; perhaps later",
}
_INTRODUCTION: Final = """\
mms.one.example signs, first a PASSporT, then by DKIM; mms.two.example verifies, and the
MMSC behind it received this. Attacks enter at mms.two.example, from another address.
Each row stands below the verdict that is expected. A body is intact when it arrives as
whoever wrote that message, honest or not, wrote it. The policy tags what failed, and
refuses a carrier's PASSporT under another carrier's DKIM signature.
""".splitlines()


def run(out: Path, say: Callable[[str], object]) -> bool:
    """Play every row; print the table; keep messages and logs in `out`.

    Returns:
        Whether every row came out as expected.

    Raises:
        ConfigError: `out` cannot be written to, or something not be started.
    """
    received = out / "received"
    captured = out / "captured"
    logs = out / "logs"
    for folder in (received, captured, logs):
        _make(folder)
    with laboratory(logs) as lab:
        for line in (*_INTRODUCTION, "", _line(_HEAD)):
            say(line)
        good = _play_all(lab, received, say)
        for name, copies in lab.tap.messages.items():
            local = name.strip("<>").partition("@")[0]
            (captured / f"{local}.eml").write_bytes(copies[-1])
    log = logs / f"{TWO}-stirmilter.log"
    refused = log.read_text().count("shadow=reject/")
    word = "all as expected" if good else "NOT all as expected"
    say("")
    say(f"The shadow table would have refused {refused} of these: shadow= in {log}")
    say(f"{word}; messages are in {received}/FILE.eml, logs in {logs}")
    return good


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"{reason(error)}; name a folder with --out"
        raise ConfigError(str(folder), problem) from None


def _play_all(lab: Laboratory, received: Path, say: Callable[[str], object]) -> bool:
    good = True
    verdict = ""
    for row in rows():
        if row.expected.verdict != verdict:
            verdict = row.expected.verdict
            say(f"{verdict}: {_MEANS[verdict]}")
        outcome = play(lab, row)
        if outcome.received:
            (received / f"{row.message.name}.eml").write_bytes(outcome.received)
        for line in _lines(row, outcome):
            say(line)
        good &= outcome.seen == row.expected
    return good


def _lines(row: Row, outcome: Outcome) -> list[str]:
    lines = [_line((f"  {row.title}", row.message.name, *outcome.seen.cells))]
    if outcome.reply:
        lines.append(f"    {outcome.reply}")
    if outcome.seen != row.expected:
        lines.append(_line(("    NOT AS EXPECTED, but", "", *row.expected.cells)))
    return lines


def _line(cells: tuple[str, ...]) -> str:
    padded = zip(cells, _WIDTHS, strict=True)
    return "  ".join(cell.ljust(width) for cell, width in padded).rstrip()

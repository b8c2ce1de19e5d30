"""Whether this machine's clock is right: freshness is judged by it, and our `iat` is.

First whoever keeps the clock is asked: systemd-timesyncd by the file that it leaves,
chrony and ntpd by their own commands. Then a second opinion, the Date of the web server
that serves our own x5u; it is asked nothing but that.
"""

from __future__ import annotations

import http.client
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from stirmilter.doctor.postfix import PROGRAMS
from stirmilter.findings import Finding

TIMESYNC: Final = Path("/run/systemd/timesync/synchronized")
_ASK: Final[tuple[tuple[str, ...], ...]] = (
    ("chronyc", "-c", "-n", "tracking"),
    ("ntpq", "-c", "rv 0 leap"),
)
_REMEDY: Final = "apt-get install systemd-timesyncd && timedatectl set-ntp true"
_SECOND: Final = timedelta(seconds=1)  # a Date has no fractions


def synchronised(
    seconds: float, marker: Path = TIMESYNC, search: str = PROGRAMS
) -> Finding:
    """Ask whoever keeps the clock.

    Args:
        seconds: for one answer.
        marker: file that systemd-timesyncd leaves once it is synchronised.
        search: folders of programs, as in ``PATH``.
    """
    if marker.exists():
        return Finding("ok", "clock", "systemd-timesyncd is synchronised")
    for command in _ASK:
        program = shutil.which(command[0], path=search)
        said = _said([program, *command[1:]], seconds) if program else ""
        if not said:
            continue
        if re.search(r"Not synchronised|leap=11|leap_alarm", said):
            text = f"{command[0]} says that the clock is not synchronised"
            return Finding("error", "clock", text, " ".join(command))
        return Finding("ok", "clock", f"{command[0]} says that it is synchronised")
    text = "nobody here is known to keep it: neither timesyncd, chrony nor ntpd answers"
    return Finding("warning", "clock", text, _REMEDY)


def compared(
    url: str,
    tls_ca: str | None,
    skew: timedelta,
    seconds: float,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterable[Finding]:
    """Compare our clock with that of our own web server; nothing if it does not tell.

    Args:
        url: an x5u of ours.
        tls_ca: PEM file of anchors for it; None is the system's.
        skew: how far clocks may differ (``verify.skew``).
        seconds: for the answer.
        now: aware time.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    before = now()
    try:
        date = _date(host, parts.port, parts.path or "/", tls_ca, seconds)
    except (OSError, http.client.HTTPException, ValueError):
        return  # `published` tells what is wrong with it
    after = now()
    # It was written somewhere between, and cut to the second.
    ahead = max(before - date - _SECOND, min(after - date, timedelta()))
    text = f"{abs(ahead.total_seconds()):.0f} s"
    where = f"clock beside {host}"
    if abs(ahead) <= skew:
        yield Finding("ok", where, f"differs by {text} at most")
        return
    way = "ahead of" if ahead > timedelta() else "behind"
    text = f"{text} {way} it, more than verify.skew ({skew.total_seconds():.0f} s): "
    text += "good tokens are stale or from-the-future"
    yield Finding("error", where, text, _REMEDY)


def _date(
    host: str, port: int | None, path: str, tls_ca: str | None, seconds: float
) -> datetime:
    context = ssl.create_default_context(cafile=tls_ca)
    connection = http.client.HTTPSConnection(
        host, port, timeout=seconds, context=context
    )
    with closing(connection):
        connection.request("HEAD", path, headers={"User-Agent": "stirmilter"})
        given = connection.getresponse().getheader("Date") or ""
    found = parsedate_to_datetime(given)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _said(command: Sequence[str], seconds: float) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={"LC_ALL": "C", "PATH": PROGRAMS},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if not done.returncode else ""

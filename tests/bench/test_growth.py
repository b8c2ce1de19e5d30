"""Curves are judged rightly, and each is measured; what comes out, no test asks."""

import csv
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import FrameType

import pytest

from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.transaction import Connection, Decision, Header, Transaction
from stirmilter.services import AuthenticationService
from stirmilter.stir.msgi import digest_body
from tests.bench.growth import (
    curves,
    keys,
    laws,
    lists,
    mails,
    messages,
    plot,
    workers,
)
from tests.bench.growth.curves import CPU, Curve, Effort, Rising
from tests.bench.growth.laws import Law, Point
from tests.bench.load import daemon
from tests.bench.load.messages import Mail
from tests.bench.load.plant import Plant, plant
from tests.laboratory import signer, verifier

RECIPIENTS = messages.RECIPIENTS
BODIES = tuple(size / 1_000 for size in messages.BODIES)
TINY = Effort(messages=4, rounds=1, seconds=0.05, claims=20)
NOISE = (1.02, 0.99, 1.0, 1.03, 0.98, 1.01)


@pytest.fixture(scope="module")
def running() -> Iterator[Plant]:
    with plant() as made:
        yield made


def points(of: Callable[[float], float], xs: tuple[float, ...]) -> list[Point]:
    return [Point(x, of(x) * noise) for x, noise in zip(xs, NOISE, strict=False)]


def curve(of: Callable[[float], float], expected: Law) -> Curve:
    return Curve(
        panel="recipients",
        name="signing",
        unit="recipient",
        of=CPU,
        expected=expected,
        why="it is so",
        points=points(of, RECIPIENTS),
    )


@pytest.mark.parametrize(
    ("of", "xs", "law"),
    [
        (lambda _: 100.0, RECIPIENTS, Law.FLAT),
        (lambda x: 100 + x / 10, RECIPIENTS, Law.FLAT),
        (lambda x: 200 - x, RECIPIENTS, Law.FLAT),
        (lambda x: 30 + 10 * math.log10(x), keys.LIVE, Law.LOGARITHMIC),
        (lambda x: 30 + x / 10_000, keys.LIVE, Law.LINEAR),
        (lambda x: 100 + 2 * x, RECIPIENTS, Law.LINEAR),
        (lambda x: 10 * x, RECIPIENTS, Law.LINEAR),
        (lambda x: 300 + x, BODIES, Law.LINEAR),
        (lambda x: 1 + 3e-7 * x, lists.NUMBERS, Law.LINEAR),
        (lambda x: 100 + x * x / 25, RECIPIENTS, Law.STEEPER),
        (lambda x: 100 + 2 * x + x * x / 10, RECIPIENTS, Law.STEEPER),
        (lambda x: 300 + x * x / 10_000, BODIES, Law.STEEPER),
        (lambda x: 1 + 3e-14 * x * x, lists.NUMBERS, Law.STEEPER),
        (lambda x: x**1.5, RECIPIENTS, Law.STEEPER),
        (lambda x: x, RECIPIENTS[:1] + RECIPIENTS[-1:], Law.LINEAR),
    ],
)
def test_a_series_is_called_what_it_is(
    of: Callable[[float], float], xs: tuple[float, ...], law: Law
) -> None:
    assert laws.judge(points(of, xs)).law is law


def test_a_hump_is_not_flat() -> None:
    low, high = [Point(1, 10), Point(2, 14), Point(3, 11)], [Point(1, 10), Point(2, 16)]

    assert laws.judge(low).law is Law.FLAT
    assert laws.judge([*high, Point(3, 11)]).law is not Law.FLAT


def test_a_line_has_a_slope_and_no_residual() -> None:
    found = laws.judge([Point(1, 10), Point(2, 13), Point(5, 22)])

    assert (found.slope, found.ratio, found.exponent) == (3, 2.2, 1)
    assert found.residual < 1e-9


def test_a_quadratic_cost_is_called_out() -> None:
    bad = curve(lambda x: 100 + x * x / 25, Law.LINEAR)

    assert not bad.as_expected
    assert "NOT AS EXPECTED, steeper than linear instead of linear" in bad.line()
    assert "**steeper than linear: not as expected**" in curves.table([bad])[-1]


def test_what_grows_more_slowly_than_it_may_is_as_expected() -> None:
    good = curve(lambda _: 100.0, Law.LINEAR)

    assert good.as_expected
    assert "us of CPU per message: flat: 102 at 1, 101 at 50 recipients" in good.line()


@pytest.mark.parametrize(
    ("rates", "word"),
    [
        ((100, 180, 185, 175), "rising to 2, then flat"),
        ((100, 110, 115, 112), "hardly rising to 2, then flat"),
        ((100, 180, 140, 120), "rising to 2, then not flat"),
    ],
)
def test_a_rate_rises_up_to_the_cores(rates: tuple[float, ...], word: str) -> None:
    found = Rising(
        panel="workers",
        name="signing",
        unit="worker",
        of="messages per second",
        expected=Law.LINEAR,
        why="each takes a core",
        until=2,
        points=[Point(n, rate) for n, rate in enumerate(rates, 1)],
    )

    assert found.word == word
    assert found.as_expected == (word == "rising to 2, then flat")
    assert ("NOT AS EXPECTED" in found.line()) == (not found.as_expected)


def test_every_curve_is_measured(
    running: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "FLUSH_SECONDS", 0.02)
    found = [
        *workers.workers(running, TINY, (1, 2)),
        *lists.served(running, TINY, (10, 1_000), ["a submitter's SQLite table"]),
        *keys.live(running, TINY, (100, 200)),
        *messages.recipients_and_bodies(
            *(running, TINY, (1, 3), (1_000, 100_000)),
            ["signing with DKIM", "verifying with DKIM"],
        ),
    ]
    curves.write(tmp_path, found)

    with (tmp_path / "growth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["panel"] for row in rows] == (
        ["workers"] * 4
        + ["numbers served"] * 6
        + ["live replay keys"] * 8
        + ["recipients"] * 4
        + ["body"] * 4
    )
    assert all(float(row["y"]) > 0 for row in rows)
    with (tmp_path / "growth-laws.csv").open(newline="") as file:
        judged = list(csv.DictReader(file))
    assert len(judged) == len(found) == len(rows) / 2
    assert {row["as_expected"] for row in judged} <= {"yes", "NO"}

    drawn = plot.panels(tmp_path / "growth.csv")
    assert len(drawn) == 2 + 3 + 2 + 1 + 1
    assert [*drawn["recipients", CPU, "recipient"]] == [
        "signing with DKIM",
        "verifying with DKIM",
    ]
    assert sum(len(one) for lines in drawn.values() for one in lines.values()) == len(
        rows
    )


def test_lists_hold_what_messages_come_from(running: Plant) -> None:
    path = running.folder / "list.txt"
    lists._write_list(path, 10)

    assert path.read_text().split() == [f"+1202{n}000000" for n in range(10)]


def calls(work: Callable[[], object]) -> int:
    """Count calls of functions, of Python's and of C's: work that no clock disturbs."""
    count = 0

    def look(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_work_is_linear_in_recipients(running: Plant) -> None:
    relay = MailFilter(
        policy=MailPolicy(
            authserv_id="mx.one.example", networks=(ip_network("127.0.0.0/8"),)
        ),
        authentication=AuthenticationService([signer(running.ca, "spc")]),
        verification=verifier(running.ca),
        clock=lambda: datetime.now(UTC),
    )

    def judged(mail: Mail, client: str) -> tuple[int, Decision]:
        transaction = Transaction(
            connection=Connection(client=ip_address(client)),
            sender=mail.sender.decode(),
            recipients=tuple(one.decode() for one in mail.recipients),
            headers=tuple(Header(name.decode(), text) for name, text in mail.fields),
            body=digest_body(mail.body),
        )
        made: list[Decision] = []
        count = calls(lambda: made.append(relay.decide(transaction)))
        return count, made[0]

    def both(recipients: int) -> tuple[int, int]:
        [mail] = mails.sent(1_000, 1, recipients=recipients)
        signing, signed = judged(mail, "127.0.0.1")
        [(name, value)] = signed.insert
        fields = [(name.encode(), b" " + value.encode()), *mail.fields]
        verifying, verified = judged(replace(mail, fields=fields), "192.0.2.7")
        assert (signed.event.outcome, verified.event.reason) == ("signed", "verified")
        return signing, verifying

    both(2)  # what is only done once
    for ten, twenty, eighty in zip(both(10), both(20), both(80), strict=True):
        assert (eighty - twenty) / 60 == pytest.approx((twenty - ten) / 10, rel=0.1)

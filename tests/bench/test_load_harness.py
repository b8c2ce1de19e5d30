"""`make bench` still runs, measures everybody, and believes nobody. No test asks how
fast anything is.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.core import Figure
from tests.bench.load import __main__ as run
from tests.bench.load import corpus, ours, page, peers, relay, table, targets
from tests.bench.load.client import MisledError
from tests.bench.load.measure import Bench, Cell, Turn
from tests.bench.load.plant import Candidate, Plant, plant
from tests.bench.load.table import Results
from tests.e2e import neighbours

pytestmark = pytest.mark.e2e

SIZE = 10_000


@pytest.fixture(scope="module")
def shared() -> Iterator[Plant]:
    neighbours.required()
    with plant() as made:
        yield made


@pytest.fixture(scope="module")
def measured(shared: Plant) -> Iterator[tuple[Bench, Results]]:
    """Everybody but whom the development environment has not, on two connections."""
    with ExitStack() as stack:
        bench = Bench(shared, seconds=0.02, warm=2)
        # Each daemon of ours takes a second to start.
        left_out = ("dkimpy-milter", "stirmilter, ", "stirmilter STIR, ")
        chosen = [c for c in run.candidates() if not c.name.startswith(left_out)]
        bench.start(chosen, stack)
        results = Results()
        run.milters(bench, results, {SIZE: 1}, [8])
        yield bench, results


def test_everybody_has_a_turn_and_answers_as_it_should(
    measured: tuple[Bench, Results],
) -> None:
    _, results = measured
    names = {(turn.cell.kind, turn.candidate) for turn in results.turns}

    assert names >= {
        ("sign", "responder"),
        ("sign", "no-op pymilter"),
        ("sign", "no-op libmilter"),
        ("sign", peers.TRANSPORT),
        ("sign", peers.LEAST),
        ("sign", "stirmilter"),
        ("sign", "OpenDKIM RSA-2048"),
        ("sign", "OpenDKIM Ed25519"),
        ("verify", "stirmilter STIR"),
        ("verify", "stirmilter STIR+SPF+DKIM+DMARC"),
        ("verify", "OpenDKIM RSA-2048"),
    }
    for turn in results.turns:
        assert min(turn.messages, turn.rate, turn.cpu, turn.rss, turn.p50) > 0
        assert turn.p50 <= turn.p99
    [whole] = [t for t in results.turns if t.candidate == targets.WHOLE]
    assert "stir=pass" in "".join(value for _, value in whole.sample)
    assert "dmarc=pass" in "".join(value for _, value in whole.sample)


def test_a_milter_that_does_not_sign_is_an_error(
    measured: tuple[Bench, Results],
) -> None:
    bench, _ = measured
    [one] = [r for r in bench.running if r.candidate.name == targets.FLOOR]
    idle = replace(one.candidate, insert=[("PASSporT", "ppt=msg")])

    with pytest.raises(MisledError, match="found 0"):
        bench._turn(replace(one, candidate=idle), Cell("sign", SIZE, 1), 0)


def test_a_message_is_not_verified_twice(measured: tuple[Bench, Results]) -> None:
    bench, _ = measured
    [one] = [r for r in bench.running if r.candidate.name == targets.STIR]

    assert one.candidate.remembers
    before = one.used[SIZE]
    found = bench._turn(one, Cell("verify", SIZE, 1), 0)
    assert one.used[SIZE] == before + found.messages


def test_what_stands_apart_has_a_turn_in_one_cell(
    measured: tuple[Bench, Results],
) -> None:
    bench, _ = measured
    one = replace(bench.running[0], candidate=ours.parts()[0])

    assert one.wanted(Cell("sign", SIZE, 8))
    assert not one.wanted(Cell("sign", SIZE, 1))
    assert not one.wanted(Cell("verify", SIZE, 8))
    assert bench.running[0].wanted(Cell("sign", SIZE, 1))


def test_mail_goes_through_postfix_past_each_milter(
    measured: tuple[Bench, Results],
) -> None:
    bench, results = measured
    run.through_postfix(bench, results, count=4, rounds=1)

    found = results.rates["postfix"]
    ours = ["stirmilter", "stirmilter (libmilter)"]
    floors = ["no-op pymilter", peers.INSERTS, peers.TRANSPORT, peers.LEAST]
    assert [*found] == ["no milter", *floors, *ours, targets.OPENDKIM]
    assert all(rate > 0 for [rate] in found.values())
    costs = {name: cost for name, [cost] in results.costs.items()}
    assert costs.pop("no milter") == 0
    assert all(cost > 0 for cost in costs.values())


def test_mail_that_is_not_signed_is_an_error() -> None:
    door = relay.Door("idle", 25, b"PASSporT")
    arrived = b"X\nPASSporT: a\nMessage-Id: <1@vm>\n\nX\nMessage-Id: <2@vm>\n"

    with pytest.raises(MisledError, match="2 sent, 2 came, 1 signed"):
        relay.check(door, 2, arrived)
    relay.check(replace(door, field=b""), 2, arrived)
    with pytest.raises(MisledError, match="3 sent, 2 came"):
        relay.check(replace(door, field=b""), 3, arrived)


def test_starts_are_timed(shared: Plant) -> None:
    results = Results()
    run.starts(shared, results, 1)
    assert all(results.seconds[name][0] > 0 for name in (targets.HELP, targets.READY))


def turn(name: str, number: int, rate: float, cpu: float = 1.0) -> Turn:
    cell = Cell("sign", SIZE, 8)
    return Turn(cell, name, number, 10, rate, cpu, 2.0, 6.0, 3.0, 0.1)


def test_a_ratio_is_of_figures_of_one_round() -> None:
    results = Results(
        turns=[
            *(turn("stirmilter", n, rate, 1.0) for n, rate in enumerate([8, 80, 1])),
            *(turn(targets.OPENDKIM, n, rate, 5.0) for n, rate in enumerate([2, 10])),
        ],
        rates={
            "postfix": {
                "stirmilter": [9.0, 19.0],
                "no-op pymilter": [10.0, 20.0],
                peers.LEAST: [8.0, 20.0],
            }
        },
        seconds={targets.HELP: [0.1, 0.2, 0.9]},
        core=[Figure("sign, of openssl's", 0.4, "", 0.45, least=True)],
    )
    found = {one.name: one for one in targets.targets(results)}

    assert found["sign: messages/s of OpenDKIM RSA-2048"].value == 6.0
    assert found["sign: messages/s of OpenDKIM RSA-2048"].met
    assert found["sign: CPU of OpenDKIM RSA-2048"].value == 0.2
    assert found["sign: p99 of p50"].value == 3.0
    assert found["Postfix: messages/s of no-op pymilter"].value == 0.925
    assert not found["Postfix: messages/s of no-op pymilter"].met
    least = found[f"Postfix: {peers.LEAST}: messages/s of no-op pymilter"]
    assert (least.value, least.target) == (0.9, None)
    assert found["stirmilter --help"].value == 0.2
    assert not found["core: sign, of openssl's"].met
    assert "sign: CPU of no-op pymilter" not in found


def test_the_table_is_written_into_the_page(tmp_path: Path) -> None:
    results = Results(turns=[turn("stirmilter", 0, 1234.5)])
    rows, reached = results.rows(), targets.targets(results)
    text = table.lines(rows, reached)
    table.write(tmp_path, rows, reached)
    path = tmp_path / "performance.md"
    begin, end = page.BEGIN.format("figures"), page.END.format("figures")
    path.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    page.refresh(path, text)

    written = path.read_text()
    assert written.startswith(f"before\n{begin}\n\nMeasured on ")
    assert written.endswith(f"\n{end}\nafter\n")
    assert "old" not in written
    assert "| sign | stirmilter | 10000 | 8 | 1234 |" in written
    csv = (tmp_path / "figures.csv").read_text()
    assert "sign,stirmilter,10000,8,1234.5,1,2,6,3,0.1,1\n" in csv
    assert (
        "sign: p99 of p50,3,,<=,5,reached\n" in (tmp_path / "targets.csv").read_text()
    )
    with pytest.raises(ValueError, match="no place"):
        page.refresh(tmp_path / "figures.csv", text)


@pytest.mark.parametrize("size", [2_000, 10_000, 300_000])
def test_a_body_is_of_the_size_that_is_wanted(size: int) -> None:
    assert abs(len(corpus.body(size)) - size) < 100


def test_dkimpy_milter_is_there_or_left_out() -> None:
    found: list[Candidate] = peers.dkimpy()
    assert len(found) == (2 if (peers.VENV / "bin" / "dkimpy-milter").exists() else 0)

"""What was to be reached, held against what one run measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter
from statistics import median
from typing import Final, NamedTuple

from tests.bench.core import Figure
from tests.bench.load import peers, relay
from tests.bench.load.measure import Cell, Turn
from tests.bench.load.table import Results

OPENDKIM: Final = "OpenDKIM RSA-2048"
ED25519: Final = "OpenDKIM Ed25519"
DKIMPY: Final = "dkimpy-milter RSA-2048"
FLOOR: Final = "no-op pymilter"
SIGNS: Final = "stirmilter"
STIR: Final = "stirmilter STIR"
WHOLE: Final = "stirmilter STIR+SPF+DKIM+DMARC"
TRANSPORTS: Final = ("", " (libmilter)")
"""What names of candidates end with; targets are of the first, which is shipped."""

POSTFIX: Final = "postfix"
HELP: Final = "stirmilter --help"
READY: Final = "ready to serve"

_SIGN: Final = Cell("sign", 10_000, 8)
_VERIFY: Final = Cell("verify", 10_000, 8)
_CPU: Final[Callable[[Turn], float]] = attrgetter("cpu")
_RATE: Final[Callable[[Turn], float]] = attrgetter("rate")


class _Ratio(NamedTuple):
    """Of a candidate of ours to a peer."""

    what: str
    cell: Cell
    ours: str
    peer: str
    figure: Callable[[Turn], float]
    target: float
    least: bool = False


_RATIOS: Final = (
    _Ratio("sign: CPU", _SIGN, SIGNS, OPENDKIM, _CPU, 0.25),
    _Ratio("sign: CPU", _SIGN, SIGNS, ED25519, _CPU, 0.4),
    _Ratio("sign: CPU", _SIGN, SIGNS, FLOOR, _CPU, 2.0),
    _Ratio("sign: messages/s", _SIGN, SIGNS, OPENDKIM, _RATE, 4.0, least=True),
    _Ratio("sign: messages/s", _SIGN, SIGNS, DKIMPY, _RATE, 30.0, least=True),
    _Ratio("verify STIR: CPU", _VERIFY, STIR, OPENDKIM, _CPU, 1.0),
    _Ratio("verify STIR+SPF+DKIM+DMARC: CPU", _VERIFY, WHOLE, DKIMPY, _CPU, 1 / 3),
)


def targets(results: Results) -> list[Figure]:
    """Return those whose figures were measured, each with its bound."""
    shipped, *others = TRANSPORTS
    found = list(_of(shipped, results))
    found += [replace(o, target=None) for s in others for o in _of(s, results)]
    found += _least(results)
    found += _client(results)
    for name, most in ((HELP, 0.3), (READY, 1.5)):
        if values := results.seconds.get(name):
            found.append(Figure(name, median(values), "s", most))
    found += [
        replace(one, name=f"core: {one.name}")
        for one in results.core
        if one.target is not None
    ]
    return found


def _of(suffix: str, results: Results) -> Iterator[Figure]:
    """Yield those of one transport."""
    for one in _RATIOS:
        names = one.ours + suffix, one.peer
        value = results.ratio(one.cell, names, one.figure)
        if value is not None:
            name = f"{one.what} of {one.peer}{suffix}"
            yield Figure(name, value, "", one.target, one.least)
    ours = SIGNS + suffix
    turns = [t for t in results.turns if (t.cell, t.candidate) == (_SIGN, ours)]
    if turns:
        spread = median(turn.p99 / turn.p50 for turn in turns)
        yield Figure(f"sign: p99 of p50{suffix}", spread, "", 5.0)
    for peer, least in (
        (FLOOR, 0.95),
        (OPENDKIM, 1.15),
        (peers.INSERTS, None),
        (relay.NONE, None),
    ):
        value = results.ratio_of_rates(POSTFIX, (ours, peer))
        if value is not None:
            name = f"Postfix: messages/s of {peer}{suffix}"
            yield Figure(name, value, "", least, least=True)


def _least(results: Results) -> Iterator[Figure]:
    """Yield what the target through Postfix leaves for all but the transport."""
    for name in (peers.TRANSPORT, peers.LEAST):
        value = results.ratio_of_rates(POSTFIX, (name, FLOOR))
        if value is not None:
            what = f"Postfix: {name}: messages/s of {FLOOR}"
            yield Figure(what, value, "", None, least=True)


def _client(results: Results) -> Iterator[Figure]:
    """Yield what shows that it is the daemons that are measured, not the client."""
    ours = [turn for turn in results.turns if turn.candidate.startswith(SIGNS)]
    if ours:
        share = max(1e6 * turn.client / turn.rate / turn.cpu for turn in ours)
        yield Figure("load client: most CPU of stirmilter's", share, "", 0.25)
    rates = [
        value
        for cell in {turn.cell for turn in ours}
        for suffix in TRANSPORTS
        if (value := results.ratio(cell, (peers.RESPONDER, SIGNS + suffix), _RATE))
    ]
    if rates:
        name = "load client: least messages/s of stirmilter's, beside responder.c"
        yield Figure(name, min(rates), "", 3.0, least=True)

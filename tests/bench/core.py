"""The core's speed, beside openssl's and libsecsipid's on this machine at this time.

    python -m tests.bench.core [--json] [--profile] [--speeds]

One thread, everything warm, in processor time, which is what ``openssl speed`` counts
as well. They and we take turns, round by round, since the speed of a shared machine
changes from minute to minute: what counts is the median of the ratios. The exit status
is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter import worker
from stirmilter.stir.tnauthlist import TNAuthList
from tests.bench import foreign
from tests.bench.parties import Parties
from tests.bench.sample import shares
from tests.hostile import CATALOGUE, SIZE, Hostile, forget
from tests.stir import der
from tests.stir.tokens import KEY

Given = TypeVar("Given")

ROUNDS: Final = 5
FOREIGN: Final = 2_000  # signatures and verifications of libsecsipid in each round
SIGNATURES: Final = 8_000  # in each round, about half a second of them
VERIFICATIONS: Final = 4_000
SIGN_TARGET: Final = 0.45
VERIFY_TARGET: Final = 0.6
ENTRIES: Final = 5_000
DECODE_TARGET: Final = 10.0
LOOKUP_TARGET: Final = 20.0
REFUSE_TARGET: Final = 50.0
SAMPLED: Final = 60_000  # signatures and verifications, about eight seconds
TRIES: Final = 3  # of each hostile input: the least counts, the rest is other programs

_SPEED: Final = re.compile(
    r"^ *256 bits ecdsa \(nistp256\) +\S+ +\S+ +([0-9.]+) +([0-9.]+)", re.MULTILINE
)


@dataclass(frozen=True)
class Figure:
    """Something measured, and what it should be."""

    name: str
    value: float
    unit: str
    target: float | None = None
    least: bool = False
    """Whether the target is the least that will do, or the most."""

    @property
    def met(self) -> bool:
        """Whether it is as it should be."""
        if self.target is None:
            return True
        return self.value >= self.target if self.least else self.value <= self.target

    def row(self) -> str:
        """Write it as a line of the table."""
        line = f"{self.name:<48}{_number(self.value):>12} {self.unit:<8}"
        if self.target is None:
            return line.rstrip()
        sign = ">=" if self.least else "<="
        word = "met" if self.met else "NOT MET"
        return f"{line}{sign} {self.target:g}  {word}"


def speeds(parties: Parties) -> list[Figure]:
    """Sign and verify, bare and in full, in rounds with openssl."""
    rounds: dict[str, list[float]] = {}
    parties.warm()
    signatures = [_bare_signature() for _ in range(VERIFICATIONS)]
    given = parties.parts(), *parties.files()
    # A new process, not a copy of this one, whose collector is spared.
    elsewhere = ProcessPoolExecutor(1, get_context("spawn"))
    for _ in range(ROUNDS):
        signing, verifying = _openssl()
        theirs = elsewhere.submit(foreign.rates, *given, FOREIGN).result()
        sign = _rate(parties.sign, range(SIGNATURES))
        values = [parties.write(parties.sign()) for _ in range(VERIFICATIONS)]
        verify = _rate(parties.verify, values)
        claim = _rate(parties.verify_and_claim, values)
        measured = {
            "openssl sign": signing,
            "libsecsipid sign": theirs[0],
            "libsecsipid verify": theirs[1],
            "cryptography sign": _rate(_bare_signature, range(SIGNATURES)),
            "AuthenticationService.sign": sign,
            "openssl verify": verifying,
            "cryptography verify": _rate(_bare_verification, signatures),
            "VerificationService.verify": verify,
            "the same, with a replay store in memory": claim,
            "sign, of openssl's": sign / signing,
            "verify, of openssl's": verify / verifying,
            "sign, of libsecsipid's": sign / theirs[0],
            "verify, of libsecsipid's": verify / theirs[1],
        }
        for name, value in measured.items():
            rounds.setdefault(name, []).append(value)
    elsewhere.shutdown()
    targets = {
        "sign, of openssl's": SIGN_TARGET,
        "verify, of openssl's": VERIFY_TARGET,
        "sign, of libsecsipid's": 1.0,
        "verify, of libsecsipid's": 1.0,
    }
    return [
        Figure(
            name,
            median(values),
            "" if name in targets else "/s",
            targets.get(name),
            least=True,
        )
        for name, values in rounds.items()
    ]


def long_list() -> list[Figure]:
    """Decode a TNAuthList of 5000 entries for the first time, and look numbers up."""
    half = range(ENTRIES // 2)
    octets = der.sequence(
        *(der.one(f"1312555{place:04d}") for place in half),
        *(der.block(f"1202{place:04d}000", 500) for place in half),
    )

    def decode() -> None:
        forget()
        TNAuthList.decode(octets)

    found = TNAuthList.decode(octets)
    numbers = [f"1202{place:04d}{last}" for place in half for last in ("250", "750")]
    rate = _rate(found.authority, numbers)
    return [
        Figure(
            f"TNAuthList of {ENTRIES} entries: decode, cold",
            min(_seconds(decode) for _ in range(ROUNDS)) * 1e3,
            "ms",
            DECODE_TARGET,
        ),
        Figure(
            f"TNAuthList of {ENTRIES} entries: look up",
            1e6 / rate,
            "us",
            LOOKUP_TARGET,
        ),
    ]


def refusals() -> list[Figure]:
    """Time the hostile inputs, the worst first."""
    found = [
        Figure(str(one), _milliseconds(one), "ms", REFUSE_TARGET) for one in CATALOGUE
    ]
    return sorted(found, key=lambda figure: -figure.value)


def main() -> int:
    """Measure, print, and tell whether all is as it should be."""
    parser = argparse.ArgumentParser(prog="tests.bench.core")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--profile", action="store_true", help="where the time goes")
    parser.add_argument("--speeds", action="store_true", help="nothing hostile or long")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        parties = Parties.create(folder)
        worker.spare_the_collector()  # as the processes that judge mail do
        if arguments.profile:
            return _profile(parties)
        tables = {"one thread": speeds(parties)}
        if not arguments.speeds:
            tables["long certificates"] = long_list()
            tables[f"hostile inputs of {SIZE} octets"] = refusals()
    if arguments.json:
        shown = {
            title: [asdict(figure) | {"met": figure.met} for figure in figures]
            for title, figures in tables.items()
        }
        sys.stdout.write(json.dumps(shown, indent=1) + "\n")
    else:
        for title, figures in tables.items():
            rows = [f"== {title}", *(figure.row() for figure in figures), "\n"]
            sys.stdout.write("\n".join(rows))
    met = all(figure.met for figures in tables.values() for figure in figures)
    return 0 if met else 1


def _profile(parties: Parties) -> int:
    parties.warm()
    values = [parties.write(parties.sign()) for _ in range(SAMPLED)]

    def sign() -> None:
        for _ in range(SAMPLED):
            parties.sign()

    def verify() -> None:
        for value in values:
            parties.verify(value)

    for work in (sign, verify):
        sys.stdout.write(f"== {work.__name__}\n")
        for place, share in shares(work):
            sys.stdout.write(f"{share:7.1%}  {place}\n")
    return 0


def _openssl() -> tuple[float, float]:
    """Return openssl's signatures and verifications in a second."""
    done = subprocess.run(
        ["openssl", "speed", "-seconds", "2", "ecdsap256"],
        check=True,
        capture_output=True,
        text=True,
    )
    match = _SPEED.search(done.stdout)
    if match is None:
        raise SystemExit(f"openssl speed says something new:\n{done.stdout}")
    return float(match[1]), float(match[2])


def _bare_signature(_place: int = 0) -> bytes:
    return KEY.sign(_INPUT, ec.ECDSA(hashes.SHA256()))


def _bare_verification(signature: bytes) -> None:
    _PUBLIC.verify(signature, _INPUT, ec.ECDSA(hashes.SHA256()))


_INPUT: Final = b"x" * 400  # as long as the signing input of a token
_PUBLIC: Final = KEY.public_key()


def _rate(function: Callable[[Given], object], arguments: Iterable[Given]) -> float:
    """Call once for each argument; return the calls in a second.

    Nothing that comes back is kept: a pile of it would be the collector's work.
    """
    given = list(arguments)
    start = process_time()
    for argument in given:
        function(argument)
    return len(given) / (process_time() - start)


def _seconds(function: Callable[[], object]) -> float:
    start = process_time()
    function()
    return process_time() - start


def _milliseconds(one: Hostile) -> float:
    data = one.make(SIZE)
    return min(_seconds(lambda: one.refuse(data)) for _ in range(TRIES)) * 1e3


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())

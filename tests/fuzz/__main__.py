"""Every target for some seconds, one after the other; then what they reached.

    python -m tests.fuzz [--seconds N] [TARGET]...

Corpora stay in build/fuzz and grow from run to run. An input that breaks a parser is
left in build/fuzz/TARGET/, and the exit status is 1.
"""

import argparse
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from tests.fuzz.seeds import SEEDS, WORDS, dictionary
from tests.fuzz.targets import TARGETS

FOLDER = Path("build/fuzz")
OCTETS = {"token": 16_384, "header": 16_384, "certificates": 8_192}
"""The longest input, of a token the longest that is read; of all others `USUAL`."""

USUAL = 1_024
INPUT_SECONDS = 5  # of one input, after which it counts as a hang
MEGABYTES = 2048


def fuzz(name: str, seconds: int) -> bool:
    """Run one target; tell whether it went through without a finding."""
    folder = FOLDER / name
    corpus, seeds = folder / "corpus", folder / "seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    rmtree(seeds, ignore_errors=True)
    seeds.mkdir()
    for seed in SEEDS[name]():
        (seeds / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    words = folder / "words.txt"
    words.write_text(dictionary(WORDS[name]))
    _say(f"== {name}: {seconds} s")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.engine", name),
            *(f"-max_total_time={seconds}", f"-max_len={OCTETS.get(name, USUAL)}"),
            *(f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEGABYTES}"),
            *(f"-dict={words}", f"-artifact_prefix={folder}/"),
            *("-print_final_stats=1", "-verbosity=0", str(corpus), str(seeds)),
        ],
        check=False,
    )
    return done.returncode == 0


def main() -> int:
    """Run the targets and say which of them found something."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_args()
    names = arguments.targets or list(TARGETS)
    unknown = set(names) - TARGETS.keys()
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    broken = [name for name in names if not fuzz(name, arguments.seconds)]
    if not broken:
        subprocess.run(
            [sys.executable, "-m", "tests.fuzz.reach", str(FOLDER)], check=True
        )
    for name in broken:
        _say(f"FOUND something: {name}, see {FOLDER / name}/")
    return 1 if broken else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # what the programs write that we start comes in its place


if __name__ == "__main__":
    sys.exit(main())

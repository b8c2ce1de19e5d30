"""How deep inputs reach: the branches of the parsers that a corpus runs through.

    python -m tests.fuzz.reach FOLDER

Each target's inputs are those in FOLDER/TARGET/seeds and FOLDER/TARGET/corpus. Only
what runs Python is seen: not cryptography's DER, nor json's scanner.
"""

import io
import sys
from pathlib import Path

import coverage

MODULES = ("stirmilter.stir", "stirmilter.mail.addresses", "stirmilter.mail.mm4")


def main() -> None:
    """Run all inputs once, and print what they covered."""
    # Nothing of ours may be imported before: the lines of a module's own body count.
    measured = coverage.Coverage(
        config_file=False, data_file=None, branch=True, source=MODULES
    )
    measured.start()
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    folder = Path(sys.argv[1])
    count = octets = 0
    for name, target in TARGETS.items():
        for path in sorted((folder / name).glob("*/*")):
            data = path.read_bytes()
            target(data)
            count, octets = count + 1, octets + len(data)
    measured.stop()
    table = io.StringIO()
    measured.report(file=table, show_missing=True)
    sys.stdout.write(f"{count} inputs, {octets} octets, reach:\n{table.getvalue()}\n")


if __name__ == "__main__":
    main()

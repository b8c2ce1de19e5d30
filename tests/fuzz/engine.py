"""One target under atheris, in a process of its own: libFuzzer ends it.

python -m tests.fuzz.engine TARGET [option of libFuzzer]... [folder]...
"""

import sys
from random import Random

import atheris

# Parsers are instrumented as they are imported; what the tests import is not.
with atheris.instrument_imports(include=["stirmilter"]):
    from tests.fuzz.mutators import MUTATORS
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Hand over to libFuzzer; does not return."""
    name, *options = sys.argv[1:]
    structured = MUTATORS.get(name)

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        assert structured is not None
        chance = Random(seed)  # noqa: S311 - libFuzzer repeats by it
        return structured(data, size, chance, atheris.Mutate)[:size]

    atheris.Setup(
        [sys.argv[0], *options],
        TARGETS[name],
        **({"custom_mutator": mutate} if structured else {}),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()

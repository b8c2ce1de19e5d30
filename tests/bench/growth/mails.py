"""Messages of any size, from any of many numbers, to as many as one likes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from tests.bench.load import corpus
from tests.bench.load.messages import Mail
from tests.bench.load.plant import Plant

PREFIX: Final = "1202"
NUMBERS: Final = 10**7
"""All numbers that begin so."""


def sent(
    size: int, count: int, *, recipients: int = 1, numbers: int = 0
) -> Iterator[Mail]:
    """Make messages that are to be signed.

    Args:
        size: octets of the body.
        count: how many.
        recipients: of each; all of them stand in To.
        numbers: of so many, spread over all, each originator is one; 0 leaves it.
    """
    chosen = random.Random(numbers)  # noqa: S311
    for number, mail in enumerate(corpus.sent(size, count)):
        made = mail
        if recipients > 1:
            made = _to(made, recipients, number)
        if numbers:
            made = _from(made, spread(numbers)[chosen.randrange(numbers)])
        yield made


def received(
    size: int, count: int, plant: Plant, *, recipients: int = 1
) -> Iterator[Mail]:
    """Make the same, signed with a PASSporT and DKIM by somebody else."""
    return corpus.signed(sent(size, count, recipients=recipients), plant.sender)


def spread(numbers: int) -> range:
    """Return so many of all numbers with `PREFIX`, as far apart as can be."""
    return range(0, NUMBERS, NUMBERS // numbers)


def _to(mail: Mail, recipients: int, number: int) -> Mail:
    first = number * recipients
    paths = tuple(
        b"<+1312%07d/TYPE=PLMN@two.example>" % ((first + n) % NUMBERS)
        for n in range(recipients)
    )
    shown = b",\n ".join(path.strip(b"<>") for path in paths)
    return replace(_with(mail, b"To", b" " + shown), recipients=paths)


def _from(mail: Mail, last: int) -> Mail:
    address = b"+%b%07d/TYPE=PLMN@%b" % (
        PREFIX.encode(),
        last,
        corpus.DOMAIN.encode(),
    )
    return replace(_with(mail, b"From", b" " + address), sender=b"<%b>" % address)


def _with(mail: Mail, name: bytes, value: bytes) -> Mail:
    fields: Sequence[tuple[bytes, bytes]] = [
        (one, value if one == name else text) for one, text in mail.fields
    ]
    return replace(mail, fields=fields)

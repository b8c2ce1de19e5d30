"""The fuzzing harness, alive without a fuzzer: seeds, mutations, and what once broke.

`make fuzz` runs the same targets with atheris behind them.
"""

from dataclasses import replace
from random import Random
from typing import NoReturn

import pytest

from stirmilter.mail import addresses
from stirmilter.stir import credential, identity, passport
from stirmilter.stir.tnauthlist import TNAuthList
from tests.fuzz.mutators import MUTATORS
from tests.fuzz.seeds import SEEDS, WORDS, dictionary
from tests.fuzz.targets import TARGETS
from tests.stir import der
from tests.stir.tokens import forge, seal

SIZE = 4096
MUTATIONS = 20
"""Of each seed: enough to run through every mutation of a parser, in a second."""

ODD = {
    "token": (
        b"",
        b"..",
        b"e30.e30.",
        b"\xff.\xff.\xff",
        forge(payload={"dest": {"uri": ["\ud800:"]}}).encode(),
        forge(payload={"iat": 253_402_300_799}).encode(),
        seal(b"\xef\xbb\xbf{}", b"{}").encode(),
        seal(b"[" * 4000, b"{}").encode(),
        seal(b'{"ppt":"msg","x":' + b"9" * 5000 + b"}", b"{}").encode(),
    ),
    "header": (
        b";",
        b'a;b="',
        b'a;b="\\',
        b"a;info=<;info=>",
        forge().encode() + b';x="\r\n \xff"',
        forge().encode() + b";\xc4\xb0=1",  # a letter whose lower case is two
    ),
    "tnauthlist": (
        b"",
        der.sequence(),
        der.sequence(der.block("1", 1 << 40_000)),
        der.sequence(der.one("1"), der.one("1")),
        der.sequence(der.block("009", 2), der.block("010", 2), der.block("10", 2)),
        der.constraints([]),
        der.constraints(exclude=["iat"]),
    ),
    "addresses": (
        "+\u0661\u0662".encode(),
        b"+12025550123/TYPE=PLMN\x00",
        b"(" * 5000 + b"+1" + b")" * 5000,
        b'"\\',
        b"Date: 1 Jan 0001 00:00 +2359\nX-Mms-Expiry: 1",
        b"Date: Mon, 1 Jan 9999 00:00:00 GMT\nX-Mms-Expiry: 999999999999",
        b"From: a@b\nFrom: +1\nX-Mms-Expiry: " + b"9" * 5000,
        b"sip:%2B12@a",
    ),
    "certificates": (
        b"",
        b"-----BEGIN CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"0\x84\xff\xff\xff\xff",
    ),
}
"""Inputs of kinds that have broken parsers, here or elsewhere."""


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_odd_inputs_keep_the_promises(name: str) -> None:
    for data in (*SEEDS[name](), *ODD[name]):
        TARGETS[name](data)


@pytest.mark.parametrize("name", MUTATORS)
def test_mutations_of_seeds_keep_the_promises(name: str) -> None:
    for seed in SEEDS[name]():
        data = seed
        for place in range(MUTATIONS):
            chance = Random(place)  # noqa: S311 - the same each time
            data = MUTATORS[name](data, SIZE, chance, _flip)[:SIZE]
            TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_words_are_there(name: str) -> None:
    seeds = list(SEEDS[name]())
    assert len(seeds) > 5
    assert all(seeds)
    assert len(dictionary(WORDS[name]).splitlines()) == len(WORDS[name])


BREAKABLE: dict[str, tuple[object, str]] = {
    "token": (passport, "parse"),
    "header": (identity, "parse"),
    "tnauthlist": (TNAuthList, "decode"),
    "addresses": (addresses, "parse"),
    "certificates": (credential, "load_chain"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_lets_nothing_but_unverified_through(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, function = BREAKABLE[name]
    monkeypatch.setattr(owner, function, _broken)
    with pytest.raises(ZeroDivisionError):
        TARGETS[name](next(iter(SEEDS[name]())))


def test_a_second_spelling_of_a_token_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed = passport.parse(forge())
    # 64 octets leave four bits of the last character over.
    last = "B" if parsed.text[-1] == "A" else chr(ord(parsed.text[-1]) + 1)
    lenient = replace(parsed, text=parsed.text[:-1] + last)
    monkeypatch.setattr(passport, "parse", lambda _text: lenient)
    with pytest.raises(AssertionError):
        TARGETS["token"](lenient.text.encode())


def _flip(data: bytes, size: int) -> bytes:
    """Stand in for libFuzzer: change one octet, or insert one, by what is there."""
    place = sum(data) % (len(data) + 1)
    changed = bytes([(len(data) * 7 + place) % 256])
    return (data[:place] + changed + data[place + len(data) % 2 :])[:size]


def _broken(*_args: object) -> NoReturn:
    raise ZeroDivisionError

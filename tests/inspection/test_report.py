"""The report itself: what people see, and what programs are given."""

import json

import pytest

from stirmilter.inspection import Report
from tests.inspection.reports import explain, facts, message_token, shaken
from tests.stir import der
from tests.stir.certificates import issue, leaf, pem, tn_auth_list
from tests.stir.pki import MIDDLE, ROOT

ESCAPES = "\x1b[2J\x1b]0;pwn\x07\x9b31m\u202e\t\r\n"


def numbers(count: int) -> Report:
    """Explain a certificate with `count` numbers, not one beside another."""
    entries = [der.one(f"1202{position:07d}") for position in range(0, 2 * count, 2)]
    return explain(pem(leaf(MIDDLE, tn_auth_list(*entries))))


def test_people_are_given_a_word_a_tab_and_the_rest() -> None:
    report = Report("a thing")
    report.fact("name", "value")
    report.problem("it is broken", "RFC 8225 §9")
    report.problem("and lost")

    assert list(report.lines()) == [
        "this is\ta thing",
        "name\tvalue",
        "problem\tit is broken\tRFC 8225 section 9",
        "problem\tand lost",
    ]


def test_programs_are_given_pairs_and_problems_with_rules() -> None:
    report = Report("a thing")
    report.fact("name", 1)
    report.fact("name", 2)
    report.problem("it is broken", "RFC 8225 §9")

    assert report.as_json() == {
        "kind": "a thing",
        "facts": [["name", "1"], ["name", "2"]],
        "problems": [{"text": "it is broken", "rule": "RFC 8225 §9"}],
    }


def test_a_problem_is_told_once() -> None:
    report = Report("a thing")

    for _ in range(2):
        report.problem("it is broken", "RFC 8225 §9")

    assert len(report.problems) == 1


@pytest.mark.parametrize(
    ("count", "shown", "more"),
    [
        pytest.param(8, 8, None, id="a short list is shown in full"),
        pytest.param(9, 3, "and 6 more, 9 in all: see --json", id="a longer one not"),
        pytest.param(
            5000, 3, "and 4997 more, 5000 in all: see --json", id="nor five thousand"
        ),
    ],
)
def test_people_are_shown_the_first_of_a_long_list(
    count: int, shown: int, more: str | None
) -> None:
    lines = [
        line.partition("\t")[2]
        for line in numbers(count).lines()
        if line.startswith("speaks for\t")
    ]

    assert lines[:3] == ["+12020000000", "+12020000002", "+12020000004"]
    assert lines[shown:] == ([more] if more else [])
    assert len(lines) == shown + bool(more)


def test_programs_are_given_the_whole_list() -> None:
    report = numbers(5000)

    assert len(facts(report, "speaks for")) == 5000
    assert len(report.as_json()["facts"]) > 5000


def test_people_are_shown_the_beginning_of_a_long_value() -> None:
    report = explain(message_token(other="x" * 1000))

    [line] = [line for line in report.lines() if line.startswith("claim other")]

    assert len(line) < 450
    assert line.endswith("...")
    assert facts(report, "claim other") == ["x" * 1000]


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(message_token(other=ESCAPES), id="claim"),
        pytest.param(message_token(**{ESCAPES: 1}), id="name of a claim"),
        pytest.param(shaken(attest=ESCAPES), id="attestation"),
        pytest.param(message_token(dest={ESCAPES: ["1"]}), id="kind of identity"),
        pytest.param(f'{message_token()};a="{ESCAPES}"', id="parameter"),
        pytest.param(pem(issue(ESCAPES[:5], ROOT)), id="name in a certificate"),
        pytest.param(f"X-Mms-Message-Type: {ESCAPES}\nFrom: \x1b\n\n", id="header"),
        pytest.param(f"\x1b: {ESCAPES}", id="nothing known"),
        pytest.param(b"From: \xff\xfe\n\n\xff", id="octets that are no text"),
    ],
)
def test_no_escape_of_a_stranger_reaches_the_terminal(thing: str | bytes) -> None:
    report = explain(thing)

    lines = list(report.lines())
    assert all(line.isascii() for line in lines)
    assert all(line.replace("\t", "").isprintable() for line in lines)
    assert json.dumps(report.as_json())

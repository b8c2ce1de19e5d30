"""Fields with tokens: which ones they are, how many, and with what around them."""

import pytest

from tests.inspection.reports import (
    explain,
    facts,
    field,
    mail,
    message_token,
    problems,
    shaken,
)

COMPACT = "..c2lnbmF0dXJl"


@pytest.mark.parametrize("name", ["PASSporT", "Identity", "passport"])
def test_a_field_is_known_by_its_name(name: str) -> None:
    report = explain(field(COMPACT, name))

    assert report.kind == "a header field"


def test_a_field_of_another_name_is_known_by_its_token() -> None:
    head = field(message_token(), "X-Passport") + field(COMPACT, "X-Other")

    report = explain(mail(head=head))

    assert facts(report, "tokens") == ["1"]


@pytest.mark.parametrize(
    "name", ["From", "To", "Date", "Subject", "Message-ID", "X-Mms-Message-Type"]
)
def test_a_message_is_known_by_a_field(name: str) -> None:
    assert explain(f"{name}: x\n\n").kind == "a message"


def test_a_token_with_a_body_is_a_message() -> None:
    report = explain(field(message_token()) + "\nHello Bob\n")

    assert report.kind == "a message"
    assert facts(report, "msgi matches the body") == ["exact"]


def test_as_many_tokens_as_a_verifier_judges_are_explained() -> None:
    report = explain(mail(*[message_token()] * 8))

    assert len(facts(report, "token")) == 8
    assert report.problems == []


def test_more_tokens_than_a_verifier_judges_are_counted_only() -> None:
    report = explain(mail(*[message_token()] * 9))

    assert len(facts(report, "token")) == 8
    assert problems(report) == [
        ("too-many-passports: 9 fields with tokens, at most 8", "profile §1")
    ]


def test_fields_alone_are_not_held_against_a_message() -> None:
    report = explain(field(message_token()) + field(shaken(), "Identity"))

    assert report.kind == "header fields"
    assert facts(report, "originator") == []
    assert [text for text, _ in problems(report)] == [
        "token 2: unsupported-ppt: ppt shaken: set aside in a message"
    ]

"""What may be said with an action: registered codes, and text that breaks nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.policy import actions
from stirmilter.mail.policy.actions import Action, Measure, Tag
from stirmilter.mail.policy.rules import VALUES


@pytest.mark.conformance("E-16")
@pytest.mark.parametrize(
    ("code", "registered"),
    [
        ("5.7.1", True),
        ("5.7.26", True),
        ("5.7.30", True),
        ("4.7.0", True),
        ("5.1.10", True),
        ("5.7.31", False),
        ("5.7.01", False),
        ("5.8.1", False),
        ("2.0.0", False),
        ("5.7", False),
        ("5.7.1 ", False),
        ("5.7.1\n", False),
        ("5.7.\u0661", False),
    ],
)
def test_enhanced_codes_are_those_of_the_registry(code: str, registered: bool) -> None:
    assert actions.is_registered(code) is registered


@pytest.mark.conformance("E-16")
@pytest.mark.parametrize(
    ("action", "said", "problem"),
    [
        ("reject", {"code": "451"}, "code: expected one of 550, 552, 554"),
        ("reject", {"code": "250"}, "code: expected one of"),
        ("reject", {"code": "5500"}, "code: expected one of"),
        ("tempfail", {"code": "421"}, "code: expected one of 450, 451, 452"),
        ("reject", {"enhanced": "4.7.1"}, "enhanced: expected a registered code 5"),
        ("tempfail", {"enhanced": "5.7.1"}, "enhanced: expected a registered code 4"),
        ("reject", {"enhanced": "5.7.99"}, "enhanced: expected"),
        ("reject", {"text": ""}, "text: expected"),
        ("reject", {"text": "a\r\nb"}, "text: expected"),
        ("reject", {"text": "a\nb"}, "text: expected"),
        ("reject", {"text": "caf\xe9"}, "text: expected"),
        ("reject", {"text": "100%"}, "text: expected"),
        ("reject", {"text": "x" * 401}, "text: expected"),
        ("accept", {"code": "550"}, "code: only with tempfail or reject"),
        ("tag", {"text": "x"}, "text: only with tempfail or reject"),
        ("reject", {"tag": Tag()}, "header: only with tag or quarantine"),
    ],
)
def test_a_reply_that_no_mta_should_be_given_is_refused(
    action: Action, said: dict[str, str], problem: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        Measure(action=action, **said)  # type: ignore[arg-type]


def test_the_longest_text_is_taken() -> None:
    assert Measure(action="reject", text="x" * 400).text == "x" * 400


@pytest.mark.parametrize(
    "value",
    [
        "",
        " x",
        "x ",
        "a\nb",
        "a\x00b",
        "\u00e4",
        "{from}",
        "{verdict",
        "verdict}",
        "{}",
        "{verdict.x}",
        "{{verdict}}",
        "x" * 201,
    ],
)
def test_a_tag_that_would_break_the_header_or_that_nobody_fills_is_refused(
    value: str,
) -> None:
    with pytest.raises(ValueError, match="expected"):
        Tag("X-Tag", value)


def test_a_tag_is_filled_wherever_a_word_stands() -> None:
    tag = Tag("X-Tag", "{rule}/{verdict}/{reason}/{rule}")

    assert tag.fill("failed", "stale", "r1") == ("X-Tag", "r1/failed/stale/r1")


@given(
    st.text("{}verdict reason\n\r\x00ab", min_size=1, max_size=30),
    st.sampled_from(sorted(VALUES["verdict"])),
    st.sampled_from(sorted(VALUES["reason"])),
)
def test_no_tag_that_is_taken_can_break_a_line(
    value: str, verdict: str, reason: str
) -> None:
    try:
        tag = Tag("X-Tag", value)
    except ValueError:
        return

    assert tag.fill(verdict, reason, "ladder:x").value.isprintable()

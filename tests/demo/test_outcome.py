"""What the demonstration reads out of what arrived, and out of the journal."""

from pathlib import Path

import pytest

from stirmilter.demo import outcome
from stirmilter.demo.operators import TWO
from stirmilter.demo.outcome import Seen

OURS = (
    f"{TWO}; stir=pass reason=verified policy.verdict=authenticated",
    f"{TWO}; spf=fail; dkim=fail; dkim=pass; dmarc=none; arc=none",
)
SEEN = Seen(
    verdict="authenticated",
    stir="verified",
    spf="fail",
    dkim="pass",
    dmarc="none",
    action="accept",
    body="intact",
)


def message(*results: str, more: str = "", body: str = "Hello\r\n") -> bytes:
    fields = "".join(f"Authentication-Results: {one}\r\n" for one in results)
    return f"{fields}{more}Subject: x\r\n\r\n{body}".encode()


def test_both_fields_are_read_and_one_signature_that_passes_is_enough() -> None:
    assert outcome.received(message(*OURS), message()) == SEEN


def test_a_tag_and_another_body_are_seen() -> None:
    octets = message(*OURS, more="X-Stirmilter: failed\r\n")

    seen = outcome.received(octets, message(body="Hullo\r\n"))

    assert (seen.action, seen.body) == ("tag", "changed")


@pytest.mark.parametrize(
    ("results", "told"),
    [
        pytest.param((), "0 result fields", id="past-the-filter"),
        pytest.param(OURS[:1], "1 result fields", id="one-is-missing"),
        pytest.param((*OURS, ";"), "3 result fields", id="forged-and-malformed"),
        pytest.param((*OURS, OURS[0]), "3 result fields", id="forged"),
        pytest.param((OURS[1], OURS[1]), "2 result fields", id="none-of-stir"),
        pytest.param(
            ("mms.one.example; stir=pass", OURS[1]),
            "2 result fields",
            id="another-name",
        ),
    ],
)
def test_anything_but_our_two_fields_is_no_outcome(
    results: tuple[str, ...], told: str
) -> None:
    assert outcome.received(message(*results), message()) == Seen(verdict=told)


def test_what_is_not_in_the_journal_either_is_no_outcome(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(outcome, "_SECONDS", 0.1)

    seen = outcome.refused(tmp_path / "none.sqlite", "<lost@mms.one.example>")

    assert seen == Seen(verdict="not in the journal")

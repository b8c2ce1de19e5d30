"""Every reason that a line of the log may hold has its line of advice."""

import ast
from pathlib import Path

import stirmilter
from stirmilter.mail import advice
from stirmilter.stir.result import Reason

PACKAGE = Path(stirmilter.__file__).parent


def codes_of_signing_errors() -> set[str]:
    """The first argument of every SigningError that is raised anywhere."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "SigningError"
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(str(node.args[0].value))
    return found


def test_every_reason_of_a_verdict_is_explained() -> None:
    assert {reason.code for reason in Reason} <= advice.INCOMING.keys()


def test_every_reason_not_to_sign_is_explained() -> None:
    of_dkim = {"no-from", "too-many-fields"}  # beside the message's own reason
    never_told = {"not-diverted"}
    raised = codes_of_signing_errors() - of_dkim - never_told

    assert len(raised) > 15
    assert raised <= advice.OUTGOING.keys()


def test_an_unknown_reason_has_no_line() -> None:
    assert advice.of("in", "of-a-later-version") == ""
    assert advice.of("out", "signed") != advice.of("in", "signed")


def test_a_line_is_one_line_of_plain_text() -> None:
    for text in (*advice.INCOMING.values(), *advice.OUTGOING.values()):
        assert text.isascii()
        assert text.isprintable()
        assert not text.endswith(".")

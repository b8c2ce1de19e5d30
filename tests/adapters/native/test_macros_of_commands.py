"""Macros, which an MTA defines for the command that follows."""

import pytest

from stirmilter.adapters.native.codec import ProtocolError
from tests.adapters.native.talks import (
    CONNECT,
    HEADER,
    MAIL,
    MESSAGE,
    RCPT,
    Talk,
    defined,
    greeted,
    offer,
)
from tests.adapters.sessions import frame


def test_macros_are_those_of_the_command_that_defined_them_last() -> None:
    talk = Talk()
    talk.say(offer() + defined(b"C", v="Postfix", j="one") + CONNECT)
    talk.say(defined(b"M", j="two") + MAIL)
    macro = talk.conversation.macro

    assert [macro(name) for name in ("v", "j", "i", "{j}")] == [
        "Postfix",
        "two",
        None,
        None,
    ]
    talk.say(defined(b"R", i="three") + RCPT)
    assert macro("i") == "three"


def test_a_macro_may_stand_in_braces_where_it_needs_none() -> None:
    talk = Talk()
    talk.say(offer() + defined(b"C", **{"{v}": "Postfix"}) + CONNECT)

    assert talk.conversation.macro("v") == "Postfix"


def test_macros_of_commands_that_we_know_nothing_of_are_passed_over() -> None:
    talk = greeted()

    talk.say(defined(b"U", i="x") + defined(b"B", i="y"))

    assert talk.conversation.macro("i") is None


def test_between_header_fields_only_their_macros_are_passed_over() -> None:
    talk = greeted()
    fields = (defined(b"L", i="x") + HEADER) * 2

    talk.say(MAIL + RCPT + fields + defined(b"N", j="y"))

    assert [talk.conversation.macro(name) for name in ("i", "j")] == [None, "y"]


def test_macros_of_no_command_are_refused_between_header_fields() -> None:
    talk = greeted()
    talk.say(MAIL + RCPT + HEADER)

    with pytest.raises(ProtocolError, match="macros of no command"):
        talk.say(frame(b"D"))


@pytest.mark.parametrize("end", [MESSAGE, MAIL + frame(b"A"), frame(b"H", b"x\0")])
def test_a_message_inherits_no_macro_of_the_one_before(end: bytes) -> None:
    """A login, say: libmilter keeps it until another one is defined."""
    talk = greeted()
    talk.say(defined(b"M", **{"{auth_authen}": "mmsc"}) + end)

    talk.say(MAIL)

    assert talk.conversation.session.connection.login == ""

"""One connection without a socket: octets in, octets out."""

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stirmilter.adapters.draft import Bounds
from stirmilter.adapters.native import codec
from stirmilter.adapters.native.codec import ProtocolError
from stirmilter.events import Handled
from stirmilter.mail.transaction import Decision, Insertion, Removal, Submission
from tests.adapters.native.talks import (
    CONNECT,
    END,
    END_OF_HEADER,
    HEADER,
    LONGEST,
    MAIL,
    MESSAGE,
    RCPT,
    Talk,
    defined,
    greeted,
    offer,
)
from tests.adapters.sessions import frame

EVENT = Handled("in", "failed", "stale", rule="r")


@settings(max_examples=30)
@given(st.data())
def test_octets_may_be_cut_anywhere(data: st.DataObject) -> None:
    octets = offer() + CONNECT + MESSAGE + MAIL + frame(b"A") + MESSAGE
    talk = Talk()

    answered = b""
    while octets:
        cut = data.draw(st.integers(1, min(60, len(octets))))
        answered += talk.say(octets[:cut])
        octets = octets[cut:]

    assert answered == Talk().say(offer()) + codec.CONTINUE * 2
    for asked in talk.filter.asked:
        assert (asked.sender, asked.recipients) == (
            "<a@one.example>",
            ("<b@two.example>",),
        )
        assert [tuple(h) for h in asked.headers] == [("From", b" a@one.example")]
        assert asked.body.length == 7


def test_fields_are_those_of_their_message_and_in_order() -> None:
    """They are passed on together, whatever stands between them."""
    talk = greeted()
    other = frame(b"L", b"To\0 b@two.example\0")
    rest = END_OF_HEADER + END

    talk.say(MAIL + RCPT + HEADER + frame(b"A"))
    talk.say(MAIL + RCPT + other + defined(b"L", i="1") + HEADER + rest)
    talk.say(MAIL + RCPT + HEADER)
    talk.say(other + rest)

    assert [[field.name for field in one.headers] for one in talk.filter.asked] == [
        ["To", "From"],
        ["From", "To"],
    ]


def test_fields_are_counted_while_more_may_come() -> None:
    talk = greeted()
    talk.say(MAIL + RCPT)

    talk.say(HEADER * Bounds().headers)
    assert talk.conversation.session.draft.refusal is None
    talk.say(HEADER)

    refusal = talk.conversation.session.draft.refusal
    assert refusal is not None
    assert refusal.reason == "header-too-large"


@pytest.mark.parametrize("command", [MAIL, RCPT, HEADER, END_OF_HEADER])
def test_an_mta_that_waits_for_answers_gets_one_for_each_command(
    command: bytes,
) -> None:
    talk = Talk()
    talk.say(offer(steps=0))
    assert talk.say(CONNECT) == codec.CONTINUE

    before = (MAIL + RCPT + HEADER + END_OF_HEADER).partition(command)[0]
    talk.say(before)

    assert talk.say(command) == codec.CONTINUE


def test_what_nobody_asked_for_is_answered_and_not_looked_at() -> None:
    talk = greeted(steps=0)

    assert talk.say(frame(b"U", b"NOOP\0")) == codec.CONTINUE
    assert talk.say(MAIL + RCPT + frame(b"T")) == codec.CONTINUE * 3


def test_the_last_of_a_body_may_come_with_its_end() -> None:
    """Of a milter that answers no piece of a body, libmilter then answers no end."""
    talk = greeted()

    talk.say(MAIL + RCPT + HEADER + END_OF_HEADER + frame(b"B", b"one"))
    talk.say(frame(b"E", b"two"))

    assert talk.filter.asked[0].body.length == 6


def test_a_body_may_be_empty_and_so_may_its_pieces() -> None:
    talk = greeted()

    assert talk.say(MAIL + RCPT + END_OF_HEADER + frame(b"B") + END) == codec.CONTINUE


@pytest.mark.parametrize(
    "commands",
    [
        frame(b"Z"),
        frame(b"\0"),
        offer(),
        CONNECT,
        RCPT,
        HEADER,
        END_OF_HEADER,
        END,
        MAIL + HEADER,
        MAIL + RCPT + END,
        MAIL + RCPT + frame(b"B", b"x"),
        MAIL + RCPT + END_OF_HEADER + HEADER,
        MAIL + RCPT + END_OF_HEADER + RCPT,
        frame(b"D"),
        frame(b"D", b"Ci"),
        frame(b"D", b"Ci\0"),
        frame(b"M", b"<a@one.example>"),
        frame(b"H"),
        b"\0\0\0\0",
        struct.pack("!I", LONGEST + 1),
        struct.pack("!I", 0xFFFFFFFF),
    ],
)
def test_what_is_no_milter_protocol_ends_the_connection(commands: bytes) -> None:
    talk = greeted()

    with pytest.raises(ProtocolError):
        talk.say(commands)


@pytest.mark.parametrize("first", [MAIL, CONNECT, frame(b"A"), frame(b"D", b"C")])
def test_nothing_comes_before_an_offer(first: bytes) -> None:
    with pytest.raises(ProtocolError):
        Talk().say(first)


def test_the_longest_frame_is_still_one() -> None:
    talk = greeted()
    value = b"x" * (LONGEST - 1 - len("X\0\0"))

    talk.say(MAIL + RCPT + frame(b"L", b"X\0" + value + b"\0") + END_OF_HEADER + END)

    assert talk.filter.asked[0].headers[0].value == value


@pytest.mark.parametrize("between", [b"", frame(b"A"), frame(b"H", b"again\0")])
def test_a_message_may_be_given_up_anywhere(between: bytes) -> None:
    talk = greeted()

    for before in (b"", MAIL, MAIL + RCPT, MAIL + RCPT + HEADER + END_OF_HEADER):
        assert talk.say(before + between + MESSAGE) == codec.CONTINUE

    assert len(talk.filter.asked) == 4
    assert {asked.recipients for asked in talk.filter.asked} == {("<b@two.example>",)}


FRAMES = st.builds(
    frame,
    st.sampled_from([bytes([kind]) for kind in b"OCDHMRTLNBEAUQKZ"]),
    st.binary(max_size=40)
    | st.sampled_from([b"Ci\0x\0", b"x\0", b"X\0y\0", b"x\x004\0\x19192.0.2.1\0"]),
)


@given(st.lists(FRAMES | st.binary(max_size=12), max_size=30), st.booleans())
def test_strangers_meet_no_other_error(said: list[bytes], greeting: bool) -> None:
    talk = greeted() if greeting else Talk()

    with suppress(ProtocolError):
        talk.say(b"".join(said))

    assert len(talk.ledger.failed) == 0
    talk.conversation.close()
    assert talk.service.sessions.count == 0
    assert talk.service.held.take(talk.service.bounds.held_octets), "all given back"


def test_a_session_may_end_and_another_one_begin_on_the_connection() -> None:
    talk = greeted()
    talk.say(defined(b"H", **{"{cert_subject}": "one"}) + frame(b"H", b"one\0"))
    before = talk.conversation.session

    talk.say(frame(b"K") + CONNECT + MESSAGE)

    now = talk.conversation.session
    assert now is not before
    assert talk.conversation.macro("{cert_subject}") is None
    assert now.connection.helo == ""
    assert talk.conversation.leading_space
    assert talk.service.sessions.count == 1


def test_good_bye_is_the_last_word() -> None:
    talk = greeted()

    talk.say(frame(b"Q") + MESSAGE)

    assert talk.conversation.ended
    assert talk.filter.asked == []


def test_edits_are_written_in_order_and_above_the_verdict() -> None:
    talk = greeted(
        Decision(
            event=EVENT,
            action="quarantine",
            remove=(Removal("X", 1), Removal("X", 2)),
            insert=(Insertion("A", "1"), Insertion("B", "2")),
        )
    )

    assert talk.say(MESSAGE) == (
        codec.remove_header("X", 2)
        + codec.remove_header("X", 1)
        + codec.insert_header("B", " 2")
        + codec.insert_header("A", " 1")
        + codec.quarantine("stirmilter: r")
        + codec.CONTINUE
    )


@pytest.mark.parametrize(
    ("action", "code", "written"),
    [
        ("reject", "550", codec.reply("550", "5.7.1", "no")),
        ("tempfail", "451", codec.reply("451", "4.7.1", "no")),
        ("tempfail", "550", codec.TEMPFAIL),
        ("reject", "451", codec.REJECT),
    ],
)
def test_a_refusal_is_said_with_its_reply_if_that_is_one(
    action: Any,  # noqa: ANN401 - one of two words
    code: str,
    written: bytes,
) -> None:
    reply = (code, f"{code[0]}.7.1", "no")
    talk = greeted(Decision(event=EVENT, action=action, reply=reply))

    assert talk.say(MESSAGE) == written


def test_of_what_fails_half_way_nothing_is_written() -> None:
    """libmilter has sent the first edits by then."""
    talk = greeted(
        Decision(event=EVENT, insert=(Insertion("A", "x\ny"), Insertion("B", "2")))
    )

    assert talk.say(MESSAGE) == codec.reply(
        "451", "4.3.0", "internal error, try again later"
    )
    [(_, error)] = talk.ledger.failed
    assert type(error) is ValueError
    talk.filter.decision = Decision(event=EVENT)
    assert talk.say(MESSAGE) == codec.CONTINUE


@pytest.mark.parametrize(
    ("actions", "decision"),
    [
        (codec.ADD_HEADERS, Decision(event=EVENT, remove=(Removal("X", 1),))),
        (codec.CHANGE_HEADERS, Decision(event=EVENT, insert=(Insertion("X", "1"),))),
        (0, Decision(event=EVENT, remove=(Removal("X", 1),))),
    ],
)
def test_what_the_mta_does_not_let_us_do_is_not_passed_over(
    actions: int, decision: Decision
) -> None:
    """Sendmail ignores such an edit: a forged result would reach the reader."""
    talk = greeted(decision, actions=actions)

    assert talk.say(MESSAGE) == codec.reply(
        "451", "4.3.0", "internal error, try again later"
    )
    [(_, error)] = talk.ledger.failed
    assert type(error) is PermissionError


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.0\r\n", b"\x16\x03\x01\x02\x00\x01", b"EHLO x\r\n", b"\0" * 4],
)
def test_of_a_stranger_no_length_is_told(octets: bytes) -> None:
    with pytest.raises(ProtocolError, match="what came first is no offer"):
        Talk().say(octets)


@pytest.mark.parametrize(
    "decision",
    [
        Decision(event=EVENT, insert=(Insertion("A", "1"),)),
        Decision(
            event=EVENT,
            action="reject",
            reply=("550", "5.7.26", "no"),
            answer=Submission("system@one.example", b"RES"),
        ),
    ],
    ids=["inserted", "rejected"],
)
def test_of_an_mta_that_has_left_nothing_is_told_as_done(decision: Decision) -> None:
    """Nor is the MMSC told that a message was rejected, which will come again."""
    talk = greeted(decision)
    talk.conversation.gone = True

    talk.say(MESSAGE)

    assert [event.reason for event in talk.ledger.handled] == ["internal-error"]
    assert talk.submitted == []


@pytest.mark.parametrize(
    "spoil", [lambda t: setattr(t.conversation.session.draft, "readers", (None,))]
)
def test_an_error_in_a_command_is_answered_at_the_end(
    spoil: Callable[[Talk], None],
) -> None:
    talk = greeted()
    talk.say(MAIL + RCPT + END_OF_HEADER)
    spoil(talk)

    assert talk.say(frame(b"B", b"x") + END).startswith(
        codec.reply("451", "4.3.0", "internal error, try again later")
    )
    assert talk.say(MESSAGE) == codec.CONTINUE

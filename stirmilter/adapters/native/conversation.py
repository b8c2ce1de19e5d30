"""One connection's side of the protocol: octets in, octets out, no socket.

A conversation is the channel of its session. It understands one command after another
until a message is complete; what waits then is for whoever has the socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from stirmilter.adapters.ending import Answer, Steps
from stirmilter.adapters.native import codec
from stirmilter.adapters.native.codec import ProtocolError
from stirmilter.adapters.service import Service
from stirmilter.adapters.session import MACROS, Session

# What was last, as bits: a command may follow some of them. Others libmilter ignores,
# without an answer, and the MTA waits for one for ever; we hang up.
_START, _AGREED, _IDLE, _MAIL, _RCPT, _HEADER, _BODY = (1 << n for n in range(7))
_MESSAGE: Final = _MAIL | _RCPT | _HEADER | _BODY
_SESSION: Final = _IDLE | _MESSAGE

_SCOPES: Final = b"CHMRTNE"
"""Commands that macros are defined for, in the order in which they come."""

_LATEST_FIRST: Final = range(len(_SCOPES) - 1, -1, -1)
_begin_of: Final = codec.BEGIN.unpack_from
_BEGIN: Final = codec.BEGIN.size
_GREETING: Final = b"OQ"
_OF_FIELDS: Final = b"LD"
"""Commands that header fields come with, one after another."""

_DEFINE: Final = ord("D")
_FIELD: Final = ord("L")
_OF_HELO: Final = _SCOPES.index(b"H")
_OF_MAIL: Final = _SCOPES.index(b"M")
_OF_RCPT: Final = _SCOPES.index(b"R")
_OF_DATA: Final = _SCOPES.index(b"T")
_PLAIN: Final[dict[Answer, bytes]] = {
    "continue": codec.CONTINUE,
    "reject": codec.REJECT,
    "tempfail": codec.TEMPFAIL,
}


class Conversation:
    """What the MTA says on one connection, and what we answer."""

    def __init__(
        self, service: Service, frame_octets: int, *, greets: bool = False
    ) -> None:
        """Take what all sessions share, and how long a frame may be.

        One that only `greets` negotiates, and takes its leave when more is said.
        """
        self.out = bytearray()
        """What is to be sent."""

        self.ended = False
        """Whether the MTA has taken its leave."""

        self.refused = False
        """Whether more was said to one that only greets."""

        self.gone = False
        """Whether it has left without; set by whoever has the socket."""

        self.steps: Steps | None = None
        """Those that answer the message that is complete."""

        self.session = Session(service, self)
        self._service = service
        self._longest = frame_octets
        self._greets = greets
        self._state = _START
        self._agreed = codec.Options(0, 0, 0)
        self._macros: list[bytes | dict[str, str]] = [b""] * len(_SCOPES)
        self._fields: list[tuple[str, bytes]] = []
        self._edits: list[bytes] = []
        self._reply: tuple[Answer, bytes] | None = None

    def receive(self, octets: memoryview) -> int:
        """Take in what came, and return how many octets that was.

        Stops after a message that is complete: its `steps` are then to be taken, and
        `finish` to be called, before the rest is given again.

        Raises:
            ProtocolError: this is no milter protocol; nothing more can be read.
        """
        position, end = 0, len(octets)
        length: int
        while end - position >= _BEGIN:
            length, kind = _begin_of(octets, position)
            if not 0 < length <= self._longest:
                break
            begin = position + _BEGIN
            after = begin + length - 1
            if after > end:
                break
            if (
                kind == _DEFINE
                and self._state == _HEADER
                and begin < after
                and octets[begin] == _FIELD
            ):  # Postfix repeats them with each header field
                position = after
                continue
            # A copy: the memory is used again, and who hashes would copy it anyway.
            self._take(kind, octets[begin:after].tobytes())
            position = after
            if self.steps is not None or self.ended:
                return position
        self._pass_fields()
        if end - position >= codec.LENGTH.size:
            [length] = codec.LENGTH.unpack_from(octets, position)
            if not 0 < length <= self._longest:
                if self._state == _START:  # a browser, say: that is no length at all
                    raise ProtocolError("what came first is no offer")
                raise ProtocolError(f"a frame of {length} octets")
        return position

    def finish(self, answer: Answer) -> None:
        """Answer the message; what was to be changed counts only if it is let pass."""
        self.steps = None
        self._forget(_OF_MAIL)
        verdict = _PLAIN[answer]
        if answer == "continue":
            self.out += b"".join(self._edits)
        elif self._reply is not None and self._reply[0] == answer:
            verdict = self._reply[1]
        self.out += verdict
        self._edits.clear()
        self._reply = None

    def close(self) -> None:
        """Forget the session."""
        self.session.close()

    @property
    def leading_space(self) -> bool:
        """Whether values of fields carry the space after the colon, both ways."""
        return bool(self._agreed.steps & codec.LEADING_SPACE)

    @property
    def can_quarantine(self) -> bool:
        """Whether the MTA lets us."""
        return bool(self._agreed.actions & codec.QUARANTINE)

    @property
    def may_decide(self) -> bool:
        """Always: to hand a message over costs more than to sign it."""
        return True

    def macro(self, name: str) -> str | None:
        """Return the value of a macro, as it was last defined."""
        braced = f"{{{name}}}" if len(name) == 1 else name
        for scope in _LATEST_FIRST:
            if found := self._macros[scope]:
                if isinstance(found, bytes):
                    found = self._macros[scope] = codec.macros(found)
                if name in found:
                    return found[name]
                if braced in found:
                    return found[braced]
        return None

    def insert(self, name: str, value: str) -> None:
        """Insert a header field above all others."""
        self._edit(codec.ADD_HEADERS, codec.insert_header(name, value))

    def remove(self, name: str, occurrence: int) -> None:
        """Remove a header field: which of that name, from 1."""
        self._edit(codec.CHANGE_HEADERS, codec.remove_header(name, occurrence))

    def quarantine(self, reason: str) -> None:
        """Have the message held."""
        self._edit(codec.QUARANTINE, codec.quarantine(reason))

    def set_reply(self, code: str, enhanced: str, text: str) -> None:
        """Say how a message is refused that is about to be."""
        answer: Answer = "reject" if code.startswith("5") else "tempfail"
        self._reply = answer, codec.reply(code, enhanced, text)

    def _edit(self, action: int, octets: bytes) -> None:
        if not action & self._agreed.actions:
            # It would pass over this without a word, and a forged result would stay.
            raise PermissionError("the MTA does not let us change the message so")
        self._edits.append(octets)

    def _take(self, kind: int, data: bytes) -> None:
        if self._greets and kind not in _GREETING:
            self.refused = self.ended = True
            return
        try:
            take, follows, state, no_reply = _COMMANDS[kind]
        except KeyError:
            problem = f"command {chr(kind)!r}, which there is not"
            raise ProtocolError(problem) from None
        if not follows & self._state:
            raise ProtocolError(f"command {chr(kind)!r} out of its order")
        if state:
            self._state = state
        if self._fields and kind not in _OF_FIELDS:
            self._pass_fields()
        take(self, data)
        if no_reply and not no_reply & self._agreed.steps:
            self.out += codec.CONTINUE

    def _pass_fields(self) -> None:
        """Pass on the header fields that have come."""
        if self._fields:
            self.session.header(self._fields)
            self._fields.clear()

    def _forget(self, scope: int) -> None:
        """Forget the macros of a command and of those after it.

        Of a message, all of them: what the next one does not define, it has not.
        """
        for later in range(scope, len(_SCOPES)):
            self._macros[later] = b""

    def on_agree(self, data: bytes) -> None:
        """Negotiate."""
        self._agreed = codec.agree(data)
        self.out += codec.options(self._agreed, MACROS)

    def on_define(self, data: bytes) -> None:
        """Keep macros as they came: of most, nobody asks for one."""
        if not data:
            raise ProtocolError("macros of no command")
        scope = _SCOPES.find(data[0])
        if scope < 0:
            return
        if data.count(0, 1) % 2 or not (len(data) == 1 or data.endswith(b"\0")):
            raise ProtocolError("macros that are not names and values")
        self._macros[scope] = data[1:]

    def on_connect(self, data: bytes) -> None:
        """Begin an SMTP session."""
        self._forget(_OF_HELO)
        self.session.connect(*codec.client(data))

    def on_helo(self, data: bytes) -> None:
        """Pass on HELO or EHLO; it ends a message (RFC 5321 §4.1.4)."""
        self._forget(_OF_MAIL)
        self.session.abort()
        self.session.helo(codec.argument(data))

    def on_mail(self, data: bytes) -> None:
        """Pass on MAIL."""
        self._forget(_OF_RCPT)
        self.session.mail(codec.argument(data))

    def on_rcpt(self, data: bytes) -> None:
        """Pass on RCPT."""
        self._forget(_OF_DATA)
        self.session.recipient(codec.argument(data))

    def on_header(self, data: bytes) -> None:
        """Take in a header field; those that came together are passed on together."""
        self._fields.append(codec.header(data))

    def on_header_end(self, _data: bytes) -> None:
        """Pass on the end of the header."""
        self.session.header_end()

    def on_body(self, data: bytes) -> None:
        """Pass on some of the body."""
        self.session.body(data)

    def on_end(self, data: bytes) -> None:
        """Begin to answer; the last of the body may come with it."""
        if data:
            self.session.body(data)
        self.steps = self.session.end()

    def on_abort(self, _data: bytes) -> None:
        """Forget the message."""
        self._forget(_OF_MAIL)
        self.session.abort()

    def on_quit(self, _data: bytes) -> None:
        """Take leave."""
        self.ended = True

    def on_quit_but_stay(self, _data: bytes) -> None:
        """End the session and begin another one (SMFIC_QUIT_NC)."""
        self.session.close()
        self._forget(0)
        self.session = Session(self._service, self)

    def on_nothing(self, _data: bytes) -> None:
        """Look at nothing: DATA, and what SMTP does not know."""


class _Command(NamedTuple):
    take: Callable[[Conversation, bytes], None]
    follows: int
    """States that it may come in."""

    state: int = 0
    """What it leads to; 0 for the same."""

    no_reply: int = 0
    """The option by which it needs no answer; 0 if it never gets one."""


_ANY: Final = _AGREED | _SESSION
_COMMANDS: Final = {
    ord(kind): command
    for kind, command in {
        "O": _Command(Conversation.on_agree, _START, _AGREED),
        "D": _Command(Conversation.on_define, _ANY),
        "C": _Command(Conversation.on_connect, _AGREED, _IDLE, codec.NR_CONNECT),
        "H": _Command(Conversation.on_helo, _SESSION, _IDLE, codec.NR_HELO),
        "M": _Command(Conversation.on_mail, _SESSION, _MAIL, codec.NR_MAIL),
        "R": _Command(Conversation.on_rcpt, _MAIL | _RCPT, _RCPT, codec.NR_RCPT),
        "T": _Command(Conversation.on_nothing, _RCPT, _HEADER, codec.NR_DATA),
        "L": _Command(
            Conversation.on_header, _RCPT | _HEADER, _HEADER, codec.NR_HEADER
        ),
        "N": _Command(Conversation.on_header_end, _RCPT | _HEADER, _BODY, codec.NR_EOH),
        "B": _Command(Conversation.on_body, _BODY, _BODY, codec.NR_BODY),
        "E": _Command(Conversation.on_end, _BODY, _IDLE),
        "A": _Command(Conversation.on_abort, _SESSION, _IDLE),
        "U": _Command(Conversation.on_nothing, _ANY, 0, codec.NR_UNKNOWN),
        "Q": _Command(Conversation.on_quit, _START | _ANY),
        "K": _Command(Conversation.on_quit_but_stay, _ANY, _AGREED),
    }.items()
}

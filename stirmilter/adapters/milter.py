"""The milter protocol as libmilter speaks it: pymilter's callbacks, bound to a session.

Debian's libmilter moves the callbacks of one session between its threads, and pymilter
then crashes in anything that takes the GIL through PyGILState_Ensure (ctypes, TLS
callbacks, SQLite hooks). So a callback only notes something down, and `eom` stands
still while other threads fetch and decide.
"""

from __future__ import annotations

import os
import socket
import time
from ipaddress import ip_address
from typing import Any, Final

import Milter
import milter

from stirmilter.adapters.ending import Answer, Wait
from stirmilter.adapters.service import NAME, Service
from stirmilter.adapters.session import MACROS, Session

ACTIONS: Final = milter.ADDHDRS | milter.CHGHDRS | milter.QUARANTINE | milter.SETSYMLIST
_SETTLE: Final = 0.3  # seconds
_ANSWERS: Final[dict[Answer, int]] = {
    "continue": Milter.CONTINUE,
    "reject": Milter.REJECT,
    "tempfail": Milter.TEMPFAIL,
}


@Milter.header_leading_space
class Callbacks(Milter.Base):
    """One SMTP session, as pymilter wants it, and the channel of it."""

    def __init__(self, service: Service) -> None:
        self.session = Session(service, self)

    def negotiate(self, opts: list[int]) -> int:
        """Ask for what a session does; pymilter asks for all that it is offered.

        Of its own ways to ask for macros none works in Python 3: they hand octets to a
        function that takes text, and then agree to everything.
        """
        answer: int = super().negotiate(opts)
        opts[0] &= ACTIONS
        if opts[0] & milter.SETSYMLIST:
            for stage, names in MACROS.items():
                self._ctx.setsymlist(stage, " ".join(names))
        return answer

    @Milter.noreply
    def connect(self, name: str, family: int, address: Any) -> int:  # noqa: ANN401
        """Begin a session."""
        known = family in (socket.AF_INET, socket.AF_INET6) and address
        self.session.connect(name, ip_address(address[0]) if known else None)
        return Milter.CONTINUE

    @Milter.noreply
    def hello(self, name: str) -> int:
        """Pass on HELO or EHLO."""
        self.session.helo(name)
        return Milter.CONTINUE

    @Milter.noreply
    def envfrom(self, sender: str, *_parameters: str) -> int:
        """Pass on MAIL."""
        self.session.mail(sender)
        return Milter.CONTINUE

    @Milter.noreply
    def envrcpt(self, recipient: str, *_parameters: str) -> int:
        """Pass on RCPT."""
        self.session.recipient(recipient)
        return Milter.CONTINUE

    @Milter.noreply
    @Milter.decode("bytes")
    def header(self, name: str, value: bytes) -> int:
        """Pass on a header field."""
        self.session.header([(name, value)])
        return Milter.CONTINUE

    @Milter.noreply
    def eoh(self) -> int:
        """Pass on the end of the header."""
        self.session.header_end()
        return Milter.CONTINUE

    @Milter.noreply
    def body(self, chunk: bytes) -> int:
        """Pass on some of the body."""
        self.session.body(chunk)
        return Milter.CONTINUE

    def eom(self) -> int:
        """Answer the message, and wait for that on this thread."""
        steps = self.session.end()
        try:
            wait = next(steps)
            while True:
                wait = steps.send(self._await(wait))
        except StopIteration as end:
            answer: Answer = end.value
            return _ANSWERS[answer]

    def abort(self) -> int:
        """Forget the message; the session goes on."""
        self.session.abort()
        return Milter.CONTINUE

    def close(self) -> int:
        """Forget the session."""
        self.session.close()
        return Milter.CONTINUE

    @property
    def gone(self) -> bool:
        """Never: libmilter does not tell."""
        return False

    @property
    def leading_space(self) -> bool:
        """Whether values of fields carry the space after the colon, both ways."""
        return bool(self._protocol & Milter.P_HDR_LEADSPC)

    @property
    def can_quarantine(self) -> bool:
        """Whether the MTA lets us."""
        return bool(self._actions & milter.QUARANTINE)

    @property
    def may_decide(self) -> bool:
        """Never: nothing but collecting is done on libmilter's threads."""
        return False

    def macro(self, name: str) -> str | None:
        """Return the value of a macro."""
        return self.getsymval(name)

    def insert(self, name: str, value: str) -> None:
        """Insert a header field above all others."""
        self.addheader(name, value, 0)

    def remove(self, name: str, occurrence: int) -> None:
        """Remove a header field."""
        self.chgheader(name, occurrence, None)

    def set_reply(self, code: str, enhanced: str, text: str) -> None:
        """Say how a message is refused."""
        self.setreply(code, enhanced, text)

    def _await(self, wait: Wait) -> bool:
        """Wait until it is done, or it is late, with a sign of life now and then."""
        pause = self.session.service.progress_seconds
        while (left := wait.deadline - time.monotonic()) > 0:
            try:
                wait.future.exception(min(left, pause))
            except TimeoutError:  # of our waiting; what went wrong inside is returned
                self.progress()
            else:
                return True
        return wait.future.done()


class Libmilter:
    """The transport, once in a process: libmilter keeps its state in globals."""

    def __init__(self, service: Service, listener: socket.socket) -> None:
        """Take what all sessions share, and a listener.

        Raises:
            OSError: this libmilter cannot take a descriptor; Debian's and Ubuntu's can.
        """
        self._listener = listener
        register(service, listener.fileno())

    def serve(self) -> None:
        """Serve; libmilter has threads of its own.

        Raises:
            OSError: libmilter has given up.
        """
        try:
            milter.main()
        except milter.error as error:
            raise OSError(f"libmilter: {error}") from None

    def answers(self, _hurry: socket.socket) -> None:
        """Tell nothing: libmilter has to be called."""

    def stop_accepting(self) -> None:
        """Leave the listener to the others; what is connected goes on.

        Only our descriptor is turned to a socket that nobody knows. A connection
        accepted just before that is no session yet, so it is given a moment to become
        one.
        """
        quiet = socket.socket(socket.AF_UNIX)
        quiet.bind("")  # the kernel makes up an abstract name
        quiet.listen()
        quiet.setblocking(False)
        os.dup2(quiet.fileno(), self._listener.fileno())
        time.sleep(_SETTLE)


def register(service: Service, descriptor: int) -> None:
    """Bind libmilter to a listening descriptor.

    Raises:
        OSError: this libmilter cannot take a descriptor; Debian's and Ubuntu's can.
    """
    Milter.factory = lambda: Callbacks(service)
    milter.set_flags(ACTIONS)
    milter.set_connect_callback(Milter.connect_callback)
    milter.set_helo_callback(lambda ctx, name: ctx.getpriv().hello(name))
    milter.set_envfrom_callback(lambda ctx, *a: ctx.getpriv().envfrom_bytes(*a))
    milter.set_envrcpt_callback(lambda ctx, *a: ctx.getpriv().envrcpt_bytes(*a))
    milter.set_header_callback(lambda ctx, n, v: ctx.getpriv().header_bytes(n, v))
    milter.set_eoh_callback(lambda ctx: ctx.getpriv().eoh())
    milter.set_body_callback(lambda ctx, chunk: ctx.getpriv().body(chunk))
    milter.set_eom_callback(lambda ctx: ctx.getpriv().eom())
    milter.set_abort_callback(lambda ctx: ctx.getpriv().abort())
    milter.set_close_callback(Milter.close_callback)
    milter.register(NAME, negotiate=Milter.negotiate_callback)
    try:
        milter.setconn(f"fd:{descriptor}")
        milter.opensocket(False)
    except milter.error as error:
        raise OSError(
            f"libmilter cannot serve a descriptor ({error}); Debian's and Ubuntu's can"
        ) from None

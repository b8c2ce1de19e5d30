"""One SMTP session, whatever carries the milter protocol.

A transport tells a `Session` what the MTA tells it, and does through a `Channel` what
comes of it. Nothing here waits: what a message needs is fetched and decided elsewhere
(`ending`). Nothing here knows what STIR is.

What belongs to the SMTP session and what belongs to one message live in different
objects: `Session` and its `Draft`, which is replaced after each message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from ipaddress import IPv4Address, IPv6Address
from typing import Concatenate, Final, ParamSpec

from stirmilter.adapters.draft import Draft
from stirmilter.adapters.ending import Channel, Ending, Steps
from stirmilter.adapters.service import Service
from stirmilter.mail.transaction import Connection

MACROS: Final[Mapping[int, tuple[str, ...]]] = {
    0: ("{daemon_name}", "{client_resolve}", "_"),  # SMFIM_CONNECT
    1: ("{verify}", "{cn_subject}"),  # SMFIM_HELO
    2: ("i", "v", "{auth_authen}", "{cert_subject}"),  # SMFIM_ENVFROM
    5: ("i",),  # SMFIM_EOM
}
"""The macros that a session looks at; an MTA is asked for them.

Lists of its administrator count no more at these stages, for us alone. Sendmail knows
the queue id (i) from MAIL on and may not tell it at the end, where it takes our list
only if there is one for the end of the header as well; Postfix knows it at the end.
One macro of MAIL has to be known always, as v is: if there is none, libmilter keeps
those of the message before, its login too. The manual of some versions of libmilter
allows five at a stage, so what Sendmail alone has of a certificate comes with HELO.
"""

_P = ParamSpec("_P")

_FORGED: Final = "(may be forged)"


def _collects(
    note: Callable[Concatenate[Session, _P], None],
) -> Callable[Concatenate[Session, _P], None]:
    """Make a method that only notes something down one that cannot fail.

    The MTA does not wait for an answer, so an error is kept for the end of the message,
    which can refuse it.
    """

    @wraps(note)
    def guarded(self: Session, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            note(self, *args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - told at the end, with queue id
            self.draft.error = error

    return guarded


class Session:
    """One SMTP session and the message that arrives in it."""

    def __init__(self, service: Service, channel: Channel) -> None:
        """Take what all sessions share, and what is done through the transport."""
        self.service = service
        self.channel = channel
        self.connection = Connection(client=None)
        self.draft: Draft = service.draft()
        service.sessions.opened(self)

    @_collects
    def connect(self, name: str, address: IPv4Address | IPv6Address | None) -> None:
        """Note who speaks, and through which Postfix service.

        Args:
            name: of the host, as the MTA tells it.
            address: of a client that came over a network.
        """
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        self.connection = Connection(
            client=address,
            daemon_name=self.channel.macro("{daemon_name}") or "",
            name=self._host_name(name),
        )

    @_collects
    def helo(self, name: str) -> None:
        """Note what the client calls itself."""
        self.connection = replace(self.connection, helo=name)

    @_collects
    def mail(self, sender: str) -> None:
        """Begin a message; what we know of the session stays."""
        self._begin(sender)
        login, tls_name = self.channel.macro("{auth_authen}") or "", self._tls_name()
        known = self.connection
        if (login, tls_name) != (known.login, known.tls_name):
            self.connection = replace(known, login=login, tls_name=tls_name)

    @_collects
    def recipient(self, recipient: str) -> None:
        """Note a recipient."""
        self.draft.add_recipient(recipient)

    @_collects
    def header(self, fields: Sequence[tuple[str, bytes]]) -> None:
        """Note header fields: name and value of each."""
        self.draft.add_header(fields)

    @_collects
    def header_end(self) -> None:
        """Learn from the header which digests the body needs, and what to fetch."""
        draft = self.draft
        if draft.refusal is None:
            draft.prepared = self.service.filter.prepare(
                self.connection, draft.recipients, draft.headers, draft.sender
            )
            draft.readers = draft.prepared.readers()
            self.service.prefetch(draft.prepared.urls)

    @_collects
    def body(self, chunk: bytes) -> None:
        """Hash; of the body itself, only what may be wanted again is kept."""
        for read in self.draft.readers:
            read(chunk)

    def end(self) -> Steps:
        """Have the message decided, apply the decision, and tell what became of it."""
        ending = Ending(self.service, self.channel, self.connection, self.draft)
        try:
            return (yield from ending.steps())
        finally:
            self._begin()

    def abort(self) -> None:
        """Forget the message; the session goes on."""
        self._begin()

    def close(self) -> None:
        """Forget the session; again is once. Nothing else may be told after that.

        A channel has its session, too: both would have to wait for the collector.
        """
        self.draft.release()
        self.service.sessions.closed(self)
        self.__dict__.pop("channel", None)

    def _begin(self, sender: str = "") -> None:
        """Let go of the message before."""
        self.draft.release()
        self.draft = self.service.draft(sender)

    def _host_name(self, name: str) -> str:
        """Return the client's host name if its address and it lead to each other.

        Postfix tells no other; Sendmail says in a macro how sure it is, if asked to,
        and writes into another one, unasked, that a name may be forged.
        """
        known = self.channel.macro("{client_resolve}")
        if known is None:
            forged = _FORGED in (self.channel.macro("_") or "")
            known = "FORGED" if forged else "OK"
        if known != "OK" or name.startswith("[") or name.lower() == "unknown":
            return ""
        return name.lower().rstrip(".")

    def _tls_name(self) -> str:
        """Return the name in the client's certificate, if the MTA has verified it.

        Sendmail names every certificate, and says in {verify} whether it is good.
        Postfix has no {verify}, and names no certificate that it does not trust; it
        tells who it is with the connection. Whoever says neither is not believed.

        The common name is {cert_subject} to Postfix. To Sendmail that is the whole
        subject, in which a part may look like another one, and {cn_subject} the name.
        """
        macro = self.channel.macro
        subject = macro("{cert_subject}") or macro("{cn_subject}")
        if not subject:
            return ""
        verified = macro("{verify}")
        if verified == "OK":
            return macro("{cn_subject}") or ("" if subject.startswith("/") else subject)
        postfix = verified is None and (macro("v") or "").startswith("Postfix")
        return subject if postfix else ""

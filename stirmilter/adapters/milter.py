"""The milter protocol: callbacks collect and hash, all else runs on our own threads.

Debian's libmilter moves the callbacks of one session between its threads, and pymilter
then crashes in anything that takes the GIL through PyGILState_Ensure (ctypes, TLS
callbacks, SQLite hooks). So a callback appends to a draft, `eoh` has fetched on other
threads what the header asks for, and `eom` waits for that, hands the finished
transaction to an executor and waits again. Nothing here knows what STIR is.

What belongs to the SMTP session and what belongs to one message live in different
objects: `Session` and its `Draft`, which is replaced after each message.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

import Milter
import milter

from stirmilter.adapters.draft import Bounds, Draft, Held, Reply
from stirmilter.adapters.occupancy import Queue, Sessions
from stirmilter.events import Handled
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.transaction import (
    Connection,
    Decision,
    Submission,
    Transaction,
)

NAME: Final = "stirmilter"
ACTIONS: Final = milter.ADDHDRS | milter.CHGHDRS | milter.QUARANTINE
_INTERNAL: Final = ("451", "4.3.0", "internal error, try again later")
_TOO_LATE: Final = ("451", "4.3.0", "no verdict in time, try again later")
_ANSWERS: Final = {"reject": Milter.REJECT, "tempfail": Milter.TEMPFAIL}
_NO_QUARANTINE: Final = ("451", "4.3.5", "no quarantine here, try again later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all sessions of a worker share."""

    filter: MailFilter
    executor: Executor
    observe: Callable[[Handled], None]
    failed: Callable[[str, BaseException], None]
    """Told the queue id and the error when a message meets a bug of ours."""

    prefetch: Callable[[Sequence[str]], Sequence[Future[None]]] = lambda _: ()
    """Begins to fetch URLs, unless they are at hand or being fetched; waits for none
    of them, and returns what there is to wait for."""

    submit: Callable[[Submission], None] = lambda _: None
    """Takes a message of ours to be sent, later and by somebody else."""

    message_seconds: float = 120.0
    """How long `eom` waits for a decision; up to half of it, for what is fetched."""

    progress_seconds: float = 10.0
    """How often the MTA is told that we are still there."""

    bounds: Bounds = field(default_factory=Bounds)
    sessions: Sessions = field(default_factory=Sessions)
    queue: Queue = field(default_factory=Queue)
    held: Held = field(init=False)
    """What all messages under way share."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "held", Held(self.bounds.held_octets))

    def draft(self, sender: str = "") -> Draft:
        """Begin a message."""
        return Draft(self.bounds, self.held, sender)


def _collects(callback: Callable[..., None]) -> Callable[..., int]:
    """Make a callback of a method that only notes something down.

    The MTA does not wait for an answer, so an error is kept for `eom`, which can
    refuse the message.
    """

    def guarded(self: Session, *args: Any) -> int:  # noqa: ANN401 - libmilter's
        try:
            callback(self, *args)
        except Exception as error:  # noqa: BLE001 - reported by eom, with the queue id
            self._draft.error = error
        return int(Milter.CONTINUE)

    guarded.__name__ = callback.__name__
    guarded.__doc__ = callback.__doc__
    return guarded


@Milter.header_leading_space
class Session(Milter.Base):
    """One SMTP session, as pymilter wants it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection = Connection(client=None)
        self._draft = service.draft()
        service.sessions.opened(self)

    def negotiate(self, opts: list[int]) -> int:
        """Ask for what `_apply` does; pymilter asks for all that it is offered."""
        answer: int = super().negotiate(opts)
        opts[0] &= ACTIONS
        return answer

    @Milter.noreply
    @_collects
    def connect(self, name: str, family: int, address: Any) -> None:  # noqa: ANN401
        """Note who speaks, and through which Postfix service."""
        client: IPv4Address | IPv6Address | None = None
        if family in (socket.AF_INET, socket.AF_INET6) and address:
            client = ip_address(address[0])
            if isinstance(client, IPv6Address) and client.ipv4_mapped:
                client = client.ipv4_mapped
        self._connection = Connection(
            client=client,
            daemon_name=self.getsymval("{daemon_name}") or "",
            name=self._host_name(name),
        )

    @Milter.noreply
    @_collects
    def hello(self, name: str) -> None:
        """Note what the client calls itself."""
        self._connection = replace(self._connection, helo=name)

    @Milter.noreply
    @_collects
    def envfrom(self, sender: str, *_parameters: str) -> None:
        """Begin a message; what we know of the session stays."""
        self._begin(sender)
        self._connection = replace(
            self._connection,
            login=self.getsymval("{auth_authen}") or "",
            tls_name=self._tls_name(),
        )

    @Milter.noreply
    @_collects
    def envrcpt(self, recipient: str, *_parameters: str) -> None:
        """Note a recipient."""
        self._draft.add_recipient(recipient)

    @Milter.noreply
    @Milter.decode("bytes")
    @_collects
    def header(self, name: str, value: bytes) -> None:
        """Note a header field."""
        self._draft.add_header(name, value)

    @Milter.noreply
    @_collects
    def eoh(self) -> None:
        """Learn from the header which digests the body needs, and what to fetch."""
        draft = self._draft
        if draft.refusal is None:
            draft.prepared = self._service.filter.prepare(
                self._connection, draft.recipients, draft.headers, draft.sender
            )
            draft.readers = draft.prepared.readers()
            self._service.prefetch(draft.prepared.urls)

    @Milter.noreply
    @_collects
    def body(self, chunk: bytes) -> None:
        """Hash; of the body itself, only what may be wanted again is kept."""
        for read in self._draft.readers:
            read(chunk)

    def eom(self) -> int:
        """Have the message decided, apply the decision, and tell what became of it."""
        queue_id = "-"
        started = time.perf_counter()
        draft = self._draft
        try:
            queue_id = self.getsymval("i") or "-"
            answer, event = self._answered(draft, queue_id)
        except Exception as error:  # noqa: BLE001 - nothing a message holds may escape
            self._service.failed(queue_id, error)
            answer = self._refuse(Milter.TEMPFAIL, _INTERNAL)
            event = self._service.filter.refused(self._connection, "internal-error")
        finally:
            self._begin()
        self._service.observe(
            replace(
                event,
                queue_id=queue_id,
                seconds=time.perf_counter() - started,
                stages=(*draft.waits, *event.stages),
            )
        )
        return answer

    def abort(self) -> int:
        """Forget the message; the session goes on."""
        self._begin()
        return int(Milter.CONTINUE)

    def close(self) -> int:
        """Forget the session."""
        self._begin()
        self._service.sessions.closed(self)
        return int(Milter.CONTINUE)

    def _begin(self, sender: str = "") -> None:
        """Let go of the message before."""
        self._draft.release()
        self._draft = self._service.draft(sender)

    def _answered(self, draft: Draft, queue_id: str) -> tuple[int, Handled]:
        """Answer the message, and say what to tell of it."""
        told, who = self._service.filter.refused, self._connection
        if (refusal := draft.refusal) is not None:
            event = told(who, refusal.reason, refusal.action)
            return self._refuse(_ANSWERS[refusal.action], refusal.reply), event
        decision, problem = self._decided(draft, queue_id)
        if decision is None:
            code = "too-late" if problem is _TOO_LATE else "internal-error"
            return self._refuse(Milter.TEMPFAIL, problem), told(who, code)
        answer, event = self._apply(decision), decision.event
        if answer == Milter.TEMPFAIL:  # perhaps since there is no quarantine
            event = replace(event, action="tempfail")
        return answer, event

    def _decided(self, draft: Draft, queue_id: str) -> tuple[Decision | None, Reply]:
        """Have the message decided; without a decision, it is to come again.

        Whether it is when we are wrong, or late, is the filter's to say.
        """
        transaction = Transaction(
            connection=self._connection,
            sender=draft.sender,
            recipients=tuple(draft.recipients),
            headers=tuple(draft.headers),
        )
        transaction = draft.prepared.read(transaction)
        problem = _INTERNAL
        try:
            if draft.error is not None:
                raise draft.error
            decision = self._decide(transaction, draft)
            if decision is not None:
                return decision, problem
            problem = _TOO_LATE
            self._service.failed(queue_id, TimeoutError("no decision in time"))
        except Exception as error:  # noqa: BLE001 - nothing a message holds may escape
            self._service.failed(queue_id, error)
        undecided = self._service.filter.undecided(transaction)
        return (undecided if undecided.action == "accept" else None), problem

    def _decide(self, transaction: Transaction, draft: Draft) -> Decision | None:
        """Run the filter on our own threads; None when it takes too long."""
        deadline = time.monotonic() + self._service.message_seconds
        if draft.prepared.urls:
            began = time.perf_counter()
            self._await_urls(draft.prepared.urls)
            draft.waits.append(("prefetch", time.perf_counter() - began))
        place = self._service.queue.enter()

        def judge() -> Decision:
            draft.waits.append(("queue", place.leave()))
            return self._service.filter.decide(transaction)

        future: Future[Decision] = self._service.executor.submit(judge)
        if self._await(future, deadline):
            return future.result()
        if future.cancel():
            place.leave()
        return None

    def _await_urls(self, urls: Sequence[str]) -> None:
        """Wait for what was begun with the header, so that no judge has to.

        What was at hand then may have grown old since, so it is asked for again.
        """
        deadline = time.monotonic() + self._service.message_seconds / 2
        for fetch in self._service.prefetch(urls):
            if self._await(fetch, deadline):
                fetch.result()  # a bug of ours; that a fetch failed is no error here

    def _await(self, future: Future[Any], deadline: float) -> bool:
        """Wait until it is done, or it is late, with a sign of life now and then."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                future.exception(min(left, self._service.progress_seconds))
            except TimeoutError:  # of our waiting; what went wrong inside is returned
                self.progress()
            else:
                return True
        return future.done()

    def _apply(self, decision: Decision) -> int:
        if decision.reply is not None:
            if decision.action == "tempfail":
                return self._refuse(Milter.TEMPFAIL, decision.reply)
            if decision.action == "reject":
                answer = self._refuse(Milter.REJECT, decision.reply)
                if decision.answer is not None:
                    self._service.submit(decision.answer)
                return answer
        if decision.action == "quarantine" and not self._actions & milter.QUARANTINE:
            return self._refuse(Milter.TEMPFAIL, _NO_QUARANTINE)
        # From the last occurrence to the first: each removal renumbers those after it
        # (CVE-2022-48521 is what becomes of the other order).
        for gone in sorted(decision.remove, key=lambda r: -r.occurrence):
            self.chgheader(gone.name, gone.occurrence, None)
        space = " " if self._protocol & Milter.P_HDR_LEADSPC else ""
        for name, value in reversed(decision.insert):
            self.addheader(name, space + value, 0)  # above our Received (RFC 8601 §4.1)
        if decision.action == "quarantine":
            self.quarantine(f"{NAME}: {decision.event.rule}")
        return int(Milter.CONTINUE)

    def _refuse(self, answer: int, reply: Reply) -> int:
        self.setreply(*reply)
        return int(answer)

    def _host_name(self, name: str) -> str:
        """Return the client's host name if its address and it lead to each other.

        Postfix tells no other; Sendmail says in a macro how sure it is, if asked to.
        """
        known = self.getsymval("{client_resolve}") or "OK"
        if known != "OK" or name.startswith("[") or name.lower() == "unknown":
            return ""
        return name.lower().rstrip(".")

    def _tls_name(self) -> str:
        """Return the name in the client's certificate, if the MTA has verified it.

        Sendmail names every certificate, and says in {verify} whether it is good.
        Postfix has no {verify}, and names no certificate that it does not trust; it
        tells who it is with the connection. Whoever says neither is not believed.
        """
        found = self.getsymval("{cert_subject}") or ""
        verified = self.getsymval("{verify}")
        if verified is None and (self.getsymval("v") or "").startswith("Postfix"):
            verified = "OK"
        return found if verified == "OK" else ""


def register(service: Service, descriptor: int) -> None:
    """Bind libmilter to a listening descriptor; `milter.main()` then serves it.

    Once in a process: libmilter keeps its state in globals.

    Raises:
        OSError: this libmilter cannot take a descriptor; Debian's and Ubuntu's can.
    """
    Milter.factory = lambda: Session(service)
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

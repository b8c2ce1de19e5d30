"""What the tests of the session share: libmilter's context, played, and a ledger."""

from datetime import datetime

from stirmilter.adapters.milter import Callbacks
from stirmilter.events import Handled


class Context:
    """What pymilter's C module would be asked to do."""

    def __init__(self) -> None:
        self.replies: list[tuple[str, ...]] = []
        self.added: list[str] = []
        self.removed: list[tuple[str, int]] = []
        self.progressed = 0
        self.macros = {"i": "4Yx1ab"}

    def getsymval(self, name: str) -> str | None:
        return self.macros.get(name)

    def setreply(self, *reply: str) -> None:
        self.replies.append(reply)

    def addheader(self, name: str, _value: str, _index: int) -> None:
        self.added.append(name)

    def chgheader(self, name: str, index: int, _value: str | None) -> None:
        self.removed.append((name, index))

    def progress(self) -> None:
        self.progressed += 1

    def setpriv(self, _session: object) -> None: ...


class Ledger:
    """Everything a service reports."""

    def __init__(self) -> None:
        self.handled: list[Handled] = []
        self.failed: list[tuple[str, BaseException]] = []


Talk = tuple[Callbacks, Context, Ledger]


def carry(session: Callbacks) -> int:
    session.envfrom("<a@one.example>")
    session.envrcpt("<b@two.example>")
    session.header("From", b" a@one.example")
    session.eoh()
    session.body(b"Hello\r\n")
    return session.eom()


def told(ledger: Ledger) -> list[tuple[str, str, str]]:
    """What became of each message, as the log tells it."""
    assert {event.queue_id for event in ledger.handled} <= {"4Yx1ab"}
    return [(one.outcome, one.reason, one.action) for one in ledger.handled]


def broken(*_: object) -> datetime:
    raise ZeroDivisionError("a bug of ours")

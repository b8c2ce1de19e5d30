"""Serves a filter that does as the sender says: `serving TRANSPORT DESCRIPTOR`.

A program, since libmilter serves once in a process.
"""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stirmilter.adapters.service import Service
from stirmilter.adapters.transport import Limits, transport
from stirmilter.events import Handled
from stirmilter.mail.transaction import (
    Decision,
    Insertion,
    Preparation,
    Removal,
    Transaction,
)
from stirmilter.stir.msgi import BodyDigester

EVENT = Handled("in", "failed", "stale", rule="r")


class Obedient:
    """Decides by the sender, and tells in a field what it has seen."""

    def prepare(self, *_: object) -> Preparation:
        return Preparation(BodyDigester())

    def decide(self, transaction: Transaction) -> Decision:
        seen = "\n ".join(
            [
                repr(transaction.connection),
                repr((transaction.sender, transaction.recipients)),
                *(repr((name, value)) for name, value in transaction.headers),
                repr(sorted(transaction.body.digests.items())),
            ]
        )
        word: Any = transaction.sender.strip("<>").partition("@")[0]
        if word in ("reject", "tempfail"):
            code = {"reject": "550", "tempfail": "451"}[word]
            reply = (code, f"{code[0]}.7.1", "as it is wished")
            return Decision(event=EVENT, action=word, reply=reply)
        return Decision(
            event=EVENT,
            action="quarantine" if word == "quarantine" else "accept",
            remove=(Removal("X-Seen", 1), Removal("X-Seen", 2)),
            insert=(Insertion("X-Seen", seen), Insertion("X-Two", "2")),
        )

    def undecided(self, _transaction: Transaction) -> Decision:
        return Decision(event=EVENT, action="tempfail")

    def refused(self, _who: object, reason: str, action: Any = "tempfail") -> Handled:  # noqa: ANN401
        return Handled("in", "undetermined", reason, action=action)


def failed(_queue_id: str, error: BaseException) -> None:
    """Show what went wrong, where pytest shows it."""
    sys.stderr.write(f"{error!r}\n")


def main() -> None:
    """Serve until it is killed."""
    name: Any = sys.argv[1]
    listener = socket.socket(fileno=int(sys.argv[2]))
    listener.setblocking(False)
    obedient: Any = Obedient()
    service = Service(
        filter=obedient,
        executor=ThreadPoolExecutor(2),
        observe=lambda _: None,
        failed=failed,
    )
    transport(name, service, listener, Limits(), print).serve()


if __name__ == "__main__":
    main()

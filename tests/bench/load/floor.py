"""Our own transport with next to nothing behind it: what signing takes at the least.

    python -m tests.bench.load.floor PATH [sign]

Nothing is decided; with `sign`, the body is digested, and as much text as a token has
is signed and inserted. No header is read, no number looked up, nothing logged or kept.
Two processes share the socket, as two workers do.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.adapters.native.server import Server
from stirmilter.adapters.service import Service
from stirmilter.adapters.transport import Limits
from stirmilter.events import Handled
from stirmilter.mail.transaction import Decision, Insertion, Preparation, Transaction
from stirmilter.stir.jws import SoftwareKey, b64url_encode
from stirmilter.stir.msgi import BodyDigester

FIELD: Final = "X-Noop"
_EVENT: Final = Handled("out", "signed", "signed")
_HEADER: Final = "eyJ" + "x" * 197
_CLAIMS: Final = b"x" * 120


class Idle:
    """Decides nothing."""

    def prepare(self, *_: object) -> Preparation:
        return Preparation(BodyDigester(()), at_once=True)

    def decide(self, _transaction: Transaction) -> Decision:
        return Decision(event=_EVENT)

    def refused(self, *_: object) -> Handled:
        return _EVENT


class Signing(Idle):
    """Signs a digest of the body in a text like a token's."""

    def __init__(self) -> None:
        self._key = SoftwareKey(ec.generate_private_key(ec.SECP256R1()))

    def prepare(self, *_: object) -> Preparation:
        return Preparation(BodyDigester({"sha256"}), at_once=True)

    def decide(self, transaction: Transaction) -> Decision:
        digest = str(transaction.body.value("sha256")).encode()
        text = f"{_HEADER}.{b64url_encode(digest + _CLAIMS)}"
        signature = b64url_encode(self._key.sign(text.encode()))
        return Decision(event=_EVENT, insert=(Insertion(FIELD, f"{text}.{signature}"),))


def main(path: str, *, signs: bool) -> None:
    """Serve until the first process is killed."""
    decides: Any = Signing() if signs else Idle()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    listener.setblocking(False)
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    lives, _held = os.pipe()
    if os.fork() == 0:
        os.close(_held)
        threading.Thread(target=_end_with, args=(lives,), daemon=True).start()
    service = Service(
        filter=decides,
        executor=ThreadPoolExecutor(1),
        observe=lambda _: None,
        failed=lambda _, error: sys.exit(repr(error)),
    )
    Server(service, listener, Limits(), print).serve()


def _end_with(lives: int) -> None:
    """End this process with the other one."""
    os.read(lives, 1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], signs="sign" in sys.argv[2:])

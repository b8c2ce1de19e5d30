"""Keys that stay in a token: a hardware security module, or SoftHSM (PKCS#11 v2.40).

A module belongs to the process that initialized it and must not cross a fork, so
nothing is opened before the first signature. python-pkcs11 initializes it without
locks, so one thread of its own drives each module, and whoever wants a signature waits
for that thread with a deadline: a token that hangs holds up no one for longer.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, TypeVar

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.types import Session

from stirmilter.errors import PinRefusedError, StoreError
from stirmilter.stir import jws
from stirmilter.stir.result import Unverified
from stirmilter.stores.tokenuri import TokenURI

_CHALLENGE: Final = 32  # octets
_LOCKS: Final = "; mend the file before the next try, as a few refusals lock a token"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Opened:
    process: int
    session: Session
    key: Any
    """python-pkcs11 makes up the classes of objects as it finds them."""

    def sign(self, digest: bytes) -> bytes:
        signature: bytes = self.key.sign(digest, mechanism=Mechanism.ECDSA)
        return signature


@dataclass(slots=True)
class TokenKey:
    """The private key of one public key, in a token. Safe to share between threads.

    Only the driver's thread touches what has been opened.
    """

    uri: TokenURI
    public_key: ec.EllipticCurvePublicKey
    """As the certificate has it. That the key in the token belongs to it is seen when
    it is opened: a token need not hold a public key at all."""

    pin: str = field(repr=False)
    seconds: float = 5.0
    """For one signature, waiting for others included."""

    _opened: _Opened | None = field(default=None, repr=False)
    _refused: int = field(default=0, repr=False)
    """The process whose PIN was refused."""

    def sign(self, signing_input: bytes) -> bytes:
        """Return the 64 octets R || S.

        Raises:
            StoreError: the token does not answer, or does not have the key.
        """
        digest = hashlib.sha256(signing_input).digest()
        driver = _driver(self.uri.module)
        return driver.run(lambda: self._sign(digest), self.seconds, str(self.uri))

    def _sign(self, digest: bytes) -> bytes:
        """Sign, after opening anew if a session was lost since the last time."""
        opened, self._opened = self._opened, None
        if opened is not None and opened.process == os.getpid():
            try:
                signature = opened.sign(digest)
            except pkcs11.PKCS11Error:
                with suppress(pkcs11.PKCS11Error):
                    opened.session.close()
            else:
                self._opened = opened
                return signature
        try:
            opened = self._open()
            signature = opened.sign(digest)
        except pkcs11.PKCS11Error as error:
            _release(self.uri.module)
            raise StoreError(f"{self.uri}: {_reason(error)}") from None
        self._opened = opened
        return signature

    def _open(self) -> _Opened:
        if self._refused == os.getpid():
            raise PinRefusedError(f"{self.uri}: the PIN was refused; not tried again")
        library = pkcs11.lib(self.uri.module)
        tokens = library.get_tokens(
            token_label=self.uri.token, token_serial=self.uri.serial
        )
        session = self._login(self._only(list(tokens), "tokens"))
        try:
            wanted: dict[Attribute, Any] = {
                Attribute.CLASS: ObjectClass.PRIVATE_KEY,
                Attribute.KEY_TYPE: KeyType.EC,
            }
            if self.uri.label is not None:
                wanted[Attribute.LABEL] = self.uri.label
            if self.uri.identifier is not None:
                wanted[Attribute.ID] = self.uri.identifier
            key = self._only(list(session.get_objects(wanted)), "EC keys")
            opened = _Opened(os.getpid(), session, key)
            self._prove(opened)
        except BaseException:
            with suppress(pkcs11.PKCS11Error):
                session.close()
            raise
        return opened

    def _login(self, token: pkcs11.Token) -> Session:
        """Open a session; a login holds for all sessions of a process."""
        try:
            return token.open(user_pin=self.pin)
        except pkcs11.UserAlreadyLoggedIn:
            return token.open()
        except (pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.PinLenRange) as error:
            self._refused = os.getpid()
            locks = "" if isinstance(error, pkcs11.PinLocked) else _LOCKS
            problem = f"{_reason(error)}: not the PIN in pin-source{locks}"
            raise PinRefusedError(f"{self.uri}: {problem}") from None

    def _only(self, found: list[T], what: str) -> T:
        if len(found) != 1:
            raise StoreError(f"{self.uri}: {len(found) or 'no'} such {what}")
        return found[0]

    def _prove(self, opened: _Opened) -> None:
        """See that the key is the one of the certificate."""
        challenge = secrets.token_bytes(_CHALLENGE)
        signature = opened.sign(hashlib.sha256(challenge).digest())
        try:
            jws.verify(challenge, signature, self.public_key)
        except Unverified:
            problem = "not the key of the first certificate in the chain"
            raise StoreError(f"{self.uri}: {problem}") from None


class _Driver:
    """The one thread of this process that talks to a module."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._late: Future[Any] | None = None
        # A daemon: a token that hangs must not keep a process from ending.
        Thread(target=self._serve, name="pkcs11", daemon=True).start()

    def run(self, work: Callable[[], T], seconds: float, what: str) -> T:
        """Have `work` done by the thread.

        Raises:
            StoreError: it is not done within `seconds`, or another was not before.
        """
        if self._late is not None and not self._late.done():
            raise StoreError(f"{what}: still no answer")
        future: Future[T] = Future()
        self._work.put((future, work))
        try:
            return future.result(seconds)
        except TimeoutError:
            if not future.cancel():
                self._late = future
            raise StoreError(f"{what}: no answer within {seconds:g} s") from None

    def _serve(self) -> None:
        while True:
            future, work = self._work.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - told to whoever waits
                future.set_exception(error)


_drivers: dict[str, tuple[int, _Driver]] = {}
"""By module: what a module has initialized, it has for the whole process."""

_drivers_lock = Lock()


def _driver(module: str) -> _Driver:
    """Return the driver of a module in this process."""
    with _drivers_lock:
        process, driver = _drivers.get(module, (0, None))
        if driver is None or process != os.getpid():
            if driver is not None:
                _release(module)  # what the parent had is not ours
            driver = _Driver()
            _drivers[module] = os.getpid(), driver
        return driver


def _release(module: str) -> None:
    """Let a module go; the next use initializes it anew."""
    with suppress(pkcs11.PKCS11Error):
        pkcs11.lib(module).finalize()


def _reason(error: pkcs11.PKCS11Error) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name

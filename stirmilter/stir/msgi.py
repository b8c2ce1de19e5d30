"""The ``msgi`` claim: a digest of the message body (RFC 9475 §3.2).

RFC 9475 names the digest and not the octets. Our profile (docs/profile.md) hashes all
octets after the empty line that ends the header, with CRLF line ends, dot-stuffing
undone and transfer encodings untouched: the form ``exact``. Two more forms are
recognised on verification, because relays add or drop line ends at the end of a body:
``simple`` (DKIM's simple canonicalization, RFC 6376 §3.4.3) and ``nocrlf`` (no final
CRLF, as a SIP body has it).

All three come out of one pass in constant memory: they differ only in the run of CRLFs
at the very end, so the digester holds back exactly that run, as a count.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from stirmilter.stir.result import Reason, Unverified

if TYPE_CHECKING:
    from hashlib import _Hash

Form = Literal["exact", "simple", "nocrlf"]
FORMS: Final[tuple[Form, ...]] = ("exact", "simple", "nocrlf")
ALGORITHMS: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
"""Names as RFC 9475 spells them, with the octets of each digest."""

_CRLF: Final = b"\r\n"
_FLUSH: Final = 4096  # CRLFs handed to the hash at a time
_VALUE: Final = re.compile(r"([a-z0-9]+)-([A-Za-z0-9+/]+={0,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Digest:
    """A parsed ``msgi`` value."""

    algorithm: str
    octets: bytes

    @classmethod
    def parse(cls, value: str) -> Digest:
        """Read ``sha256-`` and standard base64, padded or not.

        The alphabet is that of RFC 4648 §4, not base64url. Label and length must agree;
        the example that RFC 9475 prints (``sha256-`` and 42 octets) fails, and should.

        Raises:
            Unverified: `Reason.MALFORMED`.
        """
        match = _VALUE.fullmatch(value)
        if match is None or match[1] not in ALGORITHMS:
            raise Unverified(Reason.MALFORMED, f"msgi: {value}", "RFC 9475 §3.2")
        try:
            octets = binascii.a2b_base64(match[2] + "==")  # more than enough is fine
        except binascii.Error:
            octets = b""
        canonical = binascii.b2a_base64(octets, newline=False).decode("ascii")
        if len(octets) != ALGORITHMS[match[1]] or match[2] not in (
            canonical,
            canonical.rstrip("="),
        ):
            detail = f"msgi: not a {match[1]} digest"
            raise Unverified(Reason.MALFORMED, detail, "RFC 9475 §3.2")
        return cls(match[1], octets)

    def __str__(self) -> str:
        """Spell the value as we emit it: padded (RFC 4648 §3.2)."""
        return f"{self.algorithm}-{base64.b64encode(self.octets).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class BodyDigests:
    """What one pass over a body found: a digest for each form and algorithm."""

    digests: dict[tuple[Form, str], bytes]
    length: int
    """Octets of the body."""

    def value(self, algorithm: str = "sha256") -> Digest:
        """Return the claim for a PASSporT of ours: always the form ``exact``."""
        return Digest(algorithm, self.digests["exact", algorithm])

    def match(self, claim: Digest, forms: Iterable[Form] = FORMS) -> Form | None:
        """Return the first of `forms` whose digest equals `claim`, or None.

        Raises:
            KeyError: the body was not digested with the algorithm of `claim`.
        """
        for form in forms:
            if hmac.compare_digest(self.digests[form, claim.algorithm], claim.octets):
                return form
        return None


class BodyDigester:
    """Hashes a body as it streams in, in chunks cut anywhere."""

    def __init__(self, algorithms: Iterable[str] = ("sha256",)) -> None:
        self._hashes: dict[str, _Hash] = {
            name: hashlib.new(name) for name in algorithms
        }
        self._held = 0  # CRLFs at the end of what was seen, not yet hashed
        self._carry = b""  # a CR that may be half of one
        self._length = 0

    def update(self, chunk: bytes) -> None:
        """Take the next octets of the body."""
        self._length += len(chunk)
        data = self._carry + chunk
        self._carry = b"\r" if data.endswith(b"\r") else b""
        if self._carry:
            data = data[:-1]
        held = trailing_crlfs(data)
        content = data[: len(data) - 2 * held]
        if content:
            self._release()
            self._feed(content)
        self._held += held

    def finish(self) -> BodyDigests:
        """Return the digests; the digester is spent."""
        digests: dict[tuple[Form, str], bytes] = {}
        if self._carry:  # a bare CR ends the body: it is content like any other
            self._release()
            self._feed(self._carry)
        for name, head in self._hashes.items():
            simple = head.copy()
            simple.update(_CRLF)
            if self._held:
                _feed_crlfs(head, self._held - 1)
                nocrlf = head.digest()
                head.update(_CRLF)
            else:
                nocrlf = head.digest()
            digests["exact", name] = head.digest()
            digests["simple", name] = simple.digest()
            digests["nocrlf", name] = nocrlf
        return BodyDigests(digests, self._length)

    def _feed(self, octets: bytes) -> None:
        for state in self._hashes.values():
            state.update(octets)

    def _release(self) -> None:
        for state in self._hashes.values():
            _feed_crlfs(state, self._held)
        self._held = 0


def digest_body(body: bytes, algorithms: Iterable[str] = ALGORITHMS) -> BodyDigests:
    """Digest a body that is in memory."""
    digester = BodyDigester(algorithms)
    digester.update(body)
    return digester.finish()


def _feed_crlfs(state: _Hash, count: int) -> None:
    for _ in range(count // _FLUSH):
        state.update(_CRLF * _FLUSH)
    if left := count % _FLUSH:
        state.update(_CRLF * left)


def trailing_crlfs(data: bytes) -> int:
    """Count the CRLFs that end `data`, without a loop over them.

    The tail made of CR and LF alternates from its last doubled octet on; if it begins
    there with an LF, that is half of no CRLF.
    """
    if not data.endswith(_CRLF):
        return 0
    tail = data[len(data.rstrip(_CRLF)) :]
    start = max(tail.rfind(b"\n\n"), tail.rfind(b"\r\r")) + 1
    return (len(tail) - start) // 2

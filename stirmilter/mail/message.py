"""A mail message in a file: header fields and body, as they would cross SMTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from stirmilter.mail.transaction import Header

_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RawMessage:
    """The octets of a message with CRLF line ends, split at the empty line."""

    headers: tuple[Header, ...]
    body: bytes

    @classmethod
    def parse(cls, octets: bytes) -> RawMessage:
        """Split a message; a file with LF line ends is read as if it had CRLF.

        Raises:
            ValueError: the first line is no header field.
        """
        if not octets:
            raise ValueError("not a header field: the file is empty")
        wire = _BARE_LF.sub(b"\r\n", octets)
        head, _, body = wire.partition(b"\r\n\r\n")
        if wire.startswith(b"\r\n"):
            head, body = b"", wire[2:]
        headers = []
        head = head.removesuffix(b"\r\n")
        for field in re.split(rb"\r\n(?![ \t])", head) if head else ():
            match = _FIELD.fullmatch(field)
            if match is None:
                shown = field[:40].decode("ascii", "backslashreplace")
                raise ValueError(f"not a header field: {shown!r}")
            value = match[2].replace(b"\r\n", b"\n")  # as a milter is given folds
            headers.append(Header(match[1].decode("ascii"), value))
        return cls(tuple(headers), body)


def write_field(name: str, value: str) -> bytes:
    """Write one field as it crosses SMTP; `value` folds with LF."""
    return f"{name}: {value}\n".encode().replace(b"\n", b"\r\n")

"""Messages as an MMSC writes them for MM4: SMIL, text and media, related."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from importlib.resources import files
from typing import Final

from stirmilter.demo.operators import ONE, TWO

_BOUNDARY: Final = "mms-part-7d1f"

SMIL: Final = """\
<smil>
  <head><layout>
    <root-layout width="320" height="480"/>
    <region id="media" left="0" top="0" width="320" height="360" fit="meet"/>
    <region id="text" left="0" top="360" width="320" height="120"/>
  </layout></head>
  <body>
    <par dur="5s"><img src="photo.jpg" region="media"/>
      <text src="greeting.txt" region="text"/></par>
    <par dur="8s"><video src="clip.3gp" region="media"/></par>
  </body>
</smil>
"""
GREETING: Final = "Grüße aus Zürich: das Video ist von heute früh. こんにちは 🎬\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class MMS:
    """One MM4_forward.REQ, and the envelope it travels in."""

    name: str
    """Stands in the identifiers, so that it is found again where it arrives."""

    sender: str
    """E.164 with ``+``."""

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    origin: str = ONE
    """Domain of the sender: of From, and of the envelope."""

    host: str = TWO
    """Domain of the recipients."""

    body: bytes = b""
    extra: tuple[str, ...] = ()
    """Header lines of its own, at the top."""

    @property
    def message_id(self) -> str:
        """``Message-ID``, brackets included."""
        return f"<{self.name}@{self.origin}>"

    @property
    def mail_from(self) -> str:
        """Envelope sender."""
        return f"{self.sender}/TYPE=PLMN@{self.origin}"

    @property
    def recipients(self) -> list[str]:
        """Envelope recipients."""
        return [f"{number}/TYPE=PLMN@{self.host}" for number in (*self.to, *self.cc)]

    def header(self, now: datetime) -> bytes:
        """Write the header, empty line included, as MMSCs in the field do."""
        to = [f"{number}/TYPE=PLMN@{self.host}" for number in self.to]
        cc = [f"{number}/TYPE=PLMN@{self.host}" for number in self.cc]
        lines = [
            *self.extra,
            f"From: {self.mail_from}",
            f"To: {', '.join(to)}",
            *([f"Cc: {', '.join(cc)}"] if cc else []),
            f"Sender: {self.mail_from}",
            "Subject: Greetings",
            f"Date: {format_datetime(now)}",
            f"Message-ID: {self.message_id}",
            "X-Mms-3GPP-MMS-Version: 6.10.0",
            "X-Mms-Message-Type: MM4_forward.REQ",
            f'X-Mms-Transaction-ID: "{self.name}@{self.origin}"',
            f'X-Mms-Message-ID: "{self.name}@{self.origin}"',
            "X-Mms-Message-Class: Personal",
            "X-Mms-Expiry: 172800",
            f"X-Mms-Originator-System: system-user@{self.origin}",
            "MIME-Version: 1.0",
            'Content-Type: multipart/related; type="application/smil";',
            f' start="<smil>"; boundary="{_BOUNDARY}"',
        ]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()

    def octets(self, now: datetime) -> bytes:
        """Write the whole message."""
        return self.header(now) + self.body


def body(*, video: bool = True, greeting: str = GREETING) -> bytes:
    """Write a multipart body: SMIL, text in 8-bit UTF-8, a photo and a clip."""
    parts = [
        _part("application/smil; charset=utf-8", "smil", "8bit", SMIL.encode()),
        _part("text/plain; charset=utf-8", "greeting.txt", "8bit", greeting.encode()),
    ]
    if video:
        parts += [
            _part("image/jpeg", "photo.jpg", "base64", _media("photo.jpg")),
            _part("video/3gpp", "clip.3gp", "base64", _media("clip.3gp")),
        ]
    return b"".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])


def _part(kind: str, name: str, encoding: str, content: bytes) -> bytes:
    identifier = "smil" if name == "smil" else name
    head = (
        f"--{_BOUNDARY}\r\nContent-Type: {kind}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n"
        f"Content-ID: <{identifier}>\r\nContent-Location: {name}\r\n\r\n"
    )
    text = base64.encodebytes(content) if encoding == "base64" else content
    return head.encode() + text.replace(b"\n", b"\r\n")


def _media(name: str) -> bytes:
    return files("stirmilter.demo").joinpath("media", name).read_bytes()

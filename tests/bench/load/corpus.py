"""MMS of a size: as a client of ours sends them, and as they arrive signed.

What arrives has a PASSporT that nobody has seen, since a daemon remembers, and below it
a DKIM signature (RSA-2048, relaxed/relaxed) of the same domain; both are made by our
own library. Messages of a size have one body, so that a file of thousands is small.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.transaction import Connection, Header
from stirmilter.services import AuthenticationService
from stirmilter.testca import TestCA
from tests.bench.load import messages
from tests.bench.load.messages import Mail
from tests.laboratory import signer, verifier

US: Final = "127.0.0.1"
THEM: Final = "192.0.2.7"
DOMAIN: Final = "one.example"
SELECTOR: Final = "s1"

_FIRST: Final = 2_000_000  # the last seven digits of the first number
_PARTS: Final = (
    b"--b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nLook at this\r\n"
    b"--b\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)
_END: Final = b"\r\n--b--\r\n"


@dataclass(frozen=True)
class Sender:
    """Who signs what arrives."""

    ca: TestCA
    base: str
    """Where its certificates are served."""

    key: rsa.RSAPrivateKey

    def filter(self) -> MailFilter:
        """Return what signs with both."""
        made = replace(signer(self.ca, "spc"), x5u=f"{self.base}/spc.pem")
        return MailFilter(
            policy=MailPolicy(
                authserv_id="mx.one.example", networks=(ip_network("127.0.0.0/8"),)
            ),
            authentication=AuthenticationService([made]),
            verification=verifier(self.ca),
            dkim=DkimSigner(domain=DOMAIN, selector=SELECTOR, key=self.key),
        )


def body(size: int) -> bytes:
    """Make a multipart body of about a size: a short text, and a picture in base64."""
    rest = (size - len(_PARTS) - len(_END)) * 57 // 78
    picture = random.Random(size).randbytes(max(rest, 57))  # noqa: S311
    lines = base64.encodebytes(picture).replace(b"\n", b"\r\n")
    return _PARTS + lines + _END


def sent(size: int, count: int) -> Iterator[Mail]:
    """Make messages that are to be signed."""
    octets = body(size)
    for number in range(count):
        yield Mail(
            fields=_fields(number),
            body=octets,
            sender=b"<%b@%b>" % (_number(b"+1202", number), DOMAIN.encode()),
            recipients=(b"<%b@two.example>" % _number(b"+1312", number),),
        )


def received(size: int, count: int, sender: Sender) -> Iterator[Mail]:
    """Sign them, and bring them from elsewhere."""
    return signed(sent(size, count), sender)


def signed(mails: Iterable[Mail], sender: Sender) -> Iterator[Mail]:
    """Sign messages that share a body, and bring them from elsewhere."""
    relay = sender.filter()
    connection = Connection(client=ip_address(US))
    digests = None
    for mail in mails:
        headers = tuple(Header(name.decode(), value) for name, value in mail.fields)
        recipients = tuple(one.decode() for one in mail.recipients)
        if digests is None:  # the body is always the same
            prepared = relay.prepare(connection, recipients, headers)
            for read in prepared.readers():
                read(mail.body)
            digests = prepared.transaction(
                connection, mail.sender.decode(), recipients, headers
            )
        decision = relay.decide(
            replace(
                digests,
                sender=mail.sender.decode(),
                recipients=recipients,
                headers=headers,
            )
        )
        assert len(decision.insert) == 2, decision
        fields = [(n.encode(), b" " + v.encode()) for n, v in decision.insert]
        yield replace(mail, fields=[*fields, *mail.fields], client=THEM)


def prepare(path: Path, mails: Iterator[Mail]) -> int:
    """Write them to a file, and return how many."""
    return messages.write(path, mails)


def _number(prefix: bytes, number: int) -> bytes:
    return b"%b%07d/TYPE=PLMN" % (prefix, _FIRST + number)


def _fields(number: int) -> list[tuple[bytes, bytes]]:
    domain = DOMAIN.encode()
    return [
        (b"From", b" %b@%b" % (_number(b"+1202", number), domain)),
        (b"To", b" %b@two.example" % _number(b"+1312", number)),
        (b"Date", b" " + format_datetime(datetime.now(UTC)).encode()),
        (b"Message-ID", b" <%d@%b>" % (number, domain)),
        (b"MIME-Version", b" 1.0"),
        (b"Content-Type", b' multipart/related; boundary="b"'),
        (b"Subject", b" Message %d" % number),
        (b"X-Mms-3GPP-MMS-Version", b" 6.10.0"),
        (b"X-Mms-Message-Type", b" MM4_forward.REQ"),
        (b"X-Mms-Transaction-ID", b' "%d"' % number),
        (b"X-Mms-Message-ID", b' "%d@%b"' % (number, domain)),
        (b"X-Mms-Ack-Request", b" Yes"),
        (b"X-Mms-Originator-System", b" mms@%b" % domain),
    ]

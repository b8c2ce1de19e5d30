"""Two relays with several milters each: who signs, who verifies, in which order."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stirmilter.demo import daemons, postfix
from stirmilter.demo.mms import HOST, MMS
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.message import RawMessage
from stirmilter.mail.transaction import Header
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.e2e import neighbours

SUBMITTER: Final = "127.0.0.1"
CLIENT: Final = "192.0.2.25"
"""The first relay, as the second one sees it."""

STRANGER: Final = "198.51.100.66"

STIRMILTER: Final = """\
[milter]
sockets = ["unix:{folder}/{name}.sock"]
authserv_id = "mx.two.example"
workers = 1
[sign]
clients = ["127.0.0.0/8"]
proofs = "{folder}/{name}-proofs.json"
[[signer]]
name = "spc"
key = "{ca}/keys/spc.key"
chain = "{ca}/www/spc.pem"
x5u = "{base}/spc.pem"
numbers = ["+1*"]
[verify]
anchors = ["{ca}/root.pem"]
[fetch]
laboratory = true
tls_ca = "{ca}/tls-ca.pem"
store = "sqlite:{folder}/{name}-certificates.sqlite"
[replay]
store = "sqlite:{folder}/{name}-replay.sqlite"
[journal]
path = ""
[dns]
servers = ["{port}@{address}"]
{settings}
"""


@dataclass(kw_only=True)
class Chains:
    """Starts what an order of milters asks for, once, and carries messages through."""

    folder: Path
    ca: TestCA
    base: str
    dns: DnsServer
    stack: ExitStack
    doors: dict[str, str] = field(default_factory=dict)
    """Sockets of the milters that run, as Postfix names them."""

    relays: dict[object, postfix.Instance] = field(default_factory=dict)
    ports: dict[object, int] = field(default_factory=dict)
    sink: int = 0
    received: daemons.Mailbox = field(default_factory=daemons.Mailbox)

    def stirmilter(self, name: str, settings: str) -> None:
        """Start a stirmilter of this name."""
        if name in self.doors:
            return
        address, port = self.dns.address
        configuration = self.folder / f"{name}.toml"
        configuration.write_text(
            STIRMILTER.format(
                folder=self.folder,
                name=name,
                ca=self.ca.folder,
                base=self.base,
                address=address,
                port=port,
                settings=settings,
            )
        )
        log = self.folder / f"{name}.log"
        self.stack.enter_context(daemons.stirmilter(configuration, log))
        self.doors[name] = f"unix:{self.folder}/{name}.sock"

    def opendkim(self, name: str, settings: str) -> None:
        """Start an OpenDKIM of this name."""
        if name not in self.doors:
            self.doors[name] = self.stack.enter_context(
                neighbours.opendkim(self.folder, name, self.dns, settings)
            )

    def opendmarc(self, name: str, settings: str) -> None:
        """Start an OpenDMARC of this name."""
        if name not in self.doors:
            self.doors[name] = self.stack.enter_context(
                neighbours.opendmarc(self.folder, name, self.dns, settings)
            )

    def key(self, selector: str) -> Path:
        """Make a key, publish it, and return its file."""
        path = self.folder / f"{selector}.pem"
        if not path.exists():
            made = (
                ed25519.Ed25519PrivateKey.generate()
                if selector.startswith("ed")
                else rsa.generate_private_key(65537, 2048)
            )
            path.touch(0o600)
            path.write_bytes(
                made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
            signer = DkimSigner(domain=HOST, selector=selector, key=made)
            name, text = signer.record
            self.dns.add(name, "TXT", text)
        return path

    def carry(
        self,
        order: Sequence[str],
        message: MMS,
        octets: bytes,
        *,
        client: str = SUBMITTER,
        settings: tuple[str, ...] = (),
    ) -> bytes:
        """Hand a message to a relay with these milters; return what it sends on."""
        relay, port = self._relay(tuple(order), settings)
        name = daemons.message_id(octets)
        count = len(self.received.messages.get(name, ())) + 1
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as smtp:
            smtp.ehlo()
            smtp.docmd("XCLIENT", f"ADDR={client} NAME=[UNAVAILABLE] HELO={HOST}")
            smtp.ehlo(HOST)
            smtp.sendmail(
                message.mail_from,
                message.recipients,
                octets,
                mail_options=["BODY=8BITMIME"],
            )
        arrived = self.received.wait(name, count)
        assert arrived is not None, relay.log.read_text()
        return arrived

    def _relay(
        self, order: tuple[str, ...], settings: tuple[str, ...]
    ) -> tuple[postfix.Instance, int]:
        """Return a relay of these settings, and its port for this order."""
        relay = self.relays.get(settings)
        if relay is None:
            relay = self.stack.enter_context(
                postfix.instance(
                    self.folder / f"relay{len(self.relays)}",
                    name="relay.example",
                    milter="",
                    next_hop=self.sink,
                )
            )
            # Whoever is connected may say which client it stands for.
            xclient = "smtpd_authorized_xclient_hosts = 127.0.0.1"
            neighbours.settle(relay, xclient, "mynetworks = 0.0.0.0/0", *settings)
            self.relays[settings] = relay
        port = self.ports.get((order, settings))
        if port is None:
            sockets = [self.doors[name] for name in order]
            port = neighbours.open_door(relay, sockets)
            self.ports[order, settings] = port
        return relay, port


@contextmanager
def chains() -> Iterator[Chains]:
    """Prepare everything that all orders share."""
    neighbours.required()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        now = datetime.now(UTC)
        ca = TestCA.create(folder / "ca", now)
        ca.signer("spc", TNAuthList.build(spcs=["1234"]), now)
        dns = stack.enter_context(neighbours.name_server())
        dns.add(HOST, "TXT", f"v=spf1 ip4:{CLIENT} -all")
        dns.add(f"_dmarc.{HOST}", "TXT", "v=DMARC1; p=reject")
        port = postfix.free_port()
        yield Chains(
            folder=folder,
            ca=ca,
            base=stack.enter_context(ca.publish()),
            dns=dns,
            stack=stack,
            sink=port,
            received=stack.enter_context(daemons.sink(port)),
        )


def fields(octets: bytes, name: str) -> list[str]:
    """Return the values of a field, the topmost first, on one line each."""
    return [
        re.sub(r"\s+", " ", header.text).strip()
        for header in headers(octets)
        if header.named((name,))
    ]


def headers(octets: bytes) -> tuple[Header, ...]:
    """Return the header of a message."""
    return tuple(RawMessage.parse(octets).headers)

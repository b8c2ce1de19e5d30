"""Two relays with several milters each: who signs, who verifies, in which order."""

from __future__ import annotations

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
from stirmilter.demo.mms import MMS
from stirmilter.demo.operators import ONE as HOST
from stirmilter.mail import authres
from stirmilter.mail.authres import Parsed
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.message import RawMessage
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.e2e import neighbours
from tests.e2e.milters import MILTERS, STIRMILTER

SUBMITTER: Final = "127.0.0.1"
CLIENT: Final = "192.0.2.25"
"""The first relay, as the second one sees it."""

STRANGER: Final = "198.51.100.66"

ALICE: Final = "+12025550123"
BOB: Final = "+13125550100"


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

    def start(self, name: str) -> str:
        """Start one of the milters that the tests name; return its socket."""
        one = MILTERS[name]
        key = self.key(one.selector) if one.selector else ""
        settings = one.settings.format(selector=one.selector, key=key, domain=HOST)
        match one.kind:
            case "stirmilter":
                return self._stirmilter(name, settings)
            case "opendkim":
                milter = neighbours.opendkim(self.folder, name, self.dns, settings)
            case "opendmarc":
                milter = neighbours.opendmarc(self.folder, name, self.dns, settings)
        return self.stack.enter_context(milter)

    def _stirmilter(self, name: str, settings: str) -> str:
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
        self.stack.enter_context(daemons.stirmilter(configuration, self.log(name)))
        return f"unix:{self.folder}/{name}.sock"

    def log(self, name: str) -> Path:
        """Return the log of a stirmilter."""
        return self.folder / f"{name}.stderr"

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
            for name in order:
                if name not in self.doors:
                    self.doors[name] = self.start(name)
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


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was verified, as whoever reads its results sees it."""

    octets: bytes

    @property
    def fields(self) -> list[Parsed]:
        """The Authentication-Results that can be read, the topmost first."""
        values = [
            authres.parse(header.text)
            for header in RawMessage.parse(self.octets).headers
            if header.named(("Authentication-Results",))
        ]
        return [value for value in values if isinstance(value, Parsed)]

    @property
    def ids(self) -> list[str]:
        """Who wrote the fields, the topmost first."""
        return [each.authserv_id for each in self.fields]

    def words(self, authserv_id: str) -> dict[str, str]:
        """Return what somebody says: the result of each method, several with commas."""
        said: dict[str, str] = {}
        for said_by in self.fields:
            if said_by.authserv_id != authserv_id:
                continue
            for one in said_by.resinfos:
                before = f"{said[one.method]}," if one.method in said else ""
                said[one.method] = before + one.result
        return said

    @property
    def verdict(self) -> str:
        """Ours."""
        [said] = [
            one.get("policy.verdict")
            for each in self.fields
            for one in each.resinfos
            if (each.authserv_id, one.method) == ("mx.two.example", "stir")
        ]
        return said

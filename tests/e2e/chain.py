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
from stirmilter.demo.mms import HOST, MMS
from stirmilter.mail import authres
from stirmilter.mail.authres import Parsed
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.message import RawMessage
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.e2e import neighbours

SUBMITTER: Final = "127.0.0.1"
CLIENT: Final = "192.0.2.25"
"""The first relay, as the second one sees it."""

STRANGER: Final = "198.51.100.66"

ALICE: Final = "+12025550123"
BOB: Final = "+13125550100"

FIELDS: Final = (
    "From,To,Cc,Date,Subject,Message-ID,PASSporT,MIME-Version,Content-Type,"
    "Content-Transfer-Encoding,X-Mms-*"
)
SEALED: Final = (
    "From,To,Cc,PASSporT,MIME-Version,Content-Type,Content-Transfer-Encoding"
)

_SIGNS: Final = f"""\
Mode s
Domain {HOST}
Selector {{selector}}
KeyFile {{key}}
Canonicalization relaxed/relaxed
SenderHeaders Sender,From
"""
_COVERS: Final = f"{_SIGNS}SignHeaders {FIELDS}\nOversignHeaders {SEALED}\n"
_VERIFIES: Final = "Mode v\nAlwaysAddARHeader yes\nAuthservID {authserv_id}\n"
_DMARC: Final = """\
AuthservID dmarc.two.example
TrustedAuthservIDs dkim.two.example
SPFIgnoreResults true
SPFSelfValidate true
"""
_DKIM: Final = """\
[dkim]
domain = "{domain}"
selector = "{selector}"
key = "{key}"
"""
_CHECKS: Final = """\
[checks]
mode = "{mode}"
[[upstream]]
authserv_ids = ["dkim.two.example", "dmarc.two.example"]
clients = ["0.0.0.0/0", "::/0"]
strips = true
"""

RECIPE: Final = (
    "/^Authentication-Results:.*dkim\\.two\\.example/ IGNORE\n"
    "/^Authentication-Results:.*dmarc\\.two\\.example/ IGNORE\n"
)

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
on_failure = "pass"
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

    def start(self, name: str) -> str:
        """Start one of the milters that the tests name; return its socket."""
        signs = _SIGNS.format(selector="rsa1", key=self.key("rsa1"))
        covers = _COVERS.format(selector="rsa1", key=self.key("rsa1"))
        verifies = _VERIFIES.format(authserv_id="dkim.two.example")
        match name:
            case "sign":
                return self._stirmilter(name, "")
            case "sign-rsa" | "sign-ed25519":
                selector = f"{name.removeprefix('sign-')}-own"
                key = self.key(selector)
                return self._stirmilter(
                    name, _DKIM.format(domain=HOST, selector=selector, key=key)
                )
            case "evaluate":
                return self._stirmilter(name, "")
            case "trust" | "both":
                return self._stirmilter(name, _CHECKS.format(mode=name))
            case "opendkim-signs":
                return self._opendkim(name, covers)
            case "opendkim-signs-ed25519":
                settings = _COVERS.format(selector="ed1", key=self.key("ed1"))
                algorithm = "SignatureAlgorithm ed25519-sha256\n"
                return self._opendkim(name, settings + algorithm)
            case "opendkim-signs-debian":
                return self._opendkim(name, f"{signs}OversignHeaders From\n")
            case "opendkim-signs-before":
                sealed = SEALED.replace("PASSporT,", "")
                return self._opendkim(
                    name, f"{signs}SignHeaders {FIELDS}\nOversignHeaders {sealed}\n"
                )
            case "opendkim":
                return self._opendkim(name, f"{verifies}WeakSyntaxChecks yes\n")
            case "opendkim-strict":
                return self._opendkim(name, verifies)
            case "opendkim-silent":
                quiet = verifies.replace("AlwaysAddARHeader yes\n", "")
                return self._opendkim(name, quiet)
            case "opendkim-our-id":
                settings = _VERIFIES.format(authserv_id="mx.two.example")
                return self._opendkim(name, settings)
            case "opendmarc":
                return self._opendmarc(name, _DMARC)
            case "opendmarc-reads-us":
                settings = "AuthservID dmarc.two.example\n"
                return self._opendmarc(
                    name, f"{settings}TrustedAuthservIDs mx.two.example\n"
                )
        raise AssertionError(name)

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

    def _opendkim(self, name: str, settings: str) -> str:
        return self.stack.enter_context(
            neighbours.opendkim(self.folder, name, self.dns, settings)
        )

    def _opendmarc(self, name: str, settings: str) -> str:
        return self.stack.enter_context(
            neighbours.opendmarc(self.folder, name, self.dns, settings)
        )

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
        return [field.authserv_id for field in self.fields]

    def words(self, authserv_id: str) -> dict[str, str]:
        """Return what somebody says: the result of each method, several with commas."""
        said: dict[str, str] = {}
        for field in self.fields:
            for one in field.resinfos if field.authserv_id == authserv_id else ():
                before = f"{said[one.method]}," if one.method in said else ""
                said[one.method] = before + one.result
        return said

    @property
    def verdict(self) -> str:
        """Ours."""
        [said] = [
            one.get("policy.verdict")
            for field in self.fields
            for one in field.resinfos
            if (field.authserv_id, one.method) == ("mx.two.example", "stir")
        ]
        return said

"""Two operators on one machine: relays, milters, a PKI, a tap between them, a sink.

    MMSC one -> Postfix one + stirmilter (signs) -> Postfix two + stirmilter (verifies)
             -> MMSC two

The tap is a mail server between the operators: what the first relay sends there is what
anybody on the way could have copied.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stirmilter.demo import daemons, postfix
from stirmilter.demo.daemons import Mailbox
from stirmilter.demo.mms import HOST, MMS
from stirmilter.errors import ConfigError
from stirmilter.mail.message import RawMessage, write_field
from stirmilter.stir import identity, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA

TWO: Final = "mms.two.example"
TAP: Final = "tap.example"
ATTACKER: Final = "127.0.0.66"

ONE_NUMBER: Final = "12025550123"
OTHER_NUMBER: Final = "19995550100"  # of a third operator, who runs no relay here
_SIGNERS: Final = {
    "one": (TNAuthList.build(numbers=[ONE_NUMBER]), "+12025550123"),
    "range": (
        TNAuthList.build(ranges=[("12025550100", 100)]),
        "+12025550100-+12025550199",
    ),
    "spc": (TNAuthList.build(spcs=["1234"]), "+1312*"),
}

_CONFIGURATION: Final = """\
[milter]
sockets = ["{socket}"]
socket_group = "postfix"
authserv_id = "{name}"
workers = 2

[sign]
clients = [{clients}]
divert = true
proofs = "{folder}/{name}-proofs.json"

[verify]
anchors = ["{ca}/root.pem"]

[checks]
methods = []

[fetch]
laboratory = true
tls_ca = "{ca}/tls-ca.pem"
store = "sqlite:{folder}/{name}-certificates.sqlite"

[replay]
store = "sqlite:{folder}/{name}-replay.sqlite"

[journal]
path = "{folder}/{name}-journal.sqlite"
"""

_SIGNER: Final = """
[[signer]]
name = "{name}"
key = "{ca}/keys/{name}.key"
chain = "{ca}/www/{name}.pem"
x5u = "{base}/{name}.pem"
numbers = ["{numbers}"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """Everything that runs, and the ways to use it."""

    folder: Path
    ca: TestCA
    base: str
    """Where the chains are published."""

    one: postfix.Instance
    two: postfix.Instance
    tap: Mailbox
    received: Mailbox

    def send(self, message: MMS, recipients: Sequence[str] = ()) -> bytes:
        """Give a message to the first relay, as its MMSC does; return its octets."""
        octets = message.octets(datetime.now(UTC))
        envelope = recipients or message.recipients
        _smtp(self.one.port, message.mail_from, envelope, octets)
        return octets

    def submit(self, message: MMS) -> bytes:
        """Give a message to the first relay's sendmail(1)."""
        octets = message.octets(datetime.now(UTC))
        self.one.submit(message.mail_from, message.recipients, octets)
        return octets

    def inject(
        self, message: MMS, octets: bytes, recipients: Sequence[str] = ()
    ) -> None:
        """Give octets to the second relay, from another address than the first's."""
        _smtp(
            self.two.port,
            message.mail_from,
            recipients or message.recipients,
            octets,
            source=ATTACKER,
        )

    def send_on(self, message: MMS, octets: bytes, recipients: Sequence[str]) -> None:
        """Give octets that came from elsewhere to the first relay, for somebody new."""
        _smtp(self.one.port, message.mail_from, recipients, octets)

    def capture(self, message: MMS) -> bytes:
        """Have the first relay sign a message, and copy it between the operators.

        Raises:
            ConfigError: it did not arrive.
        """
        # The envelope leads to the tap; the header names the real recipient.
        away = [r.partition("@")[0] + f"@{TAP}" for r in message.recipients]
        self.send(message, away)
        octets = self.tap.wait(message.message_id)
        if octets is None:
            raise ConfigError(
                "demo", f"{message.message_id} never left; {self.one.log}"
            )
        return octets

    def forge(
        self,
        message: MMS,
        signer: str,
        *,
        age: timedelta = timedelta(),
        x5u: str = "",
    ) -> bytes:
        """Sign a message with any key, outside any relay, as an attacker would."""
        now = datetime.now(UTC) - age
        claims = Claims.message(
            message.sender.lstrip("+"),
            tuple(number.lstrip("+") for number in (*message.to, *message.cc)),
            int(now.timestamp()),
            digest_body(message.body).value(),
        )
        return self._field(claims, signer, x5u) + message.octets(now)

    def divert(self, octets: bytes, signer: str, to: str) -> bytes:
        """Add a ``div`` token to a message that has one token, with any key."""
        [token] = [
            passport.parse(identity.parse(header.text).token)
            for header in RawMessage.parse(octets).headers
            if header.named(("PASSporT",))
        ]
        [sent_to] = token.claims.named
        claims = token.claims.diverted(sent_to, [to.lstrip("+")])
        return self._field(claims, signer) + octets

    def _field(self, claims: Claims, signer: str, x5u: str = "") -> bytes:
        key = load_pem_private_key(self.ca.files(signer).key.read_bytes(), None)
        url = x5u or f"{self.base}/{signer}.pem"
        token = passport.issue(claims, url, SoftwareKey(key))
        return write_field("PASSporT", identity.write(token, "PASSporT"))


@contextmanager
def laboratory(logs: Path) -> Iterator[Laboratory]:
    """Start everything, and stop it when the block ends; logs stay in `logs`.

    Raises:
        ConfigError: something does not start.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        now = datetime.now(UTC)
        ca = TestCA.create(folder / "ca", now)
        for name, (covers, _) in _SIGNERS.items():
            ca.signer(name, covers, now)
        victim = TNAuthList.build(numbers=[ONE_NUMBER])
        ca.signer("other", TNAuthList.build(numbers=[OTHER_NUMBER]), now)
        ca.signer("expired", victim, now, valid=timedelta(days=-1))
        ca.signer("untrusted", victim, now, trusted=False)
        base = stack.enter_context(ca.publish())

        ports = [postfix.free_port() for _ in range(3)]
        received = stack.enter_context(daemons.sink(ports[0]))
        tap = stack.enter_context(daemons.sink(ports[1]))

        sockets = {
            HOST: (f"unix:{folder}/one.sock", f"unix:{folder}/one.sock"),
            TWO: (f"inet:{ports[2]}@127.0.0.1", f"inet:127.0.0.1:{ports[2]}"),
        }
        for name, (address, _) in sockets.items():
            configuration = folder / f"{name}.toml"
            configuration.write_text(
                _CONFIGURATION.format(
                    socket=address,
                    name=name,
                    clients='"127.0.0.0/8"' if name == HOST else "",
                    ca=ca.folder,
                    folder=folder,
                )
                + "".join(
                    _SIGNER.format(name=signer, ca=ca.folder, base=base, numbers=n)
                    for signer, (_, n) in _SIGNERS.items()
                    if name == HOST
                )
            )
            stack.enter_context(
                daemons.stirmilter(configuration, logs / f"{name}-stirmilter.log")
            )
        two = _relay(stack, folder, TWO, sockets[TWO][1], ports[0], (), logs)
        route = (TAP, ports[1])
        one = _relay(stack, folder, HOST, sockets[HOST][1], two.port, (route,), logs)
        yield Laboratory(
            folder=folder,
            ca=ca,
            base=base,
            one=one,
            two=two,
            tap=tap,
            received=received,
        )


def _relay(  # noqa: PLR0917 - one line for each of two relays
    stack: ExitStack,
    folder: Path,
    name: str,
    milter: str,
    next_hop: int,
    transports: Sequence[tuple[str, int]],
    logs: Path,
) -> postfix.Instance:
    def keep_log() -> None:
        log = folder / name / "postfix.log"
        if log.exists():
            (logs / f"{name}-postfix.log").write_bytes(log.read_bytes())

    stack.callback(keep_log)
    return stack.enter_context(
        postfix.instance(
            folder / name,
            name=name,
            milter=milter,
            next_hop=next_hop,
            transports=transports,
        )
    )


def _smtp(
    port: int,
    sender: str,
    recipients: Sequence[str],
    octets: bytes,
    source: str = "127.0.0.1",
) -> None:
    with smtplib.SMTP(
        "127.0.0.1", port, timeout=60, source_address=(source, 0)
    ) as smtp:
        smtp.sendmail(sender, recipients, octets, mail_options=["BODY=8BITMIME"])

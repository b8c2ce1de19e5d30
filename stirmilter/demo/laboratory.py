"""Two operators on one machine: relays, milters, a PKI, a tap between them, a sink.

    MMSC one -> Postfix one + stirmilter (signs) -> Postfix two + stirmilter (verifies)
             -> MMSC two

The tap is a mail server between the operators: what the first relay sends there is what
anybody on the way could have copied. SPF, DKIM and DMARC records are served by a name
server of our own.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stirmilter.demo import daemons, names, operators, postfix
from stirmilter.demo.daemons import Mailbox
from stirmilter.demo.mms import MMS
from stirmilter.demo.operators import (
    ATTACKER,
    ONE,
    ONE_NUMBER,
    OTHER_NUMBER,
    SIGNERS,
    TAP,
    TWO,
)
from stirmilter.errors import ConfigError
from stirmilter.mail.checks.canonical import BodyHashes
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.message import RawMessage, write_field
from stirmilter.stir import identity, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """Everything that runs, and the ways to use it."""

    folder: Path
    ca: TestCA
    base: str
    """Where the chains are published."""

    dkim: Mapping[str, DkimSigner]
    """By domain, who signs so."""

    one: postfix.Instance
    two: postfix.Instance
    tap: Mailbox
    received: Mailbox

    @property
    def verifying(self) -> Path:
        """Configuration of the daemon that verifies."""
        return self.folder / f"{TWO}.toml"

    @property
    def journal(self) -> Path:
        """Evidence of what it judged."""
        return self.folder / f"{TWO}-journal.sqlite"

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
        self,
        message: MMS,
        octets: bytes,
        recipients: Sequence[str] = (),
        source: str = ATTACKER,
    ) -> None:
        """Give octets to the second relay, from another address than the first's.

        Raises:
            smtplib.SMTPDataError: it refuses the message.
        """
        _smtp(
            self.two.port,
            message.mail_from,
            recipients or message.recipients,
            octets,
            source=source,
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

    def signed_by(self, domain: str, octets: bytes) -> bytes:
        """Add a DKIM signature of a domain."""
        signer = self.dkim[domain]
        raw = RawMessage.parse(octets)
        hashes = BodyHashes([signer.body])
        hashes.update(raw.body)
        field = signer.sign(raw.headers, (), hashes.finish(), datetime.now(UTC))
        return write_field(*field) + octets

    def _field(self, claims: Claims, signer: str, x5u: str = "") -> bytes:
        key = load_pem_private_key(self.ca.files(signer).key.read_bytes(), None)
        url = x5u or f"{self.base}/{signer}.pem"
        token = passport.issue(claims, url, SoftwareKey(key))
        return write_field("PASSporT", identity.write(token, "PASSporT"))


@contextmanager
def laboratory(logs: Path) -> Iterator[Laboratory]:
    """Start everything, and stop it when the block ends.

    Logs, both configurations and the records of the name server stay in `logs`.

    Raises:
        ConfigError: something does not start.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        now = datetime.now(UTC)
        ca = TestCA.create(folder / "ca", now)
        for name, (covers, _) in SIGNERS.items():
            ca.signer(name, covers, now)
        victim = TNAuthList.build(numbers=[ONE_NUMBER])
        ca.signer("other", TNAuthList.build(numbers=[OTHER_NUMBER]), now)
        ca.signer("expired", victim, now, valid=timedelta(days=-1))
        ca.signer("untrusted", victim, now, trusted=False)
        base = stack.enter_context(ca.publish())

        dkim = operators.dkim_signers()
        operators.write_key(folder / "dkim.key", dkim["one.example"])
        zone = operators.zone(dkim.values())
        (logs / "names.zone").write_text(zone)
        dns = stack.enter_context(names.serve(names.Zone(zone)))

        ports = [postfix.free_port() for _ in range(3)]
        received = stack.enter_context(daemons.sink(ports[0]))
        tap = stack.enter_context(daemons.sink(ports[1]))

        values = {"ca": ca.folder, "base": base, "folder": folder, "dns": dns}
        sockets = {
            ONE: (f"unix:{folder}/one.sock", f"unix:{folder}/one.sock"),
            TWO: (f"inet:{ports[2]}@127.0.0.1", f"inet:127.0.0.1:{ports[2]}"),
        }
        written = {ONE: operators.signing, TWO: operators.verifying}
        for name, (address, _) in sockets.items():
            configuration = folder / f"{name}.toml"
            text = written[name]({**values, "socket": address})
            for path in (configuration, logs / f"{name}.toml"):
                path.write_text(text)
            stack.enter_context(
                daemons.stirmilter(configuration, logs / f"{name}-stirmilter.log")
            )
        two = _relay(stack, folder, TWO, sockets[TWO][1], ports[0], (), logs)
        route = (TAP, ports[1])
        one = _relay(stack, folder, ONE, sockets[ONE][1], two.port, (route,), logs)
        yield Laboratory(
            folder=folder,
            ca=ca,
            base=base,
            dkim=dkim,
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

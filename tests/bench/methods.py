"""What a message of 10 kB costs: STIR, and SPF, DKIM, ARC and DMARC beside it.

    python -m tests.bench.methods [--rounds 5]

Processor time of one thread, everything warm: certificates, keys and answers of the DNS
are at hand, as they are for the mail of a peer. dkimpy verifies the same message in the
same round, so that the ratios say the same on every machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Final

import dkim

from stirmilter import worker
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.message import RawMessage
from stirmilter.mail.methods import Methods, MethodsPolicy
from stirmilter.mail.transaction import Connection, Decision, Header, Transaction
from stirmilter.mail.upstream import Method
from stirmilter.services import (
    AuthenticationService,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir import credential
from stirmilter.stir.msgi import BodyDigester
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores.dns import Dns
from stirmilter.testca import TestCA
from tests.bench.core import Figure
from tests.bench.parties import Cached
from tests.dns_server import DnsServer
from tests.laboratory import ALICE, BOB, anchors, signer
from tests.mail.checks import signed
from tests.mail.mails import OURS, POLICY

MESSAGES: Final = 100  # in a round
ROUNDS: Final = 5
SIZE: Final = 10_000
CLIENT: Final = Connection(client=ip_address("198.51.100.1"), helo="mx.example.net")
ALL: Final[tuple[Method, ...]] = ("spf", "dkim", "arc", "dmarc")
_LINE: Final = b"0123456789" * 7 + b"\r\n"
_NAMES: Final = [b"From", b"To", b"Subject", b"Date", b"Content-Type"]


class Forgetful:
    """Takes every token for new: what a store costs is measured by `stores`."""

    remote = False

    def claim(self, *_: object, keep: bool = True) -> bool:
        assert keep
        return True


@dataclass(frozen=True)
class Bench:
    """Both relays, and a message between them."""

    sender: MailFilter
    signer: MailFilter
    """The same with a DKIM key (RSA-2048) of its own."""

    receiver: MailFilter
    """STIR alone."""

    whole: MailFilter
    """Everything."""

    methods: Callable[..., Methods]
    octets: bytes
    """With a DKIM signature and one ARC set, both dkimpy's."""

    def sent(self) -> Transaction:
        """Return the message as a client of ours sends it."""
        return replace(_transaction(_message()), connection=OURS)

    def received(self) -> Transaction:
        """Return the message as it arrives, with a token that nobody has seen."""
        decision = carry(self.sender, self.sent())
        tokens = (Header(name, b" " + v.encode()) for name, v in decision.insert)
        mail = _transaction(self.octets)
        return replace(mail, headers=(*tokens, *mail.headers))


def carry(mail_filter: MailFilter, mail: Transaction) -> Decision:
    """Carry a message through a filter as the milter does: header, body, end."""
    prepared = mail_filter.prepare(
        mail.connection, mail.recipients, mail.headers, mail.sender
    )
    prepared.digester.update(_BODY)
    prepared.hashes.update(_BODY)
    return mail_filter.decide(
        replace(mail, body=prepared.digester.finish(), hashed=prepared.hashes.finish())
    )


def evaluate(methods: Methods, mail: Transaction, now: datetime) -> None:
    """Evaluate the methods of a message, its body included."""
    hashes = methods.prepare(mail.headers)
    hashes.update(_BODY)
    methods.check(replace(mail, hashed=hashes.finish()), now)


@contextmanager
def bench() -> Iterator[Bench]:
    """Set all of it up, with a name server on loopback."""
    with TemporaryDirectory() as folder, DnsServer() as names:
        now = datetime.now(UTC)
        ca = TestCA.create(Path(folder), now)
        files = ca.signer("one", TNAuthList.build(numbers=[ALICE]), now)
        for name, text in signed.zone().records.items():
            assert isinstance(text, str)
            names.add(name, "TXT", text)
        names.add(signed.DOMAIN, "TXT", "v=spf1 ip4:198.51.100.1 -all")
        names.add(f"_dmarc.{signed.DOMAIN}", "TXT", "v=DMARC1; p=reject")
        dns = Dns([names.address])

        def methods(*wanted: Method) -> Methods:
            return Methods(MethodsPolicy(methods=frozenset(wanted)), dns.for_message)

        def relay(
            checks: Methods | None = None, key: DkimSigner | None = None
        ) -> MailFilter:
            return MailFilter(
                policy=POLICY,
                authentication=AuthenticationService([signer(ca, "one")]),
                verification=VerificationService(
                    repository=Cached(
                        credential.load_chain(files.chain.read_bytes()),
                    ),
                    anchors=anchors(ca),
                    replays=Forgetful(),
                    policy=VerificationPolicy(),
                ),
                clock=lambda: now,
                checks=checks,
                dkim=key,
            )

        key = DkimSigner(domain=signed.DOMAIN, selector="rsa", key=signed.rsa_key())
        octets = signed.sign(_message(now), headers=_NAMES)
        yield Bench(
            relay(),
            relay(key=key),
            relay(),
            relay(methods(*ALL)),
            methods,
            _arc(octets),
        )


def figures(running: Bench, rounds: int = ROUNDS) -> list[Figure]:
    """Measure each, in rounds, so that what disturbs one disturbs all."""
    now = running.sender.clock()
    zone = signed.zone()
    alone = {
        name: running.methods(*wanted)
        for name, wanted in {
            "SPF": ("spf",),
            "DKIM": ("dkim",),
            "ARC": ("arc",),
            "SPF, DKIM, ARC and DMARC": ALL,
        }.items()
    }
    sent, mail = running.sent(), running.received()

    def referee() -> None:
        assert dkim.verify(running.octets, dnsfunc=zone.txt)

    def fresh(relay: MailFilter) -> Callable[[], None]:
        waiting = [running.received() for _ in range(MESSAGES)]

        def judge() -> None:
            found = carry(relay, waiting.pop())
            assert found.event.reason == "verified", found.event

        return judge

    def repeated(function: Callable[[], object]) -> Callable[[], Callable[[], object]]:
        return lambda: function

    works: dict[str, Callable[[], Callable[[], object]]] = {
        "dkimpy: verify": repeated(referee),
        "STIR: sign": repeated(lambda: carry(running.sender, sent)),
        "STIR: sign, and DKIM (RSA-2048)": repeated(
            lambda: carry(running.signer, sent)
        ),
        "STIR: verify": lambda: fresh(running.receiver),
        **{
            f"{name}: verify": repeated(
                lambda one=one: evaluate(one, mail, now)  # type: ignore[misc]
            )
            for name, one in alone.items()
        },
        "all of it: verify": lambda: fresh(running.whole),
    }
    taken: dict[str, list[float]] = {}
    for _ in range(rounds + 1):  # the first one warms everything up
        for name, make in works.items():
            taken.setdefault(name, []).append(_micro(make()))
    medians = {name: median(values[1:]) for name, values in taken.items()}
    theirs = medians["dkimpy: verify"]
    return [
        *(Figure(name, value, "us") for name, value in medians.items()),
        *(
            Figure(f"{name}, of dkimpy's verify", value / theirs, "")
            for name, value in medians.items()
            if value is not theirs
        ),
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests.bench.methods")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    with bench() as running:
        worker.spare_the_collector()  # as the processes that judge mail do
        rows = [figure.row() for figure in figures(running, rounds)]
    title = f"== a message of {SIZE} octets, processor time, everything warm"
    sys.stdout.write("\n".join([title, *rows, ""]))
    return 0


def _micro(function: Callable[[], object]) -> float:
    start = process_time()
    for _ in range(MESSAGES):
        function()
    return 1e6 * (process_time() - start) / MESSAGES


_BODY: Final = _LINE * (SIZE // len(_LINE))


def _message(now: datetime | None = None) -> bytes:
    date = format_datetime(now or datetime.now(UTC)).encode()
    lines: Sequence[bytes] = (
        b"From: +%b/TYPE=PLMN@example.net" % ALICE.encode(),
        b"To: +%b/TYPE=PLMN@mms.example" % BOB.encode(),
        b"Subject: A message",
        b"Date: " + date,
        b"Content-Type: text/plain",
        b"MIME-Version: 1.0",
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + _BODY


def _arc(octets: bytes) -> bytes:
    """Have dkimpy add an ARC set, as a relay in between does."""
    octets = b"Authentication-Results: mx.example.org; arc=none\r\n" + octets
    fields = dkim.arc_sign(
        octets,
        b"rsa",
        signed.DOMAIN.encode(),
        signed.pem(signed.rsa_key()),
        b"mx.example.org",
        include_headers=_NAMES,
    )
    return b"".join(fields) + octets


def _transaction(octets: bytes) -> Transaction:
    raw = RawMessage.parse(octets)
    return Transaction(
        connection=CLIENT,
        sender=f"<+{ALICE}/TYPE=PLMN@{signed.DOMAIN}>",
        recipients=(f"<+{BOB}/TYPE=PLMN@mms.example>",),
        headers=tuple(raw.headers),
        body=BodyDigester(()).finish(),
    )


if __name__ == "__main__":
    sys.exit(main())

"""Two relays, and a message that goes through both: one signs, the other judges."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from stirmilter.mail.beside import Checks
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.transaction import Connection, Decision, Header, Transaction
from stirmilter.services import VerificationPolicy
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import BODY, NOW
from tests.mail.checks.signed import ed25519_key
from tests.mail.mails import PLAIN, POLICY, mail

DOMAIN = "mms.example"
CLIENT = Connection(client=ip_address("198.51.100.1"), helo="relay.mms.example")
TYPE = "Content-Type: text/plain; charset=utf-8"
LINES = (*PLAIN, TYPE, "Subject: Hello", "MIME-Version: 1.0")

CHUNK = 65_535
"""Octets that libmilter hands over at once, at most."""

SIGNER = DkimSigner(domain=DOMAIN, selector="s1", key=ed25519_key())


def record(signer: DkimSigner) -> tuple[str, str, str]:
    name, text = signer.record
    return name, "TXT", text


def relay(
    ca: TestCA,
    *,
    checks: Checks | None = None,
    dkim: DkimSigner | None = None,
    policy: MailPolicy = POLICY,
    verification: VerificationPolicy | None = None,
    signer: str = "one",
) -> MailFilter:
    return MailFilter(
        policy=policy,
        authentication=laboratory.authenticator(ca, signer),
        verification=laboratory.verifier(ca, verification, MemoryReplayStore()),
        clock=lambda: NOW,
        checks=checks,
        dkim=dkim,
    )


def through(mail_filter: MailFilter, sent: Transaction, body: bytes = BODY) -> Decision:
    """Carry a message through a filter as the milter does: header, body, end."""
    connection, sender = sent.connection, sent.sender
    recipients, headers = sent.recipients, sent.headers
    prepared = mail_filter.prepare(connection, recipients, headers, sender)
    for start in range(0, len(body), CHUNK):
        for reader in prepared.readers():
            reader(body[start : start + CHUNK])
    return mail_filter.decide(
        prepared.transaction(
            connection, sender, recipients, headers, quarantine=sent.quarantine
        )
    )


def signed(ca: TestCA, *lines: str, dkim: DkimSigner | None = SIGNER) -> Transaction:
    """What the sending relay hands to us."""
    sent = mail(*(lines or LINES))
    inserted = through(relay(ca, dkim=dkim), sent).insert
    fields = tuple(Header(name, f" {value}".encode()) for name, value in inserted)
    return replace(sent, headers=(*fields, *sent.headers), connection=CLIENT)


def altered(sent: Transaction, name: str, value: bytes) -> Transaction:
    headers = tuple(
        Header(name, value) if header.named((name,)) else header
        for header in sent.headers
    )
    assert headers != sent.headers
    return replace(sent, headers=headers)


def written(decision: Decision) -> list[str]:
    """The result fields, unfolded."""
    return [
        value.replace("\n\t", " ")
        for name, value in decision.insert
        if name == "Authentication-Results"
    ]

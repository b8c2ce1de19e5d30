"""The mails that the filter is tested with, and what is read off its decisions."""

from collections.abc import Callable
from dataclasses import replace
from email.utils import format_datetime
from ipaddress import ip_address, ip_network

from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.transaction import Connection, Decision, Header, Transaction
from stirmilter.stir import identity, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.passport import Passport
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, BOB, BODY, NOW

US = "mx.example"
OURS = Connection(client=ip_address("192.0.2.1"))
STRANGER = Connection(client=ip_address("198.51.100.1"))
FROM = f"From: +{ALICE}/TYPE=PLMN@mms.example"
TO = f"To: +{BOB}/TYPE=PLMN"
REQ = "X-Mms-Message-Type: MM4_forward.REQ"
PLAIN = (FROM, TO)
MALLORY = str(digest_body(b"Hello Mallory\r\n").value())
POLICY = MailPolicy(authserv_id=US, networks=(ip_network("192.0.2.0/24"),))

Make = Callable[..., MailFilter]


def mail(
    *lines: str,
    connection: Connection = OURS,
    sender: str = f"<+{ALICE}@mms.example>",
    recipients: tuple[str, ...] = (f"<+{BOB}/TYPE=PLMN@mms.example>",),
    body: bytes = BODY,
    dated: bool = True,
) -> Transaction:
    """Make a transaction out of header lines and an envelope; dated, if no line is."""
    if dated and not any(line.lower().startswith("date:") for line in lines):
        lines = (*lines, f"Date: {format_datetime(NOW)}")
    fields = (line.partition(":") for line in lines)
    return Transaction(
        connection=connection,
        sender=sender,
        recipients=recipients,
        headers=tuple(Header(name, value.encode()) for name, _, value in fields),
        body=digest_body(body),
    )


def token(decision: Decision) -> Passport:
    """Return the PASSporT that a decision inserts."""
    [(name, value)] = decision.insert
    assert name == "PASSporT"
    return passport.parse(identity.parse(value).token)


def signed(ca: TestCA, *dest: str, name: str = "one", **claims: object) -> str:
    """Write a PASSporT field of the test CA, without the claims that are None."""
    signer = laboratory.signer(ca, name)
    made = Claims.message(
        ALICE, dest or (BOB,), int(NOW.timestamp()), digest_body(BODY).value()
    )
    raw = {name: value for name, value in {**made.raw, **claims}.items() if value}
    signed = passport.issue(replace(made, raw=raw), signer.x5u, signer.key)
    return f"PASSporT: {identity.write(signed, 'PASSporT')}"


def with_signature_of(field: str, other: str) -> str:
    """Give a PASSporT field the signature of another."""
    taken = identity.parse(other.partition(":")[2]).token.rpartition(".")[2]
    token, _, parameters = field.partition(";")
    return f"{token.rpartition('.')[0]}.{taken};{parameters}"


def delivered(decision: Decision, transaction: Transaction) -> Transaction:
    """Move what we signed to a stranger's side of the wire."""
    inserted = (Header(name, b" " + value.encode()) for name, value in decision.insert)
    return replace(
        transaction, connection=STRANGER, headers=(*inserted, *transaction.headers)
    )


def result_field(decision: Decision) -> str:
    """Return our Authentication-Results, unfolded."""
    [(name, value)] = decision.insert
    assert name == "Authentication-Results"
    return value.replace("\n\t", " ")

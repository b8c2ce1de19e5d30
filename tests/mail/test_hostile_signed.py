"""What a good signer's hostile message costs: beside a PASSporT that is valid.

A stranger without a certificate is told apart early. Whoever has one gets further: his
signature is verified, his body digested in each form and held against the claim, and
searched for what altered it where it does not match.
"""

from __future__ import annotations

from email.utils import format_datetime
from time import process_time

import pytest

from stirmilter.mail.methods import Methods, MethodsPolicy
from stirmilter.mail.transaction import Header, Transaction
from stirmilter.stir.msgi import digest_body
from stirmilter.stores.dns import Dns
from stirmilter.testca import TestCA
from tests.dns_server import DnsServer
from tests.laboratory import BOB, NOW
from tests.mail import mails
from tests.mail.relays import CLIENT, relay, through
from tests.mail.test_hostile_messages import (
    ALLOWED,
    BODIES,
    BODY,
    FROM,
    HEADERS,
    TOKEN,
    TRIES,
)
from tests.untraced import untraced

TO = Header("To", f" +{BOB}/TYPE=PLMN@mms.example".encode())
DATE = Header("Date", f" {format_datetime(NOW)}".encode())
MIXED = Header("Content-Type", b' multipart/mixed; boundary="b"')
ORDINARY = (FROM, TO, MIXED)
HELLO = b"Hello\r\n"


def filled(part: bytes) -> bytes:
    """Repeat a part as often as fits."""
    return part * (BODY // len(part))


RECODED = b"Content-Transfer-Encoding: quoted-printable\r\n"
SAID = b"X-MIME-Autoconverted: x\r\n"
MULTIPARTS: dict[str, bytes] = {
    "parts": filled(b"--b\r\n\r\n\r\n"),
    "recoded-parts": filled(b"--b\r\n" + RECODED + b"\r\n=FF\r\n"),
    "parts-said-to-be-recoded": filled(b"--b\r\n" + SAID + b"A:\r\n" * 8 + b"\r\n"),
    "two-hundred-of-them": filled(b"--b\r\n" + SAID + b"A:\r\n" * 360 + b"\r\n"),
    "one-recoded-part": b"--b\r\n" + RECODED + b"\r\n" + b"=FF" * (BODY // 3),
    "fields": filled(b"--b\r\n" + b"A:\r\n" * 2_000 + b"\r\n"),
    "hyphens": filled(b"--\r\n"),
    "folds": filled(b"a\r\n "),
    "nested": b"".join(
        b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b%d\r\n" % n
        for n in range(BODY // 60)
    ),
}


class Sender:
    """Whom we trust: signs a token for each message, and counts what that costs us."""

    def __init__(self, ca: TestCA, names: DnsServer) -> None:
        self._ca = ca
        self._dns = Dns([names.address])

    def message(self, headers: tuple[Header, ...], signed: bytes) -> Transaction:
        claim = str(digest_body(signed).value())
        name, _, value = mails.signed(self._ca, BOB, msgi=claim).partition(":")
        return Transaction(
            connection=CLIENT,
            sender="<+12025550123@mms.example>",
            recipients=(f"<+{BOB}@mms.example>",),
            headers=(Header(name, value.encode()), DATE, *headers),
        )

    def cost(
        self,
        headers: tuple[Header, ...] = ORDINARY,
        body: bytes = HELLO,
        signed: bytes | None = None,
    ) -> tuple[float, str]:
        """Return the seconds that a message costs, and the reason of its result.

        Args:
            headers: beside the token and the date.
            body: as it arrives.
            signed: what its token vouches for; None is the same.
        """
        judge = relay(self._ca, checks=Methods(MethodsPolicy(), self._dns.for_message))
        spent, reason = [], ""
        for _ in range(TRIES + 1):
            sent = self.message(headers, body if signed is None else signed)
            started = process_time()
            with untraced():
                reason = through(judge, sent, body).event.reason
            spent.append(process_time() - started)
        return min(spent[1:]), reason


@pytest.fixture
def sender(ca: TestCA, names: DnsServer) -> Sender:
    return Sender(ca, names)


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_beside_a_valid_token_costs_little(
    sender: Sender, name: str
) -> None:
    """Its signature is good; whom the header names may be another thing."""
    ordinary, verified = sender.cost()
    assert verified == "verified"
    hostile = tuple(header for header in HEADERS[name] if header is not TOKEN)
    given = {header.name for header in hostile}
    missing = tuple(header for header in (FROM, TO) if header.name not in given)

    spent, reason = sender.cost((*missing, *hostile))

    assert spent < ordinary + ALLOWED
    if name.startswith("from"):
        assert reason == "orig-mismatch"
    elif name.startswith("to"):
        assert reason == "dest-partial"
    else:
        assert reason == ("too-many-passports" if name == "passports" else "verified")


@pytest.mark.parametrize(
    "body", (BODIES | MULTIPARTS).values(), ids=BODIES | MULTIPARTS
)
def test_a_hostile_body_with_a_valid_token_costs_little(
    sender: Sender, body: bytes
) -> None:
    ordinary, _ = sender.cost()

    spent, reason = sender.cost(body=body)

    assert reason == "verified"
    assert spent < ordinary + ALLOWED


@pytest.mark.parametrize(
    "body", (BODIES | MULTIPARTS).values(), ids=BODIES | MULTIPARTS
)
def test_nor_does_it_if_the_token_is_for_another_body(
    sender: Sender, body: bytes
) -> None:
    """Then we look for what altered it."""
    ordinary, _ = sender.cost()

    spent, reason = sender.cost(body=body, signed=HELLO)

    assert reason == "body-altered"
    assert spent < ordinary + ALLOWED

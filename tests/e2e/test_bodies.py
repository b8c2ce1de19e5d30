"""What two real Postfix do to a body between them, and what we say of it beforehand and
afterwards: the table of docs/operations.md, "What happens to bodies on the way".
"""

import smtplib
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stirmilter.demo import daemons, postfix
from stirmilter.demo.acts import ALICE, BOB
from stirmilter.demo.laboratory import laboratory
from stirmilter.demo.mms import MMS
from stirmilter.demo.operators import ONE as HOST
from stirmilter.demo.operators import TWO
from stirmilter.demo.postfix import UNALTERED
from stirmilter.errors import StoreError
from stirmilter.events import Handled
from stirmilter.mail.message import RawMessage
from stirmilter.stores.journalreader import JournalReader

pytestmark = pytest.mark.e2e

PART = b"--mms-part-7d1f\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n"
END = b"\r\n--mms-part-7d1f--\r\n"


def part(kind: bytes, encoding: bytes, content: bytes) -> bytes:
    return PART % (kind, encoding) + b"Content-ID: <x>\r\n\r\n" + content + END


TEXT = b"text/plain; charset=utf-8"
BODIES = {
    "ascii": part(TEXT, b"7bit", b"Hello \r\n.\r\n-- \r\n\r\n\r\n"),
    "base64": part(b"image/jpeg", b"base64", b"AAAA" * 19 + b"\r\nAAAA"),
    "998": part(TEXT, b"7bit", b"x" * 998),
    "long": part(b"application/smil", b"7bit", b"<smil>" + b"x" * 2300 + b"</smil>"),
    "8bit": part(TEXT, b"8bit", "Grüße aus Zürich".encode()),
    "declared": part(b"application/smil", b"8bit", b"<smil></smil>"),
    "undeclared": part(TEXT, b"7bit", "Grüße aus Zürich".encode()),
    "binary": part(b"image/jpeg", b"binary", bytes(range(14, 256)) + b"\0"),
    "bare-CR": part(TEXT, b"7bit", b"a\rb"),
}
HAZARDS = {
    "long": ("long-lines",),
    "8bit": ("8bit",),
    "declared": ("8bit",),
    "undeclared": ("8bit",),
    "binary": ("8bit", "binary"),
}
WRAPPED = "altered: wrapped at 998"
RECODED = "altered: 8-bit parts recoded"

# As Postfix is shipped, and as conf/postfix-sign.cf has the transport; and whether the
# next hop announces 8BITMIME. What is not named arrives as it was signed.
ALTERED = {
    (True, False): {"long": WRAPPED},
    (False, False): {
        "long": WRAPPED,
        "8bit": RECODED,
        "declared": RECODED,
        "binary": RECODED,
    },
    (True, True): {},
    (False, True): {},
}


@dataclass
class Way:
    """A sending relay, with a receiving one behind it."""

    announced: bool
    guarded: bool
    sender: postfix.Instance
    journals: dict[str, Path]
    received: daemons.Mailbox

    def told(self, host: str, message: MMS) -> Handled:
        """What one of the two milters keeps about a message."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(StoreError), JournalReader(self.journals[host]) as reader:
                if found := reader.find(message.message_id):
                    return found[0]
            time.sleep(0.2)
        raise AssertionError(f"{host}: {message.message_id} is not in the journal")


@pytest.fixture(scope="module", params=ALTERED, ids=str)
def way(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Way]:
    announced, guarded = request.param
    with ExitStack() as stack:
        lab = stack.enter_context(laboratory(tmp_path_factory.mktemp("logs")))
        settings = (
            () if announced else ("smtpd_discard_ehlo_keywords = 8bitmime, smtputf8",)
        )
        [_, milter] = (
            (lab.two.folder / "etc" / "main.cf")
            .read_text()
            .split("\nsmtpd_milters = ", 1)
        )
        [_, hop] = milter.split("relayhost = [127.0.0.1]:", 1)
        folder = Path(stack.enter_context(daemons.short_folder()))
        two = stack.enter_context(
            postfix.instance(
                folder / "two",
                name=TWO,
                milter=milter.splitlines()[0],
                next_hop=int(hop.splitlines()[0]),
                settings=settings,
            )
        )
        one = stack.enter_context(
            postfix.instance(
                folder / "one",
                name=HOST,
                milter=f"unix:{lab.folder}/one.sock",
                next_hop=two.port,
                options=UNALTERED if guarded else (),
            )
        )
        journals = {n: lab.folder / f"{n}-journal.sqlite" for n in (HOST, TWO)}
        yield Way(announced, guarded, one, journals, lab.received)


@pytest.mark.conformance("M-12", "O-03")
@pytest.mark.parametrize("name", BODIES)
def test_what_becomes_of_a_body_is_foreseen_and_explained(way: Way, name: str) -> None:
    message = MMS(name=f"{name}-{way.announced}", sender=ALICE, to=(BOB,))
    octets = message.octets(datetime.now(UTC)) + BODIES[name]
    with smtplib.SMTP("127.0.0.1", way.sender.port, timeout=60) as smtp:
        smtp.ehlo()
        smtp.mail(message.mail_from, ["BODY=8BITMIME"])
        smtp.rcpt(message.recipients[0])
        smtp.docmd("DATA")
        smtp.send(octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        assert smtp.getreply()[0] == 250

    received = way.received.wait(message.message_id)

    assert received is not None
    detail = ALTERED[way.announced, way.guarded].get(name, "")
    verdict = way.told(TWO, message)
    assert (verdict.reason, verdict.detail) == (
        ("body-altered", detail) if detail else ("verified", "")
    )
    if not detail and name != "bare-CR":  # a space, before any milter sees it
        assert RawMessage.parse(received).body == BODIES[name]
    signed = way.told(HOST, message)
    assert signed.reason == "signed"
    assert signed.evidence is not None
    [token] = signed.evidence.tokens
    assert token.notes == tuple(f"hazard: {one}" for one in HAZARDS.get(name, ()))
    assert not detail or token.notes, "nothing is altered that was not foreseen"

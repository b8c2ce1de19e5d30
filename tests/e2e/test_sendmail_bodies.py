"""What a real Sendmail does to bodies, with our lines and without them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType

import pytest

from stirmilter.demo import postfix
from stirmilter.demo.mms import MMS
from stirmilter.mail.message import RawMessage
from tests.e2e import sendmail
from tests.e2e.conftest import OVER_BOTH, Daemon, Start
from tests.e2e.sendmail import NOBODY, Ground, arrived, mms, send, values
from tests.e2e.test_bodies import BODIES, TEXT, part

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(sendmail.missing()), reason=sendmail.missing()),
]

LINE = b"--mms-part-7d1f"
WHOLE = {name: body for name, body in BODIES.items() if name != "bare-CR"} | {
    "991": part(TEXT, b"7bit", b"x" * 991),
    "2041": part(TEXT, b"7bit", b"x" * 2041),
    "dots": part(TEXT, b"7bit", b".\r\n..\r\n.x\r\nFrom x"),
    "binary": part(b"image/jpeg", b"binary", bytes(range(14, 256)) * 300),
    "large": part(TEXT, b"7bit", (b"x" * 70 + b"\r\n") * 3_000),
    "empty": b"",
    "blank": b"\r\n",
    "unclosed": LINE + b"\r\nContent-Type: text/plain\r\n\r\nHello\r\n",
    "spaces": LINE
    + b" \t\r\nContent-Type:text/plain\r\n\r\nHello\r\n"
    + LINE
    + b"--\r\n",
    "no-field": LINE + b"\r\nno field\r\n\r\nHello\r\n" + LINE + b"--\r\n",
    "epilogue": b"a\r\n" + part(TEXT, b"7bit", b"x") + b"b\r\n\r\n\r\n",
}

# What becomes of them without our lines, whose bodies Sendmail reads for long fields.
SHIPPED = {"empty", "blank", "unclosed", "spaces", "no-field"}
ALTERED = {
    "relay": SHIPPED | {"2041", "long", "binary"},
    "esmtp": SHIPPED | {"998", "991", "2041", "long", "binary"},
}


@pytest.fixture
def ground() -> Iterator[Ground]:
    with sendmail.ground() as made:
        yield made


def told(message: RawMessage) -> list[tuple[str, str]]:
    """What our fields say of the body, the topmost first."""
    said = "\n".join(values(message, "Authentication-Results"))
    return re.findall(r"stir=(\w+)|policy\.msgi=(\w+)", said)


@OVER_BOTH
@pytest.mark.conformance("M-12")
@pytest.mark.parametrize(
    ("one", "two"),
    [(sendmail, sendmail), (sendmail, postfix), (postfix, sendmail)],
    ids=["sendmail-sendmail", "sendmail-postfix", "postfix-sendmail"],
)
def test_each_body_is_verified_to_the_octet(
    start: Start, ground: Ground, transport: str, one: ModuleType, two: ModuleType
) -> None:
    """The second relay knows no 8BITMIME if it is Postfix: nothing is recoded."""
    setting = f'transport = "{transport}"'
    signs, verifies = start(milter=setting), start(milter=setting, clients=NOBODY)

    def relay(kind: ModuleType, daemon: Daemon, next_hop: int) -> int:
        if kind is sendmail:
            return ground.relay(daemon, next_hop=next_hop).port
        place = ground.place()
        running = postfix.instance(
            place,
            name=f"{place.name}.example",
            milter=f"unix:{daemon.socket}",
            next_hop=next_hop,
            settings=["smtpd_discard_ehlo_keywords = 8bitmime"],
        )
        return ground.stack.enter_context(running).port

    first = relay(one, signs, relay(two, verifies, ground.port))
    sent = {}
    for name, body in WHOLE.items():
        sent[name] = mms()
        send(first, sent[name], _with_body(sent[name], body))

    found = {name: arrived(ground.received, message) for name, message in sent.items()}

    assert {name: told(one) for name, one in found.items()} == {
        name: [("pass", ""), ("", "exact")] for name in WHOLE
    }
    changed = {name for name, one in found.items() if one.body != WHOLE[name]}
    assert changed == set()


@pytest.mark.parametrize("mailer", ALTERED)
def test_what_sendmail_alters_without_our_lines(ground: Ground, mailer: str) -> None:
    relay = ground.relay(None, mailer=mailer)
    sent = {}
    for name, body in WHOLE.items():
        sent[name] = mms()
        send(relay.port, sent[name], _with_body(sent[name], body))

    found = {name: arrived(ground.received, message) for name, message in sent.items()}

    changed = {name for name, one in found.items() if one.body != WHOLE[name]}
    assert changed == ALTERED[mailer]


def _with_body(message: MMS, body: bytes) -> bytes:
    header, _, _ = message.octets(datetime.now(UTC)).partition(b"\r\n\r\n")
    return header + b"\r\n\r\n" + body

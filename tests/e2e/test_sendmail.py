"""Mail through a real Sendmail: docs/operations.md, "Sendmail", says what is proven."""

import re
import signal
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stirmilter.demo.acts import ALICE, BOB
from stirmilter.demo.daemons import Mailbox
from tests.e2e import sendmail
from tests.e2e.conftest import OVER_BOTH, Start
from tests.e2e.sendmail import (
    NOBODY,
    Ground,
    Instance,
    arrived,
    carry,
    mms,
    send,
    values,
)
from tests.e2e.test_milter import token_of
from tests.e2e.test_peers import PEER
from tests.e2e.test_policy import RULE
from tests.e2e.watching import until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(sendmail.missing()), reason=sendmail.missing()),
]

Run = Callable[..., Instance]


@pytest.fixture
def ground() -> Iterator[Ground]:
    with sendmail.ground() as made:
        yield made


@pytest.fixture
def run(ground: Ground) -> Run:
    return ground.relay


@pytest.fixture
def received(ground: Ground) -> Mailbox:
    return ground.received


@pytest.fixture
def folder(ground: Ground) -> Path:
    return ground.folder


@OVER_BOTH
def test_fields_go_and_come_where_they_are_to(
    start: Start, run: Run, received: Mailbox, transport: str
) -> None:
    """Forged ones go, all of them and no other; ours are above Received."""
    daemon = start(milter=f'transport = "{transport}"', clients=NOBODY)
    forged = b"Authentication-Results: mx.example; stir=pass\r\n"
    other = b"Authentication-Results: %d.example; spf=pass\r\n"
    message = mms()
    octets = message.octets(datetime.now(UTC))
    pieces = [forged, other % 1, forged, b"Received: from x\r\n", forged, other % 2]
    relay = run(daemon)

    queue_id = send(relay.port, message, b"".join(pieces) + octets)

    found = arrived(received, message)
    names = [one.name for one in found.headers]
    results = values(found, "Authentication-Results")
    assert names[:2] == ["Authentication-Results", "Received"]
    assert [re.split(r"[ ;]", one.strip())[0] for one in results] == [
        "mx.example",
        "1.example",
        "2.example",
    ]
    assert "stir=none reason=no-passport" in results[0]
    until(lambda: f" {queue_id}: in=" in daemon.logged(), "logged, with its queue id")


@OVER_BOTH
def test_what_an_mmsc_wrote_leaves_as_it_wrote_it(
    start: Start, run: Run, received: Mailbox, transport: str
) -> None:
    """Numbers get no domain, spaces and folds stay: a DKIM signature would hold."""
    relay = run(start(milter=f'transport = "{transport}"'))
    message = mms()
    fields = [
        f"From: {ALICE}/TYPE=PLMN",
        f"To: {BOB}/TYPE=PLMN",
        "Subject:  a  b ",
        "X-Mms-Message-Type:MM4_forward.REQ",
        "X-Mms-Empty:",
        "X-Mms-Folded: a;\r\n\tb;\r\n c",
        "X-Mms-Eight: Gr\u00fc\u00dfe",
        f"Message-ID: {message.message_id}",
        "Date: " + datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000"),
    ]
    written = "".join(f"{one}\r\n" for one in fields).encode()

    send(relay.port, message, written + b"\r\nHello\r\n")

    octets = received.wait(message.message_id)
    assert octets is not None
    assert octets.endswith(written + b"\r\nHello\r\n")
    assert octets.startswith(b"PASSporT: ey")


@OVER_BOTH
@pytest.mark.parametrize(
    ("action", "more", "answer"),
    [
        ("reject", "", (550, b"5.7.1 message refused by policy: ")),
        ("tempfail", 'code = "450"\nenhanced = "4.7.26"', (450, b"4.7.26 ")),
    ],
)
def test_a_message_is_refused_with_our_code_and_text(
    start: Start,
    run: Run,
    transport: str,
    action: str,
    more: str,
    answer: tuple[int, bytes],
) -> None:
    rule = RULE.format(action=action, more=more)
    daemon = start(milter=f'transport = "{transport}"', more=rule, clients=NOBODY)
    relay = run(daemon)

    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(relay.port, mms())

    said = refused.value.smtp_error[: len(answer[1])]
    assert (refused.value.smtp_code, said) == answer


@OVER_BOTH
def test_a_message_is_held_in_quarantine(
    start: Start, run: Run, received: Mailbox, transport: str
) -> None:
    rule = RULE.format(action="quarantine", more="")
    daemon = start(milter=f'transport = "{transport}"', more=rule, clients=NOBODY)
    relay = run(daemon)
    message = mms()

    queue_id = send(relay.port, message)

    assert relay.quarantined == [queue_id]
    held = (relay.folder / "queue" / f"hf{queue_id}").read_bytes()
    assert b"\nqstirmilter: unsigned\n" in held
    assert received.wait(message.message_id, seconds=0) is None


@OVER_BOTH
def test_messages_of_a_session_do_not_mix_and_one_is_refused_a_recipient(
    start: Start, run: Run, received: Mailbox, transport: str
) -> None:
    refuse = (
        "LOCAL_RULESETS",
        "SLocal_check_rcpt",
        'R$* 13125550199 $*\t$#error $@ 5.1.1 $: "550 no such number"',
    )
    relay = run(start(milter=f'transport = "{transport}"'), rules=refuse)
    first, second, third = mms(BOB, "+13125550101"), mms("+13125550199", BOB), mms()

    with smtplib.SMTP("127.0.0.1", relay.port, timeout=60) as smtp:
        carry(smtp, first, first.octets(datetime.now(UTC)))
        smtp.mail("<+19995550100/TYPE=PLMN@other.example>")
        smtp.rcpt("<+19995550101/TYPE=PLMN@other.example>")
        smtp.rset()
        refused = smtp.sendmail(
            second.mail_from, second.recipients, second.octets(datetime.now(UTC))
        )
        smtp.mail("<+19995550100/TYPE=PLMN@other.example>")
        smtp.ehlo("again.example")
        carry(smtp, third, third.octets(datetime.now(UTC)))

    assert list(refused) == [second.recipients[0]]
    dests = []
    for message in (first, second, third):
        [value] = values(arrived(received, message), "PASSporT")
        dests.append(token_of(value.encode()).claims.named)
    assert dests == [
        {"13125550100", "13125550101"},
        {"13125550100", "13125550199"},
        {"13125550100"},
    ]


@OVER_BOTH
def test_a_session_goes_on_over_a_reload(
    start: Start, run: Run, received: Mailbox, transport: str
) -> None:
    daemon = start(milter=f'transport = "{transport}"')
    relay = run(daemon)
    first, second, third = mms(), mms(), mms()

    def reload(times: int) -> None:
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.logged().count("reloaded: ") == times, "reloaded")

    with smtplib.SMTP("127.0.0.1", relay.port, timeout=60) as smtp:
        smtp.ehlo("mmsc.example")
        reload(1)
        carry(smtp, first, first.octets(datetime.now(UTC)))
        reload(2)
        carry(smtp, second, second.octets(datetime.now(UTC)))
    send(relay.port, third)

    for message in (first, second, third):
        assert len(values(arrived(received, message), "PASSporT")) == 1


@OVER_BOTH
@pytest.mark.parametrize(("name", "known"), [("mmsc", True), ("other", False)])
def test_a_peer_is_known_by_its_certificate(
    start: Start,
    run: Run,
    folder: Path,
    received: Mailbox,
    transport: str,
    name: str,
    known: bool,
) -> None:
    peer = PEER.format(criterion='tls_names = ["mmsc.two.example"]')
    daemon = start(milter=f'transport = "{transport}"', more=peer, clients=NOBODY)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = f"/O=Two, Inc/CN={name}.two.example"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-subj", subject, "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    files = {
        "CACERT": certificate,
        "CACERT_PATH": folder,
        "SERVER_CERT": certificate,
        "SERVER_KEY": key,
    }
    settings = [f"define(`conf{one}', `{path}')dnl" for one, path in files.items()]
    relay = run(daemon, settings=settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(certificate)
    context.load_cert_chain(certificate, key)
    message = mms()

    with smtplib.SMTP("127.0.0.1", relay.port, timeout=60) as smtp:
        smtp.starttls(context=context)
        carry(smtp, message, message.octets(datetime.now(UTC)))

    found = arrived(received, message)
    assert bool(values(found, "X-Stirmilter")) is known

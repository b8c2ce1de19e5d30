"""The policy through the real milter socket: what the MTA is told to do."""

import re
import smtplib
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stirmilter.demo import daemons, postfix
from stirmilter.demo.postfix import free_port
from stirmilter.errors import StoreError
from stirmilter.stores.journalreader import JournalReader
from tests import mta
from tests.e2e.conftest import Daemon, Start
from tests.e2e.scraping import value
from tests.e2e.test_milter import BOB, SENDER, STRANGER, headers
from tests.e2e.watching import reload, until

pytestmark = pytest.mark.e2e

RULE = """\
[[rule]]
name = "unsigned"
verdict = ["unauthenticated"]
action = "{action}"
{more}
"""


def send(
    daemon: Daemon, *more: tuple[bytes, bytes], queue_id: bytes = b"Q1"
) -> mta.Answer:
    with mta.session(daemon.socket, STRANGER) as session:
        return session.message(
            SENDER, [BOB], [*headers(123), *more], b"Hello\r\n", queue_id=queue_id
        )


@pytest.mark.conformance("E-16", "E-17")
def test_a_rejection_is_answered_in_smtp_with_code_and_text(start: Start) -> None:
    daemon = start(more=RULE.format(action="reject", more=""))

    answer = send(daemon)

    assert (answer.verdict, answer.reply) == (
        b"y",
        b"550 5.7.1 message refused by policy: stir=none reason=no-passport",
    )
    assert (answer.inserted, answer.changed) == ([], [])
    [line] = [one for one in daemon.logged().splitlines() if " Q1: " in one]
    assert line.startswith("WARNING Q1: in=unauthenticated reason=no-passport")
    assert "action=reject" in line
    assert "rule=unsigned" in line


@pytest.mark.conformance("E-16")
def test_the_operators_words_are_what_is_answered(start: Start) -> None:
    said = 'code = "450"\nenhanced = "4.7.26"\ntext = "come again, signed"'
    daemon = start(more=RULE.format(action="tempfail", more=said))

    answer = send(daemon)

    assert (answer.verdict, answer.reply) == (b"y", b"450 4.7.26 come again, signed")


def test_a_quarantined_message_is_held_with_its_results(start: Start) -> None:
    daemon = start(more=RULE.format(action="quarantine", more=""))

    answer = send(daemon)

    assert answer.verdict == b"c"
    assert answer.quarantined == b"stirmilter: unsigned"
    assert b"stir=none" in answer.value(b"Authentication-Results")


def test_a_tag_is_added_and_forged_ones_are_removed(start: Start) -> None:
    more = 'header = "X-Trust"\nvalue = "{rule}={verdict}"'
    daemon = start(more=RULE.format(action="tag", more=more))

    answer = send(
        daemon,
        (b"X-Trust", b" authenticated"),
        (b"Subject", b" x"),
        (b"x-trust", b" authenticated"),
        (b"X-Stirmilter", b" authenticated"),
    )

    assert answer.value(b"X-Trust").strip() == b"unsigned=unauthenticated"
    gone = [(name.lower(), index) for index, name, value in answer.changed if not value]
    assert [index for name, index in gone if name == b"x-trust"] == [2, 1]
    assert set(gone) - {(b"x-trust", 1), (b"x-trust", 2)} == {(b"x-stirmilter", 1)}
    assert answer.verdict == b"c"


def test_a_shadow_is_logged_counted_and_kept_and_changes_nothing(start: Start) -> None:
    port = free_port()
    daemon = start(
        more=RULE.format(action="tag", more="").replace("[[rule]]", "[[shadow_rule]]")
        + f'[metrics]\nlisten = "inet:{port}@127.0.0.1"\ncounters = "metrics"\n'
    )

    answer = send(daemon)

    assert [name for _, name, _ in answer.inserted] == [b"Authentication-Results"]
    assert "action=accept" in daemon.logged()
    assert "shadow=tag/unsigned" in daemon.logged()
    name = "stirmilter_shadow_differences_total"
    labels = {"action": "accept", "shadow_action": "tag", "shadow_rule": "unsigned"}
    assert value(port, name, **labels) == 1
    journal = daemon.configuration.with_name("journal.sqlite")
    until(journal.exists, "a journal")

    def kept() -> bool:
        # The file may be there before its tables are.
        with suppress(StoreError), JournalReader(journal) as reader:
            return [(e.shadow_action, e.shadow_rule) for e in reader.find("Q1")] == [
                ("tag", "unsigned")
            ]
        return False

    until(kept, "the shadow in the journal")


def test_rules_are_counted_with_their_peer(start: Start) -> None:
    port = free_port()
    daemon = start(
        more=RULE.format(action="tag", more="")
        + f'[[peer]]\nname = "two"\nnetworks = ["{STRANGER}/32"]\n'
        + f'[metrics]\nlisten = "inet:{port}@127.0.0.1"\ncounters = "metrics"\n'
    )

    send(daemon)

    labels = {"rule": "unsigned", "action": "tag", "peer": "two"}
    assert value(port, "stirmilter_policy_total", **labels) == 1
    assert "rule=unsigned peer=two" in daemon.logged()


class Catch(socketserver.StreamRequestHandler):
    """The smallest SMTP server: takes everything, keeps the text."""

    taken: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 relay\r\n")
        data = False
        for line in self.rfile:
            self.taken.append(line.decode().rstrip("\r\n"))
            if data:
                data = line != b".\r\n"
                if data:
                    continue
            data = line == b"data\r\n"
            self.wfile.write(b"354 go\r\n" if data else b"250 ok\r\n")


@contextmanager
def relay() -> Iterator[tuple[int, list[str]]]:
    taken: list[str] = []
    handler = type("Handler", (Catch,), {"taken": taken})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], taken
        finally:
            server.shutdown()
            thread.join()


def test_a_rejected_request_of_a_peer_is_answered_to_its_mmsc(start: Start) -> None:
    with relay() as (port, taken):
        daemon = start(
            more=RULE.format(action="reject", more="")
            + f'[[peer]]\nname = "two"\nnetworks = ["{STRANGER}/32"]\n'
            + f'[mm4]\nreply = true\nrelay = "127.0.0.1:{port}"\n'
        )

        answer = send(
            daemon,
            (b"X-Mms-Transaction-ID", b' "t1@mms.two.example"'),
            (b"X-Mms-Message-ID", b' "m1@mms.two.example"'),
            (b"X-Mms-Ack-Request", b" Yes"),
            (b"X-Mms-Originator-System", b" PostMaster@mms.mnc006.mcc260.gprs"),
        )
        until(lambda: "." in taken, "an answer")

    assert answer.verdict == b"y"
    # Later versions of smtplib write the words small.
    assert re.match("mail from:<>", taken[1], re.IGNORECASE)
    assert re.match(
        "rcpt to:<PostMaster@mms.mnc006.mcc260.gprs>", taken[2], re.IGNORECASE
    )
    assert 'X-Mms-Transaction-ID: "t1@mms.two.example"' in taken
    assert "X-Mms-Request-Status-Code: Error-service-denied" in taken


def test_a_relay_that_is_down_costs_a_line_in_the_log_and_no_message(
    start: Start,
) -> None:
    daemon = start(
        more=RULE.format(action="reject", more="")
        + f'[mm4]\nreply = true\nstrangers = true\nrelay = "127.0.0.1:{free_port()}"\n'
    )

    answer = send(
        daemon,
        (b"X-Mms-Transaction-ID", b" t1"),
        (b"X-Mms-Message-ID", b" m1"),
        (b"X-Mms-Ack-Request", b" Yes"),
        (b"X-Mms-Originator-System", b" system@mms.two.example"),
    )

    assert answer.verdict == b"y"
    until(
        lambda: "mm4: no answer to system@mms.two.example" in daemon.logged(),
        "a line in the log",
    )


def test_a_ladder_counts_from_its_date_on(start: Start) -> None:
    today = datetime.now(UTC).date()
    daemon = start(
        more=f'[[peer]]\nname = "two"\nnetworks = ["{STRANGER}/32"]\n'
        'must_sign = ["MM4_forward.REQ"]\n'
        f'ladder = [{{ from = {today}, action = "reject" }}]\n'
    )

    answer = send(daemon)

    assert answer.reply.startswith(b"550 5.7.1 ")
    assert "rule=ladder:two peer=two" in daemon.logged()


def test_an_mta_without_a_quarantine_is_asked_to_come_again(start: Start) -> None:
    daemon = start(more=RULE.format(action="quarantine", more=""))

    with mta.session(daemon.socket, STRANGER, actions=0x1DF) as session:
        answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")

    assert answer.reply.startswith(b"451 4.3.5 ")
    assert answer.inserted == []


TABLE = """\
[[peer]]
name = "held"
helo = ["held.example"]
[[peer]]
name = "refused"
helo = ["refused.example"]
[[rule]]
name = "hold"
peer = ["held"]
action = "quarantine"
[[rule]]
name = "refuse"
peer = ["refused"]
action = "reject"
text = "not from here"
[[rule]]
name = "mark"
action = "tag"
"""


@pytest.mark.conformance("E-17")
def test_postfix_does_what_the_policy_says(start: Start) -> None:
    """A real one: it refuses with our words, holds, and delivers with the tag."""
    daemon = start(more=TABLE)
    configured = daemon.configuration.read_text()
    daemon.configuration.write_text(
        configured.replace('clients = ["127.0.0.0/8"]', "clients = []")
    )
    reload(daemon)
    port = free_port()
    text = "From: <a@one.example>\r\nMessage-ID: <{}@one.example>\r\n\r\nHello\r\n"

    def send(helo: str, relay_port: int) -> str:
        with smtplib.SMTP("127.0.0.1", relay_port, helo) as smtp:
            try:
                smtp.sendmail("a@one.example", ["b@two.example"], text.format(helo))
            except smtplib.SMTPDataError as error:
                return str(error)
        return "taken"

    with (
        daemons.short_folder() as folder,
        daemons.sink(port) as received,
        postfix.instance(
            Path(folder) / "p",
            name="mx.example",
            milter=f"unix:{daemon.socket}",
            next_hop=port,
        ) as running,
    ):
        outcomes = [
            send(f"{name}.example", running.port)
            for name in ("refused", "held", "other")
        ]
        arrived = received.wait("<other.example@one.example>")
        queue = running.folder / "queue"
        until(lambda: any((queue / "hold").iterdir()), "a message that is held")
        held = received.wait("<held.example@one.example>", seconds=0.1)

    assert outcomes == ["(550, b'5.7.1 not from here')", "taken", "taken"]
    assert arrived is not None
    assert b"\nX-Stirmilter: unauthenticated; reason=no-passport; rule=mark" in arrived
    assert held is None

"""What of a mail that comes again is a replay, and what is none."""

from datetime import timedelta
from ipaddress import ip_address

import pytest

from stirmilter.mail.transaction import Connection
from stirmilter.testca import TestCA
from tests.laboratory import BOB, CAROL, NOW
from tests.mail.mails import FROM, PLAIN, STRANGER, Make, mail, signed


@pytest.mark.conformance("V-10")
def test_a_retry_is_no_replay(ca: TestCA, make: Make) -> None:
    """The same client, the same header block: our 250 was lost on its way."""
    mail_filter = make()
    sent = mail("Received: by a.example", *PLAIN, signed(ca), connection=STRANGER)

    reasons = [mail_filter.decide(sent).event.reason for _ in range(3)]

    assert reasons == ["verified"] * 3


@pytest.mark.conformance("V-10")
def test_a_message_split_over_transactions_is_no_replay(ca: TestCA, make: Make) -> None:
    mail_filter = make()
    lines = (FROM, f"To: +{BOB}, +{CAROL}", signed(ca, BOB, CAROL))

    reasons = [
        mail_filter.decide(
            mail(*lines, connection=STRANGER, recipients=(f"<+{number}@h>",))
        ).event.reason
        for number in (BOB, CAROL)
    ]

    assert reasons == ["verified", "verified"]


@pytest.mark.parametrize(
    ("client", "above"),
    [
        pytest.param("203.0.113.9", [], id="from-another-client"),
        pytest.param("198.51.100.1", ["Received: by b.example"], id="another-way"),
        pytest.param("198.51.100.1", ["Subject: news"], id="under-another-subject"),
    ],
)
@pytest.mark.conformance("V-09")
def test_a_replay_comes_from_elsewhere_or_looks_otherwise(
    ca: TestCA, make: Make, client: str, above: list[str]
) -> None:
    mail_filter = make()
    lines = (*PLAIN, signed(ca))
    thief = Connection(client=ip_address(client))

    first = mail_filter.decide(mail(*lines, connection=STRANGER))
    second = mail_filter.decide(mail(*above, *lines, connection=thief))

    assert first.event.reason == "verified"
    assert second.event.reason == "replayed"
    assert second.event.outcome == "failed"


def test_a_replay_to_another_recipient_of_the_token_passes_once(
    ca: TestCA, make: Make
) -> None:
    """A copy by another way, of a message to two, is how MM4 relays split it."""
    mail_filter = make()
    lines = (FROM, f"To: +{BOB}, +{CAROL}", signed(ca, BOB, CAROL))

    def deliver(number: str, way: str) -> str:
        sent = mail(
            f"Received: by {way}",
            *lines,
            connection=STRANGER,
            recipients=(f"<+{number}@h>",),
        )
        return mail_filter.decide(sent).event.reason

    assert deliver(BOB, "a.example") == "verified"
    assert deliver(CAROL, "b.example") == "verified"
    assert deliver(CAROL, "a.example") == "replayed"


def test_a_token_that_fails_uses_nothing_up(ca: TestCA, make: Make) -> None:
    mail_filter = make()
    lines = (*PLAIN, signed(ca))
    thief = Connection(client=ip_address("203.0.113.9"))

    spoilt = mail_filter.decide(mail(*lines, connection=thief, body=b"Hullo\r\n"))
    good = mail_filter.decide(mail(*lines, connection=STRANGER))

    assert spoilt.event.reason == "body-altered"
    assert good.event.reason == "verified"


@pytest.mark.conformance("V-09")
def test_a_key_is_kept_as_long_as_its_token_is_fresh(ca: TestCA, make: Make) -> None:
    times = iter([NOW, NOW + timedelta(hours=24)])
    mail_filter = make(clock=lambda: next(times))
    lines = (*PLAIN, signed(ca))
    thief = Connection(client=ip_address("203.0.113.9"))

    first = mail_filter.decide(mail(*lines, connection=STRANGER))
    last = mail_filter.decide(mail(*lines, connection=thief))

    assert [first.event.reason, last.event.reason] == ["verified", "replayed"]


@pytest.mark.conformance("V-10")
def test_a_client_with_a_certificate_may_come_again_from_another_address(
    ca: TestCA, make: Make
) -> None:
    """Outgoing pools do; and an address of theirs without the certificate is nobody."""
    mail_filter = make()
    lines = (*PLAIN, signed(ca))

    def deliver(client: str, tls_name: str) -> str:
        connection = Connection(client=ip_address(client), tls_name=tls_name)
        return mail_filter.decide(mail(*lines, connection=connection)).event.reason

    assert deliver("198.51.100.1", "relay.two.example") == "verified"
    assert deliver("2001:db8::1", "Relay.two.example") == "verified"
    assert deliver("198.51.100.1", "") == "replayed"
    assert deliver("198.51.100.1", "relay.three.example") == "replayed"

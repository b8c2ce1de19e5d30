"""What of a mail that comes again is a replay, and what is none."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from stirmilter.mail.beside import Beside
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.peers import Peer
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.protection import Protection
from stirmilter.mail.results import DkimSignature, MailResults
from stirmilter.mail.transaction import Connection
from stirmilter.services import VerificationPolicy
from stirmilter.testca import TestCA
from tests.laboratory import BOB, CAROL, NOW
from tests.mail.mails import FROM, PLAIN, POLICY, STRANGER, Make, mail, signed
from tests.mail.policy.tables import rule

THIEF = Connection(client=ip_address("203.0.113.9"))


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

    spoilt = mail_filter.decide(mail(*lines, connection=THIEF, body=b"Hullo\r\n"))
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


# What is not let through uses nothing up


def refusing(make: Make, action: str) -> MailFilter:
    """Make a filter that does this to what the thief sends, whatever it is worth."""
    peer = Peer(name="theirs", networks=(ip_network("203.0.113.0/24"),))
    policy = Policy(rules=(rule("theirs", action, peer="theirs"),), peers=(peer,))
    return make(policy=replace(POLICY, actions=policy))


@pytest.mark.conformance("V-22")
@pytest.mark.parametrize("action", ["tempfail", "reject"])
def test_a_copy_that_is_refused_does_not_spoil_the_message(
    ca: TestCA, make: Make, action: str
) -> None:
    """It may be stolen; or it comes again, from another address of the same pool."""
    mail_filter = refusing(make, action)
    lines = (*PLAIN, signed(ca))

    refused = [
        mail_filter.decide(mail(*lines, connection=THIEF)).event for _ in range(2)
    ]
    good = mail_filter.decide(mail("Received: by b", *lines, connection=STRANGER))
    late = mail_filter.decide(mail(*lines, connection=THIEF))

    assert [(one.reason, one.action) for one in refused] == [("verified", action)] * 2
    assert (good.event.reason, good.event.action) == ("verified", "accept")
    assert late.event.reason == "replayed", "it is told, whatever becomes of it"


@pytest.mark.conformance("V-22")
@pytest.mark.parametrize("action", ["accept", "tag", "quarantine"])
def test_a_copy_that_somebody_may_get_uses_the_token_up(
    ca: TestCA, make: Make, action: str
) -> None:
    mail_filter = refusing(make, action)
    lines = (*PLAIN, signed(ca))

    first = mail_filter.decide(mail(*lines, connection=THIEF))
    second = mail_filter.decide(mail(*lines, connection=STRANGER))

    assert (first.event.reason, first.event.action) == ("verified", action)
    assert second.event.reason == "replayed"


def test_a_quarantine_that_is_not_to_be_had_uses_nothing_up(
    ca: TestCA, make: Make
) -> None:
    """It is answered 451, as the MTA lets nothing be held."""
    mail_filter = refusing(make, "quarantine")
    lines = (*PLAIN, signed(ca))

    sent = replace(mail(*lines, connection=THIEF), quarantine=False)
    assert mail_filter.decide(sent).event.reason == "verified"

    good = mail_filter.decide(mail(*lines, connection=STRANGER))
    assert good.event.reason == "verified"


@pytest.mark.conformance("V-22")
def test_what_was_answered_meanwhile_uses_nothing_up(ca: TestCA, make: Make) -> None:
    """It took too long, and comes again, perhaps by another way."""
    mail_filter = make()
    lines = (*PLAIN, signed(ca))

    mail_filter.decide(replace(mail(*lines, connection=THIEF), late=lambda: True))

    good = mail_filter.decide(mail(*lines, connection=STRANGER))
    assert good.event.reason == "verified"


@pytest.mark.conformance("V-22", "E-11")
def test_a_copy_without_dkim_does_not_spoil_the_message_under_strict(
    ca: TestCA, make: Make
) -> None:
    mail_filter = make(verification=VerificationPolicy(protected=True))
    lines = (*PLAIN, signed(ca))
    bare = Beside(protection=Protection(missing=("from",)))
    whole = Beside(protection=Protection(covered=True))

    def deliver(beside: Beside, connection: Connection) -> str:
        sent = mail(*lines, connection=connection)
        return mail_filter.verify(sent, NOW, beside)[0].event.reason

    assert deliver(bare, THIEF) == "headers-unprotected"
    assert deliver(whole, STRANGER) == "verified"
    assert deliver(bare, THIEF) == "replayed", "of two things the worse is told"
    assert deliver(whole, THIEF) == "replayed"


def test_a_copy_under_a_strange_domain_does_not_spoil_the_message(
    ca: TestCA, make: Make
) -> None:
    """Binding a carrier to its DKIM domains is for such a thief."""
    peer = Peer(
        name="carrier",
        networks=(ip_network("198.51.100.0/24"),),
        dkim={"1234": frozenset({"carrier.example"})},
    )
    policy = Policy(rules=(rule("s", "reject", binding="mismatch"),), peers=(peer,))
    mail_filter = make(policy=replace(POLICY, actions=policy))
    lines = (*PLAIN, signed(ca, name="spc"))

    def deliver(domain: str, connection: Connection) -> tuple[str, str]:
        signature = DkimSignature(word="pass", domain=domain)
        beside = Beside(results=MailResults(dkim=(signature,)))
        sent = mail(*lines, connection=connection)
        event = mail_filter.verify(sent, NOW, beside)[0].event
        return event.reason, event.action

    assert deliver("thief.example", THIEF) == ("verified", "reject")
    assert deliver("carrier.example", STRANGER) == ("verified", "accept")


def test_what_our_own_trouble_defers_may_come_again_by_another_way(
    ca: TestCA, make: Make
) -> None:
    policy = Policy(failures=FailurePolicy(dns="tempfail"))
    mail_filter = make(policy=replace(POLICY, actions=policy))
    lines = (*PLAIN, signed(ca))
    down = Beside(results=MailResults(dkim=(DkimSignature(word="temperror"),)))

    deferred, _ = mail_filter.verify(mail(*lines, connection=STRANGER), NOW, down)
    again = mail_filter.decide(mail("Received: by b", *lines, connection=THIEF))

    assert deferred.event.action == "tempfail"
    assert again.event.reason == "verified"

"""Who may use which number, and what a signed message must have: RFC 8224 §6.1."""

from dataclasses import replace
from email.utils import parsedate_to_datetime
from ipaddress import ip_address, ip_network

import pytest

from stirmilter.mail.mailpolicy import Submitter
from stirmilter.mail.transaction import Connection
from stirmilter.stir.tn import NumberSet
from tests.laboratory import ALICE, BOB, NOW
from tests.mail.mails import PLAIN, POLICY, STRANGER, Make, mail

HERS = NumberSet.parse([f"+{ALICE}"])
HIS = NumberSet.parse([f"+{BOB}"])


def of(network: str, numbers: NumberSet) -> Submitter:
    return Submitter(network=ip_network(network), numbers=numbers)


@pytest.mark.conformance("A-03")
@pytest.mark.parametrize(
    ("submitters", "signed"),
    [
        pytest.param((), True, id="nobody-is-limited"),
        pytest.param((of("192.0.2.0/24", HERS),), True, id="its-number"),
        pytest.param((of("192.0.2.0/24", HIS),), False, id="another-number"),
        pytest.param((of("192.0.2.9/32", HIS),), True, id="another-client-is-limited"),
        pytest.param((of("2001:db8::/32", HIS),), True, id="ipv6-network"),
        pytest.param(
            (of("192.0.2.0/24", HIS), of("192.0.2.1/32", HERS)),
            True,
            id="two-give-both",
        ),
        pytest.param((Submitter(login="mmsc", numbers=HERS),), True, id="its-login"),
        pytest.param(
            (Submitter(login="mmsc", numbers=HIS),), False, id="login-limited"
        ),
        pytest.param((Submitter(login="other", numbers=HIS),), True, id="other-login"),
        pytest.param(
            (Submitter(login="mmsc", numbers=HIS), of("192.0.2.0/24", HERS)),
            True,
            id="login-or-network",
        ),
    ],
)
def test_a_client_uses_the_numbers_that_it_was_given(
    make: Make, submitters: tuple[Submitter, ...], signed: bool
) -> None:
    connection = Connection(client=ip_address("192.0.2.1"), login="mmsc")
    policy = replace(POLICY, submitters=submitters)

    decision = make(policy=policy).decide(mail(*PLAIN, connection=connection))

    assert decision.action == "accept"
    assert bool(decision.insert) is signed
    assert decision.event.reason == ("signed" if signed else "not-its-number")


def test_a_client_without_an_address_is_in_no_network(make: Make) -> None:
    connection = Connection(client=None, login="mmsc")
    policy = replace(POLICY, logins=True, submitters=(of("0.0.0.0/0", HIS),))

    decision = make(policy=policy).decide(mail(*PLAIN, connection=connection))

    assert decision.event.reason == "signed"


@pytest.mark.conformance("A-12")
def test_a_date_that_is_missing_is_added_to_what_we_sign(make: Make) -> None:
    decision = make().decide(mail(*PLAIN, dated=False))

    assert [name for name, _ in decision.insert] == ["Date", "PASSporT"]
    assert parsedate_to_datetime(decision.insert[0].value) == NOW


@pytest.mark.conformance("A-12")
@pytest.mark.parametrize("date", ["Date: ", "Date: yesterday", "DATE: x"])
def test_a_date_that_is_there_stays_alone(make: Make, date: str) -> None:
    decision = make().decide(mail(*PLAIN, date))

    assert "Date" not in [name for name, _ in decision.insert]


@pytest.mark.parametrize(
    "connection", [STRANGER, Connection(client=ip_address("192.0.2.1"))]
)
def test_what_we_do_not_sign_gets_no_date(make: Make, connection: Connection) -> None:
    unserved = ("From: +19995550100", PLAIN[1])

    decision = make().decide(mail(*unserved, connection=connection, dated=False))

    assert "Date" not in [name for name, _ in decision.insert]

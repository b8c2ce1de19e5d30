"""Who may use which number, and what a signed message must have: RFC 8224 §6.1."""

from collections.abc import Iterable
from dataclasses import replace
from email.utils import parsedate_to_datetime
from ipaddress import ip_address, ip_network

import pytest

from stirmilter.errors import StoreError
from stirmilter.mail.mailpolicy import Refusal, Submitter
from stirmilter.mail.policy.actions import Action
from stirmilter.mail.transaction import Connection
from stirmilter.stir.tn import NumberSet
from tests.laboratory import ALICE, BOB, NOW
from tests.mail.mails import PLAIN, POLICY, STRANGER, Make, mail

HERS = NumberSet.parse([f"+{ALICE}"])
HIS = NumberSet.parse([f"+{BOB}"])


CLIENT = Connection(
    client=ip_address("192.0.2.1"),
    login="mmsc",
    tls_name="MMSC.example.net",
    daemon_name="mm4",
)


def who(
    *networks: str,
    may: NumberSet = HERS,
    logins: Iterable[str] = (),
    tls_names: Iterable[str] = (),
    daemon_names: Iterable[str] = (),
) -> Submitter:
    return Submitter(
        name="-".join((*networks, *logins, *tls_names, *daemon_names)),
        networks=tuple(map(ip_network, networks)),
        logins=frozenset(logins),
        tls_names=frozenset(tls_names),
        daemon_names=frozenset(daemon_names),
        numbers=(may,),
    )


OTHERS = "not-its-number"
NOBODY = "unlisted-submitter"


@pytest.mark.conformance("A-03")
@pytest.mark.parametrize(
    ("submitters", "reason"),
    [
        pytest.param((), "signed", id="nobody-is-limited"),
        pytest.param((who("192.0.2.0/24"),), "signed", id="its-network"),
        pytest.param((who("192.0.2.0/24", may=HIS),), OTHERS, id="its-network-limited"),
        pytest.param((who("192.0.2.9/32"),), NOBODY, id="another-network"),
        pytest.param((who("2001:db8::/32"),), NOBODY, id="ipv6-network"),
        pytest.param(
            (who("2001:db8::/32", "192.0.2.1/32"),), "signed", id="any-network"
        ),
        pytest.param(
            (who("192.0.2.0/24", may=HIS), who("192.0.2.1/32")),
            "signed",
            id="two-give-both",
        ),
        pytest.param((who(logins=["x", "mmsc"]),), "signed", id="its-login"),
        pytest.param((who(logins=["mmsc"], may=HIS),), OTHERS, id="its-login-limited"),
        pytest.param((who(logins=["MMSC"]),), NOBODY, id="another-login"),
        pytest.param((who(tls_names=["mmsc.example.net"]),), "signed", id="its-name"),
        pytest.param(
            (who(tls_names=["mmsc.example.net"], may=HIS),), OTHERS, id="name-limited"
        ),
        pytest.param((who(tls_names=["example.net"]),), NOBODY, id="another-name"),
        pytest.param((who(daemon_names=["mm4"]),), "signed", id="its-service"),
        pytest.param(
            (who(daemon_names=["mm4"], may=HIS),), OTHERS, id="service-limited"
        ),
        pytest.param((who(daemon_names=["smtpd"]),), NOBODY, id="another-service"),
        pytest.param(
            (
                who(
                    "192.0.2.0/24",
                    logins=["mmsc"],
                    tls_names=["mmsc.example.net"],
                    daemon_names=["mm4"],
                ),
            ),
            "signed",
            id="everything-holds",
        ),
        pytest.param(
            (who("192.0.2.0/24", logins=["other"]),), NOBODY, id="not-the-login-as-well"
        ),
        pytest.param(
            (who("192.0.2.0/24", tls_names=["other"]),), NOBODY, id="nor-the-name"
        ),
        pytest.param(
            (who("192.0.2.0/24", daemon_names=["other"]),), NOBODY, id="nor-the-service"
        ),
        pytest.param(
            (who("198.51.100.0/24", logins=["mmsc"]),), NOBODY, id="nor-the-network"
        ),
        pytest.param((who("192.0.2.0/24", may=NumberSet()),), OTHERS, id="no-numbers"),
    ],
)
def test_a_client_uses_the_numbers_that_it_was_given(
    make: Make, submitters: tuple[Submitter, ...], reason: str
) -> None:
    policy = replace(POLICY, submitters=submitters)

    decision = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT))

    assert decision.action == "accept"
    assert bool(decision.insert) is (reason == "signed")
    assert decision.event.reason == reason


def test_who_was_given_the_number_is_told(make: Make) -> None:
    submitters = (who(logins=["mmsc"], may=HIS), who(daemon_names=["mm4"]))
    policy = replace(POLICY, submitters=submitters)

    decision = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT))

    assert decision.event.submitter == "mm4"


def test_who_wanted_another_number_is_told(make: Make) -> None:
    policy = replace(POLICY, submitters=(who(logins=["mmsc"], may=HIS),))

    event = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT)).event

    assert (event.submitter, event.detail) == ("", "not among the numbers of mmsc")


@pytest.mark.parametrize(
    ("submitter", "reason"),
    [
        (who("198.51.100.0/24"), "signed"),
        (who("192.0.2.0/24", may=HIS), OTHERS),
    ],
)
def test_who_is_not_listed_may_be_trusted_with_everything(
    make: Make, submitter: Submitter, reason: str
) -> None:
    policy = replace(POLICY, submitters=(submitter,), unlisted=True)

    decision = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT))

    assert decision.event.reason == reason


@pytest.mark.parametrize(
    ("default", "own", "action", "rule"),
    [
        pytest.param("unsigned", None, "accept", "sign.refused", id="unsigned"),
        pytest.param("tempfail", None, "tempfail", "sign.refused", id="deferred"),
        pytest.param("reject", None, "reject", "sign.refused", id="rejected"),
        pytest.param("reject", "unsigned", "accept", "submitter:x", id="its-own"),
        pytest.param(
            "unsigned", "reject", "reject", "submitter:x", id="its-own-reject"
        ),
    ],
)
def test_a_number_that_was_not_given_is_handled_as_is_said(
    make: Make, default: Refusal, own: Refusal | None, action: Action, rule: str
) -> None:
    submitter = replace(who("192.0.2.0/24", may=HIS), name="x", refused=own)
    policy = replace(POLICY, submitters=(submitter,), refused=default)

    decision = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT))

    assert not decision.insert
    assert decision.action == decision.event.action == action
    assert decision.event.rule == rule
    assert (decision.event.outcome, decision.event.reason) == ("unsigned", OTHERS)


@pytest.mark.parametrize(
    ("refused", "reply"),
    [
        pytest.param("tempfail", ("451", "4.7.1"), id="deferred"),
        pytest.param("reject", ("550", "5.7.1"), id="rejected"),
    ],
)
def test_who_was_given_no_numbers_is_answered_why(
    make: Make, refused: Refusal, reply: tuple[str, str]
) -> None:
    policy = replace(POLICY, submitters=(who(logins=["other"]),), refused=refused)

    decision = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT))

    assert decision.action == refused
    text = "not your number to send from: unlisted-submitter"
    assert decision.reply == (*reply, text)
    assert decision.event.rule == "sign.refused"


def test_of_several_blocks_the_strongest_counts(make: Make) -> None:
    said: tuple[Refusal | None, ...] = ("tempfail", "reject", "unsigned", None)
    submitters = tuple(
        replace(who("192.0.2.0/24", may=HIS), name=f"x-{one}", refused=one)
        for one in said
    )
    policy = replace(POLICY, submitters=submitters)

    decision = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT))

    assert (decision.action, decision.event.rule) == ("reject", "submitter:x-reject")


def test_what_is_not_to_be_signed_is_not_refused(make: Make) -> None:
    """No token of ours would say anything about it."""
    policy = replace(POLICY, submitters=(who(logins=["other"]),), refused="reject")
    hidden = (*PLAIN, "X-Mms-Sender-Visibility: Hide")

    decision = make(policy=policy).decide(mail(*hidden, connection=CLIENT))

    assert (decision.action, decision.event.reason) == ("accept", "hidden-sender")
    assert decision.event.rule == ""


def test_a_client_without_an_address_is_in_no_network(make: Make) -> None:
    connection = Connection(client=None, login="mmsc")
    policy = replace(POLICY, logins=True, submitters=(who("0.0.0.0/0"),))

    decision = make(policy=policy).decide(mail(*PLAIN, connection=connection))

    assert decision.event.reason == NOBODY


def test_a_name_in_a_client_certificate_makes_mail_outgoing(make: Make) -> None:
    policy = replace(POLICY, networks=(), tls_names=frozenset({"mmsc.example.net"}))
    made = make(policy=policy)

    assert made.outgoing(CLIENT)
    assert not made.outgoing(replace(CLIENT, tls_name=""))
    assert not made.outgoing(replace(CLIENT, tls_name="other.example.net"))


class Broken:
    def __contains__(self, _: str) -> bool:
        raise StoreError("numbers.sqlite: database is locked")


@pytest.mark.parametrize("action", ["tempfail", "accept"])
def test_a_list_that_cannot_be_asked_signs_nothing(make: Make, action: Action) -> None:
    submitter = Submitter(name="x", logins=frozenset({"mmsc"}), numbers=(Broken(),))
    policy = replace(POLICY, submitters=(submitter,), signing_failure=action)

    decision = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT))

    assert not decision.insert
    assert (decision.action, decision.event.outcome) == (action, "failed")
    assert decision.event.reason == "numbers-unavailable"


def test_a_list_that_is_at_hand_is_asked_before_one_that_is_not(make: Make) -> None:
    numbers = (HERS, Broken())
    submitter = Submitter(name="x", logins=frozenset({"mmsc"}), numbers=numbers)
    policy = replace(POLICY, submitters=(submitter,))

    decision = make(policy=policy).decide(mail(*PLAIN, connection=CLIENT))

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

"""Who is answered for: which mails are outgoing, and which are not."""

from ipaddress import ip_address, ip_network

import pytest

from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.transaction import Connection
from tests.laboratory import NOW
from tests.mail.mails import FROM, PLAIN, REQ, STRANGER, TO, US, Make, mail, token


@pytest.mark.parametrize(
    ("policy", "connection", "outgoing"),
    [
        pytest.param({}, {"client": "192.0.2.1"}, True, id="client-of-the-network"),
        pytest.param(
            {}, {"client": "192.0.3.1"}, False, id="client-beside-the-network"
        ),
        pytest.param(
            {}, {"client": "2001:db8::1"}, True, id="ipv6-client-of-the-network"
        ),
        pytest.param({}, {"client": "2001:db9::1"}, False, id="ipv6-client-beside-it"),
        pytest.param({}, {}, False, id="no-network-client-at-all"),
        pytest.param({}, {"login": "alice"}, False, id="login-that-nobody-asked-for"),
        pytest.param({}, {"daemon_name": "out"}, False, id="daemon-that-nobody-named"),
        pytest.param({"logins": True}, {"login": "alice"}, True, id="login"),
        pytest.param(
            {"logins": True},
            {"client": "198.51.100.1"},
            False,
            id="client-without-login",
        ),
        pytest.param(
            {"daemon_names": frozenset({"out"})},
            {"daemon_name": "out"},
            True,
            id="daemon",
        ),
        pytest.param(
            {"daemon_names": frozenset({"out"})},
            {"daemon_name": "in"},
            False,
            id="another-daemon",
        ),
        pytest.param(
            {"daemon_names": frozenset({"out"})}, {}, False, id="daemon-without-a-name"
        ),
        pytest.param(
            {"networks": ()}, {"client": "192.0.2.1"}, False, id="no-networks"
        ),
        pytest.param(
            {"networks": (ip_network("::/0"),)},
            {"client": "192.0.2.1"},
            False,
            id="ipv4-client-of-all-ipv6",
        ),
    ],
)
@pytest.mark.conformance("A-03")
def test_outgoing_is_what_we_answer_for(
    make: Make, policy: dict[str, object], connection: dict[str, str], outgoing: bool
) -> None:
    networks = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
    mail_filter = make(
        policy=MailPolicy(**{"authserv_id": US, "networks": networks, **policy})  # type: ignore[arg-type]
    )
    facts = {"client": None, **connection}
    client = ip_address(facts["client"]) if facts["client"] else None

    found = mail_filter.outgoing(Connection(**{**facts, "client": client}))  # type: ignore[arg-type]

    assert found is outgoing


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([FROM, TO, "Received: from [192.0.2.1]"], id="received-from-ours"),
        pytest.param([FROM, TO, "X-Mms-Originator-System: us@mx.example"], id="system"),
        pytest.param([FROM, TO, REQ], id="message-type"),
        pytest.param(
            [FROM, TO, "Authentication-Results: mx.example; auth=pass"], id="auth-pass"
        ),
    ],
)
@pytest.mark.conformance("A-03")
def test_no_message_can_make_itself_outgoing(make: Make, lines: list[str]) -> None:
    decision = make().decide(mail(*lines, connection=STRANGER))

    assert decision.event.direction == "in"
    assert [insertion.name for insertion in decision.insert] == [
        "Authentication-Results"
    ]


def test_the_clock_is_read_once_for_a_message(make: Make) -> None:
    readings = iter([NOW])
    mail_filter = make(clock=lambda: next(readings))

    decision = mail_filter.decide(mail(*PLAIN))

    assert token(decision).claims.iat == int(NOW.timestamp())

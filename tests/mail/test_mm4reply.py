"""The answer to a rejected request: whom it goes to, and that nobody can bend it."""

from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail import mm4, mm4reply
from stirmilter.mail.transaction import Header, Submission
from tests.laboratory import ALICE, NOW

SENDER = f"<+{ALICE}@mms.example>"
SYSTEM = "system-user@mms.us.example"
FIELDS = {
    "X-Mms-3GPP-MMS-Version": "5.5.0",
    "X-Mms-Message-Type": "MM4_forward.REQ",
    "X-Mms-Transaction-ID": '"t1@mms.example"',
    "X-Mms-Message-ID": '"m1@mms.example"',
    "X-Mms-Ack-Request": "Yes",
    "X-Mms-Originator-System": "PostMaster@mms.mnc006.mcc260.gprs",
}
TEXT = "message refused by policy: stir=fail reason=body-altered"


def answered(
    change: dict[str, str] | None = None,
    sender: str = SENDER,
    more: tuple[tuple[str, str], ...] = (),
) -> Submission | None:
    fields = {**FIELDS, **(change or {})}
    headers = [
        Header(name, value.encode("utf-8", "surrogateescape"))
        for name, value in (*fields.items(), *more)
        if value
    ]
    return mm4reply.reply(mm4.read(headers), sender, SYSTEM, TEXT, NOW)


def test_a_request_that_asks_is_answered_with_what_names_it() -> None:
    made = answered()

    assert made is not None
    assert made.recipient == "PostMaster@mms.mnc006.mcc260.gprs"
    message = message_from_bytes(made.octets, policy=policy.SMTP)
    assert dict(message.items()) == {
        "From": SYSTEM,
        "Sender": SYSTEM,
        "To": "PostMaster@mms.mnc006.mcc260.gprs",
        "Date": "Fri, 02 Jan 2026 12:00:00 +0000",
        "Message-ID": message["Message-ID"],
        "Auto-Submitted": "auto-replied",
        "X-Mms-3GPP-MMS-Version": "5.5.0",
        "X-Mms-Message-Type": "MM4_forward.RES",
        "X-Mms-Transaction-ID": '"t1@mms.example"',
        "X-Mms-Message-ID": '"m1@mms.example"',
        "X-Mms-Request-Status-Code": "Error-service-denied",
        "X-Mms-Status-Text": TEXT,
    }
    assert message["Message-ID"].endswith("@mms.us.example>")
    assert message.get_content() == ""


def test_an_answer_is_read_as_one_and_has_no_answer_itself() -> None:
    made = answered()
    assert made is not None
    fields = made.octets.decode().partition("\r\n\r\n")[0].split("\r\n")
    headers = [
        Header(name, value.encode())
        for name, _, value in (line.partition(":") for line in fields)
    ]

    view = mm4.read(headers)

    assert view.message_type == "mm4_forward.res"
    ack = replace(view, ack_request=True, originator_system="a@b.example")
    assert mm4reply.reply(ack, SENDER, SYSTEM, TEXT, NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"X-Mms-Ack-Request": ""}, id="does-not-ask"),
        pytest.param({"X-Mms-Ack-Request": "No"}, id="says-no"),
        pytest.param({"X-Mms-Ack-Request": "Yes please"}, id="says-something"),
        pytest.param({"X-Mms-Message-Type": "MM4_forward.RES"}, id="an-answer"),
        pytest.param({"X-Mms-Message-Type": "MM4_delivery_report.REQ"}, id="a-report"),
        pytest.param({"X-Mms-Message-Type": ""}, id="plain-mail"),
        pytest.param({"X-Mms-Transaction-ID": ""}, id="no-transaction"),
        pytest.param({"X-Mms-Transaction-ID": "a\n b"}, id="folded-transaction"),
        pytest.param({"X-Mms-Transaction-ID": "a\r\nBcc: x"}, id="second-field"),
        pytest.param({"X-Mms-Transaction-ID": "\u00e4"}, id="not-ascii"),
        pytest.param({"X-Mms-Transaction-ID": "x" * 256}, id="too-long"),
        pytest.param({"X-Mms-Message-ID": "a\x00b"}, id="control"),
        pytest.param({"X-Mms-Originator-System": ""}, id="nowhere"),
    ],
)
def test_nothing_else_is_answered(change: dict[str, str]) -> None:
    assert answered(change) is None


@pytest.mark.parametrize("sender", ["", "<>", " <> "])
def test_the_null_sender_is_never_answered(sender: str) -> None:
    assert answered(sender=sender) is None


@pytest.mark.parametrize("name", ["X-Mms-Originator-System", "X-Mms-Ack-Request"])
def test_a_field_that_occurs_twice_says_nothing(name: str) -> None:
    assert answered(more=((name, FIELDS[name]),)) is None


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example, c@d.example",
        "PostMaster",
        "PostMaster@localhost",
        "a b@c.example",
        '"a b"@c.example',
        '"a\\"b"@c.example',
        "a@[192.0.2.1]",
        "a%b@c.example",
        "a!b@c.example",
        "@a.example:b@c.example",
        "-f@c.example",
        "a..b@c.example",
        "a@-c.example",
        "a@c.example.",
        "a@c_d.example",
        "a@\u0441.example",
        "+12025550123/TYPE=PLMN@mms.example",
        "+12025550123@mms.example",
        "12025550123@mms.example",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\n RCPT",
        "system=x;party=y",
        "x" * 65 + "@b.example",
        "a@" + "b." * 130 + "example",
    ],
)
def test_an_address_that_may_be_no_mmsc_gets_nothing(address: str) -> None:
    assert mm4reply.system_address(address) is None
    assert answered({"X-Mms-Originator-System": address}) is None


@pytest.mark.parametrize(
    "address",
    ["PostMaster@mms.mnc006.mcc260.gprs", "<system-user@mms.example>", "M <a.b@c.de>"],
)
def test_addresses_of_mmscs_are_taken(address: str) -> None:
    assert mm4reply.system_address(address) is not None


@pytest.mark.parametrize("version", ["", "6", "6.3.0\r\nX: y", "6.3.0; x"])
def test_a_version_that_is_none_is_ours(version: str) -> None:
    made = answered({"X-Mms-3GPP-MMS-Version": version})

    assert made is not None
    assert b"X-Mms-3GPP-MMS-Version: 6.3.0\r\n" in made.octets


@given(
    st.text('aA1@.\r\n\t \x00:<>"\\,;%-\u00e4', max_size=20),
    st.text('aA1@.\r\n\t \x00:<>"\\,;%-\u00e4', max_size=20),
)
def test_no_value_of_a_stranger_makes_a_field_or_a_recipient(
    identifier: str, system: str
) -> None:
    made = answered(
        {
            "X-Mms-Transaction-ID": identifier,
            "X-Mms-Originator-System": f"{system}@b.example",
        }
    )

    if made is not None:
        head, _, body = made.octets.partition(b"\r\n\r\n")
        assert len(head.split(b"\r\n")) == 12
        assert body == b""
        assert all(32 <= octet < 127 for octet in head.replace(b"\r\n", b""))
        assert made.recipient.count("@") == 1
        assert made.recipient.isprintable()
        assert " " not in made.recipient

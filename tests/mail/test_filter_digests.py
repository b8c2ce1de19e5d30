"""What is begun when the header is there: digests that suffice, and fetches."""

from dataclasses import replace
from datetime import datetime

import pytest

from stirmilter.mail.transaction import Connection
from stirmilter.services import VerificationPolicy
from stirmilter.stir import passport
from stirmilter.stir.msgi import digest_body
from stirmilter.testca import TestCA
from tests.laboratory import BOB, BODY, X5U
from tests.mail.mails import OURS, PLAIN, STRANGER, Make, mail, signed

TO_BOB = f"<+{BOB}/TYPE=PLMN@mms.example>"
X5U_ONE = f"{X5U}one.pem"


@pytest.mark.parametrize(
    ("connection", "tokens", "algorithms"),
    [
        pytest.param(STRANGER, [], set(), id="incoming-without-a-token"),
        pytest.param(STRANGER, ["sha256"], {"sha256"}, id="incoming"),
        pytest.param(
            STRANGER,
            ["sha256", "sha512", "junk"],
            {"sha256", "sha512"},
            id="two-digests",
        ),
        pytest.param(OURS, [], {"sha256"}, id="outgoing"),
        pytest.param(
            OURS, ["sha384"], {"sha256", "sha384"}, id="outgoing-with-a-token"
        ),
    ],
)
def test_no_digest_is_computed_that_nobody_needs(
    ca: TestCA,
    make: Make,
    connection: Connection,
    tokens: list[str],
    algorithms: set[str],
) -> None:
    fields = [
        "PASSporT: junk"
        if algorithm == "junk"
        else signed(ca, msgi=str(digest_body(BODY).value(algorithm)))
        for algorithm in tokens
    ]

    received = mail(*PLAIN, *fields, connection=connection)

    prepared = make().prepare(connection, received.recipients, received.headers)

    digests = prepared.digester.finish().digests
    assert {algorithm for _, algorithm in digests} == algorithms


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_the_digests_that_were_computed_suffice(
    ca: TestCA, make: Make, algorithm: str
) -> None:
    mail_filter = make()
    field = signed(ca, msgi=str(digest_body(BODY).value(algorithm)))
    received = mail(*PLAIN, field, connection=STRANGER)
    digester = mail_filter.prepare(
        STRANGER, received.recipients, received.headers
    ).digester
    digester.update(BODY)

    decision = mail_filter.decide(replace(received, body=digester.finish()))

    assert decision.event.reason == "verified"


@pytest.mark.parametrize(
    ("others", "limits"),
    [
        pytest.param(0, {}, id="judged"),
        pytest.param(6, {}, id="the-last-that-is-judged"),
        pytest.param(0, {"token": 100}, id="longer-than-a-token-may-be"),
    ],
)
def test_a_token_with_another_digest_does_not_keep_us_from_signing(
    ca: TestCA, make: Make, others: int, limits: dict[str, int]
) -> None:
    mail_filter = make(
        verification=VerificationPolicy(limits=passport.Limits(**limits))
    )
    field = signed(ca, msgi=str(digest_body(BODY).value("sha512")))
    sent = mail(*PLAIN, *["PASSporT: junk"] * others, field)
    digester = mail_filter.prepare(OURS, sent.recipients, sent.headers).digester
    digester.update(BODY)

    decision = mail_filter.decide(replace(sent, body=digester.finish()))

    assert decision.event.outcome == "signed"


@pytest.mark.parametrize(
    ("connection", "fields", "recipients", "urls"),
    [
        pytest.param(STRANGER, 1, (TO_BOB,), (X5U_ONE,), id="incoming"),
        pytest.param(STRANGER, 0, (TO_BOB,), (), id="incoming-without-a-token"),
        pytest.param(STRANGER, 1, ("<bob@mms.example>",), (), id="for-somebody-else"),
        pytest.param(OURS, 1, (TO_BOB,), (), id="outgoing"),
    ],
)
@pytest.mark.conformance("V-21")
def test_what_incoming_mail_needs_is_fetched_before_its_body_is_there(
    ca: TestCA,
    make: Make,
    connection: Connection,
    fields: int,
    recipients: tuple[str, ...],
    urls: tuple[str, ...],
) -> None:
    headers = mail(*PLAIN, *[signed(ca)] * fields).headers

    assert make().prepare(connection, recipients, headers).urls == urls


def test_the_clock_is_not_read_for_mail_without_a_token(make: Make) -> None:
    def unread() -> datetime:
        raise AssertionError

    received = mail(*PLAIN)

    prepared = make(clock=unread).prepare(STRANGER, (TO_BOB,), received.headers)

    assert prepared.urls == ()

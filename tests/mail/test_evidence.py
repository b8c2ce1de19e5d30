"""What is kept of each message, to be explained when its certificate is long gone."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from stirmilter.events import (
    IDENTIFIER_LENGTH,
    Evidence,
    Removed,
    RemovedLimits,
    Token,
)
from stirmilter.mail import evidence
from stirmilter.mail.transaction import Connection, Decision, Header, Transaction
from stirmilter.stir import identity, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.result import Reason, Status, StirResult
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, BOB, BODY, CAROL, NOW
from tests.mail.mails import PLAIN, POLICY, STRANGER, Make, mail, signed, token

IDS = (
    "Message-ID: <1@mms.one.example>",
    'X-Mms-Transaction-ID: "tx-1"',
    'X-Mms-Message-ID: "mms-1"',
)


def of(decision: Decision) -> Evidence:
    found = decision.event.evidence
    assert found is not None
    return found


def tokens(make: Make, *lines: str) -> tuple[Token, ...]:
    """Judge a stranger's message and return what is kept of its tokens."""
    return of(make().decide(mail(*PLAIN, *lines, connection=STRANGER))).tokens


@pytest.mark.conformance("V-17")
def test_a_pass_is_kept_with_the_path_that_was_believed(ca: TestCA, make: Make) -> None:
    """RFC 9475 §4: the certificate may be gone when somebody asks."""
    believed = (
        laboratory.verifier(ca)
        .credentials.at("https://certs.example/one.pem", NOW, NOW, ALICE)
        .credential
    )

    [found] = tokens(make, signed(ca))

    assert (found.reason, found.word, found.ppt) == ("verified", "pass", "msg")
    assert (found.authority, found.msgi) == ("tn", "exact")
    assert found.iat == int(NOW.timestamp())
    assert found.x5u == "https://certs.example/one.pem"
    assert found.valid == believed.validity
    assert [certificate.sha256 for certificate in found.path] == [
        certificate.fingerprint(SHA256()).hex() for certificate in believed.path
    ]
    assert [
        x509.load_der_x509_certificate(certificate.der) for certificate in found.path
    ] == list(believed.path)


@pytest.mark.conformance("V-17")
def test_a_message_is_kept_with_time_client_and_names(make: Make) -> None:
    kept = of(make().decide(mail(*PLAIN, *IDS, connection=STRANGER)))

    assert kept == Evidence(
        time=NOW,
        client="198.51.100.1",
        message_id="<1@mms.one.example>",
        transaction_id='"tx-1"',
        mms_message_id='"mms-1"',
    )


@pytest.mark.conformance("V-17")
@pytest.mark.parametrize(
    ("name", "claims", "reason"),
    [
        pytest.param("one", {"orig": {"tn": CAROL}}, "orig-mismatch", id="originator"),
        pytest.param("other", {}, "not-authorized", id="number-of-another"),
        pytest.param("untrusted", {}, "credential-untrusted", id="untrusted"),
        pytest.param("expired", {}, "credential-expired", id="expired"),
    ],
)
def test_a_failure_is_kept_with_its_rule(
    ca: TestCA, make: Make, name: str, claims: dict[str, object], reason: str
) -> None:
    [found] = tokens(make, signed(ca, name=name, **claims))

    assert (found.reason, found.word) == (reason, "fail")
    assert found.rule.startswith("RFC ")
    assert found.detail
    assert len(found.fingerprint) == 64


def test_what_nobody_could_decide_is_kept_with_the_url(ca: TestCA, make: Make) -> None:
    signer = laboratory.signer(ca, "one")
    claims = Claims.message(
        ALICE, (BOB,), int(NOW.timestamp()), digest_body(BODY).value()
    )
    made = passport.issue(claims, "https://gone.example/", signer.key)

    [found] = tokens(make, f"PASSporT: {identity.write(made, 'PASSporT')}")

    assert (found.reason, found.word) == ("credential-unavailable", "temperror")
    assert found.x5u == "https://gone.example/"
    assert (found.path, found.valid) == ((), None)


@pytest.mark.parametrize("status", ["good", "revoked", "unavailable", "unchecked"])
def test_what_the_revocation_lists_said_is_kept(status: Status) -> None:
    result = StirResult(Reason.CREDENTIAL_REVOKED, status=status)

    assert evidence.judged(result).status == status


def test_what_is_odd_and_who_sent_it_on_are_kept() -> None:
    result = StirResult(Reason.VERIFIED, notes=("odd",), diversions=2)

    kept = evidence.judged(result)

    assert (kept.notes, kept.diversions) == (("odd",), 2)


def test_every_token_is_kept_in_the_order_of_the_header(ca: TestCA, make: Make) -> None:
    found = tokens(make, "PASSporT: junk", signed(ca), signed(ca, name="untrusted"))

    assert [one.reason for one in found] == [
        "malformed",
        "verified",
        "credential-untrusted",
    ]
    assert found[0].iat is None


def test_a_message_that_we_signed_is_kept_with_our_certificate(
    ca: TestCA, make: Make
) -> None:
    signer = laboratory.signer(ca, "one")

    decision = make().decide(mail(*PLAIN, *IDS))

    [found] = of(decision).tokens
    assert found == Token(
        reason="signed",
        ppt="msg",
        iat=int(NOW.timestamp()),
        x5u=signer.x5u,
        path=signer.credential.evidence,
        valid=signer.credential.validity,
        fingerprint=token(decision).fingerprint,
    )
    assert found.path[0].sha256 == signer.credential.fingerprint


def test_a_message_that_we_did_not_sign_is_kept_with_its_names(make: Make) -> None:
    kept = of(make().decide(mail(*PLAIN, *IDS, sender="<>")))

    assert (kept.message_id, kept.tokens) == ("<1@mms.one.example>", ())
    assert kept.client == "192.0.2.1"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(
            b"<a\x1b[2J\n\tb@c>", "<a\\u{1b}[2J\\u{a}\\u{9}b@c>", id="control"
        ),
        pytest.param(b"<\xff@c>", "<\\u{dcff}@c>", id="invalid-utf-8"),
        pytest.param("<\u202e@c>".encode(), "<\\u{202e}@c>", id="right-to-left"),
        pytest.param(b"", "", id="empty"),
    ],
)
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("message-ID", "message_id"),
        ("x-mms-transaction-id", "transaction_id"),
        ("X-MMS-Message-ID", "mms_message_id"),
    ],
)
def test_what_a_stranger_wrote_is_printable(
    make: Make, name: str, field: str, value: bytes, kept: str
) -> None:
    assert getattr(of(make().decide(with_field(name, value))), field) == kept


@pytest.mark.parametrize("octets", [b"x" * 100_000, b"\x00" * 100_000])
def test_what_a_stranger_wrote_is_bounded(make: Make, octets: bytes) -> None:
    kept = of(make().decide(with_field("Message-ID", octets)))

    assert len(kept.message_id) == IDENTIFIER_LENGTH


def test_numbers_of_recipients_are_not_kept(ca: TestCA, make: Make) -> None:
    """Whoever stands in the envelope alone is a secret; the others are no evidence."""
    sent = mail(*PLAIN, signed(ca, BOB, CAROL), connection=STRANGER)

    decision = make().decide(replace(sent, recipients=(f"<+{BOB}@h>", f"<+{CAROL}@h>")))

    assert decision.event.reason == "verified"
    assert not any(number in repr(decision.event) for number in (BOB, CAROL))


RESULTS = "Authentication-Results"
FORGED = b" mx.example;\n\tspf=pass"


@pytest.mark.parametrize("connection", [STRANGER, None], ids=["incoming", "outgoing"])
def test_a_field_that_is_taken_out_is_kept(
    make: Make, connection: Connection | None
) -> None:
    """Signed or verified: it may be a proof of who tried, or a mistake of ours."""
    sent = with_field("authentication-RESULTS", FORGED)
    foreign = Header("Authentication-Results", b" other.example; spf=pass")
    headers = (foreign, *sent.headers, foreign)
    if connection is None:
        sent = replace(sent, connection=mail().connection)

    decision = make().decide(replace(sent, headers=headers))

    assert len(decision.remove) == 1
    assert of(decision).removed == (
        Removed("authentication-RESULTS", "mx.example;\\u{a}\\u{9}spf=pass"),
    )


def test_a_field_that_is_taken_out_of_what_is_not_signed_is_kept(make: Make) -> None:
    sent = mail(*PLAIN, "Authentication-Results: mx.example; none", sender="<>")

    decision = make().decide(sent)

    assert decision.event.outcome == "unsigned"
    assert of(decision).removed == (
        Removed("Authentication-Results", "mx.example; none"),
    )


def test_no_more_is_kept_of_what_is_taken_out_than_may_be(make: Make) -> None:
    sent = mail(*PLAIN, connection=STRANGER)
    forged = Header("Authentication-Results", b"mx.example;" + b"\x1b" * 10_000)
    most = RemovedLimits()
    headers = (*sent.headers, *[forged] * (most.fields + 5))

    decision = make().decide(replace(sent, headers=headers))

    assert len(decision.remove) == most.fields + 5
    kept = of(decision).removed
    assert len(kept) == most.fields
    assert {len(field.text) for field in kept} == {most.characters}


@pytest.mark.parametrize("connection", [STRANGER, None], ids=["incoming", "outgoing"])
@pytest.mark.parametrize("plain", [True, False], ids=["signed", "unsigned"])
def test_how_much_is_kept_of_what_is_taken_out_is_a_setting(
    make: Make, connection: Connection | None, plain: bool
) -> None:
    """What is beyond is taken out all the same; 0 fields keep none."""
    sent = with_field(RESULTS, b"mx.example; spf=pass a.b=" + b"c" * 9)
    sent = replace(sent, headers=(*sent.headers, Header(RESULTS, b"mx.example; none")))
    sent = replace(sent, connection=connection or mail().connection)
    sent = sent if plain else replace(sent, sender="<>")

    def kept(**limits: int) -> tuple[int, list[str]]:
        policy = replace(POLICY, removed=RemovedLimits(**limits))
        made = make(policy=policy).decide(sent)
        return len(made.remove), [field.text for field in of(made).removed]

    whole = "mx.example; spf=pass a.b=ccccccccc"
    assert kept(characters=len(whole)) == (2, [whole, "mx.example; none"])
    assert kept(fields=1, characters=len(whole) - 1) == (2, [whole[:-4] + "..."])
    assert kept(fields=0) == (2, [])


def with_field(name: str, value: bytes) -> Transaction:
    sent = mail(*PLAIN, connection=STRANGER)
    return replace(sent, headers=(*sent.headers, Header(name, value)))

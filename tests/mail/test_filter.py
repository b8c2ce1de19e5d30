"""What becomes of a mail: who is answered for, what is signed, how it is judged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest

from stirmilter.events import Handled
from stirmilter.mail.filter import MailFilter, MailPolicy
from stirmilter.mail.transaction import (
    Connection,
    Decision,
    Header,
    Removal,
    Transaction,
)
from stirmilter.services import VerificationPolicy
from stirmilter.stir import identity, passport
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.passport import Claims, Passport
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, BOB, BODY, CAROL, NOW

US = "mx.example"
OURS = Connection(client=ip_address("192.0.2.1"))
STRANGER = Connection(client=ip_address("198.51.100.1"))
FROM = f"From: +{ALICE}/TYPE=PLMN@mms.example"
TO = f"To: +{BOB}/TYPE=PLMN"
REQ = "X-Mms-Message-Type: MM4_forward.REQ"
PLAIN = (FROM, TO)
MALLORY = str(digest_body(b"Hello Mallory\r\n").value())
POLICY = MailPolicy(authserv_id=US, networks=(ip_network("192.0.2.0/24"),))

Make = Callable[..., MailFilter]


@pytest.fixture
def make(ca: TestCA) -> Make:
    """Make a filter; without a word it signs as ``one`` and lives at NOW."""

    def make(
        *signers: str,
        policy: MailPolicy = POLICY,
        verification: VerificationPolicy | None = None,
        clock: Callable[[], datetime] = lambda: NOW,
    ) -> MailFilter:
        return MailFilter(
            policy=policy,
            authentication=laboratory.authenticator(ca, *signers),
            verification=laboratory.verifier(ca, verification, MemoryReplayStore()),
            clock=clock,
        )

    return make


def mail(
    *lines: str,
    connection: Connection = OURS,
    sender: str = f"<+{ALICE}@mms.example>",
    recipients: tuple[str, ...] = (f"<+{BOB}/TYPE=PLMN@mms.example>",),
    body: bytes = BODY,
) -> Transaction:
    """Make a transaction out of header lines and an envelope."""
    fields = (line.partition(":") for line in lines)
    return Transaction(
        connection=connection,
        sender=sender,
        recipients=recipients,
        headers=tuple(Header(name, value.encode()) for name, _, value in fields),
        body=digest_body(body),
    )


def token(decision: Decision) -> Passport:
    """Return the PASSporT that a decision inserts."""
    [(name, value)] = decision.insert
    assert name == "PASSporT"
    return passport.parse(identity.parse(value).token)


def signed(ca: TestCA, *dest: str, name: str = "one", **claims: object) -> str:
    """Write a PASSporT field of the test CA, without the claims that are None."""
    signer = laboratory.signer(ca, name)
    made = Claims.message(
        ALICE, dest or (BOB,), int(NOW.timestamp()), digest_body(BODY).value()
    )
    raw = {name: value for name, value in {**made.raw, **claims}.items() if value}
    signed = passport.issue(replace(made, raw=raw), signer.x5u, signer.key)
    return f"PASSporT: {identity.write(signed, 'PASSporT')}"


def with_signature_of(field: str, other: str) -> str:
    """Give a PASSporT field the signature of another."""
    taken = identity.parse(other.partition(":")[2]).token.rpartition(".")[2]
    token, _, parameters = field.partition(";")
    return f"{token.rpartition('.')[0]}.{taken};{parameters}"


def delivered(decision: Decision, transaction: Transaction) -> Transaction:
    """Move what we signed to a stranger's side of the wire."""
    inserted = (Header(name, b" " + value.encode()) for name, value in decision.insert)
    return replace(
        transaction, connection=STRANGER, headers=(*inserted, *transaction.headers)
    )


def result_field(decision: Decision) -> str:
    """Return our Authentication-Results, unfolded."""
    [(name, value)] = decision.insert
    assert name == "Authentication-Results"
    return value.replace("\n\t", " ")


# Who is answered for


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


# Outgoing


def test_what_we_sign_a_verifier_passes(make: Make) -> None:
    sent = mail(*PLAIN, REQ)

    signing = make().decide(sent)
    verifying = make().decide(delivered(signing, sent))

    assert signing.action == "accept"
    assert signing.remove == ()
    assert signing.event == Handled(
        "out", "signed", "signed", "", ALICE, "accept", signer="one"
    )
    assert verifying.event.outcome == "number-authenticated"
    assert verifying.event.reason == "verified"


def test_a_token_says_who_to_whom_when_and_what(make: Make) -> None:
    claims = token(make().decide(mail(*PLAIN))).claims

    assert claims.raw == {
        "dest": {"tn": [BOB]},
        "iat": int(NOW.timestamp()),
        "msgi": str(digest_body(BODY).value("sha256")),
        "orig": {"tn": ALICE},
    }


def test_a_field_is_named_and_folded_as_configured(make: Make) -> None:
    mail_filter = make(policy=replace(POLICY, header="X-Passport"))

    [(name, value)] = mail_filter.decide(mail(*PLAIN)).insert

    assert name == "X-Passport"
    assert all(len(line) <= 78 for line in f"{name}: {value}".split("\n"))


@pytest.mark.parametrize(
    ("lines", "recipients", "dest"),
    [
        pytest.param([TO], [BOB], [BOB], id="to"),
        pytest.param([f"Cc: +{BOB}"], [BOB], [BOB], id="cc"),
        pytest.param([TO, f"Cc: +{CAROL}"], [BOB, CAROL], [BOB, CAROL], id="both"),
        pytest.param([f"To: +{CAROL}, +{BOB}"], [BOB], [BOB, CAROL], id="sorted"),
        pytest.param([TO, f"Cc: +{BOB}"], [BOB], [BOB], id="each-once"),
        pytest.param([TO], [BOB, CAROL], [BOB], id="bcc-beside-a-to"),
        pytest.param(
            [TO, f"Bcc: +{CAROL}"], [BOB, CAROL], [BOB], id="bcc-field-is-no-leave"
        ),
        pytest.param([TO], [CAROL, CAROL], [BOB], id="bcc-named-twice"),
        pytest.param([], [CAROL], [CAROL], id="sole-recipient-is-no-secret"),
        pytest.param([TO], [CAROL], [BOB, CAROL], id="sole-recipient-beside-a-to"),
        pytest.param(
            [TO, "Cc: carol@mx.example"], [BOB], [BOB], id="mail-address-in-cc"
        ),
    ],
)
def test_dest_names_whom_the_header_shows(
    make: Make, lines: list[str], recipients: list[str], dest: list[str]
) -> None:
    paths = tuple(f"<+{number}@mms.example>" for number in recipients)

    decision = make().decide(mail(FROM, *lines, recipients=paths))

    assert token(decision).claims.raw["dest"] == {"tn": dest}


def test_a_sole_recipient_without_a_number_is_not_named(make: Make) -> None:
    decision = make().decide(mail(*PLAIN, recipients=("<bob@mx.example>",)))

    assert token(decision).claims.raw["dest"] == {"tn": [BOB]}


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([*PLAIN, "Date: Fri, 02 Jan 2026 12:00:00 +0000"], id="dated-now"),
        pytest.param(
            [*PLAIN, "Date: Tue, 30 Dec 2025 12:00:01 +0000"], id="just-young-enough"
        ),
        pytest.param([*PLAIN, "Date: yesterday"], id="unreadable-date"),
        pytest.param(
            [*PLAIN, "x-mms-message-type: mm4_FORWARD.req"], id="type-in-any-case"
        ),
        pytest.param([*PLAIN, "X-Mms-Sender-Visibility: show"], id="sender-shown"),
        pytest.param([*PLAIN, "Sender: system@mx.example"], id="sent-by-a-system"),
    ],
)
def test_signs(make: Make, lines: list[str]) -> None:
    assert make().decide(mail(*lines)).event.outcome == "signed"


@pytest.mark.parametrize(
    ("lines", "envelope", "reason"),
    [
        pytest.param(PLAIN, {"sender": "<>"}, "null-sender", id="null-sender"),
        pytest.param(PLAIN, {"sender": ""}, "null-sender", id="empty-sender"),
        *(
            pytest.param(
                [*PLAIN, f"X-Mms-Message-Type: {kind}"], {}, "message-type", id=kind
            )
            for kind in (
                "MM4_forward.RES",
                "MM4_delivery_report.REQ",
                "MM4_Delivery_report.RES",
                "MM4_read_reply_report.REQ",
                "MM4_read_reply_report.RES",
            )
        ),
        pytest.param(
            [*PLAIN, "X-Mms-Sender-Visibility: Hide"],
            {},
            "hidden-sender",
            id="hidden-sender",
        ),
        pytest.param(
            [*PLAIN, "Date: Tue, 30 Dec 2025 11:59:59 +0000"],
            {},
            "date",
            id="old-date",
        ),
        pytest.param(
            [*PLAIN, "Date: Fri, 02 Jan 2026 12:05:01 +0000"],
            {},
            "date",
            id="date-ahead",
        ),
        pytest.param(
            [*PLAIN, "Content-Type: text/plain", "content-type: text/html"],
            {},
            "ambiguous-header",
            id="two-content-types",
        ),
        pytest.param([TO], {}, "no-originator", id="no-from"),
        pytest.param([FROM, *PLAIN], {}, "ambiguous-header", id="two-from"),
        pytest.param(
            [f"From: +{ALICE}, +{CAROL}", TO], {}, "no-originator", id="two-authors"
        ),
        pytest.param(
            ["From: system@mx.example", TO], {}, "no-originator", id="system-address"
        ),
        pytest.param(
            [FROM, "To: bob@mx.example"],
            {"recipients": ("<bob@mx.example>",)},
            "no-recipient",
            id="no-number-to-write-to",
        ),
        pytest.param(
            [FROM],
            {"recipients": (f"<+{BOB}@h>", f"<+{CAROL}@h>")},
            "no-recipient",
            id="nobody-shown",
        ),
        pytest.param(
            [FROM, f"To: {', '.join(f'+{13125550100 + n}' for n in range(101))}"],
            {},
            "too-many-recipients",
            id="more-recipients-than-a-verifier-reads",
        ),
        pytest.param(
            ["From: +4930123456", TO], {}, "no-signer", id="number-of-another-country"
        ),
    ],
)
def test_leaves_alone(
    make: Make, lines: list[str], envelope: dict[str, object], reason: str
) -> None:
    decision = make().decide(mail(*lines, **envelope))  # type: ignore[arg-type]

    assert (decision.event.outcome, decision.event.reason) == ("unsigned", reason)
    assert decision.action == "accept"
    assert decision.insert == ()
    assert decision.remove == ()


def test_plain_mail_is_left_alone_if_only_mm4_is_to_be_signed(make: Make) -> None:
    mail_filter = make(
        policy=replace(POLICY, message_types=frozenset({"mm4_forward.req"}))
    )

    assert mail_filter.decide(mail(*PLAIN)).event.reason == "message-type"
    assert mail_filter.decide(mail(*PLAIN, REQ)).event.outcome == "signed"


def test_a_response_that_says_so_twice_is_not_plain_mail(make: Make) -> None:
    response = "X-Mms-Message-Type: MM4_forward.RES"

    decision = make().decide(mail(*PLAIN, response, response))

    assert decision.event.outcome == "unsigned"


def test_what_passes_us_twice_is_signed_once(make: Make) -> None:
    mail_filter = make()
    sent = mail(*PLAIN)
    inserted = delivered(mail_filter.decide(sent), sent).headers

    decision = mail_filter.decide(replace(sent, headers=inserted))

    assert decision.event.reason == "already-signed"
    assert decision.insert == ()


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        pytest.param(timedelta(hours=24), "already-signed", id="a-day"),
        pytest.param(timedelta(hours=25), "signed", id="longer"),
    ],
)
def test_a_token_of_ours_that_is_stale_is_no_longer_enough(
    make: Make, later: timedelta, reason: str
) -> None:
    times = iter([NOW, NOW + later])
    mail_filter = make(clock=lambda: next(times))
    sent = mail(*PLAIN)
    inserted = delivered(mail_filter.decide(sent), sent).headers

    decision = mail_filter.decide(replace(sent, headers=inserted))

    assert decision.event.reason == reason


def test_what_passes_us_twice_is_signed_once_under_our_own_name(make: Make) -> None:
    mail_filter = make(policy=replace(POLICY, header="X-Passport"))
    sent = mail(*PLAIN)
    inserted = delivered(mail_filter.decide(sent), sent).headers

    decision = mail_filter.decide(replace(sent, headers=inserted))

    assert decision.event.reason == "already-signed"


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(lambda ca: signed(ca, msgi=MALLORY), id="another-body"),
        pytest.param(lambda ca: signed(ca, CAROL), id="another-recipient"),
        pytest.param(
            lambda ca: signed(ca, orig={"tn": CAROL}), id="another-originator"
        ),
        pytest.param(lambda ca: signed(ca, msgi=None), id="no-digest"),
        pytest.param(lambda ca: signed(ca, name="range"), id="a-signer-we-do-not-hold"),
        pytest.param(
            lambda ca: with_signature_of(signed(ca), signed(ca, iat=1)),
            id="a-signature-of-something-else",
        ),
        pytest.param(lambda _: "PASSporT: junk", id="junk"),
    ],
)
def test_a_token_that_is_not_ours_is_kept_and_ours_put_above(
    ca: TestCA, make: Make, foreign: Callable[[TestCA], str]
) -> None:
    decision = make().decide(mail(*PLAIN, foreign(ca)))

    assert decision.event.outcome == "signed"
    assert decision.remove == ()
    assert len(decision.insert) == 1


@pytest.mark.parametrize(
    ("signer", "reason"),
    [
        pytest.param("other", "not-authorized", id="certificate-for-another-number"),
        pytest.param("expired", "credential-expired", id="certificate-expired"),
    ],
)
@pytest.mark.parametrize("on_failure", ["tempfail", "accept"])
def test_a_failure_of_ours_follows_the_setting(
    make: Make, signer: str, reason: str, on_failure: str
) -> None:
    policy = replace(POLICY, signing_failure=on_failure)  # type: ignore[arg-type]

    decision = make(signer, policy=policy).decide(mail(*PLAIN))

    assert (decision.event.outcome, decision.event.reason) == ("failed", reason)
    assert decision.event.detail.startswith(f"{signer}: ")
    assert decision.event.action == decision.action == on_failure
    assert decision.insert == ()
    assert decision.reply is not None
    assert decision.reply[:2] == ("451", "4.7.0")


# Incoming


def test_forged_results_go_and_the_rest_stays(make: Make) -> None:
    decision = make().decide(
        mail(
            "Authentication-Results: other.example; spf=pass",
            "authentication-results: mx.example; stir=pass",
            FROM,
            'Authentication-RESULTS: "MX.Example." 1; dkim=pass',
            "Authentication-Results-X: mx.example; spf=pass",
            "ARC-Authentication-Results: i=1; mx.example; spf=pass",
            "Authentication-Results: other.example 1; dmarc=pass",
            "Authentication-Results: ;;",
            TO,
            connection=STRANGER,
        )
    )

    assert decision.remove == (
        Removal("authentication-results", 2),
        Removal("Authentication-RESULTS", 3),
        Removal("Authentication-Results", 5),
    )


def test_a_pass_tells_the_number_and_where_its_proof_is(ca: TestCA, make: Make) -> None:
    decision = make().decide(mail(*PLAIN, signed(ca), connection=STRANGER))

    assert decision.action == "accept"
    assert result_field(decision) == (
        "mx.example; stir=pass reason=verified header.orig=12025550123 header.ppt=msg"
        " policy.msgi=exact policy.tn-authority=tn policy.verdict=number-authenticated"
        ' policy.x5u="https://certs.example/one.pem"'
    )
    assert decision.event == Handled(
        "in",
        "number-authenticated",
        "verified",
        orig=ALICE,
        x5u="https://certs.example/one.pem",
    )


@pytest.mark.parametrize(
    ("name", "claims", "envelope", "field"),
    [
        pytest.param(
            "one",
            {},
            {"body": b"Hello Mallory\r\n"},
            "stir=fail reason=body-altered header.ppt=msg policy.msgi=altered"
            " policy.tn-authority=none policy.verdict=failed",
            id="altered-body",
        ),
        pytest.param(
            "one",
            {"orig": {"tn": CAROL}},
            {},
            "stir=fail reason=orig-mismatch header.ppt=msg policy.msgi=absent"
            " policy.tn-authority=none policy.verdict=failed",
            id="another-originator",
        ),
        pytest.param(
            "one",
            {},
            {"recipients": (f"<+{CAROL}@h>",)},
            "stir=fail reason=dest-mismatch header.ppt=msg policy.msgi=absent"
            " policy.tn-authority=none policy.verdict=failed",
            id="another-recipient",
        ),
        pytest.param(
            "one",
            {},
            {"recipients": (f"<+{BOB}@h>", f"<+{CAROL}@h>")},
            "stir=policy reason=dest-partial header.ppt=msg policy.msgi=exact"
            " policy.tn-authority=tn policy.verdict=unauthenticated",
            id="a-recipient-too-many",
        ),
        pytest.param(
            "one",
            {},
            {"recipients": (f"<+{BOB}@h>", "<carol@mx.example>")},
            "stir=policy reason=dest-partial header.ppt=msg policy.msgi=exact"
            " policy.tn-authority=tn policy.verdict=unauthenticated",
            id="a-recipient-without-a-number",
        ),
        pytest.param(
            "one",
            {"dest": {"tn": [f"+{CAROL}"]}},
            {},
            "stir=permerror reason=malformed policy.verdict=failed",
            id="a-recipient-in-another-spelling",
        ),
        pytest.param(
            "one",
            {"msgi": None},
            {},
            "stir=policy reason=no-msgi header.ppt=msg policy.msgi=absent"
            " policy.tn-authority=tn policy.verdict=unauthenticated",
            id="no-digest",
        ),
        pytest.param(
            "untrusted",
            {},
            {},
            "stir=fail reason=credential-untrusted header.ppt=msg policy.msgi=exact"
            " policy.tn-authority=none policy.verdict=failed",
            id="untrusted-certificate",
        ),
        pytest.param(
            "other",
            {},
            {},
            "stir=fail reason=not-authorized header.ppt=msg policy.msgi=exact"
            " policy.tn-authority=none policy.verdict=failed",
            id="certificate-for-another-number",
        ),
    ],
)
def test_what_does_not_pass_publishes_no_number_and_no_url(
    ca: TestCA,
    make: Make,
    name: str,
    claims: dict[str, object],
    envelope: dict[str, object],
    field: str,
) -> None:
    token_field = signed(ca, name=name, **claims)

    decision = make().decide(
        mail(*PLAIN, token_field, connection=STRANGER, **envelope)  # type: ignore[arg-type]
    )

    assert result_field(decision) == f"mx.example; {field}"
    assert decision.action == "accept"
    assert not any(number in decision.event.detail for number in (ALICE, BOB, CAROL))


@pytest.mark.parametrize(
    ("tokens", "field"),
    [
        pytest.param(
            [],
            "stir=none reason=no-passport policy.verdict=unauthenticated",
            id="none",
        ),
        pytest.param(
            ["PASSporT: junk"],
            "stir=permerror reason=malformed policy.verdict=failed",
            id="malformed",
        ),
        pytest.param(
            ["Identity: junk"],
            "stir=none reason=no-passport policy.verdict=unauthenticated",
            id="in-a-field-that-is-not-read",
        ),
        pytest.param(
            ["passport: junk"] * 9,
            "stir=permerror reason=too-many-passports policy.verdict=failed",
            id="too-many",
        ),
    ],
)
def test_says_what_is_wrong_without_a_readable_token(
    make: Make, tokens: list[str], field: str
) -> None:
    decision = make().decide(mail(*PLAIN, *tokens, connection=STRANGER))

    assert result_field(decision) == f"mx.example; {field}"


def test_the_method_is_named_as_configured(make: Make) -> None:
    mail_filter = make(policy=replace(POLICY, method="x-stir"))

    decision = mail_filter.decide(mail(*PLAIN, connection=STRANGER))

    assert result_field(decision).startswith("mx.example; x-stir=none ")


def test_reads_the_fields_it_is_told_to(ca: TestCA, make: Make) -> None:
    mail_filter = make(policy=replace(POLICY, headers=frozenset({"Identity"})))
    field = signed(ca).replace("PASSporT:", "identity:")

    decision = mail_filter.decide(mail(*PLAIN, field, connection=STRANGER))

    assert decision.event.reason == "verified"


@pytest.mark.parametrize("bad", ["PASSporT: junk", "PASSporT:"])
def test_one_good_token_among_bad_ones_is_enough(
    ca: TestCA, make: Make, bad: str
) -> None:
    decision = make().decide(mail(*PLAIN, bad, signed(ca), bad, connection=STRANGER))

    assert decision.event.reason == "verified"


@pytest.mark.parametrize(
    ("expiry", "reason"),
    [
        pytest.param("1800", "verified", id="not-yet"),
        pytest.param("60", "stale", id="seconds-after-date"),
        pytest.param("Fri, 02 Jan 2026 11:59:59 GMT", "stale", id="date"),
    ],
)
def test_a_message_beyond_its_expiry_is_stale(
    ca: TestCA, make: Make, expiry: str, reason: str
) -> None:
    date = "Date: Fri, 02 Jan 2026 11:45:00 +0000"

    decision = make().decide(
        mail(*PLAIN, date, f"X-Mms-Expiry: {expiry}", signed(ca), connection=STRANGER)
    )

    assert decision.event.reason == reason


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

    digests = make().digester(connection, mail(*PLAIN, *fields).headers).finish()

    assert {algorithm for _, algorithm in digests.digests} == algorithms


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_the_digests_that_were_computed_suffice(
    ca: TestCA, make: Make, algorithm: str
) -> None:
    mail_filter = make()
    field = signed(ca, msgi=str(digest_body(BODY).value(algorithm)))
    received = mail(*PLAIN, field, connection=STRANGER)
    digester = mail_filter.digester(STRANGER, received.headers)
    digester.update(BODY)

    decision = mail_filter.decide(replace(received, body=digester.finish()))

    assert decision.event.reason == "verified"


@pytest.mark.parametrize(
    ("others", "limits"),
    [
        pytest.param(0, {}, id="judged"),
        pytest.param(8, {}, id="beyond-the-tokens-that-are-judged"),
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
    digester = mail_filter.digester(OURS, sent.headers)
    digester.update(BODY)

    decision = mail_filter.decide(replace(sent, body=digester.finish()))

    assert decision.event.outcome == "signed"


# Replays


def test_a_retry_is_no_replay(ca: TestCA, make: Make) -> None:
    """The same client, the same header block: our 250 was lost on its way."""
    mail_filter = make()
    sent = mail("Received: by a.example", *PLAIN, signed(ca), connection=STRANGER)

    reasons = [mail_filter.decide(sent).event.reason for _ in range(3)]

    assert reasons == ["verified"] * 3


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


def test_a_key_is_kept_as_long_as_its_token_is_fresh(ca: TestCA, make: Make) -> None:
    times = iter([NOW, NOW + timedelta(hours=24)])
    mail_filter = make(clock=lambda: next(times))
    lines = (*PLAIN, signed(ca))
    thief = Connection(client=ip_address("203.0.113.9"))

    first = mail_filter.decide(mail(*lines, connection=STRANGER))
    last = mail_filter.decide(mail(*lines, connection=thief))

    assert [first.event.reason, last.event.reason] == ["verified", "replayed"]

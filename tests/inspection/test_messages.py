"""Messages: their tokens held against From, To, the body, and each other."""

import pytest

from tests.inspection.reports import (
    HEAD,
    TEXT,
    digest,
    diversion,
    explain,
    facts,
    mail,
    message_token,
    problems,
    shaken,
)
from tests.laboratory import ALICE, BOB, CAROL
from tests.stir.pki import LEAF, MIDDLE
from tests.stir.tokens import ABSENT

TO_CAROL = HEAD.replace(BOB, CAROL)
TO_BOTH = HEAD.replace("To: ", f"To: +{CAROL}, ")
MAILTO = "mailto:alice@example.net"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("type", ["mm4_forward.req"], id="type"),
        pytest.param("originator", [ALICE], id="originator"),
        pytest.param("recipient", [BOB], id="recipient"),
        pytest.param("body", ["11 octets"], id="length of the body"),
        pytest.param("tokens", ["1"], id="number of tokens"),
        pytest.param("orig", [f"tn {ALICE}"], id="claims of the token"),
        pytest.param("msgi matches the body", ["exact"], id="form of the body"),
    ],
)
def test_a_message_is_explained_with_its_token(name: str, expected: list[str]) -> None:
    report = explain(mail(message_token()))

    assert report.kind == "a message"
    assert facts(report, name) == expected
    assert report.problems == []


@pytest.mark.parametrize(
    ("head", "originator"),
    [
        pytest.param(HEAD, ALICE, id="of a number"),
        pytest.param(f"From: {MAILTO[7:]}\n", MAILTO, id="of a mail address"),
        pytest.param("Subject: x\n", "none: From names no single one", id="of nobody"),
    ],
)
def test_a_message_without_tokens_is_not_wrong(head: str, originator: str) -> None:
    report = explain(mail(head=head))

    assert facts(report, "originator") == [originator]
    assert facts(report, "tokens") == ["none: nobody vouches for this message"]
    assert report.problems == []


@pytest.mark.parametrize(
    ("given", "problem", "rule"),
    [
        pytest.param(
            mail(message_token(), text="Hello Bab\n"),
            "body-altered: msgi is the digest of another body",
            "RFC 9475 §3.2",
            id="another body",
        ),
        pytest.param(
            mail(message_token(), head=HEAD.replace(ALICE, CAROL)),
            "orig-mismatch: orig is not From",
            "RFC 8224 §6.2.4",
            id="another originator",
        ),
        pytest.param(
            mail(message_token(), head=HEAD.replace("From", "Sender")),
            "orig-mismatch: From names no single number or address",
            "profile §4",
            id="no originator",
        ),
        pytest.param(
            mail(message_token(), head=TO_CAROL),
            "dest-mismatch: dest names nobody of To and Cc",
            "RFC 8225 §5.2.1",
            id="another recipient",
        ),
        pytest.param(
            mail(message_token(), head=TO_BOTH),
            f"dest-partial: dest does not name {CAROL}",
            "RFC 9475 §3.2.1",
            id="one recipient more",
        ),
        pytest.param(
            mail(message_token(), head=HEAD + "Cc: <a@b@c>\n"),
            "dest-partial: 1 of To and Cc cannot be read",
            "profile §5",
            id="recipient that programs read differently",
        ),
        pytest.param(
            mail(message_token(), head=HEAD + "Cc: 12345, 112/TYPE=PLMN\n"),
            "dest-partial: 2 of To and Cc may be numbers not in dest",
            "profile §5",
            id="recipients that are dialled",
        ),
        pytest.param(
            mail(message_token(), head=HEAD + "Date: a\nDate: b\n"),
            "date occurs twice: programs differ in which one they take",
            "profile §4",
            id="field twice",
        ),
        pytest.param(
            mail("eyJhIjoxfQ"),
            "malformed: 1 of 3 parts: is the token cut off?",
            "RFC 7515 §7.1",
            id="field without a token",
        ),
        pytest.param(
            mail(message_token(msgi=ABSENT)),
            "no-msgi: nothing binds the body; good STIR, but never a pass here",
            "profile §3",
            id="token without a digest",
        ),
        pytest.param(
            mail(shaken()),
            "unsupported-ppt: ppt shaken: set aside in a message",
            "RFC 8224 §6.2 step 1",
            id="token of a call",
        ),
        pytest.param(
            mail(diversion()),
            "unsupported-ppt: no msg token here leads to it:"
            " orig, and a dest that is its div",
            "RFC 8946 §4.2",
            id="diversion alone",
        ),
    ],
)
def test_a_token_that_does_not_fit_the_message_is_told(
    given: str, problem: str, rule: str
) -> None:
    assert problems(explain(given)) == [(problem, rule)]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        pytest.param(3, "13125550200, 13125550201, 13125550202", id="three"),
        pytest.param(4, "13125550200, 13125550201, 13125550202 and 1 more", id="four"),
    ],
)
def test_many_unnamed_recipients_are_counted(count: int, said: str) -> None:
    numbers = ", ".join(f"+1312555020{digit}" for digit in range(count))

    report = explain(mail(message_token(), head=HEAD + f"Cc: {numbers}\n"))

    assert report.problems[0].text == f"dest-partial: dest does not name {said}"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        pytest.param(f"{TEXT}\n\n", "simple", id="with empty lines at its end"),
        pytest.param(TEXT, "exact", id="as it was signed"),
    ],
)
def test_the_form_of_the_body_that_matches_is_told(text: str, form: str) -> None:
    report = explain(mail(message_token(msgi=digest()), text=text))

    assert facts(report, "msgi matches the body") == [form]
    assert report.problems == []


@pytest.mark.parametrize(
    ("time", "notes"),
    [
        pytest.param("09:00:00", ["iat is 3 h after Date"], id="three hours earlier"),
        pytest.param("11:59:00", [], id="a minute earlier"),
        pytest.param("12:00:00", [], id="the same"),
        pytest.param("12:01:01", ["iat is 61 s before Date"], id="a minute later"),
    ],
)
def test_a_date_far_from_iat_is_noted(time: str, notes: list[str]) -> None:
    date = f"Date: Fri, 02 Jan 2026 {time} +0000\n"

    report = explain(mail(message_token(), head=HEAD + date))

    assert [note for note in facts(report, "note") if "Date" in note] == notes
    assert report.problems == []


def test_three_tokens_are_told_apart() -> None:
    """The second one was altered after it had been signed."""
    first, second, third = (message_token(other=n) for n in range(3))
    header, _, signature = second.split(".")
    altered = ".".join([header, third.split(".")[1], signature])

    report = explain(mail(first, altered, third), [(LEAF, MIDDLE)])

    assert facts(report, "token") == ["1 of 3", "2 of 3", "3 of 3"]
    assert facts(report, "signed by") == ["CN=leaf", "CN=leaf"]
    [(text, rule)] = problems(report)
    assert text.startswith("token 2: bad-signature: not by the key of this")
    assert rule == "RFC 8224 §6.2 step 5"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HEAD, id="To still names who sent it on"),
        pytest.param(TO_CAROL, id="To names whom it went to"),
        pytest.param(TO_BOTH, id="To names both"),
    ],
)
def test_a_diversion_leads_to_more_recipients(head: str) -> None:
    tokens = message_token(), diversion(dest={"tn": [CAROL]})

    report = explain(mail(*tokens, head=head))

    assert report.problems == []


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"div": {"tn": CAROL}}, id="from somebody else"),
        pytest.param({"orig": {"tn": CAROL}}, id="of somebody else's message"),
    ],
)
def test_a_diversion_of_another_message_is_told(changed: dict[str, object]) -> None:
    report = explain(mail(message_token(), diversion(**changed)))

    [(text, rule)] = problems(report)
    assert text.startswith("token 2: unsupported-ppt: no msg token here leads to it")
    assert rule == "RFC 8946 §4.2"


def test_a_mail_address_may_be_named() -> None:
    head = HEAD.replace(f"From: +{ALICE}/TYPE=PLMN", "From: alice@example.net")

    report = explain(mail(message_token(orig={"uri": MAILTO}), head=head))

    assert facts(report, "originator") == [MAILTO]
    assert "an orig that is a URI counts only with verify.uris" in facts(report, "note")
    assert report.problems == []

"""The JSON object of ``verify --json``: its shape, and what it must not claim."""

import json
from ipaddress import ip_address
from typing import Any

import pytest

from stirmilter.mail.beside import Beside
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import MailPolicy
from stirmilter.mail.protection import Protection
from stirmilter.mail.report import as_json
from stirmilter.mail.results import (
    ArcResult,
    DkimSignature,
    DmarcResult,
    MailResults,
    SpfResult,
)
from stirmilter.mail.transaction import Connection, Header, Transaction
from stirmilter.stir import identity, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.msgi import digest_body
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, BOB, BODY, NOW


def report(
    ca: TestCA, *tokens: str, body: bytes = BODY, beside: Beside | None = None
) -> dict[str, Any]:
    """Judge a message from Alice to Bob, and read the report as a program would."""
    mail_filter = MailFilter(
        policy=MailPolicy(authserv_id="mx.example"),
        authentication=laboratory.authenticator(ca),
        verification=laboratory.verifier(ca),
    )
    transaction = Transaction(
        connection=Connection(client=ip_address("198.51.100.1")),
        sender=f"<+{ALICE}>",
        recipients=(f"<+{BOB}>",),
        headers=(
            Header("From", f"+{ALICE}".encode()),
            *(Header("PASSporT", token.encode()) for token in tokens),
        ),
        body=digest_body(body),
    )
    decision, judged = mail_filter.verify(transaction, NOW, beside)
    report = json.loads(json.dumps(as_json(decision, judged)))
    assert isinstance(report, dict)
    return report


def token(ca: TestCA, name: str = "one") -> str:
    signer = laboratory.signer(ca, name)
    claims = Claims.message(
        ALICE, (BOB,), int(NOW.timestamp()), digest_body(BODY).value()
    )
    signed = passport.issue(claims, signer.x5u, signer.key)
    return identity.write(signed, "PASSporT")


def test_a_pass_comes_with_its_evidence(ca: TestCA) -> None:
    evidence = {
        "result": "pass",
        "reason": "verified",
        "detail": "",
        "rule": "",
        "ppt": "msg",
        "orig": ALICE,
        "msgi": "exact",
        "authority": "tn",
        "diversions": 0,
        "x5u": "https://certs.example/one.pem",
        "certificate": laboratory.signer(ca, "one").credential.fingerprint,
        "trust": "default",
        "status": "unchecked",
        "notes": [],
    }

    assert report(ca, token(ca)) == {
        "verdict": "number-authenticated",
        "action": "accept",
        "rule": None,
        "stir": evidence,
        "passports": [evidence],
        "spf": None,
        "dkim": None,
        "dmarc": None,
        "arc": None,
        "headers": {
            "protected": False,
            "sealed": False,
            "signatures": [],
            "missing": [],
            "exposed": [],
        },
        "source": None,
        "differences": [],
    }


def test_a_number_that_was_not_verified_is_not_told(ca: TestCA) -> None:
    found = report(ca, token(ca), body=b"Hullo\r\n")

    assert found["verdict"] == "failed"
    assert found["stir"] == {
        "result": "fail",
        "reason": "body-altered",
        "detail": "msgi is the digest of another body",
        "rule": "RFC 9475 §3.2",
        "ppt": "msg",
        "orig": None,
        "msgi": "altered",
        "authority": "none",
        "diversions": 0,
        "x5u": "https://certs.example/one.pem",
        "certificate": None,
        "trust": None,
        "status": "unchecked",
        "notes": [],
    }


@pytest.mark.conformance("H-07", "V-14")
def test_every_token_has_a_result_of_its_own_in_the_order_of_the_header(
    ca: TestCA,
) -> None:
    found = report(ca, "junk", token(ca, "untrusted"), token(ca), token(ca, "other"))

    assert found["stir"]["reason"] == "verified"
    assert [result["reason"] for result in found["passports"]] == [
        "malformed",
        "credential-untrusted",
        "verified",
        "not-authorized",
    ]
    assert [result["orig"] for result in found["passports"]] == [
        None,
        None,
        ALICE,
        None,
    ]
    assert found["passports"][0]["x5u"] is None


def test_a_message_without_a_token_has_a_result_all_the_same(ca: TestCA) -> None:
    found = report(ca)

    assert found["verdict"] == "unauthenticated"
    assert found["stir"]["reason"] == "no-passport"
    assert found["passports"] == []


def test_the_other_methods_come_with_theirs(ca: TestCA) -> None:
    beside = Beside(
        results=MailResults(
            spf=SpfResult(
                word="softfail", domain="one.example", address="a@one.example"
            ),
            dkim=(
                DkimSignature(word="fail", reason="body-altered", domain="b.example"),
                DkimSignature(
                    word="pass",
                    domain="one.example",
                    selector="s",
                    algorithm="rsa-sha256",
                    covers=frozenset({"to", "from"}),
                ),
            ),
            arc=ArcResult(word="none"),
            dmarc=DmarcResult(
                word="pass",
                domain="one.example",
                organizational="one.example",
                policy="reject",
                aligned=("dkim=one.example",),
            ),
        ),
        protection=Protection(missing=("content-type",)),
        differences=("spf: softfail here, pass at mx",),
    )

    found = report(ca, token(ca), beside=beside)

    assert found["verdict"] == "number-authenticated"
    assert found["spf"] == {
        "result": "softfail",
        "reason": "",
        "scope": "mailfrom",
        "domain": "one.example",
        "address": "a@one.example",
    }
    assert found["dkim"]["result"] == "pass"
    assert [one["result"] for one in found["dkim"]["signatures"]] == ["fail", "pass"]
    assert found["dkim"]["signatures"][1]["covers"] == ["from", "to"]
    assert found["dmarc"]["aligned"] == ["dkim=one.example"]
    assert found["arc"] == {"result": "none", "reason": "", "sets": 0, "domain": ""}
    assert found["headers"]["missing"] == ["content-type"]
    assert found["differences"] == ["spf: softfail here, pass at mx"]

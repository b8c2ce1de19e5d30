"""`passport.lint`: what a signer should have written otherwise, and still verifies."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter import inspection
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.report import as_json
from stirmilter.stir import jws, passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.msgi import digest_body
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import BOB, BODY, CAROL, NOW, X5U
from tests.mail.mails import PLAIN, POLICY, STRANGER, mail
from tests.stir.tokens import HEADER, IAT, KEY, MSGI, PAYLOAD, SIGNING_KEY, seal

HEADER_NOTE: Final = "header: not the deterministic JSON of RFC 8225 section 9"
PAYLOAD_NOTE: Final = "payload: not the deterministic JSON of RFC 8225 section 9"
DEST_NOTE: Final = "dest: not sorted, or with duplicates (RFC 8225 section 5.2.1)"
MSGI_NOTE: Final = "msgi: base64 without padding (RFC 4648 section 3.2)"


def canonical(part: dict[str, Any]) -> bytes:
    text = json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


GOOD_HEADER: Final = canonical(HEADER)
GOOD_PAYLOAD: Final = canonical(PAYLOAD)


def changed(**claims: object) -> bytes:
    return canonical({**PAYLOAD, **claims})


@pytest.mark.parametrize(
    ("header", "payload", "notes"),
    [
        pytest.param(GOOD_HEADER, GOOD_PAYLOAD, (), id="as-it-should-be"),
        pytest.param(
            json.dumps(HEADER, sort_keys=True).encode(),
            GOOD_PAYLOAD,
            (HEADER_NOTE,),
            id="white-space-in-the-header",
        ),
        pytest.param(
            GOOD_HEADER, GOOD_PAYLOAD + b"\n", (PAYLOAD_NOTE,), id="line-end-behind"
        ),
        pytest.param(
            GOOD_HEADER,
            json.dumps(PAYLOAD, separators=(",", ":"))
            .replace('{"dest"', '{"x":0,"dest"')
            .encode(),
            (PAYLOAD_NOTE,),
            id="names-not-sorted",
        ),
        pytest.param(
            GOOD_HEADER,
            GOOD_PAYLOAD.replace(b'"iat"', b'"\\u0069at"'),
            (PAYLOAD_NOTE,),
            id="escape-that-is-not-needed",
        ),
        pytest.param(
            GOOD_HEADER, changed(x=[{"b": 1, "a": 2}]), (), id="sorted-at-every-level"
        ),
        pytest.param(
            GOOD_HEADER,
            GOOD_PAYLOAD.replace(b'"msgi"', b'"m":{"b":1,"a":2},"msgi"'),
            (PAYLOAD_NOTE,),
            id="names-not-sorted-inside",
        ),
        pytest.param(
            GOOD_HEADER,
            changed(dest={"tn": [CAROL, BOB]}),
            (DEST_NOTE,),
            id="dest-not-sorted",
        ),
        pytest.param(
            GOOD_HEADER, changed(dest={"tn": [BOB, BOB]}), (DEST_NOTE,), id="dest-twice"
        ),
        pytest.param(
            GOOD_HEADER,
            changed(msgi=MSGI.rstrip("=")),
            (MSGI_NOTE,),
            id="msgi-unpadded",
        ),
        pytest.param(
            json.dumps(HEADER).encode(),
            json.dumps({**PAYLOAD, "dest": {"tn": [BOB, BOB]}}).encode(),
            (HEADER_NOTE, PAYLOAD_NOTE, DEST_NOTE),
            id="several",
        ),
    ],
)
def test_what_differs_is_named_and_verifies_all_the_same(
    header: bytes, payload: bytes, notes: tuple[str, ...]
) -> None:
    token = passport.parse(seal(header, payload))

    assert passport.lint(token) == notes
    jws.verify(token.signing_input, token.signature, KEY.public_key())


@given(
    st.text("019#*", min_size=1, max_size=15),
    st.lists(st.text("019#*", min_size=1, max_size=15), min_size=1, max_size=4),
    st.booleans(),
)
def test_what_we_write_has_nothing_to_name(
    orig: str, dest: list[str], diverted: bool
) -> None:
    said = Claims.message(orig, dest, IAT, digest_body(BODY).value())
    said = said.diverted(dest[0], [*dest, orig]) if diverted else said

    assert passport.lint(passport.issue(said, f"{X5U}a.pem", SIGNING_KEY)) == ()


def test_notes_stand_in_the_report_of_a_token_that_passes(ca: TestCA) -> None:
    signer = laboratory.signer(ca, "one")
    header = json.dumps({**HEADER, "x5u": signer.x5u}).encode()
    token = seal(
        header, changed(dest={"tn": [CAROL, BOB]}), laboratory.private_key(ca, "one")
    )
    mail_filter = MailFilter(
        policy=POLICY,
        authentication=laboratory.authenticator(ca),
        verification=laboratory.verifier(ca),
    )
    lines = (f"PASSporT: {token}", *PLAIN, "Date: Fri, 02 Jan 2026 11:58:00 +0000")
    sent = replace(mail(*lines), connection=STRANGER)

    report = as_json(*mail_filter.verify(sent, NOW))

    assert report["stir"]["reason"] == "verified"
    assert report["stir"]["notes"] == [
        "iat is 120 s after Date",
        HEADER_NOTE,
        DEST_NOTE,
    ]


def test_notes_stand_in_what_inspect_says() -> None:
    token = seal(json.dumps(HEADER).encode(), changed(dest={"tn": [CAROL, BOB]}))

    report = inspection.inspect(token.encode(), NOW)

    notes = [text for name, text in report.facts if name == "note"]
    for expected in (HEADER_NOTE, DEST_NOTE):
        assert any(note.startswith(expected) for note in notes)
    assert not any(note.startswith((PAYLOAD_NOTE, MSGI_NOTE)) for note in notes)
    assert report.problems == []

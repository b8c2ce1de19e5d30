"""Who signed a token: with the chain at x5u, and with anchors to ask."""

import pytest
from cryptography import x509

from tests.inspection.reports import (
    diversion,
    explain,
    facts,
    mail,
    message_token,
    problems,
    shaken,
)
from tests.laboratory import ALICE, BOB, CAROL, NOW
from tests.stir import der
from tests.stir.certificates import DAY, Issued, issue, leaf, tn_auth_list
from tests.stir.pki import ENHANCED, LEAF, MIDDLE, ROOT
from tests.stir.tokens import forge

CHAIN = (LEAF, MIDDLE)
CARRIER = issue("carrier", ROOT, [tn_auth_list(der.spc("1234"))], ca=True)
HOSTS = x509.SubjectAlternativeName([x509.DNSName("example.net")])
MAILTO = "mailto:alice@example.net"


def signed(signer: Issued, **payload: object) -> str:
    return forge({}, payload, signer.key)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("signed by", "CN=leaf", id="who"),
        pytest.param("issuer", "CN=middle", id="on whose word"),
        pytest.param("speaks for", f"+{ALICE}", id="for which numbers"),
        pytest.param(
            "valid", "2026-01-01 12:00:00Z to 2026-01-03 12:00:00Z", id="valid when"
        ),
        pytest.param(
            f"covers {ALICE}", "tn: the certificate names this number", id="why so"
        ),
        pytest.param(
            "trusted", "unknown without trust anchors (--anchors FILE)", id="trust"
        ),
    ],
)
def test_a_signer_is_told_from_its_chain(name: str, expected: str) -> None:
    report = explain(message_token(), [CHAIN])

    assert facts(report, name) == [expected]
    assert report.problems == []


@pytest.mark.parametrize(
    ("chain", "speaker", "words"),
    [
        pytest.param(
            (leaf(MIDDLE), MIDDLE),
            ALICE,
            "tn: the certificate names this number",
            id="the number",
        ),
        pytest.param(
            (leaf(MIDDLE, tn_auth_list(der.block(ALICE, 9))), MIDDLE),
            ALICE,
            "range: the certificate names a range that holds this number",
            id="a range",
        ),
        pytest.param(
            (leaf(MIDDLE, tn_auth_list(der.spc("1234"))), MIDDLE),
            ALICE,
            "spc: the certificate names a carrier;"
            " nobody checked that the number is its (SPC 1234)",
            id="a carrier",
        ),
        pytest.param(
            (leaf(CARRIER), CARRIER),
            ALICE,
            "tn: the certificate names this number (SPC 1234)",
            id="the number, handed on by a carrier",
        ),
        pytest.param(
            (leaf(MIDDLE, tn_auth_list(der.spc("1234")), HOSTS), MIDDLE),
            MAILTO,
            "domain: the certificate names the host of this URI",
            id="the host of a URI",
        ),
    ],
)
def test_the_authority_over_a_number_is_told_in_words(
    chain: tuple[Issued, ...], speaker: str, words: str
) -> None:
    orig = {"uri" if ":" in speaker else "tn": speaker}

    report = explain(signed(chain[0], orig=orig), [chain])

    assert facts(report, f"covers {speaker}") == [words]
    assert report.problems == []


@pytest.mark.parametrize(
    ("token", "speaker"),
    [
        pytest.param(diversion(), BOB, id="who diverted a message"),
        pytest.param(
            diversion(div={"tn": BOB, "hi": "1"}), BOB, id="who diverted, with an index"
        ),
        pytest.param(
            forge({"ppt": "div-o"}, {"div": {"tn": BOB}, "opt": "x"}, LEAF.key),
            BOB,
            id="who diverted a call",
        ),
        pytest.param(shaken(orig={"tn": CAROL}), CAROL, id="who called"),
        pytest.param(message_token(orig={"tn": CAROL}), CAROL, id="who wrote"),
        pytest.param(message_token(orig={"uri": MAILTO}), MAILTO, id="a URI"),
    ],
)
def test_a_number_that_is_not_covered_is_a_problem(token: str, speaker: str) -> None:
    report = explain(token, [CHAIN])

    assert facts(report, f"covers {speaker}") == ["no"]
    assert report.problems[-1].text.startswith("not-authorized: the certificate does")


@pytest.mark.parametrize(
    ("chain", "anchors", "problem", "rule"),
    [
        pytest.param(
            (leaf(MIDDLE), MIDDLE),
            [],
            "bad-signature: not by the key of this certificate;"
            " is it the chain at x5u?",
            "RFC 8224 §6.2 step 5",
            id="chain of somebody else",
        ),
        pytest.param(
            (MIDDLE, LEAF),
            [ROOT],
            "wrong order: expected 2, 1: signer first, then each one's issuer",
            "RFC 9060 §7",
            id="chain upside down",
        ),
        pytest.param(
            CHAIN,
            [CARRIER],
            "credential-untrusted: no path to a trust anchor: ",
            "RFC 5280 §6",
            id="anchor that vouches for nobody",
        ),
        pytest.param(
            (LEAF, ROOT),
            [],
            "CN=leaf is not issued by the next, CN=root: ",
            "RFC 9060 §7",
            id="chain with a gap",
        ),
    ],
)
def test_a_chain_that_does_not_fit_is_a_problem(
    chain: tuple[Issued, ...], anchors: list[Issued], problem: str, rule: str
) -> None:
    [(text, found)] = problems(explain(message_token(), [chain], anchors))

    assert text.startswith(problem)
    assert found == rule


def test_a_signer_that_does_not_fit_is_not_said_to_have_signed() -> None:
    report = explain(message_token(), [(leaf(MIDDLE), MIDDLE)])

    assert facts(report, "signed by") == []
    assert facts(report, "certificate") == ["CN=leaf"]


def test_anchors_vouch_for_the_time_of_signing() -> None:
    """RFC 9475 §4: mail waits in queues longer than some certificates live."""
    report = explain(message_token(), [CHAIN], [ROOT], at=NOW + 30 * DAY)

    assert facts(report, "trusted") == ["at 2026-01-02 12:00:00Z by CN=root"]
    assert report.problems == []


@pytest.mark.parametrize(
    ("anchors", "problem"),
    [
        pytest.param([], "credential-expired: not valid at iat", id="without anchors"),
        pytest.param([ROOT], "credential-expired: valid 2026-01-01T12:00Z", id="with"),
    ],
)
def test_a_token_from_before_its_certificate_is_a_problem(
    anchors: list[Issued], problem: str
) -> None:
    early = message_token(iat=int((NOW - 2 * DAY).timestamp()))

    [(text, rule)] = problems(explain(early, [CHAIN], anchors))

    assert text.startswith(problem)
    assert rule == "RFC 8224 §6.2 step 4"


def test_a_claim_that_the_certificate_excludes_is_a_problem() -> None:
    chain = leaf(MIDDLE, ENHANCED), MIDDLE

    report = explain(signed(chain[0]), [chain])

    assert facts(report, "its tokens")[0] == "must not have msgi"
    assert problems(report) == [("claim-constrained: msgi is excluded", "RFC 9118 §3")]


def test_of_several_chains_the_one_that_signed_is_taken() -> None:
    bob = leaf(MIDDLE, tn_auth_list(der.one(BOB)))
    onward = {"div": {"tn": BOB}, "dest": {"tn": [CAROL]}}
    forwarded = forge({"ppt": "div"}, onward, bob.key)

    report = explain(mail(message_token(), forwarded), [CHAIN, (bob, MIDDLE)], [ROOT])

    assert facts(report, f"covers {ALICE}") == ["tn: the certificate names this number"]
    assert facts(report, f"covers {BOB}") == ["tn: the certificate names this number"]
    assert report.problems == []


def test_a_token_of_a_call_has_a_signer_too() -> None:
    report = explain(shaken(), [CHAIN], [ROOT])

    assert facts(report, "signed by") == ["CN=leaf"]
    assert len(report.problems) == 1


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(message_token(orig="x"), id="no originator"),
        pytest.param(message_token(orig={"tn": 1}), id="originator that is a number"),
        pytest.param(message_token(iat=[]), id="no time"),
    ],
)
def test_a_token_that_is_wrong_still_has_a_signer(token: str) -> None:
    report = explain(token, [CHAIN], [ROOT])

    assert facts(report, "signed by") == ["CN=leaf"]
    assert facts(report, "trusted") == ["at 2026-01-02 12:00:00Z by CN=root"]

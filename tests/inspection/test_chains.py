"""Chains: in which order, linked how, within whose scope, and trusted by whom."""

from datetime import timedelta

import pytest

from tests.inspection.reports import explain, facts, problems
from tests.laboratory import ALICE, BOB, CAROL, NOW
from tests.stir import der
from tests.stir.certificates import DAY, Issued, issue, leaf, pem, tn_auth_list
from tests.stir.pki import LEAF, MIDDLE, ROOT
from tests.stir.test_references import URL, refers

DELEGATE = issue(
    "delegate", ROOT, [tn_auth_list(der.one(CAROL), der.spc("1"))], ca=True
)
NUMBERS = issue(
    "numbers", ROOT, [tn_auth_list(der.block(ALICE[:-2] + "00", 100))], ca=True
)
EXPIRED = issue("old", MIDDLE, [tn_auth_list()], begin=NOW - 9 * DAY, end=NOW - 3 * DAY)
OTHER = issue("root", ca=True, end=NOW + 9 * DAY)


def test_a_chain_is_told_apart() -> None:
    report = explain(pem(LEAF, MIDDLE))

    assert report.kind == "a chain of 2 certificates"
    assert facts(report, "certificate") == ["1 of 2", "2 of 2"]
    assert facts(report, "subject") == ["CN=leaf", "CN=middle"]
    assert report.problems == []


def test_a_chain_without_a_signer_is_noted() -> None:
    report = explain(pem(MIDDLE, ROOT))

    assert facts(report, "note") == [
        "no certificate of a signer: CA certificates alone"
    ]
    assert report.problems == []


@pytest.mark.parametrize(
    ("chain", "positions"),
    [
        pytest.param((MIDDLE, LEAF), "2, 1", id="upside down"),
        pytest.param((ROOT, MIDDLE, LEAF), "3, 2, 1", id="upside down with the root"),
        pytest.param((LEAF, ROOT, MIDDLE), "1, 3, 2", id="root in the middle"),
    ],
)
def test_a_chain_in_the_wrong_order_is_told_the_right_one(
    chain: tuple[Issued, ...], positions: str
) -> None:
    report = explain(pem(*chain))

    assert problems(report) == [
        (
            f"wrong order: expected {positions}: signer first, then each one's issuer",
            "RFC 9060 §7",
        )
    ]


@pytest.mark.parametrize(
    ("chain", "problem"),
    [
        pytest.param(
            (LEAF, ROOT),
            "CN=leaf is not issued by the next, CN=root: "
            "Issuer certificate subject does not match certificate issuer.",
            id="a gap",
        ),
        pytest.param(
            (MIDDLE, OTHER),
            "CN=middle is not issued by the next, CN=root: another key signed it",
            id="a namesake of the issuer",
        ),
    ],
)
def test_a_chain_that_does_not_link_is_a_problem(
    chain: tuple[Issued, ...], problem: str
) -> None:
    assert problems(explain(pem(*chain))) == [(problem, "RFC 9060 §7")]


@pytest.mark.parametrize(
    ("issuer", "entries", "beyond"),
    [
        pytest.param(
            DELEGATE, [der.one(ALICE), der.spc("2")], ["SPC 2"], id="another carrier"
        ),
        pytest.param(
            NUMBERS,
            [der.one(ALICE), der.one(BOB), der.block(CAROL, 10), der.one("*123")],
            [f"+{BOB}-+13125550110", "*123"],
            id="numbers of others",
        ),
        pytest.param(
            NUMBERS, [der.spc("1")], ["SPC 1"], id="a carrier instead of numbers"
        ),
    ],
)
def test_a_delegate_that_claims_too_much_is_told_what(
    issuer: Issued, entries: list[bytes], beyond: list[str]
) -> None:
    report = explain(pem(leaf(issuer, tn_auth_list(*entries)), issuer))

    [(text, rule)] = problems(report)
    assert text.startswith("not-authorized: a certificate names more than the one")
    assert rule == "RFC 9060 §4.1"
    assert facts(report, "beyond the one above") == beyond


@pytest.mark.parametrize(
    ("issuer", "entries"),
    [
        pytest.param(DELEGATE, [der.one(BOB)], id="any number below a carrier"),
        pytest.param(NUMBERS, [der.one(ALICE)], id="a number of a range"),
    ],
)
def test_a_delegate_within_its_scope_is_no_problem(
    issuer: Issued, entries: list[bytes]
) -> None:
    report = explain(pem(leaf(issuer, tn_auth_list(*entries)), issuer))

    assert facts(report, "beyond the one above") == []
    assert report.problems == []


@pytest.mark.parametrize("anchors", [[], [ROOT]], ids=["no-anchors", "anchor"])
def test_a_list_of_an_authority_that_stands_elsewhere_is_missing(
    anchors: list[Issued],
) -> None:
    issuer = issue("issuer", ROOT, [refers(URL)], ca=True)

    report = explain(pem(leaf(issuer), issuer), anchors=anchors)

    text = "TNAuthList of a CA certificate by reference, not fetched"
    assert problems(report) == [
        (f"credential-unavailable: {text}: {URL}", "RFC 8226 §10.1")
    ]
    assert facts(report, "hands on") == [
        f"the list at {URL}, which is not fetched (RFC 8226 section 10.1)"
    ]


def test_in_a_chain_it_is_told_which_one_has_expired() -> None:
    [(text, _)] = problems(explain(pem(EXPIRED, MIDDLE)))

    assert text.startswith("certificate 1: credential-expired: 3 days ago;")


@pytest.mark.parametrize(
    ("chain", "anchor", "trusted", "missing"),
    [
        pytest.param(
            (LEAF, MIDDLE),
            ROOT,
            ["at 2026-01-02 12:00:00Z by CN=root"],
            [],
            id="chain to the anchor",
        ),
        pytest.param(
            (LEAF, MIDDLE),
            OTHER,
            [],
            [],
            id="chain to a namesake of the anchor",
        ),
        pytest.param(
            (LEAF,),
            ROOT,
            [],
            ["CN=middle: neither in the chain nor an anchor"],
            id="signer without its issuer",
        ),
        pytest.param(
            (MIDDLE,),
            ROOT,
            ["issued by the anchor CN=root"],
            [],
            id="intermediate below the anchor",
        ),
        pytest.param((MIDDLE,), OTHER, [], [], id="intermediate below a namesake"),
        pytest.param((ROOT,), ROOT, ["it is one of the anchors"], [], id="the anchor"),
    ],
)
def test_anchors_say_whom_they_trust(
    chain: tuple[Issued, ...], anchor: Issued, trusted: list[str], missing: list[str]
) -> None:
    report = explain(pem(*chain), anchors=[anchor])

    assert facts(report, "trusted") == trusted
    assert facts(report, "missing") == missing
    untrusted = [text for text, _ in problems(report) if "credential-untrusted" in text]
    assert bool(untrusted) is not bool(trusted)


def test_an_expired_signer_was_trusted_while_it_was_valid() -> None:
    old = issue("middle", ROOT, ca=True, begin=NOW - 9 * DAY)
    signer = issue(
        "old", old, [tn_auth_list()], begin=NOW - 9 * DAY, end=NOW - timedelta(hours=3)
    )

    report = explain(pem(signer, old), anchors=[ROOT])

    assert facts(report, "trusted") == ["at 2026-01-02 09:00:00Z by CN=root"]
    assert len(report.problems) == 1

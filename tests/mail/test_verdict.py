"""One word out of three findings (docs/profile.md §7)."""

import pytest

from stirmilter.mail.verdict import Verdict, combine
from stirmilter.stir.result import Word

with_and_without_headers_covered = pytest.mark.parametrize(
    "headers_covered", [True, False], ids=["headers-covered", "headers-open"]
)
with_and_without_dmarc = pytest.mark.parametrize(
    "dmarc_pass", [True, False], ids=["dmarc-pass", "no-dmarc-pass"]
)


@with_and_without_dmarc
@pytest.mark.parametrize(
    ("headers_covered", "verdict"),
    [
        pytest.param(True, Verdict.AUTHENTICATED, id="headers-covered"),
        pytest.param(False, Verdict.NUMBER_AUTHENTICATED, id="headers-open"),
    ],
)
def test_a_pass_says_as_much_as_the_headers_allow(
    headers_covered: bool, dmarc_pass: bool, verdict: Verdict
) -> None:
    found = combine("pass", headers_covered=headers_covered, dmarc_pass=dmarc_pass)

    assert found is verdict


@pytest.mark.parametrize("stir", ["none", "neutral", "policy"])
@with_and_without_headers_covered
@pytest.mark.parametrize(
    ("dmarc_pass", "verdict"),
    [
        pytest.param(True, Verdict.DOMAIN_AUTHENTICATED, id="dmarc-pass"),
        pytest.param(False, Verdict.UNAUTHENTICATED, id="no-dmarc-pass"),
    ],
)
def test_without_proof_of_the_number_the_domain_may_remain(
    stir: Word, headers_covered: bool, dmarc_pass: bool, verdict: Verdict
) -> None:
    found = combine(stir, headers_covered=headers_covered, dmarc_pass=dmarc_pass)

    assert found is verdict


@pytest.mark.parametrize(
    ("stir", "verdict"),
    [
        ("fail", Verdict.FAILED),
        ("permerror", Verdict.FAILED),
        ("temperror", Verdict.UNDETERMINED),
    ],
)
@with_and_without_headers_covered
@with_and_without_dmarc
@pytest.mark.conformance("V-16", "E-10")
def test_mail_authentication_never_repairs_a_failure(
    stir: Word, headers_covered: bool, dmarc_pass: bool, verdict: Verdict
) -> None:
    found = combine(stir, headers_covered=headers_covered, dmarc_pass=dmarc_pass)

    assert found is verdict


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (Verdict.AUTHENTICATED, "authenticated"),
        (Verdict.NUMBER_AUTHENTICATED, "number-authenticated"),
        (Verdict.DOMAIN_AUTHENTICATED, "domain-authenticated"),
        (Verdict.UNAUTHENTICATED, "unauthenticated"),
        (Verdict.FAILED, "failed"),
        (Verdict.UNDETERMINED, "undetermined"),
    ],
)
def test_the_words_are_fixed(verdict: Verdict, word: str) -> None:
    """Operators filter on them."""
    assert str(verdict) == word

"""What lists say of a path reaches the result (RFC 5280 §6.3)."""

from datetime import timedelta
from pathlib import Path

import pytest

from stirmilter.stir.result import Reason
from tests.laboratory import BOB, CAROL, NOW, X5U, message
from tests.services.revoked import (
    DIRECT,
    HOUR,
    MIDDLE,
    NAMING,
    OURS,
    PLAIN,
    ROOT,
    Lab,
    said,
)
from tests.stir import der
from tests.stir.certificates import issue, leaf, publish, tn_auth_list
from tests.stir.crls import authority, crl, points
from tests.stir.tokens import ABSENT, forge

# What becomes of a certificate


@pytest.mark.conformance("C-14")
def test_a_certificate_that_its_list_does_not_name_is_good(lab: Lab) -> None:
    lab.direct()

    found = lab.verify(NAMING)

    assert said(found) == (Reason.VERIFIED, "good")
    assert found.result.notes == ()


@pytest.mark.conformance("C-14")
@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_certificate_that_its_list_names_fails(tmp_path: Path, mode: str) -> None:
    lab = Lab(tmp_path, mode=mode)
    lab.direct(NAMING)

    found = lab.verify(NAMING)

    assert said(found) == (Reason.CREDENTIAL_REVOKED, "revoked")
    assert found.result.detail == f"CN=leaf, by the list at {DIRECT}"
    assert found.result.rule == "RFC 5280 §6.3"
    assert found.result.credential is not None


def test_the_list_of_an_administrator_counts_by_the_word_of_the_operator(
    lab: Lab,
) -> None:
    lab.indirect(OURS)

    assert said(lab.verify(OURS)) == (Reason.CREDENTIAL_REVOKED, "revoked")


def test_the_list_of_an_administrator_clears_the_others(lab: Lab) -> None:
    lab.indirect(NAMING)

    assert said(lab.verify(OURS)) == (Reason.VERIFIED, "good")


def test_an_intermediate_that_is_revoked_takes_all_below_it_along(lab: Lab) -> None:
    middle = issue("listed", ROOT, [points(DIRECT)], ca=True)
    below = leaf(middle)
    entry = middle.certificate.serial_number, ()
    lab.pages[DIRECT] = crl(ROOT, entry)

    assert said(lab.verify(below, middle)) == (Reason.CREDENTIAL_REVOKED, "revoked")


def test_an_intermediate_that_is_good_says_nothing_of_the_leaf(lab: Lab) -> None:
    middle = issue("listed", ROOT, [points(DIRECT)], ca=True)
    lab.pages[DIRECT] = crl(ROOT)

    found = lab.verify(leaf(middle), middle)

    assert said(found) == (Reason.VERIFIED, "unchecked")


def test_an_intermediate_that_cannot_be_looked_up_is_told(lab: Lab) -> None:
    middle = issue("listed", ROOT, [points(DIRECT)], ca=True)

    found = lab.verify(leaf(middle), middle)

    assert said(found) == (Reason.VERIFIED, "unavailable")


@pytest.mark.parametrize("mode", ["off", "soft", "hard"])
def test_a_certificate_without_a_list_passes_unchecked(
    tmp_path: Path, mode: str
) -> None:
    lab = Lab(tmp_path, mode=mode)

    assert said(lab.verify(PLAIN)) == (Reason.VERIFIED, "unchecked")
    assert lab.asked == []


def test_nothing_is_asked_when_it_is_off(tmp_path: Path) -> None:
    lab = Lab(tmp_path, mode="off")
    lab.direct(NAMING)

    assert said(lab.verify(NAMING)) == (Reason.VERIFIED, "unchecked")
    assert lab.asked == []


def test_a_certificate_that_lives_shortly_is_not_looked_up(tmp_path: Path) -> None:
    """issue() makes them for two days."""
    for lives, asked in ((48, 0), (47, 1)):
        lab = Lab(tmp_path, short_lived=timedelta(hours=lives))
        lab.direct()
        lab.verify(NAMING)
        assert len(lab.asked) == asked


def test_nothing_is_fetched_for_a_certificate_that_nobody_trusts(lab: Lab) -> None:
    stranger = leaf(authority("middle"), points(DIRECT))

    found = lab.verify(stranger)

    assert found.result.reason is Reason.CREDENTIAL_UNTRUSTED
    assert found.result.status == "unchecked"
    assert lab.asked == []


# When a list cannot be had

GONE = f"revocation: {DIRECT}: nobody answers"


def test_soft_passes_without_the_list_and_says_so(lab: Lab) -> None:
    found = lab.verify(NAMING)

    assert said(found) == (Reason.VERIFIED, "unavailable")
    assert found.result.notes == (GONE,)


def test_hard_does_not_pass_without_the_list(tmp_path: Path) -> None:
    lab = Lab(tmp_path, mode="hard")

    found = lab.verify(NAMING)

    assert said(found) == (Reason.STATUS_UNAVAILABLE, "unavailable")
    assert found.result.reason.word == "temperror"
    assert found.result.detail == f"{DIRECT}: nobody answers"
    assert found.result.notes == (GONE,)


def test_a_list_that_comes_back_is_used_at_once(lab: Lab) -> None:
    assert lab.verify(NAMING).result.status == "unavailable"

    lab.direct(NAMING)
    lab.now += timedelta(seconds=2)

    assert lab.verify(NAMING).result.status == "revoked"


@pytest.mark.parametrize(
    ("page", "note"),
    [
        pytest.param(
            crl(MIDDLE, begin=NOW - 2 * HOUR, end=NOW - HOUR),
            "the list has expired: 2026-01-02 11:00Z",
            id="expired",
        ),
        pytest.param(
            crl(MIDDLE, begin=NOW + HOUR, end=NOW + 2 * HOUR),
            "the list is from the future: 2026-01-02 13:00Z",
            id="from-the-future",
        ),
        pytest.param(
            crl(authority("middle")),
            "nobody who may has signed the list",
            id="signed-by-another",
        ),
        pytest.param(crl(ROOT), "the list is another issuer's", id="of-another-issuer"),
        pytest.param(
            b"<html>", "not a revocation list that can be used: ", id="garbage"
        ),
    ],
)
def test_a_list_that_may_not_speak_is_as_none(lab: Lab, page: bytes, note: str) -> None:
    lab.pages[DIRECT] = page

    found = lab.verify(NAMING)

    assert said(found) == (Reason.VERIFIED, "unavailable")
    assert note in found.result.notes[0]


def test_an_indirect_list_by_a_stir_authority_is_as_none(lab: Lab) -> None:
    lab.indirect(OURS, signer=authority("rogue", ROOT))

    assert lab.verify(OURS).result.status == "unavailable"


def test_another_list_of_the_same_certificate_may_answer(lab: Lab) -> None:
    both = leaf(MIDDLE, points("https://crl.example/gone.crl", DIRECT))
    lab.direct(both)

    assert lab.verify(both).result.status == "revoked"


def test_a_certificate_whose_list_has_no_url_cannot_be_looked_up(lab: Lab) -> None:
    odd = leaf(MIDDLE, points("ldap://crl.example/1"))

    found = lab.verify(odd)

    assert found.result.status == "unavailable"
    assert found.result.notes == ("revocation: it names no list that can be fetched",)


# Diversions


def test_the_status_of_who_diverts_is_looked_up_too(lab: Lab) -> None:
    """Bob sends Alice's message on to Carol, under a certificate that is revoked."""
    bob = leaf(MIDDLE, points(DIRECT), tn_auth_list(der.one(BOB)))
    for name, signer in (("alice", PLAIN), ("bob", bob)):
        publish(lab.folder, name, signer, MIDDLE)
    tokens = [
        forge({"x5u": f"{X5U}alice.pem"}, None, PLAIN.key),
        forge(
            {"x5u": f"{X5U}bob.pem", "ppt": "div"},
            {"div": {"tn": BOB}, "dest": {"tn": [CAROL]}, "msgi": ABSENT},
            bob.key,
        ),
    ]
    lab.direct(bob)

    found = lab.service.verify(message(dest=(CAROL,)), tokens, lab.now)

    assert [one.status for one in found.passports] == ["unchecked", "revoked"]
    assert found.passports[1].reason is Reason.CREDENTIAL_REVOKED
    assert not found.result.passed

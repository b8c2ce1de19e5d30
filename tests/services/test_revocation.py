"""What lists say of a path reaches the result, in time and cheaply (RFC 5280 §6.3)."""

from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from cryptography import x509

from stirmilter.services import TrustSet, Verification, VerificationPolicy
from stirmilter.services.patience import Patience
from stirmilter.stir.result import Reason, Status
from tests.laboratory import BOB, CAROL, NOW, X5U, message
from tests.services.revoked import (
    DIRECT,
    INDIRECT,
    MIDDLE,
    NAMING,
    OURS,
    PA,
    PLAIN,
    ROOT,
    Lab,
    trusting,
)
from tests.stir import der
from tests.stir.certificates import Issued, issue, leaf, publish, tn_auth_list, usage
from tests.stir.crls import authority, crl, point, points
from tests.stir.tokens import ABSENT, forge

HOUR = timedelta(hours=1)
DAY = 24 * HOUR


def said(found: Verification) -> tuple[Reason, Status]:
    return found.result.reason, found.result.status


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


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


# What it may cost

HANGS = [f"https://crl.example/{number}.crl" for number in range(150)]


@pytest.mark.parametrize("places", [1, 4])
def test_only_the_first_few_lists_of_a_certificate_are_asked(
    tmp_path: Path, places: int
) -> None:
    lab = Lab(tmp_path, places=places)

    found = lab.verify(leaf(MIDDLE, points(*HANGS)))

    assert found.result.status == "unavailable"
    assert sorted(lab.asked) == sorted(HANGS[:places])


def test_a_message_waits_for_all_its_lists_until_one_time(tmp_path: Path) -> None:
    """They hang until it has been judged; then the next message has them."""
    lab = Lab(tmp_path, policy=VerificationPolicy(list_seconds=0.05))
    lab.held = {*HANGS, DIRECT}
    several = leaf(MIDDLE, points(*HANGS[:3], DIRECT))
    lab.direct(several)

    assert said(lab.verify(several)) == (Reason.VERIFIED, "unavailable")
    assert set(lab.asked) == {*HANGS[:3], DIRECT}  # all were begun
    assert not lab.released.is_set()
    lab.released.set()
    lab.store.find(DIRECT)

    assert lab.verify(several).result.status == "revoked"
    assert len(lab.asked) == 4


def test_the_lists_of_a_path_are_fetched_at_the_same_time(lab: Lab) -> None:
    """Each is served when all are asked for."""
    use = usage("key_cert_sign", "crl_sign")
    middle = issue("listed", ROOT, [points(*HANGS[:2])], ca=True, use=use)
    below = leaf(middle, points(DIRECT))
    together = Barrier(3)
    lab.hook = lambda: together.wait(5)
    for url in HANGS[:2]:
        lab.pages[url] = crl(ROOT)
    lab.pages[DIRECT] = crl(middle)

    assert said(lab.verify(below, middle)) == (Reason.VERIFIED, "good")


def test_the_time_of_a_message_is_one_for_all_its_tokens() -> None:
    patience = Patience(3600.0)
    first = patience.left()

    assert 0 < patience.left() <= first <= 3600.0
    spent = Patience(0.0)
    assert (spent.left(), spent.left()) == (0.0, 0.0)


# Over time


def test_what_was_good_is_looked_up_again_when_a_list_changes(lab: Lab) -> None:
    lab.direct()
    assert lab.verify(NAMING).result.status == "good"
    path = lab.verify(NAMING).result.credential

    lab.now += 2 * HOUR
    lab.direct(NAMING, begin=lab.now)
    lab.store.refresh()
    found = lab.verify(NAMING)

    assert said(found) == (Reason.CREDENTIAL_REVOKED, "revoked")
    assert found.result.credential is path  # not validated again


def test_what_was_good_is_not_for_longer_than_its_list(lab: Lab) -> None:
    lab.direct()
    assert lab.verify(NAMING).result.status == "good"

    lab.now += timedelta(hours=23)
    assert lab.verify(NAMING).result.status == "good"
    lab.now += timedelta(hours=2)
    del lab.pages[DIRECT]
    lab.store.refresh()

    assert lab.status(NAMING) == "unavailable"


def test_what_was_revoked_stays_so_when_its_list_has_ended(lab: Lab) -> None:
    lab.direct(NAMING)
    lab.verify(NAMING)

    lab.now += timedelta(hours=30)
    del lab.pages[DIRECT]
    lab.store.refresh()

    assert lab.status(NAMING) == "revoked"


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_list_that_is_wrongly_signed_does_not_clear_who_is_revoked(
    tmp_path: Path, mode: str
) -> None:
    """Anybody on the way to a list over plain http can serve such a one."""
    lab = Lab(tmp_path, mode=mode)
    lab.direct(NAMING)
    assert lab.verify(NAMING).result.status == "revoked"

    lab.now += 2 * HOUR
    lab.pages[DIRECT] = crl(authority("middle"), begin=lab.now, end=lab.now + DAY)
    told = lab.store.refresh()
    assert said(lab.verify(NAMING)) == (Reason.CREDENTIAL_REVOKED, "revoked")
    assert "not signed by whoever signed the list before" in told[0]

    lab.direct(NAMING, begin=lab.now - HOUR)  # older than the wrong one
    lab.now += 2 * HOUR
    assert lab.store.refresh() == []
    assert said(lab.verify(NAMING)) == (Reason.CREDENTIAL_REVOKED, "revoked")


def test_what_is_good_stays_so_until_the_end_of_its_list(lab: Lab) -> None:
    lab.direct()
    assert lab.verify(NAMING).result.status == "good"
    lab.pages[DIRECT] = crl(authority("middle"), begin=NOW, end=NOW + 9 * DAY)
    lab.now += 2 * HOUR
    lab.store.refresh()

    assert lab.verify(NAMING).result.status == "good"
    lab.now += timedelta(hours=21, minutes=50)
    assert lab.verify(NAMING).result.status == "good"
    lab.now += timedelta(minutes=20)
    assert lab.status(NAMING) == "unavailable"


def test_when_the_key_of_an_authority_changes_the_lists_of_both_count(
    lab: Lab,
) -> None:
    heir = authority("middle", ROOT)
    below = leaf(heir, points(DIRECT))
    lab.direct(NAMING)
    assert lab.verify(NAMING).result.status == "revoked"

    entry = below.certificate.serial_number, ()
    lab.pages[DIRECT] = crl(heir, entry, begin=NOW, end=NOW + DAY)
    lab.now += 2 * HOUR
    lab.store.refresh()

    assert lab.verify(below, heir).result.status == "revoked"
    assert lab.verify(NAMING).result.status == "revoked"


def test_a_path_is_looked_up_once_for_many_messages(lab: Lab) -> None:
    lab.direct()
    lab.verify(NAMING)
    known = lab.service.credentials.at(_x5u(NAMING), NOW, lab.now, "12025550123")

    again = lab.service.credentials.at(_x5u(NAMING), NOW, lab.now, "12025550123")

    assert again is known
    assert lab.asked == [DIRECT]


def _x5u(one: Issued) -> str:
    return f"https://certs.example/n{one.certificate.serial_number:x}.pem"


# The operator's own lists


def operators(*crls: str) -> TrustSet:
    return TrustSet(anchors=trusting(ROOT), crl_issuers=trusting(PA), crls=crls)


def test_a_list_of_the_operator_counts_for_who_names_none(tmp_path: Path) -> None:
    lab = Lab(tmp_path, trust=[operators(INDIRECT)])
    lab.indirect(PLAIN)

    assert lab.verify(PLAIN).result.status == "revoked"
    assert lab.verify(leaf(MIDDLE)).result.status == "good"


def test_a_silent_list_of_the_operator_clears_nobody(tmp_path: Path) -> None:
    lab = Lab(tmp_path, trust=[operators(INDIRECT)])
    lab.indirect()
    lab.direct(NAMING)

    assert said(lab.verify(NAMING)) == (Reason.CREDENTIAL_REVOKED, "revoked")
    assert lab.verify(PLAIN).result.status == "unchecked"


@pytest.mark.parametrize("silent", [False, True])
def test_whichever_list_revokes_the_others_do_not_clear(
    tmp_path: Path, silent: bool
) -> None:
    """The operator's covers the issuer, or does not."""
    lab = Lab(tmp_path, trust=[operators(INDIRECT)])
    lab.indirect(*([] if silent else [PLAIN]))
    both = leaf(MIDDLE, points("https://crl.example/other.crl", DIRECT))
    lab.pages["https://crl.example/other.crl"] = crl(MIDDLE)
    lab.direct(both)

    assert lab.verify(both).result.status == "revoked"
    lab.direct()
    lab.indirect(both)
    lab.now += 2 * HOUR
    lab.store.refresh()
    assert lab.verify(both).result.status == "revoked"


def test_a_list_of_the_operator_that_covers_the_issuer_goes_for_one_that_is_missing(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, mode="hard", trust=[operators(INDIRECT)])
    lab.indirect(PLAIN)

    assert said(lab.verify(NAMING)) == (Reason.VERIFIED, "good")


def test_a_silent_list_goes_for_none_that_is_missing(tmp_path: Path) -> None:
    lab = Lab(tmp_path, mode="hard", trust=[operators(INDIRECT)])
    lab.indirect()

    found = lab.verify(NAMING)

    assert said(found) == (Reason.STATUS_UNAVAILABLE, "unavailable")
    assert found.result.detail == f"{DIRECT}: nobody answers"


def test_a_silent_list_covers_who_names_it(tmp_path: Path) -> None:
    for lab in (Lab(tmp_path), Lab(tmp_path, trust=[operators(INDIRECT)])):
        lab.indirect()
        assert lab.verify(OURS).result.status == "good"


@pytest.mark.parametrize(
    ("url", "says", "status"),
    [
        ("https://crl.example/a.crl", False, "good"),
        ("http://crl.example/a.crl", False, "unavailable"),
        ("http://crl.example/a.crl", True, "good"),
    ],
)
def test_over_plain_http_a_silent_list_must_say_where_it_stands(
    lab: Lab, url: str, says: bool, status: str
) -> None:
    """Anybody on the way may put the administrator's list in place of another."""
    at = {"full_name": [x509.UniformResourceIdentifier(url)]} if says else {}
    lab.pages[url] = crl(PA, extensions=[point(indirect_crl=True, **at)])

    assert lab.verify(leaf(MIDDLE, points(url))).result.status == status


def test_a_list_that_the_operator_wants_is_missed_whatever_others_say(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, mode="hard", trust=[operators(INDIRECT)])
    lab.direct()

    found = lab.verify(NAMING)

    assert said(found) == (Reason.STATUS_UNAVAILABLE, "unavailable")
    assert found.result.detail == f"{INDIRECT}: nobody answers"


def test_the_list_of_one_trust_set_says_nothing_of_another(tmp_path: Path) -> None:
    other = authority("other root")
    sets = [
        operators(INDIRECT),
        TrustSet(name="fr", anchors=trusting(other), crl_issuers=trusting(PA)),
    ]
    lab = Lab(tmp_path, trust=sets)

    assert lab.verify(leaf(other), other).result.status == "unchecked"
    assert lab.asked == []


def test_good_ends_with_the_first_list_that_ends(tmp_path: Path) -> None:
    lab = Lab(tmp_path, trust=[operators(INDIRECT)])
    lab.indirect(PLAIN)  # 24 hours from now
    lab.pages[DIRECT] = crl(MIDDLE, end=NOW + 3 * HOUR)
    lab.verify(NAMING)
    found = lab.service.credentials.at(_x5u(NAMING), NOW, lab.now, "12025550123")
    assert found.status.until == NOW + 3 * HOUR

    lab.now += 4 * HOUR
    lab.pages.clear()

    assert lab.status(NAMING) == "good"  # by the operator's alone
    lab.now += 21 * HOUR
    assert lab.status(NAMING) == "unavailable"


def test_without_the_list_of_the_operator_that_of_the_certificate_answers(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, trust=[operators(INDIRECT)])
    lab.direct(NAMING)

    assert lab.verify(NAMING).result.status == "revoked"


def test_a_list_that_the_operator_wants_and_cannot_have_is_missed(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, mode="hard", trust=[operators(INDIRECT)])

    assert said(lab.verify(PLAIN)) == (Reason.STATUS_UNAVAILABLE, "unavailable")


def test_a_list_of_the_operator_about_others_is_not_missed(tmp_path: Path) -> None:
    lab = Lab(tmp_path, mode="hard", trust=[operators(DIRECT)])
    lab.pages[DIRECT] = crl(authority("another"))

    assert said(lab.verify(PLAIN)) == (Reason.VERIFIED, "unchecked")


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


def test_more_paths_than_are_remembered_are_looked_up_all_the_same(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, policy=VerificationPolicy(paths=1))
    lab.direct(NAMING)

    for _ in range(2):
        assert lab.verify(PLAIN).result.status == "unchecked"
        assert lab.verify(NAMING).result.status == "revoked"
    assert lab.asked == [DIRECT]

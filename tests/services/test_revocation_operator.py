"""What the lists that the operator names say, beside those of the certificates."""

from pathlib import Path

import pytest
from cryptography import x509

from stirmilter.services import TrustSet
from stirmilter.stir.result import Reason
from tests.laboratory import NOW
from tests.services.revoked import (
    DIRECT,
    HOUR,
    INDIRECT,
    MIDDLE,
    NAMING,
    OURS,
    PA,
    PLAIN,
    ROOT,
    Lab,
    said,
    trusting,
    x5u_of,
)
from tests.stir.certificates import leaf
from tests.stir.crls import authority, crl, point, points


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
    found = lab.service.credentials.at(x5u_of(NAMING), NOW, lab.now, "12025550123")
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

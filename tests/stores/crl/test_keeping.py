"""Which lists are kept: those somebody vouches for, the operator's own, and so many."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from stirmilter.errors import FetchError
from tests.laboratory import NOW
from tests.stir.certificates import issue, pem, usage
from tests.stir.crls import HOUR, authority, crl, point
from tests.stores.crl.web import CA, DAY, URL, Web, lists, only, urls

# What somebody on the way puts in the place of a list

MALLORY = authority("ca")


def strange(number: int, begin: timedelta = timedelta(0)) -> bytes:
    entries = [(serial, ()) for serial in range(1, number + 1)]
    return crl(MALLORY, *entries, begin=NOW + begin, end=NOW + 9 * DAY)


def test_a_list_that_was_proved_goes_for_none_by_another_signer(web: Web) -> None:
    store = web.store(failure_seconds=30.0)
    old = only(store, URL)
    store.prove(URL, old, CA.certificate)
    web.pages[URL] = strange(0)
    web.later(2 * HOUR)

    problems = store.refresh()

    [problem] = problems
    assert problem.startswith(f"{URL}: not signed by whoever signed the list before")
    assert store.find(URL)[1:] == (old,)  # and the new one, for whoever it is good


def test_the_next_list_by_its_signer_takes_the_place_of_both(web: Web) -> None:
    store = web.store(failure_seconds=30.0)
    store.prove(URL, only(store, URL), CA.certificate)
    web.pages[URL] = strange(0, begin=HOUR)
    web.later(2 * HOUR)
    store.refresh()

    web.pages[URL] = lists(2, begin=timedelta(0))  # made before Mallory's
    web.later(timedelta(seconds=31))

    assert store.refresh() == []
    assert only(store, URL).entries == 2


def test_a_list_that_nobody_proved_keeps_no_older_one_out(web: Web) -> None:
    web.pages[URL] = strange(0)
    store = web.store()
    store.find(URL)

    web.pages[URL] = lists(3)
    web.later(2 * HOUR)

    assert store.refresh() == []
    assert only(store, URL).entries == 3


def test_the_same_list_with_a_spoilt_signature_is_another(web: Web) -> None:
    good = web.pages[URL]
    web.pages[URL] = good[:-1] + bytes([good[-1] ^ 1])
    store = web.store()
    store.find(URL)

    web.pages[URL] = good
    web.later(2 * HOUR)
    store.refresh()

    assert only(store, URL).signed_by(CA.certificate)


def test_a_list_is_proved_even_if_it_was_confirmed_meanwhile(web: Web) -> None:
    store = web.store()
    found = only(store, URL)
    web.later(2 * HOUR)
    store.refresh()

    store.prove(URL, found, CA.certificate)
    web.pages[URL] = strange(0)
    web.later(2 * HOUR)
    store.refresh()

    assert found in store.find(URL)


def test_what_another_list_was_proved_proves_nothing_of_this_one(web: Web) -> None:
    store = web.store()
    old = only(store, URL)
    web.pages[URL] = strange(0)
    web.later(2 * HOUR)
    store.refresh()

    store.prove(URL, old, CA.certificate)

    assert len(store.find(URL)) == 1


def test_a_place_has_lists_of_a_few_signers_and_forgets_none_before_its_end(
    web: Web,
) -> None:
    signers = [authority(f"ca {number}") for number in range(6)]
    store = web.store()
    for signer in signers:
        web.pages[URL] = crl(signer, begin=NOW - HOUR, end=NOW + 9 * DAY)
        web.later(2 * HOUR)
        store.find(URL)
        store.refresh()
        store.prove(URL, store.find(URL)[0], signer.certificate)

    kept = store.find(URL)
    assert len(kept) == 5
    for listed, signer in zip(kept[1:], signers, strict=False):
        assert listed.signed_by(signer.certificate)
    web.later(9 * DAY)
    web.pages[URL] = crl(signers[5], begin=NOW + 9 * DAY, end=NOW + 20 * DAY)
    store.refresh()
    store.prove(URL, store.find(URL)[0], signers[5].certificate)
    assert only(store, URL).signed_by(signers[5].certificate)


def test_what_nobody_vouches_for_drives_out_nothing(web: Web) -> None:
    one, two = urls(web, 2, 2)
    store = web.store(entries=6)
    for url in (two, one):
        store.prove(url, only(store, url), CA.certificate)
    web.pages[one] = strange(3)
    web.later(2 * HOUR)

    problems = store.refresh()

    assert f"{one}: more than 6 certificates in all lists" in problems
    assert set(store.ages()) == {one, two}


# The operator's own


def test_the_lists_of_the_operator_are_had_in_advance(web: Web) -> None:
    store = web.store(pinned=[URL])

    assert store.refresh() == []

    assert web.asked == [(URL, True)]
    assert only(store, URL).entries == 1


def test_a_file_is_read_at_once_and_again_when_it_changes(
    web: Web, tmp_path: Path
) -> None:
    path = tmp_path / "own.crl"
    path.write_bytes(lists(1))
    store = web.store(files=[path])
    assert only(store, str(path)).entries == 1

    store.refresh()
    first = store.generation
    path.write_bytes(lists(2))
    assert store.refresh() == []

    assert store.generation != first
    assert only(store, str(path)).entries == 2
    assert web.asked == []


def test_a_file_that_goes_or_breaks_leaves_the_list_that_was_read(
    web: Web, tmp_path: Path
) -> None:
    path = tmp_path / "own.crl"
    path.write_bytes(lists(1))
    store = web.store(files=[path], failure_seconds=1.0)

    path.write_bytes(b"garbage")
    assert "not a revocation list" in store.refresh()[0]
    web.later(timedelta(seconds=2))
    path.unlink()
    assert store.refresh() == [f"{path}: No such file or directory"]

    assert only(store, str(path)).entries == 1


def test_a_file_that_is_no_list_is_told_at_once(web: Web, tmp_path: Path) -> None:
    path = tmp_path / "own.crl"
    path.write_bytes(b"garbage")

    with pytest.raises(FetchError, match="not a revocation list"):
        web.store(files=[path])


# Bounds


def test_only_so_many_lists_are_kept(web: Web) -> None:
    store = web.store(lists=2)
    one, two, three = urls(web, 1, 1, 1)

    for url in (one, two, one, three):
        store.find(url)

    assert set(store.ages()) == {one, three}


def test_only_so_many_entries_are_kept(web: Web) -> None:
    store = web.store(entries=5)
    one, two, three = urls(web, 2, 2, 3)

    for url in (one, two, three):
        store.find(url)

    assert set(store.ages()) == {two, three}


def test_a_list_that_is_too_long_is_not_kept(web: Web) -> None:
    [url] = urls(web, 6)
    store = web.store(entries=5)

    with pytest.raises(FetchError, match="more than 5 entries"):
        store.find(url)

    assert store.ages() == {}


def test_the_lists_of_the_operator_are_never_forgotten(
    web: Web, tmp_path: Path
) -> None:
    one, two, three = urls(web, 2, 1, 3)
    path = tmp_path / "own.crl"
    path.write_bytes(lists(1))
    store = web.store(pinned=[one], files=[path], lists=1, entries=5)
    store.refresh()

    store.find(two)
    with pytest.raises(FetchError, match="more than 5 certificates in all lists"):
        store.find(three)

    assert {one, str(path)} <= set(store.ages())


def test_failures_are_bounded_as_well(web: Web) -> None:
    store = web.store(lists=3)

    for number in range(20):
        with pytest.raises(FetchError):
            store.find(f"https://crl.example/missing-{number}.crl")

    assert len(store._failed) <= 3


# The signer of an indirect list


def indirect(place: str) -> bytes:
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier(place),
            )
        ]
    )
    return crl(CA, extensions=[point(indirect_crl=True), access], critical=False)


def test_the_certificates_that_lead_to_its_signer_come_with_an_indirect_list(
    web: Web,
) -> None:
    signer = issue("signer", use=usage("crl_sign"))
    web.pages["https://crl.example/signer.pem"] = pem(signer)
    web.pages[URL] = indirect("https://crl.example/signer.pem")

    assert only(web.store(), URL).helpers == (signer.certificate,)


@pytest.mark.parametrize("page", [None, b"garbage"])
def test_without_them_the_list_is_there_all_the_same(
    web: Web, page: bytes | None
) -> None:
    if page is not None:
        web.pages["https://crl.example/signer.pem"] = page
    web.pages[URL] = indirect("https://crl.example/signer.pem")

    assert only(web.store(), URL).helpers == ()

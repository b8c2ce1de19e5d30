"""Which signer, which former keys, which reminder: from values alone."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from stirmilter.renewal import decisions
from stirmilter.services import Signer
from stirmilter.stir.tn import NumberSet
from stirmilter.stores.proofs import QUEUED, Proof
from stirmilter.testca import TestCA
from tests.laboratory import NOW, signer

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
FEWER = NumberSet.parse(["+1202*"])


@pytest.fixture
def old(ca: TestCA) -> Signer:
    return replace(signer(ca, "one"), name="carrier")


@pytest.fixture
def new(ca: TestCA) -> Signer:
    return replace(signer(ca, "spc"), name="carrier", numbers=FEWER)


def proof(one: Signer, retired: datetime | None = None) -> Proof:
    x5u, chain = decisions.published(one)
    return Proof(
        name=one.name,
        x5u=x5u,
        chain=chain,
        public_key=one.key.public_key,
        proven=NOW,
        fetched=True,
        retired=retired,
    )


def test_a_new_credential_that_is_proven_is_used(old: Signer, new: Signer) -> None:
    assert decisions.choose([new], [old], {decisions.published(new)}) == (new,)


def test_until_it_is_proven_the_old_one_stays_with_the_new_numbers(
    old: Signer, new: Signer
) -> None:
    """What the operator took from a signer, he took at once."""
    [chosen] = decisions.choose([new], [old], {decisions.published(old)})

    assert chosen == replace(old, numbers=FEWER)


@pytest.mark.parametrize("proven", [True, False], ids=["other-name", "not-proven"])
def test_without_a_proven_one_before_it_waits(
    old: Signer, new: Signer, proven: bool
) -> None:
    before = replace(old, name="other") if proven else replace(old, proven=False)

    [chosen] = decisions.choose([new], [before], set())

    assert chosen == replace(new, proven=False)


def test_what_is_proven_is_a_chain_at_a_url(new: Signer) -> None:
    elsewhere = replace(new, x5u=f"{new.x5u}2")

    [chosen] = decisions.choose([elsewhere], [], {decisions.published(new)})

    assert not chosen.proven


def test_a_signer_that_was_removed_is_gone_at_once(old: Signer, new: Signer) -> None:
    proven = {decisions.published(old)}

    assert decisions.choose([], [old], proven) == ()
    assert decisions.choose([replace(new, name="x")], [old], proven) == (
        replace(new, name="x", proven=False),
    )


def test_proofs_are_retired_when_another_is_used_and_come_back(
    old: Signer, new: Signer
) -> None:
    proofs = decisions.account([proof(old), proof(new)], [new], NOW, DAY)
    assert {p.x5u: p.retired for p in proofs} == {old.x5u: NOW, new.x5u: None}

    later = decisions.account(proofs, [new], NOW + DAY, DAY)
    assert {p.x5u: p.retired for p in later} == {old.x5u: NOW, new.x5u: None}

    back = decisions.account(proofs, [old], NOW + DAY, DAY)
    assert {p.x5u: p.retired for p in back} == {old.x5u: None, new.x5u: NOW + DAY}


def test_a_signer_that_waits_keeps_no_proof_in_use(old: Signer) -> None:
    waiting = replace(old, proven=False)

    [found] = decisions.account([proof(old)], [waiting], NOW, DAY)

    assert found.retired == NOW


def test_proofs_are_kept_while_mail_may_be_on_its_way(old: Signer) -> None:
    retired = [proof(old, retired=NOW)]
    last = NOW + QUEUED + DAY

    assert decisions.account(retired, [], last, DAY)
    assert not decisions.account(retired, [], last + SECOND, DAY)


def test_former_keys_are_those_whose_tokens_are_fresh(old: Signer, new: Signer) -> None:
    proofs = [proof(old, retired=NOW), proof(new)]

    [former] = decisions.former(proofs, NOW + DAY, DAY)

    assert (former.x5u, former.public_key) == (old.x5u, old.key.public_key)
    assert former.until == NOW + DAY
    assert decisions.former(proofs, NOW + DAY + SECOND, DAY) == ()


@pytest.mark.parametrize(
    ("left", "stage"),
    [
        pytest.param(14 * DAY + SECOND, "", id="far"),
        pytest.param(14 * DAY, "14 days", id="first"),
        pytest.param(7 * DAY + SECOND, "14 days", id="still-the-first"),
        pytest.param(7 * DAY, "7 days", id="second"),
        pytest.param(DAY, "1 day", id="last"),
        pytest.param(timedelta(0), "1 day", id="the-last-second"),
        pytest.param(-SECOND, "expired 2026-01-02", id="expired"),
        pytest.param(-DAY - SECOND, "expired 2026-01-02", id="expired-a-day-ago"),
    ],
)
def test_each_stage_of_an_expiry_has_its_name(left: timedelta, stage: str) -> None:
    assert decisions.reminder(NOW + left, NOW, [14, 7, 1]) == stage


def test_without_thresholds_only_the_end_is_told() -> None:
    assert decisions.reminder(NOW + SECOND, NOW, []) == ""
    assert decisions.reminder(NOW - SECOND, NOW, []) == "expired 2026-01-02"

"""The file of what was proven: written whole, read with suspicion."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.errors import StoreError
from stirmilter.stores.proofs import Proof, ProofFile, before, recent
from tests.laboratory import NOW
from tests.stir.tokens import KEY
from tests.stores.disks import mounted

DAY = timedelta(days=1)


def proof(name: str = "one", **others: object) -> Proof:
    facts = {
        "name": name,
        "x5u": f"https://certs.example/{name}.pem",
        "chain": "00" * 32,
        "public_key": KEY.public_key(),
        "proven": NOW,
        "fetched": True,
        **others,
    }
    return Proof(**facts)  # type: ignore[arg-type]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = ProofFile(tmp_path / "proofs.json")
    proofs = (proof("one"), proof("two", retired=NOW + DAY, fetched=False))

    file.save([proof("old")])
    file.save(proofs)

    assert file.load() == proofs
    assert [path.name for path in tmp_path.iterdir()] == ["proofs.json"]


def test_without_a_file_nothing_is_remembered(tmp_path: Path) -> None:
    assert ProofFile(tmp_path / "proofs.json").load() == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"version": 2, "proofs": []}',
        '{"version": 1, "proofs": 1}',
        '{"version": 1, "proofs": [{}]}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "proofs.json").write_text(text)

    with pytest.raises(StoreError, match="not what we wrote"):
        ProofFile(tmp_path / "proofs.json").load()


@given(place=st.integers(0, 600), octet=st.binary(min_size=0, max_size=2))
def test_a_spoilt_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, octet: bytes
) -> None:
    file = ProofFile(tmp_path_factory.mktemp("proofs") / "proofs.json")
    file.save([proof()])
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:place] + octet + whole[place + len(octet) :])

    try:
        found = file.load()
    except StoreError:
        return
    assert len(found) == 1


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        file = ProofFile(disk.folder / "proofs.json")
        file.save([proof()])
        disk.fill()

        with pytest.raises(StoreError, match=r"proofs\.json: No space left on device"):
            file.save([proof("two"), proof("three")])

        assert file.load() == (proof(),)
        disk.clear()
        assert [path.name for path in disk.folder.iterdir()] == ["proofs.json"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        ProofFile(tmp_path / "missing" / "proofs.json").save([])


def test_what_was_retired_long_ago_is_forgotten() -> None:
    proofs = [proof("used"), proof("lately", retired=NOW), proof("long", retired=NOW)]

    assert recent(proofs, NOW) == (*proofs[1:], proofs[0])
    assert recent(proofs, NOW + DAY) == (proofs[0],)


def test_no_more_than_a_thousand_are_kept_and_those_in_use_first() -> None:
    many = [proof("used"), *(proof(retired=NOW + n * DAY) for n in range(1_000))]

    kept = recent(many, NOW)

    assert len(kept) == 1_000
    assert kept[-1].name == "used"
    assert kept[0].retired == NOW + DAY, "the one retired first has gone"


def test_a_url_that_served_another_chain_is_found() -> None:
    old = proof("one", chain="11" * 32, retired=NOW)

    assert before([proof(), old], old.x5u, "00" * 32) == old
    assert before([old], old.x5u, "11" * 32) is None
    assert before([old], "https://certs.example/new.pem", "00" * 32) is None

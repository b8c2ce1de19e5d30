"""The benchmark measures what it says; how fast that is, no test asks."""

from pathlib import Path

import pytest

from tests.bench import core, foreign, methods, stores
from tests.bench.core import Figure
from tests.bench.parties import Parties
from tests.bench.sample import shares


def test_parties_sign_and_verify(tmp_path: Path) -> None:
    parties = Parties.create(str(tmp_path))
    parties.warm()
    value = parties.write(parties.sign())
    parties.verify(value)
    with pytest.raises(AssertionError):
        parties.verify(value.replace("ppt=msg", "ppt=div"))


def test_libsecsipid_signs_and_verifies_the_same(tmp_path: Path) -> None:
    parties = Parties.create(str(tmp_path))
    assert min(foreign.rates(parties.parts(), *parties.files(), 3)) > 0


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("a", 1.0, "ms"), True),
        (Figure("a", 1.0, "ms", 2.0), True),
        (Figure("a", 3.0, "ms", 2.0), False),
        (Figure("a", 3.0, "", 2.0, least=True), True),
        (Figure("a", 1.0, "", 2.0, least=True), False),
    ],
)
def test_a_figure_is_held_to_its_target(figure: Figure, met: bool) -> None:
    assert figure.met == met
    assert ("NOT MET" in figure.row()) == (not met)


def test_openssl_s_own_table_is_read() -> None:
    table = (
        "                              sign    verify    sign/s verify/s\n"
        " 256 bits ecdsa (nistp256)   0.0000s   0.0000s  68188.0  23392.5\n"
    )
    match = core._SPEED.search(table)
    assert match is not None
    assert match.groups() == ("68188.0", "23392.5")


def test_the_long_list_has_an_answer_for_every_number() -> None:
    assert [figure.unit for figure in core.long_list()] == ["ms", "us"]


def test_a_sample_names_functions_of_ours(tmp_path: Path) -> None:
    parties = Parties.create(str(tmp_path))
    found = shares(lambda: [parties.sign() for _ in range(2_000)])
    assert "stir/jws.py SoftwareKey.sign" in dict(found)


def test_every_store_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "CLAIMS", 200)
    found = {figure.name: figure for figure in stores.figures(keys=2_000)}

    assert {name for name, figure in found.items() if figure.target is None} == {
        "claim, memory",
        "claim, memory, 2000 live keys",
    }
    assert len(found) == 11
    assert all(figure.value > 0 for figure in found.values())


def test_every_method_is_measured_on_a_message_that_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(methods, "MESSAGES", 2)
    with methods.bench() as running:
        found = {figure.name: figure for figure in methods.figures(running, rounds=1)}
        whole = methods.carry(running.whole, running.received()).event

    assert whole.outcome == "number-authenticated"
    assert {name: text.split()[0] for name, text in whole.methods} == {
        "spf": "pass",
        "dkim": "pass",
        "arc": "pass",
        "dmarc": "pass",
    }
    assert all(figure.value > 0 for figure in found.values())
    assert found["DKIM: verify, of dkimpy's verify"].unit == ""

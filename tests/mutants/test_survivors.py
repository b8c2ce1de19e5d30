"""The table of argued mutants is read as it is meant, and still fits the code."""

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants import survivors
from tests.mutants.survivors import Change, load, outcomes, unlike

STIR = Path(__file__).parents[2] / "stirmilter" / "stir"
NAME = "stirmilter.stir.jws.x_verify__mutmut_3"
DIFF = """\
# stirmilter.stir.jws.x_verify__mutmut_3: survived
--- stirmilter/stir/jws.py
+++ stirmilter/stir/jws.py
@@ -9,6 +9,5 @@
     # The curve costs nothing.
     if bad:
         raise Unverified(
-            "did not sign",
-            "step 5",
-        )
+            "did not sign",
+            )
"""
CHANGE = Change("jws.verify", '"did not sign",\n"step 5",\n)', '"did not sign",\n)')
ONE = Change("f", "a", "b")
OTHER = Change("f", "a", "c")


def test_a_change_is_known_by_its_function_and_lines() -> None:
    assert Change.of(NAME, DIFF) == CHANGE


def test_a_method_is_known_by_its_class() -> None:
    name = "stirmilter.stir.msgi.x\u01c1Digest\u01c1__str____mutmut_1"

    assert Change.of(name, "").function == "msgi.Digest.__str__"


@pytest.mark.parametrize(
    ("argued", "missing", "gone"),
    [
        pytest.param([ONE, OTHER], [], [], id="each-argued"),
        pytest.param([ONE], [OTHER], [], id="one-not-argued"),
        pytest.param([ONE, ONE, OTHER], [], [ONE], id="argued-twice-alive-once"),
    ],
)
def test_arguments_and_survivors_are_matched_one_to_one(
    argued: list[Change], missing: list[Change], gone: list[Change]
) -> None:
    assert unlike([ONE, OTHER], Counter(argued)) == (missing, gone)


def test_a_change_is_shown_as_it_would_be_argued(tmp_path: Path) -> None:
    table = tmp_path / "argued.toml"

    table.write_text(f"{CHANGE}\nwhy = 'It is a test.'\n", "utf-8")

    assert load(table) == {CHANGE: 1}


def test_one_sentence_may_argue_several_changes_of_a_line(tmp_path: Path) -> None:
    table = tmp_path / "argued.toml"

    table.write_text('[[f]]\nwas = "a"\nnow = ["b", "c"]\nwhy = "So."\n', "utf-8")

    assert load(table) == {ONE: 1, OTHER: 1}


@pytest.mark.parametrize(
    "members",
    [
        pytest.param('was = "a"\nnow = "b"', id="no-reason"),
        pytest.param('was = "a"\nnow = "b"\nwhy = " "', id="an-empty-reason"),
        pytest.param('was = "a"\nwhy = "So."', id="no-change"),
        pytest.param('was = "a"\nnow = "b"\nwhy = "So."\nid = 3', id="one-too-many"),
    ],
)
def test_an_argument_has_a_change_and_a_reason(tmp_path: Path, members: str) -> None:
    table = tmp_path / "argued.toml"
    table.write_text(f"[[f]]\n{members}\n", "utf-8")

    with pytest.raises(ValueError, match=r"^f: expected was, now and why$"):
        load(table)


def test_outcomes_are_read_from_the_listing() -> None:
    listing = f"warning: x\n    {NAME}: no tests\n    {NAME}: killed\n"

    assert list(outcomes(listing)) == [(NAME, "no tests"), (NAME, "killed")]


class Mutmut:
    """A finished run of mutmut, with one mutant."""

    def __init__(self, status: str, table: Path) -> None:
        self.printed = {"results": f"{NAME}: {status}\n", "show": DIFF}
        self.table = table
        self.table.write_text("", "utf-8")

    def __call__(self, what: str, *_: str) -> str:
        return self.printed[what]

    def argue(self) -> None:
        self.table.write_text(f"{CHANGE}\nwhy = 'It is a test.'\n", "utf-8")


@pytest.fixture(params=["survived"])
def mutmut(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Mutmut:
    made = Mutmut(request.param, tmp_path / "argued.toml")
    monkeypatch.setattr(survivors, "_mutmut", made)
    monkeypatch.setattr(survivors, "ARGUED", made.table)
    return made


@pytest.mark.usefixtures("mutmut")
def test_a_survivor_without_a_word_fails(capsys: pytest.CaptureFixture[str]) -> None:
    status = survivors.main([])

    out = capsys.readouterr().out
    assert status == 1
    assert f"Not argued; {NAME}: survived\n{CHANGE}" in out
    assert "1 mutants: 0 killed, 0 argued, 1 neither; 0 arguments too many" in out


@pytest.mark.parametrize(
    "mutmut", ["survived", "no tests", "timeout", "suspicious"], indirect=True
)
def test_an_argument_answers_whatever_became_of_a_mutant(mutmut: Mutmut) -> None:
    mutmut.argue()

    assert survivors.main([]) == 0


@pytest.mark.parametrize("mutmut", ["killed"], indirect=True)
def test_an_argument_that_a_test_has_overtaken_is_named(
    mutmut: Mutmut, capsys: pytest.CaptureFixture[str]
) -> None:
    mutmut.argue()

    status = survivors.main([])

    out = capsys.readouterr().out
    assert status == 0
    assert f"strike it out:\n{CHANGE}" in out


def test_other_modules_can_be_left_out(mutmut: Mutmut) -> None:
    mutmut.printed["results"] += "stirmilter.stir.tn.x_mask__mutmut_1: killed\n"

    assert survivors.main(["tn"]) == 0


def test_no_mutants_at_all_is_a_failure(mutmut: Mutmut) -> None:
    mutmut.printed["results"] = ""

    assert survivors.main([]) == 1


def test_every_argument_is_about_lines_that_there_are() -> None:
    for change in load(survivors.ARGUED):
        module = change.function.partition(".")[0]
        source = (STIR / f"{module}.py").read_text("utf-8")
        lines = {line.strip() for line in source.splitlines()}
        assert set(change.was.splitlines()) <= lines, change

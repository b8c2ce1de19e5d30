"""The generator of the conformance page finds what a reader must be able to rely on."""

from pathlib import Path

import pytest

from tests.conformance import page
from tests.conformance.rows import Row, load

pytest_plugins = ["pytester"]

MARKED = """\
import pytest

@pytest.mark.conformance("F-01")
def test_function() -> None: ...

@pytest.mark.parametrize(
    "value", [1, pytest.param(2, marks=pytest.mark.conformance("F-02"))]
)
def test_parameters(value: int) -> None: ...

@pytest.mark.skip
@pytest.mark.conformance("F-01", "F-03")
def test_skipped() -> None: ...

class TestSuite:
    @pytest.mark.conformance("F-03")
    def test_method(self) -> None: ...

def test_unmarked() -> None: ...
"""


def row(name: str, reason: str = "") -> Row:
    return Row(
        id=name,
        who="AS",
        level="MUST",
        requirement=f"What {name} asks for.",
        source="RFC 8225 §4.1",
        kind="standard",
        status="deviation" if reason else "implemented",
        reason=reason,
    )


ROWS = {"F-01": row("F-01"), "M-01": row("M-01", "It follows.")}
TESTS = {
    "F-01": {"tests/stir/test_b.py::test_b", "tests/stir/test_a.py::test_a"},
    "M-01": {"tests/mail/test_c.py::test_c"},
}


def test_page_links_each_row_to_its_tests() -> None:
    text = page.render(ROWS, TESTS)

    assert (
        "| F-01 | AS | MUST | What F-01 asks for. | RFC 8225 §4.1 | implemented |"
        " [tests/stir/test_a.py::test_a](../tests/stir/test_a.py)<br>"
        "[tests/stir/test_b.py::test_b](../tests/stir/test_b.py) |\n"
    ) in text
    assert "| [deviation](#deviations) | [tests/mail/test_c.py::test_c](" in text
    assert "**M-01** (MUST, RFC 8225 §4.1): What M-01 asks for.<br>It follows." in text
    assert "| rows | 2 | 0 | 0 | 2 |\n\n3 tests stand behind them.\n" in text


def test_page_does_not_depend_on_any_order() -> None:
    turned = dict(reversed(TESTS.items()))

    assert page.render(ROWS, turned) == page.render(ROWS, TESTS)


def test_nothing_is_said_of_a_page_that_is_as_it_should_be() -> None:
    assert list(page.complaints(ROWS, TESTS, page.render(ROWS, TESTS))) == []


@pytest.mark.parametrize("status", ["implemented", "deviation"])
def test_a_row_without_a_test_is_found(status: str) -> None:
    tests = {"F-01": TESTS["F-01"]} if status == "deviation" else {"M-01": {"t::t"}}
    text = page.render(ROWS, tests)

    [found] = page.complaints(ROWS, tests, text)

    assert found == f"no test names {'M-01' if status == 'deviation' else 'F-01'}"


@pytest.mark.parametrize(
    ("text", "stale"),
    [
        pytest.param("", "F-01, M-01", id="no-page"),
        pytest.param(page.render(ROWS, TESTS) + "x", "not its rows", id="edited"),
        pytest.param(
            page.render(ROWS, {**TESTS, "M-01": {"t::t"}}), "M-01", id="another-test"
        ),
        pytest.param(
            page.render({**ROWS, "F-01": row("F-01", "It follows.")}, TESTS),
            "F-01",
            id="another-status",
        ),
        pytest.param(
            page.render({**ROWS, "H-01": row("H-01")}, TESTS),
            "not its rows",
            id="a-row-too-many",
        ),
    ],
)
def test_a_stale_page_is_found(text: str, stale: str) -> None:
    [found] = page.complaints(ROWS, TESTS, text)

    assert found == f"the page is stale ({stale}): make conformance"


def test_tests_are_collected_and_not_run(pytester: pytest.Pytester) -> None:
    """A test that would be skipped counts, and parameters are one test."""
    collector = page.Collector()
    pytester.makeini("[pytest]\nmarkers = conformance")
    pytester.makepyfile(test_marked=MARKED)

    pytester.inline_run("--collect-only", "-k", "nothing", plugins=[collector])

    assert collector.tests == {
        "F-01": {"test_marked.py::test_function", "test_marked.py::test_skipped"},
        "F-02": {"test_marked.py::test_parameters"},
        "F-03": {
            "test_marked.py::test_skipped",
            "test_marked.py::TestSuite::test_method",
        },
    }


def test_what_cannot_be_collected_is_told(pytester: pytest.Pytester) -> None:
    pytester.mkdir("tests").joinpath("test_bad.py").write_text("import no_such_module")

    with pytest.raises(ValueError, match="No module named 'no_such_module'"):
        page.collect(pytester.path)


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        pytest.param('("F-01", "F-99")', "test_it: no row F-99", id="unknown"),
        pytest.param("", "test_it: conformance without a row", id="none"),
        pytest.param('(row="F-01")', "test_it: conformance without a row", id="named"),
    ],
)
def test_a_marker_without_its_row_is_an_error_at_collection(
    pytester: pytest.Pytester, marker: str, problem: str
) -> None:
    pytester.makeini("[pytest]\nmarkers = conformance")
    pytester.makeconftest("from tests.conftest import pytest_collection_modifyitems")
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.conformance{marker}\ndef test_it(): ..."
    )

    result = pytester.runpytest_inprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{problem}*"])


GOOD = {
    "who": "AS",
    "level": "MUST",
    "requirement": "x",
    "source": "x",
    "kind": "standard",
    "status": "implemented",
}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"level": "must"}, "F-01: level: expected MUST", id="level"),
        pytest.param({"who": "UA"}, "F-01: who: expected AS", id="who"),
        pytest.param({"kind": "own"}, "F-01: kind: expected standard", id="kind"),
        pytest.param({"status": "done"}, "F-01: status: expected impl", id="status"),
        pytest.param({"status": "deviation"}, "F-01: a deviation", id="no-reason"),
        pytest.param({"reason": "x"}, "F-01: a deviation", id="reason-for-nothing"),
        pytest.param({"remark": "x"}, "rows.toml: .*remark", id="unknown-member"),
        pytest.param({"who": None}, "rows.toml: .*who", id="missing-member"),
        pytest.param({"id": "X-01"}, "X-01: no section", id="unknown-section"),
    ],
)
def test_a_row_that_is_not_as_it_should_be_is_named(
    tmp_path: Path, change: dict[str, str | None], problem: str
) -> None:
    members = {"id": "F-01", **GOOD, **change}
    path = tmp_path / "rows.toml"
    lines = [f'{name} = "{text}"' for name, text in members.items() if text]
    path.write_text("\n".join([f"[{members['id']}]", *lines[1:]]))

    with pytest.raises(ValueError, match=problem):
        load(path)

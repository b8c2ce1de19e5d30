"""`stirmilter inspect`, as people type it: input, output and exit status."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stirmilter.cli import cli
from tests.inspection.reports import HEAD, field, mail, message_token, shaken
from tests.laboratory import ALICE
from tests.stir.certificates import leaf, pem
from tests.stir.pki import LEAF, MIDDLE, ROOT

AT = "2026-01-02T12:00:00Z"


def run(*arguments: str | Path, given: str | bytes = b"") -> Result:
    return CliRunner().invoke(
        cli, ["inspect", "--at", AT, *map(str, arguments)], input=given
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a chain, its root, another chain and a key."""
    for name, octets in {
        "chain.pem": pem(LEAF, MIDDLE),
        "root.pem": pem(ROOT),
        "other.pem": pem(leaf(MIDDLE), MIDDLE),
        "garbage": b"garbage",
        "empty": b"",
    }.items():
        (tmp_path / name).write_bytes(octets)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param(message_token(), 0, id="good token"),
        pytest.param(mail(message_token()), 0, id="good message"),
        pytest.param(mail(), 0, id="message without a token"),
        pytest.param(pem(LEAF, MIDDLE), 0, id="good chain"),
        pytest.param(pem(ROOT), 0, id="root"),
        pytest.param(shaken(), 1, id="token of a call"),
        pytest.param(mail(message_token(), text="x"), 1, id="altered message"),
        pytest.param(pem(MIDDLE, LEAF), 1, id="chain upside down"),
        pytest.param("eyJ.x.y", 1, id="broken token"),
        pytest.param("", 1, id="nothing"),
        pytest.param(b"\xff\x00\x1b", 1, id="garbage"),
    ],
)
def test_the_exit_status_tells_whether_anything_is_wrong(
    given: str | bytes, status: int
) -> None:
    done = run("-", given=given)

    assert done.exit_code == status
    assert done.stderr == ""
    assert ("\nproblem\t" in done.stdout) is bool(status)


def test_a_thing_may_be_given_as_text() -> None:
    for text in (message_token(), field(message_token()), mail(message_token())):
        done = run(text)

        assert done.exit_code == 0
        assert f"orig\ttn {ALICE}\n" in done.stdout


def test_a_thing_may_be_a_file(folder: Path) -> None:
    done = run(folder / "chain.pem")

    assert done.exit_code == 0
    assert done.stdout.startswith("this is\ta chain of 2 certificates\n")


def test_a_chain_and_anchors_tell_who_signed(folder: Path) -> None:
    chain, root = folder / "chain.pem", folder / "root.pem"

    done = run("--chain", chain, "--anchors", root, "-", given=mail(message_token()))

    assert done.exit_code == 0
    assert "signed by\tCN=leaf\n" in done.stdout
    assert f"trusted\tat {AT[:10]} {AT[11:]} by CN=root\n" in done.stdout


def test_several_chains_may_be_given(folder: Path) -> None:
    other, chain = folder / "other.pem", folder / "chain.pem"

    done = run("--chain", other, "--chain", chain, "-", given=message_token())

    assert done.exit_code == 0


def test_one_object_is_printed_for_programs(folder: Path) -> None:
    done = run("--json", "--chain", folder / "other.pem", "-", given=message_token())

    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert found["kind"] == "a token"
    assert ["orig", f"tn {ALICE}"] in found["facts"]
    [problem] = found["problems"]
    assert problem["text"].startswith("bad-signature: ")
    assert problem["rule"] == "RFC 8224 §6.2 step 5"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([], "Missing argument 'THING'", id="nothing named"),
        pytest.param(
            ["nowhere"], "nowhere: no such file, and no token or field", id="no file"
        ),
        pytest.param(["."], ".: Is a directory", id="folder"),
        pytest.param(
            ["-", "--chain", "garbage"], "garbage: not a certificate", id="no chain"
        ),
        pytest.param(
            ["-", "--anchors", "empty"], "empty: nothing, not certificates", id="empty"
        ),
        pytest.param(["-", "--at", "noon"], "--at noon: expected ISO 8601", id="time"),
    ],
)
def test_a_mistake_of_the_caller_is_a_usage_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(folder)

    done = run(*arguments, given=HEAD)

    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    "at",
    [
        pytest.param("0001-01-01T00:00:00+14:00", id="before all time"),
        pytest.param("9999-12-31T23:59:59-14:00", id="after all time"),
    ],
)
def test_any_time_may_be_asked_about(folder: Path, at: str) -> None:
    chain, root = folder / "chain.pem", folder / "root.pem"
    options = ("--at", at, "--anchors", root, "--chain", chain)

    for thing in (pem(LEAF, MIDDLE), mail(message_token())):
        done = run(*options, "-", given=thing)

        assert done.exit_code in {0, 1}
        assert isinstance(done.exception, SystemExit | None)


def test_a_time_is_shown_in_utc(folder: Path) -> None:
    later = "2026-01-02T14:00:00+02:00"  # there, it is two hours later

    done = run("--at", later, "--anchors", folder / "root.pem", folder / "chain.pem")

    assert "trusted\tat 2026-01-02 12:00:00Z by CN=root\n" in done.stdout


def test_an_odd_certificate_says_nothing_on_standard_error(vectors: Path) -> None:
    """cryptography warns of a negative serial number; the report tells it."""
    path = vectors / "zlint-shaken" / "shakenSerialNumberNegative.pem"

    done = run(path)

    assert done.exit_code == 1
    assert done.stderr == ""
    assert "not positive" in done.stdout

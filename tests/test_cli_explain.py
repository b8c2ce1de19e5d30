"""``stirmilter explain``, as an operator types it."""

import json
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stirmilter.events import Removed, Token
from stirmilter.stores.journal import Journal
from stirmilter.testca import TestCA
from tests import laboratory
from tests.cli.commands import in_text
from tests.laboratory import NOW
from tests.stores.events import TOKEN, event


def explain(*arguments: str | Path) -> tuple[int, str, str]:
    return in_text("explain", *arguments)


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "stirmilter.toml"
    path.write_text('[journal]\npath = "journal.sqlite"\n[replay]\nstore = "memory:"\n')
    return path


@pytest.fixture
def journal(configuration: Path) -> Journal:
    return Journal(configuration.with_name("journal.sqlite"))


def test_a_verdict_is_told_with_all_that_is_behind_it(
    ca: TestCA, configuration: Path, journal: Journal
) -> None:
    detail = "msgi is the digest of another body"
    believed = laboratory.signer(ca, "one").credential
    token = replace(
        TOKEN,
        path=believed.evidence,
        reason="body-altered",
        word="fail",
        rule="RFC 9475 §3.2",
        detail=detail,
        iat=int(NOW.timestamp()) - 7,
        notes=("iat is 99 s after Date",),
    )
    made = event("4Yx1ab", NOW, token)
    assert made.evidence is not None
    journal.write(
        [
            replace(
                made,
                outcome="failed",
                reason="body-altered",
                detail=detail,
                action="reject",
                rule="altered",
                peer="carrier",
                shadow_action="tag",
                shadow_rule="candidate",
                methods=(("dkim", "pass one.example"), ("spf", "fail all")),
                seconds=0.0123,
                evidence=replace(
                    made.evidence, removed=(Removed("X-Stirmilter", "forged"),)
                ),
            )
        ]
    )

    status, out, err = explain("4Yx1ab", "-c", configuration)

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("message      4Yx1ab arrived 2026-01-02 12:00:00Z")
    assert lines[0].endswith("(peer carrier)")
    for line in (
        "outcome      failed: body-altered",
        f"             {detail}",
        f"passport 1   fail body-altered: {detail} (RFC 9475 section 3.2)",
        "             signed 2026-01-02 11:59:53Z, 7 s before we saw it",
        "             note: iat is 99 s after Date",
        "dkim         pass one.example",
        "spf          fail all",
        "action       reject by altered",
        "             the shadow table would have chosen tag by candidate",
        "removed      X-Stirmilter: forged",
        "took         12 ms",
        "             0.1 ms waiting for a thread",
        "             8.4 ms judging its PASSporTs",
        "             1.0 ms for policy and results",
    ):
        assert line in lines
    assert any(line.startswith("which means  a relay on the way") for line in lines)
    signer, anchor = believed.path[0], believed.path[-1]
    assert f"             signed by {signer.subject.rfc4514_string()}" in lines
    assert f"             vouched for by {anchor.subject.rfc4514_string()}" in lines


def test_of_what_we_signed_nothing_is_told_that_only_a_verifier_knows(
    configuration: Path, journal: Journal
) -> None:
    signed = Token(reason="signed", word="", iat=int(NOW.timestamp()), ppt="msg")
    made = event("4Yx1ab", NOW, signed)
    journal.write([replace(made, direction="out", outcome="signed", reason="signed")])

    _, out, _ = explain("4Yx1ab", "-c", configuration)

    assert "passport 1   signed\n             signed 2026-01-02 12:00:00Z\n" in out
    assert "body" not in out
    assert "covered" not in out


@pytest.mark.parametrize("name", ["message_id", "transaction_id", "mms_message_id"])
def test_every_name_of_a_message_finds_it(
    configuration: Path, journal: Journal, name: str
) -> None:
    made = event("4Yx1ab", NOW)
    assert made.evidence is not None
    change: Any = {name: "a-name"}
    named = replace(made.evidence, **change)
    journal.write([replace(made, evidence=named), event("4Yx1cd", NOW)])

    status, out, _ = explain("a-name", "-c", configuration)

    assert status == 0
    assert "message      4Yx1ab" in out
    assert "4Yx1cd" not in out
    assert "             a-name" in out or "known as     a-name" in out


def test_of_several_the_newest_comes_first(
    configuration: Path, journal: Journal
) -> None:
    later = NOW + timedelta(hours=1)
    journal.write([event("4Yx1ab", NOW), event("4Yx1ab", later)])

    _, out, _ = explain("4Yx1ab", "-c", configuration)

    first, second = out.split("\n\n")
    assert f"{later:%H:%M}" in first.splitlines()[0]
    assert f"{NOW:%H:%M}" in second.splitlines()[0]


def test_it_is_told_as_json_too(configuration: Path, journal: Journal) -> None:
    journal.write([event("4Yx1ab", NOW)])

    _, out, _ = explain("4Yx1ab", "-c", configuration, "--json")

    [row] = json.loads(out)
    assert row["queue_id"] == "4Yx1ab"
    assert dict(row["stages"]) == {"queue": 0.000125, "stir": 0.0084, "policy": 0.001}


def test_a_message_of_an_earlier_version_is_told_without_its_stages(
    configuration: Path, journal: Journal
) -> None:
    journal.write([event("4Yx1ab", NOW)])
    journal.close()
    with sqlite3.connect(configuration.with_name("journal.sqlite")) as connection:
        connection.execute("DROP TABLE timings")

    status, out, err = explain("4Yx1ab", "-c", configuration)

    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "took         12 ms"


def test_what_is_not_there_is_said(configuration: Path, journal: Journal) -> None:
    journal.write([event("4Yx1ab", NOW)])

    status, out, err = explain("nothing", "-c", configuration)

    assert (status, out) == (1, "")
    assert err.startswith("stirmilter: no such message in the journal")


def test_without_a_journal_the_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "stirmilter.toml"
    path.write_text('[journal]\npath = ""\n')

    status, _, err = explain("x", "-c", path)

    assert status == 78
    assert "journal.path: empty: no journal is kept" in err

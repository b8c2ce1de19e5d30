"""The demonstration: every row of its table, and what others read in its messages."""

import importlib
import json
import re
import stat
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stirmilter import demo
from stirmilter.demo import acts
from stirmilter.demo.laboratory import Laboratory
from stirmilter.demo.operators import ONE, THREE, TWO
from stirmilter.demo.scenario import Outcome, Row, play, rows
from stirmilter.mail.message import RawMessage
from stirmilter.mail.verdict import Verdict

pytestmark = pytest.mark.e2e

_NUMBERS = count()
referee = importlib.import_module("authres")
READER = referee.FeatureContext(
    importlib.import_module("authres.dmarc"), importlib.import_module("authres.arc")
)


@pytest.mark.parametrize("row", [pytest.param(r, id=r.message.name) for r in rows()])
@pytest.mark.conformance("M-12", "M-17", "V-04", "V-09", "O-01")
def test_row(lab: Laboratory, row: Row) -> None:
    assert play(lab, row).seen == row.expected


def test_the_rows_show_all_six_verdicts_in_groups() -> None:
    verdicts = [row.expected.verdict for row in rows()]

    assert list(dict.fromkeys(verdicts)) == [str(verdict) for verdict in Verdict]
    assert sorted(verdicts, key=[*map(str, Verdict)].index) == verdicts


def test_the_demonstration_prints_its_table_and_keeps_the_messages(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"

    done = subprocess.run(
        [sys.executable, "-m", "stirmilter", "demo", "--out", out],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    _, table, last = done.stdout.split("\n\n")
    head, *lines = table.splitlines()
    assert " ".join(head.split()) == (
        "message file verdict stir spf dkim dmarc action body"
    )
    titles = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert titles == [str(verdict) for verdict in Verdict]
    shown = [re.split(" {2,}", line.strip()) for line in lines if line.startswith(" ")]
    said = [cells for cells in shown if cells[0].startswith("550")]
    assert [cells for cells in shown if cells not in said] == [
        [row.title, row.message.name, *row.expected.cells] for row in rows()
    ]
    assert len(said) == sum(row.expected.action == "reject" for row in rows())
    failed = sum(row.expected.verdict == "failed" for row in rows())
    shadow, end = last.splitlines()
    assert shadow.startswith(f"The shadow table would have refused {failed} of these")
    assert end.startswith("all as expected; ")
    names = {path.stem for path in (out / "received").iterdir()}
    arrived = (row for row in rows() if row.expected.action != "reject")
    assert names == {row.message.name for row in arrived}


def test_a_row_that_comes_out_otherwise_is_told(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One row suffices: it is expected to be what it is not."""
    row = again("unserved")
    wrong = replace(row, expected=replace(row.expected, dkim="fail"))
    monkeypatch.setattr(demo, "laboratory", lambda _logs: nullcontext(lab))
    monkeypatch.setattr(demo, "rows", lambda: iter([wrong]))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{TWO}-stirmilter.log").touch()
    said: list[str] = []

    assert not demo.run(tmp_path, lambda line: said.append(str(line)))

    [at] = [at for at, line in enumerate(said) if "NOT AS EXPECTED" in line]
    assert said[at - 1].split()[-5:] == ["pass", "pass", "pass", "accept", "intact"]
    assert said[at].split()[-5:] == ["pass", "fail", "pass", "accept", "intact"]
    assert said[-1].startswith("NOT all as expected; ")


def test_the_keys_of_the_demonstration_are_its_own(lab: Laboratory) -> None:
    """Nobody else may read them, and operator one's is RSA of 2048 bits."""
    path = lab.folder / "dkim.key"
    key = load_pem_private_key(path.read_bytes(), None)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert getattr(key, "key_size", 0) == 2048
    assert {one.algorithm for one in lab.dkim.values()} == {
        "rsa-sha256",
        "ed25519-sha256",
    }


def test_a_reader_of_others_finds_each_method_and_its_properties(
    lab: Laboratory,
) -> None:
    outcome = play(lab, again("video"))

    stir, spf, dkim, dmarc_, arc_ = results(outcome)
    assert [one.method for one in (stir, spf, dkim, dmarc_, arc_)] == (
        ["stir", "spf", "dkim", "dmarc", "arc"]
    )
    assert (stir.result, stir.reason) == ("pass", "verified")
    assert stir.properties["header.orig"] == acts.ALICE.lstrip("+")
    assert stir.properties["policy.verdict"] == "authenticated"
    sender = f"{acts.ALICE}/TYPE=PLMN@{ONE}"
    assert (spf.result, spf.properties["smtp.mailfrom"]) == ("pass", sender)
    assert (dkim.result, dkim.properties["header.d"], dkim.properties["header.i"]) == (
        ("pass", "one.example", "@one.example")
    )
    assert dkim.properties["header.a"] == "rsa-sha256"
    assert (dmarc_.result, dmarc_.properties["header.from"]) == ("pass", ONE)
    assert arc_.result == "none"


def test_a_reader_of_others_finds_why_what_is_sent_on_fails_dmarc(
    lab: Laboratory,
) -> None:
    """SPF and alignment break with forwarding; token and forwarder's DKIM do not."""
    outcome = play(lab, again("sent-on"))

    stir, spf, dkim, dmarc_, _ = results(outcome)
    assert (stir.result, stir.properties["policy.diversions"]) == ("pass", "1")
    assert (spf.result, spf.properties["smtp.mailfrom"].rpartition("@")[2]) == (
        "fail",
        THREE,
    )
    assert (dkim.result, dkim.properties["header.d"]) == ("pass", "one.example")
    assert (dmarc_.result, dmarc_.properties["header.from"]) == ("fail", THREE)
    assert dmarc_.properties["policy.dmarc"] == "quarantine"


def test_a_reader_of_others_finds_no_result_but_ours_where_some_were_forged(
    lab: Laboratory,
) -> None:
    outcome = play(lab, again("forged"))

    assert [(one.method, one.result) for one in results(outcome)] == [
        ("stir", "none"),
        ("spf", "fail"),
        ("dkim", "none"),
        ("dmarc", "fail"),
        ("arc", "none"),
    ]


def test_the_signature_on_the_way_covers_and_seals_what_gives_the_message_meaning(
    lab: Laboratory,
) -> None:
    """As it left relay one: over the PASSporT, which stands below it."""
    [row] = [row for row in rows() if row.message.name == "video"]

    octets = lab.capture(replace(row.message, name="on-the-way"))

    names = [header.name for header in RawMessage.parse(octets).headers]
    assert names.index("DKIM-Signature") < names.index("PASSporT")
    [field] = [
        header.text
        for header in RawMessage.parse(octets).headers
        if header.named(("DKIM-Signature",))
    ]
    signed = "".join(field.partition("h=")[2].partition(";")[0].split()).split(":")
    for name in ("passport", "from", "to", "content-type", "x-mms-message-id"):
        assert signed.count(name) == 2, name


def test_a_message_that_arrived_is_verified_by_hand(
    lab: Laboratory, tmp_path: Path
) -> None:
    """With the daemon's configuration, while its name server is there."""
    message = saved(tmp_path, play(lab, again("spc")))

    done = by_hand("verify", message, "--config", lab.verifying)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\t")[:4] == (
        ["pass", "verified", "authenticated", "13125550177"]
    )


@pytest.mark.parametrize(
    ("name", "strict", "said"),
    [
        ("html", False, ["pass", "verified", "number-authenticated"]),
        ("html", True, ["policy", "headers-unprotected", "unauthenticated"]),
        ("video", True, ["pass", "verified", "authenticated"]),
    ],
)
def test_an_altered_content_type_costs_the_pass_where_one_is_strict(
    lab: Laboratory, tmp_path: Path, name: str, strict: bool, said: list[str]
) -> None:
    message = saved(tmp_path, play(lab, again(name)))
    text = lab.verifying.read_text()
    word = "true" if strict else "false"
    configuration = tmp_path / "stirmilter.toml"
    configuration.write_text(text.replace("[verify]", f"[verify]\nstrict = {word}"))

    # From nobody's address: peer three would be held to strict in any case.
    done = by_hand(
        "verify", message, "--config", configuration, "--client", "127.0.0.99"
    )

    assert done.stdout.split("\t")[:3] == said
    assert done.returncode == (0 if said[0] == "pass" else 1)


def test_check_shows_the_facts_and_the_rule_that_tags(
    lab: Laboratory, tmp_path: Path
) -> None:
    """A replay is not told by hand, so the message is one that fails by its body."""
    report = check(lab, tmp_path, "body", "--client", "127.0.0.66")

    assert (report["outcome"], report["action"]) == ("failed", "tag")
    facts = report["policy"]["facts"]
    assert [facts[name] for name in ("stir", "spf", "dkim", "dmarc", "arc")] == (
        ["fail", "fail", "fail", "fail", "none"]
    )
    applying = [one["rule"] for one in report["policy"]["rules"] if one["applies"]]
    assert applying == ["failed"]
    assert report["policy"]["shadow"]["action"] == "reject"
    assert report["policy"]["differs"]


def test_check_shows_the_carrier_as_a_match_under_its_own_domain(
    lab: Laboratory, tmp_path: Path
) -> None:
    """And the envelope is read off the header: SPF passes for relay one."""
    report = check(lab, tmp_path, "spc")

    assert (report["outcome"], report["action"]) == ("authenticated", "accept")
    facts = report["policy"]["facts"]
    assert [facts[name] for name in ("peer", "spc", "binding")] == (
        ["one", "1234", "match"]
    )
    assert [facts[name] for name in ("spf", "dkim", "dmarc")] == ["pass"] * 3


def test_what_is_refused_is_answered_in_smtp(lab: Laboratory) -> None:
    """And the verdict is in the journal, although nothing arrived."""
    row = again("taken-over")

    outcome = play(lab, row)

    said = "550 5.7.1 the PASSporT and the DKIM signature are of different carriers"
    assert outcome.reply == said
    assert outcome.received == b""
    assert lab.received.wait(row.message.message_id, seconds=0) is None


class Read(NamedTuple):
    """One result, as authres reads it."""

    method: str
    result: str
    reason: str | None
    properties: dict[str, str]


def again(name: str) -> Row:
    """Return a row of the table, for another message of the same kind."""
    [row] = [row for row in rows() if row.message.name == name]
    message = replace(row.message, name=f"{name}-{next(_NUMBERS)}")
    return replace(row, message=message)


def results(outcome: Outcome) -> list[Read]:
    """Read the fields of the message that arrived; all are relay two's."""
    fields = [
        READER.parse(f"{header.name}:{header.text}".replace("\n", "\r\n"))
        for header in RawMessage.parse(outcome.received).headers
        if header.named(("Authentication-Results",))
    ]
    assert {field.authserv_id for field in fields} == {TWO}
    return [
        Read(
            one.method,
            one.result,
            one.reason,
            {f"{p.type}.{p.name}": p.value for p in one.properties},
        )
        for field in fields
        for one in field.results
    ]


def saved(folder: Path, outcome: Outcome) -> Path:
    path = folder / "message.eml"
    path.write_bytes(outcome.received)
    return path


def check(lab: Laboratory, folder: Path, name: str, *more: str) -> dict[str, Any]:
    """Have ``check --message`` explain a message that arrived."""
    message = saved(folder, play(lab, again(name)))
    done = by_hand(
        "check", "--config", lab.verifying, "--message", message, "--json", *more
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def by_hand(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stirmilter", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

"""``stirmilter check``: what verifiers would find, what would become of a message."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import MESSAGE, Configure, stirmilter


def test_check_is_content_with_a_good_configuration(configure: Configure) -> None:
    status, out, err = stirmilter("check", "-c", configure())

    assert (status, err) == (0, "")
    lines = [line.split("\t") for line in out.decode().splitlines()]
    assert ["ok", "signer one", "may speak for +12025550123"] in lines
    assert any(
        line[0] == "ok" and line[2].endswith("serves the chain") for line in lines
    )


@pytest.mark.parametrize(
    ("name", "numbers", "problem"),
    [
        pytest.param("expired", "+12025550123", "is valid", id="expired"),
        pytest.param("untrusted", "+12025550123", "our own anchors", id="untrusted"),
        pytest.param("other", "+12025550123", "does not cover", id="another-number"),
    ],
)
def test_check_finds_what_verifiers_would(
    configure: Configure, name: str, numbers: str, problem: str
) -> None:
    status, out, _ = stirmilter("check", "-c", configure(name, numbers))

    assert status == 1
    errors = [line for line in out.decode().splitlines() if line.startswith("error\t")]
    assert problem in "".join(errors)


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        pytest.param([], ["out", "signed"], "insert\tPASSporT\t", id="ours"),
        pytest.param(
            ["--client", "192.0.2.1"],
            ["in", "unauthenticated"],
            "insert\tAuthentication-Results\t",
            id="a-stranger's",
        ),
    ],
)
def test_check_shows_what_would_become_of_a_message(
    configure: Configure,
    folder: Path,
    options: list[str],
    first: list[str],
    second: str,
) -> None:
    file = folder / "message.eml"
    file.write_bytes(MESSAGE)

    status, out, _ = stirmilter("check", "-c", configure(), "--message", file, *options)

    lines = out.decode().splitlines()
    assert status == 0
    assert lines[0].split("\t")[:2] == first
    assert lines[1].startswith(second)


def test_check_says_what_to_do_about_what_it_finds(configure: Configure) -> None:
    status, out, _ = stirmilter("check", "-c", configure())

    [line] = [one for one in out.decode().splitlines() if "no [[submitter]]" in one]
    level, subject, _, remedy = line.split("\t")
    assert (status, level, subject) == (0, "warning", "sign")
    assert remedy.startswith("a [[submitter]] for each client")


REFUSING = """
[[submitter]]
name = "two"
networks = ["127.0.0.0/8"]
numbers = ["+12025550999"]
refused = "reject"
"""


def test_check_shows_which_setting_refuses_a_number(
    configure: Configure, folder: Path
) -> None:
    file = folder / "message.eml"
    file.write_bytes(MESSAGE)
    asked = ("check", "-c", configure(more=REFUSING), "--message", file)

    _, out, _ = stirmilter(*asked)
    _, as_json, _ = stirmilter(*asked, "--json")

    reply = "550 5.7.1 not your number to send from: not-its-number"
    assert out.decode().splitlines() == [
        "out\tunsigned\tnot-its-number\treject\tnot among the numbers of two",
        f"decided\treject\tsubmitter:two\t{reply}",
    ]
    report = json.loads(as_json)
    assert (report["rule"], report["reply"]) == ("submitter:two", reply)


RULES = """
[[peer]]
name = "two"
networks = ["192.0.2.0/24"]
helo = ["mmsc.two.example"]
must_sign = ["MM4_forward.REQ"]
ladder = [
  { from = 2026-09-01, action = "tag" },
  { from = 2027-03-01, action = "reject" },
]
[[rule]]
name = "altered"
reason = ["body-altered"]
number = ["+44*"]
action = "reject"
[[shadow_rule]]
name = "strict"
stir = ["none"]
action = "reject"
"""


def asked(configure: Configure, folder: Path, *options: str) -> tuple[int, str]:
    file = folder / "message.eml"
    file.write_bytes(MESSAGE)
    configuration = configure(more=RULES)
    status, out, _ = stirmilter(
        *("check", "-c", configuration, "--message", file, "--client", "192.0.2.1"),
        *options,
    )
    return status, out.decode()


def test_check_tells_which_rule_applies_and_why_the_others_do_not(
    configure: Configure, folder: Path
) -> None:
    helo = ("--helo", "mmsc.two.example")

    status, out = asked(configure, folder, *helo, "--at", "2026-10-01")

    assert status == 0
    lines = out.splitlines()
    tag = "X-Stirmilter: unauthenticated; reason=no-passport; rule=ladder:two"
    assert lines[0].split("\t")[:4] == ["in", "unauthenticated", "no-passport", "tag"]
    for line in (
        f"insert\t{tag.replace(': ', chr(9), 1)}",
        "fact\tpeer\ttwo",
        "fact\tstir\tnone",
        "fact\tspc\t-",
        "fact\tmessage_type\tmm4_forward.req",
        "rule\taltered\tno\tnumber is 12025550123, not a number of the set",
        "rule\taltered\tno\treason is no-passport, not body-altered",
        f"otherwise\ttag\tladder:two\t{tag}",
        f"decided\ttag\tladder:two\t{tag}",
        "shadow rule\tstrict\tapplies",
    ):
        assert line in lines
    assert lines[-1] == (
        "shadow\treject\tstrict\t550 5.7.1 message refused by policy: stir=none"
        " reason=no-passport\tdiffers"
    )


@pytest.mark.parametrize(
    ("options", "action"),
    [
        (["--helo", "mmsc.two.example", "--at", "2026-08-31"], "accept"),
        (["--helo", "mmsc.two.example", "--at", "2027-03-01"], "reject"),
        (["--helo", "other.example", "--at", "2027-03-01"], "accept"),
        (["--at", "2027-03-01"], "accept"),
    ],
)
def test_check_decides_as_of_a_time_and_for_a_client(
    configure: Configure, folder: Path, options: list[str], action: str
) -> None:
    _, out = asked(configure, folder, "--json", *options)

    report = json.loads(out)
    assert report["action"] == action
    assert report["policy"]["outcome"]["action"] == action
    assert report["policy"]["facts"]["verdict"] == "unauthenticated"
    assert report["policy"]["rules"][0]["applies"] is False
    assert report["policy"]["differs"] is (action != "reject")


def test_check_shows_findings_as_json(configure: Configure) -> None:
    status, out, _ = stirmilter("check", "-c", configure(), "--no-x5u", "--json")

    found = json.loads(out)
    assert (status, {one["level"] for one in found} <= {"ok", "warning"}) == (0, True)


def test_a_fault_that_ends_the_daemon_is_an_error_in_the_journal(
    tmp_path: Path,
) -> None:
    """Or `journalctl -p err` is silent about what keeps it from starting."""
    wrong = tmp_path / "stirmilter.toml"
    wrong.write_text("[verify]\nfoo = 1\n")
    with (tmp_path / "journal").open("w+") as stream:
        place = os.fstat(stream.fileno())
        done = subprocess.run(
            [sys.executable, "-m", "stirmilter", "run", "-c", wrong],
            env=os.environ | {"JOURNAL_STREAM": f"{place.st_dev}:{place.st_ino}"},
            stderr=stream,
            timeout=60,
            check=False,
        )
        stream.seek(0)

        assert done.returncode == 78
        assert stream.read().startswith(f"<3>stirmilter: {wrong}: verify.foo: no such")


def test_a_rule_that_never_applies_is_a_fault_of_the_configuration(
    configure: Configure,
) -> None:
    more = RULES + '[[rule]]\nname = "a"\naction = "tag"\n'
    more += '[[rule]]\nname = "b"\naction = "accept"\n'

    status, _, err = stirmilter("check", "-c", configure(more=more))

    assert status == 78
    assert "rule.2 (b): never applies: the rules above it leave no message" in err

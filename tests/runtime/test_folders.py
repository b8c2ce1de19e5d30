"""Folders that are not there: each is told once, with the command that makes it."""

from pathlib import Path

import pytest

from stirmilter.findings import Finding
from stirmilter.folderfindings import folder_findings
from tests.runtime.configurations import Change, Configured


def test_nothing_is_said_of_folders_that_there_are(configured: Configured) -> None:
    assert list(folder_findings(configured())) == []


@pytest.mark.parametrize(
    ("change", "level", "subject", "text"),
    [
        pytest.param(
            {"replay.store": "sqlite:none/r"},
            "error",
            "replay.store",
            "{0}/r: its folder does not exist",
            id="replay",
        ),
        pytest.param(
            {"fetch.store": "sqlite:none/c"},
            "error",
            "fetch.store",
            "{0}/c: its folder does not exist",
            id="certificates",
        ),
        pytest.param(
            {"journal.path": "none/j"},
            "warning",
            "journal.path",
            "{0}/j: its folder does not exist: no evidence is kept",
            id="journal",
        ),
        pytest.param(
            {"sign.proofs": "none/p"},
            "warning",
            "sign.proofs",
            "{0}/p: its folder does not exist",
            id="proofs",
        ),
    ],
)
def test_a_folder_of_state_that_is_missing_is_told_with_the_command(
    configured: Configured,
    tmp_path: Path,
    change: Change,
    level: str,
    subject: str,
    text: str,
) -> None:
    folder = tmp_path / "none"

    [found] = folder_findings(configured(change))

    assert (found.level, found.subject) == (level, subject)
    assert found.text == text.format(folder)
    assert found.remedy == f"install -d -m 750 -o stirmilter -g stirmilter {folder}"


@pytest.mark.parametrize(
    ("group", "whose"), [("postfix", "postfix"), ("", "stirmilter")]
)
def test_the_folder_of_a_socket_is_given_to_who_connects(
    configured: Configured, group: str, whose: str
) -> None:
    change: Change = {
        "milter.sockets": ["inet:8891@127.0.0.1", "unix:/nonexistent/milter.sock"],
        "milter.socket_group": group,
    }

    assert list(folder_findings(configured(change))) == [
        Finding(
            "error",
            "milter.sockets",
            "/nonexistent/milter.sock: its folder does not exist",
            f"install -d -m 750 -o stirmilter -g {whose} /nonexistent",
        )
    ]


def test_the_folder_of_the_package_is_made_as_the_package_does(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda _: False)
    default = ["unix:/var/spool/postfix/stirmilter/milter.sock"]

    found = list(folder_findings(configured({"milter.sockets": default})))

    assert found[-1].remedy == "systemd-tmpfiles --create stirmilter.conf"

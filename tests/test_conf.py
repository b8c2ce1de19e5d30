"""What is shipped in conf/ and systemd/ is true."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from stirmilter.config import Config, load, parse
from stirmilter.config.policy import PeerSection, RuleSection
from stirmilter.config.sections import SubmitterSection
from stirmilter.runtime import actions

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "conf" / "stirmilter.toml"
BLOCKS = {"signer", "submitter", "trust", "upstream", "peer", "rule", "shadow_rule"}
NO_FIXED_DEFAULT = {
    "authserv_id": "the name of the machine",
    "tls_ca": "the system's anchors",
}
OTHERWISE = {"transport"} if os.environ.get("STIRMILTER_TRANSPORT") else set()
"""What whoever runs the tests has given another default (tests/transport)."""


def uncommented() -> dict[str, Any]:
    """The shipped file with every ``#name = default`` taken at its word."""
    text = re.sub(r"^#(?=[a-z0-9_]+ = )", "", SHIPPED.read_text(), flags=re.MULTILINE)
    return tomllib.loads(text)


def settings(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields) - {"folder", "source"}


def test_the_shipped_file_is_valid_and_changes_nothing() -> None:
    shipped = load(SHIPPED)

    defaults = parse({}, SHIPPED)
    assert shipped == defaults


def test_every_setting_stands_in_the_shipped_file_once() -> None:
    table = uncommented()

    assert set(table) == settings(Config) - BLOCKS
    for name, section in table.items():
        model = Config.model_fields[name].annotation
        assert isinstance(model, type)
        assert set(section) == settings(model), name


def test_every_default_in_the_shipped_file_is_the_default() -> None:
    table = uncommented()

    taken = parse(table, SHIPPED).model_dump()
    defaults = parse({}, SHIPPED).model_dump()

    for section, values in table.items():
        for name in values.keys() - NO_FIXED_DEFAULT.keys() - OTHERWISE:
            assert taken[section][name] == defaults[section][name], (section, name)


def test_the_example_of_a_signer_is_accepted() -> None:
    example = SHIPPED.read_text().partition("# [[signer]]")[2].partition("\n\n")[0]
    text = "[[signer]]" + re.sub(r"^# ?", "", example, flags=re.MULTILINE)

    [signer] = parse(tomllib.loads(text), SHIPPED).signer

    assert signer.name == "carrier"
    assert len(signer.numbers) == 5
    assert signer.domains == ("example.net",)


def test_the_example_of_a_submitter_is_accepted_and_says_everything() -> None:
    text = SHIPPED.read_text().partition("# [[submitter]]")[2].partition("\n\n")[0]
    text = "[[submitter]]" + re.sub(r"^# ?", "", text, flags=re.MULTILINE)

    [submitter] = parse(tomllib.loads(text), SHIPPED).submitter

    assert submitter.model_fields_set == settings(SubmitterSection)
    assert len(submitter.numbers) == 3


def test_the_example_of_a_trust_set_is_accepted() -> None:
    example = SHIPPED.read_text().partition("# [[trust]]")[2].partition("\n\n")[0]
    text = "[[trust]]" + re.sub(r"^# ?", "", example, flags=re.MULTILINE)

    [trusted] = parse(tomllib.loads(text), SHIPPED).trust

    assert trusted.name == "us"
    assert trusted.numbers == ("+1*",)
    assert trusted.policies == ("2.16.840.1.114569.1.1.4",)


def example(section: str) -> str:
    """The block of an example, uncommented."""
    text = SHIPPED.read_text().partition(f"# [[{section}]]")[2].partition("\n#\n")[0]
    return f"[[{section}]]" + re.sub(r"^# ?", "", text, flags=re.MULTILINE)


def test_the_examples_of_a_peer_and_a_rule_are_accepted_and_say_everything() -> None:
    trust = '[[trust]]\nname = "us"\nanchors = ["us.pem"]\n'
    text = trust + example("peer") + "\n" + example("rule")

    config = parse(tomllib.loads(text), SHIPPED)
    made = actions.policy(config)

    [peer], [rule] = config.peer, config.rule
    assert peer.model_fields_set == settings(PeerSection) - {"spcs"}
    missing = {"spf", "dkim", "arc", "header", "value"}  # told in words
    assert rule.model_fields_set == settings(RuleSection) - missing
    assert [one.name for one in made.peers] == ["carrier"]


@pytest.mark.parametrize("name", ["postfix-sign.cf", "postfix-verify.cf"])
@pytest.mark.conformance("O-08")
def test_the_lines_for_postfix_are_settings_that_postfix_knows(
    name: str, tmp_path: Path
) -> None:
    """postconf(1) warns about a name that no part of Postfix uses."""
    (tmp_path / "main.cf").write_text((ROOT / "conf" / name).read_text())
    (tmp_path / "master.cf").write_text("mm4 unix - - n - - smtp\n")

    done = subprocess.run(
        ["/usr/sbin/postconf", "-c", tmp_path, "-n"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == ""
    assert "smtpd_milters = unix:stirmilter/milter.sock" in done.stdout
    assert "milter_default_action = tempfail" in done.stdout


@pytest.mark.conformance("O-03")
@pytest.mark.parametrize("name", ["postfix-sign.cf", "postfix-verify.cf"])
def test_the_lines_for_postfix_keep_it_from_rewriting_bodies(name: str) -> None:
    """They belong to master.cf, so in main.cf they stand as comments."""
    text = (ROOT / "conf" / name).read_text()

    assert "-o smtp_line_length_limit=0\n" in text
    assert "-o disable_mime_output_conversion=yes\n" in text


@pytest.mark.conformance("O-04")
def test_our_deadlines_end_before_those_of_postfix() -> None:
    """30 seconds for a command, 300 for the content: milter_command_timeout and so."""
    milter = parse({}, SHIPPED).milter
    text = (ROOT / "conf" / "postfix-verify.cf").read_text()

    assert "milter_content_timeout = 300s\n" in text
    assert milter.message_seconds < 300
    assert milter.progress_seconds < 10, "Sendmail's, by default"

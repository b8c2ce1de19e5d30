"""``stirmilter doctor``, as an operator types it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stirmilter.config import parse
from stirmilter.demo import daemons
from stirmilter.doctor import Patient, examine, postfix
from stirmilter.doctor.postfix import PostfixError
from stirmilter.testca import TestCA
from tests.cli.commands import stirmilter
from tests.dns_server import DnsServer
from tests.doctor.conftest import MAIN, MASTER, Relay

pytestmark = pytest.mark.skipif(
    shutil.which("postconf") is None, reason="needs Postfix"
)

CONFIGURATION = """\
[milter]
authserv_id = "mx.example"
sockets = ["unix:{queue}/stirmilter/milter.sock"]
workers = 1
[sign]
clients = ["127.0.0.0/8"]
proofs = "proofs.json"
[[signer]]
name = "one"
key = "ca/keys/one.key"
chain = "ca/www/one.pem"
x5u = "{base}/one.pem"
numbers = ["+12025550123"]
[verify]
anchors = ["ca/root.pem"]
[checks]
methods = []
[dns]
question_seconds = 2.0
server_seconds = 1.0
[fetch]
laboratory = true
tls_ca = "ca/tls-ca.pem"
store = "memory:"
[replay]
store = "memory:"
[journal]
path = ""
"""


@dataclass(frozen=True)
class Machine:
    """A relay with a daemon that runs, and its configuration."""

    relay: Relay
    configuration: Path

    def doctor(self, *options: str | Path) -> tuple[int, list[dict[str, str]]]:
        """Run the command as who we are; return its status and what it found."""
        self.relay.read()  # so that Postfix does not wait for what was just written
        words: list[str | Path] = ["doctor", "-c", self.configuration, "--json"]
        words += ["--daemon-user", "root", "--postfix-config", self.relay.folder]
        status, out, err = stirmilter(*words, *options)
        assert err == ""
        return status, json.loads(out)

    def postfix(self, *options: str) -> list[dict[str, str]]:
        """What it finds wrong with Postfix and our socket."""
        return [
            one
            for one in self.doctor(*options)[1]
            if one["level"] != "ok" and one["subject"].startswith(("postfix", "socket"))
        ]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with ExitStack() as stack:
        name = Path(stack.enter_context(daemons.short_folder()))
        folder, queue = name / "postfix", name / "queue"
        for one in (folder, queue, queue / "stirmilter"):
            one.mkdir()
        (folder / "main.cf").write_text(MAIN.format(queue=queue))
        (folder / "master.cf").write_text(MASTER)
        assert stirmilter("testca", "create", name / "ca")[0] == 0
        base = stack.enter_context(TestCA(name / "ca").publish())
        path = name / "stirmilter.toml"
        path.write_text(CONFIGURATION.format(queue=queue, base=base))
        stack.enter_context(daemons.stirmilter(path, name / "log"))
        yield Machine(Relay(folder, queue), path)


@pytest.mark.e2e
def test_a_whole_relay_is_looked_at(machine: Machine) -> None:
    _, found = machine.doctor()

    levels = {one["subject"]: one["level"] for one in found}
    assert set(map(tuple, found)) == {("level", "subject", "text", "remedy")}
    for subject in ("postfix: delivery", "libmilter", "signer one: x5u", "files"):
        assert levels[subject] == "ok", found
    assert levels["clock beside 127.0.0.1"] == "ok"
    assert any(subject.startswith("socket") for subject in levels)
    assert machine.postfix() == []


@pytest.mark.e2e
def test_a_breakage_makes_the_status_and_its_remedy_unmakes_it(
    machine: Machine,
) -> None:
    machine.relay.change("-P", "smtp/unix/smtp_line_length_limit=998")

    status, _ = machine.doctor()
    [found] = machine.postfix()
    machine.relay.obey(found["remedy"])

    assert status == 1
    assert found["subject"] == "postfix: smtp/unix/smtp_line_length_limit"
    assert machine.postfix() == []


@pytest.mark.e2e
def test_a_line_has_four_columns(machine: Machine) -> None:
    status, out, _ = stirmilter(
        *("doctor", "-c", machine.configuration, "--postfix-config", "/nonexistent")
    )

    lines = [line.split("\t") for line in out.decode().splitlines()]
    assert status == 1
    assert {len(line) for line in lines} == {4}
    assert lines[0][:2] == ["error", "postfix"]
    assert "No such file" in lines[0][2]


def patient(folder: Path, **more: Any) -> Patient:  # noqa: ANN401 - fields of Patient
    table = {"dns": {"servers": ["1@127.0.0.1"], "question_seconds": 0.1}}
    config = parse(table | {"signer": []}, folder / "stirmilter.toml")
    return Patient(config=config, fetch=False, **more)


def test_a_machine_without_postfix_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postfix, "PROGRAMS", str(tmp_path))

    first, *others = examine(patient(tmp_path), datetime.now(UTC))

    assert (first.level, first.remedy) == ("error", "apt-get install postfix")
    assert others


def test_a_main_cf_that_postfix_cannot_read_is_a_finding(relay: Relay) -> None:
    (relay.folder / "main.cf").write_text("smtpd_milters\n")

    with pytest.raises(PostfixError, match="missing '='"):
        relay.read()


def test_a_configuration_that_does_not_work_still_has_postfix_looked_at(
    relay: Relay,
) -> None:
    relay.read()
    table = {"verify": {"anchors": ["missing.pem"]}, "replay": {"store": "memory:"}}
    config = parse(table, relay.folder / "stirmilter.toml")

    found = list(
        examine(
            Patient(config=config, postfix=relay.folder, seconds=0.5),
            datetime.now(UTC),
        )
    )

    subjects = {one.subject for one in found if one.level == "error"}
    assert "postfix: smtpd_milters" in subjects
    assert any("verify.anchors" in subject for subject in subjects)


def test_a_folder_of_state_that_is_missing_is_told_once_for_each_file(
    tmp_path: Path,
) -> None:
    table = {
        "replay": {"store": "sqlite:none/r"},
        "fetch": {"store": "sqlite:none/c"},
        "journal": {"path": "none/j"},
        "dns": {"servers": ["1@127.0.0.1"], "question_seconds": 0.1},
    }
    config = parse(table, tmp_path / "stirmilter.toml")
    one = Patient(
        config=config, postfix=tmp_path, user="root", fetch=False, seconds=0.5
    )

    told = [
        (finding.subject, finding.remedy)
        for finding in examine(one, datetime.now(UTC))
        if f"{tmp_path}/none" in finding.text
    ]

    remedy = f"install -d -m 750 -o root -g root {tmp_path}/none"
    assert told == [
        ("files: replay.store", remedy),
        ("files: fetch.store", remedy),
        ("files: journal.path", remedy),
    ]


def test_an_anchor_that_soon_ends_is_named(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    made = TestCA.create(tmp_path / "ca", now)
    table = {
        "verify": {"anchors": [str(made.folder / "root.pem")]},
        "replay": {"store": "memory:"},
        "fetch": {"store": "memory:"},
        "journal": {"path": ""},
        "dns": {"servers": ["1@127.0.0.1"], "question_seconds": 0.1},
    }
    config = parse(table, tmp_path / "stirmilter.toml")
    one = Patient(config=config, postfix=tmp_path, fetch=False, seconds=0.5)

    def ending(at: datetime) -> int:
        return sum(" ends " in finding.text for finding in examine(one, at))

    end = made_end(made)
    assert (ending(now), ending(end - timedelta(days=3))) == (0, 1)


def test_our_dkim_key_is_looked_for_where_verifiers_will(tmp_path: Path) -> None:
    key = tmp_path / "dkim.key"
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    key.chmod(0o600)
    with DnsServer() as server:
        host, port = server.address
        table = {
            "dkim": {"domain": "one.example", "selector": "s1", "key": str(key)},
            "replay": {"store": "memory:"},
            "fetch": {"store": "memory:"},
            "journal": {"path": ""},
            "dns": {"servers": [f"{port}@{host}"]},
        }
        config = parse(table, tmp_path / "stirmilter.toml")
        one = Patient(config=config, postfix=tmp_path, seconds=0.5)

        found = [f for f in examine(one, datetime.now(UTC)) if f.subject == "dkim"]

    assert [one.level for one in found] == ["ok", "error"]
    assert "s1._domainkey.one.example is not in the DNS" in found[1].text


def made_end(made: TestCA) -> datetime:
    """When the root of a test CA ends."""
    root = x509.load_pem_x509_certificate((made.folder / "root.pem").read_bytes())
    return root.not_valid_after_utc


def test_options_of_a_service_and_its_chroot_are_read(relay: Relay) -> None:
    found = {one.key: one for one in relay.read().services}

    assert found["smtp/inet"].chroot
    assert not found["127.0.0.1:10025/inet"].chroot
    assert found["127.0.0.1:10025/inet"].options == {
        "content_filter": "",
        "smtpd_milters": "",
    }
    assert found["smtp/unix"].options["smtp_line_length_limit"] == "0"


@pytest.mark.parametrize(
    ("level", "chroot"),
    [pytest.param("0", True, id="as of old"), pytest.param("3.6", False, id="now")],
)
def test_a_chroot_that_is_not_written_depends_on_the_level(
    relay: Relay, level: str, chroot: bool
) -> None:
    relay.change("-F", "smtp/inet/chroot=-")
    relay.change("-e", f"compatibility_level={level}")

    assert next(iter(relay.read().running("smtpd"))).chroot is chroot


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30),
        ("5s", 5),
        (" 2 m ", 120),
        ("1h", 3600),
        ("1d", 86400),
        ("soon", None),
    ],
)
def test_a_time_is_read_as_postfix_writes_it(text: str, seconds: float | None) -> None:
    assert postfix.seconds(text) == seconds

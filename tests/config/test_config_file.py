"""The configuration file: what is read, and every fault at once."""

import os
import socket
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from stirmilter import config
from stirmilter.cli import daemon
from stirmilter.demo.daemons import short_folder
from stirmilter.errors import ConfigError
from tests.config.files import SIGNER, faults, load
from tests.users import as_nobody


def test_an_empty_file_is_a_configuration(path: Path) -> None:
    found = load(path, "")

    assert found.signer == ()
    assert found.sign.clients == ()
    assert found.verify.anchors == ()
    assert found.fetch.laboratory is False
    assert found.milter.authserv_id == socket.getfqdn()


def test_the_mark_that_an_editor_put_first_is_no_text(path: Path) -> None:
    assert load(path, "\ufeff[fetch]\nlaboratory = true").fetch.laboratory is True


def test_every_section_is_read(path: Path) -> None:
    found = load(
        path,
        """
        [milter]
        sockets = ["unix:/run/a b.sock", "inet:8891@127.0.0.1", "inet6:8891@::1"]
        socket_mode = "660"
        authserv_id = "mx.example"
        [sign]
        clients = ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]
        message_types = []
        on_failure = "accept"
        digest = "sha512"
        [verify]
        anchors = ["a.pem", "/etc/b.pem"]
        skew = 0
        headers = ["PASSporT", "Identity"]
        spc = "refuse"
        [fetch]
        ports = [443]
        tls_ca = "tls.pem"
        [replay]
        store = "sqlite:replay.sqlite"
        [limits]
        passports = 1
        [log]
        level = "debug"
        numbers = "full"
        """
        + SIGNER
        + SIGNER.replace("one", "two"),
    )

    assert found.milter.sockets[1] == "inet:8891@127.0.0.1"
    assert found.sign.clients == tuple(
        map(ip_network, ("192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"))
    )
    assert found.verify.anchors == (Path("a.pem"), Path("/etc/b.pem"))
    assert found.verify.skew == 0
    assert [signer.name for signer in found.signer] == ["one", "two"]
    assert found.signer[1].key == "keys/two.key"
    assert found.log.numbers == "full"


def test_a_file_knows_its_name_and_its_folder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)

    found = load(Path(path.name), "")

    assert found.folder == path.parent
    assert found.source == path.name


def test_nobody_changes_a_setting_later(path: Path) -> None:
    found = load(path, "")

    with pytest.raises(ValidationError, match="frozen"):
        found.verify.freshness = 1  # type: ignore[misc]


def test_every_fault_is_told_at_once(path: Path) -> None:
    found = faults(
        path,
        """
        [milter]
        socket_mode = "rw"
        [sign]
        on_failure = "drop"
        [[signer]]
        name = "one"
        key = "one.key"
        chain = "one.pem"
        numbers = []
        x5 = "https://certs.example/one.pem"
        [verify]
        freshnes = 60
        freshness = "1d"
        [nonsense]
        """,
    )

    assert found.keys() == {
        "milter.socket_mode",
        "sign.on_failure",
        "signer.0 (one).numbers",
        "signer.0 (one).x5u",
        "signer.0 (one).x5",
        "verify.freshnes",
        "verify.freshness",
        "nonsense",
    }


def test_a_fault_names_file_key_value_and_remedy(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, '[sign]\non_failure = "drop"\n[verify]\nfreshness = "1d"\n')

    first, second = str(caught.value).splitlines()
    assert first == (
        f"{path}: sign.on_failure: expected 'tempfail' or 'accept', found 'drop'"
    )
    assert second == (
        f"{path}: verify.freshness: expected a number, without quotes, found '1d'"
    )


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        pytest.param(
            "[verify]\nfreshnes = 1",
            "verify.freshnes",
            "no such setting; did you mean freshness?",
            id="misspelled",
        ),
        pytest.param(
            "[verfy]",
            "verfy",
            "no such setting; did you mean verify?",
            id="misspelled-section",
        ),
        pytest.param(
            "[[signers]]",
            "signers",
            "no such setting; did you mean signer?",
            id="misspelled-list",
        ),
        pytest.param(
            SIGNER + "chian = 1",
            "signer.0 (one).chian",
            "no such setting; did you mean chain?",
            id="misspelled-in-a-list",
        ),
        pytest.param(
            "[replay]\nxyz = 1",
            "replay.xyz",
            "no such setting; known: limit, on_failure, prefix, rest_seconds, seconds,"
            " store",
            id="like-nothing-known",
        ),
        pytest.param(
            "xyz = 1",
            "xyz",
            "no such setting; known: checks, dkim, dns, failure, fetch, journal,"
            " limits, log, metrics, milter, mm4, peer, policy, replay, revocation,"
            " rule, shadow_rule, sign, signer, submitter, trust, upstream, verify",
            id="section-like-nothing-known",
        ),
        pytest.param(
            '[failure]\nkey = "accept"',
            "failure.key",
            "no such setting; it is sign.on_failure",
            id="stands-elsewhere",
        ),
        pytest.param(
            '[sign]\nclient_numbers = { "192.0.2.0/24" = ["+1*"] }',
            "sign.client_numbers",
            "no such setting; it is networks and numbers of a [[submitter]]",
            id="numbers-of-clients",
        ),
        pytest.param(
            '[sign]\nlogin_numbers = { mmsc = ["+1*"] }',
            "sign.login_numbers",
            "no such setting; it is logins and numbers of a [[submitter]]",
            id="numbers-of-logins",
        ),
        pytest.param(
            '[[submitter]]\nname = "x"\nnetwork = "::/0"\nlogins = ["x"]\nnumbers = []',
            "submitter.0 (x).network",
            "no such setting; did you mean networks?",
            id="in-a-submitter",
        ),
        pytest.param(
            '[[rule]]\nname = "r"\naction = "tag"\nverdicts = ["failed"]',
            "rule.0 (r).verdicts",
            "no such setting; did you mean verdict?",
            id="in-a-rule",
        ),
        pytest.param(
            '[[peer]]\nname = "p"\nhelo = ["a.example"]\n'
            'ladder = [{ form = 2026-01-01, from = 2026-01-01, action = "tag" }]',
            "peer.0 (p).ladder.0.form",
            "no such setting; did you mean from?",
            id="in-a-step",
        ),
    ],
)
def test_an_unknown_setting_is_refused_with_what_may_be_meant(
    path: Path, text: str, where: str, problem: str
) -> None:
    assert faults(path, text) == {where: problem}


@pytest.mark.parametrize("name", ["folder", "source"])
@pytest.mark.parametrize("value", ['"x"', "{}", "1"])
def test_what_the_file_knows_of_itself_is_no_setting(
    path: Path, name: str, value: str
) -> None:
    assert faults(path, f"{name} = {value}") == {name: "no such section"}


@pytest.mark.parametrize(
    "missing", ["name", "key", "chain", "x5u", "numbers"], ids=lambda name: f"no-{name}"
)
@pytest.mark.conformance("F-05")
def test_a_signer_has_no_defaults(path: Path, missing: str) -> None:
    lines = [line for line in SIGNER.splitlines() if not line.startswith(missing)]

    found = faults(path, "\n".join(lines))

    block = "signer.0" if missing == "name" else "signer.0 (one)"
    assert found == {f"{block}.{missing}": "missing; it has no default"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[milter\n", id="bracket-never-closed"),
        pytest.param("a = 1\na = 2\n", id="setting-twice"),
        pytest.param("a = yes", id="word-without-quotes"),
        pytest.param("{}", id="json"),
    ],
)
def test_what_is_not_toml_is_refused_with_its_place(path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"not TOML: .*line \d") as caught:
        load(path, text)

    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "[sign]\n[verify]\n[sign]\n",
            "not TOML: [sign] was begun before (at line 3, column 6): all of its"
            " settings stand there",
            id="table-twice",
        ),
        pytest.param(
            "[milter]\nworkers = 1\nworkers = 2\n",
            "not TOML: a name that was given before (at line 3, column 12)",
            id="setting-twice",
        ),
        pytest.param(
            "[milter]\nauthserv_id = mms.example.net\n",
            "not TOML: no value (at line 2, column 15): text stands in quotes",
            id="text-without-quotes",
        ),
    ],
)
def test_what_is_not_toml_is_told_in_words_of_the_file(
    path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, text)

    assert str(caught.value) == f"{path}: {problem}"


def test_a_missing_file_is_told_with_the_option_that_names_it(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(path)

    assert str(caught.value) == (
        f"{path}: No such file or directory; name the file with --config"
    )


def test_a_file_that_is_closed_to_this_user_is_a_fault_of_the_configuration() -> None:
    """And none of the command line: systemd must not try it again and again."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    with short_folder() as folder:
        path = Path(folder, "stirmilter.toml")
        path.parent.chmod(0o711)
        path.touch(mode=0o600)

        def run() -> None:
            context = daemon.run.make_context("run", ["--config", str(path)])
            config.load(context.params["path"])

        told = as_nobody(run)

    assert told == f"{path}: Permission denied; it is for root and the daemon's user"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path}: Is a directory"):
        config.load(tmp_path)


def test_a_file_of_other_octets_is_no_text(path: Path) -> None:
    path.write_bytes(b"[milter]\nauthserv_id = '\xff'\n")

    with pytest.raises(ConfigError, match=r"not UTF-8 \(at line 2\)"):
        config.load(path)

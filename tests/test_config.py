"""The configuration file: what is accepted, and every fault with its remedy."""

import socket
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from stirmilter import config
from stirmilter.config import Config
from stirmilter.errors import ConfigError

SIGNER = """
[[signer]]
name = "one"
key = "keys/one.key"
chain = "www/one.pem"
x5u = "https://certs.example/one.pem"
numbers = ["+1202555*"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stirmilter.toml"


def load(path: Path, text: str) -> Config:
    path.write_text(text)
    return config.load(path)


def faults(path: Path, text: str) -> dict[str, str]:
    """Return what is wrong with a file: the dotted path, and what is said about it."""
    with pytest.raises(ConfigError) as caught:
        load(path, text)
    return {
        where.removeprefix(f"{path}: "): problem
        for where, problem in caught.value.faults
    }


def test_an_empty_file_is_a_configuration(path: Path) -> None:
    found = load(path, "")

    assert found.signer == ()
    assert found.sign.clients == ()
    assert found.verify.anchors == ()
    assert found.fetch.laboratory is False
    assert found.milter.authserv_id == socket.getfqdn()


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
    assert found.signer[1].key == Path("keys/two.key")
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
        "signer.0.numbers",
        "signer.0.x5u",
        "signer.0.x5",
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
    assert second.startswith(f"{path}: verify.freshness: expected a valid number")
    assert second.endswith(", found '1d'")


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
            "signer.0.chian",
            "no such setting; did you mean chain?",
            id="misspelled-in-a-list",
        ),
        pytest.param(
            "[replay]\nxyz = 1",
            "replay.xyz",
            "no such setting; known: limit, store",
            id="like-nothing-known",
        ),
        pytest.param(
            "xyz = 1",
            "xyz",
            "no such setting; known: fetch, limits, log, milter, replay, sign, signer,"
            " verify",
            id="section-like-nothing-known",
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
def test_a_signer_has_no_defaults(path: Path, missing: str) -> None:
    lines = [line for line in SIGNER.splitlines() if not line.startswith(missing)]

    found = faults(path, "\n".join(lines))

    assert found == {f"signer.0.{missing}": "missing; it has no default"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("[milter]\nsockets = []", "milter.sockets", id="no-socket"),
        pytest.param(
            '[milter]\nsocket_mode = "rw"', "milter.socket_mode", id="no-mode"
        ),
        pytest.param(
            '[milter]\nsocket_mode = "0888"', "milter.socket_mode", id="no-octal"
        ),
        pytest.param(
            "[milter]\nsocket_mode = 660", "milter.socket_mode", id="mode-as-int"
        ),
        pytest.param('[milter]\nauthserv_id = ""', "milter.authserv_id", id="empty-id"),
        pytest.param("[milter]\nworkers = -1", "milter.workers", id="negative-workers"),
        pytest.param("[milter]\nthreads = 0", "milter.threads", id="no-threads"),
        pytest.param(
            "[milter]\nmessage_seconds = 0", "milter.message_seconds", id="no-time"
        ),
        pytest.param("[milter]\nbacklog = 1.5", "milter.backlog", id="half-a-client"),
        pytest.param("milter = 1", "milter", id="section-as-a-value"),
        pytest.param('[sign]\nlogins = "perhaps"', "sign.logins", id="perhaps-logins"),
        pytest.param('[sign]\nclients = "127.0.0.1"', "sign.clients", id="no-list"),
        pytest.param('[sign]\ndigest = "md5"', "sign.digest", id="weak-digest"),
        pytest.param(
            '[sign]\ndigest = "SHA256"', "sign.digest", id="digest-in-capitals"
        ),
        pytest.param(
            '[sign]\nheader = "PASSporT:"', "sign.header", id="colon-in-a-name"
        ),
        pytest.param(
            '[sign]\nheader = "X\\r\\nY"', "sign.header", id="line-end-in-a-name"
        ),
        pytest.param('[sign]\nheader = "X Y"', "sign.header", id="space-in-a-name"),
        pytest.param(
            '[sign]\nheader = "\u00c4"', "sign.header", id="name-outside-ascii"
        ),
        pytest.param('[sign]\nheader = ""', "sign.header", id="empty-name"),
        pytest.param(
            '[sign]\non_failure = "reject"', "sign.on_failure", id="no-action"
        ),
        pytest.param("[sign]\noldest_date = -1", "sign.oldest_date", id="negative-age"),
        pytest.param("[verify]\nfreshness = 0", "verify.freshness", id="no-freshness"),
        pytest.param("[verify]\nfreshness = nan", "verify.freshness", id="nan"),
        pytest.param("[verify]\nskew = -1", "verify.skew", id="negative-skew"),
        pytest.param("[verify]\nheaders = []", "verify.headers", id="no-field-to-read"),
        pytest.param(
            '[verify]\nheaders = ["A", "b c"]', "verify.headers.1", id="bad-field"
        ),
        pytest.param('[verify]\nspc = "maybe"', "verify.spc", id="undecided"),
        pytest.param('[verify]\nmethod = "a_b"', "verify.method", id="underscore"),
        pytest.param(
            '[verify]\nmethod = "stir; dkim"', "verify.method", id="two-methods"
        ),
        pytest.param("[fetch]\nports = [0]", "fetch.ports.0", id="port-zero"),
        pytest.param(
            "[fetch]\nports = [443, 65536]", "fetch.ports.1", id="port-beyond"
        ),
        pytest.param("[fetch]\nseconds = 0", "fetch.seconds", id="no-time-to-fetch"),
        pytest.param("[fetch]\noctets = 0", "fetch.octets", id="no-octets"),
        pytest.param("[replay]\nlimit = 0", "replay.limit", id="no-keys"),
        pytest.param('[replay]\nstore = ""', "replay.store", id="no-store"),
        pytest.param('[replay]\nstore = "sqlite:"', "replay.store", id="no-file"),
        pytest.param('[replay]\nstore = "memory:x"', "replay.store", id="named-memory"),
        pytest.param(
            '[replay]\nstore = "redis://h"', "replay.store", id="no-redis-yet"
        ),
        pytest.param("[limits]\npassports = 0", "limits.passports", id="no-passports"),
        pytest.param("[limits]\ntoken = -1", "limits.token", id="negative-length"),
        pytest.param('[log]\nlevel = "loud"', "log.level", id="no-level"),
        pytest.param('[log]\nnumbers = "none"', "log.numbers", id="no-kind-of-number"),
        pytest.param(
            SIGNER.replace('"one"', '"o/e"'), "signer.0.name", id="slash-in-a-name"
        ),
        pytest.param(
            SIGNER.replace('"one"', f'"{"x" * 61}"'), "signer.0.name", id="long-name"
        ),
        pytest.param(
            SIGNER.replace('"one"', '"one\\n"'),
            "signer.0.name",
            id="name-with-a-line-end",
        ),
        pytest.param(
            SIGNER.replace('["+1202555*"]', "[]"), "signer.0.numbers", id="no-numbers"
        ),
        pytest.param(
            SIGNER.replace('["+1202555*"]', '["+1202555*", 12025550123]'),
            "signer.0.numbers.1",
            id="number-as-int",
        ),
    ],
)
def test_a_value_out_of_bounds_is_refused(path: Path, text: str, where: str) -> None:
    found = faults(path, text)

    assert found.keys() == {where}
    assert found[where].startswith("expected ")
    assert ", found " in found[where]


@pytest.mark.parametrize(
    "socket_",
    [
        pytest.param("/run/stirmilter.sock", id="path-alone"),
        pytest.param("unix:run/stirmilter.sock", id="relative-path"),
        pytest.param("unix:", id="no-path"),
        pytest.param("local:/run/stirmilter.sock", id="sendmails-word"),
        pytest.param("inet:8891", id="no-address"),
        pytest.param("inet:@127.0.0.1", id="no-port"),
        pytest.param("inet:0@127.0.0.1", id="port-zero"),
        pytest.param("inet:65536@127.0.0.1", id="port-beyond"),
        pytest.param("inet:milter@127.0.0.1", id="port-by-name"),
        pytest.param("127.0.0.1:8891", id="the-other-way-round"),
        pytest.param("inet:8891@127.0.0.1\\n", id="line-end"),
    ],
)
def test_a_socket_of_another_form_is_refused(path: Path, socket_: str) -> None:
    found = faults(path, f'[milter]\nsockets = ["unix:/a", "{socket_}"]')

    assert "unix:/path, inet:port@address" in found["milter.sockets.1"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param('[sign]\nclients = ["x"]', "sign.clients.0", id="union"),
        pytest.param('[milter]\nsockets = ["x"]', "milter.sockets.0", id="sole-socket"),
        pytest.param('[verify]\nheaders = ["a b"]', "verify.headers.0", id="sole-name"),
        pytest.param('[sign]\ndigest = "md5"', "sign.digest", id="words-of-ours"),
    ],
)
def test_a_fault_is_told_once_in_words_for_operators(
    path: Path, text: str, where: str
) -> None:
    found = faults(path, text)

    assert found.keys() == {where}
    assert found[where].count("expected") == 1
    assert "Input" not in found[where]


@pytest.mark.parametrize(
    "authserv_id",
    [
        pytest.param("mx example", id="space"),
        pytest.param("mx.example;", id="semicolon"),
        pytest.param("mx.example\\nX-Evil: 1", id="line-end"),
        pytest.param("(mx.example)", id="comment"),
    ],
)
def test_an_id_that_no_field_can_carry_is_refused(path: Path, authserv_id: str) -> None:
    """Written as it is, it spoils the field; and nobody's forged field would match."""
    found = faults(path, f'[milter]\nauthserv_id = "{authserv_id}"')

    assert found.keys() == {"milter.authserv_id"}


def test_a_daemon_without_a_name_is_refused(path: Path) -> None:
    """Every session that Postfix gives no name to would be outgoing."""
    found = faults(path, '[sign]\ndaemon_names = [""]')

    assert found.keys() == {"sign.daemon_names.0"}


@pytest.mark.parametrize(
    "clients",
    [
        pytest.param('["x"]', id="no-address"),
        pytest.param('["127.0.0.1/8"]', id="host-bits-set"),
        pytest.param('["127.0.0.0/33"]', id="prefix-too-long"),
        pytest.param('["mx.example"]', id="name"),
    ],
)
def test_clients_are_networks(path: Path, clients: str) -> None:
    found = faults(path, f"[sign]\nclients = {clients}")

    assert all(where.startswith("sign.clients.0") for where in found)


def test_a_long_value_is_not_told_in_full(path: Path) -> None:
    found = faults(path, f'[log]\nlevel = "{"x" * 5000}"')

    assert len(found["log.level"]) <= 300


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


def test_a_missing_file_is_told_with_the_option_that_names_it(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(path)

    assert str(caught.value) == (
        f"{path}: No such file or directory; name the file with --config"
    )


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path}: Is a directory"):
        config.load(tmp_path)


def test_a_file_of_other_octets_is_no_text(path: Path) -> None:
    path.write_bytes(b"[milter]\nauthserv_id = '\xff'\n")

    with pytest.raises(ConfigError, match="not UTF-8"):
        config.load(path)

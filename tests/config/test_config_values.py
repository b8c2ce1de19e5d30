"""The values of a configuration: what is out of bounds, and what is said of it."""

from pathlib import Path

import pytest

from tests.config.files import SIGNER, faults


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
        pytest.param(
            '[fetch]\nallow = ["a.example", "*.b.example"]', "fetch.allow.1", id="star"
        ),
        pytest.param(
            '[fetch]\ndeny = ["192.0.2.1/24"]', "fetch.deny.0", id="host-bits"
        ),
        pytest.param(
            '[fetch]\ndeny = "a.example"', "fetch.deny", id="no-list-of-hosts"
        ),
        pytest.param("[fetch]\nhosts = 0", "fetch.hosts", id="no-hosts"),
        pytest.param(
            "[fetch]\nhost_concurrency = 0", "fetch.host_concurrency", id="no-places"
        ),
        pytest.param(
            "[fetch]\nhost_wait_seconds = -1", "fetch.host_wait_seconds", id="no-wait"
        ),
        pytest.param("[fetch]\nseconds = 0", "fetch.seconds", id="no-time-to-fetch"),
        pytest.param("[fetch]\noctets = 0", "fetch.octets", id="no-octets"),
        pytest.param("[replay]\nlimit = 0", "replay.limit", id="no-keys"),
        pytest.param('[replay]\nstore = ""', "replay.store", id="no-store"),
        pytest.param('[replay]\nstore = "sqlite:"', "replay.store", id="no-file"),
        pytest.param('[replay]\nstore = "memory:x"', "replay.store", id="named-memory"),
        pytest.param('[replay]\nstore = "redis:h"', "replay.store", id="no-redis"),
        pytest.param('[replay]\nprefix = "a b"', "replay.prefix", id="blank"),
        pytest.param('[replay]\non_failure = "x"', "replay.on_failure", id="no-way"),
        pytest.param('[journal]\npath = "a\\u0000"', "journal.path", id="nul-in-path"),
        pytest.param("[journal]\ndays = 0", "journal.days", id="no-days"),
        pytest.param("[journal]\ndays = 1e6", "journal.days", id="thousands-of-years"),
        pytest.param("[journal]\nmegabytes = 3", "journal.megabytes", id="too-small"),
        pytest.param("[journal]\nqueue = 0", "journal.queue", id="no-queue"),
        pytest.param(
            "[journal]\nflush_seconds = 0", "journal.flush_seconds", id="no-pause"
        ),
        pytest.param(
            '[journal]\nnumbers = "none"', "journal.numbers", id="other-numbers"
        ),
        pytest.param(
            '[metrics]\nlisten = "127.0.0.1:9815"', "metrics.listen", id="no-kind"
        ),
        pytest.param(
            '[metrics]\nlisten = "unix:/run/m"', "metrics.listen", id="unix-metrics"
        ),
        pytest.param(
            '[metrics]\nlisten = "inet:0@127.0.0.1"', "metrics.listen", id="port-none"
        ),
        pytest.param("[limits]\npassports = 0", "limits.passports", id="no-passports"),
        pytest.param("[limits]\ntoken = -1", "limits.token", id="negative-length"),
        pytest.param('[log]\nlevel = "loud"', "log.level", id="no-level"),
        pytest.param('[log]\nnumbers = "none"', "log.numbers", id="no-kind-of-number"),
        pytest.param(
            SIGNER.replace('"one"', '"o/e"'),
            "signer.0 (o/e).name",
            id="slash-in-a-name",
        ),
        pytest.param(
            SIGNER.replace('"one"', f'"{"x" * 61}"'),
            f"signer.0 ({'x' * 60}).name",
            id="long-name",
        ),
        pytest.param(
            SIGNER.replace('"one"', '"one\\n"'),
            "signer.0.name",
            id="name-with-a-line-end",
        ),
        pytest.param(
            SIGNER.replace('["+1202555*"]', "[]"),
            "signer.0 (one).numbers",
            id="no-numbers",
        ),
        pytest.param(
            SIGNER.replace('["+1202555*"]', '["+1202555*", 12025550123]'),
            "signer.0 (one).numbers.1",
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

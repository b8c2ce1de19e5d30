"""What check has to say about a configuration that can be built."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from stirmilter import dkimfindings, findings, runtime
from stirmilter.findings import Finding
from stirmilter.runtime import Runtime
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, NOW
from tests.redis_server import RedisServerProcess
from tests.runtime.configurations import YEARS, Change, Configured


def signer(ca: TestCA, name: str, **others: object) -> Change:
    """Name the files of another signer of the test CA."""
    files = ca.files(name)
    change = {"name": name, "key": str(files.key), "chain": str(files.chain), **others}
    return {f"signer.0.{key}": value for key, value in change.items()}


def found(built: Runtime, now: datetime = NOW) -> list[Finding]:
    return [f for f in findings.findings(built, now) if f.level != "ok"]


@pytest.mark.conformance("O-03")
def test_nothing_is_wrong_with_a_good_configuration(configured: Configured) -> None:
    built = runtime.build(configured())

    assert list(findings.findings(built, NOW)) == [
        Finding("ok", "signer one", f"may speak for +{ALICE}"),
        Finding("ok", "verify", "1 trust anchor"),
        Finding(
            "ok", "revocation", "crl_issuers is empty: no indirect list can be believed"
        ),
        Finding("ok", "milter.authserv_id", "mx.example"),
    ]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        pytest.param(
            {"milter.authserv_id": "localhost"},
            Finding(
                "warning",
                "milter.authserv_id",
                "localhost: no full host name; set it",
            ),
            id="name-of-the-machine",
        ),
        pytest.param(
            {"milter.socket_group": "nosuchgroup"},
            Finding(
                "error",
                "milter.socket_group",
                "no such group: nosuchgroup",
                "apt-get install postfix; or milter.socket_group = the group that"
                " Postfix runs as",
            ),
            id="group-of-the-socket",
        ),
        pytest.param(
            {"milter.socket_owner": "nosuchuser"},
            Finding(
                "error",
                "milter.socket_owner",
                "no such user: nosuchuser",
                'milter.socket_owner = ""  # the daemon\'s own user',
            ),
            id="owner-of-the-socket",
        ),
        pytest.param(
            {"milter.progress_seconds": 300.0},
            Finding(
                "warning",
                "milter.progress_seconds",
                "Postfix gives up after 300 s without a sign of life",
            ),
            id="signs-of-life-too-rare",
        ),
        pytest.param(
            {"milter.message_seconds": 600.0},
            Finding(
                "warning",
                "milter.message_seconds",
                "SMTP clients give up after 600 s without an answer",
            ),
            id="answers-too-late",
        ),
        pytest.param(
            {"milter.workers": 2},
            Finding(
                "warning",
                "replay.store",
                "memory: is not shared: a replay that another worker meets passes",
            ),
            id="memory-of-each-worker",
        ),
        pytest.param(
            {"signer.0.numbers": ["@empty"]},
            Finding("error", "signer one", "its numbers are an empty list"),
            id="empty-list-of-numbers",
        ),
    ],
)
def test_check_finds_what_would_fail_later(
    configured: Configured, tmp_path: Path, change: Change, finding: Finding
) -> None:
    (tmp_path / "empty").write_text("# none yet\n")

    assert found(runtime.build(configured(change))) == [finding]


def test_no_group_and_no_unix_socket_is_no_finding(configured: Configured) -> None:
    for change in (
        {"milter.socket_group": ""},
        {"milter.sockets": ["inet:8891@127.0.0.1"], "milter.socket_group": "nosuch"},
    ):
        assert found(runtime.build(configured(dict(change)))) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        pytest.param(
            {"signer.0.numbers": ["+12025550199"]},
            Finding(
                "error", "signer one", "the certificate does not cover +12025550199"
            ),
            id="number-not-covered",
        ),
        pytest.param(
            {"signer.0.numbers": [f"+{ALICE}", "+12025550120-+12025550129"]},
            Finding(
                "error",
                "signer one",
                "the certificate does not cover +12025550120-+12025550129",
            ),
            id="range-covered-in-part",
        ),
        pytest.param(
            {"signer.0.numbers": [f"+1202555019{n}" for n in range(5)]},
            Finding(
                "error",
                "signer one",
                "the certificate does not cover +12025550190, +12025550191,"
                " +12025550192 and 2 more",
            ),
            id="many-not-covered",
        ),
        pytest.param(
            {"sign.clients": []},
            Finding(
                "warning",
                "sign",
                "no clients, logins, daemon_names or tls_names: nothing is signed",
            ),
            id="nobody-whose-mail-is-signed",
        ),
        pytest.param(
            {"verify.anchors": []},
            Finding(
                "warning",
                "verify.anchors",
                "none: no PASSporT can pass verification",
                "stirmilter trust import SOURCE --out FILE; then verify.anchors ="
                " [FILE]",
            ),
            id="no-anchors",
        ),
        pytest.param(
            {"fetch.laboratory": True},
            Finding(
                "warning", "fetch.laboratory", "true: never on a machine with mail"
            ),
            id="laboratory",
        ),
    ],
)
def test_check_finds(configured: Configured, change: Change, finding: Finding) -> None:
    assert found(runtime.build(configured(change))) == [finding]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"signer.0.numbers": ["+1202*"]}, id="prefix"),
        pytest.param({"sign.clients": [], "sign.logins": True}, id="logins-alone"),
        pytest.param({"sign.clients": [], "sign.daemon_names": ["out"]}, id="daemon"),
        pytest.param({"signer": [], "sign.clients": []}, id="nothing-to-sign-with"),
    ],
)
def test_check_does_not_mind(configured: Configured, change: Change) -> None:
    assert found(runtime.build(configured(change))) == []


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        pytest.param("range", ["+12025550100-+12025550199"], id="all-of-a-range"),
        pytest.param("range", ["+12025550110-+12025550119"], id="part-of-a-range"),
        pytest.param("spc", ["+4930123456"], id="a-carriers-number-is-its-own-affair"),
    ],
)
def test_check_does_not_mind_numbers_that_are_covered(
    ca: TestCA, configured: Configured, name: str, numbers: list[str]
) -> None:
    built = runtime.build(configured(signer(ca, name, numbers=numbers)))

    assert found(built) == []


@pytest.mark.parametrize(
    ("now", "level"),
    [
        pytest.param(NOW + timedelta(days=16), None, id="sixteen-days"),
        pytest.param(NOW + timedelta(days=17), "warning", id="thirteen-days"),
        pytest.param(NOW + timedelta(days=31), "error", id="expired"),
        pytest.param(NOW - timedelta(days=1), "error", id="not-yet-valid"),
    ],
)
@pytest.mark.conformance("A-13")
def test_check_looks_at_the_time_that_is_left(
    configured: Configured, now: datetime, level: str | None
) -> None:
    about = [f for f in found(runtime.build(configured()), now) if "valid" in f.text]

    assert [f.level for f in about][:1] == ([level] if level else [])
    assert all("CN=SHAKEN one" in f.text for f in about[:1])


def test_check_holds_a_signer_against_our_own_anchors(
    ca: TestCA, configured: Configured
) -> None:
    [finding] = found(runtime.build(configured(signer(ca, "untrusted"))))

    assert finding.level == "error"
    assert finding.subject == "signer untrusted"
    assert finding.text.startswith(
        "our own anchors refuse it; is the chain complete? no path"
    )


def test_check_finds_a_signers_chain_among_the_anchors(
    ca: TestCA, configured: Configured
) -> None:
    """Of its two certificates one is no authority; the other would be an anchor."""
    chain = str(ca.files("one").chain)

    [finding] = found(runtime.build(configured({"verify.anchors": [chain]})))

    assert (finding.level, finding.subject) == ("warning", "verify.anchors")
    assert finding.text.startswith("no CA certificate: CN=SHAKEN one")
    assert finding.remedy.startswith("verify.anchors = the roots")


def test_check_finds_an_anchor_that_has_expired(configured: Configured) -> None:
    built = runtime.build(configured({"signer": []}))

    [finding] = found(built, NOW + 11 * YEARS)

    assert (finding.level, finding.subject) == ("warning", "verify.anchors")
    assert "CN=Laboratory STI Root" in finding.text


# The server that holds the replay keys


def told(configured: Configured, url: str) -> list[tuple[str, str]]:
    config = configured({"replay.store": url, "replay.seconds": 30.0})
    return [(one.level, one.text) for one in findings.replay_findings(config)]


def test_a_replay_store_of_this_machine_needs_no_look(configured: Configured) -> None:
    assert told(configured, "memory:") == []
    assert told(configured, "sqlite:r.sqlite") == []


def test_a_replay_server_that_evicts_is_an_error(
    configured: Configured, own_redis: Callable[..., RedisServerProcess]
) -> None:
    [(level, text)] = told(
        configured, own_redis("--maxmemory-policy", "volatile-ttl").url
    )

    assert level == "error"
    assert text.endswith("maxmemory-policy is volatile-ttl; set noeviction")


def test_what_a_restart_of_the_replay_server_costs_is_said(
    configured: Configured, own_redis: Callable[..., RedisServerProcess]
) -> None:
    assert told(configured, own_redis(durable=True).url) == [
        ("ok", "the server answers and keeps every key")
    ]
    [(level, text)] = told(configured, own_redis().url)
    assert level == "ok"
    assert "appendfsync always would spare that" in text


def test_a_replay_server_that_is_down_is_an_error(configured: Configured) -> None:
    [(level, text)] = told(configured, "redis://:s3cret@127.0.0.1:1/0")

    assert level == "error"
    assert text.startswith("replay store: redis://127.0.0.1:1/0: ")
    assert "s3cret" not in text


NOBODY: Change = {"submitter": []}
OPEN = "no [[submitter]]: whoever can hand in outgoing mail can have a token made for"


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        pytest.param({}, False, id="submitters"),
        pytest.param(NOBODY, True, id="a-network"),
        pytest.param(
            NOBODY | {"sign.clients": ["192.0.2.1/32"]}, False, id="one-address"
        ),
        pytest.param(
            NOBODY | {"sign.clients": ["192.0.2.1/32", "192.0.2.2/32"]},
            True,
            id="two-addresses",
        ),
        pytest.param(
            NOBODY | {"sign.clients": ["127.0.0.1/32"]}, True, id="this-machine"
        ),
        pytest.param(
            NOBODY | {"sign.clients": ["192.0.2.1/32"], "sign.logins": True},
            True,
            id="logins",
        ),
        pytest.param(
            NOBODY | {"sign.clients": [], "sign.daemon_names": ["submission"]},
            True,
            id="a-service",
        ),
        pytest.param(
            NOBODY | {"sign.clients": [], "sign.tls_names": ["mmsc.example"]},
            False,
            id="one-certificate",
        ),
        pytest.param(
            NOBODY
            | {"sign.clients": ["192.0.2.1/32"], "sign.tls_names": ["m.example"]},
            True,
            id="an-address-or-a-certificate",
        ),
        pytest.param(NOBODY | {"signer": []}, False, id="nothing-to-sign-with"),
    ],
)
def test_who_can_have_any_number_signed_is_a_warning_with_a_remedy(
    configured: Configured, change: Change, warned: bool
) -> None:
    about = [f for f in found(runtime.build(configured(change))) if f.subject == "sign"]

    assert [one.text.startswith(OPEN) for one in about] == [True] * warned
    assert [one.level for one in about] == ["warning"] * warned
    assert all(one.remedy.startswith("a [[submitter]] for each") for one in about)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            {"dns.dmarc_seconds": 9, "dns.message_seconds": 2},
            [("dns.dmarc_seconds", "9: half of dns.message_seconds", "1")],
            id="seconds",
        ),
        pytest.param(
            {"dns.dmarc_questions": 30, "dns.questions": 59},
            [("dns.dmarc_questions", "30: half of dns.questions", "29")],
            id="questions",
        ),
        pytest.param(
            {"dns.dmarc_seconds": 5, "dns.message_seconds": 10}, [], id="half"
        ),
        pytest.param(
            {"dns.dmarc_seconds": 9, "checks.methods": ["spf"]}, [], id="no-dmarc"
        ),
    ],
)
def test_more_for_dmarc_than_there_can_be_is_a_warning(
    configured: Configured, change: Change, said: list[tuple[str, str, str]]
) -> None:
    found = list(dkimfindings.check_findings(runtime.build(configured(change))))

    assert [(one.subject, one.text.partition(" is ")[0]) for one in found] == [
        (subject, text) for subject, text, _ in said
    ]
    for one, (subject, _, half) in zip(found, said, strict=True):
        assert one.level == "warning"
        assert one.remedy == f"{subject} = {half}"

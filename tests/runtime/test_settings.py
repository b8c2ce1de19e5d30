"""From a configuration to wired objects: each setting reaches its place."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from stirmilter import config, log, runtime
from stirmilter.errors import ConfigError
from stirmilter.events import RemovedLimits
from stirmilter.mail.transaction import Connection, Header, Transaction
from stirmilter.runtime import stores
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.passport import Limits
from stirmilter.stores.again import Again
from stirmilter.stores.hosts import HostPolicy
from stirmilter.stores.journal import Journal, JournalSettings
from stirmilter.stores.redis import RedisServer
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.stores.replay.redis import RedisReplayStore
from stirmilter.stores.tiers import SqliteTier
from stirmilter.stores.urls import HostSet
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, BOB, BODY, NOW
from tests.runtime.configurations import Change, Configured
from tests.stores.events import EVENT


def test_an_empty_configuration_runs(tmp_path: Path) -> None:
    path = tmp_path / "stirmilter.toml"

    built = runtime.build(config.parse({"replay": {"store": "memory:"}}, path))

    assert built.filter.authentication.signers == ()
    assert built.anchors.certificates == ()


@pytest.mark.conformance("H-01", "A-07", "A-18")
def test_settings_reach_the_mail_filter(configured: Configured) -> None:
    policy = runtime.build(
        configured(
            {
                "sign.logins": True,
                "sign.daemon_names": ["out"],
                "sign.message_types": ["MM4_Forward.REQ", "MM4_delivery_report.REQ"],
                "sign.plain_mail": False,
                "sign.oldest_date": 60,
                "sign.on_failure": "accept",
                "sign.header": "X-Passport",
                "verify.headers": ["PASSporT", "X-Passport"],
                "verify.method": "x-stir",
            }
        )
    ).filter.policy

    assert policy.authserv_id == "mx.example"
    assert policy.networks == (ip_network("192.0.2.0/24"),)
    assert policy.logins
    assert policy.daemon_names == {"out"}
    assert policy.message_types == {"mm4_forward.req", "mm4_delivery_report.req"}
    assert policy.oldest == timedelta(minutes=1)
    assert policy.signing_failure == "accept"
    assert policy.header == "X-Passport"
    assert policy.headers == {"PASSporT", "X-Passport"}
    assert policy.method == "x-stir"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("MM4_forward.REG", id="misspelled"),
        pytest.param("forward", id="half-a-name"),
        pytest.param("", id="empty"),
        pytest.param("plain", id="sign.plain_mail"),
    ],
)
def test_a_type_of_message_that_is_none_is_refused(
    configured: Configured, name: str
) -> None:
    """Every message of the type that was meant would leave unsigned, in silence."""
    types = ["MM4_forward.REQ", name]

    with pytest.raises(ConfigError) as fault:
        runtime.build(configured({"sign.message_types": types}))

    assert (
        f": sign.message_types: {name.lower()!r} is none of mm4_delivery_report.req,"
        in str(fault.value)
    )


def test_plain_mail_is_the_empty_message_type(configured: Configured) -> None:
    policy = runtime.build(configured()).filter.policy

    assert policy.message_types == {"mm4_forward.req", ""}


@pytest.mark.conformance("M-15", "V-07", "V-08")
def test_settings_reach_the_services(configured: Configured) -> None:
    built = runtime.build(
        configured(
            {
                "sign.digest": "sha384",
                "verify.freshness": 60,
                "verify.skew": 5,
                "verify.strict": True,
                "verify.spc": "refuse",
                "limits.passports": 2,
                "limits.certificates": 3,
                "limits.token": 1000,
                "limits.json_depth": 4,
                "limits.dest": 5,
            }
        )
    ).filter
    policy = built.verification.policy

    assert built.authentication.algorithm == "sha384"
    assert built.authentication.freshness == timedelta(minutes=1)
    assert built.authentication.limits == policy.limits
    assert policy.freshness == timedelta(minutes=1)
    assert policy.skew == timedelta(seconds=5)
    assert policy.forms == ("exact",)
    assert not policy.accept_spc
    assert (policy.passports, policy.certificates) == (2, 3)
    assert policy.limits == Limits(token=1000, depth=4, dest=5)


def test_settings_reach_the_fetcher(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    shutil.copy(ca.tls_ca, tmp_path / "tls.pem")
    fetch = {
        "ports": [444],
        "tls_ca": "tls.pem",
        "seconds": 1,
        "octets": 2,
        "header_octets": 9,
        "interim": 11,
        "addresses": 3,
        "name_addresses": 10,
        "allow": [".example"],
        "deny": ["198.51.100.0/24"],
        "host_concurrency": 4,
        "address_concurrency": 5,
        "host_wait_seconds": 0,
        "host_failures": 6,
        "host_rest_seconds": 7,
        "hosts": 8,
    }
    x5u = "https://certs.example:444/one.pem"

    change: Change = {"fetch": fetch, "signer.0.x5u": x5u}
    policy = stores.fetcher(configured(change)).policy

    assert not policy.laboratory
    assert policy.ports == {444}
    assert policy.tls_ca == str(tmp_path / "tls.pem")
    assert (policy.seconds, policy.octets, policy.addresses) == (1, 2, 3)
    assert (policy.header_octets, policy.name_addresses) == (9, 10)
    assert policy.interim == 11
    assert policy.allow == HostSet.of(".example")
    assert policy.deny == HostSet.of("198.51.100.0/24")
    assert policy.hosts == HostPolicy(
        concurrency=4, address_concurrency=5, wait=0, failures=6, rest=7, hosts=8
    )


def test_settings_reach_the_replay_store(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, tuple[Any, dict[str, Any]]] = {}

    def note(kind: type) -> Callable[..., object]:
        def make(*given: object, **named: object) -> object:
            made[kind.__name__] = (given, named)
            return MemoryReplayStore()

        return make

    for kind in (MemoryReplayStore, SqliteReplayStore):
        monkeypatch.setattr(stores, kind.__name__, note(kind))
    for one in (RedisServer, RedisReplayStore):
        monkeypatch.setattr(f"{one.__module__}.{one.__name__}", note(one))
    change: Change = {
        "replay.limit": 5,
        "replay.seconds": 0.7,
        "replay.rest_seconds": 0.8,
        "replay.prefix": "p:",
        "replay.on_failure": "pass",
        "verify.freshness": 100.0,
        "verify.skew": 10.0,
    }
    before = datetime.now(UTC)
    for store in ("memory:", "sqlite:r.sqlite", "redis://127.0.0.1:1"):
        built = runtime.build(configured({**change, "replay.store": store}))
        assert built.filter.verification.replays.on_failure == "pass"

    kept = timedelta(seconds=111)
    given, named = made["MemoryReplayStore"]
    assert given == (5, kept)
    assert before <= named["since"]() <= datetime.now(UTC)
    assert named["skew"] == timedelta(seconds=10)
    given, named = made["SqliteReplayStore"]
    assert given[1:] == (5, kept)
    assert named["seconds"] == 0.7
    assert before <= named["since"]() <= datetime.now(UTC)
    given, named = made["RedisServer"]
    assert given == ("replay store", "redis://127.0.0.1:1")
    assert named == {"seconds": 0.7, "pause": 0.8}
    given, named = made["RedisReplayStore"]
    assert given[1] == kept
    assert named["prefix"] == "p:"
    assert before <= named["since"]() <= datetime.now(UTC)


def test_settings_reach_what_is_kept(configured: Configured) -> None:
    fetch = {
        "store": "sqlite:c.sqlite",
        "octets": 1,
        "floor_seconds": 0,
        "cache_seconds": 3,
        "ceiling_seconds": 4,
        "stale_seconds": 0,
        "failure_seconds": 6,
        "again_seconds": 12,
        "again_waiting": 13,
        "cache_entries": 7,
        "cache_octets": 1600,
        "concurrency": 9,
        "waiting": 10,
        "store_rest_seconds": 11,
    }

    built = runtime.build(configured({"fetch": fetch, "limits.certificates": 4}))

    chains, documents = built.certificates, built.certificates._documents
    kind, tier = chains._kind, documents._tier
    assert isinstance(tier, SqliteTier)
    assert (kind.octets, kind.floor, kind.default, kind.ceiling) == (1, 0, 3, 4)
    assert (kind.stale, kind.failure) == (0, 6)
    assert chains._read.keywords == {"limit": 4}
    assert (chains._parsed._entries, chains._parsed._octets) == (7, 100)
    assert (documents._memory._entries, documents._memory._octets) == (7, 1600)
    assert documents._failures._entries == 7
    assert documents._places._value == 9
    assert documents._pause == 11
    assert (tier._entries, tier._octets) == (7, 1600)
    assert built.prefetcher._waiting == 10
    credentials = built.filter.verification.credentials
    assert credentials.repository is built.prefetcher
    again = credentials._again
    assert isinstance(again, Again)
    assert again._store is chains
    assert (again._seconds, again._turns._seconds, again._turns._entries) == (12, 12, 7)
    assert again._fetches._places._value == again._fetches._fetches == 13


def test_no_chain_is_asked_for_before_its_time_without_an_interval(
    configured: Configured,
) -> None:
    built = runtime.build(configured({"fetch.again_seconds": 0}))

    assert built.filter.verification.credentials._again is None


def test_what_one_signs_another_verifies(ca: TestCA, configured: Configured) -> None:
    """Everything wired, over https."""
    laboratory: Change = {"fetch": {"laboratory": True, "tls_ca": str(ca.tls_ca)}}
    with ca.publish() as base:
        x5u: Change = {"signer.0.x5u": f"{base}/one.pem"}
        # What is signed was signed long ago, and a new store would know nothing of it.
        replays = MemoryReplayStore()
        built = runtime.build(configured({**laboratory, **x5u}), replays)
        built.filter.clock = lambda: NOW
        headers = (
            Header("From", f"+{ALICE}".encode()),
            Header("To", f"+{BOB}".encode()),
            Header("Date", b"Fri, 02 Jan 2026 12:00:00 +0000"),
        )
        sent = Transaction(
            connection=Connection(client=ip_address("192.0.2.1")),
            sender=f"<+{ALICE}>",
            recipients=(f"<+{BOB}>",),
            headers=headers,
            body=digest_body(BODY),
        )
        [(name, value)] = built.filter.decide(sent).insert
        received = replace(
            sent,
            connection=Connection(client=ip_address("198.51.100.1")),
            headers=(Header(name, value.encode()), *headers),
        )

        decision = built.filter.decide(received)

    assert decision.event.reason == "verified"


def test_settings_reach_the_journal(configured: Configured, tmp_path: Path) -> None:
    journal: Change = {
        "journal": {
            "path": "j.sqlite",
            "days": 1.5,
            "megabytes": 4,
            "queue": 7,
            "flush_seconds": 2.5,
            "lock_seconds": 3.5,
            "removed_fields": 8,
            "removed_characters": 17,
            "numbers": "full",
        }
    }
    lost: list[int] = []

    made = stores.recorder(configured(journal), lost.append)

    assert made is not None
    assert (made._settings.queue, made._settings.seconds) == (7, 2.5)
    assert not (tmp_path / "j.sqlite").exists()
    opened = made._open()
    assert isinstance(opened, Journal)
    assert opened._settings == JournalSettings(
        age=timedelta(days=1.5),
        octets=4 << 20,
        full_numbers=True,
        removed=RemovedLimits(fields=8, characters=17),
        seconds=3.5,
    )
    built = runtime.build(configured(journal)).filter
    assert built.policy.removed == opened._settings.removed
    assert (tmp_path / "j.sqlite").exists()
    for _ in range(8):
        made(EVENT)
    made.flush()
    assert lost == [1]


def test_an_empty_path_is_no_journal(configured: Configured) -> None:
    assert stores.recorder(configured({"journal.path": ""}), print) is None


def test_a_journal_that_was_broken_is_told(
    configured: Configured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "j.sqlite").write_bytes(b"this was a journal once" * 400)
    made = stores.recorder(configured({"journal.path": "j.sqlite"}), print)
    assert made is not None
    made(EVENT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log.logger, "handlers", [])
        patch.setattr(log.logger, "propagate", False)
        log.configure("info")
        made.flush()

    assert "ERROR journal: was broken, and begins anew" in capsys.readouterr().err

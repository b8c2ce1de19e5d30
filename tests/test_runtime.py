"""From a configuration to wired objects, and what is said when that cannot be done."""

import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from stirmilter import config, runtime, testca
from stirmilter.config import Config
from stirmilter.errors import ConfigError
from stirmilter.mail.transaction import Connection, Header, Transaction
from stirmilter.runtime import Finding, Runtime
from stirmilter.stir import hazmat
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.passport import Limits
from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, BOB, BODY, NOW

X5U = "https://certs.example/one.pem"
YEARS = timedelta(days=365)

Change = dict[str, object]
Configured = Callable[..., Config]


@pytest.fixture
def configured(ca: TestCA, tmp_path: Path) -> Configured:
    """Make a configuration with one signer, in `tmp_path`, changed by dotted paths."""

    def configured(change: Change | None = None) -> Config:
        files = ca.files("one")
        table: dict[str, Any] = {
            "milter": {"authserv_id": "mx.example"},
            "sign": {"clients": ["192.0.2.0/24"]},
            "signer": [
                {
                    "name": "one",
                    "key": str(files.key),
                    "chain": str(files.chain),
                    "x5u": X5U,
                    "numbers": [f"+{ALICE}"],
                }
            ],
            "verify": {"anchors": [str(ca.anchors)]},
            "replay": {"store": "memory:"},
        }
        for dotted, value in (change or {}).items():
            place: Any = table
            *above, last = (int(p) if p.isdigit() else p for p in dotted.split("."))
            for part in above:
                place = (
                    place[part] if isinstance(part, int) else place.setdefault(part, {})
                )
            place[last] = value
        return config.parse(table, tmp_path / "stirmilter.toml")

    return configured


def signer(ca: TestCA, name: str, **others: object) -> Change:
    """Name the files of another signer of the test CA."""
    files = ca.files(name)
    change = {"name": name, "key": str(files.key), "chain": str(files.chain), **others}
    return {f"signer.0.{key}": value for key, value in change.items()}


# What is built


def test_an_empty_configuration_runs(tmp_path: Path) -> None:
    path = tmp_path / "stirmilter.toml"

    built = runtime.build(config.parse({"replay": {"store": "memory:"}}, path))

    assert built.filter.authentication.signers == ()
    assert built.anchors.certificates == ()


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


def test_plain_mail_is_the_empty_message_type(configured: Configured) -> None:
    policy = runtime.build(configured()).filter.policy

    assert policy.message_types == {"mm4_forward.req", ""}


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
    fetch = {"ports": [444], "tls_ca": "tls.pem", "seconds": 1, "octets": 2}

    policy = runtime._fetch_policy(configured({"fetch": fetch}))

    assert not policy.laboratory
    assert policy.ports == {444}
    assert policy.tls_ca == str(tmp_path / "tls.pem")
    assert (policy.seconds, policy.octets) == (1, 2)


def test_settings_reach_the_stores(configured: Configured) -> None:
    fetch = {"cache_seconds": 1, "failure_seconds": 2, "cache_entries": 3}
    change: Change = {"fetch": fetch, "limits.certificates": 4, "replay.limit": 5}

    built = runtime.build(configured(change))
    on_disk = runtime.build(configured({**change, "replay.store": "sqlite:r.sqlite"}))

    chains, replays = built.certificates, built.filter.verification.replays
    assert (chains._seconds, chains._failure_seconds) == (1, 2)
    assert (chains._entries, chains._certificates) == (3, 4)
    assert isinstance(replays, MemoryReplayStore)
    assert replays._limit == 5
    replays = on_disk.filter.verification.replays
    assert isinstance(replays, SqliteReplayStore)
    assert replays._pages == 16


def test_a_file_is_found_beside_the_configuration(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    shutil.copy(ca.files("one").key, tmp_path / "my.key")
    shutil.copy(ca.files("one").chain, tmp_path / "my.pem")
    shutil.copy(ca.anchors, tmp_path / "my-root.pem")
    change = {
        "signer.0.key": "my.key",
        "signer.0.chain": "my.pem",
        "verify.anchors": ["my-root.pem"],
    }

    built = runtime.build(configured(change))

    assert len(built.anchors.certificates) == 1
    assert built.filter.authentication.signers[0].name == "one"


def test_anchors_of_several_files_are_all_trusted(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    untrusted = ca.folder / "untrusted-root.pem"
    both = tmp_path / "both.pem"
    both.write_bytes(ca.anchors.read_bytes() + untrusted.read_bytes())

    built = runtime.build(configured({"verify.anchors": [str(both), str(untrusted)]}))

    assert len(built.anchors.certificates) == 3


def test_numbers_may_stand_in_a_file(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text(
        f"# ours\n\n+{ALICE}   # Alice\r\n  +1312555*\n+12025550100-+12025550109"
    )

    built = runtime.build(configured({"signer.0.numbers": ["@numbers.txt", "+1999*"]}))

    numbers = built.filter.authentication.signers[0].numbers
    for served in (ALICE, BOB, "12025550105", "19995550100"):
        assert served in numbers
    assert "12025550110" not in numbers


@pytest.mark.parametrize(
    ("store", "kind"),
    [
        pytest.param("memory:", MemoryReplayStore, id="memory"),
        pytest.param("sqlite:replay.sqlite", SqliteReplayStore, id="sqlite"),
    ],
)
def test_the_replay_store_is_the_configured_one(
    configured: Configured, tmp_path: Path, store: str, kind: type
) -> None:
    built = runtime.build(configured({"replay.store": store}))

    assert type(built.filter.verification.replays) is kind
    assert (tmp_path / "replay.sqlite").exists() is (kind is SqliteReplayStore)


def test_another_replay_store_may_be_given(
    configured: Configured, tmp_path: Path
) -> None:
    mine = MemoryReplayStore()

    built = runtime.build(configured({"replay.store": "sqlite:r.sqlite"}), mine)

    assert built.filter.verification.replays is mine
    assert not (tmp_path / "r.sqlite").exists()


def test_what_one_signs_another_verifies(ca: TestCA, configured: Configured) -> None:
    """Everything wired, over https."""
    laboratory: Change = {"fetch": {"laboratory": True, "tls_ca": str(ca.tls_ca)}}
    with ca.publish() as base:
        x5u: Change = {"signer.0.x5u": f"{base}/one.pem"}
        built = runtime.build(configured({**laboratory, **x5u}))
        built.filter.clock = lambda: NOW
        headers = (
            Header("From", f"+{ALICE}".encode()),
            Header("To", f"+{BOB}".encode()),
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


# What cannot be built


@pytest.fixture
def files(ca: TestCA, tmp_path: Path) -> None:
    """Put files that are no good beside the configuration."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    plain = serialization.NoEncryption()
    another = ec.generate_private_key(ec.SECP256R1())
    for name, octets in {
        "another.key": another.private_bytes(*form, plain),
        "encrypted.key": another.private_bytes(
            *form, serialization.BestAvailableEncryption(b"secret")
        ),
        "p384.key": ec.generate_private_key(ec.SECP384R1()).private_bytes(*form, plain),
        "rsa.key": rsa.generate_private_key(65537, 2048).private_bytes(*form, plain),
        "ed25519.key": Ed25519PrivateKey.generate().private_bytes(*form, plain),
    }.items():
        (tmp_path / name).write_bytes(octets)
    (tmp_path / "garbage").write_text("garbage")
    (tmp_path / "empty").touch()
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    for mode in ("0604", "0644", "0620", "0602"):
        shutil.copy(ca.files("one").key, tmp_path / mode)
        (tmp_path / mode).chmod(int(mode, 8))
    chain = ca.files("one").chain.read_bytes()
    (tmp_path / "cut.pem").write_bytes(chain[:100])
    (tmp_path / "long.pem").write_bytes(chain * 4)
    (tmp_path / "bad.txt").write_text("+12025550123\n12025550124 # no plus\n")


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        pytest.param(
            {"signer.0.key": "another.key"},
            "signer.0 (one).key",
            "another.key is not the key of the first certificate in ",
            id="key-of-another-certificate",
        ),
        pytest.param(
            {"signer.0.key": "p384.key"},
            "signer.0 (one).key",
            "p384.key: not a P-256 key, which ES256 needs",
            id="key-on-p-384",
        ),
        pytest.param(
            {"signer.0.key": "rsa.key"},
            "signer.0 (one).key",
            "rsa.key: not a P-256 key",
            id="rsa-key",
        ),
        pytest.param(
            {"signer.0.key": "ed25519.key"},
            "signer.0 (one).key",
            "ed25519.key: not a P-256 key",
            id="ed25519-key",
        ),
        pytest.param(
            {"signer.0.key": "encrypted.key"},
            "signer.0 (one).key",
            "encrypted.key: not an unencrypted PEM key",
            id="encrypted-key",
        ),
        pytest.param(
            {"signer.0.key": "garbage"},
            "signer.0 (one).key",
            "garbage: not an unencrypted PEM key",
            id="no-key-at-all",
        ),
        pytest.param(
            {"signer.0.key": "missing"},
            "signer.0 (one).key",
            "missing: No such file or directory",
            id="key-missing",
        ),
        *(
            pytest.param(
                {"signer.0.key": mode},
                "signer.0 (one).key",
                f"{mode} has mode {mode}: others may read or change it; chmod 0640",
                id=f"key-with-mode-{mode}",
            )
            for mode in ("0604", "0644", "0620", "0602")
        ),
        pytest.param(
            {"signer.0.chain": "garbage"},
            "signer.0 (one).chain",
            "garbage: credential-malformed: not a certificate",
            id="no-chain-at-all",
        ),
        pytest.param(
            {"signer.0.chain": "empty"},
            "signer.0 (one).chain",
            "empty: credential-malformed",
            id="empty-chain",
        ),
        pytest.param(
            {"signer.0.chain": "cut.pem"},
            "signer.0 (one).chain",
            "cut.pem: credential-malformed",
            id="chain-cut-short",
        ),
        pytest.param(
            {"signer.0.chain": "long.pem"},
            "signer.0 (one).chain",
            "long.pem: credential-malformed: 8 certificates, at most 6",
            id="chain-too-long",
        ),
        pytest.param(
            {"signer.0.chain": "missing"},
            "signer.0 (one).chain",
            "missing: No such file or directory",
            id="chain-missing",
        ),
        pytest.param(
            {"signer.0.x5u": "http://certs.example/one.pem"},
            "signer.0 (one).x5u",
            "http://certs.example/one.pem: x5u: only https is fetched",
            id="x5u-over-http",
        ),
        pytest.param(
            {"signer.0.x5u": "https://certs.example:444/one.pem"},
            "signer.0 (one).x5u",
            "x5u: port 444 is not allowed",
            id="x5u-at-another-port",
        ),
        pytest.param(
            {"signer.0.x5u": "certs.example/one.pem"},
            "signer.0 (one).x5u",
            "certs.example/one.pem: x5u: not https://host/path alone",
            id="x5u-that-is-no-url",
        ),
        pytest.param(
            {"signer.0.numbers": ["2025550123"]},
            "signer.0 (one).numbers",
            "'2025550123': expected a number +12025550123",
            id="number-without-plus",
        ),
        pytest.param(
            {"signer.0.numbers": ["+1202", "+12025550199-+12025550100"]},
            "signer.0 (one).numbers",
            "'+12025550199-+12025550100': both ends of a range",
            id="range-upside-down",
        ),
        pytest.param(
            {"signer.0.numbers": ["@missing.txt"]},
            "signer.0 (one).numbers",
            "missing.txt: No such file or directory",
            id="numbers-file-missing",
        ),
        pytest.param(
            {"signer.0.numbers": ["@bad.txt"]},
            "signer.0 (one).numbers",
            "'12025550124': expected a number",
            id="bad-line-in-a-numbers-file",
        ),
        pytest.param(
            {"verify.anchors": ["missing.pem"]},
            "verify.anchors",
            "missing.pem: No such file or directory",
            id="anchors-missing",
        ),
        pytest.param(
            {"verify.anchors": ["garbage"]},
            "verify.anchors",
            "garbage: not a certificate",
            id="anchors-that-are-none",
        ),
        pytest.param(
            {"verify.anchors": ["empty"]},
            "verify.anchors",
            "empty: not a certificate",
            id="empty-anchors",
        ),
        pytest.param(
            {"replay.store": "sqlite:missing/r.sqlite"},
            "replay.store",
            "missing/r.sqlite: unable to open",
            id="replay-folder-missing",
        ),
        pytest.param(
            {"fetch.tls_ca": "missing.pem"},
            "fetch.tls_ca",
            "missing.pem: No such file or directory",
            id="tls-ca-missing",
        ),
    ],
)
@pytest.mark.usefixtures("files")
def test_a_fault_names_file_key_value_and_remedy(
    configured: Configured, tmp_path: Path, change: Change, where: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        runtime.build(configured(change))

    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'stirmilter.toml'}: {where}: ")
    assert problem in text


@pytest.mark.parametrize(
    ("chain", "key", "problem"),
    [
        pytest.param(
            "tls.pem", "tls.key", "not-authorized: no TNAuthList", id="of-the-web"
        ),
        pytest.param(
            "intermediate.pem",
            "intermediate.key",
            "credential-untrusted: a CA certificate does not sign",
            id="of-a-ca",
        ),
    ],
)
def test_a_certificate_must_be_one_that_may_sign(
    ca: TestCA, configured: Configured, chain: str, key: str, problem: str
) -> None:
    change = {
        "signer.0.chain": str(ca.folder / chain),
        "signer.0.key": str(ca.folder / key),
    }

    with pytest.raises(ConfigError, match=r"signer\.0 \(one\)\.chain: ") as caught:
        runtime.build(configured(change))

    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("oid", "der", "problem"),
    [
        pytest.param(
            hazmat.CLAIM_CONSTRAINTS,
            b"\x30\x0a\xa0\x08\x30\x06\x16\x04msgi",
            None,
            id="msgi-must-be-there",
        ),
        pytest.param(
            hazmat.CLAIM_CONSTRAINTS,
            b"\x30\x0c\xa0\x0a\x30\x08\x16\x06attest",
            "attest is missing",
            id="what-we-never-say-must-be-there",
        ),
        pytest.param(
            hazmat.ENHANCED_CLAIM_CONSTRAINTS,
            b"\x30\x0a\xa2\x08\x30\x06\x16\x04msgi",
            "msgi is excluded",
            id="msgi-must-not-be-there",
        ),
    ],
)
def test_a_certificate_must_let_us_say_what_we_say(
    ca: TestCA,
    configured: Configured,
    tmp_path: Path,
    oid: x509.ObjectIdentifier,
    der: bytes,
    problem: str | None,
) -> None:
    """RFC 8226 §8, RFC 9118 §3: before the first message, not with it."""
    issuer = ca._load("intermediate")
    key = serialization.load_pem_private_key(ca.files("one").key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = testca._builder("constrained", issuer, key, NOW, NOW + YEARS)
    spc = hazmat.encode_tn_auth_list([("spc", "1234", 1)])
    for extension in ((hazmat.TN_AUTH_LIST, spc), (oid, der)):
        builder = builder.add_extension(
            x509.UnrecognizedExtension(*extension), critical=False
        )
    leaf = builder.sign(issuer.key, SHA256())
    (tmp_path / "one.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    settings = configured({"signer.0.chain": "one.pem"})

    if problem is None:
        assert runtime.build(settings).filter.authentication.signers
    else:
        with pytest.raises(ConfigError, match=f"claim-constrained: {problem}"):
            runtime.build(settings)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_key_may_be_read_by_its_owner_and_group(
    ca: TestCA, configured: Configured, tmp_path: Path, mode: int
) -> None:
    shutil.copy(ca.files("one").key, tmp_path / "one.key")
    (tmp_path / "one.key").chmod(mode)

    built = runtime.build(configured({"signer.0.key": "one.key"}))

    assert len(built.filter.authentication.signers) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"fetch.tls_ca": "garbage"}, id="tls-ca-that-is-none"),
        pytest.param({"signer.0.key": "secp224k1.key"}, id="key-on-an-unknown-curve"),
        pytest.param({"signer.0.key": "a\0b"}, id="nul-in-a-path"),
        pytest.param({"verify.freshness": float("inf")}, id="infinite-freshness"),
        pytest.param({"verify.freshness": 1e300}, id="freshness-beyond-all-dates"),
        pytest.param({"sign.oldest_date": float("inf")}, id="infinite-age"),
    ],
)
@pytest.mark.usefixtures("files")
def test_whatever_is_wrong_is_told_as_a_fault_of_the_configuration(
    configured: Configured, tmp_path: Path, change: Change
) -> None:
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp224k1"]
    key = tmp_path / "secp224k1.key"
    subprocess.run(["openssl", "genpkey", *curve, "-out", key], check=True)

    with pytest.raises(ConfigError):
        runtime.build(configured(change))


def test_a_chain_that_breaks_off_is_no_chain(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    (tmp_path / "cut.pem").write_bytes(ca.files("one").chain.read_bytes()[:-100])

    with pytest.raises(ConfigError):
        runtime.build(configured({"signer.0.chain": "cut.pem"}))


def test_a_freshness_beyond_all_dates_is_refused_before_the_first_message(
    configured: Configured,
) -> None:
    with pytest.raises(ConfigError):
        runtime.build(configured({"verify.freshness": 1e12}))


# What check has to say


def found(built: Runtime, now: datetime = NOW) -> list[Finding]:
    return [f for f in runtime.findings(built, now) if f.level != "ok"]


def test_nothing_is_wrong_with_a_good_configuration(configured: Configured) -> None:
    built = runtime.build(configured())

    assert list(runtime.findings(built, NOW)) == [
        Finding("ok", "signer one", f"may speak for +{ALICE}"),
        Finding("ok", "verify", "1 trust anchors"),
    ]


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
                "no clients, logins or daemon_names: nothing is signed",
            ),
            id="nobody-whose-mail-is-signed",
        ),
        pytest.param(
            {"verify.anchors": []},
            Finding(
                "warning", "verify.anchors", "none: no PASSporT can pass verification"
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
    assert finding.text.startswith("our own anchors refuse it: credential-untrusted: ")


def test_check_finds_an_anchor_that_has_expired(configured: Configured) -> None:
    built = runtime.build(configured({"signer": []}))

    [finding] = found(built, NOW + 11 * YEARS)

    assert (finding.level, finding.subject) == ("warning", "verify.anchors")
    assert "CN=Laboratory STI Root" in finding.text


def test_check_finds_that_the_folder_of_the_replay_store_is_missing(
    configured: Configured,
) -> None:
    """Reported, though no store was opened: `check` runs as whoever calls it."""
    built = runtime.build(
        configured({"replay.store": "sqlite:missing/r.sqlite"}), MemoryReplayStore()
    )

    assert found(built) == [
        Finding("error", "replay.store", "missing/r.sqlite: its folder does not exist")
    ]


# What is published


@pytest.fixture
def published(ca: TestCA, configured: Configured) -> Callable[[str], Finding]:
    """Look at what an x5u serves for the signer ``one``."""

    def published(x5u: str) -> Finding:
        laboratory = {"laboratory": True, "tls_ca": str(ca.tls_ca), "seconds": 5}
        built = runtime.build(configured({"fetch": laboratory, "signer.0.x5u": x5u}))
        return runtime.published(built, built.filter.authentication.signers[0])

    return published


Published = Callable[[str], Finding]


def test_our_chain_is_served(ca: TestCA, published: Published) -> None:
    with ca.publish() as base:
        finding = published(f"{base}/one.pem")

    assert finding == Finding(
        "ok", "signer one: x5u", f"{base}/one.pem serves the chain"
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        pytest.param("other.pem", "/other.pem serves another chain", id="another"),
        pytest.param("none.pem", "status 404", id="none"),
    ],
)
def test_our_chain_is_not_served(
    ca: TestCA, published: Published, name: str, problem: str
) -> None:
    with ca.publish() as base:
        finding = published(f"{base}/{name}")

    assert (finding.level, finding.subject) == ("error", "signer one: x5u")
    assert finding.text.endswith(problem)


def test_a_chain_that_is_longer_than_ours_is_another(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    """RFC 9060 §5: what is served is what we checked, the intermediate included."""
    leaf, end, _ = ca.files("one").chain.read_text().partition("-----END CERT")
    (tmp_path / "leaf.pem").write_text(f"{leaf}{end}IFICATE-----\n")
    laboratory = {"laboratory": True, "tls_ca": str(ca.tls_ca)}
    with ca.publish() as base:
        change = {"signer.0.chain": "leaf.pem", "signer.0.x5u": f"{base}/one.pem"}
        built = runtime.build(configured({"fetch": laboratory, **change}))
        finding = runtime.published(built, built.filter.authentication.signers[0])

    assert finding.level == "error"
    assert finding.text.endswith("serves another chain")


def test_nobody_serves_our_chain(published: Published) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]

    finding = published(f"https://127.0.0.1:{port}/one.pem")

    assert finding.level == "error"
    assert "refused" in finding.text

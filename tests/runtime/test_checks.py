"""SPF, DKIM, ARC, DMARC and our own DKIM as the configuration has them."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stirmilter import dkimfindings, runtime
from stirmilter.errors import ConfigError
from stirmilter.mail.authres import Limits
from stirmilter.mail.beside import NoChecks
from stirmilter.mail.checks.dmarc import DmarcLimits
from stirmilter.mail.checks.spf import SpfLimits
from stirmilter.mail.checks.verification import DkimLimits
from stirmilter.mail.dkimsign import NAMES
from stirmilter.mail.methods import Methods, MethodsPolicy
from stirmilter.mail.upstream import Upstream
from stirmilter.runtime import checks
from stirmilter.stores.dns import DnsLimits
from stirmilter.stores.replay import MemoryReplayStore
from tests.dns_server import DnsServer
from tests.runtime.configurations import Change, Configured

PeerOf = dict[str, object]
HOP: PeerOf = {"authserv_ids": ["hop.example"], "clients": ["192.0.2.0/24"]}


def build(configured: Configured, change: Change) -> runtime.Runtime:
    return runtime.build(configured(change), MemoryReplayStore())


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write(tmp_path, ed25519.Ed25519PrivateKey.generate())


def write(
    folder: Path,
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
) -> Path:
    path = folder / "dkim.key"
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(key.private_bytes(*form))
    path.chmod(0o600)
    return path


def test_without_a_word_everything_is_evaluated(configured: Configured) -> None:
    made = build(configured, {}).filter.checks

    assert isinstance(made, Methods)
    assert made.policy == MethodsPolicy()


def test_without_methods_nothing_is(configured: Configured) -> None:
    made = build(configured, {"checks.methods": []}).filter.checks

    assert isinstance(made, NoChecks)


def test_settings_reach_the_methods(configured: Configured) -> None:
    change: Change = {
        "checks": {
            "mode": "both",
            "methods": ["spf", "dkim"],
            "protecting": "known",
            "signatures": 1,
            "signature_octets": 2,
            "shortest_key": 2048,
            "longest_key": 4096,
            "signature_skew": 3.0,
            "arc_sets": 4,
            "key_records": 18,
            "spf_lookups": 5,
            "spf_void_lookups": 6,
            "spf_names": 7,
            "spf_record_octets": 8,
            "spf_term_octets": 9,
            "spf_local_part": 10,
            "spf_macros": 11,
            "authors": 12,
            "identifiers": 13,
            "dmarc_record_octets": 19,
            "result_octets": 14,
            "results": 15,
            "result_properties": 20,
            "result_comments": 21,
            "result_value": 16,
        },
        "upstream": [{**HOP, "daemon_names": ["smtpd"], "strips": True}],
        "peer": [{"name": "x", "helo": ["x.example"], "dkim": {"1": ["x.example"]}}],
        "verify.headers": ["Identity"],
        "dns": {"dmarc_seconds": 1.5, "dmarc_questions": 17},
        "limits.address_words": 22,
    }

    built = build(configured, change)

    assert isinstance(built.filter.checks, Methods)
    assert built.filter.checks.policy == MethodsPolicy(
        methods=frozenset({"spf", "dkim"}),
        mode="both",
        upstreams=(
            Upstream(
                authserv_ids=("hop.example",),
                networks=(ip_network("192.0.2.0/24"),),
                daemon_names=frozenset({"smtpd"}),
                strips=True,
            ),
        ),
        headers=frozenset({"Identity"}),
        protecting=frozenset({"x.example"}),
        dkim=DkimLimits(
            signatures=1,
            field_size=2,
            shortest_key=2048,
            longest_key=4096,
            skew=timedelta(seconds=3),
            arc_sets=4,
            key_records=18,
        ),
        spf=SpfLimits(
            lookups=5,
            void_lookups=6,
            names=7,
            record_octets=8,
            term_octets=9,
            local_part=10,
            macros=11,
        ),
        dmarc=DmarcLimits(
            authors=12,
            lexemes=22,
            identifiers=13,
            record_octets=19,
            seconds=1.5,
            questions=17,
        ),
        signatures=1,
        results=Limits(length=14, resinfos=15, properties=20, depth=21),
        result_length=16,
    )
    policy = built.filter.policy
    assert (policy.signatures, policy.result_length) == (1, 16)


def test_settings_reach_the_name_servers(configured: Configured) -> None:
    with DnsServer() as names:
        names.add("one.example", "TXT", "x")
        host, port = names.address
        change: Change = {
            "dns": {
                "servers": [f"{port}@{host}"],
                "question_seconds": 1.0,
                "server_seconds": 2.0,
                "message_seconds": 3.0,
                "questions": 4,
                "unanswered": 12,
                "records": 5,
                "octets": 600,
                "entries": 7,
                "memory_octets": 8000,
                "found_seconds": 9.0,
                "absent_seconds": 10.0,
                "failed_seconds": 11.0,
            }
        }

        made = checks.name_servers(configured(change))

        assert made.for_message().ask("one.example", "TXT").records == ("x",)
    assert made.limits == DnsLimits(
        question_seconds=1.0,
        server_seconds=2.0,
        message_seconds=3.0,
        questions=4,
        unanswered=12,
        records=5,
        octets=600,
        entries=7,
        memory_octets=8000,
        found_seconds=9.0,
        absent_seconds=10.0,
        failed_seconds=11.0,
    )


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        ({"checks.mode": "trust"}, "checks.mode", "there is no [[upstream]]"),
        (
            {"upstream": [{**HOP, "authserv_ids": ["MX.example"]}]},
            "upstream.0.authserv_ids",
            "mx.example is ours",
        ),
        (
            {"verify.strict": True, "checks.methods": ["spf"]},
            "checks.methods",
            "strict needs DKIM",
        ),
        (
            {"verify.strict": True, "checks.mode": "trust", "upstream": [HOP]},
            "checks.methods",
            "strict needs DKIM",
        ),
        ({"dkim.domain": "one.example"}, "dkim.selector", "missing"),
        (
            {"dkim": {"domain": "one.example", "selector": "s", "key": "none"}},
            "dkim.key",
            "No such file",
        ),
    ],
)
def test_what_cannot_work_is_refused(
    configured: Configured, change: Change, where: str, problem: str
) -> None:
    config = configured({"milter.authserv_id": "mx.example", **change})

    with pytest.raises(ConfigError) as caught:
        runtime.build(config, MemoryReplayStore())

    [(place, text)] = caught.value.faults
    assert place.endswith(where)
    assert problem in text


# Our own DKIM


def ours(key: Path, **more: object) -> Change:
    return {
        "dkim": {"domain": "one.example", "selector": "s1", "key": str(key), **more}
    }


def test_without_a_word_dkim_signs_nothing(configured: Configured) -> None:
    assert build(configured, {}).filter.dkim is None


def test_settings_reach_our_dkim(configured: Configured, key: Path) -> None:
    plain = build(configured, ours(key)).filter.dkim
    change = ours(
        key,
        fields=["From"],
        header_form="simple",
        body_form="simple",
        lifetime=60.0,
        names_octets=300,
    )
    other = build(configured, change).filter.dkim

    assert plain is not None
    assert (plain.domain, plain.selector, plain.names) == ("one.example", "s1", NAMES)
    assert (plain.header_form, plain.body_form) == ("relaxed", "relaxed")
    assert plain.lifetime is None
    assert other is not None
    assert other.names == ("From",)
    assert (other.header_form, other.body_form) == ("simple", "simple")
    assert other.lifetime == timedelta(minutes=1)
    assert (plain.names_octets, other.names_octets) == (4_096, 300)


def test_a_dkim_key_is_nobody_elses_business(configured: Configured, key: Path) -> None:
    key.chmod(0o644)

    with pytest.raises(ConfigError, match="others may read"):
        build(configured, ours(key))


def test_a_key_that_is_no_dkim_key_is_refused(
    configured: Configured, tmp_path: Path
) -> None:
    wrong = write(tmp_path, ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(ConfigError, match="neither an RSA nor an Ed25519 key"):
        build(configured, ours(wrong))


# What check says


@pytest.fixture
def names() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


def test_the_log_says_who_signs_and_leaves_the_key_to_check(
    configured: Configured, key: Path
) -> None:
    """It would mask the key for a token."""
    [found] = dkimfindings.check_findings(build(configured, ours(key)))

    assert (found.level, found.text) == (
        "ok",
        "ed25519-sha256 for one.example, selector s1",
    )


def test_the_record_to_publish_is_shown(configured: Configured, key: Path) -> None:
    [found] = dkimfindings.record(build(configured, ours(key)))

    assert found.level == "ok"
    assert found.text.startswith('s1._domainkey.one.example. TXT "v=DKIM1; k=ed25519;')


def test_a_long_key_is_shown_as_name_servers_take_it(
    configured: Configured, tmp_path: Path
) -> None:
    """In strings of 255 octets at most, which the parser of a zone file insists on."""
    long = write(tmp_path, rsa.generate_private_key(65537, 2048))
    built = build(configured, ours(long))
    assert built.filter.dkim is not None
    name, text = built.filter.dkim.record

    [found] = dkimfindings.record(built)

    zone = dns.zone.from_text(f"$TTL 60\n{found.text}", ".", check_origin=False)
    [record] = zone.find_rdataset(f"{name}.", "TXT")
    assert b"".join(record.strings).decode() == text
    assert len(record.strings) > 1


def test_the_record_is_looked_up(
    configured: Configured, key: Path, names: DnsServer
) -> None:
    host, port = names.address
    built = build(configured, {**ours(key), "dns.servers": [f"{port}@{host}"]})
    assert built.filter.dkim is not None
    name, text = built.filter.dkim.record
    line = f'{name}. TXT "{text}"'

    def said() -> tuple[str, str]:
        [found] = dkimfindings.published(built)
        return found.level, found.text

    assert said() == ("error", f"{name} is not in the DNS; publish {line}")
    names.add(name, "TXT", "v=DKIM1; k=ed25519; p=AAAA")
    assert said() == ("error", f"{name} has another key; publish {line}")
    names.add(name, "TXT", text.replace("p=", "p= "))
    assert said() == ("ok", f"{name} has our key")
    names.fails.add("one.example")
    assert said()[0] == "warning"


def test_an_upstream_that_is_not_believed_is_a_warning(configured: Configured) -> None:
    change: Change = {
        "checks.mode": "trust",
        "upstream": [HOP, {**HOP, "strips": True}],
    }

    [found] = dkimfindings.check_findings(build(configured, change))

    assert found.level == "warning"
    assert found.subject == "upstream.0"
    assert "strips is false" in found.text


def test_an_upstream_that_is_not_read_is_a_warning(configured: Configured) -> None:
    change: Change = {"upstream": [{**HOP, "strips": True}]}

    [found] = dkimfindings.check_findings(build(configured, change))

    assert "are not read" in found.text

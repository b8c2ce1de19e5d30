"""Countries, URIs, domains and diversions: from the settings to who acts on them."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stirmilter import findings, runtime
from stirmilter.findings import Finding
from stirmilter.mail.mm4 import STRICT, Reading
from stirmilter.mail.transaction import Connection, Decision, Header, Transaction
from stirmilter.runtime import Runtime
from stirmilter.stir.msgi import digest_body
from tests.laboratory import ALICE, BOB, BODY, NOW
from tests.runtime.configurations import Change, Configured
from tests.stir.certificates import DAY, issue, pem, tn_auth_list
from tests.stir.pki import ROOT

Named = Callable[[list[str], list[str]], Runtime]


def domain_findings(built: Runtime) -> list[Finding]:
    return [f for f in findings.findings(built, NOW) if "subjectAltName" in f.text]


@pytest.fixture
def named(configured: Configured, tmp_path: Path) -> Named:
    """Build with a signer whose certificate names hosts, and who has domains."""

    def named(hosts: list[str], domains: list[str]) -> Runtime:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        signer = issue("hosts", ROOT, [tn_auth_list(), names], end=NOW + 99 * DAY)
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "my.key").write_bytes(signer.key.private_bytes(*form))
        (tmp_path / "my.key").chmod(0o600)
        (tmp_path / "my.pem").write_bytes(pem(signer))
        (tmp_path / "root.pem").write_bytes(pem(ROOT))
        return runtime.build(
            configured(
                {
                    "signer.0.key": "my.key",
                    "signer.0.chain": "my.pem",
                    "signer.0.domains": domains,
                    "verify.anchors": ["root.pem"],
                }
            )
        )

    return named


@pytest.mark.parametrize(
    ("change", "ours", "theirs"),
    [
        pytest.param({}, STRICT, STRICT, id="global numbers alone"),
        pytest.param(
            {"sign.country": "US"},
            Reading(country="US"),
            STRICT,
            id="national numbers in what we sign, never in what we verify",
        ),
        pytest.param(
            {"sign.uris": True}, Reading(uris=True), STRICT, id="URIs that we sign"
        ),
        pytest.param(
            {"verify.uris": True}, STRICT, Reading(uris=True), id="URIs that we verify"
        ),
    ],
)
def test_how_addresses_are_read_reaches_the_mail_filter(
    configured: Configured, change: Change, ours: Reading, theirs: Reading
) -> None:
    policy = runtime.build(configured(change)).filter.policy

    assert policy.ours == ours
    assert policy.theirs == theirs


@pytest.mark.parametrize("divert", [True, False], ids=["on", "off"])
def test_diverting_reaches_the_mail_filter(
    configured: Configured, divert: bool
) -> None:
    policy = runtime.build(configured({"sign.divert": divert})).filter.policy

    assert policy.divert is divert


def test_the_limit_of_diversions_reaches_both_services(configured: Configured) -> None:
    built = runtime.build(configured({"limits.diversions": 2})).filter

    assert built.authentication.diversions == 2
    assert built.verification.policy.diversions == 2


def test_the_domains_of_a_signer_reach_it(named: Named) -> None:
    built = named(["example.net", "example.org"], ["example.net"])

    [signer] = built.filter.authentication.signers
    assert signer.domains == {"example.net"}
    assert signer.serves("mailto:alice@example.net")
    assert not signer.serves("mailto:alice@example.org")


@pytest.mark.parametrize(
    ("hosts", "domains", "missing"),
    [
        pytest.param(["example.net"], ["example.net"], [], id="the one it names"),
        pytest.param(["Example.NET"], ["example.net"], [], id="in other letters"),
        pytest.param(["example.net"], [], [], id="none that is to be signed for"),
        pytest.param(
            ["example.net"], ["a.example.net"], ["a.example.net"], id="one below it"
        ),
        pytest.param(
            ["*.example.net"], ["a.example.net"], ["a.example.net"], id="a wildcard"
        ),
        pytest.param(
            ["c.example"],
            ["d.example", "b.example", "c.example"],
            ["b.example", "d.example"],
            id="two that it does not name",
        ),
    ],
)
def test_check_finds_domains_that_the_certificate_does_not_name(
    named: Named, hosts: list[str], domains: list[str], missing: list[str]
) -> None:
    built = named(hosts, domains)

    assert domain_findings(built) == [
        Finding(
            "error",
            "signer one",
            f"the certificate does not name {domain} in its subjectAltName",
        )
        for domain in missing
    ]


def test_check_finds_domains_of_a_certificate_that_names_none(
    configured: Configured,
) -> None:
    built = runtime.build(configured({"signer.0.domains": ["example.net"]}))

    [finding] = domain_findings(built)

    assert finding.level == "error"


@pytest.mark.parametrize(
    ("country", "reason"),
    [
        pytest.param("US", "signed", id="in its country"),
        pytest.param("DE", "no-originator", id="without the trunk prefix of another"),
        pytest.param("MC", "no-originator", id="nor where it is none"),
        pytest.param("", "no-originator", id="in none"),
    ],
)
def test_a_national_number_is_signed_for(
    configured: Configured, country: str, reason: str
) -> None:
    built = runtime.build(configured({"sign.country": country})).filter
    built.clock = lambda: NOW

    decision = _send(built.decide, f"{ALICE[1:]}/TYPE=PLMN")

    assert decision.event.reason == reason


def _send(decide: Callable[[Transaction], Decision], sender: str) -> Decision:
    return decide(
        Transaction(
            connection=Connection(client=ip_address("192.0.2.1")),
            sender=f"<{sender}>",
            recipients=(f"<+{BOB}>",),
            headers=(
                Header("From", sender.encode()),
                Header("To", b"+" + BOB.encode()),
            ),
            body=digest_body(BODY),
        )
    )

"""Certificates and chains: who speaks, for whom, until when, on whose word."""

from datetime import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
)

from stirmilter.stir import hazmat
from tests.inspection.reports import explain, facts, problems
from tests.laboratory import ALICE, NOW
from tests.stir import der
from tests.stir.certificates import DAY, Issued, issue, leaf, pem, tn_auth_list
from tests.stir.crls import points
from tests.stir.pki import ENHANCED, LEAF, MIDDLE, PLAIN, ROOT

NUMBERS = issue(
    "numbers", ROOT, [tn_auth_list(der.block(ALICE[:-2] + "00", 100))], ca=True
)
WEB = issue(
    "www.example",
    MIDDLE,
    [
        x509.SubjectAlternativeName([x509.DNSName("www.example")]),
        x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]),
    ],
)
REFERENCE = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            x509.oid.AuthorityInformationAccessOID.OCSP,
            x509.UniformResourceIdentifier("https://certs.example/status"),
        ),
        x509.AccessDescription(
            hazmat.TN_AUTH_LIST_REFERENCE,
            x509.UniformResourceIdentifier("https://certs.example/list"),
        ),
    ]
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("subject", "CN=leaf", id="subject"),
        pytest.param("issuer", "CN=middle", id="issuer"),
        pytest.param("role", "end entity: signs PASSporTs", id="role"),
        pytest.param("serial", f"{LEAF.certificate.serial_number:x}", id="serial"),
        pytest.param(
            "sha256", LEAF.certificate.fingerprint(SHA256()).hex(), id="fingerprint"
        ),
        pytest.param(
            "valid", "2026-01-01 12:00:00Z to 2026-01-03 12:00:00Z", id="validity"
        ),
        pytest.param("key", "elliptic curve secp256r1", id="key"),
        pytest.param("speaks for", f"+{ALICE}", id="numbers"),
    ],
)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_certificate_is_explained(
    name: str, expected: str, encoding: Encoding
) -> None:
    report = explain(LEAF.certificate.public_bytes(encoding))

    assert report.kind == "a certificate"
    assert facts(report, name) == [expected]
    assert report.problems == []


@pytest.mark.parametrize(
    ("certificate", "role", "names", "problem"),
    [
        pytest.param(
            ROOT,
            "root: for verify.anchors, not for x5u",
            "whatever it issues: no TNAuthList limits it",
            [],
            id="root",
        ),
        pytest.param(
            MIDDLE,
            "CA: issues certificates, signs no PASSporTs",
            "whatever it issues: no TNAuthList limits it",
            [],
            id="intermediate alone",
        ),
        pytest.param(
            NUMBERS,
            "CA: issues certificates, signs no PASSporTs",
            f"+{ALICE[:-2]}00-+{ALICE[:-2]}99",
            [],
            id="delegate",
        ),
        pytest.param(
            WEB,
            "end entity of a web server: no STIR certificate, it names no number",
            "nobody: no TNAuthList (RFC 8226 section 9)",
            [
                (
                    "not-authorized: no TNAuthList: the certificate names no number",
                    "RFC 8226 §9",
                )
            ],
            id="web server",
        ),
        pytest.param(
            issue("by reference", MIDDLE, [REFERENCE]),
            "end entity: signs PASSporTs",
            "the list at https://certs.example/list, which is not fetched"
            " (RFC 8226 section 10.1)",
            [
                (
                    "not-authorized: TNAuthList by reference, which is not fetched",
                    "RFC 8226 §10.1",
                )
            ],
            id="list elsewhere",
        ),
        pytest.param(
            issue("ca", ROOT, [REFERENCE], ca=True),
            "CA: issues certificates, signs no PASSporTs",
            "the list at https://certs.example/list, which is not fetched"
            " (RFC 8226 section 10.1)",
            [],
            id="delegate with its list elsewhere",
        ),
        pytest.param(
            issue("p384", MIDDLE, [tn_auth_list()], curve=ec.SECP384R1()),
            "end entity: signs PASSporTs",
            f"+{ALICE}",
            [("credential-malformed: the key is not on P-256", "RFC 8226 §4")],
            id="key on another curve",
        ),
    ],
)
def test_the_part_that_a_certificate_plays_is_told(
    certificate: Issued, role: str, names: str, problem: list[tuple[str, str]]
) -> None:
    report = explain(pem(certificate))

    assert facts(report, "role") == [role]
    assert facts(report, "note") == []
    assert facts(report, "speaks for") + facts(report, "hands on") == [names]
    assert problems(report) == problem


def test_the_hosts_that_a_certificate_names_are_told() -> None:
    assert facts(explain(pem(WEB)), "names the host") == ["www.example"]


@pytest.mark.parametrize("at", [NOW - DAY, NOW + DAY], ids=["first", "last"])
def test_a_certificate_is_valid_to_the_second(at: datetime) -> None:
    assert explain(pem(LEAF), at=at).problems == []


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        pytest.param(
            NOW + 3 * DAY,
            "credential-expired: 2 days ago; what was signed before stays good",
            id="expired",
        ),
        pytest.param(
            NOW - 1.5 * DAY,
            "credential-expired: not valid yet, for 12 h",
            id="not valid yet",
        ),
    ],
)
def test_a_certificate_outside_its_validity_is_a_problem(
    at: datetime, problem: str
) -> None:
    report = explain(pem(LEAF), at=at)

    assert problems(report) == [(problem, "RFC 5280 §4.1.2.5")]


@pytest.mark.parametrize(
    ("extension", "lines"),
    [
        pytest.param(
            PLAIN,
            ["must have attest", "so none for messages: attest is missing"],
            id="plain",
        ),
        pytest.param(
            ENHANCED,
            ["must not have msgi", "so none for messages: msgi is excluded"],
            id="enhanced",
        ),
        pytest.param(
            x509.UnrecognizedExtension(
                hazmat.CLAIM_CONSTRAINTS,
                der.constraints(["orig", "msgi", "iat", "dest"], {"a": ["B", "C"]}),
            ),
            [
                "must have dest",
                "must have iat",
                "must have msgi",
                "must have orig",
                "a is one of: B, C",
            ],
            id="that leave messages alone",
        ),
    ],
)
def test_constraints_are_told_with_what_they_mean_for_messages(
    extension: x509.UnrecognizedExtension, lines: list[str]
) -> None:
    report = explain(pem(leaf(MIDDLE, extension)))

    assert facts(report, "its tokens") == lines
    assert report.problems == []


def test_where_a_certificate_may_be_revoked_is_told() -> None:
    named = leaf(MIDDLE, points("https://crl.example/1.crl"))

    report = explain(named.certificate.public_bytes(Encoding.DER))

    assert facts(report, "revoked by") == [
        "the list at https://crl.example/1.crl, which is not fetched"
    ]

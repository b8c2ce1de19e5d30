"""The toy PKI: good by OpenSSL's judgement too, and careful with its keys."""

import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from stirmilter.errors import ConfigError
from stirmilter.stir import credential
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, NOW


def openssl_verify(chain: Path, anchor: Path) -> str:
    """Return what ``openssl verify`` says of a chain at NOW."""
    done = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict"),
            *("-attime", f"{NOW.timestamp():.0f}", "-CAfile", anchor),
            *("-untrusted", chain, chain),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


# Certificates


@pytest.mark.parametrize("name", ["one", "range", "spc", "other"])
def test_openssl_accepts_a_signer(ca: TestCA, name: str) -> None:
    chain = ca.files(name).chain

    assert openssl_verify(chain, ca.anchors) == f"{chain}: OK\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        pytest.param("expired", "certificate has expired", id="expired"),
        pytest.param("untrusted", "error 20 at 1 depth", id="untrusted"),
    ],
)
def test_openssl_refuses_a_bad_signer(ca: TestCA, name: str, problem: str) -> None:
    assert problem in openssl_verify(ca.files(name).chain, ca.anchors)


def test_the_untrusted_root_is_a_good_one_for_its_own(ca: TestCA) -> None:
    chain = ca.files("untrusted").chain

    assert "OK" in openssl_verify(chain, ca.folder / "untrusted-root.pem")


def test_openssl_accepts_the_web_server_by_its_own_anchor_alone(ca: TestCA) -> None:
    tls = ca.folder / "tls.pem"

    assert openssl_verify(tls, ca.tls_ca) == f"{tls}: OK\n"
    assert "OK" not in openssl_verify(tls, ca.anchors)


def test_a_chain_is_the_signer_and_its_intermediate(ca: TestCA) -> None:
    chain = credential.load_chain(ca.files("one").chain.read_bytes())

    names = [
        certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        for certificate in chain
    ]

    assert names == ["SHAKEN one", "Laboratory STI Intermediate"]


@pytest.mark.parametrize(
    ("covers", "text"),
    [
        pytest.param(TNAuthList.build(numbers=[ALICE]), f"+{ALICE}", id="number"),
        pytest.param(
            TNAuthList.build(ranges=[("12025550100", 100)]),
            "+12025550100-+12025550199",
            id="range",
        ),
        pytest.param(TNAuthList.build(spcs=["1234"]), "SPC 1234", id="spc"),
        pytest.param(
            TNAuthList.build(["1234", "5678"], [ALICE], [("120", 5), ("2", 2)]),
            f"SPC 1234, SPC 5678, +2-+3, +120-+124, +{ALICE}",
            id="all-together",
        ),
    ],
)
def test_a_certificate_names_what_it_may_speak_for(
    tmp_path: Path, covers: TNAuthList, text: str
) -> None:
    made = TestCA.create(tmp_path, NOW)

    files = made.signer("it", covers, NOW)

    chain = credential.load_chain(files.chain.read_bytes())
    validated = credential.validate(chain, laboratory.anchors(made), NOW)
    assert validated.tn_auth_list == covers
    assert str(validated.tn_auth_list) == text


@pytest.mark.parametrize(
    ("valid", "begin", "end"),
    [
        pytest.param(
            timedelta(days=30), timedelta(hours=-1), timedelta(days=30), id="usual"
        ),
        pytest.param(
            timedelta(days=-1),
            timedelta(days=-1, hours=-1),
            timedelta(days=-1),
            id="expired",
        ),
    ],
)
def test_validity_is_reckoned_from_now(
    tmp_path: Path, valid: timedelta, begin: timedelta, end: timedelta
) -> None:
    made = TestCA.create(tmp_path, NOW)

    files = made.signer("it", TNAuthList.build(spcs=["1"]), NOW, valid=valid)

    leaf = x509.load_pem_x509_certificate(files.chain.read_bytes())
    assert leaf.not_valid_before_utc == NOW + begin
    assert leaf.not_valid_after_utc == NOW + end


def test_the_anchor_vouches_for_the_trusted_alone(ca: TestCA) -> None:
    chain = credential.load_chain(ca.files("untrusted").chain.read_bytes())

    with pytest.raises(Unverified) as caught:
        credential.validate(chain, laboratory.anchors(ca), NOW)

    assert caught.value.reason is Reason.CREDENTIAL_UNTRUSTED


# Files


def test_nobody_else_reads_a_key(ca: TestCA) -> None:
    keys = sorted(ca.folder.rglob("*.key"))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in keys}

    assert len(keys) >= 6 + 6
    assert set(modes.values()) == {0o600}, modes


def test_no_key_is_served(ca: TestCA) -> None:
    served = list((ca.folder / "www").iterdir())

    assert ca.files("one").chain in served
    assert {path.suffix for path in served} <= {".pem", ".tnauthlist"}
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in served)


def test_an_existing_ca_is_not_overwritten(tmp_path: Path) -> None:
    TestCA.create(tmp_path, NOW)
    before = (tmp_path / "root.pem").read_bytes()

    with pytest.raises(ConfigError, match="has a test CA already"):
        TestCA.create(tmp_path, NOW)

    assert (tmp_path / "root.pem").read_bytes() == before


def test_an_existing_ca_can_be_used_again(ca: TestCA) -> None:
    again = TestCA(ca.folder)

    assert again.files("one") == ca.files("one")
    assert again.anchors == ca.anchors


def test_a_folder_without_a_ca_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        TestCA(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}: no test CA; run: stirmilter testca create {tmp_path}"
    )


# The web server


@pytest.fixture(scope="module")
def port(ca: TestCA) -> Iterator[int]:
    with ca.publish() as base:
        assert base.startswith("https://127.0.0.1:")
        yield int(base.rpartition(":")[2])


class Answer(NamedTuple):
    status: int
    kind: str | None
    body: bytes


def get(ca: TestCA, port: int, target: str, method: str = "GET") -> Answer:
    """Ask for a target just as it is written."""
    trust = ssl.create_default_context(cafile=ca.tls_ca)
    connection = HTTPSConnection("127.0.0.1", port, context=trust, timeout=10)
    with closing(connection):
        connection.request(method, target, headers={"Connection": "close"})
        response = connection.getresponse()
        return Answer(
            response.status, response.headers["Content-Type"], response.read()
        )


def test_serves_a_chain_with_its_type(ca: TestCA, port: int) -> None:
    answer = get(ca, port, "/one.pem")

    assert answer.status == 200
    assert answer.kind == "application/pem-certificate-chain"
    assert answer.body == ca.files("one").chain.read_bytes()


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/", id="the-folder-itself"),
        pytest.param("/./", id="the-folder-again"),
        pytest.param("/none.pem", id="missing"),
        pytest.param("/../root.pem", id="one-up"),
        pytest.param("/../keys/one.key", id="beside"),
        pytest.param("/%2e%2e/keys/one.key", id="encoded-dots"),
        pytest.param("/..%2fkeys%2fone.key", id="encoded-slashes"),
        pytest.param("/%252e%252e/keys/one.key", id="encoded-twice"),
        pytest.param("/one.pem/../../keys/one.key", id="through-a-file"),
        pytest.param("//../keys/one.key", id="two-slashes"),
        pytest.param("/keys/one.key", id="as-if-it-were-inside"),
        pytest.param("/..\\keys\\one.key", id="backslashes"),
        pytest.param("/one.key", id="a-key-by-name"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_serves_nothing_else(ca: TestCA, port: int, target: str, method: str) -> None:
    answer = get(ca, port, target, method)

    assert answer.status == 404
    assert b"PRIVATE KEY" not in answer.body
    assert b"one.pem" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_changes_nothing(ca: TestCA, port: int, method: str) -> None:
    assert get(ca, port, "/one.pem", method).status == 501


def test_is_known_by_address_and_as_localhost(ca: TestCA, port: int) -> None:
    trust = ssl.create_default_context(cafile=ca.tls_ca)

    for name in ("127.0.0.1", "localhost"):
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            trust.wrap_socket(plain, server_hostname=name) as connection,
        ):
            assert connection.version() in ("TLSv1.2", "TLSv1.3")


def test_a_client_that_says_nothing_keeps_nobody_waiting(ca: TestCA, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        assert get(ca, port, "/one.pem").status == 200


def test_what_is_issued_later_is_served_too(tmp_path: Path) -> None:
    made = TestCA.create(tmp_path, NOW)
    with made.publish() as base:
        port = int(base.rpartition(":")[2])
        made.signer("late", TNAuthList.build(spcs=["1"]), NOW)

        assert get(made, port, "/late.pem").status == 200

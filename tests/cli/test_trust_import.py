"""``stirmilter trust import``, over a chain that OpenSSL made and signed."""

import hashlib
import json
from pathlib import Path

import pytest

from stirmilter.errors import ConfigError, StirmilterError
from stirmilter.testca import TestCA
from tests.cli.administrators import (
    NO_CA,
    NOW,
    ONE,
    TWO,
    Administrator,
    Import,
    certificates,
    der,
    listing,
)
from tests.laboratory import NOW as LABORATORY
from tests.stir.certificates import DAY, issue, leaf, pem, usage

EXPIRED = issue("old", ca=True, begin=LABORATORY - 9 * DAY, end=LABORATORY)
NO_SIGN = issue("odd", ca=True, use=usage("crl_sign"), begin=NOW - DAY, end=NOW + DAY)


# A list that is good


@pytest.mark.conformance("C-16")
def test_a_signed_list_becomes_a_file_of_anchors(
    importing: Import, administrator: Administrator
) -> None:
    done = importing.signed(administrator.sign(listing(ONE, TWO)))

    assert done.exit_code == 0, done.output
    assert importing.written == certificates(ONE, TWO)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines[:2]] == [
        ["added", "CN=one"],
        ["added", "CN=two"],
    ]
    assert lines[2][0] == "list"
    assert lines[2][1].startswith("2 authorities, sequence 7, expires ")
    record = json.loads((importing.folder / "us.pem.json").read_text())
    assert record["sequence"] == 7
    assert record["sha256"] == hashlib.sha256(importing.out.read_bytes()).hexdigest()


def test_the_next_list_says_what_comes_and_what_goes(
    importing: Import, administrator: Administrator
) -> None:
    importing.signed(administrator.sign(listing(ONE)))

    done = importing.signed(administrator.sign(listing(TWO, sequence=8)))

    words = [line.split("\t")[:2] for line in done.stdout.splitlines()]
    assert words[:2] == [["added", "CN=two"], ["removed", "CN=one"]]
    assert "the last import was 0 days ago" in done.stdout
    assert importing.written == certificates(TWO)


def test_a_dry_run_writes_nothing(
    importing: Import, administrator: Administrator
) -> None:
    done = importing.signed(administrator.sign(listing(ONE)), "--dry-run")

    assert done.exit_code == 0
    assert done.stdout.startswith("added\tCN=one\t")
    assert not importing.out.exists()
    assert not (importing.folder / "us.pem.json").exists()


def test_the_answer_of_the_interface_and_base64_are_read_too(
    importing: Import, administrator: Administrator
) -> None:
    signed = administrator.sign(listing(trustList=[der(ONE.certificate)])).decode()
    answer = json.dumps({"status": "success", "caList": signed}).encode()

    assert importing.signed(answer).exit_code == 0
    assert importing.written == certificates(ONE)


def test_the_signer_may_be_told(
    importing: Import, administrator: Administrator
) -> None:
    octets = administrator.sign(listing(ONE), {"x5c": None})
    signer = str(administrator.folder / "chain.pem")

    assert importing.signed(octets, "--signer", signer).exit_code == 0
    assert importing.signed(octets).exit_code == 2


def test_list_and_signer_are_fetched(
    importing: Import, administrator: Administrator, tmp_path: Path
) -> None:
    made = TestCA.create(tmp_path / "ca", NOW)
    settings = tmp_path / "fetch.toml"
    settings.write_text(f'fetch = {{laboratory = true, tls_ca = "{made.tls_ca}"}}\n')
    www = made.folder / "www"
    with made.publish() as base:
        header = {"x5c": None, "x5u": f"{base}/chain.pem"}
        (www / "list.pem").write_bytes(administrator.sign(listing(ONE), header))
        (www / "chain.pem").write_bytes(
            (administrator.folder / "chain.pem").read_bytes()
        )
        config = ("--config", str(settings))

        done = importing.signed(f"{base}/list.pem", *config)
        gone = importing.signed(f"{base}/gone.pem", *config)
        guarded = importing.signed(f"{base}/list.pem")

    assert done.exit_code == 0, done.output
    assert importing.written == certificates(ONE)
    assert gone.exit_code == 75
    assert guarded.exit_code == 1
    assert "is not" in guarded.stderr


def test_entries_that_are_no_authority_are_left_out_and_told(
    importing: Import, administrator: Administrator
) -> None:
    payload = listing(ONE, EXPIRED, NO_CA, NO_SIGN, ONE)
    assert isinstance(payload["trustList"], list)
    payload["trustList"] += ["garbage!", 7, pem(ONE, TWO).decode()]

    done = importing.signed(administrator.sign(payload))

    assert done.exit_code == 0
    assert importing.written == certificates(ONE)
    told = [line for line in done.stderr.splitlines() if "left out" in line]
    assert [line.partition("left out: ")[2].partition(": ")[0] for line in told] == [
        "CN=old",
        "CN=leaf",
        "CN=odd",
        "entry 6",
        "entry 7",
        "entry 8",
    ]


# A bundle that nobody signed


def test_a_bundle_is_believed_by_its_digest(importing: Import) -> None:
    octets = pem(ONE, TWO)
    digest = hashlib.sha256(octets).hexdigest()
    spoken = ":".join(digest[i : i + 2] for i in range(0, 64, 2)).upper()

    assert importing(octets, "--sha256", "0" * 64).exit_code == 1
    assert importing.written == []
    assert importing(octets, "--sha256", spoken).exit_code == 0
    assert importing.written == certificates(ONE, TWO)


def test_a_bundle_is_believed_when_the_operator_says_so(importing: Import) -> None:
    refused = importing(pem(ONE))
    done = importing(pem(ONE, leaf(ONE)), "--unsigned")

    assert refused.exit_code == 2
    assert hashlib.sha256(pem(ONE)).hexdigest() in refused.stderr
    assert done.exit_code == 0
    assert importing.written == certificates(ONE)


def test_a_bundle_does_not_take_the_place_of_a_signed_list(
    importing: Import, administrator: Administrator
) -> None:
    importing.signed(administrator.sign(listing(ONE)))

    done = importing(pem(TWO), "--unsigned")

    assert done.exit_code == 78
    assert importing.written == certificates(ONE)


@pytest.mark.parametrize(
    ("source", "code"), [("/nonexistent", 2), ("http://sti-pa.example/list", 1)]
)
def test_a_source_that_cannot_be_had_is_told(
    importing: Import, source: str, code: int
) -> None:
    assert importing.signed(source).exit_code == code


def test_a_record_that_broke_stops_the_import(
    importing: Import, administrator: Administrator
) -> None:
    """Otherwise an older list would not be noticed."""
    (importing.folder / "us.pem.json").write_text("{}")

    done = importing.signed(administrator.sign(listing(ONE)))

    assert isinstance(done.exception, StirmilterError)
    assert not isinstance(done.exception, ConfigError)
    assert not importing.out.exists()

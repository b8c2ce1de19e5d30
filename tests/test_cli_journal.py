"""``stirmilter journal``, as an operator types it."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from stirmilter.stir import credential
from stirmilter.stores.journal import Journal
from stirmilter.testca import TestCA
from tests import laboratory
from tests.cli.commands import in_text
from tests.laboratory import NOW
from tests.stores.events import DAY, EVENT, TOKEN, event


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "stirmilter.toml"
    path.write_text('[journal]\npath = "journal.sqlite"\n[replay]\nstore = "memory:"\n')
    return path


@pytest.fixture
def journal(configuration: Path) -> Journal:
    return Journal(configuration.with_name("journal.sqlite"))


@pytest.mark.conformance("V-17")
def test_the_evidence_of_a_message_is_shown(
    ca: TestCA, configuration: Path, journal: Journal
) -> None:
    believed = laboratory.signer(ca, "one").credential
    token = replace(TOKEN, path=believed.evidence)
    journal.write([event("4Yx1ab", NOW, token)])

    status, out, err = in_text("journal", "show", "4Yx1ab", "-c", configuration)

    assert (status, err) == (0, "")
    certificates = [
        f"passport.1.certificate\t{one.sha256} {certificate.subject.rfc4514_string()}"
        for one, certificate in zip(believed.evidence, believed.path, strict=True)
    ]
    validity = "2026-01-01 12:00:00Z to 2026-01-03 12:00:00Z"
    assert out.splitlines() == [
        "queue-id\t4Yx1ab",
        "time\t2026-01-02 12:00:00Z",
        "direction\tin",
        "outcome\tnumber-authenticated",
        "reason\tverified",
        "action\taccept",
        "orig\t1202555xxxx",
        "client\t198.51.100.1",
        "message-id\t<4Yx1ab@mms.one.example>",
        'transaction-id\t"tx-1"',
        "mms-message-id\tmms-1",
        "ms\t12",
        "stages\tqueue=0.1 stir=8.4 policy=1.0",
        "passport.1.reason\tverified",
        "passport.1.word\tpass",
        "passport.1.rule\tRFC 8225 section 9",
        "passport.1.detail\tdetail",
        "passport.1.ppt\tmsg",
        "passport.1.iat\t2026-01-02 12:00:00Z",
        "passport.1.msgi\texact",
        "passport.1.authority\ttn",
        "passport.1.diversions\t1",
        "passport.1.x5u\thttps://certs.example/one.pem",
        f"passport.1.fingerprint\t{'ab' * 32}",
        f"passport.1.validity\t{validity}, inside at reception",
        "passport.1.revocation\tgood at reception",
        *certificates,
        "passport.1.note\tiat is 90 s after Date",
        "removed\tAuthentication-Results: mx.example; stir=pass",
        "removed\tAuthentication-Results: mx.example;\\u{a}\\u{9}spf=pass",
    ]


def test_a_certificate_that_had_expired_is_told(
    configuration: Path, journal: Journal
) -> None:
    journal.write([event("4Yx1ab", NOW + 5 * DAY)])

    _, out, _ = in_text("journal", "show", "4Yx1ab", "-c", configuration)

    assert "12:00:00Z, outside at reception\n" in out


def test_of_what_we_signed_nothing_is_told_that_only_a_verifier_knows(
    configuration: Path, journal: Journal
) -> None:
    """We make each token with msgi, and look at no list."""
    made = replace(TOKEN, msgi="absent", authority="none", status="unchecked")
    journal.write([replace(event("4Yx1ab", NOW, made), direction="out")])

    _, out, _ = in_text("journal", "show", "4Yx1ab", "-c", configuration)

    names = {line.partition("\t")[0] for line in out.splitlines()}
    verified = {"passport.1.msgi", "passport.1.authority", "passport.1.revocation"}
    assert not names & verified
    assert "12:00:00Z, inside when it left\n" in out


def test_several_messages_of_one_name_stand_apart_the_newest_first(
    configuration: Path, journal: Journal
) -> None:
    journal.write([event("4Yx1ab", NOW), event("4Yx1ab", NOW + DAY)])

    _, out, _ = in_text("journal", "show", "4Yx1ab", "-c", configuration)

    newer, older = out.split("\n\n")
    assert "\ntime\t2026-01-03 " in newer
    assert "\ntime\t2026-01-02 " in older


def test_a_program_is_given_everything_certificates_included(
    ca: TestCA, configuration: Path, journal: Journal
) -> None:
    """Enough to verify the path again, whatever has become of x5u."""
    believed = laboratory.signer(ca, "one").credential
    journal.write([event("4Yx1ab", NOW, replace(TOKEN, path=believed.evidence))])

    status, out, _ = in_text("journal", "show", "4Yx1ab", "--json", "-c", configuration)

    assert status == 0
    [read] = json.loads(out)
    [token] = read["evidence"]["tokens"]
    octets = [base64.b64decode(der) for _, der in token["path"]]
    chain = tuple(
        certificate for one in octets for certificate in credential.load_chain(one)
    )
    assert chain == believed.path
    assert read["evidence"]["time"] == NOW.isoformat()
    assert read["evidence"]["removed"] == [
        ["Authentication-Results", "mx.example; stir=pass"],
        ["Authentication-Results", "mx.example;\\u{a}\\u{9}spf=pass"],
    ]
    assert token["valid"] == [(NOW - DAY).isoformat(), (NOW + DAY).isoformat()]


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["lines", "json"])
def test_nothing_found_is_status_1(
    configuration: Path, journal: Journal, form: list[str]
) -> None:
    journal.write([EVENT])

    status, out, err = in_text("journal", "show", "x", *form, "-c", configuration)

    assert status == 1
    assert err.startswith("stirmilter: no such message in the journal: ")
    assert out == ("[]\n" if form else "")


def test_counts_are_shown(configuration: Path, journal: Journal) -> None:
    journal.write([EVENT])

    status, out, _ = in_text("journal", "stats", "-c", configuration)

    assert status == 0
    lines = dict(line.split("\t") for line in out.splitlines())
    assert int(lines.pop("octets")) > 0
    assert lines == {
        "messages": "1",
        "passports": "1",
        "certificates": "2",
        "oldest": "2026-01-02T12:00:00+00:00",
        "newest": "2026-01-02T12:00:00+00:00",
    }


def test_counts_of_an_empty_journal(configuration: Path, journal: Journal) -> None:
    journal.close()

    _, out, _ = in_text("journal", "stats", "--json", "-c", configuration)

    assert json.loads(out)["oldest"] is None


@pytest.mark.parametrize(
    "arguments", [["show", "x"], ["stats"], ["stats", "--json"]], ids=" ".join
)
def test_a_look_makes_no_journal(configuration: Path, arguments: list[str]) -> None:
    status, out, err = in_text("journal", *arguments, "-c", configuration)

    assert (status, out) == (1, "")
    assert "journal.sqlite: no such file" in err
    assert not configuration.with_name("journal.sqlite").exists()


def test_a_check_makes_no_journal(configuration: Path) -> None:
    in_text("check", "-c", configuration)

    assert [path.name for path in configuration.parent.iterdir()] == ["stirmilter.toml"]


def test_a_journal_that_is_not_kept_is_a_matter_of_configuration(
    configuration: Path,
) -> None:
    configuration.write_text('[journal]\npath = ""\n')

    status, _, err = in_text("journal", "stats", "-c", configuration)

    assert status == 78
    assert "journal.path: empty: no journal is kept" in err

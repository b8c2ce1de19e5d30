"""The toy PKI revokes: two lists, and lists of numbers that stand elsewhere."""

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from stirmilter.cli import cli
from stirmilter.errors import ConfigError
from stirmilter.stir import credential, crlreader, hazmat, revocation
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores.fetch import Fetcher, FetchPolicy
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, NOW

ALICES = TNAuthList.build(numbers=[ALICE])
BASE = "https://127.0.0.1:8443"


@pytest.fixture
def made(tmp_path: Path) -> TestCA:
    return TestCA.create(tmp_path / "ca", NOW)


def leaf(made: TestCA, name: str) -> x509.Certificate:
    return credential.load_chain(made.files(name).chain.read_bytes())[0]


def entries(path: Path) -> int:
    return crlreader.read(path.read_bytes()).entries


def test_a_direct_list_is_of_its_issuer_and_the_indirect_one_of_all(
    made: TestCA,
) -> None:
    made.signer("one", ALICES, NOW)
    made.signer("two", ALICES, NOW, trusted=False)
    for name in ("one", "two", "one"):
        made.revoke(name, NOW)

    assert [entries(path) for path in made.crl(NOW)] == [1, 2]


def test_a_list_lasts_as_long_as_it_is_told(made: TestCA) -> None:
    path, _ = made.crl(NOW, timedelta(hours=3))

    found = crlreader.read(path.read_bytes())

    assert found.this_update == NOW
    assert found.next_update == NOW + timedelta(hours=3)


def test_nobody_revokes_who_is_not_there(made: TestCA) -> None:
    with pytest.raises(ConfigError, match="no such signer"):
        made.revoke("nobody", NOW)


def test_a_signer_names_the_list_and_the_administrator(made: TestCA) -> None:
    made.signer("direct", ALICES, NOW, crl=f"{BASE}/intermediate.crl")
    made.signer("indirect", ALICES, NOW, crl=f"{BASE}/sti-pa.crl")

    issuers = [
        leaf(made, name)
        .extensions.get_extension_for_class(x509.CRLDistributionPoints)
        .value[0]
        .crl_issuer
        for name in ("direct", "indirect")
    ]

    assert revocation.locations(leaf(made, "direct")) == (f"{BASE}/intermediate.crl",)
    assert issuers[0] is None
    assert issuers[1] is not None


def test_a_list_of_numbers_by_reference_is_served(made: TestCA) -> None:
    made.signer("it", ALICES, NOW, reference=f"{BASE}/it.tnauthlist")
    fetcher = Fetcher(FetchPolicy(laboratory=True, tls_ca=str(made.tls_ca)))

    with made.publish() as base:
        octets = fetcher.body(f"{base}/it.tnauthlist")

    assert TNAuthList.decode(octets) == ALICES
    assert hazmat.extension(leaf(made, "it"), hazmat.TN_AUTH_LIST) is None
    assert credential.references([leaf(made, "it")]) == (f"{BASE}/it.tnauthlist",)


def test_the_commands_revoke(made: TestCA) -> None:
    folder = str(made.folder)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["testca", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    url = f"{BASE}/sti-pa.crl"
    run("signer", folder, "it", "--number", f"+{ALICE}", "--crl", url)
    lists = run("crl", folder, "--days", "2").splitlines()
    assert run("revoke", folder, "it") == "revoked\tit\n"

    paths = [Path(line.partition("\t")[2]) for line in lists]
    assert [path.name for path in paths] == ["intermediate.crl", "sti-pa.crl"]
    assert [entries(path) for path in paths] == [1, 1]
    assert revocation.locations(leaf(made, "it")) == (url,)

"""Fourteen real certificates that were set aside: what is wrong with them for us."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.vectors import openssl, reading
from tests.vectors.corpus import Corpus

ANOMALIES = reading.table("corpus")["anomaly"]
NULL_PARAMETERS = bytes.fromhex("300c06082a8648ce3d0403020500")
"""ecdsa-with-SHA256 and NULL."""

AUTHORITIES = {
    "parse-PARSEFAIL-d54b8c44268da3ea.der",
    "parse-PARSEFAIL-4378a3f136510465.der",
    "parse-PARSEFAIL-a22dda815630c32b.der",
}


def test_the_table_has_every_anomaly(corpus: Corpus) -> None:
    names = {path.name for path in (corpus.folder / "anomalies").iterdir()}

    assert ANOMALIES.keys() == names


@pytest.mark.parametrize("name", ANOMALIES)
def test_each_anomaly_gets_its_verdict(vectors: Path, name: str) -> None:
    found = reading.judge((vectors / "sti-corpus" / "anomalies" / name).read_bytes())

    assert found.code == ANOMALIES[name]["reason"]
    assert found.detail.startswith(ANOMALIES[name]["detail"])


def test_openssl_reads_all_of_them(corpus: Corpus) -> None:
    files = (corpus.folder / "anomalies").iterdir()

    assert {path.name for path in files if openssl.parses(path)} == ANOMALIES.keys()


def test_openssl_believes_those_whose_issuers_are_known(
    corpus: Corpus, tmp_path: Path
) -> None:
    """It does not look into a TNAuthList, and takes NULL for no parameters."""
    folder = corpus.folder / "anomalies"
    odd = [(folder / name).read_bytes() for name in sorted(AUTHORITIES)]
    real = [one.public_bytes(Encoding.DER) for one in corpus.authorities.values()]
    roots = [one.public_bytes(Encoding.DER) for one in corpus.roots]
    own_root = (folder / "parse-PARSEFAIL-d54b8c44268da3ea.der").read_bytes()

    found = openssl.verify(
        {folder / name: row["at"] for name, row in ANOMALIES.items()},
        [*roots, own_root],
        [*real, *odd],
        tmp_path,
    )

    assert found == {name: row["openssl"] for name, row in ANOMALIES.items()}


def test_the_unreadable_are_those_whose_algorithm_has_parameters(
    corpus: Corpus,
) -> None:
    """RFC 5758 §3.2: with ecdsa-with-SHA256 the parameters MUST be omitted."""
    folders = ("anomalies", "ca", "sample-ee")
    files = [path for name in folders for path in (corpus.folder / name).iterdir()]

    found = {path.name for path in files if NULL_PARAMETERS in path.read_bytes()}

    assert found == {name for name in ANOMALIES if name.startswith("parse-")}
    assert len(files) == 14 + 49 + 144

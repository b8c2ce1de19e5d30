"""Paths from real signers to real roots, and what OpenSSL says of them."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from stirmilter.stir import credential
from stirmilter.stir.result import Unverified
from tests.vectors import openssl, reading
from tests.vectors.corpus import Corpus, times

UNLINKED = reading.table("corpus")["unlinked"]
ROOTLESS = reading.table("corpus")["rootless"]
T_MOBILE = [name for name in UNLINKED if name.startswith("T-Mobile-")]
T_MOBILE_ROOT = "parse-PARSEFAIL-d54b8c44268da3ea.der"
T_MOBILE_INTERMEDIATES = [
    "parse-PARSEFAIL-4378a3f136510465.der",
    "parse-PARSEFAIL-a22dda815630c32b.der",
]
LAST_SECOND = "Sansay-29322bf8e3d9.der"


def ours(corpus: Corpus, chain: list[x509.Certificate], at: datetime) -> str:
    """Return the code of our verdict on a chain."""
    try:
        credential.validate(chain, corpus.anchors, at)
    except Unverified as error:
        return error.reason.code
    return openssl.OK


def theirs(corpus: Corpus, at: dict[str, datetime], folder: Path) -> dict[str, str]:
    """Return OpenSSL's verdicts, with every intermediate of the corpus at hand."""
    return openssl.verify(
        {corpus.folder / "sample-ee" / name: moment for name, moment in at.items()},
        octets(corpus.roots),
        octets(corpus.intermediates),
        folder,
    )


def is_below(corpus: Corpus, name: str) -> bool:
    return corpus.authorities[name] in corpus.intermediates


def name_of(name: x509.Name) -> str:
    [common] = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common.value)


def octets(certificates: list[x509.Certificate]) -> list[bytes]:
    return [one.public_bytes(Encoding.DER) for one in certificates]


def test_every_signer_has_a_path_but_those_whose_issuers_are_missing(
    corpus: Corpus,
) -> None:
    at = times(corpus.signers.items())

    found = {
        name: ours(corpus, corpus.line(one, at[name]), at[name])
        for name, one in corpus.signers.items()
    }

    refused = {name: code for name, code in found.items() if code != openssl.OK}
    assert refused == {name: row["reason"] for name, row in UNLINKED.items()}
    assert len(found) - len(refused) == 132


def test_a_path_leads_from_the_signer_to_a_root_of_the_corpus(corpus: Corpus) -> None:
    at = times(corpus.signers.items())
    wrong = []

    for name in corpus.signers.keys() - UNLINKED.keys():
        line = corpus.line(corpus.signers[name], at[name])
        path = credential.validate(line, corpus.anchors, at[name]).path
        if path[:-1] != tuple(line) or path[-1] not in corpus.roots:
            wrong.append(name)

    assert wrong == []


def test_openssl_finds_the_same_paths(corpus: Corpus, tmp_path: Path) -> None:
    at = times(corpus.signers.items())

    found = theirs(corpus, at, tmp_path)

    refused = {name: code for name, code in found.items() if code != openssl.OK}
    assert refused == {name: row["openssl"] for name, row in UNLINKED.items()}
    assert len(found) == len(corpus.signers)


def test_intermediates_lead_to_a_root_unless_it_is_missing_as_openssl_says(
    corpus: Corpus, tmp_path: Path
) -> None:
    some = {n: corpus.authorities[n] for n in corpus.authorities if is_below(corpus, n)}
    at = times(some.items())
    lost = set()
    for name, one in some.items():
        try:
            corpus.anchors.path([one], at[name], 6)
        except ValueError:
            lost.add(name)

    found = openssl.verify(
        {corpus.folder / "ca" / name: moment for name, moment in at.items()},
        octets(corpus.roots),
        [],
        tmp_path,
    )

    assert lost == ROOTLESS.keys()
    assert {name: code for name, code in found.items() if code != openssl.OK} == (
        dict.fromkeys(ROOTLESS, openssl.NO_ISSUER)
    )


def test_the_missing_roots_are_missing(corpus: Corpus) -> None:
    names = {name_of(root.subject) for root in corpus.roots}

    assert {name: name_of(corpus.authorities[name].issuer) for name in ROOTLESS} == (
        ROOTLESS
    )
    assert not names & set(ROOTLESS.values())


@pytest.mark.parametrize(
    ("outside", "code"),
    [
        pytest.param(timedelta(minutes=1), "credential-expired", id="after-its-end"),
        pytest.param(timedelta(days=-9_000), "credential-expired", id="long-before"),
    ],
)
def test_no_signer_has_a_path_outside_its_validity(
    corpus: Corpus, outside: timedelta, code: str
) -> None:
    found = set()
    for one in corpus.signers.values():
        at = one.not_valid_after_utc
        found.add(ours(corpus, corpus.line(one, at), at + outside))

    assert found == {code}


def test_without_its_intermediate_no_signer_has_a_path(corpus: Corpus) -> None:
    at = times(corpus.signers.items())
    straight = {
        name
        for name, one in corpus.signers.items()
        if ours(corpus, [one], at[name]) == openssl.OK
    }

    by_roots = {
        name
        for name, one in corpus.signers.items()
        if any(one.issuer == root.subject for root in corpus.roots)
    }

    assert straight == by_roots


# Where OpenSSL and we differ


@pytest.mark.parametrize(
    ("before", "verdict"),
    [
        pytest.param(timedelta(0), openssl.EXPIRED, id="last-second"),
        pytest.param(timedelta(seconds=1), openssl.OK, id="last-second-but-one"),
    ],
)
def test_the_last_second_counts_for_us_and_not_for_openssl(
    corpus: Corpus, tmp_path: Path, before: timedelta, verdict: str
) -> None:
    """RFC 5280 §4.1.2.5: from notBefore through notAfter, inclusive."""
    one = corpus.signers[LAST_SECOND]
    at = one.not_valid_after_utc - before

    assert ours(corpus, corpus.line(one, at), at) == openssl.OK
    assert theirs(corpus, {LAST_SECOND: at}, tmp_path) == {LAST_SECOND: verdict}


@pytest.mark.parametrize(
    ("name", "twin", "code"),
    [
        pytest.param(
            "Metaswitch-61a18f942b4d.der",
            "Metaswitch-8a7fb50e95b8.der",
            "credential-expired",
            id="renewed-later",
        ),
        pytest.param(
            "GBSDTech-01a9a990d8be.der",
            "GBSDTech-de6fcb6ba446.der",
            "credential-untrusted",
            id="with-another-key",
        ),
    ],
)
def test_of_two_issuers_of_one_name_the_first_counts_and_openssl_tries_both(
    corpus: Corpus, tmp_path: Path, name: str, twin: str, code: str
) -> None:
    """docs/profile.md §5: a chain is a line, not a heap to search."""
    at = corpus.signers[name].not_valid_before_utc
    leaf, issuer = corpus.line(corpus.signers[name], at)
    other = corpus.authorities[twin]

    assert other.subject == issuer.subject
    assert ours(corpus, [leaf, issuer, other], at) == openssl.OK
    assert ours(corpus, [leaf, other, issuer], at) == code
    assert theirs(corpus, {name: at}, tmp_path) == {name: openssl.OK}


def test_openssl_believes_t_mobile_whose_issuers_we_cannot_read(
    corpus: Corpus, tmp_path: Path
) -> None:
    """Their ECDSA algorithm has parameters; RFC 5758 §3.2: they MUST be omitted."""
    at = times((name, corpus.signers[name]) for name in T_MOBILE)
    anomalies = corpus.folder / "anomalies"

    found = openssl.verify(
        {corpus.folder / "sample-ee" / name: moment for name, moment in at.items()},
        [(anomalies / T_MOBILE_ROOT).read_bytes()],
        [(anomalies / name).read_bytes() for name in T_MOBILE_INTERMEDIATES],
        tmp_path,
    )

    assert found == dict.fromkeys(T_MOBILE, openssl.OK)
    for name in [T_MOBILE_ROOT, *T_MOBILE_INTERMEDIATES]:
        with pytest.raises(Unverified, match="not a certificate"):
            credential.load_chain((anomalies / name).read_bytes())

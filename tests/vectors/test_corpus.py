"""Real STI certificates: 144 of signers, 49 of authorities, and their index."""

from collections import Counter
from datetime import date, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyasn1.codec.der import decoder  # type: ignore[import-untyped]
from pyasn1_modules import rfc8226  # type: ignore[import-untyped]

from stirmilter.stir import credential, hazmat
from stirmilter.stir.result import Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from tests.vectors.corpus import Corpus
from tests.vectors.reading import judge

ONE_CODE = "spc(explicit,tag16)"  # as the index writes what RFC 8226 wants
WITHOUT_A_LIST = {"VOSLogic_com-3dd37becdcfe.der", "VoiceCarrier-1415b6414cfb.der"}
"""Both are of X.509 version 1, which has no extensions."""

UNNAMED = {
    "BigFatTelecom_Corp_-e40512354eea.der",
    "GBSDTech-7ed6c39c5ac9.der",
    "GBSDTech-a618bfb5c976.der",
    "NetNumber-1edb63369331.der",
    "NetNumber-327278e90f45.der",
    "NetNumber-4091f69bfe49.der",
    "NetNumber-70f308a7f011.der",
    "NetNumber-842b9c162161.der",
    "NetNumber-b02c1e7f0d10.der",
    "NetNumber-cda13ec94a20.der",
    "T-Mobile-7f653e154534.der",
}
"""Signers whose common name does not repeat the code, as the SHAKEN profile wants."""


def lists(corpus: Corpus) -> dict[str, bytes]:
    """Return the octets of every TNAuthList among the signers."""
    found = {
        name: hazmat.extension(one, hazmat.TN_AUTH_LIST)
        for name, one in corpus.signers.items()
    }
    return {name: octets for name, octets in found.items() if octets is not None}


def code(octets: bytes) -> str:
    """Read a list of one code with another decoder."""
    listed, rest = decoder.decode(octets, asn1Spec=rfc8226.TNAuthorizationList())
    [entry] = listed
    assert not rest
    return str(entry["spc"])


def kind(one: x509.Certificate) -> str:
    """Write a key as the index does."""
    key = one.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECPublicKey:{key.curve.name}"
    return "RSAPublicKey"


def is_ca(one: x509.Certificate) -> bool:
    extensions = [e.value for e in one.extensions]
    return any(isinstance(e, x509.BasicConstraints) and e.ca for e in extensions)


def day(text: str) -> date:
    return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day, UTC


def test_the_corpus_has_the_size_that_its_readme_tells(corpus: Corpus) -> None:
    sizes = len(corpus.signers), len(corpus.authorities), len(corpus.index)

    assert sizes == (144, 49, 15_988)


def test_the_index_agrees_with_what_we_read(corpus: Corpus) -> None:
    found, expected = {}, {}
    for folder, certificates in (
        ("sample-ee", corpus.signers),
        ("ca", corpus.authorities),
    ):
        for name, one in certificates.items():
            row = corpus.row(corpus.folder / folder / name)
            span = one.not_valid_after_utc - one.not_valid_before_utc
            found[name] = (
                *("CA" if is_ca(one) else "EE", kind(one), span.days),
                one.not_valid_before_utc.date(),
                one.not_valid_after_utc.date(),
            )
            expected[name] = (
                *(row["kind"], row["key"], int(row["validity_days"])),
                *(day(row["not_before"]), day(row["not_after"])),
            )

    assert found == expected


def test_every_signer_is_accepted_but_those_without_a_list(corpus: Corpus) -> None:
    found = {
        name: judge((corpus.folder / "sample-ee" / name).read_bytes())
        for name in corpus.signers
    }

    refused = {name: v for name, v in found.items() if v.code != "accepted"}

    assert refused.keys() == WITHOUT_A_LIST
    assert {verdict.code for verdict in refused.values()} == {"not-authorized"}


def test_the_index_tells_a_list_of_one_code_where_we_read_one(corpus: Corpus) -> None:
    classes = {
        name: corpus.row(corpus.folder / "sample-ee" / name)["tnauthlist"]
        for name in corpus.signers
    }

    assert classes == dict.fromkeys(corpus.signers, ONE_CODE) | dict.fromkeys(
        WITHOUT_A_LIST, "none"
    )


def test_every_list_is_the_one_code_that_another_decoder_reads(corpus: Corpus) -> None:
    found = {name: TNAuthList.decode(octets) for name, octets in lists(corpus).items()}

    assert found == {
        name: TNAuthList.build(spcs=[code(octets)])
        for name, octets in lists(corpus).items()
    }
    assert len(found) == len(corpus.signers) - len(WITHOUT_A_LIST)


def test_every_list_is_the_only_spelling_of_what_it_says(corpus: Corpus) -> None:
    found = lists(corpus)

    assert found == {
        name: hazmat.encode_tn_auth_list(hazmat.decode_tn_auth_list(octets))
        for name, octets in found.items()
    }


def test_nearly_every_common_name_repeats_the_code(corpus: Corpus) -> None:
    unnamed = set()
    for name, octets in lists(corpus).items():
        subject = corpus.signers[name].subject
        [common] = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        [spc] = TNAuthList.decode(octets).spcs
        if spc not in str(common.value):
            unnamed.add(name)

    assert unnamed == UNNAMED


def test_a_code_speaks_for_no_number_by_name(corpus: Corpus) -> None:
    """What all the real certificates can give is the weakest authority there is."""
    authorities = Counter(
        credential.read(one).authority("12025550123")
        for name, one in corpus.signers.items()
        if name not in WITHOUT_A_LIST
    )

    assert authorities == {"spc": 142}


@pytest.mark.parametrize(
    ("curves", "detail"),
    [
        pytest.param({"ECPublicKey:secp256r1"}, "a CA certificate", id="on-p256"),
        pytest.param(
            {"ECPublicKey:secp384r1", "ECPublicKey:secp521r1", "RSAPublicKey"},
            "not on P-256",
            id="with-another-key",
        ),
    ],
)
def test_no_authority_is_accepted_as_a_signer(
    corpus: Corpus, curves: set[str], detail: str
) -> None:
    some = {n: one for n, one in corpus.authorities.items() if kind(one) in curves}

    refused = set()
    for name, one in some.items():
        with pytest.raises(Unverified, match=detail):
            credential.read(one)
        refused.add(name)

    assert refused
    assert refused == some.keys()


def test_no_authority_limits_the_numbers_below_it(corpus: Corpus) -> None:
    """The SHAKEN profile forbids a TNAuthList in a CA certificate."""
    limits = {
        hazmat.extension(one, hazmat.TN_AUTH_LIST)
        for one in corpus.authorities.values()
    }

    assert limits == {None}


def test_the_anomalies_are_all_the_odd_signers_of_the_index(corpus: Corpus) -> None:
    odd = {
        digest[:16]
        for digest, row in corpus.index.items()
        if row["tnauthlist"] != ONE_CODE and row["kind"] != "CA"
    }

    anomalies = {
        path.stem.rpartition("-")[2] for path in (corpus.folder / "anomalies").iterdir()
    }

    assert anomalies == odd
    assert len(odd) == 14

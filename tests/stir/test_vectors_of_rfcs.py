"""Vectors of the RFCs, read where they lie; none is copied into the project."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from stirmilter.stir import credential, hazmat, jws, passport, strictjson
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.msgi import Digest, digest_body
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from tests.stir.tokens import HEADER, seal
from tests.stir.vectors import BODIES, reason_of, table

# RFC 8225 prints two tokens and a key; each token has a fault of its own.


@dataclass(frozen=True)
class Printed:
    """A token of the RFC, cut in its parts."""

    text: str
    key: ec.EllipticCurvePublicKey

    @property
    def parts(self) -> list[bytes]:
        return [jws.b64url_decode(part) for part in self.text.split(".")]

    def verify(self) -> None:
        signing_input = self.text.rpartition(".")[0].encode()
        jws.verify(signing_input, self.parts[2], self.key)


def printed(vectors: Path, name: str) -> Printed:
    folder = vectors / "rfc8225"
    key = load_pem_public_key((folder / "appendixA-public.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return Printed((folder / name).read_text().strip(), key)


@pytest.mark.parametrize("name", ["appendixA-token.txt", "section7.1-token.txt"])
@pytest.mark.conformance("F-09")
def test_rfc_8225_parts_are_our_serialization(vectors: Path, name: str) -> None:
    for part in printed(vectors, name).parts[:2]:
        assert strictjson.serialize(json.loads(part)) == part


@pytest.mark.parametrize("name", ["appendixA-token.txt", "section7.1-token.txt"])
def test_rfc_8225_tokens_are_no_messages(vectors: Path, name: str) -> None:
    assert reason_of(printed(vectors, name).text) is Reason.UNSUPPORTED_PPT


@pytest.mark.conformance("F-14")
def test_rfc_8225_section_7_1_is_well_signed_and_iat_is_a_string(vectors: Path) -> None:
    token = printed(vectors, "section7.1-token.txt")

    token.verify()

    with pytest.raises(Unverified, match="iat") as caught:
        passport.parse(seal(json.dumps(HEADER).encode(), token.parts[1]))
    assert caught.value.reason is Reason.MALFORMED


def test_rfc_8225_appendix_a_has_good_claims_and_a_bad_signature(vectors: Path) -> None:
    token = printed(vectors, "appendixA-token.txt")

    assert passport.parse(seal(json.dumps(HEADER).encode(), token.parts[1]))
    with pytest.raises(Unverified) as caught:
        token.verify()
    assert caught.value.reason is Reason.BAD_SIGNATURE


@pytest.mark.conformance("F-08")
def test_rfc_8225_compact_form_is_refused(vectors: Path) -> None:
    text = (vectors / "rfc8225" / "section7.2-compact.txt").read_text().strip()

    assert reason_of(text) is Reason.MALFORMED


# RFC 7515


@pytest.mark.conformance("F-02")
def test_rfc_7515_sample_verifies(vectors: Path) -> None:
    sample = table(vectors / "rfc7515" / "A.3-es256.json")
    x, y = (int.from_bytes(jws.b64url_decode(sample[axis]), "big") for axis in "xy")
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signing_input = sample["signing_input"].encode()
    signature = jws.b64url_decode(sample["signature"])

    jws.verify(signing_input, signature, key)

    with pytest.raises(Unverified):
        jws.verify(signing_input + b"x", signature, key)


# RFC 8226


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param("pyasn1_spc_range_one", (1, 1, 1), id="all-kinds"),
        pytest.param("peculiar_spc_709J", (1, 0, 0), id="code-with-letter"),
        pytest.param("draft_spc_1234", (1, 0, 0), id="code"),
        pytest.param("draft_one_12015550100", (0, 0, 1), id="number"),
        pytest.param("asterisk_testsuite_spc_1", (1, 0, 0), id="code-of-one-digit"),
    ],
)
def test_rfc_8226_lists_are_read(
    vectors: Path, name: str, shape: tuple[int, int, int]
) -> None:
    entry = table(vectors / "rfc8226" / "tnauthlist.json")[name]
    octets = bytes.fromhex(entry["der_hex"])

    found = TNAuthList.decode(octets)

    assert (len(found.spcs), len(found.ranges), len(found.numbers)) == shape
    if name.startswith("pyasn1"):  # the others do not tell their values in words
        [(first, last)] = found.ranges
        count = int(last) - int(first) + 1
        for told in (*found.spcs, *found.numbers, first, str(count)):
            assert told in entry["meaning"]
    else:
        for told in (*found.spcs, *found.numbers):
            assert name.endswith(told)
    assert hazmat.encode_tn_auth_list(hazmat.decode_tn_auth_list(octets)) == octets


@pytest.mark.parametrize(
    "name",
    [
        "NEG_libstirshaken_bare_ia5_url",
        "NEG_libstirshaken_bare_ia5_na",
        "NEG_implicit_spc_1234",
    ],
)
def test_rfc_8226_malformed_lists_are_refused(vectors: Path, name: str) -> None:
    entry = table(vectors / "rfc8226" / "tnauthlist.json")[name]

    with pytest.raises(Unverified) as caught:
        TNAuthList.decode(bytes.fromhex(entry["der_hex"]))
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


@pytest.mark.conformance("C-08")
def test_rfc_8226_claim_constraints_are_read(vectors: Path) -> None:
    [entry] = table(vectors / "rfc8226" / "jwtclaimconstraints.json").values()

    found = ClaimConstraints.decode(bytes.fromhex(entry["der_hex"]), None)

    include = ",".join(sorted(found.must_include))
    permitted = " ".join(
        f"{claim}:{{{','.join(sorted(values))}}}"
        for claim, values in found.permitted_values
    )
    assert entry["meaning"].startswith(
        f"mustInclude [{include}]; permittedValues {permitted};"
    )


def test_rfc_8226_certificate_on_p384_does_not_sign_es256(vectors: Path) -> None:
    octets = (vectors / "rfc8226" / "pyasn1-fake-sp-p384.pem").read_bytes()
    [certificate] = credential.load_chain(octets)

    assert TNAuthList.decode(hazmat.extension(certificate, hazmat.TN_AUTH_LIST) or b"")
    with pytest.raises(Unverified, match="P-256") as caught:
        credential.read(certificate)
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


# msgi


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.conformance("M-04", "M-11")
def test_msgi_of_every_body(vectors: Path, name: str, algorithm: str) -> None:
    expected = table(vectors / "msgi" / "digests.json")[name]

    found = digest_body((vectors / "msgi" / f"{name}.bin").read_bytes())

    assert found.length == expected["length"]
    assert str(found.value(algorithm)) == expected[algorithm]
    assert found.match(Digest.parse(expected[algorithm])) == "exact"


def test_msgi_of_the_sample_for_subresource_integrity(vectors: Path) -> None:
    sample = table(vectors / "msgi" / "digests.json")["sri-spec"]

    found = digest_body(sample["text"].encode())

    assert str(found.value("sha384")) == sample["sha384"]


@pytest.mark.parametrize("name", ["length_mismatch", "unknown_alg", "md5", "base64url"])
@pytest.mark.conformance("M-09", "M-10")
def test_msgi_malformed_values_are_refused(vectors: Path, name: str) -> None:
    value = table(vectors / "msgi" / "digests.json")["NEG"][name]

    with pytest.raises(Unverified) as caught:
        Digest.parse(value)
    assert caught.value.reason is Reason.MALFORMED

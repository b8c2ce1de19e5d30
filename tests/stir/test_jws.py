import string

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import jws
from stirmilter.stir.result import Reason, Unverified
from tests.stir.tokens import KEY, P256_ORDER

ALPHABET = "ABCDabcdwxyz0189-_+/= \n"
LETTERS = f"{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}-_"
INPUT = b"header.payload"
SIGNATURE = jws.SoftwareKey(KEY).sign(INPUT)
R, S = SIGNATURE[:32], SIGNATURE[32:]
ZERO = bytes(32)
ORDER = P256_ORDER.to_bytes(32, "big")


@given(st.text(ALPHABET, max_size=8))
@pytest.mark.conformance("F-19")
def test_every_octet_string_has_one_spelling(text: str) -> None:
    """What decodes at all, encodes back to itself (RFC 7515 §2, no padding)."""
    try:
        octets = jws.b64url_decode(text)
    except Unverified:
        return
    assert jws.b64url_encode(octets) == text


@given(st.binary(max_size=70))
def test_what_is_encoded_decodes(octets: bytes) -> None:
    assert jws.b64url_decode(jws.b64url_encode(octets)) == octets


@pytest.mark.parametrize("value", range(64))
def test_every_letter_stands_for_its_value(value: int) -> None:
    letter = LETTERS[value]

    assert jws.b64url_encode(bytes([0, 0, value])) == f"AAA{letter}"
    assert jws.b64url_decode(f"AAA{letter}") == bytes([0, 0, value])


@pytest.mark.parametrize("value", range(64))
def test_the_last_letter_holds_no_stray_bits(value: int) -> None:
    """The last of two letters has four bits too many, the last of three has two."""
    letter = LETTERS[value]

    assert is_read(f"A{letter}") == (value % 16 == 0)
    assert is_read(f"AA{letter}") == (value % 4 == 0)


def is_read(text: str) -> bool:
    try:
        jws.b64url_decode(text)
    except Unverified:
        return False
    return True


@given(st.text(max_size=30))
def test_decoding_refuses_in_one_way(text: str) -> None:
    try:
        jws.b64url_decode(text)
    except Unverified as error:
        assert error.reason is Reason.MALFORMED  # noqa: PT017 - the other way is none


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-_8=", id="padding"),
        pytest.param("-_8==", id="too-much-padding"),
        pytest.param("+/8", id="standard-alphabet"),
        pytest.param("-_9", id="stray-bits-in-the-last-character"),
        pytest.param("-_8\n", id="line-end"),
        pytest.param("-_ 8", id="space"),
        pytest.param("-_8A-", id="one-character-too-many"),
        pytest.param("A", id="one-character"),
        pytest.param("-_8\u00e9", id="letter-beyond-ascii"),
        pytest.param("-_\uff18", id="fullwidth-digit"),
        pytest.param("\ud800", id="lone-surrogate"),
    ],
)
@pytest.mark.conformance("F-19")
def test_second_spellings_are_refused(text: str) -> None:
    with pytest.raises(Unverified) as caught:
        jws.b64url_decode(text)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        pytest.param("", b"", id="nothing"),
        pytest.param("-_8", b"\xfb\xff", id="both-special-characters"),
        pytest.param("AA", b"\x00", id="one-octet"),
    ],
)
def test_the_one_spelling_is_read(text: str, octets: bytes) -> None:
    assert jws.b64url_decode(text) == octets


@pytest.mark.conformance("F-04")
def test_two_signatures_of_one_input_differ_in_their_first_half() -> None:
    """Equal messages of one second must not look like replays of each other."""
    one, other = jws.SoftwareKey(KEY).sign(INPUT), jws.SoftwareKey(KEY).sign(INPUT)

    assert one[:32] != other[:32]
    jws.verify(INPUT, one, KEY.public_key())
    jws.verify(INPUT, other, KEY.public_key())


def test_other_curves_do_not_sign() -> None:
    with pytest.raises(ValueError, match="P-256"):
        jws.SoftwareKey(ec.generate_private_key(ec.SECP384R1()))


@pytest.mark.conformance("F-02")
def test_good_signature_verifies() -> None:
    jws.verify(INPUT, SIGNATURE, KEY.public_key())


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(b"", id="empty"),
        pytest.param(SIGNATURE[:-1], id="one-octet-short"),
        pytest.param(SIGNATURE + b"\x00", id="one-octet-long"),
        pytest.param(S + R, id="halves-exchanged"),
        pytest.param(ZERO + S, id="r-zero"),
        pytest.param(R + ZERO, id="s-zero"),
        pytest.param(ZERO + ZERO, id="both-zero"),
        pytest.param(ORDER + S, id="r-is-the-order"),
        pytest.param(R + ORDER, id="s-is-the-order"),
        pytest.param(b"\xff" * 64, id="all-ones"),
        pytest.param(
            encode_dss_signature(int.from_bytes(R, "big"), int.from_bytes(S, "big")),
            id="der",
        ),
        pytest.param(
            encode_dss_signature(1, 1).ljust(64, b"\x00"), id="der-of-64-octets"
        ),
        pytest.param(jws.SoftwareKey(KEY).sign(b"other"), id="of-another-token"),
    ],
)
@pytest.mark.conformance("F-02")
def test_bad_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(Unverified) as caught:
        jws.verify(INPUT, signature, KEY.public_key())
    assert caught.value.reason is Reason.BAD_SIGNATURE


@given(st.integers(0, 511))
def test_every_bit_of_a_signature_counts(bit: int) -> None:
    spoilt = (int.from_bytes(SIGNATURE, "big") ^ 1 << bit).to_bytes(64, "big")

    with pytest.raises(Unverified):
        jws.verify(INPUT, spoilt, KEY.public_key())


@given(st.integers(0, 8 * len(INPUT) - 1))
def test_every_bit_of_the_signed_octets_counts(bit: int) -> None:
    spoilt = (int.from_bytes(INPUT, "big") ^ 1 << bit).to_bytes(len(INPUT), "big")

    with pytest.raises(Unverified):
        jws.verify(spoilt, SIGNATURE, KEY.public_key())


@pytest.mark.parametrize(
    "curve",
    [
        pytest.param(ec.SECP384R1(), id="p384"),
        pytest.param(ec.SECP521R1(), id="p521"),
        pytest.param(ec.SECP256K1(), id="k256-also-256-bits"),
    ],
)
def test_other_curves_do_not_verify(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve).public_key()

    with pytest.raises(Unverified) as caught:
        jws.verify(INPUT, SIGNATURE, key)
    assert caught.value.reason is Reason.BAD_SIGNATURE


def test_a_signature_made_on_another_curve_does_not_verify() -> None:
    """It has 64 octets as well, and is good on its curve."""
    key = ec.generate_private_key(ec.SECP256K1())
    r, s = decode_dss_signature(key.sign(INPUT, ec.ECDSA(SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")

    with pytest.raises(Unverified):
        jws.verify(INPUT, signature, key.public_key())


@pytest.mark.parametrize(
    ("key", "good"),
    [
        pytest.param(KEY, True, id="private"),
        pytest.param(KEY.public_key(), True, id="public"),
        pytest.param(ec.generate_private_key(ec.SECP384R1()), False, id="p384"),
        pytest.param(ec.generate_private_key(ec.SECP256K1()), False, id="k256"),
        pytest.param(rsa.generate_private_key(65537, 2048), False, id="rsa"),
        pytest.param(ed25519.Ed25519PrivateKey.generate(), False, id="ed25519"),
        pytest.param("a key", False, id="no-key-at-all"),
    ],
)
def test_es256_takes_keys_on_one_curve(key: object, good: bool) -> None:
    assert jws.is_p256(key) is good

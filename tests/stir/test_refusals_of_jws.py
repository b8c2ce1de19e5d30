"""What is said of base64url and of signatures that are refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.stir import jws
from stirmilter.stir.result import Reason
from tests.stir.refusals import said
from tests.stir.tokens import KEY

INPUT = b"header.payload"


@pytest.mark.parametrize(
    ("text", "detail", "rule"),
    [
        pytest.param("-_8=", "not base64url", "RFC 7515 §2", id="padding"),
        pytest.param("-_8AA", "not base64url", "RFC 7515 §2", id="one-letter-left"),
        pytest.param(
            "-_9",
            "base64url: not the canonical spelling",
            "RFC 4648 §3.5",
            id="stray-bits-after-two-octets",
        ),
        pytest.param(
            "-_8AAB",
            "base64url: not the canonical spelling",
            "RFC 4648 §3.5",
            id="stray-bits-after-four-octets",
        ),
    ],
)
def test_refusals_of_base64url(text: str, detail: str, rule: str) -> None:
    assert said(lambda: jws.b64url_decode(text)) == (Reason.MALFORMED, detail, rule)


def test_refusal_of_a_signature() -> None:
    signature = jws.SoftwareKey(KEY).sign(b"other")

    assert said(lambda: jws.verify(INPUT, signature, KEY.public_key())) == (
        Reason.BAD_SIGNATURE,
        "the key of the certificate did not sign",
        "RFC 8224 §6.2 step 5",
    )


def test_refusal_to_sign_on_another_curve() -> None:
    with pytest.raises(ValueError, match=r"^not a P-256 key, which ES256 needs$"):
        jws.SoftwareKey(ec.generate_private_key(ec.SECP256K1()))

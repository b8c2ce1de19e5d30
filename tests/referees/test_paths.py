"""The path from a signer's certificate to the anchor, by openssl and by us."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter.stir import credential
from stirmilter.stir.result import Reason, Unverified
from stirmilter.testca import TestCA
from tests.laboratory import NOW, anchors
from tests.referees.programs import openssl_path_error

# Of openssl's x509_vfy.h
NO_ISSUER: Final = 20
BAD_SIGNATURE: Final = 7
NOT_YET_VALID: Final = 9
EXPIRED: Final = 10

SECOND: Final = timedelta(seconds=1)
BEGIN: Final = NOW - timedelta(hours=1)
END: Final = NOW + timedelta(days=30)


def our_reason(chain: Path, ca: TestCA, at: datetime) -> Reason:
    """What we find about the path; nothing wrong with it is VERIFIED."""
    try:
        credential.validate(credential.load_chain(chain.read_bytes()), anchors(ca), at)
    except Unverified as error:
        return error.reason
    return Reason.VERIFIED


@pytest.mark.parametrize(
    ("name", "at", "theirs", "ours"),
    [
        pytest.param("one", NOW, 0, Reason.VERIFIED, id="now"),
        pytest.param("one", BEGIN, 0, Reason.VERIFIED, id="first-second"),
        pytest.param("one", END - SECOND, 0, Reason.VERIFIED, id="last-second-but-one"),
        pytest.param(
            "one",
            BEGIN - SECOND,
            NOT_YET_VALID,
            Reason.CREDENTIAL_EXPIRED,
            id="a-second-too-early",
        ),
        pytest.param(
            "one",
            END + SECOND,
            EXPIRED,
            Reason.CREDENTIAL_EXPIRED,
            id="a-second-too-late",
        ),
        pytest.param(
            "expired", NOW, EXPIRED, Reason.CREDENTIAL_EXPIRED, id="expired-yesterday"
        ),
        pytest.param(
            "expired",
            NOW - timedelta(days=1, minutes=30),
            0,
            Reason.VERIFIED,
            id="expired-yesterday-but-asked-about-the-day-before",
        ),
        pytest.param(
            "untrusted",
            NOW,
            NO_ISSUER,
            Reason.CREDENTIAL_UNTRUSTED,
            id="root-that-nobody-trusts",
        ),
    ],
)
def test_verdicts_on_a_path_agree(
    ca: TestCA, name: str, at: datetime, theirs: int, ours: Reason
) -> None:
    chain = ca.files(name).chain

    assert openssl_path_error(chain, ca.anchors, at) == theirs
    assert our_reason(chain, ca, at) is ours


def test_last_second_counts_for_us_and_not_for_openssl(ca: TestCA) -> None:
    """RFC 5280 §4.1.2.5: the period includes notAfter."""
    chain = ca.files("one").chain

    assert openssl_path_error(chain, ca.anchors, END) == EXPIRED
    assert our_reason(chain, ca, END) is Reason.VERIFIED


def test_verdicts_on_a_signer_without_its_issuer_agree(
    ca: TestCA, tmp_path: Path
) -> None:
    leaf, _ = credential.load_chain(ca.files("one").chain.read_bytes())
    chain = tmp_path / "chain.pem"
    chain.write_bytes(leaf.public_bytes(Encoding.PEM))

    assert openssl_path_error(chain, ca.anchors, NOW) == NO_ISSUER
    assert our_reason(chain, ca, NOW) is Reason.CREDENTIAL_UNTRUSTED


def test_verdicts_on_a_spoilt_certificate_agree(ca: TestCA, tmp_path: Path) -> None:
    leaf, issuer = credential.load_chain(ca.files("one").chain.read_bytes())
    octets = bytearray(leaf.public_bytes(Encoding.DER))
    octets[-1] ^= 1
    chain = tmp_path / "chain.pem"
    chain.write_bytes(
        ssl.DER_cert_to_PEM_cert(bytes(octets)).encode()
        + issuer.public_bytes(Encoding.PEM)
    )

    assert openssl_path_error(chain, ca.anchors, NOW) == BAD_SIGNATURE
    assert our_reason(chain, ca, NOW) is Reason.CREDENTIAL_UNTRUSTED

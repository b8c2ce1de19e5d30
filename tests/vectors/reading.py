"""How certificates of others are read, and how a verdict on one is told."""

import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from cryptography import x509

from stirmilter.stir import credential
from stirmilter.stir.result import Unverified

HERE: Final = Path(__file__).parent
ACCEPTED: Final = "accepted"

odd_serial_numbers: Final = pytest.mark.filterwarnings(
    "ignore:Parsed a serial number which wasn't positive"
)
"""RFC 5280 §4.1.2.2 wants users of certificates to bear with them, and says so."""


class Verdict(NamedTuple):
    """The code of a `Reason` or ``accepted``, and what was found."""

    code: str
    detail: str


def table(name: str) -> dict[str, Any]:
    """Read a table of expectations that stands beside the tests."""
    return tomllib.loads((HERE / f"{name}.toml").read_text())


def judge(octets: bytes) -> Verdict:
    """Judge a file as that of a signer: first its octets, then its form."""
    try:
        certificate, *_ = credential.load_chain(octets)
        found = credential.read(certificate)
    except Unverified as error:
        return Verdict(error.reason.code, error.detail)
    return Verdict(ACCEPTED, str(found.tn_auth_list))


def certificate(path: Path) -> x509.Certificate:
    """Read the only certificate of a file."""
    [only] = credential.load_chain(path.read_bytes())
    return only

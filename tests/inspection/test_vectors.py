"""Everything that others published: always an answer, in ASCII, never a trace."""

from pathlib import Path

import pytest
from cryptography import x509

from tests.inspection.reports import explain, facts, message_token
from tests.stir.certificates import Issued
from tests.stir.pki import LEAF


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize(
    "folder",
    [
        "asterisk-testsuite",
        "freeswitch",
        "interop-live",
        "libstirshaken",
        "msgi",
        "oob",
        "rfc8225",
        "rfc8226",
        "sti-corpus",
        "sti-pa",
        "zlint-shaken",
    ],
)
def test_every_file_of_others_has_an_answer(vectors: Path, folder: str) -> None:
    for path in sorted((vectors / folder).rglob("*")):
        if path.is_file():
            report = explain(path.read_bytes())

            assert report.kind, path
            assert all(line.isascii() for line in report.lines()), path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("sti-pa/STI-PA_ROOT.pem", "a certificate", id="root"),
        pytest.param("interop-live/chain.pem", "a chain of 2 certificates", id="chain"),
        pytest.param("interop-live/leaf.pub", "a public key", id="public key"),
        pytest.param("libstirshaken/csr.pem", "a certificate request", id="request"),
        pytest.param("rfc8225/section7.1-token.txt", "a token", id="token"),
    ],
)
def test_a_file_of_others_is_recognized(vectors: Path, name: str, kind: str) -> None:
    assert explain((vectors / name).read_bytes()).kind == kind


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        pytest.param("section7.1", "iat: expected whole seconds", id="with a string"),
        pytest.param("appendixA", "no ppt: set aside in a message", id="with a number"),
    ],
)
def test_the_samples_of_rfc_8225_are_baseline_tokens(
    vectors: Path, name: str, problem: str
) -> None:
    report = explain((vectors / "rfc8225" / f"{name}-token.txt").read_bytes())

    assert facts(report, "orig") == ["tn 12155551212"]
    assert facts(report, "dest") == ["uri sip:alice@example.com"]
    assert problem in report.problems[-1].text


def test_an_rsa_key_is_told_with_its_size(vectors: Path) -> None:
    report = explain((vectors / "zlint-shaken" / "shakenKeyAlgRSA.pem").read_bytes())

    assert facts(report, "key") == ["RSA of 2048 bits"]


def test_an_rsa_certificate_has_signed_nothing(vectors: Path) -> None:
    octets = (vectors / "zlint-shaken" / "shakenKeyAlgRSA.pem").read_bytes()
    rsa = Issued(x509.load_pem_x509_certificate(octets), LEAF.key)

    report = explain(message_token(), [[rsa]])

    assert "bad-signature" in report.problems[0].text

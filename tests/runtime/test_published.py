"""What an x5u of ours serves, held against the chain we sign with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stirmilter import findings, runtime
from stirmilter.demo.postfix import free_port
from stirmilter.findings import Finding
from stirmilter.testca import TestCA
from tests.runtime.configurations import Configured


@pytest.fixture
def published(ca: TestCA, configured: Configured) -> Callable[[str], Finding]:
    """Look at what an x5u serves for the signer ``one``."""

    def published(x5u: str) -> Finding:
        laboratory = {"laboratory": True, "tls_ca": str(ca.tls_ca), "seconds": 5}
        built = runtime.build(configured({"fetch": laboratory, "signer.0.x5u": x5u}))
        return findings.published(built, built.filter.authentication.signers[0])

    return published


Published = Callable[[str], Finding]


def test_our_chain_is_served(ca: TestCA, published: Published) -> None:
    with ca.publish() as base:
        finding = published(f"{base}/one.pem")

    assert finding == Finding(
        "ok", "signer one: x5u", f"{base}/one.pem serves the chain"
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        pytest.param(
            "other.pem",
            "/other.pem serves another chain than the file holds",
            id="another",
        ),
        pytest.param("none.pem", "status 404", id="none"),
    ],
)
def test_our_chain_is_not_served(
    ca: TestCA, published: Published, name: str, problem: str
) -> None:
    with ca.publish() as base:
        finding = published(f"{base}/{name}")

    assert (finding.level, finding.subject) == ("error", "signer one: x5u")
    assert finding.text.endswith(problem)


def test_a_chain_that_is_longer_than_ours_is_another(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    """RFC 9060 §5: what is served is what we checked, the intermediate included."""
    leaf, end, _ = ca.files("one").chain.read_text().partition("-----END CERT")
    (tmp_path / "leaf.pem").write_text(f"{leaf}{end}IFICATE-----\n")
    laboratory = {"laboratory": True, "tls_ca": str(ca.tls_ca)}
    with ca.publish() as base:
        change = {"signer.0.chain": "leaf.pem", "signer.0.x5u": f"{base}/one.pem"}
        built = runtime.build(configured({"fetch": laboratory, **change}))
        finding = findings.published(built, built.filter.authentication.signers[0])

    assert finding.level == "error"
    assert finding.text.endswith("serves another chain than the file holds")


def test_nobody_serves_our_chain(published: Published) -> None:
    finding = published(f"https://127.0.0.1:{free_port()}/one.pem")

    assert finding.level == "error"
    assert "refused" in finding.text


def test_what_a_store_remembers_is_no_proof(ca: TestCA, configured: Configured) -> None:
    """The web server is asked again, each time."""
    laboratory = {"laboratory": True, "tls_ca": str(ca.tls_ca)}
    www = ca.folder / "www" / "moved.pem"
    www.write_bytes(ca.files("one").chain.read_bytes())
    with ca.publish() as base:
        x5u = f"{base}/moved.pem"
        built = runtime.build(configured({"fetch": laboratory, "signer.0.x5u": x5u}))
        [one] = built.signers
        assert built.certificates.chain(x5u) == one.credential.path
        www.write_bytes(ca.files("spc").chain.read_bytes())

        finding = findings.published(built, one)

    assert finding.level == "error"

"""Our own chain below an authority whose numbers are listed elsewhere (RFC 8226 §10.1).

The list is looked at when the chain is proven, and not before: a start needs no
network.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from stirmilter import findings, runtime
from stirmilter.findings import Finding
from stirmilter.renewal import prober
from stirmilter.runtime import Runtime
from stirmilter.services import Signer
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, BOB, NOW
from tests.runtime.configurations import Configured
from tests.stir import der
from tests.stir.certificates import issue, leaf, pem
from tests.stir.pki import ROOT
from tests.stir.test_references import refers

Made = Callable[..., tuple[Runtime, Signer]]

ALICES = der.sequence(der.one(ALICE))
BOBS = der.sequence(der.one(BOB))


@pytest.fixture
def made(ca: TestCA, configured: Configured, tmp_path: Path) -> Iterator[Made]:
    """Serve a chain and the list that its authority refers to, and load it."""
    www = ca.folder / "www"
    with ca.publish() as base:

        def made(
            listed: bytes | None, *, lists: int = 1, **settings: object
        ) -> tuple[Runtime, Signer]:
            urls = [f"{base}/delegate-{n}.tnauthlist" for n in range(lists)]
            middle = issue("middle", ROOT, [refers(*urls)], ca=True)
            own = leaf(middle)
            key = own.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            (tmp_path / "own.key").touch(0o600)
            (tmp_path / "own.key").write_bytes(key)
            (tmp_path / "own.pem").write_bytes(pem(own, middle))
            (tmp_path / "root.pem").write_bytes(pem(ROOT))
            (www / "delegated.pem").write_bytes(pem(own, middle))
            for n in range(lists):
                place = www / f"delegate-{n}.tnauthlist"
                place.unlink(missing_ok=True)
                if listed is not None:
                    place.write_bytes(listed)
            change = {
                "signer.0.key": "own.key",
                "signer.0.chain": "own.pem",
                "signer.0.x5u": f"{base}/delegated.pem",
                "verify.anchors": ["root.pem"],
                "fetch.laboratory": True,
                "fetch.tls_ca": str(ca.tls_ca),
                "fetch.seconds": 5,
            }
            built = runtime.build(configured({**change, **settings}))
            return built, built.signers[0]

        yield made


def errors(built: Runtime, signer: Signer) -> list[Finding]:
    found = findings.signer_findings(built, signer, NOW)
    return [finding for finding in found if finding.level == "error"]


@pytest.mark.conformance("A-15", "C-05")
def test_a_chain_within_the_list_above_is_proven(made: Made) -> None:
    built, signer = made(ALICES)

    assert signer.credential.authority(ALICE) == "tn"
    assert errors(built, signer) == []
    assert findings.published(built, signer).level == "ok"
    assert prober.examine(built, signer, NOW) == ("", False)


@pytest.mark.conformance("A-15", "C-05")
@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        pytest.param(BOBS, "not-authorized: a certificate names more", id="outside"),
        pytest.param(b"<html>", "credential-malformed: TNAuthList", id="no-list"),
        pytest.param(None, "status 404", id="not-there"),
    ],
)
def test_a_chain_that_verifiers_would_refuse_for_a_list_is_loaded_and_not_proven(
    made: Made, listed: bytes | None, problem: str
) -> None:
    built, signer = made(listed)

    finding = findings.published(built, signer)

    assert errors(built, signer) == [], "the list is not asked for yet"
    assert (finding.level, finding.subject) == ("error", "signer one: x5u")
    assert finding.text.startswith("a TNAuthList that the chain refers to: ")
    assert problem in finding.text
    assert prober.examine(built, signer, NOW) == (finding.text, False)


def test_a_relay_that_fetches_nothing_to_prove_its_chain_takes_it_as_it_is(
    made: Made,
) -> None:
    built, signer = made(None, **{"sign.prove": False})

    assert prober.examine(built, signer, NOW) == ("", False)


def test_only_so_many_lists_are_fetched_for_our_own_chain(made: Made) -> None:
    built, signer = made(ALICES, lists=3, **{"fetch.references": 2})

    finding = findings.published(built, signer)

    assert finding.level == "error"
    assert finding.text.endswith("more than 2 TNAuthLists by reference")


def test_a_look_has_time_for_each_list(made: Made) -> None:
    built, one = made(ALICES)
    _, three = made(ALICES, lists=3)

    assert prober.seconds(built, [one, three]) == (
        prober.seconds(built, [one]) + 2 * built.config.fetch.seconds
    )

"""What a service does not fetch: without the ports for lists, and OCSP never."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Reason
from tests.laboratory import NOW, X5U, FolderRepository, message
from tests.services.world import World
from tests.stir.certificates import issue, publish, tn_auth_list
from tests.stir.pki import ROOT

URL = f"{X5U}odd.pem"
BY_REFERENCE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.14")  # RFC 8226 §10.1


def access(method: x509.ObjectIdentifier, name: str) -> x509.AuthorityInformationAccess:
    place = x509.UniformResourceIdentifier(f"{X5U}{name}")
    return x509.AuthorityInformationAccess([x509.AccessDescription(method, place)])


def crl() -> x509.CRLDistributionPoints:
    names = [x509.UniformResourceIdentifier("http://crl.example/pa.crl")]
    point = x509.DistributionPoint(names, None, None, None)
    return x509.CRLDistributionPoints([point])


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        pytest.param(
            [access(BY_REFERENCE, "numbers.der")],
            Reason.NOT_AUTHORIZED,
            id="list-by-reference-alone",
        ),
        pytest.param(
            [tn_auth_list(), access(BY_REFERENCE, "numbers.der")],
            Reason.VERIFIED,
            id="list-by-reference-as-well",
        ),
        pytest.param(
            [tn_auth_list(), crl()],
            Reason.VERIFIED,
            id="revocation-list",
        ),
        pytest.param(
            [tn_auth_list(), access(AuthorityInformationAccessOID.OCSP, "ocsp")],
            Reason.VERIFIED,
            id="ocsp",
            marks=pytest.mark.conformance("C-14"),
        ),
    ],
)
def test_what_a_certificate_refers_to_is_not_fetched(
    world: World,
    tmp_path: Path,
    extensions: list[x509.ExtensionType],
    reason: Reason,
) -> None:
    signer = issue("odd", ROOT, extensions)
    publish(tmp_path, "odd", signer)
    odd = replace(
        world,
        folder=tmp_path,
        keys={"odd": signer.key},
        trusted=TrustAnchors([ROOT.certificate]),
    )
    repository = FolderRepository(tmp_path)

    found = odd.verifier(repository=repository).verify(
        message(), [odd.token("odd")], NOW
    )

    assert found.result.reason is reason
    assert repository.fetched == [URL]

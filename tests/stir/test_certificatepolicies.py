"""Policies that a whole path has (RFC 5280 §6.1.3); openssl is asked in referees."""

from collections.abc import Sequence

import pytest
from cryptography import x509

from stirmilter.stir import certificatepolicies
from stirmilter.stir.certificatepolicies import ANY
from stirmilter.stir.result import Reason
from tests.stir.certificates import issue
from tests.stir.refusals import said

ONE = "1.2.3.1"
TWO = "1.2.3.2"


def certificate(
    oids: Sequence[str], *extensions: x509.ExtensionType
) -> x509.Certificate:
    named = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]
    policies = [x509.CertificatePolicies(named)] if named else []
    return issue("one", None, [*policies, *extensions]).certificate


@pytest.mark.conformance("C-19")
@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param([[ONE], [ONE], []], {ONE}, id="all-the-way"),
        pytest.param([[ONE], [], []], set(), id="leaf-alone"),
        pytest.param([[ONE], [TWO], []], set(), id="another-above"),
        pytest.param([[ONE, TWO], [TWO], []], {TWO}, id="one-of-two"),
        pytest.param([[ONE], [ANY], []], {ONE}, id="any-above"),
        pytest.param([[ANY], [ONE], []], {ONE}, id="any-below"),
        pytest.param([[ANY], [ANY], []], {ANY}, id="any-all-the-way"),
        pytest.param([[ONE], [ANY, TWO], [], []], set(), id="any-below-none"),
        pytest.param([[ONE], [ONE], [TWO]], {ONE}, id="anchor-has-another"),
        pytest.param([[ONE]], {ONE}, id="leaf-is-the-anchor"),
        pytest.param([[]], set(), id="leaf-is-the-anchor-and-has-none"),
    ],
)
def test_a_policy_counts_that_the_whole_path_has(
    path: list[list[str]], found: set[str]
) -> None:
    assert certificatepolicies.along([certificate(oids) for oids in path]) == found


@pytest.mark.conformance("C-19")
@pytest.mark.parametrize(
    ("extension", "name"),
    [
        pytest.param(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), b"0\0"),
            "policyMappings",
            id="mappings",
        ),
        pytest.param(x509.PolicyConstraints(1, None), "policyConstraints", id="limits"),
        pytest.param(x509.InhibitAnyPolicy(1), "inhibitAnyPolicy", id="no-any"),
    ],
)
def test_an_authority_that_maps_or_restricts_policies_is_not_followed(
    extension: x509.ExtensionType, name: str
) -> None:
    plain, odd = certificate([ONE]), certificate([ONE], extension)

    assert said(lambda: certificatepolicies.along([plain, odd, plain])) == (
        Reason.CREDENTIAL_UNTRUSTED,
        f"a CA certificate with {name}, which is not followed",
        "RFC 5280 §6.1.4",
    )
    assert certificatepolicies.along([odd, plain, odd]) == {ONE}

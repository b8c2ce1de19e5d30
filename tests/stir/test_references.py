"""A TNAuthList by reference counts as one in the certificate does (RFC 8226 §10.1)."""

import pytest
from cryptography import x509

from stirmilter.stir import credential, delegation, hazmat
from stirmilter.stir.credential import Credential, TrustAnchors
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stir.tnauthlist import TNAuthList
from tests.laboratory import ALICE, BOB, CAROL, NOW
from tests.stir import der
from tests.stir.certificates import Issued, issue, tn_auth_list
from tests.stir.pki import ROOT
from tests.stir.refusals import said

URL = "https://lists.example/one.tnauthlist"
OTHER = "https://lists.example/other.tnauthlist"
ALICES = der.sequence(der.one(ALICE))
BOBS = der.sequence(der.one(BOB))


def refers(*urls: str) -> x509.AuthorityInformationAccess:
    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                hazmat.TN_AUTH_LIST_REFERENCE, x509.UniformResourceIdentifier(url)
            )
            for url in urls
        ]
    )


MIDDLE = issue("middle", ROOT, [refers(OTHER)], ca=True)
LEAF = issue("leaf", ROOT, [refers(URL)])
BOTH = issue("both", ROOT, [refers(URL), tn_auth_list()])
BELOW = issue("below", MIDDLE, [tn_auth_list()])


def read(lists: dict[str, bytes], *chain: Issued) -> Credential:
    certificates = [one.certificate for one in chain]
    path = credential.find_path(certificates, TrustAnchors([ROOT.certificate]), NOW)
    assert set(credential.references(path)) >= set(lists)
    return credential.assemble(path, certificates, lists)


def refusal(lists: dict[str, bytes], *chain: Issued) -> Reason:
    with pytest.raises(Unverified) as caught:
        read(lists, *chain)
    return caught.value.reason


@pytest.mark.conformance("C-17")
def test_the_list_that_a_certificate_refers_to_says_whom_it_speaks_for() -> None:
    found = read({URL: ALICES}, LEAF)

    assert found.authority(ALICE) == "tn"
    with pytest.raises(Unverified, match="does not cover the number"):
        found.authority(BOB)


def test_both_lists_of_a_certificate_count() -> None:
    found = read({URL: BOBS}, BOTH)

    assert found.authority(ALICE) == "tn"
    assert found.authority(BOB) == "tn"


@pytest.mark.conformance("C-05")
def test_a_list_that_an_authority_refers_to_limits_what_it_issues() -> None:
    assert read({OTHER: ALICES}, BELOW, MIDDLE).authority(ALICE) == "tn"
    assert refusal({OTHER: BOBS}, BELOW, MIDDLE) is Reason.NOT_AUTHORIZED


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(der.sequence(), id="empty-list"),
        pytest.param(ALICES + b"\0", id="more"),
        pytest.param(ALICES[:-1], id="breaks-off"),
        pytest.param(der.one(ALICE), id="entry-without-list"),
    ],
)
def test_what_is_no_list_is_malformed(octets: bytes) -> None:
    assert refusal({URL: octets}, LEAF) is Reason.CREDENTIAL_MALFORMED


def test_a_list_of_the_signer_that_was_not_fetched_is_absent() -> None:
    assert refusal({}, LEAF) is Reason.NOT_AUTHORIZED
    assert read({}, BOTH).authority(ALICE) == "tn"


MISSING = (
    Reason.CREDENTIAL_UNAVAILABLE,
    f"TNAuthList of a CA certificate by reference, not fetched: {OTHER}",
    "RFC 8226 §10.1",
)


@pytest.mark.conformance("C-05")
@pytest.mark.parametrize(
    "above",
    [
        pytest.param([refers(OTHER)], id="by-reference"),
        pytest.param([refers(OTHER), tn_auth_list()], id="also-by-reference"),
        pytest.param(
            [refers(OTHER), tn_auth_list(der.one(BOB))], id="the-rest-by-reference"
        ),
    ],
)
def test_a_list_of_an_authority_that_was_not_fetched_gives_nobody_a_pass(
    above: list[x509.ExtensionType],
) -> None:
    """What it limits cannot be known, so what is below is neither good nor bad."""
    middle = issue("middle", ROOT, above, ca=True)
    below = issue("below", middle, [tn_auth_list()])
    chain = [below.certificate, middle.certificate]
    anchors = TrustAnchors([ROOT.certificate])

    assert said(lambda: credential.validate(chain, anchors, NOW)) == MISSING
    assert said(lambda: read({}, below, middle)) == MISSING
    assert read({OTHER: ALICES}, below, middle).authority(ALICE) == "tn"


@pytest.mark.conformance("C-05")
def test_one_list_of_several_that_was_not_fetched_is_told() -> None:
    middle = issue("middle", ROOT, [refers(URL, OTHER)], ca=True)
    below = issue("below", middle, [tn_auth_list()])

    assert said(lambda: read({URL: ALICES}, below, middle)) == MISSING


@pytest.mark.conformance("C-05")
def test_a_list_that_an_anchor_refers_to_is_needed_too() -> None:
    anchor = issue("anchor", None, [refers(OTHER)], ca=True)
    below = [issue("below", anchor, [tn_auth_list()]).certificate]

    trusted = TrustAnchors([anchor.certificate])

    assert said(lambda: credential.validate(below, trusted, NOW)) == MISSING


def test_what_is_wrong_in_any_case_is_told_before_a_list_that_is_missing() -> None:
    """Without it nobody can say that the rest is good, but bad is bad."""
    upper = issue("upper", ROOT, [tn_auth_list(der.one(BOB))], ca=True)
    middle = issue("middle", upper, [refers(OTHER)], ca=True)

    chain = issue("below", middle, [tn_auth_list()]), middle, upper

    assert refusal({}, *chain) is Reason.NOT_AUTHORIZED


@pytest.mark.parametrize(
    "access",
    [
        pytest.param(refers("http://lists.example/one"), id="http"),
        pytest.param(refers("file:///etc/passwd"), id="file"),
        pytest.param(
            x509.AuthorityInformationAccess(
                [
                    x509.AccessDescription(
                        hazmat.TN_AUTH_LIST_REFERENCE,
                        x509.DirectoryName(ROOT.certificate.subject),
                    )
                ]
            ),
            id="no-url",
        ),
    ],
)
def test_a_list_is_fetched_over_https_alone(
    access: x509.AuthorityInformationAccess,
) -> None:
    certificate = issue("odd", ROOT, [access]).certificate

    with pytest.raises(Unverified, match="not https") as caught:
        delegation.references([certificate])

    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


def test_other_kinds_of_access_are_no_reference() -> None:
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                x509.oid.AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier(URL),
            )
        ]
    )

    assert delegation.references([issue("odd", ROOT, [access]).certificate]) == ()


def test_one_place_is_named_once() -> None:
    twice = issue("twice", ROOT, [refers(URL, OTHER, URL)]).certificate

    assert delegation.references([twice, MIDDLE.certificate]) == (URL, OTHER)


def test_lists_add_up() -> None:
    one = TNAuthList.build(["1234"], [ALICE], [("12025550100", 10)])
    other = TNAuthList.build(["1234", "5678"], [CAROL], [("12025550110", 10)])

    found = one.joined(other)

    assert found == TNAuthList.build(
        ["1234", "5678"], [ALICE, CAROL], [("12025550100", 20)]
    )
    assert found.covers("12025550105", "12025550115")
    assert (
        found.blocks
        == TNAuthList.build(
            ["1234", "5678"], [ALICE, CAROL], [("12025550100", 20)]
        ).blocks
    )

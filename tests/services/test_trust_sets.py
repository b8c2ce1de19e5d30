"""Several sets of anchors: who vouches for whom, for which numbers (C-16)."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from stirmilter.errors import FetchError
from stirmilter.services import TrustSet, VerificationPolicy, VerificationService
from stirmilter.services.credentials import CredentialService
from stirmilter.services.patience import Patience
from stirmilter.stir.result import Reason, StirResult
from stirmilter.stir.tn import NumberSet
from stirmilter.stores.replay import MemoryReplayStore
from tests.laboratory import ALICE, BOB, NOW, X5U, message
from tests.services.revoked import DIRECT, Kept, Lab, trusting
from tests.stir import der
from tests.stir.certificates import issue, leaf, publish
from tests.stir.crls import authority, crl, points
from tests.stir.test_references import ALICES, URL, refers
from tests.stir.tokens import forge

ONE = authority("one")
TWO = authority("two")
BELOW_ONE = leaf(ONE)
BELOW_TWO = leaf(TWO)
POLICY = "2.16.840.1.114569.1.1.4"
HOUR = timedelta(hours=1)


def trust(*sets: TrustSet, folder: Path) -> Lab:
    return Lab(folder, trust=sets)


def policies(*oids: str) -> list[x509.ExtensionType]:
    named = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]
    return [x509.CertificatePolicies(named)] if named else []


def judge(lab: Lab, *chain: object) -> StirResult:
    return lab.verify(*chain).result  # type: ignore[arg-type]


def named(name: str, anchor: object = ONE, **parts: object) -> TrustSet:
    return TrustSet(name=name, anchors=trusting(anchor), **parts)  # type: ignore[arg-type]


@pytest.mark.conformance("C-16")
def test_the_set_that_vouches_is_told(tmp_path: Path) -> None:
    lab = trust(named("us", ONE), named("fr", TWO), folder=tmp_path)

    found = [judge(lab, BELOW_ONE, ONE), judge(lab, BELOW_TWO, TWO)]

    assert [(one.reason, one.trust) for one in found] == [
        (Reason.VERIFIED, "us"),
        (Reason.VERIFIED, "fr"),
    ]


def test_no_set_is_told_when_none_vouches(tmp_path: Path) -> None:
    found = judge(trust(named("us"), folder=tmp_path), BELOW_TWO, TWO)

    assert (found.reason, found.trust) == (Reason.CREDENTIAL_UNTRUSTED, "")


def test_the_failure_that_got_furthest_is_told(tmp_path: Path) -> None:
    """One set knows the root and finds it expired; the other never heard of it."""
    old = issue("old", ca=True, begin=NOW - 9 * HOUR, end=NOW - HOUR)
    lab = trust(named("us", TWO), named("old", old), folder=tmp_path)

    assert judge(lab, leaf(old), old).reason is Reason.CREDENTIAL_EXPIRED


@pytest.mark.conformance("C-16")
def test_a_number_outside_the_numbers_of_a_set_is_not_its_to_vouch_for(
    tmp_path: Path,
) -> None:
    french = named("fr", numbers=NumberSet.parse(["+33*"]))

    found = judge(trust(french, folder=tmp_path), BELOW_ONE, ONE)

    assert found.reason is Reason.NOT_AUTHORIZED
    assert found.detail == "trust set fr does not vouch for this number"
    assert found.trust == "fr"


def test_the_next_set_with_the_same_anchor_may_vouch_for_it(tmp_path: Path) -> None:
    french = named("fr", numbers=NumberSet.parse(["+33*"]))
    american = named("us", numbers=NumberSet.parse(["+1*"]))

    found = judge(trust(french, american, folder=tmp_path), BELOW_ONE, ONE)

    assert (found.reason, found.trust) == (Reason.VERIFIED, "us")


@pytest.mark.parametrize(
    ("oids", "passes"),
    [
        pytest.param([POLICY], True, id="wanted"),
        pytest.param(["1.2.3", POLICY], True, id="among-others"),
        pytest.param(["1.2.3"], False, id="another"),
        pytest.param([], False, id="none"),
    ],
)
def test_a_set_may_ask_for_a_certificate_policy(
    tmp_path: Path, oids: list[str], passes: bool
) -> None:
    certificate = leaf(ONE, *policies(*oids))
    wanted = named("us", policies=frozenset({POLICY, "2.16.840.1.114569.1.1.3"}))

    found = judge(trust(wanted, folder=tmp_path), certificate, ONE)

    assert found.passed is passes
    if not passes:
        assert found.reason is Reason.CREDENTIAL_UNTRUSTED
        assert found.detail == "no certificate policy that trust set us asks for"


@pytest.mark.conformance("C-19")
@pytest.mark.parametrize(("above", "passes"), [(POLICY, True), ("1.2.3", False)])
def test_the_policy_stands_in_what_issued_the_signer_too(
    tmp_path: Path, above: str, passes: bool
) -> None:
    middle = issue("middle", ONE, policies(above), ca=True)
    certificate = leaf(middle, *policies(POLICY))
    wanted = named("us", policies=frozenset({POLICY}))

    found = judge(trust(wanted, folder=tmp_path), certificate, middle)

    assert found.passed is passes


def test_who_may_revoke_is_a_matter_of_the_set(tmp_path: Path) -> None:
    certificate = leaf(ONE, points(DIRECT))
    lab = trust(named("us"), folder=tmp_path)
    lab.pages[DIRECT] = crl(ONE, (certificate.certificate.serial_number, ()))

    assert judge(lab, certificate, ONE).reason is Reason.CREDENTIAL_REVOKED


# TNAuthLists by reference


class Lists:
    """TNAuthLists by URL; counts what was asked."""

    def __init__(self) -> None:
        self.pages = {URL: ALICES}
        self.asked = 0

    def get(self, url: str) -> bytes:
        self.asked += 1
        if url not in self.pages:
            raise FetchError("status 404", temporary=False)
        return self.pages[url]


REFERRING = issue("refers", ONE, [refers(URL)])


def referring(folder: Path, lists: Lists | None) -> VerificationService:
    publish(folder, "refers", REFERRING)
    return VerificationService(
        repository=Kept(folder),
        anchors=[named("us")],
        replays=MemoryReplayStore(),
        policy=VerificationPolicy(reference_lifetime=HOUR),
        references=(lambda url, _: lists.get(url)) if lists else None,
    )


def result(service: VerificationService, later: timedelta = timedelta(0)) -> StirResult:
    token = forge({"x5u": f"{X5U}refers.pem"}, None, REFERRING.key)
    return service.verify(message(), [token], NOW + later).result


@pytest.mark.conformance("C-17")
def test_a_list_by_reference_is_fetched_and_counts(tmp_path: Path) -> None:
    lists = Lists()
    service = referring(tmp_path, lists)

    found = [result(service), result(service, HOUR / 2)]

    assert [(one.reason, one.authority) for one in found] == [
        (Reason.VERIFIED, "tn")
    ] * 2
    assert lists.asked == 1


def test_a_list_by_reference_is_asked_for_again_after_a_while(tmp_path: Path) -> None:
    lists = Lists()
    service = referring(tmp_path, lists)
    result(service)

    lists.pages[URL] = der.sequence(der.one(BOB))

    assert result(service, HOUR / 2).passed
    assert result(service, HOUR).reason is Reason.NOT_AUTHORIZED


@pytest.mark.conformance("C-17")
def test_a_list_by_reference_that_cannot_be_had_is_temporary(tmp_path: Path) -> None:
    lists = Lists()
    lists.pages.clear()

    found = result(referring(tmp_path, lists))

    assert found.reason is Reason.CREDENTIAL_UNAVAILABLE
    assert found.detail == "TNAuthList by reference: status 404"


def test_a_list_by_reference_of_the_wrong_kind_is_malformed(tmp_path: Path) -> None:
    lists = Lists()
    lists.pages[URL] = b"<html>"

    assert result(referring(tmp_path, lists)).reason is Reason.CREDENTIAL_MALFORMED


def test_a_service_that_fetches_no_lists_says_so(tmp_path: Path) -> None:
    found = result(referring(tmp_path, None))

    assert found.reason is Reason.NOT_AUTHORIZED
    assert found.detail == "TNAuthList by reference, which is not fetched"


DELEGATE = issue("delegate", ONE, [refers(URL)], ca=True)
DELEGATED = leaf(DELEGATE)


@pytest.mark.conformance("C-05")
def test_a_service_that_fetches_no_lists_cannot_judge_what_one_of_them_limits(
    tmp_path: Path,
) -> None:
    found = judge(trust(named("us"), folder=tmp_path), DELEGATED, DELEGATE)

    assert found.reason is Reason.CREDENTIAL_UNAVAILABLE
    assert found.detail == (
        f"TNAuthList of a CA certificate by reference, not fetched: {URL}"
    )
    assert found.rule == "RFC 8226 §10.1"


def test_a_set_that_lacks_a_list_comes_before_one_that_does_not_know_the_root(
    tmp_path: Path,
) -> None:
    """It may have vouched, had the list been there: that is no failure."""
    for sets in ([named("us"), named("fr", TWO)], [named("fr", TWO), named("us")]):
        found = judge(trust(*sets, folder=tmp_path), DELEGATED, DELEGATE)

        assert found.reason is Reason.CREDENTIAL_UNAVAILABLE


def test_no_list_is_fetched_for_a_certificate_that_nobody_trusts(
    tmp_path: Path,
) -> None:
    lists = Lists()
    service = referring(tmp_path, lists)
    publish(tmp_path, "refers", issue("refers", TWO, [refers(URL)]))

    assert result(service).reason is Reason.CREDENTIAL_UNTRUSTED
    assert lists.asked == 0


def test_only_so_many_lists_by_reference_are_fetched_for_a_path(tmp_path: Path) -> None:
    many = [f"{URL}/{number}" for number in range(9)]
    lists = Lists()
    service = referring(tmp_path, lists)
    publish(tmp_path, "refers", issue("refers", ONE, [refers(*many)]))

    found = result(service)

    assert found.reason is Reason.CREDENTIAL_MALFORMED
    assert found.detail == "more than 8 TNAuthLists by reference"
    assert lists.asked == 0


def test_lists_by_reference_have_one_time_with_all_others(tmp_path: Path) -> None:
    given = []

    def get(_: str, seconds: float) -> bytes:
        given.append(seconds)
        return ALICES

    publish(tmp_path, "refers", REFERRING)
    service = CredentialService(Kept(tmp_path), [named("us")], references=get)
    patience = Patience(0.0)

    service.at(f"{X5U}refers.pem", NOW, NOW, ALICE, patience)

    assert given == [0.0]

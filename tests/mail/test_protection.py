"""Which DKIM signatures make a message whole, and whose they are."""

from dataclasses import replace

import pytest

from stirmilter.mail.protection import Carrier, Protection, bind, protect, withhold
from stirmilter.mail.results import DkimSignature, DmarcResult, MailResults, Word
from stirmilter.mail.transaction import Header
from stirmilter.stir.result import Reason, StirResult

FIELDS = ("PASSporT", "From", "To", "Content-Type", "Subject")
ALL = frozenset({"passport", "from", "to", "content-type"})
MIME = frozenset({"content-transfer-encoding", "mime-version"})
NAMES = ("PASSporT", "Identity")
GOOD = DkimSignature(
    word="pass",
    domain="one.example",
    selector="mail",
    covers=ALL,
    sealed=ALL | MIME,
)


def protection(
    *signatures: DkimSignature,
    fields: tuple[str, ...] = FIELDS,
    trusted: tuple[str, ...] | None = None,
    dmarc: DmarcResult | None = None,
    source: str = "",
) -> Protection:
    results = MailResults(dkim=signatures, dmarc=dmarc, source=source)
    headers = [Header(name, b" x") for name in fields]
    return protect(results, headers, NAMES, trusted=trusted)


def without(*names: str) -> DkimSignature:
    """A signature that covers all but these."""
    return replace(GOOD, covers=ALL - set(names), sealed=GOOD.sealed - set(names))


def test_one_signature_over_all_protects_all() -> None:
    found = protection(GOOD)

    assert found == Protection(
        covered=True,
        sealed=True,
        signatures=("mail._domainkey.one.example",),
        domains=("one.example",),
    )
    assert found.strict


@pytest.mark.parametrize("name", ["passport", "from", "content-type"])
def test_a_field_that_is_not_signed_leaves_the_header_open(name: str) -> None:
    found = protection(without(name))

    assert found.missing == (name,)
    assert (found.covered, found.strict, found.sealed) == (False, False, False)


def test_only_strict_mode_asks_for_to() -> None:
    found = protection(without("to"))

    assert (found.covered, found.strict, found.missing) == (True, False, ("to",))


@pytest.mark.parametrize("fields", [FIELDS, tuple(map(str.upper, FIELDS))])
def test_names_are_compared_without_case(fields: tuple[str, ...]) -> None:
    assert protection(GOOD, fields=fields).covered


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(replace(GOOD, word="fail"), id="fails"),
        pytest.param(replace(GOOD, word="policy"), id="policy"),
        pytest.param(replace(GOOD, word="temperror"), id="undecided"),
        pytest.param(replace(GOOD, whole_body=False), id="part-of-the-body"),
    ],
)
def test_a_signature_that_does_not_count_protects_nothing(
    signature: DkimSignature,
) -> None:
    found = protection(signature)

    assert found == Protection(missing=("passport", "from", "to", "content-type"))


def test_no_signature_protects_nothing() -> None:
    assert not protection().covered
    assert not protect(MailResults(), [], NAMES).covered


def test_results_of_an_upstream_protect_nothing() -> None:
    assert not protection(GOOD, source="upstream.example").covered


def test_two_signatures_do_not_make_one() -> None:
    """Each is another's word, about half of the message."""
    found = protection(without("from"), without("content-type", "passport"))

    assert (found.covered, found.missing) == (False, ("from",))


def test_the_best_signatures_are_named() -> None:
    other = replace(GOOD, domain="two.example")

    found = protection(without("from"), GOOD, without("to"), other)

    assert found.domains == ("one.example", "two.example")
    assert found.signatures == (
        "mail._domainkey.one.example",
        "mail._domainkey.two.example",
    )


def test_a_field_that_a_verdict_needs_counts_more_than_to() -> None:
    assert protection(without("from"), without("to")).missing == ("to",)


WITHOUT_TYPE = ("PASSporT", "From", "To")


def test_a_missing_content_type_must_be_signed_as_missing() -> None:
    """Otherwise who handed the message on may have taken it out."""
    unsealed = replace(GOOD, sealed=GOOD.sealed - {"content-type"})

    assert protection(GOOD, fields=WITHOUT_TYPE).covered
    assert protection(unsealed, fields=WITHOUT_TYPE).missing == ("content-type",)


def test_a_content_type_that_was_added_is_not_covered() -> None:
    """What a signer sealed as missing and is there now breaks the signature; what he
    did not is there and not covered."""
    signed_without = replace(GOOD, covers=ALL - {"content-type"})

    assert not protection(signed_without).covered


@pytest.mark.parametrize("name", ["From", "To", "Content-Type"])
def test_a_field_that_occurs_twice_is_not_protected_though_signed_twice(
    name: str,
) -> None:
    """Programs show different ones."""
    found = protection(GOOD, fields=(*FIELDS, name))

    assert (found.missing, found.sealed) == ((name.lower(),), False)


def test_two_passports_may_be_covered() -> None:
    assert protection(GOOD, fields=(*FIELDS, "passport")).covered


def test_every_field_that_may_hold_a_passport_must_be_covered() -> None:
    fields = (*FIELDS, "Identity")

    assert protection(GOOD, fields=fields).missing == ("identity",)
    both = replace(GOOD, covers=ALL | {"identity"})
    assert protection(both, fields=fields).covered


def test_a_message_without_a_passport_has_nothing_to_protect() -> None:
    assert protection(GOOD, fields=FIELDS[1:]).missing == ("passport",)


def test_what_is_covered_and_not_sealed_is_told() -> None:
    found = protection(replace(GOOD, sealed=MIME))

    assert (found.covered, found.strict, found.sealed) == (True, True, False)


def test_what_tells_how_a_body_is_shown_is_noted_and_costs_nothing() -> None:
    found = protection(GOOD, fields=(*FIELDS, "MIME-Version"))

    assert (found.covered, found.exposed) == (True, ("mime-version",))
    both = replace(GOOD, covers=ALL | MIME)
    assert protection(both, fields=(*FIELDS, "MIME-Version")).exposed == ()


ALIGNED = DmarcResult(word="pass", aligned=("spf=x.example", "dkim=one.example"))


@pytest.mark.parametrize(
    ("trusted", "dmarc", "covered"),
    [
        pytest.param(None, None, True, id="any-domain"),
        pytest.param((), None, False, id="no-domain"),
        pytest.param((), ALIGNED, True, id="aligned"),
        pytest.param((), replace(ALIGNED, aligned=()), False, id="not-aligned"),
        pytest.param(
            (),
            replace(ALIGNED, aligned=("dkim=two.example",)),
            False,
            id="another-aligned",
        ),
        pytest.param(("one.example",), None, True, id="trusted"),
        pytest.param(("ONE.example.",), None, True, id="trusted-in-another-spelling"),
        pytest.param(("example",), None, True, id="below-a-trusted-domain"),
        pytest.param(("ne.example",), None, False, id="another-domain"),
        pytest.param(("mail.one.example",), None, False, id="above-a-trusted-domain"),
        pytest.param(("",), None, False, id="empty"),
    ],
)
def test_a_signature_of_anybody_s_domain_counts_only_if_anybody_is_believed(
    trusted: tuple[str, ...] | None, dmarc: DmarcResult | None, covered: bool
) -> None:
    """Who alters a message may sign it again with a domain of his own."""
    assert protection(GOOD, trusted=trusted, dmarc=dmarc).covered is covered


def test_strict_mode_takes_the_pass_from_an_unprotected_header() -> None:
    passed = StirResult(Reason.VERIFIED, authority="tn", notes=("odd",))

    found = withhold(passed, protection(without("to", "content-type")))

    assert found == replace(
        passed,
        reason=Reason.HEADERS_UNPROTECTED,
        detail="no valid DKIM signature covers to, content-type",
        rule="RFC 6376 §5.4",
    )
    assert not found.passed


def test_strict_mode_lets_a_protected_header_pass() -> None:
    passed = StirResult(Reason.VERIFIED)

    assert withhold(passed, protection(GOOD)) is passed


def test_strict_mode_needs_to_as_well() -> None:
    assert not withhold(StirResult(Reason.VERIFIED), protection(without("to"))).passed


@pytest.mark.parametrize(
    "reason", [reason for reason in Reason if reason is not Reason.VERIFIED]
)
def test_strict_mode_changes_no_other_result(reason: Reason) -> None:
    failed = StirResult(reason)

    assert withhold(failed, protection()) is failed


BINDINGS = {"1234": ["one.example"], "5678": ["two.example", "hub.example"]}


@pytest.mark.parametrize(
    ("spcs", "domains", "found"),
    [
        pytest.param(["1234"], ["one.example"], "match", id="its-own"),
        pytest.param(["1234"], ["mms.ONE.example."], "match", id="below-its-own"),
        pytest.param(["1234"], ["two.example", "one.example"], "match", id="both"),
        pytest.param(["9999", "5678"], ["hub.example"], "match", id="second-code"),
        pytest.param(["1234"], ["two.example"], "mismatch", id="another-carrier"),
        pytest.param(["1234"], ["x.example"], "mismatch", id="nobody-s"),
        pytest.param(["1234"], ["xone.example"], "mismatch", id="a-longer-name"),
        pytest.param(["9999"], ["two.example"], "mismatch", id="of-a-bound-one"),
        pytest.param(["9999"], ["x.example"], "none", id="nobody-bound"),
        pytest.param(
            ["9999"], ["x.example", "two.example"], "none", id="nobody-s-as-well"
        ),
        pytest.param(["1234"], [], "absent", id="no-domain"),
        pytest.param(["9999", "1234"], [], "absent", id="one-of-several-bound"),
        pytest.param(["9999"], [], "none", id="nobody-bound-and-no-domain"),
        pytest.param([], ["one.example"], "none", id="no-carrier"),
    ],
)
def test_a_carrier_s_token_belongs_under_its_own_domain(
    spcs: list[str], domains: list[str], found: Carrier
) -> None:
    signatures = [DkimSignature(word="pass", domain=domain) for domain in domains]

    assert bind(spcs, BINDINGS, signatures) == found


@pytest.mark.parametrize(
    ("signature", "found"),
    [
        pytest.param(("fail", "body-altered", "one.example"), "absent", id="fails"),
        pytest.param(("permerror", "no-key", "one.example"), "absent", id="no-key"),
        pytest.param(("policy", "short-key", "one.example"), "absent", id="short-key"),
        pytest.param(("temperror", "dns", "one.example"), "none", id="no-answer"),
        pytest.param(("temperror", "dns", "a.One.example"), "none", id="below"),
        pytest.param(("temperror", "dns", "two.example"), "absent", id="another-s"),
        pytest.param(("temperror", "dns", "x.example"), "absent", id="nobody-s"),
        pytest.param(("temperror", "budget", "one.example"), "absent", id="used-up"),
    ],
)
def test_a_signature_that_does_not_pass_is_as_good_as_none(
    signature: tuple[Word, str, str], found: Carrier
) -> None:
    """But for one of the carrier itself, if it is the DNS that does not answer."""
    word, reason, domain = signature
    one = DkimSignature(word=word, reason=reason, domain=domain)

    assert bind(["1234"], BINDINGS, [one]) == found


def test_a_signature_that_passes_decides_beside_one_without_an_answer() -> None:
    signatures = [
        DkimSignature(word="temperror", reason="dns", domain="one.example"),
        DkimSignature(word="pass", domain="two.example"),
    ]

    assert bind(["1234"], BINDINGS, signatures) == "mismatch"


def test_without_bindings_nothing_is_known() -> None:
    signatures = [DkimSignature(word="pass", domain="one.example")]

    assert bind(["1234"], {}, signatures) == "none"
    assert bind(["1234"], {}, []) == "none"


def test_where_nobody_looked_at_dkim_nothing_is_known() -> None:
    assert bind(["1234"], BINDINGS, None) == "none"

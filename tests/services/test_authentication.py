from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.errors import SigningError, StoreError
from stirmilter.services import AuthenticationService, FormerKey, Signer
from stirmilter.stir import credential, hazmat, identity
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.msgi import BodyDigester
from stirmilter.stir.passport import Passport
from stirmilter.stir.tn import NumberSet
from stirmilter.testca import TestCA
from tests.laboratory import (
    ALICE,
    BOB,
    BODY,
    CAROL,
    NOW,
    X5U,
    authenticator,
    message,
    signer,
)
from tests.services.world import SECOND, World
from tests.stir import der
from tests.stir.certificates import Issued, issue, leaf, tn_auth_list
from tests.stir.tokens import ABSENT, IAT, forge


def sign(ca: TestCA, *names: str, **there: Any) -> Passport:  # noqa: ANN401
    return authenticator(ca, *names).sign(message(**there), NOW)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("name", ["one", "range", "spc"])
@pytest.mark.conformance("M-04")
def test_what_is_signed_verifies(
    ca: TestCA, world: World, name: str, algorithm: str
) -> None:
    service = AuthenticationService([signer(ca, name)], algorithm=algorithm)
    there = message(dest=(BOB, CAROL))

    value = identity.write(service.sign(there, NOW), "PASSporT")

    assert world.verifier().verify(there, [value], NOW).result.passed


def test_signed_claims_are_those_of_the_message(ca: TestCA) -> None:
    token = sign(ca, dest=(CAROL, BOB))

    assert token.claims.orig == ("tn", ALICE)
    assert token.claims.dest == (("tn", BOB), ("tn", CAROL))
    assert token.claims.iat == IAT
    assert token.claims.msgi == message().body.value()
    assert token.x5u == f"{X5U}one.pem"


@pytest.mark.conformance("F-13")
def test_signing_takes_whole_seconds(ca: TestCA) -> None:
    at = NOW + timedelta(milliseconds=999)

    assert authenticator(ca).sign(message(), at).claims.iat == IAT


@pytest.mark.parametrize(
    ("names", "there", "code"),
    [
        pytest.param(["one"], {"orig": None}, "no-originator", id="nobody"),
        pytest.param(["one"], {"dest": ()}, "no-recipient", id="to-nobody"),
        pytest.param(["one"], {"orig": "442079460000"}, "no-signer", id="not-ours"),
    ],
)
@pytest.mark.conformance("F-16", "A-02", "A-10")
def test_what_is_not_ours_to_sign_goes_unsigned(
    ca: TestCA, names: list[str], there: dict[str, Any], code: str
) -> None:
    with pytest.raises(SigningError) as caught:
        sign(ca, *names, **there)
    assert caught.value.code == code
    assert not caught.value.failure


@pytest.mark.parametrize(
    ("names", "there", "code"),
    [
        pytest.param(["other"], {}, "not-authorized", id="certificate-lacks-number"),
        pytest.param(["expired"], {}, "credential-expired", id="certificate-expired"),
        pytest.param(
            ["other", "one"], {}, "not-authorized", id="first-signer-is-not-passed-over"
        ),
    ],
)
@pytest.mark.conformance("A-01", "A-02", "A-13")
def test_fault_of_ours_is_a_failure(
    ca: TestCA, names: list[str], there: dict[str, Any], code: str
) -> None:
    with pytest.raises(SigningError, match=names[0]) as caught:
        sign(ca, *names, **there)
    assert caught.value.code == code
    assert caught.value.failure
    assert ALICE not in caught.value.detail


def local_signer(chain: tuple[Issued, ...]) -> Signer:
    certificates = [one.certificate for one in chain]
    return Signer(
        name="local",
        key=SoftwareKey(chain[0].key),
        credential=credential.read(certificates[0], certificates),
        x5u=f"{X5U}local.pem",
        numbers=NumberSet.parse(["+1*"]),
    )


@pytest.mark.parametrize(
    ("constraints", "good"),
    [
        pytest.param(der.constraints(["msgi"]), True, id="includes-what-we-write"),
        pytest.param(der.constraints(["attest"]), False, id="includes-what-we-do-not"),
        pytest.param(der.constraints(exclude=["msgi"]), False, id="excludes-msgi"),
    ],
)
def test_constraints_bind_the_signer_too(constraints: bytes, good: bool) -> None:
    extension = x509.UnrecognizedExtension(
        hazmat.ENHANCED_CLAIM_CONSTRAINTS, constraints
    )
    service = AuthenticationService(
        [local_signer((leaf(issue("r", ca=True), extension),))]
    )

    if good:
        assert service.sign(message(), NOW)
    else:
        with pytest.raises(SigningError, match="claim-constrained") as caught:
            service.sign(message(), NOW)
        assert caught.value.failure


@pytest.mark.conformance("A-13")
def test_expired_intermediate_keeps_us_from_signing() -> None:
    middle = issue("m", issue("r", ca=True), ca=True, end=NOW - SECOND)
    service = AuthenticationService([local_signer((leaf(middle), middle))])

    with pytest.raises(SigningError, match="credential-expired"):
        service.sign(message(), NOW)


def test_first_signer_that_serves_the_number_signs(ca: TestCA) -> None:
    service = AuthenticationService(
        [
            signer(ca, "spc", ("+44*",)),
            signer(ca, "range", ("+12025550100-+12025550199",)),
            signer(ca, "one"),
        ]
    )

    assert service.sign(message(), NOW).x5u == f"{X5U}range.pem"
    assert service.signer_for("442079460000", NOW) is service.signers[0]
    assert service.signer_for("3312345678", NOW) is None


@pytest.mark.parametrize(
    ("there", "signed"),
    [
        pytest.param({}, True, id="the-same-message"),
        pytest.param({"body": BODY + b"\r\n"}, False, id="empty-line-added"),
        pytest.param({"dest": (BOB, CAROL)}, False, id="one-more-recipient"),
        pytest.param({"dest": (CAROL,)}, False, id="another-recipient"),
        pytest.param({"orig": CAROL}, False, id="another-originator"),
        pytest.param({"orig": None}, False, id="no-originator"),
    ],
)
@pytest.mark.conformance("H-10")
def test_our_own_token_is_recognized(
    ca: TestCA, there: dict[str, Any], signed: bool
) -> None:
    value = identity.write(sign(ca), "PASSporT")

    assert authenticator(ca).signed(message(**there), ["rubbish", value], NOW) is signed


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(forge({"x5u": f"{X5U}one.pem"}), id="our-url-anothers-key"),
        pytest.param(forge(), id="anothers-url"),
        pytest.param(
            forge({"x5u": f"{X5U}one.pem"}, {"msgi": ABSENT}), id="without-msgi"
        ),
        pytest.param(forge({"ppt": "shaken"}), id="call"),
        pytest.param("", id="nothing"),
    ],
)
@pytest.mark.conformance("H-10")
def test_other_tokens_are_not_ours(ca: TestCA, value: str) -> None:
    assert not authenticator(ca).signed(message(), [value], NOW)


def test_good_token_of_ours_without_msgi_does_not_count(
    ca: TestCA, world: World
) -> None:
    value = world.token("one", payload={"msgi": ABSENT})

    assert not authenticator(ca).signed(message(), [value], NOW)


def test_our_own_token_counts_until_it_is_stale(ca: TestCA) -> None:
    value = identity.write(sign(ca), "PASSporT")
    day = timedelta(hours=24)
    service = authenticator(ca)

    assert service.signed(message(), [value], NOW + day)
    assert not service.signed(message(), [value], NOW + day + timedelta(seconds=1))


def test_more_recipients_than_a_verifier_takes_are_not_signed(ca: TestCA) -> None:
    many = message(dest=tuple(f"131255{n:05d}" for n in range(101)))

    with pytest.raises(SigningError) as caught:
        authenticator(ca).sign(many, NOW)

    assert (caught.value.code, caught.value.failure) == ("too-many-recipients", False)


def test_token_with_another_digest_is_not_ours(ca: TestCA) -> None:
    digester = BodyDigester(["sha256"])
    digester.update(BODY)
    there = replace(message(), body=digester.finish())
    claim = str(message().body.value("sha512"))

    value = forge({"x5u": f"{X5U}one.pem"}, {"msgi": claim})

    assert not authenticator(ca).signed(there, [value], NOW)


def renewed(ca: TestCA, name: str = "one", **others: Any) -> Signer:  # noqa: ANN401
    return replace(signer(ca, name), name="new", x5u=f"{X5U}new.pem", **others)


@pytest.mark.parametrize(
    ("first", "second", "used"),
    [
        pytest.param("one", "spc", "one", id="the-first-of-two-good-ones"),
        pytest.param("expired", "one", "one", id="an-expired-one-gives-way"),
        pytest.param("one", "expired", "one", id="whatever-the-order"),
    ],
)
def test_the_first_signer_that_may_sign_now_signs(
    ca: TestCA, first: str, second: str, used: str
) -> None:
    assert sign(ca, first, second).x5u == f"{X5U}{used}.pem"


def test_a_certificate_gives_way_in_the_moment_it_expires(ca: TestCA) -> None:
    """Without a reload: the clock alone decides."""
    old = local_signer((issue("leaf", issue("r", ca=True), [tn_auth_list()], end=NOW),))
    service = AuthenticationService([old, renewed(ca)])

    assert service.sign(message(), NOW).x5u == old.x5u
    assert service.sign(message(), NOW + SECOND).x5u == f"{X5U}new.pem"


def test_a_signer_that_is_not_proven_waits_behind_the_others(ca: TestCA) -> None:
    service = AuthenticationService([renewed(ca, proven=False), signer(ca, "one")])

    assert service.sign(message(), NOW).x5u == f"{X5U}one.pem"


def test_a_number_whose_only_signer_is_not_proven_is_our_fault(ca: TestCA) -> None:
    """The sender tries again; nobody is told that the number has no signer."""
    service = AuthenticationService([renewed(ca, proven=False)])

    with pytest.raises(SigningError) as caught:
        service.sign(message(), NOW)

    assert (caught.value.code, caught.value.failure) == ("credential-unproven", True)


class Silent:
    """A key in a token that does not answer."""

    def __init__(self, public_key: ec.EllipticCurvePublicKey) -> None:
        self.public_key = public_key

    def sign(self, _signing_input: bytes) -> bytes:
        raise StoreError("token stirmilter: no answer within 5 s")


def test_a_key_that_does_not_answer_is_our_fault(ca: TestCA) -> None:
    one = signer(ca, "one")
    service = AuthenticationService([replace(one, key=Silent(one.key.public_key))])

    with pytest.raises(SigningError, match="one: token stirmilter") as caught:
        service.sign(message(), NOW)

    assert (caught.value.code, caught.value.failure) == ("key-unavailable", True)


@pytest.mark.parametrize(
    ("seconds", "ours"),
    [
        pytest.param(0, True, id="until-the-last-second"),
        pytest.param(1, False, id="not-beyond"),
    ],
)
@pytest.mark.conformance("H-10")
def test_a_token_of_a_former_key_is_ours_for_a_while(
    ca: TestCA, seconds: int, ours: bool
) -> None:
    """A reload between two passes of one message must not give it a second token."""
    old = signer(ca, "one")
    value = identity.write(sign(ca), "PASSporT")
    former = FormerKey(old.x5u, old.key.public_key, NOW + SECOND)
    service = AuthenticationService([renewed(ca, "spc")]).using(
        [renewed(ca, "spc")], [former]
    )

    at = NOW + SECOND + timedelta(seconds=seconds)

    assert service.signed(message(), [value], at) is ours


@pytest.mark.conformance("H-10")
def test_two_keys_under_one_url_are_both_ours(ca: TestCA) -> None:
    old, new = signer(ca, "one"), replace(signer(ca, "spc"), x5u=f"{X5U}one.pem")
    former = FormerKey(old.x5u, old.key.public_key, NOW)
    value = identity.write(sign(ca), "PASSporT")

    assert AuthenticationService([new], former=[former]).signed(message(), [value], NOW)
    assert not AuthenticationService([new]).signed(message(), [value], NOW)

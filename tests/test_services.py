import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.errors import FetchError, SigningError, StoreError
from stirmilter.services import (
    AuthenticationService,
    ReplayStore,
    Signer,
    Verification,
    VerificationPolicy,
    VerificationService,
)
from stirmilter.stir import credential, hazmat, identity, passport
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.msgi import BodyDigester, Form
from stirmilter.stir.passport import Limits, Passport
from stirmilter.stir.result import Authority, BodyMatch, Reason
from stirmilter.stir.tn import NumberSet
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests.laboratory import (
    ALICE,
    BOB,
    BODY,
    CAROL,
    NOW,
    X5U,
    FolderRepository,
    anchors,
    authenticator,
    message,
    signer,
)
from tests.stir import der
from tests.stir.certificates import Issued, issue, leaf, publish, tn_auth_list
from tests.stir.tokens import ABSENT, IAT, KEY, forge, twin

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(seconds=60)
DAY: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)

FUTURE_VERSIONS: Final = {
    Reason.CREDENTIAL_REVOKED,
    Reason.STATUS_UNAVAILABLE,
    Reason.HEADERS_UNPROTECTED,
}
"""What nothing of this version can find."""


class Silent:
    """A replay store that cannot answer."""

    def claim(self, _key: str, _holder: str, _until: datetime, now: datetime) -> str:
        raise StoreError(f"no answer\r\nby {now}")


class Closed:
    """A repository that refuses every address, for good."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def chain(self, x5u: str) -> tuple[x509.Certificate, ...]:
        self.fetched.append(x5u)
        raise FetchError(f"\x1b[2J{x5u}", temporary=False)


@dataclass(frozen=True)
class World:
    """The chains of the test CA and odd ones, in one folder, and the keys to them."""

    folder: Path
    keys: dict[str, ec.EllipticCurvePrivateKey]
    trusted: TrustAnchors

    def token(
        self,
        name: str,
        header: Mapping[str, object] | None = None,
        payload: Mapping[str, object] | None = None,
    ) -> str:
        """Sign with the key of a signer, pointing at its chain."""
        x5u = {"x5u": f"{X5U}{name}.pem"}
        return forge({**x5u, **(header or {})}, payload, self.keys.get(name, KEY))

    def verifier(self, **parts: Any) -> VerificationService:  # noqa: ANN401
        policy = VerificationPolicy(**parts.pop("policy", {}))
        return VerificationService(
            repository=parts.get("repository", FolderRepository(self.folder)),
            anchors=self.trusted,
            replays=parts.get("replays") or MemoryReplayStore(),
            policy=policy,
        )


@pytest.fixture(scope="module")
def world(ca: TestCA, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("chains")
    shutil.copytree(ca.folder / "www", folder, dirs_exist_ok=True)
    (folder / "garbage.pem").write_text("<html>\r\nnot found</html>")
    root = issue("root", ca=True, begin=NOW - 9 * DAY, end=NOW + 9 * DAY)
    middle = issue("middle", root, ca=True, end=NOW - HOUR)
    limited = issue("limited", root, [tn_auth_list(der.one(CAROL))], ca=True)
    constraints = x509.UnrecognizedExtension(
        hazmat.ENHANCED_CLAIM_CONSTRAINTS, der.constraints(exclude=["msgi"])
    )
    chains: dict[str, tuple[Issued, ...]] = {
        "constrained": (leaf(root, constraints),),
        "old-intermediate": (leaf(middle), middle),
        "limited": (leaf(limited), limited),
        "p384": (issue("p384", root, [tn_auth_list()], curve=ec.SECP384R1()),),
        "no-list": (issue("no list", root),),
        "short": (issue("short", root, [tn_auth_list()], end=NOW + HOUR),),
    }
    for name, chain in chains.items():
        publish(folder, name, *chain)
    return World(
        folder,
        {
            name: signer(ca, name).key
            for name in ("one", "range", "spc", "other", "expired", "untrusted")
        }
        | {name: chain[0].key for name, chain in chains.items() if name != "p384"},
        TrustAnchors([*anchors(ca).certificates, root.certificate]),
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """One token and one message; by default, a good token for this message."""

    signer: str = "one"
    header: Mapping[str, object] = field(default_factory=dict)
    payload: Mapping[str, object] = field(default_factory=dict)
    parameters: str = ""
    message: Mapping[str, Any] = field(default_factory=dict)
    at: datetime = NOW
    policy: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Any] = field(default_factory=dict)
    before: str | None = None
    """Name of a delivery of the same token that came before this one."""

    def run(self, world: World) -> tuple[Verification, list[str]]:
        """Return what was found, and the URLs that were fetched for it."""
        service = world.verifier(policy=dict(self.policy), **self.parts)
        value = world.token(self.signer, self.header, self.payload) + self.parameters
        if self.before is not None:
            arguments = {**self.message, "delivery": self.before}
            assert service.verify(message(**arguments), [value], self.at).result.passed
        repository = service.repository
        assert isinstance(repository, FolderRepository | Closed)
        repository.fetched.clear()
        found = service.verify(message(**self.message), [value], self.at)
        return found, repository.fetched


BEFORE_ANY_FETCH = [
    pytest.param(
        Case(header={"ppt": "shaken"}), Reason.UNSUPPORTED_PPT, id="token-for-a-call"
    ),
    pytest.param(
        Case(header={"ppt": ABSENT}), Reason.UNSUPPORTED_PPT, id="token-without-ppt"
    ),
    pytest.param(
        Case(header={"ppt": "div"}), Reason.UNSUPPORTED_PPT, id="diverted-call"
    ),
    pytest.param(
        Case(header={"alg": "none"}), Reason.UNSUPPORTED_ALGORITHM, id="alg-none"
    ),
    pytest.param(
        Case(header={"alg": "HS256"}), Reason.UNSUPPORTED_ALGORITHM, id="alg-hmac"
    ),
    pytest.param(Case(header={"typ": "JWT"}), Reason.MALFORMED, id="typ"),
    pytest.param(Case(header={"crit": ["x"]}), Reason.MALFORMED, id="crit"),
    pytest.param(Case(payload={"iat": str(IAT)}), Reason.MALFORMED, id="iat-string"),
    pytest.param(Case(payload={"msgi": "sha1-AA"}), Reason.MALFORMED, id="msgi-sha1"),
    pytest.param(Case(parameters=".x"), Reason.MALFORMED, id="a-fourth-part"),
    pytest.param(
        Case(parameters=f";info=<{X5U}other.pem>"), Reason.MALFORMED, id="info-differs"
    ),
    pytest.param(Case(parameters=";ppt=shaken"), Reason.MALFORMED, id="ppt-differs"),
    pytest.param(Case(parameters=";alg=ES384"), Reason.MALFORMED, id="alg-differs"),
    pytest.param(
        Case(policy={"limits": Limits(token=100)}), Reason.MALFORMED, id="too-long"
    ),
    pytest.param(
        Case(payload={"orig": {"tn": CAROL}}), Reason.ORIG_MISMATCH, id="another-orig"
    ),
    pytest.param(
        Case(payload={"orig": {"uri": f"sip:{ALICE}@x.example"}}),
        Reason.ORIG_MISMATCH,
        id="orig-is-a-uri",
    ),
    pytest.param(
        Case(payload={"orig": {"uri": ALICE}}),
        Reason.ORIG_MISMATCH,
        id="orig-is-a-uri-of-the-same-digits",
    ),
    pytest.param(
        Case(message={"orig": None}), Reason.ORIG_MISMATCH, id="message-without-orig"
    ),
    pytest.param(
        Case(message={"dest": (CAROL,)}), Reason.DEST_MISMATCH, id="another-recipient"
    ),
    pytest.param(
        Case(payload={"dest": {"uri": [BOB]}}),
        Reason.DEST_MISMATCH,
        id="dest-is-a-uri-of-the-same-digits",
    ),
    pytest.param(
        Case(message={"dest": (), "others": 1}),
        Reason.DEST_MISMATCH,
        id="no-recipient-is-a-number",
    ),
    pytest.param(Case(at=NOW + DAY + SECOND), Reason.STALE, id="a-day-and-a-second"),
    pytest.param(
        Case(at=NOW + MINUTE + SECOND, policy={"freshness": MINUTE}),
        Reason.STALE,
        id="older-than-the-policy-allows",
    ),
    pytest.param(
        Case(at=NOW + SECOND, message={"expires": NOW}), Reason.STALE, id="has-expired"
    ),
    pytest.param(
        Case(at=NOW - MINUTE - SECOND), Reason.FROM_THE_FUTURE, id="61-seconds-ahead"
    ),
    pytest.param(
        Case(at=NOW - SECOND, policy={"skew": timedelta(0)}),
        Reason.FROM_THE_FUTURE,
        id="further-ahead-than-the-policy-allows",
    ),
    pytest.param(
        Case(message={"body": b"Hullo Bob\r\n"}), Reason.BODY_ALTERED, id="letter"
    ),
    pytest.param(Case(message={"body": b""}), Reason.BODY_ALTERED, id="no-body"),
    pytest.param(
        Case(message={"body": BODY + b"\r\n"}, policy={"forms": ("exact",)}),
        Reason.BODY_ALTERED,
        id="empty-line-added-and-strict",
    ),
]
AFTER_THE_FETCH = [
    pytest.param(
        Case(signer="absent"), Reason.CREDENTIAL_UNAVAILABLE, id="nothing-at-x5u"
    ),
    pytest.param(
        Case(parts={"repository": Closed()}),
        Reason.CREDENTIAL_UNTRUSTED,
        id="x5u-refused-for-good",
    ),
    pytest.param(
        Case(signer="garbage"), Reason.CREDENTIAL_MALFORMED, id="web-page-at-x5u"
    ),
    pytest.param(Case(signer="p384"), Reason.CREDENTIAL_MALFORMED, id="key-on-p384"),
    pytest.param(
        Case(signer="untrusted"), Reason.CREDENTIAL_UNTRUSTED, id="unknown-root"
    ),
    pytest.param(
        Case(policy={"certificates": 1}),
        Reason.CREDENTIAL_UNTRUSTED,
        id="longer-than-the-policy-allows",
    ),
    pytest.param(Case(signer="expired"), Reason.CREDENTIAL_EXPIRED, id="expired"),
    pytest.param(
        Case(signer="old-intermediate"),
        Reason.CREDENTIAL_EXPIRED,
        id="expired-intermediate",
    ),
    pytest.param(
        Case(signer="short", payload={"iat": IAT + 3601}, at=NOW + HOUR + SECOND),
        Reason.CREDENTIAL_EXPIRED,
        id="signed-after-the-certificate-expired",
    ),
    pytest.param(
        Case(signer="other"), Reason.NOT_AUTHORIZED, id="certificate-for-another-number"
    ),
    pytest.param(
        Case(signer="limited"), Reason.NOT_AUTHORIZED, id="limited-by-its-issuer"
    ),
    pytest.param(Case(signer="no-list"), Reason.NOT_AUTHORIZED, id="no-TNAuthList"),
    pytest.param(
        Case(signer="constrained"),
        Reason.CLAIM_CONSTRAINED,
        id="certificate-excludes-msgi",
    ),
    pytest.param(
        Case(signer="range", header={"x5u": f"{X5U}one.pem"}),
        Reason.BAD_SIGNATURE,
        id="signed-with-another-key",
    ),
    pytest.param(
        Case(signer="spc", policy={"accept_spc": False}),
        Reason.SPC_NOT_ACCEPTED,
        id="carrier-code-alone",
    ),
    pytest.param(Case(payload={"msgi": ABSENT}), Reason.NO_MSGI, id="no-msgi"),
    pytest.param(
        Case(message={"dest": (BOB, CAROL)}), Reason.DEST_PARTIAL, id="one-more-number"
    ),
    pytest.param(
        Case(message={"others": 1}),
        Reason.DEST_PARTIAL,
        id="one-more-that-is-no-number",
    ),
    pytest.param(Case(before="earlier"), Reason.REPLAYED, id="seen-before"),
    pytest.param(
        Case(parts={"replays": Silent()}), Reason.REPLAY_UNKNOWN, id="store-is-silent"
    ),
    pytest.param(Case(), Reason.VERIFIED, id="untouched"),
    pytest.param(Case(before="first"), Reason.VERIFIED, id="retry-of-the-delivery"),
    pytest.param(Case(at=NOW + DAY), Reason.VERIFIED, id="a-day-old"),
    pytest.param(Case(at=NOW - MINUTE), Reason.VERIFIED, id="a-minute-ahead"),
    pytest.param(Case(message={"expires": NOW}), Reason.VERIFIED, id="about-to-expire"),
    pytest.param(
        Case(signer="short", at=NOW + 2 * HOUR),
        Reason.VERIFIED,
        id="signed-while-the-certificate-was-valid",
    ),
    pytest.param(
        Case(payload={"dest": {"tn": [BOB, CAROL], "uri": ["sip:x@y"]}}),
        Reason.VERIFIED,
        id="dest-names-more-than-this-delivery",
    ),
    pytest.param(
        Case(parameters=f';info=<{X5U}one.pem>;alg=ES256;ppt="msg"'),
        Reason.VERIFIED,
        id="mirrored",
    ),
    pytest.param(Case(parameters=";canon=x"), Reason.VERIFIED, id="unknown-parameter"),
    pytest.param(
        Case(payload={"attest": "A"}), Reason.VERIFIED, id="claim-that-we-do-not-know"
    ),
]


@pytest.mark.parametrize(("case", "reason"), [*BEFORE_ANY_FETCH, *AFTER_THE_FETCH])
def test_result_names_what_was_spoilt(world: World, case: Case, reason: Reason) -> None:
    found, _ = case.run(world)

    assert found.result.reason is reason
    assert found.passports == (found.result,)


@pytest.mark.parametrize(("case", "reason"), BEFORE_ANY_FETCH)
def test_nothing_is_fetched_for_what_fails_without(
    world: World, case: Case, reason: Reason
) -> None:
    found, fetched = case.run(world)

    assert found.result.reason is reason
    assert fetched == []


@pytest.mark.parametrize(("case", "reason"), AFTER_THE_FETCH)
def test_everything_else_costs_one_fetch(
    world: World, case: Case, reason: Reason
) -> None:
    found, fetched = case.run(world)

    assert found.result.reason is reason
    assert len(fetched) == 1


def test_every_reason_has_a_row() -> None:
    rows = {row.values[1] for row in [*BEFORE_ANY_FETCH, *AFTER_THE_FETCH]}
    of_the_message = {Reason.NO_PASSPORT, Reason.TOO_MANY_PASSPORTS}

    assert rows | of_the_message | FUTURE_VERSIONS == set(Reason)


@pytest.mark.parametrize(("case", "reason"), [*BEFORE_ANY_FETCH, *AFTER_THE_FETCH])
def test_details_are_one_line_and_name_no_number(
    world: World, case: Case, reason: Reason
) -> None:
    found, _ = case.run(world)

    detail = found.result.detail
    assert not detail or (detail.isascii() and detail.isprintable()), reason
    assert not any(number in detail for number in (ALICE, BOB, CAROL))


@pytest.mark.parametrize(
    "payload",
    [{"orig": {"tn": f"+{ALICE}"}}, {"dest": {"tn": [f"+{BOB}"]}}],
    ids=["orig", "dest"],
)
def test_details_of_malformed_numbers_name_no_number(
    world: World, payload: Mapping[str, object]
) -> None:
    found, _ = Case(payload=payload).run(world)

    assert found.result.reason is Reason.MALFORMED
    assert not any(number in found.result.detail for number in (ALICE, BOB))


def test_no_value_is_no_passport(world: World) -> None:
    found = world.verifier().verify(message(), [], NOW)

    assert found.result.reason is Reason.NO_PASSPORT
    assert found.passports == ()


@pytest.mark.parametrize(
    ("count", "reason"), [(8, Reason.VERIFIED), (9, Reason.TOO_MANY_PASSPORTS)]
)
def test_more_than_eight_values_are_not_judged(
    world: World, count: int, reason: Reason
) -> None:
    repository = FolderRepository(world.folder)
    service = world.verifier(repository=repository)

    found = service.verify(message(), [world.token("one")] * count, NOW)

    assert found.result.reason is reason
    assert bool(repository.fetched) == (reason is Reason.VERIFIED)


def test_limit_on_values_is_the_policys(world: World) -> None:
    service = world.verifier(policy={"passports": 1})

    found = service.verify(message(), [world.token("one")] * 2, NOW)

    assert found.result.reason is Reason.TOO_MANY_PASSPORTS
    assert found.result.detail == "2 header fields, at most 1"


@pytest.mark.parametrize(
    ("cases", "reasons", "speaks"),
    [
        pytest.param(
            [Case(header={"typ": "x"}), Case(signer="other"), Case()],
            [Reason.MALFORMED, Reason.NOT_AUTHORIZED, Reason.VERIFIED],
            2,
            id="one-good-token-is-enough",
        ),
        pytest.param(
            [Case(), Case(signer="untrusted")],
            [Reason.VERIFIED, Reason.CREDENTIAL_UNTRUSTED],
            0,
            id="a-bad-token-beside-it-does-no-harm",
        ),
        pytest.param(
            [Case(signer="untrusted"), Case(payload={"iat": 1}), Case(header={"a": 1})],
            [Reason.CREDENTIAL_UNTRUSTED, Reason.STALE, Reason.VERIFIED],
            2,
            id="order-does-not-matter",
        ),
        pytest.param(
            [
                Case(header={"ppt": "x"}),
                Case(header={"typ": "x"}),
                Case(signer="other"),
            ],
            [Reason.UNSUPPORTED_PPT, Reason.MALFORMED, Reason.NOT_AUTHORIZED],
            2,
            id="the-failure-that-got-furthest",
        ),
        pytest.param(
            [Case(payload={"msgi": ABSENT}), Case(signer="absent")],
            [Reason.NO_MSGI, Reason.CREDENTIAL_UNAVAILABLE],
            0,
            id="policy-knows-more-than-a-failed-fetch",
        ),
        pytest.param(
            [Case(header={"ppt": "shaken"}), Case(header={"ppt": "rcd"})],
            [Reason.UNSUPPORTED_PPT, Reason.UNSUPPORTED_PPT],
            0,
            id="calls-alone",
        ),
    ],
)
def test_best_informed_result_speaks_and_all_are_kept(
    world: World, cases: Sequence[Case], reasons: Sequence[Reason], speaks: int
) -> None:
    values = [world.token(c.signer, c.header, c.payload) for c in cases]

    found = world.verifier().verify(message(), values, NOW)

    assert [result.reason for result in found.passports] == reasons
    assert found.result is found.passports[speaks]


@pytest.mark.parametrize(
    ("name", "authority"),
    [
        pytest.param("one", "tn", id="number"),
        pytest.param("range", "range", id="range"),
        pytest.param("spc", "spc", id="carrier-code"),
        pytest.param("other", "none", id="nothing"),
    ],
)
def test_result_tells_the_authority(
    world: World, name: str, authority: Authority
) -> None:
    found, _ = Case(signer=name).run(world)

    assert found.result.authority == authority


@pytest.mark.parametrize(
    ("body", "form"),
    [
        pytest.param(BODY, "exact", id="untouched"),
        pytest.param(BODY + b"\r\n", "simple", id="empty-line-added"),
        pytest.param(BODY[:-2], "simple", id="final-crlf-dropped"),
        pytest.param(b"x" + BODY, "altered", id="octet-added"),
    ],
)
def test_result_tells_the_form_of_the_body(
    world: World, body: bytes, form: BodyMatch
) -> None:
    found, _ = Case(message={"body": body}).run(world)

    assert found.result.msgi == form
    assert found.result.passed == (form != "altered")


def test_result_without_msgi_says_so(world: World) -> None:
    found, _ = Case(payload={"msgi": ABSENT}).run(world)

    assert found.result.msgi == "absent"


@pytest.mark.parametrize(
    ("case", "parsed"),
    [
        pytest.param(Case(header={"typ": "x"}), False, id="malformed"),
        pytest.param(Case(header={"ppt": "x"}), False, id="call"),
        pytest.param(Case(parameters=";ppt=x"), True, id="mirror-differs"),
        pytest.param(Case(signer="absent"), True, id="not-fetched"),
        pytest.param(Case(parts={"replays": Silent()}), True, id="silent-store"),
    ],
)
def test_result_keeps_the_token_that_was_parsed(
    world: World, case: Case, parsed: bool
) -> None:
    found, _ = case.run(world)

    assert (found.result.passport is not None) is parsed


# Replays


def deliver(
    service: VerificationService,
    value: str,
    delivery: str,
    *dest: str,
    at: datetime = NOW,
) -> Reason:
    there = message(dest=dest or (BOB,), delivery=delivery)
    return service.verify(there, [value], at).result.reason


def test_twin_signature_is_a_replay(world: World) -> None:
    service, value = world.verifier(), world.token("one")

    assert deliver(service, value, "first") is Reason.VERIFIED
    assert deliver(service, twin(value), "second") is Reason.REPLAYED
    assert deliver(service, twin(value), "first") is Reason.VERIFIED


def test_each_recipient_is_delivered_to_once(world: World) -> None:
    """One message split over transactions is no replay (V-10)."""
    service = world.verifier()
    value = world.token("one", payload={"dest": {"tn": [BOB, CAROL]}})

    assert deliver(service, value, "first", BOB) is Reason.VERIFIED
    assert deliver(service, value, "second", CAROL) is Reason.VERIFIED
    assert deliver(service, value, "third", BOB, CAROL) is Reason.REPLAYED
    assert deliver(service, value, "third", CAROL) is Reason.REPLAYED
    assert deliver(service, value, "first", BOB) is Reason.VERIFIED


def test_another_token_for_the_same_message_is_no_replay(world: World) -> None:
    service = world.verifier()

    assert deliver(service, world.token("one"), "first") is Reason.VERIFIED
    later = world.token("one", payload={"iat": IAT + 1})
    assert deliver(service, later, "second") is Reason.VERIFIED


@pytest.mark.parametrize(
    ("name", "there"),
    [
        pytest.param("one", {"body": b"x"}, id="body-altered"),
        pytest.param("one", {"dest": (BOB, CAROL)}, id="dest-partial"),
        pytest.param("one", {"others": 1}, id="not-only-numbers"),
    ],
)
def test_only_a_token_that_passes_uses_up_its_key(
    world: World, name: str, there: dict[str, Any]
) -> None:
    service, value = world.verifier(), world.token(name)

    failed = service.verify(message(delivery="first", **there), [value], NOW)

    assert not failed.result.passed
    assert deliver(service, value, "second") is Reason.VERIFIED


def test_replay_is_known_as_long_as_the_token_is_fresh(world: World) -> None:
    service, value = world.verifier(), world.token("one")

    assert deliver(service, value, "first") is Reason.VERIFIED
    assert deliver(service, value, "second", at=NOW + DAY) is Reason.REPLAYED
    assert deliver(service, value, "third", at=NOW + DAY + SECOND) is Reason.STALE


def test_replay_of_a_token_from_a_fast_clock_is_known_as_long(world: World) -> None:
    service, value = world.verifier(), world.token("one", payload={"iat": IAT + 60})

    assert deliver(service, value, "first") is Reason.VERIFIED
    assert deliver(service, value, "second", at=NOW + MINUTE + DAY) is Reason.REPLAYED


def test_store_that_is_full_is_one_that_cannot_answer(world: World) -> None:
    service = world.verifier(replays=MemoryReplayStore(limit=1))

    assert deliver(service, world.token("one"), "first") is Reason.VERIFIED
    later = world.token("one", payload={"iat": IAT + 1})
    assert deliver(service, later, "second") is Reason.REPLAY_UNKNOWN


def test_store_sees_no_token_and_learns_the_time(world: World) -> None:
    claims: list[tuple[str, str, datetime, datetime]] = []

    class Recorder(MemoryReplayStore):
        def claim(self, key: str, holder: str, until: datetime, now: datetime) -> str:
            claims.append((key, holder, until, now))
            return holder

    value = world.token("one")
    replays: ReplayStore = Recorder()
    deliver(world.verifier(replays=replays), value, "first", at=NOW + SECOND)

    [(key, holder, until, now)] = claims
    assert key == f"{passport.parse(value).fingerprint}:{BOB}"
    assert (holder, now) == ("first", NOW + SECOND)
    assert until == NOW + DAY + SECOND, "fresh for whole seconds, so for one more"


# Digests needed


@pytest.mark.parametrize(
    ("payloads", "needed"),
    [
        pytest.param([], set(), id="no-token"),
        pytest.param([{}], {"sha256"}, id="one"),
        pytest.param([{"msgi": ABSENT}], set(), id="no-msgi"),
        pytest.param([{"msgi": "md5-x"}, {}], {"sha256"}, id="malformed"),
        pytest.param(
            [{"msgi": str(message().body.value("sha512"))}, {}],
            {"sha256", "sha512"},
            id="two-algorithms",
        ),
        pytest.param(
            [{"msgi": ABSENT}] * 8 + [{}], set(), id="the-ninth-is-not-judged"
        ),
    ],
)
def test_digests_are_named_before_the_body(
    world: World, payloads: Sequence[Mapping[str, object]], needed: set[str]
) -> None:
    values = [world.token("one", payload=payload) for payload in payloads]

    assert world.verifier().algorithms(values) == needed


def test_digests_of_calls_are_not_needed(world: World) -> None:
    value = world.token("one", header={"ppt": "shaken"})

    assert world.verifier().algorithms([value, "rubbish"]) == set()


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_the_digests_named_are_enough(world: World, algorithm: str) -> None:
    payload = {"msgi": str(message().body.value(algorithm))}
    service, value = world.verifier(), world.token("one", payload=payload)
    digester = BodyDigester(service.algorithms([value]))
    digester.update(BODY)
    there = replace(message(), body=digester.finish())

    assert service.verify(there, [value], NOW).result.passed


# Signing


def sign(ca: TestCA, *names: str, **there: Any) -> Passport:  # noqa: ANN401
    return authenticator(ca, *names).sign(message(**there), NOW)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("name", ["one", "range", "spc"])
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
        key=chain[0].key,
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
    assert service.signer_for("442079460000") is service.signers[0]
    assert service.signer_for("3312345678") is None


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


def test_default_policy_is_that_of_the_profile() -> None:
    policy = VerificationPolicy()
    forms: tuple[Form, ...] = ("exact", "simple", "nocrlf")

    assert (policy.freshness, policy.skew) == (DAY, MINUTE)
    assert policy.forms == forms
    assert policy.passports == 8
    assert policy.accept_spc

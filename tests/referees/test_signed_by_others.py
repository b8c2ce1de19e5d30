"""What secsipidx and libsecsipid sign, judged by our whole verification service.

The value of msgi is made with hashlib and base64 alone, so no line of ours had a part
in these tokens.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stirmilter.stir.result import Authority, Reason
from stirmilter.testca import TestCA
from tests.laboratory import (
    ALICE,
    BOB,
    BODY,
    CAROL,
    NOW,
    X5U,
    FolderRepository,
    message,
    verifier,
)
from tests.referees.programs import (
    libsecsipid_sign,
    libsecsipid_verifies,
    secsipidx_sign,
    secsipidx_sign_call,
)

Sign = Callable[[str, str, Path], str]

BOTH = pytest.mark.parametrize(
    "sign",
    [
        pytest.param(secsipidx_sign, id="secsipidx"),
        pytest.param(libsecsipid_sign, id="libsecsipid"),
    ],
)


def digest(body: bytes, algorithm: str = "sha256") -> str:
    octets = hashlib.new(algorithm, body).digest()
    return f"{algorithm}-{base64.b64encode(octets).decode()}"


def payload(**members: object) -> dict[str, object]:
    """The claims of the usual message, with these members changed."""
    return {
        "dest": {"tn": [BOB]},
        "iat": int(NOW.timestamp()),
        "msgi": digest(BODY),
        "orig": {"tn": ALICE},
        **members,
    }


def signed(
    sign: Sign,
    ca: TestCA,
    claims: Mapping[str, object],
    name: str = "one",
    key: str = "",
) -> str:
    """A field value that points at the chain of a signer, signed by that or another."""
    x5u = f"{X5U}{name}.pem"
    header = {"alg": "ES256", "ppt": "msg", "typ": "passport", "x5u": x5u}
    token = sign(json.dumps(header), json.dumps(claims), ca.files(key or name).key)
    return f"{token};info=<{x5u}>;alg=ES256;ppt=msg"


@BOTH
def test_message_is_verified(ca: TestCA, sign: Sign) -> None:
    value = signed(sign, ca, payload())

    result = verifier(ca).verify(message(), [value], NOW).result

    assert (result.reason, result.authority, result.msgi) == (
        Reason.VERIFIED,
        "tn",
        "exact",
    )


@BOTH
@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_longer_digests_are_verified(ca: TestCA, sign: Sign, algorithm: str) -> None:
    value = signed(sign, ca, payload(msgi=digest(BODY, algorithm)))

    result = verifier(ca).verify(message(), [value], NOW).result

    assert result.reason is Reason.VERIFIED


@BOTH
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            {"body": b"Hello Bob!\r\n"}, Reason.BODY_ALTERED, id="another-body"
        ),
        pytest.param({"dest": (CAROL,)}, Reason.DEST_MISMATCH, id="another-recipient"),
        pytest.param(
            {"dest": (BOB, CAROL)}, Reason.DEST_PARTIAL, id="one-recipient-more"
        ),
        pytest.param({"orig": CAROL}, Reason.ORIG_MISMATCH, id="another-originator"),
    ],
)
def test_changed_message_is_refused(
    ca: TestCA, sign: Sign, change: Mapping[str, Any], reason: Reason
) -> None:
    value = signed(sign, ca, payload())

    result = verifier(ca).verify(message(**change), [value], NOW).result

    assert result.reason is reason


@BOTH
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        pytest.param(NOW + timedelta(hours=25), Reason.STALE, id="a-day-late"),
        pytest.param(
            NOW - timedelta(minutes=2), Reason.FROM_THE_FUTURE, id="two-minutes-early"
        ),
    ],
)
def test_token_of_another_time_is_refused(
    ca: TestCA, sign: Sign, at: datetime, reason: Reason
) -> None:
    value = signed(sign, ca, payload())

    result = verifier(ca).verify(message(), [value], at).result

    assert result.reason is reason


@BOTH
@pytest.mark.parametrize(
    ("name", "reason", "authority"),
    [
        pytest.param("range", Reason.VERIFIED, "range", id="range-holds-the-number"),
        pytest.param("other", Reason.NOT_AUTHORIZED, "none", id="another-number"),
        pytest.param("expired", Reason.CREDENTIAL_EXPIRED, "none", id="expired"),
        pytest.param(
            "untrusted", Reason.CREDENTIAL_UNTRUSTED, "none", id="unknown-root"
        ),
    ],
)
def test_certificate_decides(
    ca: TestCA, sign: Sign, name: str, reason: Reason, authority: Authority
) -> None:
    value = signed(sign, ca, payload(), name)

    result = verifier(ca).verify(message(), [value], NOW).result

    assert (result.reason, result.authority) == (reason, authority)


@BOTH
def test_key_of_another_certificate_is_refused(ca: TestCA, sign: Sign) -> None:
    value = signed(sign, ca, payload(), key="range")

    result = verifier(ca).verify(message(), [value], NOW).result

    assert result.reason is Reason.BAD_SIGNATURE


@BOTH
def test_second_delivery_is_a_replay(ca: TestCA, sign: Sign) -> None:
    value = signed(sign, ca, payload())
    service = verifier(ca)
    service.verify(message(delivery="first"), [value], NOW)

    result = service.verify(message(delivery="second"), [value], NOW).result

    assert result.reason is Reason.REPLAYED


@settings(max_examples=40)
@given(
    extra=st.dictionaries(
        st.from_regex(r"x-[a-z]{0,6}", fullmatch=True),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda values: st.lists(values, max_size=2),
            max_leaves=3,
        ),
        max_size=3,
    ),
    dest=st.lists(
        st.from_regex(r"[0-9]{1,15}", fullmatch=True), max_size=20, unique=True
    ),
    order=st.randoms(use_true_random=False),
    layout=st.fixed_dictionaries(
        {"indent": st.sampled_from([None, 0, 3]), "ensure_ascii": st.booleans()}
    ),
)
def test_any_order_and_layout_of_the_claims_is_verified(
    ca: TestCA,
    extra: Mapping[str, object],
    dest: list[str],
    order: Any,  # noqa: ANN401 - random.Random, made by hypothesis
    layout: Mapping[str, Any],
) -> None:
    """We verify octets as they came, however their JSON is written."""
    members = [*payload(dest={"tn": [*dest, BOB]}).items(), *extra.items()]
    order.shuffle(members)
    header = {"x5u": f"{X5U}one.pem", "typ": "passport", "alg": "ES256", "ppt": "msg"}
    token = libsecsipid_sign(
        json.dumps(header, **layout),
        json.dumps(dict(members), **layout),
        ca.files("one").key,
    )

    result = verifier(ca).verify(message(), [token], NOW).result

    assert result.reason is Reason.VERIFIED


# Tokens for calls


@pytest.fixture
def call(ca: TestCA) -> str:
    """A value of the type shaken: same numbers, same key, same certificate."""
    return secsipidx_sign_call(ALICE, BOB, f"{X5U}one.pem", ca.files("one").key)


def test_token_for_a_call_is_well_signed(ca: TestCA, call: str) -> None:
    """So it is the type that the tests below speak of."""
    token, _, _ = call.partition(";")

    assert libsecsipid_verifies(token, ca.files("one").chain)


def test_token_for_a_call_is_set_aside_before_any_fetch(ca: TestCA, call: str) -> None:
    service = verifier(ca)

    result = service.verify(message(), [call], NOW).result

    assert (result.reason, result.passed) == (Reason.UNSUPPORTED_PPT, False)
    assert isinstance(service.credentials.repository, FolderRepository)
    assert service.credentials.repository.fetched == []


@pytest.mark.parametrize("call_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(BODY, Reason.VERIFIED, id="good-token"),
        pytest.param(b"Hullo\r\n", Reason.BODY_ALTERED, id="bad-token"),
    ],
)
def test_token_for_a_call_does_not_count_beside_another(
    ca: TestCA, call: str, body: bytes, reason: Reason, call_first: bool
) -> None:
    values = [call, signed(secsipidx_sign, ca, payload())]
    expected = [Reason.UNSUPPORTED_PPT, reason]
    if not call_first:
        values.reverse()
        expected.reverse()

    found = verifier(ca).verify(message(body=body), values, NOW)

    assert found.result.reason is reason
    assert [result.reason for result in found.passports] == expected

"""What we sign, judged by libsecsipid, by Node and by openssl."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stirmilter.services import AuthenticationService
from stirmilter.stir import identity, jws
from stirmilter.stir.passport import Passport
from stirmilter.testca import TestCA
from tests.laboratory import (
    BOB,
    BODY,
    NOW,
    X5U,
    authenticator,
    message,
    signer,
    verifier,
)
from tests.referees.programs import (
    BAD_SIGNATURE,
    NOT_SHAKEN,
    libsecsipid_code,
    libsecsipid_field_code,
    libsecsipid_verifies,
    node_reads,
    node_verifies,
    openssl_verifies,
)

Referee = Callable[[str, Path], bool]

EACH = pytest.mark.parametrize(
    "verifies",
    [
        pytest.param(libsecsipid_verifies, id="libsecsipid"),
        pytest.param(node_verifies, id="node"),
        pytest.param(openssl_verifies, id="openssl"),
    ],
)
HUNDRED: Final = tuple(str(13125550100 + n) for n in range(100))


@EACH
@pytest.mark.parametrize(
    "dest",
    [pytest.param((BOB,), id="one-recipient"), pytest.param(HUNDRED, id="a-hundred")],
)
def test_token_is_accepted(
    ca: TestCA, verifies: Referee, dest: tuple[str, ...]
) -> None:
    token = authenticator(ca).sign(message(dest=dest), NOW)

    assert verifies(token.text, ca.files("one").chain)


@EACH
def test_certificate_of_another_key_is_refused(ca: TestCA, verifies: Referee) -> None:
    token = authenticator(ca).sign(message(), NOW)

    assert not verifies(token.text, ca.files("range").chain)


def parts(token: Passport) -> list[str]:
    return token.text.split(".")


def another_claim(token: Passport, other: Passport) -> str:
    header, _, signature = parts(token)
    return f"{header}.{parts(other)[1]}.{signature}"


def another_header(token: Passport, _: Passport) -> str:
    header, claims, signature = parts(token)
    octets = jws.b64url_decode(header).replace(b"one.pem", b"two.pem")
    return f"{jws.b64url_encode(octets)}.{claims}.{signature}"


def another_signature(token: Passport, other: Passport) -> str:
    return f"{'.'.join(parts(token)[:2])}.{parts(other)[2]}"


def bit(token: Passport, place: int) -> str:
    header, claims, signature = parts(token)
    octets = bytearray(jws.b64url_decode(signature))
    octets[place] ^= 1
    return f"{header}.{claims}.{jws.b64url_encode(bytes(octets))}"


@EACH
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(another_claim, id="claims-of-another-message"),
        pytest.param(another_header, id="another-x5u"),
        pytest.param(another_signature, id="signature-of-another-message"),
        pytest.param(lambda token, _: bit(token, 31), id="last-bit-of-r"),
        pytest.param(lambda token, _: bit(token, 63), id="last-bit-of-s"),
    ],
)
def test_spoilt_token_is_refused(
    ca: TestCA, verifies: Referee, spoil: Callable[[Passport, Passport], str]
) -> None:
    token = authenticator(ca).sign(message(), NOW)
    other = authenticator(ca).sign(message(body=b"Hullo\r\n"), NOW)

    assert not verifies(spoil(token, other), ca.files("one").chain)


def test_folded_field_is_split_by_libsecsipid(ca: TestCA) -> None:
    """It finds the signature good, and then that this is no call."""
    token = authenticator(ca).sign(message(), NOW)

    value = identity.write(token, "PASSporT")

    assert "\n " in value
    assert libsecsipid_field_code(value, ca.files("one").chain) == NOT_SHAKEN


def test_folded_field_of_another_body_is_refused_by_libsecsipid(ca: TestCA) -> None:
    token = authenticator(ca).sign(message(), NOW)
    other = authenticator(ca).sign(message(body=b"Hullo\r\n"), NOW)

    value = identity.write(
        replace(token, text=another_signature(token, other)), "PASSporT"
    )

    assert libsecsipid_field_code(value, ca.files("one").chain) == BAD_SIGNATURE


def changed(token: str, place: int) -> str:
    """Put the next letter of base64url in one place of a token."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    letter = letters[(letters.find(token[place]) + 1) % 64]
    return f"{token[:place]}{letter}{token[place + 1 :]}"


def test_no_letter_of_a_token_can_change(ca: TestCA) -> None:
    """The last letter carries four bits of nothing: libsecsipid overlooks them.

    We do not, since a second spelling of one token must not be a second token.
    """
    token = authenticator(ca).sign(message(), NOW).text
    every = [changed(token, place) for place in range(len(token))]
    service = verifier(ca)

    theirs = [libsecsipid_code(one, ca.files("one").chain) == 0 for one in every]
    ours = [service.verify(message(), [one], NOW).result.passed for one in every]

    assert theirs == [False] * (len(token) - 1) + [True]
    assert not any(ours)


# Any message


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All that a token of ours is made from, and may differ in."""

    orig: str
    dest: tuple[str, ...]
    body: bytes
    algorithm: str
    path: str
    age: int
    """Seconds after NOW, within the life of the certificate."""

    def sign(self, ca: TestCA) -> str:
        service = AuthenticationService(
            [replace(signer(ca, "range"), x5u=X5U + self.path)],
            algorithm=self.algorithm,
        )
        draft = message(orig=self.orig, dest=self.dest, body=self.body)
        return service.sign(draft, NOW + timedelta(seconds=self.age)).text

    def expected(self) -> dict[str, Any]:
        """What the token has to say, put together without a line of ours."""
        octets = hashlib.new(self.algorithm, self.body).digest()
        return {
            "header": {
                "alg": "ES256",
                "ppt": "msg",
                "typ": "passport",
                "x5u": X5U + self.path,
            },
            "claims": {
                "dest": {"tn": sorted(set(self.dest))},
                "iat": int(NOW.timestamp()) + self.age,
                "msgi": f"{self.algorithm}-{base64.b64encode(octets).decode()}",
                "orig": {"tn": self.orig},
            },
        }


NUMBERS: Final = st.text("0123456789#*", min_size=1, max_size=15)
DRAFTS: Final = st.builds(
    Draft,
    orig=st.integers(12025550100, 12025550199).map(str),
    dest=st.lists(NUMBERS, min_size=1, max_size=30).map(tuple),
    body=st.binary(max_size=200) | st.just(BODY),
    algorithm=st.sampled_from(["sha256", "sha384", "sha512"]),
    # Quotation marks and backslashes are escaped in JSON, so they are among them.
    path=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40),
    age=st.integers(0, 86_400 * 29),
)


@settings(max_examples=60)
@given(draft=DRAFTS)
def test_any_token_is_accepted_by_libsecsipid(ca: TestCA, draft: Draft) -> None:
    token = draft.sign(ca)

    assert libsecsipid_verifies(token, ca.files("range").chain)


# Not shrunk: that would start Node hundreds of times, and each entry tells enough.
@settings(max_examples=3, phases=[Phase.generate])
@given(drafts=st.lists(DRAFTS, min_size=15, max_size=25))
def test_any_token_says_to_node_what_it_was_made_from(
    ca: TestCA, drafts: list[Draft]
) -> None:
    tokens = [draft.sign(ca) for draft in drafts]

    found = node_reads(tokens, ca.files("range").chain)

    assert found == [draft.expected() for draft in drafts]

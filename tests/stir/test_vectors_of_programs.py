"""Vectors that programs of others made, read where they lie; none is copied."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.services import Message, VerificationPolicy, VerificationService
from stirmilter.stir import credential, identity, jws, passport
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.result import Authority, Reason, Unverified
from stirmilter.stores.replay import MemoryReplayStore
from tests.stir.tokens import HEADER, forge, seal
from tests.stir.vectors import reason_of, table

# Tokens of secsipidx and libstirshaken


class OneChain:
    """Serves one chain, whatever the scheme of the URL."""

    def __init__(self, x5u: str, octets: bytes) -> None:
        self.x5u = x5u
        self.octets = octets

    def chain(self, x5u: str) -> tuple[x509.Certificate, ...]:
        assert x5u == self.x5u
        return credential.load_chain(self.octets)


def live(
    vectors: Path, name: str
) -> tuple[dict[str, Any], str, list[x509.Certificate]]:
    """Return one case, the x5u of all, and the chain with its anchor last."""
    folder = vectors / "interop-live"
    content = table(folder / "tokens.json")
    [case] = [case for case in content["cases"] if case["name"] == name]
    chain = credential.load_chain((folder / "chain.pem").read_bytes())
    return (
        case,
        content["x5u"],
        [*chain, *credential.load_chain((folder / "ca.pem").read_bytes())],
    )


def claims_of(token: str) -> dict[str, Any]:
    claims = json.loads(jws.b64url_decode(token.split(".")[1]))
    assert isinstance(claims, dict)
    return claims


LIVE: list[tuple[str, Reason, Authority]] = [
    ("msg-msgi", Reason.VERIFIED, "tn"),
    ("msg-no-msgi", Reason.NO_MSGI, "tn"),
    ("msg-two-dest-and-uri", Reason.VERIFIED, "tn"),
    ("shaken", Reason.UNSUPPORTED_PPT, "none"),
    ("base", Reason.UNSUPPORTED_PPT, "none"),
    ("div", Reason.UNSUPPORTED_PPT, "none"),
    ("base-mky", Reason.UNSUPPORTED_PPT, "none"),
    ("rcd", Reason.UNSUPPORTED_PPT, "none"),
    ("NEG-msgi-in-shaken", Reason.UNSUPPORTED_PPT, "none"),
    ("NEG-unsorted-keys", Reason.VERIFIED, "tn"),
    ("NEG-iat-string", Reason.MALFORMED, "none"),
    ("NEG-iat-far-future", Reason.FROM_THE_FUTURE, "none"),
    ("NEG-dest-tn-not-array", Reason.MALFORMED, "none"),
    ("NEG-orig-outside-tnauthlist", Reason.VERIFIED, "spc"),  # the leaf has a code too
    ("shaken-by-libstirshaken", Reason.UNSUPPORTED_PPT, "none"),
]


def test_live_table_is_complete(vectors: Path) -> None:
    cases = table(vectors / "interop-live" / "tokens.json")["cases"]

    assert [case["name"] for case in cases] == [name for name, _, _ in LIVE]


@pytest.mark.parametrize("name", [name for name, _, _ in LIVE])
@pytest.mark.parametrize("member", ["token", "identity"])
@pytest.mark.conformance("F-02")
def test_live_signatures_verify(vectors: Path, name: str, member: str) -> None:
    case, _, chain = live(vectors, name)
    token = identity.parse(case[member]).token
    signing_input, _, signature = token.rpartition(".")
    key = chain[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)

    jws.verify(signing_input.encode(), jws.b64url_decode(signature), key)

    with pytest.raises(Unverified):
        jws.verify(signing_input[:-1].encode(), jws.b64url_decode(signature), key)


def judge(
    vectors: Path, name: str, policy: VerificationPolicy
) -> tuple[Reason, Authority]:
    case, x5u, chain = live(vectors, name)
    claims = claims_of(live(vectors, "msg-msgi")[0]["token"])
    body = (vectors / "msgi" / "05-multipart-crlf.bin").read_bytes()
    service = VerificationService(
        repository=OneChain(x5u, (vectors / "interop-live" / "chain.pem").read_bytes()),
        anchors=TrustAnchors(chain[-1:]),
        replays=MemoryReplayStore(),
        policy=policy,
    )
    message = Message(
        orig=claims_of(case["token"])["orig"]["tn"],
        dest=frozenset(claims["dest"]["tn"]),
        body=digest_body(body),
        delivery=name,
    )
    at = datetime.fromtimestamp(claims["iat"], UTC)

    result = service.verify(message, [case["identity"]], at).result

    return result.reason, result.authority


@pytest.mark.parametrize(("name", "reason", "authority"), LIVE)
@pytest.mark.conformance("F-10", "F-14", "M-02", "M-18", "V-01", "V-02")
def test_live_tokens_get_their_reasons(
    vectors: Path, name: str, reason: Reason, authority: Authority
) -> None:
    assert judge(vectors, name, VerificationPolicy()) == (reason, authority)


def test_live_number_outside_the_list_needs_the_carriers_code(vectors: Path) -> None:
    policy = VerificationPolicy(accept_spc=False)

    assert judge(vectors, "NEG-orig-outside-tnauthlist", policy) == (
        Reason.SPC_NOT_ACCEPTED,
        "spc",
    )


# SEMS and yeti


def yeti(vectors: Path) -> dict[str, Any]:
    return table(vectors / "sems-yeti" / "identity-parse.json")


def test_yeti_diverted_call_is_read(vectors: Path) -> None:
    value = identity.parse(yeti(vectors)["valid_structure_div"])

    assert value.parameters["ppt"] == "div"
    assert value.parameters["info"].startswith("https://")
    assert passport.parse(value.token).claims.div == ("tn", "121555551213")


@pytest.mark.conformance("F-08")
def test_yeti_compact_form_is_refused(vectors: Path) -> None:
    text = yeti(vectors)["reject"]["compact_form_unsupported_there"]

    assert reason_of(text) is Reason.MALFORMED


def test_yeti_value_that_lost_its_token_is_refused(vectors: Path) -> None:
    value = identity.parse(yeti(vectors)["reject"]["truncated_header_value"])

    assert reason_of(value.token) is Reason.MALFORMED


@pytest.mark.parametrize("name", ["alg_param_ES25", "ppt_param_shake"])
@pytest.mark.conformance("H-04")
def test_yeti_parameters_that_differ_are_refused(vectors: Path, name: str) -> None:
    value = identity.parse(forge() + yeti(vectors)["reject"][name])

    with pytest.raises(Unverified) as caught:
        identity.check_mirrors(value, passport.parse(value.token))
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param(
            "header_alg_as_json_array", Reason.UNSUPPORTED_PPT, id="arrays-for-strings"
        ),
        pytest.param("header_json_unquoted", Reason.MALFORMED, id="no-quotes"),
    ],
)
def test_yeti_headers_are_refused(vectors: Path, name: str, reason: Reason) -> None:
    assert reason_of(seal(yeti(vectors)["reject"][name].encode(), b"{}")) is reason


@pytest.mark.parametrize(
    "name",
    [
        "payload_dest_string",
        "payload_dest_tn_string",
        "payload_dest_tn_object",
        "payload_iat_misspelt",
    ],
)
def test_yeti_payloads_are_refused(vectors: Path, name: str) -> None:
    claims = claims_of(forge())
    if name == "payload_iat_misspelt":
        del claims["iat"]
    claims |= json.loads(f"{{{yeti(vectors)['reject'][name]}}}")

    token = seal(json.dumps(HEADER).encode(), json.dumps(claims).encode())

    assert reason_of(token) is Reason.MALFORMED

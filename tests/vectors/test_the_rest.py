"""What the vectors of RFCs and programs hold besides what tests/stir reads of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from stirmilter.stir import credential, identity, jws, passport
from stirmilter.stir.msgi import Digest, digest_body
from stirmilter.stir.result import Reason, Unverified
from tests.stir.tokens import HEADER, forge
from tests.stir.vectors import BODIES, table
from tests.vectors import reading

# RFC 8225


def measure(token: str, key: ec.EllipticCurvePublicKey) -> str:
    """Say of a signature what expected.json says."""
    signing_input, _, text = token.rpartition(".")
    try:
        jws.verify(signing_input.encode(), jws.b64url_decode(text), key)
    except Unverified as error:
        return {Reason.BAD_SIGNATURE: "InvalidSignature()"}[error.reason]
    return "OK"


@pytest.mark.parametrize("name", ["section7.1-token", "appendixA-token"])
def test_rfc_8225_signatures_are_what_was_measured(vectors: Path, name: str) -> None:
    folder = vectors / "rfc8225"
    key = load_pem_public_key((folder / "appendixA-public.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    token = (folder / f"{name}.txt").read_text().strip()
    told = table(folder / "expected.json")[name]["signature_with_appendixA_key"]

    assert measure(token, key) == told


# SEMS and yeti


@pytest.mark.parametrize("position", range(len(HEADER["x5u"])))
def test_yeti_info_that_differs_in_one_character_is_refused(
    vectors: Path, position: int
) -> None:
    told = table(vectors / "sems-yeti" / "identity-parse.json")["reject"]
    x5u = HEADER["x5u"]
    changed = f"{x5u[:position]}!{x5u[position + 1 :]}"

    value = identity.parse(f"{forge()};info=<{changed}>")

    assert told["info_differs_from_x5u"] == "info path changed by one character"
    with pytest.raises(Unverified, match="info=") as caught:
        identity.check_mirrors(value, passport.parse(value.token))
    assert caught.value.reason is Reason.MALFORMED


def test_yeti_attestation_that_does_not_exist_says_nothing_to_us(vectors: Path) -> None:
    """It is a claim of shaken; msg does not define it, and RFC 8225 §5.2 ignores it."""
    told = table(vectors / "sems-yeti" / "identity-parse.json")["reject"]

    token = passport.parse(forge(payload={"attest": "N"}))

    assert told["payload_attest_N"] == "attest not in A,B,C"
    assert token.claims.raw["attest"] == "N"


# Programs that checked our live tokens


def test_a_live_chain_is_its_leaf_and_its_root(vectors: Path) -> None:
    folder = vectors / "interop-live"

    chain = credential.load_chain((folder / "chain.pem").read_bytes())

    assert list(chain) == [
        reading.certificate(folder / name) for name in ("leaf.pem", "ca.pem")
    ]


def test_live_tokens_that_secsipidx_refuses_are_malformed_to_us(vectors: Path) -> None:
    """libstirshaken looks at signatures only, and refuses none of them."""
    cases = table(vectors / "interop-live" / "tokens.json")["cases"]
    refused = {case["name"] for case in cases if case.get("SecSIPIDCheck", 0) != 0}

    malformed = set()
    for case in cases:
        try:
            passport.parse(case["token"])
        except Unverified as error:
            if error.reason is Reason.MALFORMED:
                malformed.add(case["name"])

    assert refused == malformed == {"NEG-iat-string", "NEG-dest-tn-not-array"}
    assert {case.get("libstirshaken_jwt_check_path", 0) for case in cases} == {0}


# msgi


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("name", BODIES)
def test_msgi_without_padding_is_the_same_digest(
    vectors: Path, name: str, algorithm: str
) -> None:
    padded = table(vectors / "msgi" / "digests.json")[name][algorithm]

    assert Digest.parse(padded.rstrip("=")) == Digest.parse(padded)


@pytest.mark.parametrize("name", BODIES)
def test_msgi_survives_one_more_line_end_unless_we_are_strict(
    vectors: Path, name: str
) -> None:
    claim = Digest.parse(table(vectors / "msgi" / "digests.json")[name]["sha256"])
    body = (vectors / "msgi" / f"{name}.bin").read_bytes()

    found = digest_body(body + b"\r\n")

    assert found.match(claim) in {"simple", "nocrlf"}
    assert found.match(claim, ("exact",)) is None


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        pytest.param(
            "05-multipart-crlf",
            lambda body: body.replace(b"\r\n", b"\n"),
            id="line-feeds-alone",
        ),
        pytest.param(
            "06-multipart-lf-only",
            lambda body: body.replace(b"\n", b"\r\n"),
            id="carriage-returns-added",
        ),
        pytest.param(
            "07-trailing-whitespace",
            lambda body: b"\r\n".join(map(bytes.rstrip, body.split(b"\r\n"))),
            id="blanks-stripped",
        ),
        pytest.param(
            "08-dot-line",
            lambda body: body.replace(b"\r\n.", b"\r\n.."),
            id="dots-stuffed",
        ),
        pytest.param(
            "09-8bit-latin1",
            lambda body: body.decode("latin-1").encode(),
            id="another-charset",
        ),
        pytest.param(
            "10-nul-and-all-octets",
            lambda body: body.replace(b"\x00", b""),
            id="nul-removed",
        ),
    ],
)
def test_msgi_does_not_survive_what_a_relay_must_not_do(
    vectors: Path, name: str, changed: Callable[[bytes], bytes]
) -> None:
    claim = Digest.parse(table(vectors / "msgi" / "digests.json")[name]["sha256"])
    body = (vectors / "msgi" / f"{name}.bin").read_bytes()

    assert changed(body) != body
    assert digest_body(changed(body)).match(claim) is None

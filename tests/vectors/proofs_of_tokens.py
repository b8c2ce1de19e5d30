"""The taxonomy's rows about tokens and the calls they come with."""

import hashlib
import hmac
import json
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from stirmilter.errors import SigningError
from stirmilter.stir import jws
from tests.laboratory import BOB, CAROL, NOW, X5U, authenticator, message
from tests.services.world import DAY, HOUR, MINUTE, SECOND
from tests.stir.tokens import ABSENT, HEADER, PAYLOAD, forge, seal, twin
from tests.stores.servers import OK, say, silence
from tests.vectors.taxonomy import (
    PATIENCE,
    Laboratory,
    Outside,
    Proof,
    Row,
    carried,
    fetched,
    judged,
    served,
)

_HEADER: Final = json.dumps(HEADER).encode()
_PAYLOAD: Final = json.dumps(PAYLOAD).encode()
_OLD: Final = NOW - DAY - HOUR
"""Before the certificates of the world begin."""


def genuine(lab: Laboratory) -> str:
    """Fetch the real chain from a real server."""
    return served(say(OK, b"\r\n", lab.ca.files("one").chain.read_bytes()))(lab)


def keyed_by_the_certificate(lab: Laboratory) -> str:
    """Sign with a secret that everybody has: the public key, in PEM."""
    key = lab.world.keys["one"].public_key()
    secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = json.dumps({**HEADER, "alg": "HS256", "x5u": f"{X5U}one.pem"}).encode()
    signing_input = f"{jws.b64url_encode(header)}.{jws.b64url_encode(_PAYLOAD)}"
    tag = hmac.digest(secret, signing_input.encode(), hashlib.sha256)
    return lab.verdict(f"{signing_input}.{jws.b64url_encode(tag)}")


def both_halves(lab: Laboratory) -> str:
    """Judge (R, S) and (R, n - S), each by itself."""
    token = lab.world.token("one")
    return ", ".join(lab.verdict(value) for value in (token, twin(token)))


def one_after_the_other(lab: Laboratory) -> str:
    """Deliver (R, S), and then (R, n - S) in another delivery."""
    service, token = lab.world.verifier(), lab.world.token("one")
    first = service.verify(message(delivery="first"), [token], NOW)
    second = service.verify(message(delivery="second"), [twin(token)], NOW)
    return f"{first.result.reason.code}, {second.result.reason.code}"


def unknown_to_the_signer(lab: Laboratory) -> str:
    try:
        authenticator(lab.ca, "one").sign(message(orig="4420794601"), NOW)
    except SigningError as error:
        return error.code
    return "signed"


def signature_of(octets: int) -> str:
    """Write a token whose signature is as long as that of another curve."""
    signing_input = forge().rpartition(".")[0]
    return f"{signing_input}.{jws.b64url_encode(bytes(octets))}"


TOKENS: Final = (
    Row(
        "agranig/stirshaken-scenarios",
        (
            Proof(
                "valid identity (with and without Date header)",
                "verified",
                # The token's iat counts; Date is not asked (docs/profile.md §4).
                judged(),
            ),
            Proof(
                "valid identity (with and without Date header)",
                "verified",
                genuine,
                "over the network",
            ),
        ),
    ),
    Row(
        "agranig/stirshaken-scenarios",
        (
            Proof("identity garbage", "malformed", carried("garbage")),
            Proof("invalid JWT", "malformed", carried("a.b.c")),
            Proof("payload not JSON", "malformed", carried(seal(_HEADER, b"no JSON"))),
        ),
    ),
    Row(
        "agranig/stirshaken-scenarios",
        (
            # The parameters repeat what the token says (docs/profile.md §1).
            Proof(
                "missing info parameter", "verified", judged(parameters=";alg=ES256")
            ),
            Proof(
                "missing or invalid alg parameter",
                "verified",
                judged(parameters=f";info=<{X5U}one.pem>;ppt=msg"),
                "missing",
            ),
            Proof(
                "missing or invalid alg parameter",
                "malformed",
                judged(parameters=";alg=ES25"),
                "invalid",
            ),
            Proof(
                "missing or invalid ppt parameter",
                "verified",
                judged(parameters=f";info=<{X5U}one.pem>;alg=ES256"),
                "missing",
            ),
            Proof(
                "missing or invalid ppt parameter",
                "malformed",
                judged(parameters=";ppt=shake"),
                "invalid",
            ),
        ),
    ),
    Row(
        "agranig/stirshaken-scenarios",
        (
            Proof("iat zero", "stale", judged(payload={"iat": 0})),
            Proof("missing", "malformed", judged(payload={"iat": ABSENT})),
            Proof("past", "stale", judged(at=NOW + DAY + SECOND)),
            Proof("near future", "verified", judged(at=NOW - MINUTE)),
            Proof("far future", "from-the-future", judged(at=NOW - MINUTE - SECOND)),
            Proof("garbage", "malformed", judged(payload={"iat": "garbage"})),
            Proof("negative", "malformed", judged(payload={"iat": -1})),
        ),
    ),
    Row(
        "agranig/stirshaken-scenarios",
        (
            Proof(
                "certificate expired", "credential-expired", judged(signer="expired")
            ),
            Proof(
                "not yet valid",
                "credential-expired",
                judged(signer="short", at=_OLD, payload={"iat": int(_OLD.timestamp())}),
            ),
            Proof("untrusted CA", "credential-untrusted", judged(signer="untrusted")),
            Proof(
                "garbage body",
                "credential-malformed",
                served(say(OK, b"\r\n", b"\x00garbage")),
            ),
            Proof(
                "empty body",
                "credential-malformed",
                served(say(OK, b"Content-Length: 0\r\n\r\n")),
            ),
            Proof(
                "404",
                "credential-unavailable",
                served(say(b"HTTP/1.1 404 Not Found\r\n\r\n")),
            ),
            Proof(
                "non-standard port",
                "credential-untrusted",
                fetched("https://certs.example:444/a.pem"),
            ),
            Proof(
                "unresponsive server",
                "credential-unavailable",
                served(silence, PATIENCE),
            ),
        ),
    ),
    Row(
        "agranig/stirshaken-scenarios",
        (
            Proof(
                "orig+dest missing",
                "malformed",
                judged(payload={"orig": ABSENT, "dest": ABSENT}),
            ),
            Proof("orig missing", "malformed", judged(payload={"orig": ABSENT})),
            Proof("dest missing", "malformed", judged(payload={"dest": ABSENT})),
            Proof(
                "orig mismatch",
                "orig-mismatch",
                judged(payload={"orig": {"tn": CAROL}}),
            ),
            Proof(
                "dest mismatch",
                "dest-mismatch",
                judged(payload={"dest": {"tn": [CAROL]}}),
            ),
            Proof("orig empty", "malformed", judged(payload={"orig": {}}), "object"),
            Proof(
                "orig empty", "malformed", judged(payload={"orig": {"tn": ""}}), "tn"
            ),
            Proof("dest empty", "malformed", judged(payload={"dest": {}}), "object"),
            Proof(
                "dest empty", "malformed", judged(payload={"dest": {"tn": []}}), "tn"
            ),
            Proof(
                "orig garbage", "malformed", judged(payload={"orig": {"tn": "garbage"}})
            ),
            Proof(
                "dest garbage",
                "malformed",
                judged(payload={"dest": {"tn": [BOB, "garbage"]}}),
            ),
        ),
    ),
    Row(
        "agranig/stirshaken-scenarios",
        (
            # Of the type shaken (RFC 8588). To msg it is a claim that nobody defines.
            Proof("attest missing", "verified", judged(payload={"attest": ABSENT})),
            Proof("empty", "verified", judged(payload={"attest": ""})),
            Proof("invalid", "verified", judged(payload={"attest": "D"})),
            Proof("garbage", "verified", judged(payload={"attest": [None]})),
            Proof(
                "garbage",
                "unsupported-ppt",
                judged(header={"ppt": "shaken"}, payload={"attest": [None]}),
                "in a token for a call",
            ),
        ),
    ),
    Row(
        "agranig/stirshaken-scenarios",
        (
            Proof("x5u empty", "malformed", judged(header={"x5u": ""})),
            Proof("garbage", "credential-untrusted", fetched("garbage")),
            Proof("garbage", "malformed", judged(header={"x5u": ["a"]}), "no string"),
        ),
    ),
    Row(
        "asterisk/testsuite",
        (
            Proof(
                "x5u ACL failure",
                "credential-untrusted",
                fetched("https://192.0.2.1/a.pem"),
            ),
            Proof("anonymous caller", "orig-mismatch", judged(message={"orig": None})),
            Proof(
                "expired CA", "credential-expired", judged(signer="old-intermediate")
            ),
            Outside(
                "fail-with-Reason header",
                "the answer to a call; a mail gets a header field with the result",
            ),
            Proof("no Identity header", "no-passport", carried()),
            Proof(
                "bad signature",
                "bad-signature",
                judged(signer="range", header={"x5u": f"{X5U}one.pem"}),
            ),
            Proof("orig mismatch", "orig-mismatch", judged(message={"orig": CAROL})),
            Proof("unknown TN signing", "no-signer", unknown_to_the_signer),
        ),
    ),
    Row(
        "this survey",
        (
            Proof(
                "alg HS256 with public-key PEM as secret",
                "unsupported-algorithm",
                keyed_by_the_certificate,
            ),
            Proof("alg none", "unsupported-algorithm", judged(header={"alg": "none"})),
            Proof(
                "alg none",
                "malformed",
                carried(f"{forge({'alg': 'none'}).rpartition('.')[0]}."),
                "and no signature",
            ),
            Proof(
                "P-384 key under ES256", "credential-malformed", judged(signer="p384")
            ),
            Proof("signature 96 octets", "malformed", carried(signature_of(96))),
            Proof(
                "low/high S both accepted",
                "verified, verified",
                both_halves,
                "each by itself",
            ),
            Proof(
                "low/high S both accepted",
                "verified, replayed",
                one_after_the_other,
                "one a replay of the other",
            ),
        ),
    ),
)

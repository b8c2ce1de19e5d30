"""The taxonomy's rows about certificates, where they lie, and bodies."""

import base64
import quopri
from typing import Final

from stirmilter.stir.msgi import digest_body
from stirmilter.stores.certificates import CertificateStore
from stirmilter.stores.documents import DocumentStore
from tests.laboratory import ALICE, BODY, NOW, message
from tests.stir import der
from tests.stir.tokens import ABSENT, MSGI
from tests.stores.servers import OK, drip, say
from tests.stores.webs import fetching
from tests.vectors.taxonomy import (
    PATIENCE,
    Laboratory,
    Proof,
    Row,
    allowed,
    fetched,
    judged,
    listed,
    served,
)

_BLANKS: Final = b"Hello Bob  \r\n"
_LATIN: Final = b"Gr\xfc\xdfe\r\n"


def garbage_cached(lab: Laboratory) -> str:
    """Serve garbage, mend it, and ask at once and when the failure is forgotten."""
    now, content = 0.0, b"garbage"
    documents = DocumentStore(fetching(lambda _: content), clock=lambda: now)
    store = CertificateStore(documents)
    token = lab.world.token("one")
    told = [lab.verdict(token, repository=store)]
    content = lab.ca.files("one").chain.read_bytes()
    told.append(lab.verdict(token, repository=store))
    now = 30.0
    told.append(lab.verdict(token, repository=store))
    return ", ".join(told)


def similar_urls(lab: Laboratory) -> str:
    """Serve two signers at URLs that one file name could stand for."""
    chains = {
        "https://certs.example/a_b/c": lab.ca.files("one").chain.read_bytes(),
        "https://certs.example/a/b_c": lab.ca.files("other").chain.read_bytes(),
    }
    store = CertificateStore(DocumentStore(fetching(chains.__getitem__)))
    service = lab.world.verifier(repository=store)
    values = [lab.world.token("one", {"x5u": url}) for url in chains]
    found = service.verify(message(), values, NOW).passports
    return ", ".join(result.reason.code for result in found)


def digest(body: bytes) -> str:
    return str(digest_body(body).value())


def base64url_digest() -> str:
    return f"sha256-{base64.urlsafe_b64encode(bytes([0xFB]) * 32).decode()}"


def long_digest() -> str:
    return f"sha256-{base64.b64encode(bytes(48)).decode()}"


CONTENT: Final = (
    Row(
        "this survey",
        (
            Proof(
                "x5u redirect",
                "credential-unavailable",
                served(say(b"HTTP/1.1 301 Moved\r\nLocation: https://a/\r\n\r\n")),
            ),
            Proof(
                "30 MB body",
                "credential-unavailable",
                served(say(OK, b"\r\n", *[bytes(1_000_000)] * 30)),
            ),
            Proof(
                "HTML body",
                "credential-malformed",
                served(say(OK, b"Content-Type: text/html\r\n\r\n", b"<html></html>")),
            ),
            Proof(
                "slow body",
                "credential-unavailable",
                served(drip(OK + b"\r\n", b"-", b""), PATIENCE),
            ),
            Proof(
                "garbage body cached",
                "credential-malformed, credential-malformed, verified",
                garbage_cached,
            ),
            Proof("URL pair a_b/c vs a/b_c", "verified, not-authorized", similar_urls),
            Proof(
                "http scheme",
                "credential-untrusted",
                fetched("http://certs.example/a.pem"),
            ),
            Proof("port 8443", "allowed", allowed("https://certs.example:8443/a.pem")),
            Proof("no port", "allowed", allowed("https://certs.example/a.pem")),
            Proof(
                "userinfo",
                "credential-untrusted",
                fetched("https://alice@certs.example/a.pem"),
            ),
            Proof(
                "query",
                "credential-untrusted",
                fetched("https://certs.example/a.pem?b"),
            ),
            Proof(
                "fragment",
                "credential-untrusted",
                fetched("https://certs.example/a.pem#b"),
            ),
            Proof("IP literal", "allowed", allowed("https://93.184.216.34/a.pem")),
            Proof("loopback", "credential-untrusted", fetched("https://127.0.0.1/")),
            Proof(
                "link-local",
                "credential-untrusted",
                fetched("https://169.254.169.254/"),
            ),
            Proof(
                "IPv4-mapped IPv6",
                "credential-untrusted",
                fetched("https://[::ffff:127.0.0.1]/"),
            ),
        ),
    ),
    Row(
        "this survey",
        (
            Proof("msgi absent", "no-msgi", judged(payload={"msgi": ABSENT})),
            Proof(
                "msgi in non-msg type",
                "unsupported-ppt",
                judged(header={"ppt": "shaken"}),
            ),
            Proof(
                "digest length differs from label",
                "malformed",
                judged(payload={"msgi": long_digest()}),
            ),
            Proof(
                "unknown algorithm",
                "malformed",
                judged(payload={"msgi": "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="}),
            ),
            Proof(
                "base64url digest",
                "malformed",
                judged(payload={"msgi": base64url_digest()}),
            ),
            Proof(
                # docs/profile.md §3: signers pad, verifiers take both.
                "unpadded",
                "verified",
                judged(payload={"msgi": MSGI.rstrip("=")}),
            ),
            Proof(
                "body canonicalised LF vs CRLF",
                "body-altered",
                judged(message={"body": BODY.replace(b"\r\n", b"\n")}),
            ),
            Proof(
                "trailing whitespace stripped by MTA",
                "verified",
                judged(payload={"msgi": digest(_BLANKS)}, message={"body": _BLANKS}),
                "kept",
            ),
            Proof(
                "trailing whitespace stripped by MTA",
                "body-altered",
                judged(payload={"msgi": digest(_BLANKS)}, message={"body": BODY}),
                "stripped",
            ),
            Proof(
                "8bit to quoted-printable conversion by MTA",
                "body-altered",
                judged(
                    payload={"msgi": digest(_LATIN)},
                    message={"body": quopri.encodestring(_LATIN)},
                ),
            ),
        ),
    ),
    Row(
        "this survey",
        (
            Proof(
                "TNAuthList: empty SEQUENCE",
                "credential-malformed",
                listed(der.sequence()),
            ),
            Proof(
                "empty SPC", "credential-malformed", listed(der.sequence(der.spc("")))
            ),
            Proof(
                # RFC 8226 §9: one or more. Exactly one is the SHAKEN profile's rule.
                "two SPC",
                "accepted: spc",
                listed(der.sequence(der.spc("1234"), der.spc("818H"))),
            ),
            Proof(
                "implicit tags",
                "credential-malformed",
                listed(der.sequence(der.tlv(0x80, b"1234"))),
            ),
            Proof(
                "PrintableString instead of IA5String",
                "credential-malformed",
                listed(der.sequence(der.explicit(0, der.tlv(0x13, b"1234")))),
            ),
            Proof(
                "trailing octets after SEQUENCE",
                "credential-malformed",
                listed(der.sequence(der.spc("1234")) + b"\x00"),
            ),
            Proof("bare IA5String", "credential-malformed", listed(der.ia5("1234"))),
            Proof("absent", "not-authorized", judged(signer="no-list")),
            Proof(
                "SPC + range + one",
                "accepted: tn",
                listed(
                    der.sequence(
                        der.spc("1234"), der.block("12025550100", 9), der.one(ALICE)
                    )
                ),
            ),
            Proof(
                "range crossing digit length",
                "credential-malformed",
                listed(der.sequence(der.block("99", 2))),
            ),
            Proof(
                # RFC 8226 §9 by its letter forbids it: see stir/tnauthlist.
                "range crossing digit length",
                "accepted: range",
                listed(der.sequence(der.block("12025550000", 87_974_450_000))),
                "ending in nines",
            ),
            *(
                Proof(
                    "count 0/1/negative/huge",
                    "credential-malformed",
                    listed(der.sequence(der.block("12025550100", count))),
                    f"{count:.0e}" if count > 1 else str(count),
                )
                for count in (0, 1, -1, 10**11, 1 << 900)
            ),
            Proof(
                "leading +",
                "credential-malformed",
                listed(der.sequence(der.one(f"+{ALICE}"))),
                "number",
            ),
            Proof(
                "leading +",
                "credential-malformed",
                listed(der.sequence(der.block(f"+{ALICE}", 2))),
                "range",
            ),
        ),
    ),
)

"""Signed mail for the tests: keys, a zone that serves them, and dkimpy to sign."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Literal

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from stirmilter.mail.checks.block import HeaderBlock
from stirmilter.mail.checks.dkim import DkimChecker
from stirmilter.mail.checks.dns import Answer, Kind
from stirmilter.mail.checks.verification import DkimLimits
from stirmilter.mail.message import RawMessage
from stirmilter.mail.results import ArcResult, DkimSignature
from tests.laboratory import NOW

Algorithm = Literal["rsa-sha256", "ed25519-sha256", "rsa-sha1"]

DOMAIN = "example.net"
MESSAGE = (
    b"From: Alice <alice@example.net>\r\n"
    b"To: +13125550100/TYPE=PLMN@mms.example\r\n"
    b"Subject: Two  words\r\n\tand a fold\r\n"
    b"Date: Fri, 02 Jan 2026 12:00:00 +0000\r\n"
    b"Content-Type: text/plain\r\n"
    b"\r\n"
    b"Hello  Bob \r\n\r\nBye\t\r\n\r\n"
)


class Zone:
    """A DNS of a few names; every other does not exist."""

    def __init__(self, records: dict[str, str | Answer] | None = None) -> None:
        self.records = records or {}
        self.asked: list[str] = []

    def ask(self, name: str, kind: Kind) -> Answer:
        assert kind == "TXT"
        self.asked.append(name)
        found = self.records.get(name, Answer("no-name"))
        return Answer("found", (found,)) if isinstance(found, str) else found

    def txt(self, name: bytes, timeout: float = 5) -> bytes:
        """Answer as dkimpy wants it."""
        del timeout
        answer = self.ask(name.decode().rstrip("."), "TXT")
        return answer.records[0].encode("latin-1") if answer.records else b""


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return _rsa_key(bits)


@cache
def _rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def rsa_record(bits: int = 2048, tags: str = "v=DKIM1; k=rsa;") -> str:
    key = rsa_key(bits).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{tags} p={base64.b64encode(octets).decode()}"


def ed25519_record(tags: str = "v=DKIM1; k=ed25519;") -> str:
    octets = ed25519_key().public_key().public_bytes_raw()
    return f"{tags} p={base64.b64encode(octets).decode()}"


def zone(bits: int = 2048) -> Zone:
    """Serve an RSA key as ``rsa`` and the Ed25519 key as ``ed``."""
    return Zone(
        {
            f"rsa._domainkey.{DOMAIN}": rsa_record(bits),
            f"ed._domainkey.{DOMAIN}": ed25519_record(),
        }
    )


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )


def sign(
    message: bytes = MESSAGE,
    algorithm: Algorithm = "rsa-sha256",
    form: tuple[bytes, bytes] = (b"relaxed", b"relaxed"),
    headers: Iterable[bytes] | None = None,
    *,
    bits: int = 2048,
    length: bool = False,
) -> bytes:
    """Let dkimpy sign a message; its clock cannot be told the time."""
    edwards = algorithm == "ed25519-sha256"
    signer = dkim.DKIM(message, signature_algorithm=algorithm.encode())
    signer.should_not_sign.clear()
    field = signer.sign(
        b"ed" if edwards else b"rsa",
        DOMAIN.encode(),
        base64.b64encode(ed25519_key().private_bytes_raw())
        if edwards
        else pem(rsa_key(bits)),
        canonicalize=form,
        include_headers=list(headers) if headers else None,
        length=length,
    )
    return bytes(field) + message


def check(
    message: bytes,
    resolver: Zone | None = None,
    limits: DkimLimits | None = None,
    now: datetime | None = None,
) -> tuple[DkimSignature, ...]:
    """Judge a message, its body in chunks of a few octets."""
    checker, raw = DkimChecker(resolver or zone(), limits), RawMessage.parse(message)
    hashes = checker.prepare(raw.headers)
    for start in range(0, len(raw.body), 7):
        hashes.update(raw.body[start : start + 7])
    return checker.check(raw.headers, hashes.finish(), now or datetime.now(NOW.tzinfo))


def check_arc(
    message: bytes,
    resolver: Zone | None = None,
    limits: DkimLimits | None = None,
    now: datetime | None = None,
) -> ArcResult:
    checker, raw = DkimChecker(resolver or zone(), limits), RawMessage.parse(message)
    hashes = checker.prepare(raw.headers)
    hashes.update(raw.body)
    return checker.check_arc(
        HeaderBlock(raw.headers), hashes.finish(), now or datetime.now(NOW.tzinfo)
    )


def words(message: bytes, resolver: Zone | None = None) -> list[tuple[str, str]]:
    return [(one.word, one.reason) for one in check(message, resolver)]

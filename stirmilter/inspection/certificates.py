"""Certificates and chains, in words: who speaks, for whom, on whose word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from stirmilter.inspection.report import Report
from stirmilter.stir import credential, delegation, hazmat, jws
from stirmilter.stir.claimconstraints import ClaimConstraints
from stirmilter.stir.credential import Credential, TrustAnchors
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import printable
from stirmilter.stir.tnauthlist import TNAuthList

_MOST = 100  # certificates of a file that people can want to see


def explain(
    octets: bytes, now: datetime, anchors: Sequence[x509.Certificate]
) -> Report:
    """Explain a file of certificates, signer first."""
    report = Report("a certificate")
    chain = report.attempt(credential.load_chain, octets, _MOST)
    if chain is None:
        return report
    if len(chain) > 1:
        report.kind = f"a chain of {len(chain)} certificates"
    for certificate in chain:
        _certificate(report, certificate)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not begin <= now <= end:
            report.problem(
                f"not valid at {now:%Y-%m-%d %H:%M:%SZ} (a token is judged at its iat)",
                "RFC 5280 §4.1.2.5",
            )
    _links(report, chain)
    if len(chain) > 1 or not credential.is_ca(chain[0]):
        report.attempt(credential.read, chain[0], chain)
        report.attempt(delegation.check, chain, chain)
        if anchors:
            _trust(report, chain, anchors, now)
    return report


def explain_signer(
    token: Passport,
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
) -> Report:
    """Explain whose certificate stands behind a token, and whether it may say so."""
    report = Report("a signer")
    signed_at = datetime.fromtimestamp(token.claims.iat, UTC)
    _certificate(report, chain[0])
    if anchors:
        signer = _trust(report, chain, anchors, signed_at)
    else:
        report.fact("trust", "unknown without trust anchors (--anchors FILE)")
        signer = report.attempt(credential.read, chain[0], chain)
        report.attempt(delegation.check, chain, chain)
        if signer is not None and not signer.valid_at(signed_at):
            report.problem(
                "credential-expired: not valid at iat", "RFC 8224 §6.2 step 4"
            )
    if signer is None:
        return report
    speaker = token.claims.div or token.claims.orig
    authority = report.attempt(signer.authority, speaker.value)
    if authority is not None:
        report.fact(f"covers {speaker.value}", f"by {authority}")
    report.attempt(signer.constraints.check, token.claims.raw)
    if report.attempt(
        _signature, token.signing_input, token.signature, signer.public_key
    ):
        report.fact("signature", "good")
    return report


def _signature(
    signing_input: bytes, signature: bytes, key: ec.EllipticCurvePublicKey
) -> bool:
    jws.verify(signing_input, signature, key)
    return True


def _trust(
    report: Report,
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    at: datetime,
) -> Credential | None:
    found = report.attempt(credential.validate, chain, TrustAnchors(anchors), at)
    if found is not None:
        anchor = found.path[-1].subject.rfc4514_string()
        report.fact("trusted", f"at {at:%Y-%m-%d %H:%M:%SZ} by {anchor}")
    return found


def _certificate(report: Report, certificate: x509.Certificate) -> None:
    report.fact("subject", certificate.subject.rfc4514_string())
    report.fact("issuer", certificate.issuer.rfc4514_string())
    report.fact("role", _role(certificate))
    report.fact("serial", f"{certificate.serial_number:x}")
    report.fact("sha256", certificate.fingerprint(SHA256()).hex())
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    report.fact("valid", f"{begin:%Y-%m-%d %H:%M:%SZ} to {end:%Y-%m-%d %H:%M:%SZ}")
    report.fact("key", _key(certificate.public_key()))
    der = hazmat.extension(certificate, hazmat.TN_AUTH_LIST)
    if der is None:
        report.fact("speaks for", "no TNAuthList (RFC 8226 section 9)")
    else:
        covers = report.attempt(TNAuthList.decode, der)
        if covers is not None:
            report.fact("speaks for", covers)
    plain = hazmat.extension(certificate, hazmat.CLAIM_CONSTRAINTS)
    enhanced = hazmat.extension(certificate, hazmat.ENHANCED_CLAIM_CONSTRAINTS)
    constraints = report.attempt(ClaimConstraints.decode, plain, enhanced)
    if constraints is not None:
        for line in constraints.lines():
            report.fact("its tokens", line)


def _role(certificate: x509.Certificate) -> str:
    if _is_anchor(certificate):
        return "root: it issued itself"
    if credential.is_ca(certificate):
        return "CA: issues certificates, signs no PASSporTs"
    return "end entity: signs PASSporTs"


def _is_anchor(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer and credential.is_ca(certificate)


def _key(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"elliptic curve {key.curve.name}"
    assert isinstance(key, rsa.RSAPublicKey)  # noqa: S101 - `load_chain` refused others
    return f"RSA of {key.key_size} bits"


def _links(report: Report, chain: Sequence[x509.Certificate]) -> None:
    for position, (child, parent) in enumerate(pairwise(chain), 1):
        try:
            child.verify_directly_issued_by(parent)
        except Exception as error:  # noqa: BLE001 - of many types, all to be told
            why = printable(str(error)) or "another key signed it"
            report.problem(
                f"certificate {position} is not issued by the next: {why}",
                "RFC 9060 §7",
            )

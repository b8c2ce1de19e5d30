"""Who signed a token, and whether that certificate may say so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stirmilter.inspection import certificates, claims, extensions
from stirmilter.inspection.report import Report, stamp
from stirmilter.inspection.tokens import Token
from stirmilter.stir import jws
from stirmilter.stir.credential import Credential
from stirmilter.stir.result import Authority, Unverified

Chain = Sequence[x509.Certificate]

_WORDS: Final[dict[Authority, str]] = {
    "tn": "the certificate names this number",
    "range": "the certificate names a range that holds this number",
    "domain": "the certificate names the host of this URI",
    "spc": "the certificate names a carrier; nobody checked that the number is its",
}
"""What ``policy.tn-authority`` means."""


def explain(
    token: Token, chains: Sequence[Chain], anchors: Chain, now: datetime
) -> Report:
    """Explain whose certificate stands behind a token.

    Args:
        token: of any type.
        chains: what stands at several x5u; the one whose key signed is meant.
        anchors: whom to trust.
        now: stands in for an ``iat`` that is no time.
    """
    report = Report("a signer")
    if not chains:
        report.fact("signed by", "unknown without the chain at x5u (--chain FILE)")
        return report
    signed = [chain for chain in chains if _signed(token, chain)]
    chain = certificates.order(report, (signed or chains)[0])
    subject = chain[0].subject.rfc4514_string()
    if signed or _signed(token, chain):
        report.fact("signed by", subject)
    else:
        report.fact("certificate", subject)
        detail = "bad-signature: not by the key of this certificate; is it the chain"
        report.problem(f"{detail} at x5u?", "RFC 8224 §6.2 step 5")
    _certificate(report, chain[0])
    at = claims.signed_at(token.payload) or now
    signer = None
    if certificates.linked(report, chain):
        signer = _credential(report, chain, anchors, at)
    if signer is not None:
        _rights(report, token, signer)
    return report


def _signed(token: Token, chain: Chain) -> bool:
    key = chain[0].public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        jws.verify(token.signing_input, token.signature, key)
    except Unverified:
        return False
    return True


def _certificate(report: Report, certificate: x509.Certificate) -> None:
    report.fact("issuer", certificate.issuer.rfc4514_string())
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    report.fact("valid", f"{stamp(begin)} to {stamp(end)}")
    extensions.explain(report, certificate)


def _credential(
    report: Report, chain: Chain, anchors: Chain, at: datetime
) -> Credential | None:
    if anchors:
        certificates.trust(report, chain, anchors, at)
    else:
        report.fact("trusted", "unknown without trust anchors (--anchors FILE)")
    found = certificates.judge(report, chain)
    if found is not None and not anchors and not found.valid_at(at):
        detail = "credential-expired: not valid at iat"
        report.problem(detail, "RFC 8224 §6.2 step 4")
    return found


def _rights(report: Report, token: Token, signer: Credential) -> None:
    """Say whether the certificate covers the speaker and permits the claims."""
    speaker = claims.speaker(token.ppt, token.payload)
    if speaker is None:
        return
    authority = report.attempt(signer.authority, speaker)
    if authority is None:
        report.fact(f"covers {speaker}", "no")
    else:
        words = _WORDS[authority]
        carriers = () if authority == "domain" else signer.carriers(speaker)
        if carriers:
            words += f" (SPC {', '.join(carriers)})"
        report.fact(f"covers {speaker}", f"{authority}: {words}")
    report.attempt(signer.constraints.check, token.payload)

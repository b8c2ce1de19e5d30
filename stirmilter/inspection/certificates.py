"""Certificates and chains, in words: who speaks, for whom, on whose word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from stirmilter.inspection import extensions, mistakes
from stirmilter.inspection.report import Report, span, stamp
from stirmilter.stir import credential, delegation
from stirmilter.stir.credential import Credential, TrustAnchors
from stirmilter.stir.result import printable

_MOST: Final = 100  # certificates of a file that people can want to see


def explain(
    octets: bytes, now: datetime, anchors: Sequence[x509.Certificate]
) -> Report:
    """Explain a file of certificates, signer first."""
    report = Report("a certificate")
    chain = report.attempt(credential.load_chain, octets, _MOST)
    if mistakes.holds_key(octets):
        detail = "a private key stands beside it: take it out, x5u would publish it"
        report.problem(detail)
    if chain is None:
        return report
    several = len(chain) > 1
    if several:
        report.kind = f"a chain of {len(chain)} certificates"
    for position, certificate in enumerate(chain, 1):
        one = Report("a certificate")
        if several:
            one.fact("certificate", f"{position} of {len(chain)}")
        _certificate(one, certificate, now)
        report.add(one, f"certificate {position}" if several else "")
    ordered = order(report, chain)
    if linked(report, ordered):
        _judge(report, ordered, anchors, now)
    else:
        report.attempt(delegation.limits, ordered)
    return report


def order(
    report: Report, chain: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Return the signer first, then each one's issuer; note if they stood otherwise."""
    issuers = {one.issuer for one in chain if one.issuer != one.subject}
    first = [one for one in chain if one.subject not in issuers]
    if len(first) != 1:
        return tuple(chain)
    found, left = first, [one for one in chain if one is not first[0]]
    while issuer := next((c for c in left if c.subject == found[-1].issuer), None):
        found.append(issuer)
        left.remove(issuer)
    if left or found == list(chain):
        return tuple(chain)
    positions = ", ".join(str(chain.index(one) + 1) for one in found)
    report.problem(
        f"wrong order: expected {positions}: signer first, then each one's issuer",
        "RFC 9060 §7",
    )
    return tuple(found)


def linked(report: Report, chain: Sequence[x509.Certificate]) -> bool:
    """Tell whether each certificate is issued by the next one, and why not."""
    good = True
    for child, parent in pairwise(chain):
        try:
            child.verify_directly_issued_by(parent)
        except Exception as error:  # noqa: BLE001 - of many types, all to be told
            why = printable(str(error)) or "another key signed it"
            report.problem(
                f"{_name(child.subject)} is not issued by the next,"
                f" {_name(parent.subject)}: {why}",
                "RFC 9060 §7",
            )
            good = False
    return good


def judge(report: Report, chain: Sequence[x509.Certificate]) -> Credential | None:
    """Hold a signer's chain against the profile, without asking any anchor."""
    found = report.attempt(credential.read, chain[0], chain)
    report.attempt(delegation.check, chain, chain)
    report.attempt(delegation.check_fetched, chain)
    lists = report.attempt(delegation.limits, chain) or ()
    extensions.beyond(report, [listed for listed in lists if listed is not None])
    return found


def trust(
    report: Report,
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    at: datetime,
) -> None:
    """Ask the anchors about a signer's chain, as a verifier would."""
    found = report.attempt(credential.validate, chain, TrustAnchors(anchors), at)
    if found is not None:
        anchor = _name(found.path[-1].subject)
        report.fact("trusted", f"at {stamp(at)} by {anchor}")
    elif chain[-1].issuer not in {anchor.subject for anchor in anchors}:
        detail = "neither in the chain nor an anchor"
        report.fact("missing", f"{_name(chain[-1].issuer)}: {detail}")


def _judge(
    report: Report,
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> None:
    if not credential.is_ca(chain[0]):
        begin, end = chain[0].not_valid_before_utc, chain[0].not_valid_after_utc
        if anchors:  # that it has expired was told; what it signed before counts
            trust(report, chain, anchors, min(max(now, begin), end))
        judge(report, chain)
        return
    report.attempt(delegation.limits, chain)
    if len(chain) > 1:
        report.fact("note", "no certificate of a signer: CA certificates alone")
    if anchors:
        _trust_authority(report, chain[-1], anchors)


def _trust_authority(
    report: Report, authority: x509.Certificate, anchors: Sequence[x509.Certificate]
) -> None:
    """Say whether a CA certificate is an anchor, or one issued it."""
    if authority in anchors:
        report.fact("trusted", "it is one of the anchors")
        return
    for anchor in anchors:
        try:
            authority.verify_directly_issued_by(anchor)
        except Exception:  # noqa: BLE001, S112 - of many types, and all mean no
            continue
        report.fact("trusted", f"issued by the anchor {_name(anchor.subject)}")
        return
    report.problem("credential-untrusted: no anchor has issued it", "RFC 5280 §6")


def _certificate(report: Report, certificate: x509.Certificate, now: datetime) -> None:
    report.fact("subject", _name(certificate.subject))
    report.fact("issuer", _name(certificate.issuer))
    report.fact("role", _role(certificate))
    serial = certificate.serial_number
    odd = "" if serial > 0 else ": not positive (RFC 5280 section 4.1.2.2)"
    report.fact("serial", f"{serial:x}{odd}")
    report.fact("sha256", certificate.fingerprint(SHA256()).hex())
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    report.fact("valid", f"{stamp(begin)} to {stamp(end)}")
    report.fact("key", _key(certificate.public_key()))
    extensions.explain(report, certificate)
    if now > end:
        ago = span((now - end).total_seconds())
        detail = f"credential-expired: {ago} ago; what was signed before stays good"
        report.problem(detail, "RFC 5280 §4.1.2.5")
    if now < begin:
        ahead = span((begin - now).total_seconds())
        detail = f"credential-expired: not valid yet, for {ahead}"
        report.problem(detail, "RFC 5280 §4.1.2.5")
    if _is_root(certificate) and not _signed_itself(certificate):
        detail = "it names itself as its issuer, but another key signed it"
        report.problem(detail, "RFC 5280 §6.1")


def _role(certificate: x509.Certificate) -> str:
    if _is_root(certificate):
        return "root: for verify.anchors, not for x5u"
    if credential.is_ca(certificate):
        return "CA: issues certificates, signs no PASSporTs"
    if not extensions.is_stir(certificate):
        kind = " of a web server" if extensions.is_web(certificate) else ""
        return f"end entity{kind}: no STIR certificate, it names no number"
    return "end entity: signs PASSporTs"


def _is_root(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer and credential.is_ca(certificate)


def _signed_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception:  # noqa: BLE001 - of many types, and all mean no
        return False
    return True


def _name(name: x509.Name) -> str:
    return name.rfc4514_string() or "(no name)"


def _key(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"elliptic curve {key.curve.name}"
    assert isinstance(key, rsa.RSAPublicKey)  # noqa: S101 - `load_chain` refused others
    return f"RSA of {key.key_size} bits"

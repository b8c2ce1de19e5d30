"""What Postfix changes before milters look: fatal to what others have signed.

cleanup(8) shows milters a message as its own checks, conversions and rewritings leave
it. On a relay that only signs they do no harm: what they leave is what is signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from stirmilter.config import Config
from stirmilter.doctor import milters
from stirmilter.doctor.audits.tables import changes
from stirmilter.doctor.postfix import Postfix
from stirmilter.doctor.roles import serious, verifies
from stirmilter.findings import Finding

_BODIES: Final = ("body_checks", "mime_header_checks", "nested_header_checks")
_EVERYBODY: Final = frozenset({"static:all", "static:yes", "static:ok"})


def checks(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find tables that change a message before it is verified."""
    if not verifies(config) or "no_header_body_checks" in postfix.words(
        "receive_override_options"
    ):
        return
    for service in postfix.running("cleanup"):
        for name in (*_BODIES, "header_checks"):
            change = changes(postfix, name, service)
            if change == "no":
                continue
            body = name in _BODIES
            # By default those of a header also look at parts and attached mail.
            own = postfix.value(name, service) != postfix.value(
                "header_checks", service
            )
            may = "changes" if change == "yes" else "may change"
            what = (
                "bodies, so that msgi fails" if body else "headers, and DKIM may fail"
            )
            yield Finding(
                serious(really=body and own and change == "yes"),
                postfix.subject(name, service),
                f"{may} arriving {what}",
                postfix.set(name, "", service),
            )


def conversion(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find that 8-bit parts are encoded, or octets removed, before we verify."""
    for service in postfix.running("cleanup") if verifies(config) else ():
        if postfix.flag("force_mime_input_conversion", service):
            name = "force_mime_input_conversion"
            text = "8-bit bodies that others signed are rewritten before we verify them"
            remedy = postfix.set(name, "no", service)
            yield Finding("error", postfix.subject(name, service), text, remedy)
        if postfix.value("message_strip_characters", service):
            name = "message_strip_characters"
            text = "octets are taken out of bodies before we verify them"
            remedy = postfix.set(name, "", service)
            yield Finding("error", postfix.subject(name, service), text, remedy)


def offered(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find that peers cannot send the 8-bit bodies that they have signed."""
    name = "smtpd_discard_ehlo_keywords"
    for service in postfix.running("smtpd") if verifies(config) else ():
        words = postfix.words(name, service)
        kept = [word for word in words if word.lower() != "8bitmime"]
        if kept != words:
            text = "without 8BITMIME, peers must rewrite 8-bit bodies that they signed"
            remedy = postfix.set(name, ", ".join(kept), service)
            yield Finding("warning", postfix.subject(name, service), text, remedy)


def rewriting(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find that header fields of strangers are completed or rewritten."""
    for service in postfix.running("cleanup") if verifies(config) else ():
        if postfix.flag("always_add_missing_headers", service):
            name = "always_add_missing_headers"
            text = "fields are added to the mail of others: DKIM that seals them fails"
            remedy = postfix.set(name, "no", service)
            yield Finding("warning", postfix.subject(name, service), text, remedy)
    for link in milters.entrances(postfix, config) if verifies(config) else ():
        if postfix.value("remote_header_rewrite_domain", link.service):
            name = "remote_header_rewrite_domain"
            text = "addresses in the headers of others are rewritten before we verify"
            remedy = postfix.set(name, "", link.service)
            yield Finding("warning", postfix.subject(name, link.service), text, remedy)
        if _EVERYBODY & set(
            postfix.words("local_header_rewrite_clients", link.service)
        ):
            name = "local_header_rewrite_clients"
            text = "addresses in everybody's headers are rewritten before we verify"
            remedy = postfix.set(name, "permit_inet_interfaces", link.service)
            yield Finding("warning", postfix.subject(name, link.service), text, remedy)


def size(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find that a long PASSporT is cut off."""
    name = "header_size_limit"
    for service in postfix.running("cleanup"):
        limit = postfix.value(name, service)
        if limit.isdecimal() and int(limit) < config.limits.token:
            text = f"{limit}: longer fields are cut, and limits.token allows"
            text += f" {config.limits.token} octets"
            remedy = postfix.set(name, "102400", service)
            yield Finding("error", postfix.subject(name, service), text, remedy)


AUDITS: Final = (checks, conversion, offered, rewriting, size)

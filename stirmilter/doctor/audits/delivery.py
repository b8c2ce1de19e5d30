"""What Postfix changes after milters looked: fatal to what we have signed.

Measured with Postfix 3.7, the octets that a milter saw beside those that arrived: lines
over 998 octets are broken, and 8-bit and binary parts become quoted-printable for a
next hop without 8BITMIME, unless the transport is told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from stirmilter.config import Config
from stirmilter.doctor.audits.tables import changes
from stirmilter.doctor.postfix import Postfix, Service
from stirmilter.doctor.roles import serious, signs
from stirmilter.findings import Finding

_BODIES: Final = ("body_checks", "mime_header_checks", "nested_header_checks")
_MAPS: Final = ("transport_maps", "sender_dependent_default_transport_maps")


def lines(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find transports that break long lines, those of a PASSporT included."""
    for service, used in transports(postfix):
        name = f"{service.program}_line_length_limit"
        limit = postfix.value(name, service)
        if limit == "0":
            continue
        text = f"{limit}: longer lines are broken after we signed them, and msgi fails"
        level = serious(really=used and signs(config))
        remedy = postfix.override(name, "0", service)
        yield Finding(level, _at(service, name), text, remedy)


def conversion(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find transports that encode 8-bit parts for a next hop without 8BITMIME."""
    name = "disable_mime_output_conversion"
    for service, used in transports(postfix):
        if not _converts(postfix, service):
            continue
        text = "no: 8-bit parts are rewritten for a next hop without 8BITMIME, and msgi"
        text += " fails"
        level = serious(really=used and signs(config))
        remedy = postfix.override(name, "yes", service)
        yield Finding(level, _at(service, name), text, remedy)


def keywords(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find transports that take every next hop for one without 8BITMIME."""
    for service, used in transports(postfix):
        if not _converts(postfix, service):
            continue
        level = serious(really=used and signs(config))
        name = f"{service.program}_discard_ehlo_keywords"
        words = postfix.words(name, service)
        kept = [word for word in words if word.lower() != "8bitmime"]
        if kept != words:
            text = "8BITMIME is not used even where it is offered: every 8-bit part is"
            text += " rewritten"
            remedy = postfix.set(name, ", ".join(kept), service)
            yield Finding(level, postfix.subject(name, service), text, remedy)
        if service.program == "smtp" and postfix.flag("smtp_never_send_ehlo", service):
            text = "without EHLO there is no 8BITMIME: every 8-bit part is rewritten"
            remedy = postfix.set("smtp_never_send_ehlo", "no", service)
            subject = postfix.subject("smtp_never_send_ehlo", service)
            yield Finding(level, subject, text, remedy)


def checks(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find tables that change a message on its way out."""
    for service, used in transports(postfix):
        for kind in (*_BODIES, "header_checks"):
            name = f"{service.program}_{kind}"
            change = changes(postfix, name, service)
            if change == "no":
                continue
            body = kind in _BODIES
            may = "changes" if change == "yes" else "may change"
            what = "a body" if body else "header fields"
            yield Finding(
                serious(really=body and change == "yes" and used and signs(config)),
                postfix.subject(name, service),
                f"{may} {what} after we signed",
                postfix.set(name, "", service),
            )


def generic(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find addresses that are rewritten after we vouched for them."""
    for service, _ in transports(postfix) if signs(config) else ():
        name = f"{service.program}_generic_maps"
        if postfix.value(name, service):
            text = "rewrites From and To after we signed: a number that it changes is"
            text += " orig-mismatch or dest-mismatch, and DKIM fails"
            remedy = postfix.set(name, "", service)
            yield Finding("warning", postfix.subject(name, service), text, remedy)


def milter_header_checks(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find a table that changes the very fields that we add."""
    name = "milter_header_checks"
    for service in postfix.running("cleanup") if config else ():
        change = changes(postfix, name, service)
        if change != "no":
            may = "changes" if change == "yes" else "may change"
            text = f"{may} fields that milters add: PASSporT, Authentication-Results"
            remedy = postfix.set(name, "", service)
            level = serious(really=change == "yes")
            yield Finding(level, postfix.subject(name, service), text, remedy)


AUDITS: Final = (lines, conversion, keywords, checks, generic, milter_header_checks)


def transports(postfix: Postfix) -> Iterable[tuple[Service, bool]]:
    """Return the clients that may carry mail on, and whether some certainly takes them.

    A transport that only a table may name counts as one that may; where there is no
    table, it carries nothing.
    """
    names = {"default_transport", "content_filter"}
    if postfix.value("relay_domains"):
        names.add("relay_transport")
    named = {postfix.value(name).partition(":")[0] for name in names}
    named |= {
        one.options.get("content_filter", "").partition(":")[0]
        for one in postfix.services
    }
    mapped = any(postfix.value(name) for name in _MAPS)
    for service in postfix.services:
        if service.type == "unix" and service.program in ("smtp", "lmtp"):
            used = service.name in named
            if used or (mapped and service.program == "smtp"):
                yield service, used


def _at(service: Service, name: str) -> str:
    """Name a parameter for one transport: others may well keep the default."""
    return f"postfix: {service.key}/{name}"


def _converts(postfix: Postfix, service: Service) -> bool:
    """Tell whether 8-bit parts may be encoded; they are not, where they were before."""
    if postfix.flag("disable_mime_output_conversion", service):
        return False
    return not all(
        postfix.flag("force_mime_input_conversion", cleanup)
        for cleanup in postfix.running("cleanup")
    )

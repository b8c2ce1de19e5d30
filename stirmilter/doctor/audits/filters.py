"""Filters and overrides that bring mail past us, to us twice, or back changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from stirmilter.config import Config
from stirmilter.doctor import milters
from stirmilter.doctor.milters import Link
from stirmilter.doctor.postfix import Postfix, Service
from stirmilter.doctor.roles import signs, verifies
from stirmilter.findings import Finding

_OVERRIDES: Final = "receive_override_options"


def silenced(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find services whose milters are not asked, though we are one of them."""
    for link in milters.entrances(postfix, config):
        if link.asks_us and not _is_inner(link) and _is_deaf(postfix, link.service):
            yield _deaf(postfix, link.service)
    for link in milters.submission(postfix, config):
        for service in postfix.running("pickup") if link.asks_us else ():
            if _is_deaf(postfix, service):
                yield _deaf(postfix, service)


def proxied(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find before-queue filters, in front of which a milter sees no message."""
    for link in milters.entrances(postfix, config):
        if link.asks_us and postfix.value("smtpd_proxy_filter", link.service):
            text = f"{link.service.key} shows its milters neither header nor body; let"
            text += " the service behind the filter ask stirmilter"
            subject = postfix.subject("smtpd_proxy_filter", link.service)
            others = ", ".join(
                str(milter)
                for milter, trade in zip(link.milters, link.trades, strict=True)
                if trade != "ours"
            )
            remedy = postfix.override("smtpd_milters", others, link.service)
            yield Finding("error", subject, text, remedy)


def mapped(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find clients that have milters of their own."""
    for link in milters.entrances(postfix, config):
        if link.asks_us and postfix.value("smtpd_milter_maps", link.service):
            text = (
                "clients in it do not pass smtpd_milters: is stirmilter among theirs?"
            )
            subject = postfix.subject("smtpd_milter_maps", link.service)
            remedy = postfix.set("smtpd_milter_maps", "", link.service)
            yield Finding("warning", subject, text, remedy)


def filtered(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find after-queue filters that get what we signed, or bring it to us again."""
    entrances = milters.entrances(postfix, config)
    inner = [one for one in entrances if _is_inner(one)]
    for link in entrances:
        name = postfix.value("content_filter", link.service)
        heard = link.asks_us and not _is_deaf(postfix, link.service)
        if not name or not heard:
            continue
        for back in inner:
            if back.asks_us and not _is_deaf(postfix, back.service):
                yield _again(postfix, back, name)
        if signs(config):
            subject = postfix.subject("content_filter", link.service)
            text = f"{name} gets what we have signed, and must not change a body"
            remedy = ""
            if inner and not verifies(config):
                text += "; sign what it brings back instead"
                remedy = _behind(postfix, link, inner[0].service)
            yield Finding("warning", subject, text, remedy)


AUDITS: Final = (silenced, proxied, mapped, filtered)


def _is_inner(link: Link) -> bool:
    """Tell whether a service takes back what a filter was given."""
    return link.service.options.get("content_filter") == ""


def _is_deaf(postfix: Postfix, service: Service) -> bool:
    return "no_milters" in postfix.words(_OVERRIDES, service)


def _deaf(postfix: Postfix, service: Service) -> Finding:
    words = [one for one in postfix.words(_OVERRIDES, service) if one != "no_milters"]
    text = f"no_milters: mail of {service.key} is neither signed nor judged"
    remedy = postfix.set(_OVERRIDES, ",".join(words), service)
    return Finding("error", postfix.subject(_OVERRIDES, service), text, remedy)


def _again(postfix: Postfix, back: Link, name: str) -> Finding:
    service = back.service
    words = [*postfix.words(_OVERRIDES, service), "no_milters"]
    text = f"what {name} brings back through {service.key} passes us a second time: it"
    text += " is taken for a replay, or signed for a client of this machine"
    remedy = postfix.override(_OVERRIDES, ",".join(words), service)
    return Finding("error", f"postfix: {service.key}/{_OVERRIDES}", text, remedy)


def _behind(postfix: Postfix, link: Link, inner: Service) -> str:
    """Return the commands that have the service behind the filter ask us."""
    ours = ", ".join(map(str, link.milters))
    words = [one for one in postfix.words(_OVERRIDES, inner) if one != "no_milters"]
    return " && ".join(
        (
            postfix.override("smtpd_milters", "", link.service),
            postfix.override("smtpd_milters", ours, inner),
            postfix.override(_OVERRIDES, ",".join(words), inner),
        )
    )

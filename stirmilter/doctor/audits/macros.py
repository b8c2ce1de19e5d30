"""Whether Postfix tells us of a client what our configuration asks about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from stirmilter.config import Config
from stirmilter.doctor import milters
from stirmilter.doctor.postfix import Postfix, Service
from stirmilter.findings import Finding

_PUBLIC: Final = frozenset({"smtp", "25"})
"""What the service on port 25 is called."""


def names(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find names of services, in our configuration, that no service has."""
    services = list(postfix.running("smtpd"))
    known = {_name(postfix, one) for one in services}
    asked = {"sign.daemon_names": config.sign.daemon_names} | {
        f"upstream.{index}.daemon_names": block.daemon_names
        for index, block in enumerate(config.upstream)
    }
    for setting, wanted in asked.items():
        for name in wanted:
            if name in known:
                continue
            text = f"{name}: no Postfix service has this milter_macro_daemon_name"
            service = _likely(name, services)
            remedy = ""
            if service is not None:
                remedy = postfix.override("milter_macro_daemon_name", name, service)
            yield Finding("error", f"postfix: {setting}", text, remedy)


def oracle(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find that whoever reaches port 25 may have mail signed."""
    for service in postfix.running("smtpd"):
        port = service.name.rpartition(":")[2]
        name = _name(postfix, service)
        if port not in _PUBLIC or name not in config.sign.daemon_names:
            continue
        text = (
            f"{service.key} is called {name}, which sign.daemon_names trusts: whoever"
        )
        text += " connects there has mail signed"
        remedy = postfix.override("milter_macro_daemon_name", f"public-{port}", service)
        subject = postfix.subject("milter_macro_daemon_name", service)
        yield Finding("error", subject, text, remedy)


def version(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find that we would not know Postfix, and not believe the certificates it names.

    Which macros it sends is no matter of its configuration: we ask for ours.
    """
    if not (
        config.sign.tls_names
        or any(one.tls_names for one in config.peer)
        or any(one.tls_names for one in config.submitter)
    ):
        return
    for link in milters.links(postfix, config):
        value = postfix.value("milter_macro_v", link.service)
        if not link.asks_us or value.startswith("Postfix"):
            continue
        text = f"{value} is not known as Postfix: tls_names match nobody"
        remedy = postfix.set("milter_macro_v", "Postfix", link.service)
        yield Finding(
            "error", postfix.subject("milter_macro_v", link.service), text, remedy
        )


AUDITS: Final = (names, oracle, version)


def _name(postfix: Postfix, service: Service) -> str:
    return postfix.value("milter_macro_daemon_name", service)


def _likely(name: str, services: list[Service]) -> Service | None:
    """Return the service that was probably meant: called so, or a private one."""
    inner = [one for one in services if one.name.rpartition(":")[2] not in _PUBLIC]
    alike = [one for one in inner if name.lower() in one.name.lower()]
    return next(iter(alike or inner), None)

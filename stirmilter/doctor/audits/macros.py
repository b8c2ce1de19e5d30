"""Whether Postfix tells us what our configuration asks about a client."""

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


def macros(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find macros that we need and that a changed list leaves out."""
    sign, handed = config.sign, config.submitter
    logins = sign.logins or any(one.logins for one in handed)
    named = (
        sign.daemon_names
        or any(one.daemon_names for one in config.upstream)
        or any(one.daemon_names for one in handed)
    )
    certified = (
        sign.tls_names
        or any(one.tls_names for one in config.peer)
        or any(one.tls_names for one in handed)
    )
    wanted: list[tuple[str, str, object, str]] = [
        ("milter_end_of_data_macros", "i", True, "log and journal know no queue id"),
        ("milter_connect_macros", "{daemon_name}", named, "daemon_names match nobody"),
        ("milter_connect_macros", "v", certified, "tls_names of peers match nobody"),
        (
            "milter_helo_macros",
            "{cert_subject}",
            certified,
            "tls_names of peers match nobody",
        ),
        ("milter_mail_macros", "{auth_authen}", logins, "logins are not known"),
    ]
    for link in milters.links(postfix, config):
        for parameter, macro, needed, problem in wanted if link.asks_us else ():
            words = postfix.words(parameter, link.service)
            if not needed or macro in words or macro.strip("{}") in words:
                continue
            yield Finding(
                "error",
                postfix.subject(parameter, link.service),
                f"without {macro}: {problem}",
                postfix.set(parameter, " ".join([*words, macro]), link.service),
            )


AUDITS: Final = (names, oracle, macros)


def _name(postfix: Postfix, service: Service) -> str:
    return postfix.value("milter_macro_daemon_name", service)


def _likely(name: str, services: list[Service]) -> Service | None:
    """Return the service that was probably meant: called so, or a private one."""
    inner = [one for one in services if one.name.rpartition(":")[2] not in _PUBLIC]
    alike = [one for one in inner if name.lower() in one.name.lower()]
    return next(iter(alike or inner), None)

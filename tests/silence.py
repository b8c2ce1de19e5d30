"""A name server whose answers take no time, and whose silence all that there is.

What a busy machine needs for an answer would otherwise come out of what is left for the
next question, and the result would be another one.
"""

from typing import Any

import pytest
from dns.name import Name, from_text
from dns.resolver import Answer, LifetimeTimeout, Resolver

from stirmilter.stores import deadline
from tests.dns_server import DnsServer, Question


class Clock:
    """Goes on by what is waited in vain, and by nothing else."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


def only_silence_takes_time(server: DnsServer, patch: pytest.MonkeyPatch) -> None:
    """Let our deadlines come closer by questions about silent names alone.

    Those are noted as asked, and not waited for; everything else is really asked.
    """
    clock = Clock()
    resolve = Resolver.resolve

    def resolved(
        one: Resolver,
        name: Name,
        kind: str,
        *,
        lifetime: float,
        **more: Any,  # noqa: ANN401 - dnspython's
    ) -> Answer:
        if any(name.is_subdomain(from_text(silent)) for silent in server.silent):
            written = name.to_text(omit_final_dot=True)
            server.questions.append(Question(written, kind, "udp"))
            clock.now += lifetime
            raise LifetimeTimeout(  # type: ignore[no-untyped-call] # dnspython's
                timeout=lifetime, errors=[]
            )
        return resolve(one, name, kind, lifetime=60.0, **more)

    patch.setattr(deadline, "time", clock)
    patch.setattr(Resolver, "resolve", resolved)

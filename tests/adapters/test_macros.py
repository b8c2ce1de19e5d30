"""The macros that a session looks at are those that the MTA is asked for."""

import socket
from collections import defaultdict
from typing import Any

from stirmilter.adapters.session import MACROS
from tests.adapters.conftest import MakeService
from tests.adapters.sessions import Context, Played, carry

_CONNECT, _HELO, _MAIL, _END = 0, 1, 2, 5


POSTFIX = {"{cert_subject}": "mx.one.example", "v": "Postfix 3.7.11"}
SENDMAIL = {
    "{cert_subject}": "/CN=mx.one.example",
    "{cn_subject}": "mx.one.example",
    "{verify}": "OK",
}


class Watched(Context):
    """Notes which macros are looked at in which stage."""

    def __init__(self, known: dict[str, str]) -> None:
        super().__init__()
        self.known = known
        self.stage = _CONNECT
        self.looked_at: dict[int, set[str]] = defaultdict(set)

    def getsymval(self, name: str) -> str | None:
        self.looked_at[self.stage].add(name)
        return self.known.get(name)


class Session(Played):
    """A session that tells in which stage it is."""

    def __init__(self, service: Any, known: dict[str, str]) -> None:  # noqa: ANN401
        super().__init__(service)
        self.watched = self.context = self._ctx = Watched(known)

    def envfrom(self, sender: str, *parameters: str) -> int:
        self.watched.stage = _MAIL
        return super().envfrom(sender, *parameters)

    def eom(self) -> int:
        self.watched.stage = _END
        return super().eom()


def test_what_is_looked_at_is_what_is_asked_for(make_service: MakeService) -> None:
    looked_at: dict[int, set[str]] = defaultdict(set)

    for known in (POSTFIX, SENDMAIL):
        service, _ = make_service()
        session = Session(service, known)
        session.connect("mx.one.example", socket.AF_INET, ("192.0.2.1", 25))
        carry(session)
        for stage, names in session.watched.looked_at.items():
            looked_at[stage] |= names

    asked = {stage: set(names) for stage, names in MACROS.items()}
    # Of a certificate with MAIL, as it may come after HELO; and Sendmail tells the
    # queue id with MAIL, and may not later.
    of_helo = asked.pop(_HELO)
    looked_at[_MAIL].add("i")
    assert looked_at == {**asked, _MAIL: asked[_MAIL] | of_helo}


def test_no_stage_has_more_than_five() -> None:
    """As the manual of some versions has it: "currently 5" (smfi_setsymlist)."""
    assert max(map(len, MACROS.values())) <= 5

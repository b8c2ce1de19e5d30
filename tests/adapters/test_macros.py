"""The macros that a session looks at are those that the MTA is asked for."""

import socket
from collections import defaultdict
from typing import Any

from stirmilter.adapters.session import MACROS
from tests.adapters.conftest import MakeService
from tests.adapters.sessions import Context, Played, carry

_CONNECT, _MAIL, _END = 0, 2, 5


class Watched(Context):
    """Notes which macros are looked at in which stage; there is a certificate alone.

    Without one, nobody asks whether it was verified.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage = _CONNECT
        self.looked_at: dict[int, set[str]] = defaultdict(set)

    def getsymval(self, name: str) -> str | None:
        self.looked_at[self.stage].add(name)
        return "mx.one.example" if name == "{cert_subject}" else None


class Session(Played):
    """A session that tells in which stage it is."""

    def __init__(self, service: Any) -> None:  # noqa: ANN401
        super().__init__(service)
        self.watched = self.context = self._ctx = Watched()

    def envfrom(self, sender: str, *parameters: str) -> int:
        self.watched.stage = _MAIL
        return super().envfrom(sender, *parameters)

    def eom(self) -> int:
        self.watched.stage = _END
        return super().eom()


def test_what_is_looked_at_in_a_stage_is_what_is_asked_for(
    make_service: MakeService,
) -> None:
    service, _ = make_service()
    session = Session(service)

    session.connect("mx.one.example", socket.AF_INET, ("192.0.2.1", 25))
    carry(session)

    looked_at = session.watched.looked_at
    looked_at[_MAIL].add("i")  # for Sendmail, which may not tell it later
    assert looked_at == {stage: set(names) for stage, names in MACROS.items()}


def test_no_stage_has_more_than_five() -> None:
    """As the manual of some versions has it: "currently 5" (smfi_setsymlist)."""
    assert max(map(len, MACROS.values())) <= 5

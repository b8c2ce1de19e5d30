"""The lists of milters in Postfix's configuration, and where we stand in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from stirmilter.config import Config
from stirmilter.doctor.postfix import Postfix, Service

Trade = Literal["ours", "meant", "dkim", "dmarc", "bodies", "other"]
"""Whose milter it is: ours; ours by its name, though nobody listens there; one that
signs or verifies DKIM; one that judges DMARC; one that may change bodies; unknown."""

_ITEM: Final = re.compile(r"\{[^{}]*\}|[^\s,{}]+")
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""})  # noqa: S104
# How they are called by their packages, and the ports of their documentation.
_TRADES: Final[tuple[tuple[Trade, tuple[str, ...]], ...]] = (
    ("dmarc", ("dmarc", ":8893")),
    ("dkim", ("dkim", "rspamd", ":8891", ":11332")),
    (
        "bodies",
        ("mimedefang", "altermime", "disclaimer", "footer", "amavis", "spamass"),
    ),
)
_PARAMETERS: Final = {
    "default_action": "milter_default_action",
    "protocol": "milter_protocol",
    "connect_timeout": "milter_connect_timeout",
    "command_timeout": "milter_command_timeout",
    "content_timeout": "milter_content_timeout",
}


@dataclass(frozen=True, slots=True)
class Milter:
    """One entry of a list."""

    address: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """What ``{ address, name=value }`` says for it alone."""

    def __str__(self) -> str:
        """Write it as main.cf has it."""
        if not self.settings:
            return self.address
        given = (f"{name}={value}" for name, value in self.settings.items())
        return f"{{ {', '.join([self.address, *given])} }}"

    def seen(self, queue: str, *, chroot: bool) -> str:
        """Return the address outside of any chroot: a real path, or host and port."""
        kind, _, rest = self.address.partition(":")
        if kind not in ("unix", "local"):
            return self.address
        inside = rest.lstrip("/") if chroot or not rest.startswith("/") else rest
        return f"unix:{os.path.realpath(os.path.join(queue, inside))}"  # noqa: PTH118


@dataclass(frozen=True, slots=True)
class Link:
    """One list as one service has it: whom that asks, in turn."""

    parameter: str
    service: Service
    milters: tuple[Milter, ...]
    trades: tuple[Trade, ...]

    @property
    def asks_us(self) -> bool:
        """Tell whether we stand in it."""
        return "ours" in self.trades

    def ours(self) -> Iterable[Milter]:
        """Return our entries."""
        yield from self._of("ours")

    def meant(self) -> Iterable[Milter]:
        """Return entries that are called as we are and lead to nobody."""
        yield from self._of("meant")

    def setting(self, postfix: Postfix, milter: Milter, name: str) -> str:
        """Return ``default_action`` and the like, as it is for an entry."""
        if name in milter.settings:
            return milter.settings[name]
        return postfix.value(_PARAMETERS[name], self.service)

    def subject(self, postfix: Postfix, milter: Milter, name: str) -> str:
        """Name a setting where it is set."""
        if name in milter.settings:
            return f"{postfix.subject(self.parameter, self.service)} {name}"
        return postfix.subject(_PARAMETERS[name], self.service)

    def remedy(self, postfix: Postfix, milter: Milter, name: str, value: str) -> str:
        """Return the command that changes such a setting where it is set."""
        if name not in milter.settings:
            return postfix.set(_PARAMETERS[name], value, self.service)
        changed = Milter(milter.address, {**milter.settings, name: value})
        return self.listing(
            postfix, [changed if one == milter else one for one in self.milters]
        )

    def listing(self, postfix: Postfix, milters: Iterable[Milter]) -> str:
        """Return the command that makes this the list."""
        value = ", ".join(map(str, milters))
        return postfix.set(self.parameter, value, self.service)

    def _of(self, trade: Trade) -> Iterable[Milter]:
        pairs = zip(self.milters, self.trades, strict=True)
        return (milter for milter, found in pairs if found == trade)


def parse(text: str) -> tuple[Milter, ...]:
    """Read a list of milters (MILTER_README, "per-Milter settings")."""
    return tuple(_milter(item) for item in _ITEM.findall(text))


def entrances(postfix: Postfix, config: Config) -> list[Link]:
    """Return the list of each SMTP server that takes mail."""
    return [
        _link("smtpd_milters", service, postfix, config)
        for service in postfix.running("smtpd")
    ]


def submission(postfix: Postfix, config: Config) -> list[Link]:
    """Return the list for mail of sendmail(1), which cleanup(8) asks."""
    return [
        _link("non_smtpd_milters", service, postfix, config)
        for service in postfix.running("cleanup")
    ]


def links(postfix: Postfix, config: Config) -> list[Link]:
    """Return both."""
    return entrances(postfix, config) + submission(postfix, config)


def as_postfix_writes(config: Config, postfix: Postfix) -> str:
    """Return the address of our first socket for main.cf, in a chroot or outside."""
    kind, _, rest = config.milter.sockets[0].partition(":")
    if kind != "unix":
        port, _, host = rest.partition("@")
        return f"{kind}:{host}:{port}"
    path = os.path.realpath(rest)
    queue = os.path.realpath(postfix.queue)
    inside = path.removeprefix(f"{queue}/")
    return f"unix:{inside}"


def _milter(item: str) -> Milter:
    address, *rest = re.split(r"[,\s]+", item.strip("{} \t"))
    words = " ".join(rest)
    settings = re.findall(r"([a-z_]+)\s*=\s*(\S+)", words)
    return Milter(address, dict(settings))


def _link(parameter: str, service: Service, postfix: Postfix, config: Config) -> Link:
    milters = parse(postfix.value(parameter, service))
    trades = tuple(_trade(one, service, postfix, config) for one in milters)
    return Link(parameter, service, milters, trades)


def _trade(milter: Milter, service: Service, postfix: Postfix, config: Config) -> Trade:
    seen = milter.seen(str(postfix.queue), chroot=service.chroot)
    sockets = config.milter.sockets
    if any(_same(seen, socket) for socket in sockets):
        return "ours"
    path = milter.address.partition(":")[2]
    named = any(socket.partition(":")[2] == path for socket in sockets)
    if named or "stirmilter" in milter.address:
        return "meant"
    for trade, words in _TRADES:
        if any(word in milter.address.lower() for word in words):
            return trade
    return "other"


def _same(seen: str, socket: str) -> bool:
    """Tell whether an address of Postfix's is one of our sockets."""
    kind, _, rest = socket.partition(":")
    if kind == "unix":
        return seen == f"unix:{os.path.realpath(rest)}"
    port, _, host = rest.partition("@")
    family, _, elsewhere = seen.partition(":")
    name, _, number = elsewhere.rpartition(":")
    if family not in ("inet", "inet6") or number != port:
        return False
    name, host = name.strip("[]"), host.strip("[]")
    return name == host or {name, host} <= _HERE

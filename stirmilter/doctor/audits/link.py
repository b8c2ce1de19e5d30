"""What Postfix does when we are down, slow, or spoken to in an old version."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Final

from stirmilter.config import Config
from stirmilter.doctor import milters
from stirmilter.doctor.postfix import Postfix, seconds
from stirmilter.doctor.roles import serious, signs
from stirmilter.findings import Finding

_VERSION: Final = 6
_SHORTEST: Final = 5.0
"""Seconds for a connection or a command; less turns a busy moment into a failure."""

_ACTIONS: Final = {
    "accept": "while stirmilter is down, mail passes unsigned and unjudged, silently",
    "reject": "while stirmilter is down, mail is refused for good",
    "quarantine": "while stirmilter is down, mail fills the hold queue",
}


def default_action(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find what lets mail through, or loses it, while we are down."""
    for link in milters.links(postfix, config):
        for milter in (*link.ours(), *link.meant()):
            action = link.setting(postfix, milter, "default_action").split(None, 1)[:1]
            problem = _ACTIONS.get("".join(action).lower())
            if problem is None:
                continue
            level = serious(really=action == ["accept"] and signs(config))
            subject = link.subject(postfix, milter, "default_action")
            remedy = link.remedy(postfix, milter, "default_action", "tempfail")
            yield Finding(level, subject, f"{action[0]}: {problem}", remedy)


def protocol(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find versions of the protocol in which a header does not arrive as it is."""
    for link in milters.links(postfix, config):
        for milter in (*link.ours(), *link.meant()):
            found = link.setting(postfix, milter, "protocol").split()[:1]
            if not found or not found[0].isdecimal() or int(found[0]) >= _VERSION:
                continue
            text = f"{found[0]}: header fields arrive without their leading space, so"
            text += " DKIM signatures over them fail"
            subject = link.subject(postfix, milter, "protocol")
            remedy = link.remedy(postfix, milter, "protocol", str(_VERSION))
            yield Finding("error", subject, text, remedy)


def timeouts(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find times in which we cannot answer."""
    ours = config.milter
    late = (
        f"milter.message_seconds ({ours.message_seconds:g} s): a message may be given"
    )
    limits = {
        "connect_timeout": (_SHORTEST, f"{_SHORTEST:g} s: a busy moment is a failure"),
        "command_timeout": (_SHORTEST, f"{_SHORTEST:g} s: a busy moment is a failure"),
        "content_timeout": (ours.message_seconds, f"{late} up while we judge it"),
    }
    for link, (name, (limit, why)) in product(
        milters.links(postfix, config), limits.items()
    ):
        for milter in (*link.ours(), *link.meant()):
            text = link.setting(postfix, milter, name)
            found = seconds(text)
            if found is None or found > limit:
                continue
            # With a sign of life, each progress_seconds, Postfix begins to wait anew.
            hard = name == "content_timeout" and found <= ours.progress_seconds
            yield Finding(
                serious(really=hard),
                link.subject(postfix, milter, name),
                f"{text}: not above {why}",
                link.remedy(postfix, milter, name, _generous(name, limit)),
            )


def _generous(name: str, limit: float) -> str:
    """Return Postfix's default, or twice of what must be if that is more."""
    default = 300 if name == "content_timeout" else 30
    return f"{max(default, int(2 * limit))}s"


AUDITS: Final = (default_action, protocol, timeouts)

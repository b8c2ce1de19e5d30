"""Whether Postfix asks us at all, where it looks for us, and after whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from stirmilter.config import Config
from stirmilter.doctor import milters
from stirmilter.doctor.milters import Link, Milter
from stirmilter.doctor.postfix import Postfix
from stirmilter.doctor.roles import serious, signs, signs_local, verifies
from stirmilter.findings import Finding

_US: Final = ("ours", "meant")


def absent(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find the ways into Postfix on which nobody asks us."""
    entrances = milters.entrances(postfix, config)
    ours = Milter(milters.as_postfix_writes(config, postfix))
    named = [one for one in entrances if one.asks_us or any(one.meant())]
    if not named:
        remedy = postfix.set("smtpd_milters", str(ours))
        if entrances and (others := entrances[0].milters):
            remedy = entrances[0].listing(postfix, [ours, *others])
        text = "stirmilter is not among them: nothing is signed or judged"
        yield Finding("error", "postfix: smtpd_milters", text, remedy)
        return
    for link in entrances:
        if link in named or _is_inner(postfix, link):
            continue
        service = link.service
        text = f"mail that comes in through {service.key} is neither signed nor judged"
        value = ", ".join(
            map(str, [*named[0].ours(), *named[0].meant(), *link.milters])
        )
        remedy = postfix.override("smtpd_milters", value, service)
        yield Finding("warning", f"postfix: {service.key}/smtpd_milters", text, remedy)


def unsubmitted(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find that mail of sendmail(1), which is to be signed, does not get here."""
    for link in milters.submission(postfix, config):
        if not signs_local(config) or link.asks_us or any(link.meant()):
            continue
        ours = Milter(milters.as_postfix_writes(config, postfix))
        text = "stirmilter is not among them: mail of sendmail(1) leaves unsigned"
        remedy = link.listing(postfix, [ours, *link.milters])
        subject = postfix.subject("non_smtpd_milters", link.service)
        yield Finding("error", subject, text, remedy)


def misplaced(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find entries that mean us and lead to where nobody listens."""
    ours = Milter(milters.as_postfix_writes(config, postfix))
    for link in milters.links(postfix, config):
        for milter in link.meant():
            subject = postfix.subject(link.parameter, link.service)
            seen = milter.seen(str(postfix.queue), chroot=link.service.chroot)
            where = " in its chroot" if link.service.chroot else ""
            text = f"{link.service.key} looks{where} for {seen}: no socket of ours"
            if link.service.chroot and ours.address.startswith("unix:/"):
                text += f" (milter.sockets); or put that below {postfix.queue}"
                yield Finding("error", subject, text, postfix.free(link.service))
                continue
            right = [ours if one == milter else one for one in link.milters]
            yield Finding("error", subject, text, link.listing(postfix, right))


def twice(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find lists that hold us more than once."""
    for link in milters.links(postfix, config):
        places = [i for i, found in enumerate(link.trades) if found in _US]
        if len(places) < 2:  # noqa: PLR2004 - twice
            continue
        kept = [m for i, m in enumerate(link.milters) if i not in places[1:]]
        text = "stirmilter is asked more than once: what it judges twice is a replay"
        subject = postfix.subject(link.parameter, link.service)
        yield Finding("error", subject, text, link.listing(postfix, kept))


def covering(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find DKIM signers that sign before there is a PASSporT (RFC 6376 §5.4)."""
    if not signs(config) or config.dkim.domain or _trusts(config):
        return
    for link in milters.links(postfix, config):
        early = _before(link, "dkim")
        if early:
            text = f"{_names(early)} signs before us: DKIM does not cover the PASSporT"
            yield _moved(postfix, link, early, "error", text, after=True)


def trusted(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find upstream milters whose results we are to believe and do not see yet."""
    if not _trusts(config):
        return
    for link in milters.entrances(postfix, config):
        late = [*_after(link, "dkim"), *_after(link, "dmarc")]
        if late:
            text = f"{_names(late)} evaluates after us: checks.mode is"
            text += f' "{config.checks.mode}", and its results are not there yet'
            yield _moved(postfix, link, late, "error", text, after=False)


def changing(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find milters that may change a body after we signed or before we verify."""
    for link in milters.links(postfix, config):
        late, early = _after(link, "bodies"), _before(link, "bodies")
        if late and signs(config):
            text = f"{_names(late)} may change bodies that we have signed"
            yield _moved(postfix, link, late, "warning", text, after=False)
        elif early and verifies(config) and not signs(config):
            text = f"{_names(early)} may change bodies before we verify them"
            yield _moved(postfix, link, early, "warning", text, after=True)


AUDITS: Final = (
    absent,
    unsubmitted,
    misplaced,
    twice,
    covering,
    trusted,
    changing,
)


def _trusts(config: Config) -> bool:
    return config.checks.mode != "evaluate"


def _is_inner(postfix: Postfix, link: Link) -> bool:
    """Tell whether only mail that was here before comes this way."""
    options = link.service.options
    return options.get("content_filter") == "" or "no_milters" in postfix.words(
        "receive_override_options", link.service
    )


def _place(link: Link) -> int | None:
    return link.trades.index("ours") if link.asks_us else None


def _before(link: Link, trade: str) -> list[Milter]:
    end = _place(link) or 0
    pairs = zip(link.milters[:end], link.trades[:end], strict=True)
    return [milter for milter, found in pairs if found == trade]


def _after(link: Link, trade: str) -> list[Milter]:
    place = _place(link)
    if place is None:
        return []
    pairs = zip(link.milters[place:], link.trades[place:], strict=True)
    return [milter for milter, found in pairs if found == trade]


def _names(found: Sequence[Milter]) -> str:
    return ", ".join(one.address for one in found)


def _moved(
    postfix: Postfix,
    link: Link,
    some: Sequence[Milter],
    level: str,
    text: str,
    *,
    after: bool,
) -> Finding:
    """Make the finding whose remedy moves some milters behind us, or in front."""
    rest = [one for one in link.milters if one not in some]
    order = [*rest, *some] if after else [*some, *rest]
    return Finding(
        serious(really=level == "error"),
        postfix.subject(link.parameter, link.service),
        text,
        link.listing(postfix, order),
    )

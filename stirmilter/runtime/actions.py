"""What becomes of mail that was judged: the operator's tables, as values.

Every fault names the block that it is in: ``rule.2 (name)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from stirmilter.adapters.submission import Outcome, Relay, Submitter
from stirmilter.config import Config
from stirmilter.config.policy import PeerSection, RuleSection
from stirmilter.errors import ConfigError
from stirmilter.mail.mailpolicy import MM4Answers
from stirmilter.mail.mm4reply import system_address
from stirmilter.mail.policy.actions import Measure, Tag
from stirmilter.mail.policy.facts import NOBODY, NUMBERLESS
from stirmilter.mail.policy.failures import FailurePolicy
from stirmilter.mail.policy.ladders import Ladder, Step
from stirmilter.mail.policy.peers import Peer
from stirmilter.mail.policy.policy import Policy
from stirmilter.mail.policy.reachability import unreachable
from stirmilter.mail.policy.rules import VALUES, Conditions, Rule
from stirmilter.runtime.files import number_set
from stirmilter.services import TrustSet, VerificationPolicy
from stirmilter.services.trust import DEFAULT
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.msgi import FORMS

_CONDITIONS = (*VALUES, "peer", "spc")


def policy(config: Config) -> Policy:
    """Read peers, both tables of rules, and what failures lead to.

    Raises:
        ConfigError: naming the block.
    """
    failure = config.failure
    made = Policy(
        rules=_table(config, "rule", config.rule),
        shadow=_table(config, "shadow_rule", config.shadow_rule),
        peers=tuple(_peers(config)),
        failures=FailurePolicy(
            internal=failure.internal,
            dns=failure.dns,
            fetch=failure.fetch,
            store=failure.store,
        ),
        tag=_tag(config, f"{config.source}: policy", None, None),
    )
    ours = {name.lower() for name in (config.sign.header, *config.verify.headers)}
    for name in made.header_names:
        if name.lower() in ours:
            problem = f"{name}: carries PASSporTs; choose another header for tags"
            raise ConfigError(f"{config.source}: policy", problem)
    return made


def peer_policies(
    config: Config, sets: Sequence[TrustSet], base: VerificationPolicy
) -> Iterator[tuple[str, Sequence[TrustSet], VerificationPolicy]]:
    """Yield name, anchors and limits of each peer that has any of its own."""
    for block in config.peer:
        if not _has_limits(block):
            continue
        trusted = [one for one in sets if one.name in block.trust]
        yield block.name, trusted or general(config, sets), _limits(block, base)


def _limits(block: PeerSection, base: VerificationPolicy) -> VerificationPolicy:
    if block.freshness is not None:
        base = replace(base, freshness=timedelta(seconds=block.freshness))
    if block.skew is not None:
        base = replace(base, skew=timedelta(seconds=block.skew))
    if block.strict is not None:
        forms = ("exact",) if block.strict else FORMS
        base = replace(base, forms=forms, protected=block.strict)
    return base


def general(config: Config, sets: Iterable[TrustSet]) -> list[TrustSet]:
    """Return the sets that vouch whoever sends."""
    kept = {block.name for block in config.trust if block.peers_only}
    found = [one for one in sets if one.name not in kept]
    return found or [TrustSet(anchors=TrustAnchors(()))]


def mm4_answers(config: Config) -> MM4Answers | None:
    """Say how rejected requests are answered, if at all.

    Raises:
        ConfigError: we have no address to answer from.
    """
    if not config.mm4.reply:
        return None
    system = config.mm4.system or f"system-user@{config.milter.authserv_id}"
    if system_address(system) is None:
        where = f"{config.source}: mm4.system"
        raise ConfigError(where, f"missing: {system} is no address to answer from")
    return MM4Answers(system=system, strangers=config.mm4.strangers)


def submitter(
    config: Config,
    say: Callable[[str], None],
    count: Callable[[Outcome], None] = lambda _: None,
) -> Submitter | None:
    """Make what sends our answers, or None; its thread is to be started.

    Args:
        config: as loaded.
        say: told which answer was lost, and why.
        count: told what became of each.
    """
    settings = config.mm4
    if not settings.reply:
        return None
    host, _, port = settings.relay.rpartition(":")
    relay = Relay(
        host=host.removeprefix("[").removesuffix("]"),
        port=int(port),
        name=config.milter.authserv_id,
        seconds=settings.seconds,
        queue=settings.queue,
    )
    return Submitter(relay, say, count)


def _table(
    config: Config, section: str, blocks: Sequence[RuleSection]
) -> tuple[Rule, ...]:
    rules = []
    places = {}
    for index, block in enumerate(blocks):
        where = f"{config.source}: {section}.{index} ({block.name})"
        rules.append(_rule(config, where, block))
        places[block.name] = where
    faults = [
        ConfigError(places[rule.name], f"never applies: {why}")
        for rule, why in unreachable(rules, config.policy.rule_pieces)
    ]
    if faults:
        raise ConfigError(*faults[0].faults[0], *faults[1:])
    return tuple(rules)


def _rule(config: Config, where: str, block: RuleSection) -> Rule:
    known = {NOBODY, *(peer.name for peer in config.peer)}
    for name in sorted(set(block.peer or ()) - known):
        problem = f"peer: {name!r} is no [[peer]], nor {NOBODY!r}"
        raise ConfigError(where, problem)
    given = {name: getattr(block, name) or () for name in _CONDITIONS}
    words = {name: frozenset(values) for name, values in given.items()}
    words["message_type"] = _types(given["message_type"])
    patterns = [text for text in block.number or () if text != NUMBERLESS]
    number = number_set(config, patterns, f"{where}.number") if patterns else None
    tag = None
    if block.header is not None or block.value is not None:
        tag = _tag(config, where, block.header, block.value)
    try:
        return Rule(
            name=block.name,
            when=Conditions(
                number=number, numberless=NUMBERLESS in (block.number or ()), **words
            ),
            measure=Measure(
                action=block.action,
                code=block.code,
                enhanced=block.enhanced,
                text=block.text,
                tag=tag,
            ),
        )
    except ValueError as error:
        raise ConfigError(where, str(error)) from None


def _tag(config: Config, where: str, name: str | None, value: str | None) -> Tag:
    try:
        return Tag(
            config.policy.header if name is None else name,
            config.policy.value if value is None else value,
        )
    except ValueError as error:
        raise ConfigError(f"{where}.value", str(error)) from None


def _peers(config: Config) -> Iterable[Peer]:
    for index, block in enumerate(config.peer):
        where = f"{config.source}: peer.{index} ({block.name})"
        _check_peer(config, where, block)
        steps = [Step(step.begins, step.action) for step in block.ladder]
        try:
            ladder = Ladder(tuple(steps), _types(block.must_sign))
        except ValueError as error:
            raise ConfigError(f"{where}.ladder", str(error)) from None
        yield Peer(
            name=block.name,
            networks=block.networks,
            tls_names=frozenset(name.lower() for name in block.tls_names),
            helo=frozenset(block.helo),
            domains=frozenset(block.domains),
            spcs=frozenset(block.spcs),
            dkim={spc: frozenset(names) for spc, names in block.dkim.items()},
            ladder=ladder,
        )


def _check_peer(config: Config, where: str, block: PeerSection) -> None:
    """Refuse what could not work, or not as it looks."""
    if block.name == NOBODY:
        raise ConfigError(where, f"{NOBODY} stands for all that are no peer")
    criteria = block.networks, block.tls_names, block.helo, block.domains, block.spcs
    if not (any(criteria) or block.dkim):
        problem = "missing: networks, tls_names, helo, domains or spcs to know it by"
        raise ConfigError(where, problem)
    if block.spcs and _has_limits(block):
        problem = (
            "who is known by its certificate has no trust, freshness, skew or strict"
            " of its own: they decide which certificate is believed"
        )
        raise ConfigError(f"{where}.spcs", problem)
    known = {trust.name for trust in config.trust}
    if config.verify.anchors or not config.trust:
        known.add(DEFAULT)
    for name in sorted(set(block.trust) - known):
        raise ConfigError(f"{where}.trust", f"{name!r} is no [[trust]]")
    for name in sorted(_types(block.must_sign) - VALUES["message_type"]):
        known_types = ", ".join(sorted(VALUES["message_type"]))
        problem = f"{name!r} is none of {known_types}"
        raise ConfigError(f"{where}.must_sign", problem)
    if block.must_sign and not block.ladder:
        raise ConfigError(f"{where}.must_sign", "nothing comes of it without a ladder")


def _has_limits(block: PeerSection) -> bool:
    limits = block.freshness, block.skew, block.strict
    return bool(block.trust) or any(limit is not None for limit in limits)


def _types(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)

"""What may be decided on the thread that reads: what asks nobody, and is soon done."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stirmilter.haste import TakesLong, haste
from stirmilter.mail.filter import MailFilter
from stirmilter.mail.mailpolicy import Submitter
from stirmilter.mail.methods import Methods
from stirmilter.mail.transaction import Preparation, Transaction
from stirmilter.services import VerificationPolicy, VerificationService
from stirmilter.stir.tn import NumberSet
from stirmilter.stores.replay import MemoryReplayStore
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import NOW
from tests.mail.mails import PLAIN, POLICY, STRANGER, Make, mail, signed
from tests.mail.test_dkimsign import ED25519
from tests.services.revoked import Kept


class Slow:
    """Numbers, or a key, that somebody else is asked for."""

    def __init__(self, key: Any = None) -> None:  # noqa: ANN401 - a signing key
        self.public_key = key and key.public_key

    def __contains__(self, tn: str) -> bool:
        return True


class Remote(MemoryReplayStore):
    """What another machine keeps."""

    remote = True


def at_once(mail_filter: MailFilter, message: Transaction) -> bool:
    prepared = mail_filter.prepare(
        message.connection, message.recipients, message.headers
    )
    return prepared.at_once


def test_mail_that_we_sign_with_what_is_in_memory_is_decided_at_once(
    make: Make,
) -> None:
    known = Submitter(name="all", numbers=(NumberSet.parse(["+1*"]),))

    assert at_once(make(), mail(*PLAIN))
    assert at_once(make(policy=replace(POLICY, submitters=(known,))), mail(*PLAIN))


@pytest.mark.parametrize(
    "lines", [(), ("X-Filler: " + "x" * 16_384,), ("X-" + "x" * 16_384 + ": ",)]
)
def test_a_large_header_takes_its_time(make: Make, lines: tuple[str, ...]) -> None:
    assert at_once(make(), mail(*PLAIN, *lines)) == (not lines)


@pytest.mark.parametrize("count", [10, 1_000])
def test_many_recipients_take_their_time(make: Make, count: int) -> None:
    to = ("<+13125550100/TYPE=PLMN@mms.example>",) * count

    assert at_once(make(), mail(*PLAIN, recipients=to)) is (count == 10)


def test_what_strangers_send_is_tried_where_there_is_no_time(
    make: Make, ca: TestCA
) -> None:
    assert at_once(make(), mail(*PLAIN, connection=STRANGER))
    assert at_once(make(), mail(*PLAIN, signed(ca), connection=STRANGER))


@pytest.mark.parametrize("whose", ["everybody's", "a peer's"])
def test_replays_that_are_asked_for_elsewhere_may_have_to_wait(
    make: Make, ca: TestCA, whose: str
) -> None:
    plain = make()
    far = laboratory.verifier(ca, replays=Remote())
    near = plain.verification
    mail_filter = MailFilter(
        policy=plain.policy,
        authentication=plain.authentication,
        verification=far if whose == "everybody's" else near,
        peers={"one": far if whose == "a peer's" else near},
    )

    assert not at_once(mail_filter, mail(*PLAIN, signed(ca), connection=STRANGER))


def test_mail_that_carries_a_token_may_have_to_wait(make: Make, ca: TestCA) -> None:
    assert not at_once(make(), mail(*PLAIN, signed(ca)))


def test_numbers_that_are_looked_up_may_have_to_wait(make: Make) -> None:
    asked = Submitter(name="table", numbers=(NumberSet.parse(["+1*"]), Slow()))

    assert not at_once(make(policy=replace(POLICY, submitters=(asked,))), mail(*PLAIN))


def test_a_key_elsewhere_may_have_to_wait(make: Make, ca: TestCA) -> None:
    mail_filter = make()
    one = laboratory.signer(ca, "one")
    key: Any = Slow(one.key)
    asked = [one, replace(one, key=key)]

    other = mail_filter.using(mail_filter.authentication.using(asked, ()))

    assert at_once(mail_filter, mail(*PLAIN))
    assert not at_once(other, mail(*PLAIN))


def test_a_second_signature_takes_its_time(make: Make) -> None:
    plain = make()
    both = MailFilter(
        policy=plain.policy,
        authentication=plain.authentication,
        verification=plain.verification,
        dkim=ED25519,
    )

    assert not at_once(both, mail(*PLAIN))


def test_no_token_is_used_up_before_the_dns_was_waited_for(
    ca: TestCA, methods: Callable[..., Methods]
) -> None:
    """Else a claim could be made in haste, and again, for no use."""
    kept = MemoryReplayStore()
    judge = MailFilter(
        policy=POLICY,
        authentication=laboratory.authenticator(ca),
        verification=VerificationService(
            repository=Kept(ca.folder / "www"),
            anchors=laboratory.anchors(ca),
            replays=kept,
            policy=VerificationPolicy(),
        ),
        clock=lambda: NOW,
        checks=methods(),
    )
    sent = mail(*PLAIN, signed(ca), connection=STRANGER)

    with pytest.raises(TakesLong), haste():
        judge.decide(sent)
    assert kept.stats().keys == 0
    assert judge.decide(sent).event.reason == "verified"
    with haste():
        assert judge.decide(sent).event.reason == "verified"


def test_a_header_without_a_token_is_not_read_before_it_is_judged(
    make: Make, ca: TestCA
) -> None:
    """Many addresses take long, and the thread that reads serves the others too."""

    def prepared(*lines: str) -> Preparation:
        message = mail(*PLAIN, *lines, connection=STRANGER)
        return make().prepare(message.connection, message.recipients, message.headers)

    assert prepared().view is None
    assert prepared(signed(ca)).view is not None

"""What is kept of a message, so that its verdict can be explained later (RFC 9475 §4).

From the values of the judgement to the plain ones of `events`. A stranger's text
becomes printable and bounded here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from stirmilter.events import (
    IDENTIFIER_LENGTH,
    Evidence,
    Removed,
    RemovedLimits,
    Token,
)
from stirmilter.mail.beside import Beside
from stirmilter.mail.mm4 import View
from stirmilter.mail.transaction import Header, Removal, Transaction
from stirmilter.services import Signer
from stirmilter.stir import identity
from stirmilter.stir.passport import Passport
from stirmilter.stir.result import StirResult, printable


def of_message(
    view: View,
    transaction: Transaction,
    now: datetime,
    gone: tuple[Removed, ...],
    tokens: Iterable[Token] = (),
) -> Evidence:
    """Note what names a message, what its tokens proved, and what was taken out."""
    return Evidence(
        time=now,
        client=str(transaction.connection.client or ""),
        message_id=printable(view.message_id, IDENTIFIER_LENGTH),
        transaction_id=printable(view.transaction_id, IDENTIFIER_LENGTH),
        mms_message_id=printable(view.mms_message_id, IDENTIFIER_LENGTH),
        tokens=tuple(tokens),
        removed=gone,
    )


def removed(
    headers: Sequence[Header],
    removals: Iterable[Removal],
    limits: RemovedLimits,
) -> tuple[Removed, ...]:
    """Note the fields that are taken out of a message; printable and bounded."""
    wanted = {(name.lower(), occurrence) for name, occurrence in removals}
    if not wanted:
        return ()
    seen: Counter[str] = Counter()
    found: list[Removed] = []
    for header in headers:
        name = header.name.lower()
        seen[name] += 1
        if (name, seen[name]) in wanted and len(found) < limits.fields:
            text = printable(header.text.strip(), limits.characters)
            found.append(Removed(printable(header.name, IDENTIFIER_LENGTH), text))
    return tuple(found)


def methods(beside: Beside) -> tuple[tuple[str, str], ...]:
    """Note the methods that were looked at: each with its word, and why, if it tells.

    Of DKIM, each signature; the domain that it names goes before the reason.
    """
    results = beside.results
    found = [("spf", results.spf), ("arc", results.arc), ("dmarc", results.dmarc)]
    noted = [(name, _noted(one.word, one.reason)) for name, one in found if one]
    noted += [
        ("dkim", _noted(one.word, f"{one.domain} {one.reason}".strip()))
        for one in results.dkim or ()
    ]
    if results.dkim == ():
        noted.append(("dkim", "none"))
    noted += [("differs", printable(text)) for text in beside.differences]
    return tuple(sorted(noted))


def _noted(word: str, reason: str) -> str:
    return f"{word} {printable(reason)}".strip()


def judged(result: StirResult) -> Token:
    """Note what was found about one PASSporT."""
    token, signer = result.passport, result.credential
    return Token(
        reason=result.reason.code,
        word=result.reason.word,
        rule=result.rule,
        detail=result.detail,
        ppt=token.ppt if token else "",
        iat=token.claims.iat if token else None,
        x5u=printable(token.x5u, identity.X5U_LENGTH) if token else "",
        path=signer.evidence if signer else (),
        valid=signer.validity if signer else None,
        status=result.status,
        authority=result.authority,
        msgi=result.msgi,
        diversions=result.diversions,
        notes=result.notes,
        fingerprint=token.fingerprint if token else "",
    )


def issued(
    token: Passport, signer: Signer, reason: str, hazards: Iterable[str] = ()
) -> Token:
    """Note a PASSporT that we made, with whose certificate, and over what a body."""
    return Token(
        reason=reason,
        ppt=token.ppt,
        iat=token.claims.iat,
        x5u=token.x5u,
        path=signer.credential.evidence,
        valid=signer.credential.validity,
        notes=tuple(f"hazard: {one}" for one in hazards),
        fingerprint=token.fingerprint,
    )

"""What each reason means to whoever runs the relay, and what to look at next.

One line for every word that a log line or a result field may hold as its reason.
"""

from __future__ import annotations

from typing import Final

_UNDECIDED: Final = {
    "header-too-large": "more header than limits.headers and limits.header_octets"
    " allow: nothing of it was read",
    "envelope-too-large": "more recipients than limits.recipients: it comes again with"
    " fewer",
    "too-much-mail": "the messages under way hold limits.held_octets: it comes again",
    "too-late": "no decision within milter.message_seconds: look at what waits, and at"
    " stirmilter_stage_seconds",
    "internal-error": "a bug of ours, or no decision in time: the log has its trace"
    " under the queue id",
}
INCOMING: Final = _UNDECIDED | {
    "verified": "the holder of a certificate for the number said this, to these"
    " recipients; nothing is to be done",
    "no-passport": "nobody signed it: the sender has no STIR, or a relay on the way"
    " took the field out",
    "unsupported-ppt": "its tokens are of another kind than msg, or divert it nowhere:"
    " nothing is known of the message",
    "too-many-passports": "more tokens, or URLs in them, than limits.passports and"
    " limits.x5u allow: most likely an attack",
    "malformed": "a token that breaks its own rules; `stirmilter inspect` on the field"
    " says which, and the signer's software is to be mended",
    "unsupported-algorithm": "signed with something else than ES256, which STIR does"
    " not know",
    "orig-mismatch": "signed for another number than the one in From, or From names no"
    " single one: spoofed, or a relay rewrites addresses",
    "dest-mismatch": "signed for other recipients: taken from another message, or sent"
    " on without a div token",
    "dest-partial": "it has recipients that its signer did not name",
    "stale": "signed too long ago (verify.freshness), or X-Mms-Expiry has passed: look"
    " for a queue on the way",
    "from-the-future": "signed by a clock that is ahead: compare both with NTP",
    "body-altered": "a relay on the way changed the body, or somebody did: look at line"
    " length limits, recoding and footers there",
    "no-msgi": "the token is good and does not cover the body, so it proves nothing of"
    " it",
    "credential-unavailable": "the certificate could not be fetched: `stirmilter"
    " verify` on the message tells whether it can be now",
    "credential-malformed": "what its x5u serves is no chain of STI certificates; its"
    " operator is to be told",
    "credential-untrusted": "the chain leads to none of our anchors: a foreign"
    " administration, a test PKI, or anchors of ours that are old",
    "credential-expired": "the certificate was not valid when the token was signed",
    "credential-revoked": "the certificate was revoked: nothing under it is to be"
    " believed, whenever it was signed",
    "status-unavailable": "no revocation list could be had, and revocation.mode is"
    " hard",
    "not-authorized": "the certificate is good and does not cover the number: somebody"
    " else's number, or a list that has not caught up with a ported one",
    "claim-constrained": "the certificate forbids such a claim to its holder",
    "bad-signature": "the signature is not of this key: forged, or put together from"
    " two tokens",
    "spc-not-accepted": "the certificate names a carrier and no number, and verify.spc"
    " does not take its word",
    "headers-unprotected": "the token is good, and no DKIM signature covers the header"
    " that strict mode wants covered",
    "replayed": "delivered before, by another client or over another way; `stirmilter"
    " replay clear` if that was meant to be",
    "replay-unknown": "the replay store did not answer, or began after the token was"
    " signed: see replay.store",
}
OUTGOING: Final = _UNDECIDED | {
    "signed": "it left with a PASSporT of ours",
    "diverted": "it was sent on by a number of ours, with a div token",
    "already-signed": "it passed us before and carries our token",
    "ambiguous-diversion": "it was sent to several numbers of ours, and any may have"
    " sent it on",
    "ambiguous-header": "From, Date or a MIME field occurs twice, and programs would"
    " show different ones",
    "credential-expired": "the signer's certificate is not valid now",
    "credential-too-young": "the certificate began after the message was signed",
    "credential-unproven": "the signer's x5u has not served its chain yet: nobody could"
    " verify what it signs",
    "date": "dated too long ago or ahead (sign.oldest_date, sign.newest_date)",
    "expired": "its X-Mms-Expiry has passed, and no verifier would take it",
    "hidden-sender": "its sender asked to stay hidden (X-Mms-Sender-Visibility)",
    "key-unavailable": "the key could not be asked: see the log for the token",
    "message-type": "a report or an answer, which is not signed (sign.message_types)",
    "no-originator": "From is not one single number",
    "no-recipient": "neither To nor Cc nor a sole recipient is a number, or none that"
    " is stands in the envelope",
    "no-signer": "no [[signer]] has the number among its numbers",
    "not-its-number": "the [[submitter]] was given other numbers than this one: see"
    " refused there and in [sign]",
    "null-sender": "an automatic message, which nobody said",
    "too-many-passports": "it carries as many tokens already as a verifier judges",
    "body-at-risk": "the next hop may alter the body, and sign.hazards keeps it here:"
    " set the transport as in conf/postfix-sign.cf, and name it in sign.next_hop",
    "numbers-unavailable": "the file of its [[submitter]] cannot be read",
    "unlisted-submitter": "there are [[submitter]] blocks, and the client is in none of"
    " them: see sign.unlisted and sign.refused",
    "too-many-recipients": "more than limits.dest, which other verifiers would refuse",
}


def of(direction: str, reason: str) -> str:
    """Return the line for a reason; nothing for one of a later version."""
    return (OUTGOING if direction == "out" else INCOMING).get(reason, "")

"""Events that the tests of journal and metrics hand over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from stirmilter.events import Certificate, Evidence, Handled, Removed, Token

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def certificate(octets: bytes) -> Certificate:
    return Certificate(sha256(octets).hexdigest(), octets)


LEAF, ROOT = certificate(b"leaf" * 100), certificate(b"root" * 100)
TOKEN = Token(
    reason="verified",
    word="pass",
    rule="RFC 8225 §9",
    detail="detail",
    ppt="msg",
    iat=1_767_355_200,
    x5u="https://certs.example/one.pem",
    path=(LEAF, ROOT),
    valid=(NOW - DAY, NOW + DAY),
    status="good",
    authority="tn",
    msgi="exact",
    diversions=1,
    notes=("iat is 90 s after Date",),
    fingerprint="ab" * 32,
)
EVENT = Handled(
    "in",
    "number-authenticated",
    "verified",
    orig="1202555xxxx",
    x5u="https://certs.example/one.pem",
    queue_id="4Yx1ab",
    seconds=0.012,
    stages=(("queue", 0.000125), ("stir", 0.0084), ("policy", 0.001)),
    evidence=Evidence(
        time=NOW,
        client="198.51.100.1",
        message_id="<1@mms.one.example>",
        transaction_id='"tx-1"',
        mms_message_id="mms-1",
        tokens=(TOKEN,),
        removed=(
            Removed("Authentication-Results", "mx.example; stir=pass"),
            Removed("Authentication-Results", "mx.example;\\u{a}\\u{9}spf=pass"),
        ),
    ),
)


def event(queue_id: str = "4Yx1ab", time: datetime = NOW, *tokens: Token) -> Handled:
    """An event of its own, with a Message-ID that follows its queue id."""
    assert EVENT.evidence is not None
    evidence = replace(
        EVENT.evidence,
        time=time,
        message_id=f"<{queue_id}@mms.one.example>",
        tokens=tokens or (TOKEN,),
    )
    return replace(EVENT, queue_id=queue_id, evidence=evidence)

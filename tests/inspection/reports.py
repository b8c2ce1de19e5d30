"""What the tests of `inspect` hand over, and how they read the answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509

from stirmilter.inspection import Report, inspect
from stirmilter.stir.msgi import digest_body
from tests.laboratory import ALICE, BOB, NOW, X5U
from tests.stir.certificates import Issued
from tests.stir.pki import LEAF
from tests.stir.tokens import ABSENT, forge

HEAD: Final = (
    f"From: +{ALICE}/TYPE=PLMN\nTo: +{BOB}/TYPE=PLMN@mms.two.example\n"
    "X-Mms-Message-Type: MM4_forward.REQ\n"
)
TEXT: Final = "Hello Bob\n"
CALL: Final = "https://cert.example.net/shaken.pem"
ORIGID: Final = "123e4567-e89b-12d3-a456-426655440000"

Chain = Sequence[x509.Certificate]


def explain(
    thing: str | bytes,
    chains: Sequence[Sequence[Issued]] = (),
    anchors: Sequence[Issued] = (),
    at: datetime = NOW,
) -> Report:
    octets = thing.encode() if isinstance(thing, str) else thing
    return inspect(
        octets,
        at,
        [[one.certificate for one in chain] for chain in chains],
        [one.certificate for one in anchors],
    )


def facts(report: Report, name: str) -> list[str]:
    """Return what is said under one name."""
    return [value for found, value in report.facts if found == name]


def problems(report: Report) -> list[tuple[str, str]]:
    return [(found.text, found.rule) for found in report.problems]


def message_token(**payload: object) -> str:
    """Make a token that LEAF signed, for the message of `mail`."""
    return forge({"x5u": f"{X5U}leaf.pem"}, payload, LEAF.key)


def diversion(**payload: object) -> str:
    """Make a token that sends the message of BOB on."""
    changed = {"div": {"tn": BOB}, "msgi": ABSENT, **payload}
    return forge({"ppt": "div", "x5u": f"{X5U}bob.pem"}, changed, LEAF.key)


def shaken(**payload: object) -> str:
    """Make a token of a call."""
    changed = {"msgi": ABSENT, "attest": "A", "origid": ORIGID, **payload}
    return forge({"ppt": "shaken", "x5u": CALL}, changed, LEAF.key)


def field(token: str, name: str = "PASSporT") -> str:
    """Write a field with a token, folded where a relay would not."""
    folded = "\n ".join(token[i : i + 50] for i in range(0, len(token), 50))
    return f"{name}: {folded}\n"


def mail(*tokens: str, head: str = HEAD, text: str = TEXT) -> str:
    """Write the message that `message_token` vouches for."""
    return "".join(map(field, tokens)) + head + "\n" + text


def digest(text: str = TEXT) -> str:
    return str(digest_body(text.replace("\n", "\r\n").encode()).value())

"""The milters of the chains, by name, and how each of them is set.

What has no path or key in it stands in docs/operations.md, and is tried as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from tests.configurations import BOTH_WAYS, PATIENT_DNS

STIRMILTER: Final = (
    """\
[milter]
sockets = ["unix:{folder}/{name}.sock"]
authserv_id = "mx.two.example"
workers = 1
"""
    + BOTH_WAYS
    + """\
[replay]
store = "sqlite:{folder}/{name}-replay.sqlite"
seconds = 30.0
on_failure = "pass"
[journal]
path = ""
[dns]
servers = ["{port}@{address}"]
"""
    + PATIENT_DNS
    + "{settings}\n"
)

RECIPE: Final = """\
/^Authentication-Results:.*dkim\\.two\\.example/ IGNORE
/^Authentication-Results:.*dmarc\\.two\\.example/ IGNORE
"""

_SIGNS: Final = """\
Mode s
Domain {domain}
Selector {selector}
KeyFile {key}
Canonicalization relaxed/relaxed
SenderHeaders Sender,From
"""
_COVERS: Final = """\
SignHeaders From,To,Cc,Date,Subject,Message-ID,PASSporT,MIME-Version,Content-Type,\
Content-Transfer-Encoding,X-Mms-*
"""
_SEALS: Final = """\
OversignHeaders From,To,Cc,PASSporT,MIME-Version,Content-Type,Content-Transfer-Encoding
"""
_VERIFIES: Final = """\
Mode v
AuthservID dkim.two.example
"""
_SAYS_NONE: Final = "AlwaysAddARHeader yes\n"
_BARE_FROM: Final = "WeakSyntaxChecks yes\n"
_DMARC: Final = """\
AuthservID dmarc.two.example
TrustedAuthservIDs dkim.two.example
SPFIgnoreResults true
SPFSelfValidate true
"""
_UPSTREAM: Final = """\
[[upstream]]
authserv_ids = ["dkim.two.example", "dmarc.two.example"]
clients = ["0.0.0.0/0", "::/0"]
strips = true
"""
_OUR_DKIM: Final = """\
[dkim]
domain = "{domain}"
selector = "{selector}"
key = "{key}"
"""


@dataclass(frozen=True, slots=True)
class Milter:
    """A program and its settings."""

    kind: Literal["stirmilter", "opendkim", "opendmarc"]
    settings: str
    selector: str = ""
    """Of the key that it signs with, ``ed...`` for Ed25519."""


MILTERS: Final = {
    "sign": Milter("stirmilter", ""),
    "sign-rsa": Milter("stirmilter", _OUR_DKIM, "ours"),
    "sign-ed25519": Milter("stirmilter", _OUR_DKIM, "ed-ours"),
    "opendkim-signs": Milter("opendkim", _SIGNS + _COVERS + _SEALS, "rsa"),
    "opendkim-signs-ed25519": Milter(
        "opendkim",
        f"{_SIGNS}{_COVERS}{_SEALS}SignatureAlgorithm ed25519-sha256\n",
        "ed",
    ),
    "opendkim-signs-debian": Milter(
        "opendkim", f"{_SIGNS}OversignHeaders From\n", "rsa"
    ),
    "opendkim-signs-before": Milter(
        "opendkim", _SIGNS + _COVERS + _SEALS.replace("PASSporT,", ""), "rsa"
    ),
    "opendkim-seals-more": Milter(
        "opendkim", f"{_SIGNS}OversignHeaders From,Content-Type\n", "rsa"
    ),
    "opendkim": Milter("opendkim", _VERIFIES + _SAYS_NONE + _BARE_FROM),
    "opendkim-strict": Milter("opendkim", _VERIFIES + _SAYS_NONE),
    "opendkim-silent": Milter("opendkim", _VERIFIES),
    "opendkim-our-id": Milter("opendkim", _VERIFIES.replace("dkim", "mx")),
    "opendmarc": Milter("opendmarc", _DMARC),
    "opendmarc-reads-us": Milter(
        "opendmarc",
        "AuthservID dmarc.two.example\nTrustedAuthservIDs mx.two.example\n",
    ),
    "evaluate": Milter("stirmilter", ""),
    "trust": Milter("stirmilter", f'[checks]\nmode = "trust"\n{_UPSTREAM}'),
    "both": Milter("stirmilter", f'[checks]\nmode = "both"\n{_UPSTREAM}'),
}


def shown() -> list[str]:
    """Return the lines that docs/operations.md must show."""
    parts = (_SIGNS, _COVERS, _SEALS, _VERIFIES, _SAYS_NONE, _BARE_FROM, _DMARC)
    lines = "".join([*parts, RECIPE, _UPSTREAM]).splitlines()
    return [line for line in lines if not re.search(r"\{\w+\}|^strips", line)]

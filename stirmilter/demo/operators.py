"""Who takes part: names, addresses, certificates, DKIM keys, and each relay's settings.

mms.one.example    signs: PASSporTs for the numbers below, DKIM as one.example
mms.two.example    verifies
mms.three.example  a carrier without a relay here; holds a DKIM key
attacker.example   holds a DKIM key, like anybody who has a domain
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stirmilter.demo.names import txt
from stirmilter.mail.dkimsign import DkimSigner, PrivateKey
from stirmilter.stir.tnauthlist import TNAuthList

ONE: Final = "mms.one.example"
TWO: Final = "mms.two.example"
THREE: Final = "mms.three.example"
TAP: Final = "tap.example"

ONE_ADDRESS: Final = "127.0.0.1"
THREE_ADDRESS: Final = "127.0.0.3"
ATTACKER: Final = "127.0.0.66"
HUB: Final = "127.0.0.77"
"""Between the operators; no SPF record knows it."""

ONE_NUMBER: Final = "12025550123"
OTHER_NUMBER: Final = "19995550100"  # of operator three
SIGNERS: Final = {
    "one": (TNAuthList.build(numbers=[ONE_NUMBER]), "+12025550123"),
    "range": (
        TNAuthList.build(ranges=[("12025550100", 100)]),
        "+12025550100-+12025550199",
    ),
    "spc": (TNAuthList.build(spcs=["1234"]), "+1312*"),
}
"""Certificates of operator one, and the numbers that it signs for with each."""

_SELECTOR: Final = "demo"
_RSA_BITS: Final = 2048
_ZONE: Final = f"""\
{ONE}. 60 IN A {ONE_ADDRESS}
{ONE}. 60 IN TXT "v=spf1 a -all"
_dmarc.one.example. 60 IN TXT "v=DMARC1; p=reject"
one.example. 60 IN MX 10 {ONE}.
{THREE}. 60 IN TXT "v=spf1 ip4:{THREE_ADDRESS} -all"
_dmarc.three.example. 60 IN TXT "v=DMARC1; p=quarantine"
two.example. 60 IN MX 10 {TWO}.
"""

# All servers and files share a machine with all the rest: they may be slow, and each
# must be heard.
_BOTH: Final = """\
[milter]
sockets = ["{socket}"]
socket_group = "postfix"
authserv_id = "{name}"
workers = 2

[verify]
anchors = ["{ca}/root.pem"]

[dns]
servers = ["{dns}@127.0.0.1"]
server_seconds = 10.0
question_seconds = 20.0
message_seconds = 60.0

[fetch]
laboratory = true
tls_ca = "{ca}/tls-ca.pem"
store = "sqlite:{folder}/{name}-certificates.sqlite"
store_seconds = 30.0
seconds = 30.0

[replay]
store = "sqlite:{folder}/{name}-replay.sqlite"
seconds = 30.0

[journal]
path = "{folder}/{name}-journal.sqlite"
flush_seconds = 0.2
"""

_SIGNS: Final = """
[sign]
clients = ["127.0.0.0/8"]
divert = true
proofs = "{folder}/{name}-proofs.json"

[dkim]
domain = "one.example"
selector = "{selector}"
key = "{folder}/dkim.key"
"""

_SIGNER: Final = """
[[signer]]
name = "{name}"
key = "{ca}/keys/{name}.key"
chain = "{ca}/www/{name}.pem"
x5u = "{base}/{name}.pem"
numbers = ["{numbers}"]
"""

# Whoever alters a header can sign it with a domain of his own: "known" sees through it.
_VERIFIES: Final = f"""
[checks]
protecting = "known"

[[peer]]
name = "one"
networks = ["{ONE_ADDRESS}/32"]
dkim = {{ "1234" = ["one.example"] }}

[[peer]]
name = "three"
networks = ["{THREE_ADDRESS}/32"]
dkim = {{ "5678" = ["three.example"] }}
strict = true

[[rule]]
name = "other-carrier"
binding = ["mismatch"]
action = "reject"
text = "the PASSporT and the DKIM signature are of different carriers"

[[rule]]
name = "failed"
verdict = ["failed"]
action = "tag"

[[shadow_rule]]
name = "refuse-failed"
verdict = ["failed"]
action = "reject"
"""


def dkim_signers() -> dict[str, DkimSigner]:
    """Make a DKIM key for each domain that has one."""
    keys: dict[str, PrivateKey] = {
        "one.example": rsa.generate_private_key(65_537, _RSA_BITS),
        "three.example": Ed25519PrivateKey.generate(),
        "attacker.example": Ed25519PrivateKey.generate(),
    }
    return {
        domain: DkimSigner(domain=domain, selector=_SELECTOR, key=key)
        for domain, key in keys.items()
    }


def write_key(path: Path, signer: DkimSigner) -> None:
    """Write a DKIM key that nobody else may read."""
    path.touch(mode=0o600)
    path.write_bytes(
        signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


def zone(signers: Iterable[DkimSigner]) -> str:
    """Write all records of the demonstration as a zone file."""
    return _ZONE + "".join(f"{txt(*signer.record)}\n" for signer in signers)


def signing(values: Mapping[str, object]) -> str:
    """Write the configuration of relay one, which signs.

    Args:
        values: ``socket``, ``folder``, ``ca`` (its folder), ``base`` (URL of the
            chains) and ``dns`` (port).
    """
    filled = {**values, "name": ONE, "selector": _SELECTOR}
    signers = (
        _SIGNER.format(**{**values, "name": name, "numbers": numbers})
        for name, (_, numbers) in SIGNERS.items()
    )
    return (_BOTH + _SIGNS).format(**filled) + "".join(signers)


def verifying(values: Mapping[str, object]) -> str:
    """Write the configuration of relay two, which verifies; see `signing`."""
    return _BOTH.format(**values, name=TWO) + _VERIFIES

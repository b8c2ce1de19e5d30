"""Certificates that name hosts, and so vouch for URIs (RFC 5922 §7.2)."""

from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509

from stirmilter.stir.credential import TrustAnchors
from tests.laboratory import BOB
from tests.services.world import World
from tests.stir import der
from tests.stir.certificates import Issued, issue, leaf, publish, tn_auth_list

HOST: Final = "a.example"
FROM_MAIL: Final = f"mailto:alice@{HOST}"
TO_MAIL: Final = "mailto:bob@b.example"


def named(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def with_hosts(folder: Path) -> World:
    """Make a world of signers whose certificates name hosts, or almost."""
    root = issue("hosts", ca=True)
    numberless = tn_auth_list(der.one("19995550199"))
    address = x509.SubjectAlternativeName(
        [
            x509.IPAddress(ip_address("192.0.2.1")),
            x509.RFC822Name(f"alice@{HOST}"),
            x509.UniformResourceIdentifier(f"sip:{HOST}"),
        ]
    )
    leaves: dict[str, Issued] = {
        "host": leaf(root, numberless, named(HOST)),
        "hosts": leaf(root, numberless, named("x.example", HOST.upper())),
        "host-and-number": leaf(root, named(HOST)),
        "host-and-code": leaf(root, tn_auth_list(der.spc("1234")), named(HOST)),
        "number": leaf(root),
        "bob": leaf(root, tn_auth_list(der.one(BOB)), named("b.example")),
        "code": leaf(root, tn_auth_list(der.spc("1234"))),
        "other-host": leaf(root, named("b.example")),
        "parent-host": leaf(root, named("example")),
        "child-host": leaf(root, named(f"x.{HOST}")),
        "any-host": leaf(root, named("*.example")),
        "no-host": leaf(root, address),
    }
    for name, one in leaves.items():
        publish(folder, name, one)
    keys = {name: one.key for name, one in leaves.items()}
    return World(folder, keys, TrustAnchors([root.certificate]))

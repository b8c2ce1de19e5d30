"""Where the fuzzer begins: good inputs of each parser, and the words of its grammar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from stirmilter.stir import hazmat, identity, passport
from stirmilter.stir.msgi import ALGORITHMS, digest_body
from tests.fuzz.pki import ROOT
from tests.laboratory import ALICE, BOB, BODY, CAROL
from tests.stir import der
from tests.stir.certificates import UNKNOWN, issue, leaf, pem, tn_auth_list
from tests.stir.tokens import ABSENT, HEADER, PAYLOAD, forge, seal


def tokens() -> Iterator[str]:
    """Tokens that are good, or wrong in one place behind the first checks."""
    yield forge()
    for algorithm in ALGORITHMS:
        yield forge(payload={"msgi": str(digest_body(BODY).value(algorithm))})
    yield forge(payload={"dest": {"tn": [BOB, CAROL], "uri": ["sip:b@c.example"]}})
    yield forge(payload={"orig": {"uri": "sip:a@b.example"}, "msgi": ABSENT})
    yield forge(payload={"dest": {"tn": ["*123"]}, "attest": "A", "x": [1.5e3, None]})
    yield forge({"ppt": "div"}, {"div": {"tn": BOB, "hi": "1.1"}, "msgi": ABSENT})
    yield forge({"ppt": "shaken"})
    yield forge({"crit": ["x"]})
    yield forge({"alg": "none"})
    yield forge({"x5u": "https://[2001:db8::1]:8443/a%20b.pem?q=1#f"})
    yield seal(json.dumps(HEADER, indent=1).encode(), json.dumps(PAYLOAD).encode())


def headers() -> Iterator[str]:
    """Header values: as we write them, refolded, quoted, and with odd parameters."""
    for text in tokens():
        yield text
        yield f"{text};info=<{HEADER['x5u']}>;alg=ES256;ppt=msg"
    written = identity.write(passport.parse(forge()), "PASSporT")
    yield written
    yield written.replace("\n ", "\r\n\t \t").replace(";", " ; ")
    yield f'{forge()};info="{HEADER["x5u"]}";ALG="E\\S256";PPT="msg";x;y=;z=<>'


def tn_auth_lists() -> Iterator[bytes]:
    """TNAuthLists, and claim constraints in both forms."""
    yield der.sequence(der.one(ALICE))
    yield der.sequence(der.spc("1234"), der.block("12025550100", 100), der.one("*123"))
    yield der.sequence(*(der.block(f"1202555{n:04d}", 2) for n in range(0, 60, 3)))
    yield der.sequence(der.block("0", 10), der.block("00", 100), der.one("5"))
    yield der.sequence(der.block("999999999999999", 2), der.block("1", 10**30))
    yield der.constraints(["attest", "msgi"])
    yield der.constraints(permit={"attest": ["A", "B"], "orig": ["\u00e9"]})
    yield der.constraints(["iat"], {"ppt": ["msg"]}, ["rcd"])
    yield der.constraints(exclude=["orig"])


def address_lists() -> Iterator[str]:
    """Addresses as header fields and envelopes have them; header blocks as well."""
    yield f"+{ALICE}/TYPE=PLMN"
    yield f"<+{ALICE}/TYPE=PLMN@mms.example.net>"
    yield f'"Bob (B.), \\"x\\"" <+{BOB}@example.net>, +{CAROL}/type=plmn'
    yield f"(a (nested \\) comment)) +{BOB} (b), Team: a@b.example, c@[192.0.2.1];"
    yield '"+12025550123/TYPE=PLMN"@mms.example, <@relay.example:+1@b.example>'
    yield "*123/TYPE=PLMN, 2025550123, bob+tag@Example.COM, o'hara%x@mail.example"
    yield "sip:Alice%41:secret@Host.example:5060;transport=tcp?subject=x"
    yield (
        f"From: +{ALICE}/TYPE=PLMN\nTo: <+{BOB}@b.example>\nCc: undisclosed:;\n"
        "Date: Fri, 02 Jan 2026 12:00:00 +0000\nX-Mms-Expiry: 3600\n"
        "X-Mms-Message-Type: MM4_forward.REQ\nX-Mms-Sender-Visibility: Show\n"
    )
    for expiry in ("2026-01-02T12:00:00Z", "Fri, 02 Jan 2026 12:00:00 GMT", "9" * 30):
        yield f"Date: Fri, 2 Jan 2026 12:00 EST\nX-Mms-Expiry: {expiry}\nFrom: a@b"


def chains() -> Iterator[bytes]:
    """Chains in PEM and DER: usual ones, and one for each branch of `read`."""
    extensions = (
        x509.UnrecognizedExtension(hazmat.CLAIM_CONSTRAINTS, der.constraints(["a"])),
        x509.UnrecognizedExtension(
            hazmat.ENHANCED_CLAIM_CONSTRAINTS, der.constraints(exclude=["msgi"])
        ),
        tn_auth_list(der.spc("1234"), der.block("12025550100", 100), der.one(ALICE)),
        UNKNOWN,
    )
    middle = issue("middle", ROOT, ca=True)
    own = tn_auth_list(der.block("12025550000", 1000))
    delegating = issue("delegating", ROOT, [own], ca=True)
    for chain in (
        (leaf(middle), middle),
        (leaf(middle), middle, ROOT),
        *((leaf(ROOT, one),) for one in extensions),
        (leaf(delegating), delegating),
        (leaf(delegating), ROOT, delegating),
        (leaf(delegating, extensions[2]), delegating),
        (issue("no list", ROOT),),
        (issue("bad list", ROOT, [tn_auth_list(der.spc("!"))]),),
        (issue("p384", ROOT, [tn_auth_list()], curve=ec.SECP384R1()),),
        (issue("no basic constraints", ROOT, [tn_auth_list()], ca=None),),
    ):
        yield pem(*chain)
        yield chain[0].certificate.public_bytes(Encoding.DER)


def _texts(source: Callable[[], Iterator[str]]) -> Callable[[], Iterator[bytes]]:
    return lambda: (text.encode() for text in source())


SEEDS: Final[Mapping[str, Callable[[], Iterator[bytes]]]] = {
    "token": _texts(tokens),
    "header": _texts(headers),
    "tnauthlist": tn_auth_lists,
    "addresses": _texts(address_lists),
    "certificates": chains,
}

_JSON: Final = (
    *(f'"{name}":' for name in ("alg", "ppt", "typ", "x5u", "crit", "b64")),
    *(f'"{name}":' for name in ("dest", "iat", "msgi", "orig", "div", "tn", "uri")),
    *('"ES256"', '"msg"', '"div"', '"passport"', '"sha256-', '"sha384-', '"sha512-'),
    *("null", "true", "NaN", "-Infinity", "1e999", "-0", "\\u0000", "\\ud800", '\\"'),
    *("{}", "[]", "[[", "}}", "9999999999999999999", '{"tn":[]}', "\u0661", "\ufeff"),
)
_DER: Final = (
    *(bytes([tag]) for tag in (0x30, 0xA0, 0xA1, 0xA2, 0xA3, 0x16, 0x0C, 0x02, 0x04)),
    *(b"\x30\x80", b"\x30\x00", b"\x30\x84\xff\xff\xff\xff", b"\x02\x01\x02"),
)
_WRITING: Final = (";info=<", ";alg=ES256", ";ppt=msg", ';x="', "\\", "\r\n ", "\t")

WORDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "token": (*(word.encode() for word in _JSON), b".", b"..", b"=", b"A", b"_-"),
    "header": tuple(word.encode() for word in (*_WRITING, *_JSON)),
    "tnauthlist": _DER,
    "addresses": tuple(
        word.encode()
        for word in (
            *("/TYPE=PLMN", "/TYPE=IPv4", "+1", "<", ">", "@", ",", ";", ":", '"', "("),
            *(")", "\\", "[", "]", "\r\n ", "\u0661", "\uff0b", "\x85", "\u2028"),
            *("\nFrom:", "\nTo:", "\nCc:", "\nDate:", "\nX-Mms-Expiry:", "GMT", "Fri,"),
            *("\nX-Mms-Message-Type:", "\nX-Mms-Sender-Visibility:", "99999999999999"),
        )
    ),
    "certificates": (
        *_DER,
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----END CERTIFICATE-----\n",
        *(
            bytes.fromhex("06082b0601050507") + bytes.fromhex(suffix)
            for suffix in ("011a", "011b", "0121")
        ),
    ),
}
"""What a mutation inserts; of TNAuthList, 1.3.6.1.5.5.7.1.26 and its siblings."""


def dictionary(words: tuple[bytes, ...]) -> str:
    """Write the words as libFuzzer reads them."""
    spelled = ("".join(f"\\x{octet:02x}" for octet in word) for word in words)
    return "".join(f'"{word}"\n' for word in spelled)

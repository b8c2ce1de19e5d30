"""The ASN.1 of RFC 8226 and RFC 9118 as pyasn1 reads and writes it.

Values are plain ones, in the names of the RFCs: ``[{"spc": "1234"}, {"range":
{"start": "12025550100", "count": 100}}]``. The types of RFC 8226 come from
pyasn1-modules. It lacks the one of RFC 9118, which is put together from these.
"""

from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import strategies as st
from pyasn1.codec.der import decoder, encoder  # type: ignore[import-untyped]
from pyasn1.codec.native import decoder as native_decoder  # type: ignore[import-untyped]
from pyasn1.codec.native import encoder as native_encoder
from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]
from pyasn1.type import constraint, namedtype, tag, univ  # type: ignore[import-untyped]
from pyasn1_modules import rfc5280, rfc8226  # type: ignore[import-untyped]

TN_AUTH_LIST: Final = rfc8226.TNAuthorizationList()
CONSTRAINTS: Final = rfc8226.JWTClaimConstraints()
_MEMBERS: Final = (
    ("mustInclude", rfc8226.JWTClaimNames()),
    ("permittedValues", rfc8226.JWTClaimPermittedValuesList()),
    ("mustExclude", rfc8226.JWTClaimNames()),
)
ENHANCED: Final = univ.Sequence(
    componentType=namedtype.NamedTypes(
        *(
            namedtype.OptionalNamedType(
                name,
                member.subtype(
                    explicitTag=tag.Tag(
                        tag.tagClassContext, tag.tagFormatConstructed, number
                    )
                ),
            )
            for number, (name, member) in enumerate(_MEMBERS)
        )
    ),
    subtypeSpec=constraint.ConstraintsUnion(
        *(
            constraint.WithComponentsConstraint(
                (name, constraint.ComponentPresentConstraint())
            )
            for name, _ in _MEMBERS
        )
    ),
)

TN_AUTH_LIST_OID: Final = str(rfc8226.id_pe_TNAuthList)
CONSTRAINTS_OID: Final = str(rfc8226.id_pe_JWTClaimConstraints)


def encode(schema: Any, value: object) -> bytes:  # noqa: ANN401 - untyped library
    """Write a plain value as DER."""
    octets = encoder.encode(native_decoder.decode(value, asn1Spec=schema))
    assert isinstance(octets, bytes)
    return octets


def decode(schema: Any, octets: bytes) -> Any:  # noqa: ANN401 - any plain value
    """Read DER as a plain value, or None: pyasn1 refuses it."""
    try:
        value, rest = decoder.decode(octets, asn1Spec=schema)
        # Sizes and presence are checked here, all else above.
        found = native_encoder.encode(value)
    except (PyAsn1Error, OverflowError):
        # The second is a fault of pyasn1: a length beyond Python's own. A refusal.
        return None
    return None if rest else _text(found)


def extension(certificate: x509.Certificate, oid: str) -> Any:  # noqa: ANN401 - as above
    """Read one extension, certificate and all, as pyasn1 finds it."""
    found, _ = decoder.decode(
        certificate.public_bytes(Encoding.DER), asn1Spec=rfc5280.Certificate()
    )
    [octets] = [
        bytes(one["extnValue"])
        for one in found["tbsCertificate"]["extensions"]
        if str(one["extnID"]) == oid
    ]
    return decode(rfc5280.certificateExtensionsMap[univ.ObjectIdentifier(oid)], octets)


def _text(value: object) -> object:
    """Make text of the octets that the native codec gives for strings."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {name: _text(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_text(member) for member in value]
    return value


# Octets that nearly are something

_TAGS: Final = b"\x30\x31\x16\x13\x0c\x02\x36\x2c\xa0\xa1\xa2\xa3\x80\x82"
_LENGTHS: Final = b"\x00\x01\x02\x7f\x80\x81\x82\xff"
_OCTETS: Final = st.sampled_from(_TAGS + _LENGTHS) | st.integers(0, 255)


@st.composite
def mutants(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """Change, add, remove or repeat octets of something that is well written."""
    octets = bytearray(draw(originals))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(octets)))
        change = draw(st.sampled_from(["put", "insert", "remove", "step", "repeat"]))
        if change == "insert":
            octets.insert(place, draw(_OCTETS))
        elif change == "put":
            octets[place : place + 1] = bytes([draw(_OCTETS)])
        elif change == "remove":
            del octets[place : place + draw(st.integers(1, 3))]
        elif change == "step" and place < len(octets):
            octets[place] = (octets[place] + draw(st.sampled_from([-1, 1]))) % 256
        elif change == "repeat":
            octets[place:place] = octets[place : draw(st.integers(place, len(octets)))]
    return bytes(octets)


def neighbours(octets: bytes) -> list[bytes]:
    """Every string that differs in one octet."""
    return [
        octets[:place] + bytes([other]) + octets[place + 1 :]
        for place, octet in enumerate(octets)
        for other in range(256)
        if other != octet
    ]

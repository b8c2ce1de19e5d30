"""Names that mean the same have one key; others have others (RFC 5280 §7.1)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import names
from tests.stir.der import sequence, tlv

COUNTRY = bytes.fromhex("550406")
COMMON = bytes.fromhex("550403")
PRINTABLE, UTF8, BMP, INTEGER = 0x13, 0x0C, 0x1E, 0x02


def attribute(kind: bytes, text: bytes, tag: int = PRINTABLE) -> bytes:
    return sequence(tlv(0x06, kind), tlv(tag, text))


def name(*relative: Sequence[bytes] | bytes) -> bytes:
    """A Name; a tuple is a relative name of several attributes."""
    sets = (one if isinstance(one, tuple) else (one,) for one in relative)
    return sequence(*(tlv(0x31, *one) for one in sets))


PLAIN = name(attribute(COUNTRY, b"US"), attribute(COMMON, b"STI-PA CRL"))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(
            name(attribute(COUNTRY, b"US", UTF8), attribute(COMMON, b"STI-PA CRL")),
            id="another-kind-of-string",
        ),
        pytest.param(
            name(attribute(COUNTRY, b"us"), attribute(COMMON, b"sti-pa crl")),
            id="capitals",
        ),
        pytest.param(
            name(attribute(COUNTRY, b"US"), attribute(COMMON, b" STI-PA   CRL ")),
            id="spaces",
        ),
        pytest.param(
            name(
                attribute(COUNTRY, b"US"),
                attribute(COMMON, "STI-PA CRL".encode("utf-16-be"), BMP),
            ),
            id="two-octets-a-character",
        ),
    ],
)
def test_two_spellings_of_one_name(other: bytes) -> None:
    assert names.key(other) == names.key(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(
            name(attribute(COMMON, b"STI-PA CRL"), attribute(COUNTRY, b"US")),
            id="order",
        ),
        pytest.param(name(attribute(COUNTRY, b"US")), id="shorter"),
        pytest.param(
            name(attribute(COUNTRY, b"US"), attribute(COMMON, b"STI-PACRL")),
            id="a-space-less",
        ),
        pytest.param(
            name((attribute(COUNTRY, b"US"), attribute(COMMON, b"STI-PA CRL"))),
            id="one-relative-name",
        ),
        pytest.param(
            name(attribute(COMMON, b"US"), attribute(COMMON, b"STI-PA CRL")),
            id="kind-of-attribute",
        ),
    ],
)
def test_another_name(other: bytes) -> None:
    assert names.key(other) != names.key(PLAIN)


def test_the_attributes_of_a_relative_name_have_no_order() -> None:
    one, other = attribute(COUNTRY, b"US"), attribute(COMMON, b"A")

    assert names.key(name((one, other))) == names.key(name((other, one)))


def test_what_is_no_string_counts_octet_by_octet() -> None:
    keys = {names.key(name(attribute(COMMON, b, INTEGER))) for b in (b"\1", b"\2")}

    assert len(keys) == 2


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="empty"),
        pytest.param(PLAIN[:-1], id="breaks-off"),
        pytest.param(PLAIN + b"\0", id="more"),
        pytest.param(b"\x31" + PLAIN[1:], id="no-sequence"),
        pytest.param(sequence(sequence()), id="no-set"),
        pytest.param(sequence(tlv(0x31)), id="empty-relative-name"),
        pytest.param(sequence(tlv(0x31, tlv(0x31))), id="no-attribute"),
        pytest.param(
            name(sequence(tlv(0x06, COMMON), tlv(0x13, b"A"), b"\5\0")), id="three"
        ),
        pytest.param(name(attribute(COMMON, b"\xff", UTF8)), id="no-utf-8"),
        pytest.param(b"\x30\x80\0\0", id="indefinite-length"),
        pytest.param(b"\x30\x81\x00", id="length-too-long"),
        pytest.param(b"\x3f\x00", id="tag-of-several-octets"),
    ],
)
def test_what_is_no_name_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"DER|codec"):
        names.key(octets)


@given(st.binary(max_size=40))
def test_any_octets_are_a_name_or_refused(octets: bytes) -> None:
    try:
        names.key(octets)
    except ValueError:
        return


@given(st.binary(max_size=12), st.integers(0, 60))
def test_a_name_that_was_spoilt_is_a_name_or_refused(octets: bytes, at: int) -> None:
    try:
        names.key(PLAIN[:at] + octets + PLAIN[at + len(octets) :])
    except ValueError:
        return

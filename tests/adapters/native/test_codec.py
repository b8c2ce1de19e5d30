"""Frames: what is read is what was written, and what is none is refused."""

import string
import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.adapters.native import codec
from stirmilter.adapters.native.codec import ProtocolError

WORDS = st.binary(max_size=60).map(lambda octets: octets.replace(b"\0", b""))
NAMES = st.text(string.ascii_letters + string.digits + "-_{}", min_size=1, max_size=20)
SAID = st.text(st.characters(blacklist_categories=("C", "Z"), blacklist_characters="%"))


def unpacked(octets: bytes) -> tuple[bytes, bytes]:
    """One whole frame: its kind and its data."""
    [length] = struct.unpack_from("!I", octets)
    assert length == len(octets) - 4
    return octets[4:5], octets[5:]


@given(st.dictionaries(NAMES, WORDS, max_size=8))
def test_macros_are_read_as_they_are(defined: dict[str, bytes]) -> None:
    data = b"".join(n.encode() + b"\0" + v + b"\0" for n, v in defined.items())

    found = codec.macros(data)

    assert {n: v.encode("utf-8", "surrogateescape") for n, v in found.items()} == (
        defined
    )


@given(NAMES, WORDS)
def test_a_header_field_is_read_with_its_octets(name: str, value: bytes) -> None:
    assert codec.header(name.encode() + b"\0" + value + b"\0") == (name, value)


@given(WORDS, st.lists(WORDS, max_size=4))
def test_of_a_command_the_first_argument_counts(
    first: bytes, parameters: list[bytes]
) -> None:
    data = b"\0".join([first, *parameters, b""])

    assert codec.argument(data).encode("utf-8", "surrogateescape") == first


@given(WORDS, st.ip_addresses(), st.sampled_from([b"", b"IPv6:"]))
def test_a_client_is_read_with_its_address(
    name: bytes, address: IPv4Address | IPv6Address, prefix: bytes
) -> None:
    family = b"4" if address.version == 4 else b"6"
    shown = (b"" if address.version == 4 else prefix) + str(address).encode()

    read, found = codec.client(name + b"\0" + family + b"\0\x19" + shown + b"\0")

    assert read.encode("utf-8", "surrogateescape") == name
    assert found == address


@pytest.mark.parametrize("rest", [b"U", b"L\0\0/run/x\0"])
def test_a_client_that_came_over_no_network_has_no_address(rest: bytes) -> None:
    assert codec.client(b"localhost\0" + rest) == ("localhost", None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"name",
        b"name\0",
        b"name\0X\0\x19x\0",
        b"name\x004\0",
        b"name\0L\0\0",
        b"name\x004\0\x19192.0.2.1",
        b"name\x004\0\x19192.0.2.1\0more\0",
        b"name\x004\0\x19192.0.2\0",
        b"name\x004\0\x19\0",
        b"name\x006\0\x19host\0",
    ],
)
def test_what_is_no_client_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        codec.client(data)


@pytest.mark.parametrize("data", [b"", b"name", b"name\0value", b"\0value\0", b"n\0"])
def test_what_is_no_header_field_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        codec.header(data)


def test_a_value_with_a_nul_is_no_value() -> None:
    """libmilter reads the part before it, which is another field than was sent."""
    with pytest.raises(ProtocolError):
        codec.header(b"Subject\0one\0two\0")


@pytest.mark.parametrize("data", [b"", b"<a@one.example>"])
def test_a_command_without_a_string_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        codec.argument(data)


@pytest.mark.parametrize("data", [b"i", b"i\0", b"i\0one\0v\0"])
def test_a_macro_without_a_value_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        codec.macros(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("!II", 6, 0x1FF),
        struct.pack("!III", 1, 0x1FF, 0x1FFFFF),
        struct.pack("!III", 1 << 31, 0x1FF, 0x1FFFFF),
    ],
)
def test_an_mta_of_another_protocol_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        codec.agree(data)


@given(
    st.dictionaries(st.integers(0, 6), st.lists(NAMES, min_size=1, max_size=5)),
    st.integers(0, 0x1FF),
)
def test_macros_are_chosen_of_an_mta_that_lets_us(
    chosen: dict[int, list[str]], actions: int
) -> None:
    agreed = codec.agree(struct.pack("!III", 6, actions, 0x1FFFFF))

    kind, data = unpacked(codec.options(agreed, chosen))

    assert kind == b"O"
    assert data[:12] == struct.pack("!III", *agreed)
    lists = b"".join(
        struct.pack("!I", stage) + " ".join(names).encode() + b"\0"
        for stage, names in chosen.items()
    )
    assert data[12:] == (lists if actions & 0x100 else b"")


@given(
    NAMES.filter(lambda name: ":" not in name),
    st.lists(SAID, min_size=1, max_size=4),
    st.sampled_from(["\n\t", "\n "]),
)
def test_a_field_is_written_as_one_field(
    name: str, lines: list[str], fold: str
) -> None:
    value = fold.join(lines)

    kind, data = unpacked(codec.insert_header(name, value))

    assert (kind, data[:4]) == (b"i", bytes(4))
    assert codec.header(data[4:]) == (name, value.encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PASSporT", "x\r\n y"),
        ("PASSporT", "x\nX-Other: y"),
        ("PASSporT", "x\n"),
        ("PASSporT", "x\0"),
        ("PASS porT", "x"),
        ("PASSporT:", "x"),
        ("", "x"),
    ],
)
def test_what_would_be_another_field_is_not_written(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="no header field"):
        codec.insert_header(name, value)


def test_a_removal_names_its_occurrence() -> None:
    kind, data = unpacked(codec.remove_header("Authentication-Results", 3))

    assert (kind, data) == (b"m", b"\0\0\0\3Authentication-Results\0\0")


@given(st.sampled_from(["451", "552"]), SAID.filter(lambda said: len(said) < 200))
def test_a_reply_is_one_line(code: str, said: str) -> None:
    kind, data = unpacked(codec.reply(code, f"{code[0]}.7.1", said))

    assert kind == b"y"
    assert data == f"{code} {code[0]}.7.1 {said}\0".encode()


@pytest.mark.parametrize(
    ("code", "enhanced", "said"),
    [
        ("250", "2.0.0", "fine"),
        ("45", "4.0.0", "x"),
        ("451", "4.0", "x"),
        ("451", "4.0.0", "x\r\n250 y"),
        ("451", "4.0.0", "100%"),
        ("451", "4.0.0", "x" * 1_000),
    ],
)
def test_what_is_no_reply_is_not_written(code: str, enhanced: str, said: str) -> None:
    with pytest.raises(ValueError, match="no reply"):
        codec.reply(code, enhanced, said)


def test_a_reason_to_quarantine_is_one_line() -> None:
    assert unpacked(codec.quarantine("stirmilter: x")) == (b"q", b"stirmilter: x\0")
    for reason in ("", "x\ny", "x\0"):
        with pytest.raises(ValueError, match="no reason"):
            codec.quarantine(reason)

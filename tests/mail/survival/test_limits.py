"""How far a multipart is taken apart, and what is said of one that goes beyond."""

import pytest

from stirmilter.mail.survival import BodyHazards, PartLimits
from stirmilter.mail.survival.diagnosis import explain
from stirmilter.stir.msgi import digest_body
from tests.mail.survival.relays import MULTIPART, multipart, part, quoted

TYPE = b"Content-Type: text/plain; charset=utf-8"
EIGHT = b"Content-Transfer-Encoding: 8bit"
QP = b"Content-Transfer-Encoding: quoted-printable"
TEXT = "früh = spät".encode()
RECODED = "8-bit parts recoded"
HEADER = len(TYPE + b"\r\n" + QP + b"\r\n\r\n")
OUTER = part(b"", b"Content-Type: multipart/mixed; boundary=other")


def told(before: bytes, after: bytes, limits: PartLimits) -> str | None:
    claim = digest_body(before).value()
    return explain(after, claim, [MULTIPART], 1 << 25, limits)


def hazards(body: bytes, limits: PartLimits) -> set[str]:
    collector = BodyHazards([MULTIPART], limits)
    collector.update(body)
    return set(collector.finish())


def recoded(*others: bytes) -> tuple[bytes, bytes]:
    """A multipart with one part in 8 bits, and what a relay makes of it."""
    before = multipart(*others, part(TEXT, TYPE, EIGHT))
    return before, multipart(*others, part(quoted(TEXT), TYPE, QP))


@pytest.mark.parametrize(("most", "text"), [(4, RECODED), (3, None)])
def test_a_multipart_of_more_parts_is_not_explained(
    most: int, text: str | None
) -> None:
    before, after = recoded(*[part(b"a", TYPE)] * 3)

    assert told(before, after, PartLimits(parts=most)) == text


@pytest.mark.parametrize(("most", "text"), [(HEADER, RECODED), (HEADER - 1, None)])
def test_of_a_longer_header_of_a_part_nothing_is_read(
    most: int, text: str | None
) -> None:
    before, after = recoded()

    assert told(before, after, PartLimits(header_octets=most)) == text


@pytest.mark.parametrize(("most", "text"), [(2, RECODED), (1, None)])
def test_the_parts_of_more_multiparts_are_not_told_apart(
    most: int, text: str | None
) -> None:
    before, after = (one.replace(b"--b-1", b"--other") for one in recoded())

    assert told(OUTER + before, OUTER + after, PartLimits(boundaries=most)) == text


@pytest.mark.parametrize(("spare", "found"), [(0, {"8bit"}), (1, set())])
def test_what_a_longer_header_says_is_no_hazard(spare: int, found: set[str]) -> None:
    """The line of the boundary counts as well."""
    most = len(b"--b-1\r\n" + EIGHT) - spare

    body = multipart(part(b"a", EIGHT))

    assert hazards(body, PartLimits(header_octets=most)) == found


@pytest.mark.parametrize(("most", "found"), [(2, {"8bit"}), (1, set())])
def test_what_further_multiparts_say_is_no_hazard(most: int, found: set[str]) -> None:
    inner = part(b"a", EIGHT).replace(b"--b-1", b"--other")

    assert hazards(OUTER + inner, PartLimits(boundaries=most)) == found


@pytest.mark.parametrize(("most", "found"), [(3, {"8bit"}), (2, set())])
def test_what_more_parts_say_is_no_hazard(most: int, found: set[str]) -> None:
    body = multipart(*[part(b"a", TYPE)] * 2, part(b"a", TYPE, EIGHT))

    assert hazards(body, PartLimits(parts=most)) == found


def test_a_body_of_nothing_but_boundaries_is_not_read_part_by_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each could be a header of eight kilobytes; a megabyte took a minute."""
    read: list[bytes] = []
    before = BodyHazards._read_part

    def counted(collector: BodyHazards, octets: bytes) -> None:
        read.append(octets)
        before(collector, octets)

    monkeypatch.setattr(BodyHazards, "_read_part", counted)
    collector = BodyHazards([MULTIPART], PartLimits(parts=5))
    for _ in range(4):
        collector.update(b"--b-1\r\n" * 9_000)

    collector.finish()
    assert len(read) == 5

"""Which known change altered a body: each is made as relays make it, and found."""

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stirmilter.mail.survival.diagnosis import explain
from stirmilter.mail.survival.mutations import unwrap
from stirmilter.stir.msgi import ALGORITHMS, digest_body
from tests.mail.survival.relays import (
    MULTIPART,
    multipart,
    part,
    quoted,
    wrapped,
)

LONG = b"short\r\n" + b"<smil>" + b"x" * 5000 + b"</smil>\r\nend\r\n"
TEXT = b"Hello Bob\r\n-- \r\nAlice\r\n"
GREETING = (
    "Grüße, wie früh = spät; und eine recht lange Zeile, länger als 76 \r\n".encode()
)
TYPE = b"Content-Type: text/plain; charset=utf-8"
ID = b"Content-ID: <x>"
QP = b"Content-Transfer-Encoding: quoted-printable"
EFFORT = 1 << 25


def told(
    before: bytes,
    after: bytes,
    *header: tuple[str, bytes],
    algorithm: str = "sha256",
    effort: int = EFFORT,
) -> str | None:
    return explain(after, digest_body(before).value(algorithm), header, effort)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        pytest.param(LONG, wrapped(LONG), "wrapped at 998", id="wrapped"),
        pytest.param(LONG, wrapped(LONG, 990), "wrapped at 990", id="old-postfix"),
        pytest.param(
            b"ab" * 900 + b"\r\n",
            b"ab" * 490 + b"!\r\n " + b"ab" * 410 + b"\r\n",
            "wrapped with exclamation marks",
            id="sendmail",
        ),
        pytest.param(
            LONG,
            wrapped(LONG) + b"_____\r\nlist\r\n",
            "wrapped at 998; footer appended (13 octets)",
            id="wrapped-and-footer",
        ),
        pytest.param(
            TEXT, TEXT + b"\r\n\r\n", "empty lines added at the end", id="lines-added"
        ),
        pytest.param(
            TEXT + b"\r\n" * 3,
            TEXT,
            "empty lines removed from the end",
            id="lines-lost",
        ),
        pytest.param(
            TEXT[:-2], TEXT, "empty lines added at the end", id="newline-added"
        ),
        pytest.param(
            TEXT, TEXT + b" \t\r\n", "spaces added at the end", id="spaces-at-the-end"
        ),
        pytest.param(
            b"a\r\nb\r\nc\r\n",
            b"a \r\nb\t\r\nc\r\n",
            "spaces added at line ends",
            id="spaces",
        ),
        pytest.param(
            TEXT,
            TEXT.replace(b"-- \r", b"--\r"),
            "space lost at the signature separator",
            id="separator",
        ),
        pytest.param(
            TEXT, TEXT + b"--\r\nlist\r\n", "footer appended (10 octets)", id="footer"
        ),
        pytest.param(
            TEXT[:-2],
            TEXT + b"ad\r\n",
            "footer appended (6 octets)",
            id="footer-newline",
        ),
        pytest.param(
            TEXT, b"[ad]\r\n" + TEXT, "lines put in front (6 octets)", id="banner"
        ),
        pytest.param(
            multipart(part(b"a")),
            b"This is MIME\r\n" + multipart(part(b"a")),
            "preamble added (14 octets)",
            id="preamble-added",
        ),
        pytest.param(
            b"This is a multi-part message in MIME format.\r\n" + multipart(part(b"a")),
            multipart(part(b"a")),
            "preamble removed",
            id="preamble-removed",
        ),
        pytest.param(
            multipart(part(b"a")),
            multipart(part(b"a"), part(b"list", TYPE)),
            "part added to the multipart",
            id="part-added",
        ),
        pytest.param(b"a\n.b\n", b"a\r\n.b\r\n", "LF made CRLF", id="LF"),
        pytest.param(
            b"a\r\nb\r\n", b"a\r\r\nb\r\r\n", "CR added at line ends", id="CR"
        ),
        pytest.param(
            b".a\r\nb\r\n..c\r\n",
            b"..a\r\nb\r\n...c\r\n",
            "dots at line starts doubled",
            id="dots-doubled",
        ),
        pytest.param(
            b"..a\r\nb\r\n..c\r\n",
            b".a\r\nb\r\n.c\r\n",
            "dots at line starts halved",
            id="dots-halved",
        ),
        pytest.param(
            b"a\r\nFrom b\r\n",
            b"a\r\n>From b\r\n",
            "From at line starts escaped",
            id="from",
        ),
        pytest.param(
            b"a\r\nb\r\nc\r\n",
            b"a\r\n\r\nb\r\n\r\nc\r\n\r\n",
            "empty lines added between lines",
            id="spread",
        ),
        pytest.param(TEXT, b"Hello Mallory\r\n", None, id="another-body"),
        pytest.param(TEXT, b"", None, id="nothing-left"),
        pytest.param(
            b"", b"Hello\r\n", "footer appended (7 octets)", id="it-was-empty"
        ),
    ],
)
def test_each_known_change_is_told(
    before: bytes, after: bytes, text: str | None, algorithm: str
) -> None:
    found = told(before, after, algorithm=algorithm)

    assert found == text


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("encoding", ["8bit", "binary", "8BIT"])
def test_parts_that_postfix_made_quoted_printable_are_recognised(
    place: int, encoding: str
) -> None:
    """Its field goes to the end of the part's header, wherever the old one stood."""
    ours = b"Content-Transfer-Encoding: " + encoding.encode()
    fields = [TYPE, ID]
    fields.insert(place, ours)
    media = part(b"AAAA", b"Content-Transfer-Encoding: base64")
    before = multipart(part(GREETING, *fields), media, part(b"<smil/>", *fields))
    after = multipart(
        part(quoted(GREETING), TYPE, ID, QP), media, part(b"<smil/>", TYPE, ID, QP)
    )

    assert told(before, after, MULTIPART) == "8-bit parts recoded"


def test_a_nested_multipart_that_says_8bit_is_no_obstacle() -> None:
    inner = b"--c\r\n" + TYPE + b"\r\n%s\r\n\r\n" + b"%s\r\n--c--"
    kind = b"Content-Type: multipart/alternative; boundary=c"
    eight, seven = (b"Content-Transfer-Encoding: " + x for x in (b"8bit", b"7bit"))
    before = multipart(part(inner % (eight, GREETING), kind, eight))
    after = multipart(part(inner % (QP, quoted(GREETING)), kind, seven))

    assert told(before, after, MULTIPART) == "8-bit parts recoded"


def test_a_part_that_was_quoted_printable_before_stays_so() -> None:
    old = part(b"fr=C3=BCh", QP, TYPE)
    before = multipart(old, part(GREETING, b"Content-Transfer-Encoding: 8bit", TYPE))
    after = multipart(old, part(quoted(GREETING), TYPE, QP))

    assert told(before, after, MULTIPART) == "8-bit parts recoded"


def test_a_conversion_that_sendmail_marks_is_recognised() -> None:
    before = multipart(part(b"<smil/>", b"Content-Transfer-Encoding: 8bit", TYPE))
    mark = b"X-MIME-Autoconverted: from 8bit to base64 by mx.example id x"
    encoded = base64.b64encode(b"<smil/>")
    after = multipart(part(encoded, b"Content-Transfer-Encoding: base64", TYPE, mark))

    assert told(before, after, MULTIPART) == "8-bit parts recoded"


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("quoted-printable", quoted(GREETING)),
        ("base64", base64.encodebytes(GREETING).replace(b"\n", b"\r\n")),
    ],
)
def test_a_body_of_one_part_needs_no_guess(encoding: str, written: bytes) -> None:
    header = ("content-transfer-encoding", f" {encoding}".encode())

    assert told(GREETING, written, header) == "8-bit parts recoded"
    assert told(GREETING, written) is None


def test_recoded_and_wrapped_is_told_as_both() -> None:
    smil = part(b"<smil>" + b"x" * 2000, b"Content-Type: application/smil")
    eight = b"Content-Transfer-Encoding: 8bit"
    before = multipart(smil, part(GREETING, TYPE, eight))
    after = wrapped(multipart(smil, part(quoted(GREETING), TYPE, QP)))

    assert told(before, after, MULTIPART) == "wrapped at 998; 8-bit parts recoded"


LINES = st.lists(
    st.integers(0, 4200).map(lambda size: b"x y" * (size // 3) + b"z" * (size % 3)),
    min_size=1,
    max_size=6,
).map(lambda lines: b"".join(line + b"\r\n" for line in lines))


@given(LINES, st.sampled_from([998, 990, 100]))
def test_what_postfix_wraps_is_joined_again(body: bytes, limit: int) -> None:
    assert unwrap(wrapped(body, limit), limit) == body


@pytest.mark.parametrize("size", [997, 998, 999, 1995, 1996, 2048, 998 + 997 * 3])
def test_a_line_that_ends_at_a_limit_is_joined_again(size: int) -> None:
    body = b"." * size + b"\r\nend\r\n"

    assert unwrap(wrapped(body), 998) == body


@given(st.binary(max_size=300), st.binary(max_size=40), st.booleans())
@settings(max_examples=200)
def test_any_body_is_looked_at_without_an_error(
    body: bytes, more: bytes, mime: bool
) -> None:
    header = [MULTIPART] if mime else [("Content-Transfer-Encoding", b"base64")]
    explain(body + more, digest_body(body).value(), header, EFFORT)


CONTENT = st.lists(
    st.sampled_from([b"a", b" ", b"\xc3\xbc", b"=", b"\t", b"\r\n", b"x" * 70, b"."]),
    max_size=40,
).map(b"".join)


@given(st.lists(CONTENT, min_size=1, max_size=3))
def test_whatever_postfix_recodes_is_recognised(contents: list[bytes]) -> None:
    eight = b"Content-Transfer-Encoding: 8bit"
    before = multipart(*(part(content, TYPE, eight) for content in contents))
    after = multipart(*(part(quoted(content), TYPE, QP) for content in contents))

    assert told(before, after, MULTIPART) == "8-bit parts recoded"


def test_the_effort_bounds_the_search() -> None:
    before, after = LONG, wrapped(LONG)

    assert told(before, after, effort=1000) is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b" " * (1 << 20), id="spaces"),
        pytest.param(b"\r" * (1 << 20), id="CR"),
        pytest.param(b"\r\n" * (1 << 19), id="empty-lines"),
        pytest.param(b"\r\n--" * (1 << 18), id="hyphens"),
        pytest.param(b"\r\n--b-1" * (1 << 17), id="boundaries"),
        pytest.param((b"\r\n--b-1\r\n" + QP + b"\r\n\r\n=FF") * (1 << 14), id="parts"),
        pytest.param(b"!\r\n " * (1 << 18), id="wraps"),
        pytest.param(
            b"".join(
                b"--b-1\r\nContent-Type: multipart/x; boundary=%d\r\n\r\n" % n
                for n in range(20_000)
            ),
            id="nested",
        ),
    ],
)
def test_a_hostile_body_costs_bounded_time(body: bytes) -> None:
    claim = digest_body(b"something else").value()
    started = time.process_time()

    assert explain(body, claim, [MULTIPART], EFFORT) is None

    assert time.process_time() - started < 5

"""What is a record of DMARC, and what one says of a domain."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.checks.dmarcrecord import Record, parse
from tests.untraced import untraced

RUA = "rua=mailto:dmarc@example.net"


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1",
        "v=DMARC1;",
        "V = DMARC1 ; p=none",
        "v\t=\tDMARC1\t;p=none",
        "v=DMARC1;;;p=none",
        "v=DMARC1; p=none; \u00ff=1; no tag; x=1; =; p",
    ],
)
def test_it_is_the_version_that_makes_a_record(text: str) -> None:
    assert parse(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=dmarc1; p=none",
        "v=DMARC2; p=none",
        "v=DMARC1x; p=none",
        "v=DMARC1 p=none",
        " v=DMARC1; p=none",
        "p=none; v=DMARC1",
        "v=spf1 -all",
        "\u00a0v=DMARC1; p=none",
        "v=DMARC1; p=none;" + "x" * 8_192,
    ],
)
def test_all_else_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("tags", "record"),
    [
        ("p=none", Record(p="none")),
        ("P=Reject", Record(p="reject")),
        ("p = quarantine ", Record(p="quarantine")),
        ("p=none; sp=reject; np=quarantine", Record(p="none", sp="reject",
                                                    np="quarantine")),
        ("p=none; adkim=s; aspf=S", Record(p="none", strict_dkim=True,
                                           strict_spf=True)),
        ("p=none; adkim=strict; aspf=r", Record(p="none")),
        ("p=none; psd=y", Record(p="none", psd="y")),
        ("p=none; psd=N", Record(p="none", psd="n")),
        ("p=none; psd=maybe", Record(p="none")),
        ("p=none; t=y", Record(p="none", testing=True)),
        ("p=none; t=yes", Record(p="none")),
        ("p=none; p=reject", Record(p="none")),
        ("p=none; pct=0; rf=afrf; ri=1; unknown=1", Record(p="none")),
        (f"p=none; {RUA}", Record(p="none", reported=True)),
        ("p=none; rua=dmarc@example.net", Record(p="none")),
        ("p=none; rua=mailto:", Record(p="none")),
        ("p=none; rua=mailto:a b", Record(p="none")),
        ("p=none; rua=x , https://example.net/%41", Record(p="none", reported=True)),
        ("p=none; rua=mailto:a@example.net!10m", Record(p="none", reported=True)),
        ("p=non\u00e9; p=none", Record(p="none")),
        ("", Record(sound=False)),
        ("p=", Record(sound=False)),
        ("p=nothing", Record(sound=False)),
        ("p=reject; sp=nothing", Record(p="reject", sound=False)),
        ("p=reject; np=nothing", Record(p="reject", sound=False)),
    ],
)  # fmt: skip
def test_what_follows_is_read_leniently(tags: str, record: Record) -> None:
    assert parse(f"v=DMARC1; {tags}") == record


@pytest.mark.parametrize(
    ("tags", "own", "above", "absent"),
    [
        ("p=reject", "reject", "reject", "reject"),
        ("p=reject; sp=quarantine", "reject", "quarantine", "quarantine"),
        ("p=none; np=reject", "none", "none", "reject"),
        ("p=none; sp=quarantine; np=reject", "none", "quarantine", "reject"),
        ("p=reject; sp=none", "reject", "none", "none"),
        ("p=reject; t=y", "quarantine", "quarantine", "quarantine"),
        ("p=quarantine; np=reject; t=y", "none", "none", "quarantine"),
        ("p=reject; t=n", "reject", "reject", "reject"),
        (f"{RUA}", "none", "none", "none"),
        (f"p=reject; sp=nothing; {RUA}", "none", "none", "none"),
    ],
)
def test_the_policy_depends_on_whose_record_it_is(
    tags: str, own: str, above: str, absent: str
) -> None:
    record = parse(f"v=DMARC1; {tags}")

    assert record is not None
    assert record.applies
    assert record.policy(own=True, exists=False) == own
    assert record.policy(own=False, exists=True) == above
    assert record.policy(own=False, exists=False) == absent


@pytest.mark.parametrize("tags", ["", "p=nothing", "p=reject; sp=nothing"])
def test_no_policy_and_no_reports_are_no_dmarc(tags: str) -> None:
    """RFC 9989 §4.10.1."""
    record = parse(f"v=DMARC1; {tags}")

    assert record is not None
    assert not record.applies


@given(st.text(alphabet="vDMARC1=;p srejctnoua: \t,!%\u00ff", max_size=60))
def test_no_text_makes_an_exception(text: str) -> None:
    for one in (text, f"v=DMARC1;{text}"):
        record = parse(one)
        if record is not None:
            record.policy(own=False, exists=False)


@pytest.mark.parametrize("piece", [";", "a=", "p=none;", " ", "rua=a:b,", "%", "a"])
@pytest.mark.parametrize("limit", [8_192, 1_000_000])
def test_a_hostile_record_costs_little(piece: str, limit: int) -> None:
    text = "v=DMARC1;rua=" + piece * (300_000 // len(piece))
    before = time.process_time()

    with untraced():
        parse(text, limit)

    assert time.process_time() - before < 1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir.result import (
    DETAIL_LENGTH,
    Reason,
    StirResult,
    Unverified,
    most_informed,
    printable,
)

TABLE = {
    ("verified", "pass", None),
    ("no-passport", "none", 428),
    ("unsupported-ppt", "none", 428),
    ("malformed", "permerror", 438),
    ("too-many-passports", "permerror", 438),
    ("unsupported-algorithm", "neutral", 437),
    ("stale", "fail", 403),
    ("from-the-future", "fail", 403),
    ("orig-mismatch", "fail", 438),
    ("dest-mismatch", "fail", 438),
    ("dest-partial", "policy", 438),
    ("no-msgi", "policy", 438),
    ("replayed", "fail", 403),
    ("credential-unavailable", "temperror", 436),
    ("credential-malformed", "permerror", 437),
    ("credential-untrusted", "fail", 437),
    ("credential-expired", "fail", 437),
    ("credential-revoked", "fail", 437),
    ("status-unavailable", "temperror", 436),
    ("not-authorized", "fail", 437),
    ("spc-not-accepted", "policy", 437),
    ("claim-constrained", "fail", 437),
    ("bad-signature", "fail", 438),
    ("body-altered", "fail", 438),
    ("headers-unprotected", "policy", 438),
    ("replay-unknown", "temperror", None),
}


@pytest.mark.conformance("F-08", "H-08", "V-01", "V-16")
def test_reasons_are_the_table_of_the_product() -> None:
    assert {(r.code, r.word, r.sip_code) for r in Reason} == TABLE
    assert len(Reason) == len(TABLE)


def test_only_one_reason_passes() -> None:
    assert [r for r in Reason if r.word == "pass"] == [Reason.VERIFIED]
    assert [r for r in Reason if StirResult(r).passed] == [Reason.VERIFIED]


@pytest.mark.parametrize(
    ("less", "more"),
    [
        pytest.param(Reason.NO_PASSPORT, Reason.UNSUPPORTED_PPT, id="none-then-call"),
        pytest.param(Reason.UNSUPPORTED_PPT, Reason.MALFORMED, id="call-then-broken"),
        pytest.param(Reason.MALFORMED, Reason.ORIG_MISMATCH, id="broken-then-foreign"),
        pytest.param(Reason.ORIG_MISMATCH, Reason.STALE, id="foreign-then-stale"),
        pytest.param(Reason.STALE, Reason.BODY_ALTERED, id="stale-then-altered"),
        pytest.param(
            Reason.BODY_ALTERED, Reason.CREDENTIAL_UNAVAILABLE, id="altered-then-fetch"
        ),
        pytest.param(
            Reason.CREDENTIAL_EXPIRED, Reason.NOT_AUTHORIZED, id="expired-then-number"
        ),
        pytest.param(
            Reason.NOT_AUTHORIZED, Reason.BAD_SIGNATURE, id="number-then-signature"
        ),
        pytest.param(Reason.BAD_SIGNATURE, Reason.REPLAYED, id="signature-then-replay"),
        pytest.param(Reason.REPLAYED, Reason.NO_MSGI, id="replay-then-policy"),
        pytest.param(
            Reason.HEADERS_UNPROTECTED, Reason.VERIFIED, id="policy-then-pass"
        ),
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["in-order", "turned-round"])
@pytest.mark.conformance("V-13")
def test_most_informed_result_speaks(less: Reason, more: Reason, turned: bool) -> None:
    results = [StirResult(less), StirResult(more)]

    found = most_informed(reversed(results) if turned else results)

    assert found.reason is more


def test_no_result_at_all_is_no_passport() -> None:
    assert most_informed([]) == StirResult(Reason.NO_PASSPORT)


def test_first_of_equals_speaks() -> None:
    first = StirResult(Reason.STALE, "first")

    assert most_informed([first, StirResult(Reason.STALE, "second")]) is first


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain; =<>\"'()", "plain; =<>\"'()", id="ascii-stays"),
        pytest.param("a\r\nX-Bad: b", r"a\u{d}\u{a}X-Bad: b", id="crlf"),
        pytest.param("\x1b[31m", r"\u{1b}[31m", id="terminal-escape"),
        pytest.param("\x00\x7f\x9b", r"\u{0}\u{7f}\u{9b}", id="nul-del-csi"),
        pytest.param("\u202e321", r"\u{202e}321", id="right-to-left-override"),
        pytest.param("\u2028", r"\u{2028}", id="line-separator"),
        pytest.param("\u0661\uff11", r"\u{661}\u{ff11}", id="digits-of-other-scripts"),
        pytest.param("\U0001f4a3", r"\u{1f4a3}", id="beyond-the-basic-plane"),
        pytest.param("\ud800", r"\u{d800}", id="lone-surrogate"),
    ],
)
def test_strange_text_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert Unverified(Reason.MALFORMED, text).detail == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("x" * 120, "x" * 120, id="as-long-as-allowed"),
        pytest.param("x" * 121, "x" * 117 + "...", id="one-too-long"),
        pytest.param("\n" * 120, r"\u{a}" * 23 + r"\u" + "...", id="longer-by-escapes"),
    ],
)
def test_long_text_is_cut(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(max_size=300))
def test_detail_is_one_short_line_of_ascii(text: str) -> None:
    detail = Unverified(Reason.MALFORMED, text).detail

    assert len(detail) <= DETAIL_LENGTH
    assert detail.isascii()
    assert not detail or detail.isprintable()


def test_a_refusal_may_say_no_more_than_its_reason() -> None:
    error = Unverified(Reason.STALE)

    assert (error.detail, error.rule, str(error)) == ("", "", "stale: ")


def test_a_refusal_tells_its_rule() -> None:
    assert Unverified(Reason.STALE, "old", "RFC 8224").rule == "RFC 8224"


def test_exception_text_names_the_code() -> None:
    assert str(Unverified(Reason.STALE, "a\nb")) == r"stale: a\u{a}b"

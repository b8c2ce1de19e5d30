"""What is said of a TNAuthList that is refused: the entry, quoted."""

import pytest

from stirmilter.stir import hazmat
from stirmilter.stir.result import Reason, printable
from stirmilter.stir.tnauthlist import TNAuthList
from tests.stir import der
from tests.stir.refusals import said

RULE = "RFC 8226 §9"


@pytest.mark.parametrize(
    ("entry", "detail"),
    [
        pytest.param(der.spc("12 4"), "spc '12 4'", id="code-with-a-blank"),
        pytest.param(der.spc("1" * 65), f"spc '{'1' * 65}'", id="code-of-65"),
        pytest.param(der.one("+1"), "one '+1'", id="number-with-a-plus"),
        pytest.param(der.one(""), "one ''", id="empty-number"),
        pytest.param(
            der.block("12#", 2), "range start '12#'", id="range-from-a-service-code"
        ),
        pytest.param(der.block("12", 1), "the count of range 12", id="range-of-one"),
        pytest.param(
            der.block("99", 2), "the count of range 99", id="range-over-the-end"
        ),
        pytest.param(
            der.block("12", 10**5000), "the count of range 12", id="endless-range"
        ),
    ],
)
def test_refusals_of_an_entry(entry: bytes, detail: str) -> None:
    assert said(lambda: TNAuthList.decode(der.sequence(der.spc("1234"), entry))) == (
        Reason.CREDENTIAL_MALFORMED,
        f"TNAuthList: {detail}",
        RULE,
    )


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="no-octets"),
        pytest.param(der.sequence(), id="no-entry"),
        pytest.param(der.sequence(der.explicit(3, der.ia5("1"))), id="unknown-tag"),
    ],
)
def test_what_the_decoder_says_is_told(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        hazmat.decode_tn_auth_list(octets)

    refusal = said(lambda: TNAuthList.decode(octets))

    assert refusal == (
        Reason.CREDENTIAL_MALFORMED,
        printable(f"TNAuthList: {caught.value}"),
        RULE,
    )


def test_codes_of_64_characters_are_read() -> None:
    assert TNAuthList.decode(der.sequence(der.spc("1" * 64))).spcs == ("1" * 64,)

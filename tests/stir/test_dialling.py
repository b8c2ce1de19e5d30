"""Whether a token names what stands there as somebody dials it."""

import phonenumbers
import pytest

from stirmilter.stir import dialling, tn

BOB = "13125550100"
BERLIN = "4930123456"
MOSCOW = "79161234567"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param(f"+{BOB}", BOB, id="global"),
        pytest.param(BOB, BOB, id="without-the-plus"),
        pytest.param("3125550100", BOB, id="national"),
        pytest.param("5550100", BOB, id="local"),
        pytest.param("550100", BOB, id="six-digits"),
        pytest.param(f"011{BOB}", BOB, id="abroad-from-america"),
        pytest.param(f"0011{BERLIN}", BERLIN, id="abroad-from-australia"),
        pytest.param(f"00{BOB}", BOB, id="abroad"),
        pytest.param(f"810{BERLIN}", BERLIN, id="abroad-from-russia"),
        pytest.param("030123456", BERLIN, id="trunk-0"),
        pytest.param("89161234567", MOSCOW, id="trunk-8"),
        pytest.param("12345", "12345", id="short-and-named"),
        pytest.param("*123", "*123", id="service-code-and-named"),
    ],
)
def test_what_a_named_number_is_dialled_as_is_explained(text: str, number: str) -> None:
    assert dialling.unexplained([text], {"12025550199", number}) == 0


@pytest.mark.conformance("V-06")
@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("+13125550199", {BOB}, id="another-number"),
        pytest.param("0013125550199", {BOB}, id="another-from-abroad"),
        pytest.param("3125550199", {BOB}, id="another-national"),
        pytest.param("99913125550100", {BOB}, id="longer"),
        pytest.param("50100", {BOB}, id="five-digits"),
        pytest.param("000050100", {BOB}, id="five-digits-and-zeros"),
        pytest.param("+550100", {BOB}, id="global-and-shorter"),
        pytest.param(f"#31#+{BOB}", {BOB}, id="behind-a-service-code"),
        pytest.param(f"*{BOB}", {BOB}, id="service-code"),
        pytest.param(f"1+{BOB}", {BOB}, id="plus-inside"),
        pytest.param("", {BOB}, id="nothing"),
        pytest.param("0", {BOB}, id="zero"),
        pytest.param("12345", {BOB, "912345"}, id="short"),
        pytest.param("112", set(), id="nobody-is-named"),
        pytest.param("23456789", {"*123456789"}, id="end-of-a-service-code"),
        pytest.param("555010", {"sip:15555010@h555010"}, id="in-a-uri"),
        pytest.param("1312555010\u0660", {BOB}, id="another-digit-zero"),
    ],
)
def test_what_may_be_somebody_else_is_not(text: str, named: set[str]) -> None:
    assert dialling.unexplained([text], named) == 1


def test_each_entry_counts() -> None:
    texts = ["12345", "12345", "3125550100", "112"]

    assert dialling.unexplained(texts, {BOB}) == 3


@pytest.mark.parametrize("country", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_what_a_signer_completes_is_explained(country: str) -> None:
    """But for subscribers of five digits, and a trunk 1 outside North America."""
    trunk = phonenumbers.ndd_prefix_for_region(country, True) or ""
    for kind in phonenumbers.PhoneNumberType.values():
        example = phonenumbers.example_number_for_type(country, kind)
        if example is None:
            continue
        within = phonenumbers.national_significant_number(example)
        number = tn.from_national(trunk + within, country)
        if number is None or len(within.lstrip("0")) < dialling.FEWEST:
            continue
        if trunk == "1" and not number.startswith("1"):
            continue
        assert dialling.unexplained([trunk + within], {number}) == 0

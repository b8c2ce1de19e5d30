"""What is said of a header value that is refused."""

import pytest

from stirmilter.stir import identity, passport
from stirmilter.stir.identity import IdentityValue
from stirmilter.stir.result import Reason
from tests.stir.refusals import said
from tests.stir.tokens import HEADER, forge

TOKEN = passport.parse(forge())
X5U = HEADER["x5u"]


@pytest.mark.parametrize(
    ("value", "detail", "rule"),
    [
        pytest.param(
            "t" * 32_769,
            "field longer than 32768 octets",
            "RFC 8725 §3",
            id="longer-than-is-read",
        ),
        pytest.param("t;", "parameter: ;", "RFC 8224 §4", id="nothing-after-semicolon"),
        pytest.param(
            "t;a=1;b=<2;c", "parameter: <2;c", "RFC 8224 §4", id="angle-left-open"
        ),
        pytest.param(
            't;a="1"b;c', "parameter: b;c", "RFC 8224 §4", id="text-after-quotes"
        ),
        pytest.param(
            "t;ppt=msg;x;PPT=msg",
            "parameter ppt occurs twice",
            "RFC 8224 §4",
            id="parameter-twice",
        ),
    ],
)
def test_refusals_of_a_value(value: str, detail: str, rule: str) -> None:
    assert said(lambda: identity.parse(value)) == (Reason.MALFORMED, detail, rule)


def test_the_limit_that_was_set_is_told() -> None:
    assert identity.parse("t" * 10, 10).token == "t" * 10
    assert (
        said(lambda: identity.parse("t" * 11, 10))[1] == "field longer than 10 octets"
    )


@pytest.mark.parametrize(
    ("parameters", "detail"),
    [
        pytest.param({"info": "h"}, "info=h is not the token's", id="info"),
        pytest.param({"alg": "none"}, "alg=none is not the token's", id="alg"),
        pytest.param({"ppt": "div"}, "ppt=div is not the token's", id="ppt"),
        pytest.param(
            {"ppt": "x", "alg": "y", "info": X5U},
            "alg=y is not the token's",
            id="two-of-them",
        ),
    ],
)
def test_refusals_of_a_mirror(parameters: dict[str, str], detail: str) -> None:
    assert said(
        lambda: identity.check_mirrors(IdentityValue("t", parameters), TOKEN)
    ) == (Reason.MALFORMED, detail, "RFC 8224 §4.1")

"""What binds a ``div`` token to one message (docs/profile.md, 2.1)."""

import pytest

from stirmilter.stir import diversion, passport
from tests.stir.diversions import div, innermost


def test_a_stray_token_does_not_divert() -> None:
    stray = passport.parse(div(orig={"tn": "19995550100"}))

    assert diversion.last(innermost(), [stray], 4) == innermost().named


@pytest.mark.conformance("V-20")
@pytest.mark.parametrize("apart", [-1, 1])
def test_a_diversion_of_another_second_continues_nothing(apart: int) -> None:
    claims = passport.parse(div(iat=innermost().iat + apart)).claims

    assert not diversion.continues(claims, innermost(), innermost().named)

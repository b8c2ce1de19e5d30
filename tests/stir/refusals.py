"""What a refusal says, as one value: reason, detail and rule."""

from collections.abc import Callable

import pytest

from stirmilter.stir.result import Reason, Unverified

Said = tuple[Reason, str, str]


def said(call: Callable[[], object]) -> Said:
    """Make a call that must be refused."""
    with pytest.raises(Unverified) as caught:
        call()
    return caught.value.reason, caught.value.detail, caught.value.rule

"""What is said of a chain that hands on what it may not, or does not hang together."""

from collections.abc import Callable
from typing import Final

import pytest

from stirmilter.stir.result import Reason
from tests.stir import der
from tests.stir.certificates import Issued
from tests.stir.delegates import delegate, end
from tests.stir.pki import validate
from tests.stir.refusals import Said, said

BLOCK: Final = der.block("12025550100", 100)
HALF: Final = der.block("12025550100", 50)
ROOT: Final = delegate("root", None)
OTHER: Final = delegate("other", None)
MIDDLE: Final = delegate("middle", ROOT, HALF)

WIDER: Final = (
    Reason.NOT_AUTHORIZED,
    "a certificate names more than the one above it may hand on",
    "RFC 9060 §4.1",
)
DISORDERED: Final = (
    Reason.CREDENTIAL_MALFORMED,
    "a delegate chain is published whole and in order, signer first",
    "RFC 9060 §7",
)
UNNAMED: Final = (
    Reason.CREDENTIAL_UNTRUSTED,
    "a delegate chain without key identifiers",
    "RFC 9060 §7",
)
UNLINKED: Final = (
    Reason.CREDENTIAL_UNTRUSTED,
    "an authority key identifier is not that of the next certificate",
    "RFC 5280 §4.2.1.1",
)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        pytest.param(
            lambda: (end(MIDDLE, BLOCK), MIDDLE), WIDER, id="more-than-it-was-given"
        ),
        pytest.param(
            lambda: (end(MIDDLE, HALF), OTHER, MIDDLE),
            DISORDERED,
            id="a-stranger-in-the-chain",
        ),
        pytest.param(
            lambda: (end(MIDDLE, HALF, authority=None), MIDDLE),
            UNNAMED,
            id="no-key-identifier",
        ),
        pytest.param(
            lambda: (end(MIDDLE, HALF, authority=b"x"), MIDDLE),
            UNLINKED,
            id="key-identifier-of-another",
        ),
    ],
)
def test_refusals_of_a_delegation(
    chain: Callable[[], tuple[Issued, ...]], expected: Said
) -> None:
    assert said(lambda: validate(*chain(), anchor=ROOT)) == expected


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        pytest.param(
            lambda: (end(MIDDLE, BLOCK, authority=b"x"), OTHER, MIDDLE),
            UNLINKED,
            id="the-links-first",
        ),
        pytest.param(
            lambda: (end(MIDDLE, BLOCK), OTHER, MIDDLE), DISORDERED, id="then-the-order"
        ),
    ],
)
def test_of_several_faults_the_first_is_told(
    chain: Callable[[], tuple[Issued, ...]], expected: Said
) -> None:
    assert said(lambda: validate(*chain(), anchor=ROOT)) == expected

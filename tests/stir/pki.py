"""One small PKI, root, intermediate and leaf; and chains judged from its root."""

from datetime import datetime
from typing import Final

from cryptography import x509

from stirmilter.stir import credential, hazmat
from stirmilter.stir.credential import Credential, TrustAnchors
from tests.laboratory import NOW
from tests.stir import der
from tests.stir.certificates import DAY, Issued, issue, leaf

ROOT: Final = issue("root", ca=True, begin=NOW - 9 * DAY, end=NOW + 9 * DAY)
MIDDLE: Final = issue("middle", ROOT, ca=True)
LEAF: Final = leaf(MIDDLE)
PLAIN: Final = x509.UnrecognizedExtension(
    hazmat.CLAIM_CONSTRAINTS, der.constraints(["attest"])
)
ENHANCED: Final = x509.UnrecognizedExtension(
    hazmat.ENHANCED_CLAIM_CONSTRAINTS, der.constraints(exclude=["msgi"])
)


def validate(
    *chain: Issued, at: datetime = NOW, depth: int = 6, anchor: Issued = ROOT
) -> Credential:
    return credential.validate(
        [one.certificate for one in chain],
        TrustAnchors([anchor.certificate]),
        at,
        depth,
    )


def below(middle: Issued) -> tuple[Issued, Issued]:
    """A good leaf below an intermediate that may not be."""
    return leaf(middle), middle

"""Start here: the two services of RFC 8224 §6, for any using protocol.

`AuthenticationService` signs what we may sign; `VerificationService` judges what others
signed. They know no mail, SIP or HTTP: an adapter turns its protocol into a `Message`
and a list of header values, and does as it likes with the result. Blocking, without
async twins; safe to call from many threads. The clock is an argument.

================  ==================================================================
`message`         what both look at, and the ports to certificates and replays
`signer`          whom we sign for, and with what
`authentication`  sign (RFC 8224 §6.1), divert (RFC 8946 §4.1)
`verification`    judge (RFC 8224 §6.2, RFC 8946 §4.2), by a `policy`
`credentials`     chains, validated once, under the anchors of `trust`
`revocation`      what lists say of a path
================  ==================================================================
"""

from stirmilter.services.authentication import AuthenticationService
from stirmilter.services.message import (
    CertificateRepository,
    Message,
    ReplayStore,
    read_value,
)
from stirmilter.services.policy import VerificationPolicy
from stirmilter.services.revocation import (
    RevocationLists,
    RevocationPolicy,
    RevocationService,
)
from stirmilter.services.signer import FormerKey, Signer
from stirmilter.services.trust import TrustSet
from stirmilter.services.verification import Verification, VerificationService

__all__ = [
    "AuthenticationService",
    "CertificateRepository",
    "FormerKey",
    "Message",
    "ReplayStore",
    "RevocationLists",
    "RevocationPolicy",
    "RevocationService",
    "Signer",
    "TrustSet",
    "Verification",
    "VerificationPolicy",
    "VerificationService",
    "read_value",
]

"""STIR PASSporTs (RFC 8225, RFC 9475) for messages; read `services` first.

What other programs may use stands in `__all__`: docs/library.md shows how. Everything
else may move from one version to the next. Names are loaded when they are first asked
for, so that ``stirmilter --help`` need not load the cryptography.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stirmilter.errors import (
        FetchError,
        SigningError,
        StirmilterError,
        StoreError,
    )
    from stirmilter.services import (
        AuthenticationService,
        CertificateRepository,
        Message,
        ReplayStore,
        RevocationPolicy,
        RevocationService,
        Signer,
        TrustSet,
        Verification,
        VerificationPolicy,
        VerificationService,
    )
    from stirmilter.stir.claims import Claims, Identity
    from stirmilter.stir.credential import Credential, TrustAnchors, load_chain
    from stirmilter.stir.identity import value_of
    from stirmilter.stir.msgi import BodyDigester, BodyDigests, Digest, digest_body
    from stirmilter.stir.passport import Limits, Passport
    from stirmilter.stir.result import Reason, StirResult, Unverified
    from stirmilter.stir.tn import NumberSet
    from stirmilter.stir.tnauthlist import TNAuthList
    from stirmilter.stores.certificates import CertificateStore
    from stirmilter.stores.crl import RevocationStore
    from stirmilter.stores.documents import DocumentStore
    from stirmilter.stores.fetch import Fetcher, FetchPolicy
    from stirmilter.stores.replay import MemoryReplayStore, SqliteReplayStore

__all__ = [
    "AuthenticationService",
    "BodyDigester",
    "BodyDigests",
    "CertificateRepository",
    "CertificateStore",
    "Claims",
    "Credential",
    "Digest",
    "DocumentStore",
    "FetchError",
    "FetchPolicy",
    "Fetcher",
    "Identity",
    "Limits",
    "MemoryReplayStore",
    "Message",
    "NumberSet",
    "Passport",
    "Reason",
    "ReplayStore",
    "RevocationPolicy",
    "RevocationService",
    "RevocationStore",
    "Signer",
    "SigningError",
    "SqliteReplayStore",
    "StirResult",
    "StirmilterError",
    "StoreError",
    "TNAuthList",
    "TrustAnchors",
    "TrustSet",
    "Unverified",
    "Verification",
    "VerificationPolicy",
    "VerificationService",
    "digest_body",
    "load_chain",
    "value_of",
]

_HOMES = {
    "errors": ("FetchError", "SigningError", "StirmilterError", "StoreError"),
    "services": (
        "AuthenticationService",
        "CertificateRepository",
        "Message",
        "ReplayStore",
        "RevocationPolicy",
        "RevocationService",
        "Signer",
        "TrustSet",
        "Verification",
        "VerificationPolicy",
        "VerificationService",
    ),
    "stir.claims": ("Claims", "Identity"),
    "stir.credential": ("Credential", "TrustAnchors", "load_chain"),
    "stir.identity": ("value_of",),
    "stir.msgi": ("BodyDigester", "BodyDigests", "Digest", "digest_body"),
    "stir.passport": ("Limits", "Passport"),
    "stir.result": ("Reason", "StirResult", "Unverified"),
    "stir.tn": ("NumberSet",),
    "stir.tnauthlist": ("TNAuthList",),
    "stores.certificates": ("CertificateStore",),
    "stores.crl": ("RevocationStore",),
    "stores.documents": ("DocumentStore",),
    "stores.fetch": ("FetchPolicy", "Fetcher"),
    "stores.replay": ("MemoryReplayStore", "SqliteReplayStore"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

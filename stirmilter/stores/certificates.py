"""Certificate chains by URL: fetched once, kept as HTTP allows, and parsed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from cryptography import x509

from stirmilter.haste import takes_long
from stirmilter.stir import credential
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stores.document import Kind
from stirmilter.stores.documents import DocumentStore
from stirmilter.stores.shelf import Shelf

Chain = tuple[x509.Certificate, ...]

CHAIN: Final = Kind(
    name="certificate",
    octets=16_384,
    accept="application/pem-certificate-chain, */*",
    check=credential.load_chain,
)


class CertificateStore:
    """Reads chains out of a store of documents, and keeps those that were read lately.

    While a document stays the same, so does the tuple: whoever validates a chain may
    know it again by identity. Of a stranger's certificate the parsed form may take
    thirty times the room of its octets, so that few of them are kept, by octets too.
    """

    def __init__(
        self,
        documents: DocumentStore,
        kind: Kind = CHAIN,
        *,
        certificates: int = credential.CERTIFICATES,
        entries: int = 2_000,
        octets: int = 4 << 20,
        anchored: Callable[[Chain], bool] = lambda _: True,
    ) -> None:
        """Take where the octets come from, and the limits.

        Args:
            documents: by URL.
            kind: how large a chain may be, and how long it is kept; what it must be is
                said here.
            certificates: longest chain.
            entries: chains that are kept parsed.
            octets: of those together, as they were served.
            anchored: whether a chain leads to an anchor: of the others, anybody can
                make as many as it takes to push the good ones out of what is shared.
                Nor does one of the others take the place of a chain that is fresh.
        """
        self._documents = documents
        self._read = partial(credential.load_chain, limit=certificates)
        self._anchored = anchored
        self._kind = replace(
            kind,
            check=self._read,
            replaces=self._check_anchored,
            shared=lambda octets: anchored(self._read(octets)),
        )
        self._parsed: Shelf[tuple[bytes, Chain]] = Shelf(entries, octets)
        self.hits = 0
        """Chains that did not have to be read; counted as well as threads allow."""

        self.misses = 0

    @property
    def entries(self) -> int:
        """Chains that are kept parsed."""
        return len(self._parsed)

    def chain(self, x5u: str, *, wait: bool = True) -> Chain:
        """Return the chain at a URL, signer first.

        Args:
            x5u: the URL.
            wait: False never asks its server, but takes what was fetched before.

        Raises:
            FetchError: it could not be fetched, now or a moment ago.
            Unverified: `Reason.CREDENTIAL_MALFORMED`: it is no chain.
        """
        octets = self._documents.get(x5u, self._kind, wait=wait)
        known = self._parsed.get(x5u)
        if known is not None and known[0] == octets:
            self.hits += 1
            return known[1]
        takes_long()
        self.misses += 1
        chain = self._read(octets)
        self._parsed.put(x5u, (octets, chain), len(x5u) + len(octets))
        return chain

    def again(self, x5u: str) -> None:
        """Ask a server whether it has another chain by now; `chain` then returns it.

        Raises:
            FetchError: it could not be asked, or did not answer.
            Unverified: what it serves is no chain, or leads to no anchor. As after a
                FetchError, the chain that was there stays.
        """
        self._documents.get(x5u, self._kind, revalidate=True)

    def age(self, x5u: str) -> float | None:
        """Return the seconds since a chain was fetched or confirmed.

        Negative if the clock was set back since; None if it is not in memory.
        """
        return self._documents.age(x5u, self._kind)

    def cached(self, x5u: str) -> bool:
        """Tell whether `chain` would answer from memory, be it with a failure."""
        return self._documents.cached(x5u, self._kind)

    def kept(self, x5u: str) -> bool:
        """Tell the same of memory and what is shared; the latter is read if need be."""
        return self._documents.kept(x5u, self._kind)

    def _check_anchored(self, octets: bytes) -> None:
        if not self._anchored(self._read(octets)):
            detail = "leads to no anchor, and the chain that is there is fresh"
            raise Unverified(Reason.CREDENTIAL_UNTRUSTED, detail, "profile §5")

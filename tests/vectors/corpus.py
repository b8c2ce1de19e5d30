"""The corpus of real STI certificates, read where it lies."""

import csv
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from stirmilter.stir.credential import TrustAnchors
from tests.vectors.reading import certificate


@dataclass(frozen=True)
class Corpus:
    """Certificates of signers and of authorities by file name, and the index."""

    folder: Path
    signers: dict[str, x509.Certificate]
    authorities: dict[str, x509.Certificate]
    index: dict[str, dict[str, str]]
    """Rows by the SHA-256 of a certificate's octets."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        with gzip.open(folder / "index.csv.gz", "rt") as rows:
            index = {row["sha256_der"]: row for row in csv.DictReader(rows)}
        return cls(
            folder,
            {p.name: certificate(p) for p in sorted((folder / "sample-ee").iterdir())},
            {p.name: certificate(p) for p in sorted((folder / "ca").iterdir())},
            index,
        )

    @property
    def urls(self) -> list[str]:
        """Every x5u that was seen in a token."""
        octets = gzip.decompress((self.folder / "shaken-urls.txt.gz").read_bytes())
        return octets.decode("ascii").splitlines()

    @property
    def roots(self) -> list[x509.Certificate]:
        return [one for one in self.authorities.values() if _is_root(one)]

    @property
    def intermediates(self) -> list[x509.Certificate]:
        return [one for one in self.authorities.values() if not _is_root(one)]

    @cached_property
    def anchors(self) -> TrustAnchors:
        return TrustAnchors(self.roots)

    def row(self, path: Path) -> dict[str, str]:
        """Return what the index says of a file."""
        return self.index[sha256(path.read_bytes()).hexdigest()]

    def line(self, leaf: x509.Certificate, at: datetime) -> list[x509.Certificate]:
        """Return what a repository publishes (RFC 9060 §7): the leaf, its issuers.

        The corpus has twins: an issuer certified anew under its old name and key, and
        two keys under one name. What would be served is what signed, and is valid.
        """
        found = [leaf]
        while True:
            above = [
                one
                for one in self.intermediates
                if one.not_valid_before_utc <= at <= one.not_valid_after_utc
                and _issued(one, found[-1])
            ]
            if not above:
                return found
            found.append(above[0])


def times(certificates: Iterable[tuple[str, x509.Certificate]]) -> dict[str, datetime]:
    """Choose a few moments so that each certificate is valid at its own.

    The earliest end that is left, a minute before it, serves all that are valid then.
    """
    left = sorted(certificates, key=lambda item: item[1].not_valid_after_utc)
    chosen: dict[str, datetime] = {}
    while left:
        at = left[0][1].not_valid_after_utc - timedelta(minutes=1)
        chosen |= {name: at for name, one in left if one.not_valid_before_utc <= at}
        left = [item for item in left if item[0] not in chosen]
    return chosen


def _is_root(one: x509.Certificate) -> bool:
    return one.subject == one.issuer


def _issued(issuer: x509.Certificate, one: x509.Certificate) -> bool:
    if one.issuer != issuer.subject:
        return False
    try:
        one.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError):
        return False
    return True

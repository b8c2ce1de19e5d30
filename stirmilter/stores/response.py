"""What a fetch brought: a body, and how long HTTP says that it stays good."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer of 200, or of 304 to a request with validators (RFC 9110 §13)."""

    body: bytes | None
    """None when what the validators named has not changed."""

    etag: str = ""
    last_modified: str = ""
    """Validators for the next request, as they were sent; empty when there is none."""

    lifetime: float | None = None
    """Seconds for which the answer is fresh (RFC 9111 §4.2), its age taken off; 0 when
    it must be validated each time, None when the server does not say."""

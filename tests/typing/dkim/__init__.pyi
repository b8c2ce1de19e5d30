"""dkimpy 1.1, as far as the tests use it as a referee; it has no types of its own."""

from collections.abc import Callable, Sequence

class DKIMException(Exception): ...

class DKIM:
    should_not_sign: set[bytes]
    headers: list[tuple[bytes, bytes]]
    def __init__(
        self,
        message: bytes = ...,
        *,
        signature_algorithm: bytes = ...,
        minkey: int = ...,
    ) -> None: ...
    def sign(
        self,
        selector: bytes,
        domain: bytes,
        privkey: bytes,
        *,
        canonicalize: tuple[bytes, bytes] = ...,
        include_headers: Sequence[bytes] | None = ...,
        length: bool = ...,
    ) -> bytes: ...
    def verify(self, idx: int = ..., dnsfunc: Callable[..., bytes] = ...) -> bool: ...

def verify(message: bytes, *, dnsfunc: Callable[..., bytes] = ...) -> bool: ...
def evaluate_pk(
    name: bytes, s: bytes
) -> tuple[object, int | None, bytes | None, bool]: ...
def arc_sign(
    message: bytes,
    selector: bytes,
    domain: bytes,
    privkey: bytes,
    srv_id: bytes,
    *,
    include_headers: Sequence[bytes] | None = ...,
) -> list[bytes]: ...
def arc_verify(
    message: bytes, *, dnsfunc: Callable[..., bytes] = ...
) -> tuple[bytes | None, list[dict[str, object]], str]: ...

from collections.abc import Sequence

class _Canonicalization:
    @staticmethod
    def canonicalize_headers(
        headers: Sequence[tuple[bytes, bytes]],
    ) -> list[tuple[bytes, bytes]]: ...
    @staticmethod
    def canonicalize_body(body: bytes) -> bytes: ...

ALGORITHMS: dict[bytes, _Canonicalization]

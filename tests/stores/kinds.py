"""What the tests of documents share: URLs and what a good document is."""

from collections.abc import Callable

from stirmilter.errors import StirmilterError
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stores.documents import Kind

A, B, C = (f"https://certs.example/{name}" for name in "abc")


def check(octets: bytes) -> None:
    if not octets.startswith(b"good"):
        raise Unverified(Reason.CREDENTIAL_MALFORMED, "not a good one")


KIND = Kind(name="certificate", octets=100, check=check)


def outcome(ask: Callable[[], bytes]) -> bytes | str:
    """Return what came of asking, an error included."""
    try:
        return ask()
    except StirmilterError as error:
        return str(error)

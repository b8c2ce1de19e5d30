"""What stirmilter raises.

    StirmilterError
    ├── ConfigError     the operator's file or flags are wrong      -> exit status 78
    │   └── UnavailableError  they may be right, and later work     -> exit status 75
    ├── SigningError    we hold no authority to make this claim     -> message unsigned
    ├── FetchError      an x5u did not yield a certificate          -> temperror or fail
    ├── StoreError      a store cannot answer                       -> temperror
    │   └── PinRefusedError   nor will it: do not ask again
    └── Unverified      one PASSporT failed; carries a `Reason`     -> `StirResult`

A message that fails verification is a result, not an error. `Unverified` travels only
from the pure steps in `stir` (which declares it, next to `Reason`) to whoever called
them: `services`, or `runtime` and `inspection` for an operator's own files.
"""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound="StirmilterError")


class StirmilterError(Exception):
    """Base class; never raised itself."""


class ConfigError(StirmilterError):
    """The configuration cannot be used.

    `where` is the file and the dotted path of the offending key, for example
    ``/etc/stirmilter/stirmilter.toml: verify.freshness``; `problem` names the value
    and the remedy. `others` are further faults found on the way, so that an operator
    mends a file once.
    """

    def __init__(self, where: str, problem: str, *others: ConfigError) -> None:
        self.problem = problem
        self.faults: tuple[tuple[str, str], ...] = (
            (where, problem),
            *(fault for other in others for fault in other.faults),
        )
        super().__init__("\n".join(": ".join(fault) for fault in self.faults))


class UnavailableError(ConfigError):
    """What the configuration names cannot be had now: an address, a store, a folder.

    Told like any other fault of it, but that may pass by itself: an address comes up,
    another process ends, a disk is mounted. So whoever started us should try again.
    """


class SigningError(StirmilterError):
    """No PASSporT for this message.

    `code` is a word for logs. `failure` is True when the fault is ours (an expired
    certificate, say), so that the operator's setting for such faults applies; False
    when the message is one that nobody asked us to sign.
    """

    def __init__(self, code: str, detail: str, *, failure: bool = False) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.failure = failure


class FetchError(StirmilterError):
    """A URL did not yield octets.

    `temporary` is False when asking again cannot help: the URL itself, or the address
    behind it, is one that we refuse. `again` is None unless nothing was asked at all,
    because the host is busy or rests: then it is the seconds until asking makes sense,
    and there is nothing about the URL to remember.
    """

    def __init__(
        self, detail: str, *, temporary: bool = True, again: float | None = None
    ) -> None:
        super().__init__(detail)
        self.temporary = temporary
        self.again = again


class StoreError(StirmilterError):
    """A store (replay keys, a token with a key) cannot answer now."""


class PinRefusedError(StoreError):
    """A token refused its PIN. Asking again and again would lock the token."""


def reason(error: Exception) -> str:
    """Return why the system refused something, without its number for that."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def bare(error: E) -> E:
    """Return the same error without its trace and without what led to it.

    To be kept, or to be raised by several: a trace holds the frames of every function
    that it passed, and all that was in them; often those hold the error in turn.
    """
    kept = type(error).__new__(type(error), *error.args)
    vars(kept).update(vars(error))
    return kept

"""A thread that serves everybody is not made to wait: what takes long says so first.

    with haste():
        decision = decide(message)    # or TakesLong, and another thread decides

What may wait (for the network, a disk, a lock) or calculate for long calls `takes_long`
before it begins. Anywhere else that does nothing; in haste it ends what was tried,
without a trace of it, so that it can be begun again where there is time.
"""

from __future__ import annotations

import threading


class TakesLong(BaseException):
    """There is no time for this here.

    No `Exception`: nobody on the way is to take it for a failure of what was asked.
    """


class _State(threading.local):
    hurries = False
    asked = False


_state = _State()


class haste:  # noqa: N801 - read as a word; one of a generator costs twice as much
    """Have nothing in the block take long on this thread.

    A block within a block is part of it.

    Raises:
        TakesLong: something would; also where somebody on the way has swallowed it, as
            what he made of that is worth nothing.
    """

    # No generator for another reason, too: in Python 3.12 and later, one that raises an
    # error of its own leaves a cycle behind, with all that the block held.
    __slots__ = ("_within",)

    def __enter__(self) -> None:
        self._within = _state.hurries
        if not self._within:
            _state.hurries, _state.asked = True, False

    def __exit__(self, *_: object) -> None:
        if not self._within:
            _state.hurries = False
            if _state.asked:
                raise TakesLong


def hurries() -> bool:
    """Tell whether this thread has no time now."""
    return _state.hurries


def takes_long() -> None:
    """Say that what follows takes long, perhaps.

    Raises:
        TakesLong: this thread has no time for it.
    """
    if _state.hurries:
        _state.asked = True
        raise TakesLong

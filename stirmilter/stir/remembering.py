"""Results that are wanted again soon: of short texts, the last few."""

from __future__ import annotations

from collections.abc import Callable, Sized
from functools import lru_cache, update_wrapper
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

Text = TypeVar("Text", bound=Sized)
Rest = ParamSpec("Rest")
Result = TypeVar("Result")

ENTRIES: Final = 256
"""Default for the results that are remembered."""


class Remembered(Generic[Text, Rest, Result]):
    """A function of a text that remembers what it returned, and not what it raised.

    A stranger chooses the texts, so long ones are not kept. Results must not be
    changed: whoever asks again gets the same.
    """

    def __init__(
        self,
        function: Callable[Concatenate[Text, Rest], Result],
        longest: int,
        entries: int,
    ) -> None:
        """Take the function; see `remembered`."""
        update_wrapper(self, function)
        self._function = function
        self._longest = longest
        kept: Any = lru_cache(entries)(function)
        self._kept = kept
        # By functools' names: who measures what a text costs forgets first.
        self.cache_clear = kept.cache_clear
        self.cache_info = kept.cache_info

    def __call__(self, text: Text, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        """Return what the function does."""
        look = self._kept if len(text) <= self._longest else self._function
        found: Result = look(text, *args, **kwargs)
        return found


def remembered(
    longest: int, entries: int = ENTRIES
) -> Callable[
    [Callable[Concatenate[Text, Rest], Result]], Remembered[Text, Rest, Result]
]:
    """Remember the results of a function of a text.

    Args:
        longest: text, in its own units, of which the result is remembered.
        entries: results that are kept; those not used for longest give way.
    """
    return lambda function: Remembered(function, longest, entries)

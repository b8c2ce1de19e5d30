"""Tokens of type ``div`` that tests put together, and what a line of them reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final

from hypothesis import strategies as st

from stirmilter.stir import passport
from stirmilter.stir.claims import Claims
from stirmilter.stir.msgi import digest_body
from stirmilter.stir.passport import Passport
from tests.laboratory import ALICE, BOB, BODY, CAROL
from tests.stir.tokens import ABSENT, IAT, forge

DAVE: Final = "13125550102"
EVE: Final = "19995550100"
PEOPLE: Final = (BOB, CAROL, DAVE)


def div(**payload: object) -> str:
    """Write a token that says: Bob sent Alice's message on to Carol."""
    changed = {"msgi": ABSENT, "div": {"tn": BOB}, "dest": {"tn": [CAROL]}, **payload}
    return forge({"ppt": "div"}, changed)


def innermost(*dest: str) -> Claims:
    return Claims.message(ALICE, dest or (BOB,), IAT, digest_body(BODY).value())


@dataclass(frozen=True)
class Link:
    """What one ``div`` token says."""

    div: str
    dest: tuple[str, ...]
    orig: str = ALICE

    def token(self) -> Passport:
        orig, dest = {"tn": self.orig}, {"tn": list(self.dest)}
        return passport.parse(div(orig=orig, dest=dest, div={"tn": self.div}))


LINKS = st.lists(
    st.builds(
        Link,
        st.sampled_from((*PEOPLE, EVE)),
        st.sampled_from([(one,) for one in PEOPLE] + [(BOB, DAVE)]),
        st.sampled_from((ALICE, ALICE, ALICE, EVE)),
    ),
    max_size=4,
)


def by_walking(dest: str, links: Sequence[Link], steps: int) -> set[str]:
    """Name everybody by the definition: follow every line of tokens there is."""
    found = {dest}
    for length in range(1, steps + 1):
        for line in permutations(links, length):
            at: tuple[str, ...] = (dest,)
            for link in line:
                at = link.dest if link.div in at and link.orig == ALICE else ()
            found.update(at)
    return found

"""What the tests of the lists share: where they stand, and lists of any length."""

from collections.abc import Callable
from datetime import timedelta

from stirmilter.errors import FetchError
from stirmilter.stir.revocation import RevocationList
from stirmilter.stores.crl import RevocationStore
from tests.laboratory import NOW
from tests.stir.crls import HOUR, authority, crl

CA = authority("ca")
DAY = timedelta(days=1)
URL = "https://crl.example/1.crl"


class Web:
    """Octets by URL, or an error; counts what was asked, under a clock of its own."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"https://crl.example/{n}.crl": p for n, p in pages.items()}
        self.asked: list[tuple[str, bool]] = []
        self.now = NOW.timestamp()
        self.hook: Callable[[], object] = lambda: None

    def get(self, url: str, revalidate: bool) -> bytes:
        self.asked.append((url, revalidate))
        self.hook()
        if url not in self.pages:
            raise FetchError(f"nothing at {url}")
        return self.pages[url]

    def store(self, **parts: object) -> RevocationStore:
        return RevocationStore(self.get, clock=lambda: self.now, **parts)  # type: ignore[arg-type]

    def later(self, ago: timedelta) -> None:
        self.now += ago.total_seconds()


def lists(number: int, *, begin: timedelta = -HOUR, end: timedelta = DAY) -> bytes:
    """A list with so many entries."""
    entries = [(serial, ()) for serial in range(1, number + 1)]
    return crl(CA, *entries, begin=NOW + begin, end=NOW + end)


def only(store: RevocationStore, place: str) -> RevocationList:
    """Return the list of a place that has one."""
    [found] = store.find(place)
    return found


def urls(web: Web, *entries: int) -> list[str]:
    """Publish lists with so many entries each."""
    found = []
    for place, number in enumerate(entries):
        url = f"https://crl.example/{place}.crl"
        web.pages[url] = lists(number)
        found.append(url)
    return found

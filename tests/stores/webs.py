"""A web that lives in memory, and a clock, for tests of what is kept."""

from collections.abc import Callable
from threading import Event, Lock

from stirmilter.stores.documents import Fetch
from stirmilter.stores.response import Response


def fetching(get: Callable[[str], bytes]) -> Fetch:
    """Make a fetcher of a function from URLs to octets."""

    def fetch(
        url: str, *, etag: str, last_modified: str, octets: int, accept: str
    ) -> Response:
        del etag, last_modified, octets, accept
        return Response(body=get(url))

    return fetch


class Web:
    """Serves one body everywhere but at the URLs in `broken`; keeps the requests."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.etag = ""
        self.lifetime: float | None = None
        self.broken: dict[str, Exception] = {}
        self.fetched: list[str] = []
        self.validators: list[str] = []
        self._lock = Lock()

    def get(
        self, url: str, *, etag: str, last_modified: str, octets: int, accept: str
    ) -> Response:
        del last_modified, octets, accept
        with self._lock:
            self.fetched.append(url)
            self.validators.append(etag)
        if url in self.broken:
            raise self.broken[url]
        known = etag and etag == self.etag
        return Response(
            body=None if known else self.body, etag=self.etag, lifetime=self.lifetime
        )


class SlowWeb(Web):
    """Does not answer before it is told to; then as `broken` says."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.asked = Event()
        self.asked_again = Event()
        self.release = Event()

    def get(
        self, url: str, *, etag: str, last_modified: str, octets: int, accept: str
    ) -> Response:
        (self.asked_again if self.asked.is_set() else self.asked).set()
        self.release.wait(30)
        return super().get(
            url, etag=etag, last_modified=last_modified, octets=octets, accept=accept
        )


class Clock:
    """Shows the time that it is set to."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

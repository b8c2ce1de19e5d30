"""Documents by URL: for how long they are used, and what happens when one fails.

One contract, whatever is shared: nothing, a file, a server.
"""

import pytest

from stirmilter.errors import FetchError, StirmilterError
from stirmilter.haste import TakesLong, haste
from stirmilter.stores.documents import DocumentStore, Kind
from stirmilter.stores.response import Response
from tests.stores.kinds import KIND, A, B, C, check, outcome
from tests.stores.webs import Clock, Web

HOUR = 3_600.0
DAY = 24 * HOUR
OTHER = Kind(name="crl", octets=100, check=check)


@pytest.fixture
def small(web: Web, clock: Clock) -> DocumentStore:
    return DocumentStore(web.get, entries=2, clock=clock)


@pytest.mark.parametrize(
    ("lifetime", "kept"),
    [
        pytest.param(None, DAY, id="nothing-said"),
        pytest.param(0.0, HOUR, id="none-at-all"),
        pytest.param(60.0, HOUR, id="shorter-than-the-floor"),
        pytest.param(2 * HOUR, 2 * HOUR, id="as-the-server-says"),
        pytest.param(1e9, 7 * DAY, id="longer-than-the-ceiling"),
    ],
)
@pytest.mark.conformance("C-13")
def test_a_document_is_used_for_as_long_as_http_allows_within_limits(
    store: DocumentStore, web: Web, clock: Clock, lifetime: float | None, kept: float
) -> None:
    web.lifetime = lifetime
    store.get(A, KIND)

    clock.now += kept - 1
    store.get(A, KIND)
    assert len(web.fetched) == 1

    clock.now += 1
    store.get(A, KIND)
    assert len(web.fetched) == 2


def test_a_url_is_not_another_and_a_kind_is_not_another(
    store: DocumentStore, web: Web
) -> None:
    for url, kind in ((A, KIND), (B, KIND), (A, OTHER)):
        store.get(url, kind)

    assert web.fetched == [A, B, A]


def test_a_url_of_odd_characters_is_a_url_too(store: DocumentStore, web: Web) -> None:
    odd = ["https://certs.example/\udc80", "https://certs.example/\udc81"]

    for url in odd:
        store.get(url, KIND)

    assert web.fetched == odd


@pytest.mark.parametrize("revalidate", [False, True])
@pytest.mark.conformance("C-13")
def test_what_has_not_changed_is_used_again_without_being_sent(
    store: DocumentStore, web: Web, clock: Clock, *, revalidate: bool
) -> None:
    web.etag = '"1"'
    first = store.get(A, KIND)
    if not revalidate:
        clock.now += DAY

    assert store.get(A, KIND, revalidate=revalidate) is first
    assert web.validators == ["", '"1"']

    clock.now += DAY - 1
    assert store.get(A, KIND) is first
    assert len(web.fetched) == 2, "confirmed, it is fresh for another day"


def test_what_has_changed_takes_the_place_of_the_old(
    store: DocumentStore, web: Web
) -> None:
    store.get(A, KIND)
    web.body, web.etag = b"good, and new", '"2"'

    assert store.get(A, KIND) == b"good"
    assert store.get(A, KIND, revalidate=True) == b"good, and new"
    assert store.get(A, KIND) == b"good, and new"


def test_a_confirmation_of_what_we_do_not_have_is_a_failure(clock: Clock) -> None:
    def confirm(url: str, **_: object) -> Response:
        assert url == A
        return Response(body=None)

    store = DocumentStore(confirm, clock=clock)

    with pytest.raises(FetchError, match="confirmed what it was not asked about"):
        store.get(A, KIND)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(FetchError("no answer"), id="no-answer"),
        pytest.param(FetchError("not public", temporary=False), id="refused"),
        pytest.param(None, id="something-else-is-served"),
    ],
)
def test_an_old_document_serves_while_it_cannot_be_had_anew(
    store: DocumentStore, web: Web, clock: Clock, failure: FetchError | None
) -> None:
    """RFC 5861 §4; and a failing host is not asked for each message."""
    store.get(A, KIND)
    clock.now += DAY
    web.body = b"bad"
    if failure:
        web.broken[A] = failure

    for _ in range(5):
        assert store.get(A, KIND) == b"good"
        assert store.cached(A, KIND)
    assert len(web.fetched) == 2

    clock.now += KIND.failure
    assert store.get(A, KIND) == b"good"
    assert len(web.fetched) == 3

    clock.now += KIND.stale - KIND.failure
    with pytest.raises(StirmilterError):
        store.get(A, KIND)


def test_an_old_document_is_no_answer_to_who_wants_to_know(
    store: DocumentStore, web: Web
) -> None:
    store.get(A, KIND)
    web.broken[A] = FetchError("no answer")

    with pytest.raises(FetchError, match="no answer"):
        store.get(A, KIND, revalidate=True)

    assert store.get(A, KIND) == b"good"


@pytest.mark.parametrize(
    ("after", "fetches"),
    [
        pytest.param(0, 1, id="at-once"),
        pytest.param(29.9, 1, id="before-it-is-forgotten"),
        pytest.param(30, 2, id="when-it-is-forgotten"),
        pytest.param(-10, 2, id="when-the-clock-was-set-back"),
    ],
)
@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(FetchError("no answer"), id="unavailable"),
        pytest.param(FetchError("not public", temporary=False), id="refused"),
    ],
)
@pytest.mark.conformance("C-13")
def test_a_failure_is_remembered_for_a_short_while(
    store: DocumentStore,
    web: Web,
    clock: Clock,
    failure: FetchError,
    after: float,
    fetches: int,
) -> None:
    web.broken[A] = failure

    for pause in (0, after):
        clock.now += pause
        with pytest.raises(FetchError, match=str(failure)) as caught:
            store.get(A, KIND)
        assert caught.value.temporary is failure.temporary

    assert web.fetched == [A] * fetches


def test_a_failure_is_not_remembered_beyond_the_next_success(
    store: DocumentStore, web: Web, clock: Clock
) -> None:
    web.broken[A] = FetchError("no answer")
    with pytest.raises(FetchError):
        store.get(A, KIND)

    web.broken.clear()
    clock.now += KIND.failure
    store.get(A, KIND)
    clock.now += DAY - 1

    assert store.get(A, KIND)
    assert web.fetched == [A, A]


def test_an_unexpected_error_is_told_and_not_remembered(
    store: DocumentStore, web: Web
) -> None:
    web.broken[A] = RuntimeError("a bug")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a bug"):
            store.get(A, KIND)

    web.broken.clear()

    assert store.get(A, KIND)
    assert web.fetched == [A, A, A]


@pytest.mark.parametrize(
    ("step", "fetches"),
    [
        pytest.param(-30.0, 1, id="back-a-little"),
        pytest.param(-2 * HOUR, 2, id="back"),
        pytest.param(-1e6, 2, id="back-to-the-beginning"),
        pytest.param(2 * HOUR, 1, id="forward"),
        pytest.param(1e8, 2, id="far-forward"),
    ],
)
def test_a_clock_that_steps_costs_a_fetch_and_no_more(
    store: DocumentStore, web: Web, clock: Clock, step: float, fetches: int
) -> None:
    """What was fetched in the future cannot be told from what is very old."""
    store.get(A, KIND)

    clock.now += step
    for _ in range(2):
        assert store.get(A, KIND) == b"good"
    assert len(web.fetched) == fetches

    clock.now -= step
    assert store.get(A, KIND) == b"good"


def test_a_document_from_the_future_does_not_serve_as_an_old_one(
    store: DocumentStore, web: Web, clock: Clock
) -> None:
    store.get(A, KIND)
    web.broken[A] = FetchError("no answer")
    clock.now -= 2 * HOUR

    with pytest.raises(FetchError, match="no answer"):
        store.get(A, KIND)


def test_the_url_that_nobody_asked_for_lately_is_forgotten(
    small: DocumentStore, web: Web
) -> None:
    for url in (A, B, A, C):
        small.get(url, KIND)
    web.fetched.clear()

    for url in (A, C, B):
        small.get(url, KIND)

    assert web.fetched == [B]


def test_octets_are_bounded_too(web: Web, clock: Clock) -> None:
    store = DocumentStore(web.get, octets=2 * len(web.body), clock=clock)
    for url in (A, B, C):
        store.get(url, KIND)

    store.get(A, KIND)

    assert web.fetched == [A, B, C, A]
    assert store._memory.octets == 2 * len(web.body)


def test_failures_are_bounded_and_push_no_document_out(
    small: DocumentStore, web: Web
) -> None:
    small.get(A, KIND)
    urls = [f"https://certs.example/{number}" for number in range(50)]
    web.broken = {url: FetchError("no answer") for url in urls}

    for url in urls:
        with pytest.raises(FetchError):
            small.get(url, KIND)

    assert len(small._failures) == 2
    assert small.get(A, KIND)
    assert web.fetched.count(A) == 1


def test_failures_that_are_over_do_not_wait_until_their_place_is_needed(
    store: DocumentStore, web: Web, clock: Clock
) -> None:
    web.broken = {url: FetchError("no answer") for url in (A, B, C)}
    for url in (A, B):
        outcome(lambda url=url: store.get(url, KIND))  # type: ignore[misc]
    clock.now += KIND.failure
    outcome(lambda: store.get(C, KIND))

    assert len(store._failures) == 1
    assert store.cached(C, KIND)


def test_only_what_is_in_memory_is_had_in_haste(
    store: DocumentStore, web: Web, clock: Clock
) -> None:
    """Also where a file or a server is shared: that is to be waited for."""
    with pytest.raises(TakesLong), haste():
        store.get(A, KIND)
    with pytest.raises(TakesLong), haste():
        store.get(A, KIND, wait=False)
    assert (web.fetched, store.hits, store.misses) == ([], 0, 0)

    store.get(A, KIND)
    with haste():
        assert store.get(A, KIND) == web.body
    assert (web.fetched, store.hits, store.misses) == ([A], 1, 1)
    clock.now += 2 * DAY
    with pytest.raises(TakesLong), haste():
        store.get(A, KIND)
    assert web.fetched == [A]


def test_a_failure_in_memory_is_told_in_haste(store: DocumentStore, web: Web) -> None:
    web.broken[A] = FetchError("nobody answers")
    with pytest.raises(FetchError):
        store.get(A, KIND)

    with pytest.raises(FetchError, match="nobody answers"), haste():
        store.get(A, KIND)
    assert web.fetched == [A]

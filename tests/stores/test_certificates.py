"""Chains by URL: what is read of a document, and that it is read once."""

from typing import Any

import pytest
from cryptography import x509

from stirmilter.errors import FetchError
from stirmilter.haste import TakesLong, haste
from stirmilter.services.credentials import CredentialService
from stirmilter.services.trust import TrustSet
from stirmilter.stir import credential
from stirmilter.stir.result import Reason, Unverified
from stirmilter.stores.certificates import CHAIN, CertificateStore
from stirmilter.stores.documents import DocumentStore
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, NOW, anchors
from tests.stores.webs import Clock, Web

A, B = (f"https://certs.example/{name}.pem" for name in "ab")
DAY = 86_400


@pytest.fixture
def web(ca: TestCA) -> Web:
    return Web(ca.files("one").chain.read_bytes())


@pytest.fixture
def store(web: Web, clock: Clock) -> CertificateStore:
    return CertificateStore(DocumentStore(web.get, clock=clock))


def test_a_chain_is_read_signer_first(store: CertificateStore, web: Web) -> None:
    chain = store.chain(A)

    assert chain == credential.load_chain(web.body)
    assert len(chain) == 2


@pytest.mark.parametrize(
    ("octets", "detail"),
    [
        pytest.param(b"", "not a certificate", id="nothing"),
        pytest.param(b"<html>", "not a certificate", id="no-certificate"),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "not a certificate",
            id="pem-of-something-else",
        ),
    ],
)
@pytest.mark.conformance("C-13")
def test_what_is_no_chain_is_a_failure_and_is_not_kept(
    store: CertificateStore, web: Web, clock: Clock, octets: bytes, detail: str
) -> None:
    good, web.body = web.body, octets

    for _ in range(2):
        with pytest.raises(Unverified, match=detail) as caught:
            store.chain(A)
        assert caught.value.reason is Reason.CREDENTIAL_MALFORMED
    assert web.fetched == [A]

    web.body = good
    clock.now += CHAIN.failure
    assert len(store.chain(A)) == 2


def test_a_chain_has_a_greatest_length(web: Web) -> None:
    short = CertificateStore(DocumentStore(web.get), certificates=1)

    with pytest.raises(Unverified, match="2 certificates, at most 1"):
        short.chain(A)


def test_the_tuple_stays_the_same_while_the_octets_do(
    store: CertificateStore, web: Web, clock: Clock
) -> None:
    """Served anew, confirmed or fetched again: whoever knows a chain knows it again."""
    chain = store.chain(A)
    clock.now += DAY
    again = store.chain(A)
    web.etag = '"1"'
    clock.now += DAY
    store.chain(A)
    clock.now += DAY
    confirmed = store.chain(A)

    assert len(web.fetched) == 4
    assert web.validators == ["", "", "", '"1"']
    assert again is chain
    assert confirmed is chain


def test_what_was_at_hand_is_counted(web: Web, clock: Clock) -> None:
    documents = DocumentStore(web.get, clock=clock)
    store = CertificateStore(documents)
    for _ in range(3):
        store.chain(A)
    clock.now += DAY
    store.chain(A)

    assert (documents.hits, documents.misses, documents.entries) == (2, 2, 1)
    assert (store.hits, store.misses, store.entries) == (3, 1, 1)


def test_a_failure_that_is_remembered_is_at_hand(web: Web, clock: Clock) -> None:
    documents = DocumentStore(web.get, clock=clock)
    store = CertificateStore(documents)
    web.body = b"<html>"
    for _ in range(3):
        with pytest.raises(Unverified):
            store.chain(A)

    assert (documents.hits, documents.misses, documents.entries) == (2, 1, 0)


def test_another_chain_at_the_same_url_is_another_tuple(
    store: CertificateStore, web: Web, clock: Clock, ca: TestCA
) -> None:
    first = store.chain(A)
    web.body = ca.files("range").chain.read_bytes()
    clock.now += DAY

    second = store.chain(A)

    assert second == credential.load_chain(web.body)
    assert second != first


def test_a_validated_path_is_found_again(
    store: CertificateStore, ca: TestCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated = []
    assemble = credential.assemble

    def counted(*args: Any) -> credential.Credential:  # noqa: ANN401
        validated.append(args)
        return assemble(*args)

    monkeypatch.setattr(credential, "assemble", counted)
    service = CredentialService(store, [TrustSet(anchors=anchors(ca))])

    found = {id(service.at(A, NOW, NOW, ALICE)) for _ in range(10)}

    assert len(validated) == 1
    assert len(found) == 1


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        pytest.param({"entries": 2}, [False, True, True], id="chains"),
        pytest.param({"octets": 3_500}, [False, True, True], id="octets"),
        pytest.param({"octets": 1}, [False, False, True], id="the-last-in-any-case"),
        pytest.param({}, [True, True, True], id="room-for-all"),
    ],
)
def test_only_so_many_chains_are_kept_parsed(
    web: Web, limits: dict[str, Any], kept: list[bool]
) -> None:
    """A stranger's certificate, parsed, takes many times the room of its octets."""
    store = CertificateStore(DocumentStore(web.get), **limits)
    urls = [f"https://certs.example/{number}.pem" for number in range(3)]
    assert 1_100 < len(web.body) < 1_700

    chains: list[tuple[x509.Certificate, ...]] = [store.chain(url) for url in urls]
    again = [store.chain(url) for url in reversed(urls)][::-1]

    assert [a is b for a, b in zip(chains, again, strict=True)] == kept
    assert len(web.fetched) == 3


def test_a_chain_that_is_not_there_is_not_waited_for(
    store: CertificateStore, web: Web
) -> None:
    assert not store.cached(A)
    with pytest.raises(FetchError, match="not here yet: certificate") as caught:
        store.chain(A, wait=False)
    assert caught.value.temporary
    assert web.fetched == []

    chain = store.chain(A)

    assert store.cached(A)
    assert store.chain(A, wait=False) is chain


def test_what_has_grown_old_meanwhile_will_do_for_who_cannot_wait(
    store: CertificateStore, clock: Clock
) -> None:
    """It was fresh when the message began to arrive."""
    chain = store.chain(A)
    clock.now += DAY + 60

    assert not store.cached(A)
    assert store.chain(A, wait=False) is chain

    clock.now += CHAIN.stale
    with pytest.raises(FetchError):
        store.chain(A, wait=False)


def test_a_failure_is_known_without_waiting(store: CertificateStore, web: Web) -> None:
    web.broken[A] = FetchError("address is not public", temporary=False)
    with pytest.raises(FetchError):
        store.chain(A)

    assert store.cached(A)
    with pytest.raises(FetchError, match="not public") as caught:
        store.chain(A, wait=False)
    assert not caught.value.temporary


def test_a_chain_is_read_by_who_has_time(clock: Clock, web: Web) -> None:
    documents = DocumentStore(web.get, clock=clock)
    CertificateStore(documents).chain(A)
    store = CertificateStore(documents)  # as if what was read had been forgotten

    with pytest.raises(TakesLong), haste():
        store.chain(A)
    assert not store.entries
    chain = store.chain(A)
    with haste():
        assert store.chain(A) is chain
    assert (store.hits, store.misses) == (1, 1)

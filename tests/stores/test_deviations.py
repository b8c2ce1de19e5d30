"""What this version does where it does not yet do what it should.

docs/conformance.md gives the reasons.
"""

import pytest

from stirmilter.stores.certificates import CertificateStore
from stirmilter.testca import TestCA
from tests.stores.fetchers import bodies, fetcher
from tests.stores.servers import OK, https, say


@pytest.mark.conformance("C-13")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"Cache-Control: no-store\r\n", id="no-store"),
        pytest.param(b"Cache-Control: max-age=0\r\n", id="max-age"),
        pytest.param(b"Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\n", id="expires"),
    ],
)
def test_a_chain_is_kept_whatever_its_server_says(ca: TestCA, header: bytes) -> None:
    chain = ca.files("one").chain.read_bytes()
    with https(ca, say(OK, header, b"\r\n", chain)) as server:
        store = CertificateStore(bodies(fetcher(ca)))
        url = f"https://127.0.0.1:{server.port}/one.pem"

        assert store.chain(url) == store.chain(url)

    assert len(server.requests) == 1

"""A place with one revocation list."""

import pytest

from tests.stores.crl.web import URL, Web, lists


@pytest.fixture
def web() -> Web:
    web = Web()
    web.pages[URL] = lists(1)
    return web

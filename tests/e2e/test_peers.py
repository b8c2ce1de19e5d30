"""By what a peer is known through the real milter socket: certificate and HELO."""

import pytest

from tests import mta
from tests.e2e.conftest import Daemon, Start
from tests.e2e.test_milter import BOB, SENDER, STRANGER, headers

pytestmark = pytest.mark.e2e

PEER = """\
[[peer]]
name = "two"
{criterion}
[[rule]]
name = "known"
peer = ["two"]
action = "tag"
"""


def is_peer(
    daemon: Daemon, helo: bytes, macros: dict[bytes, bytes], version: str
) -> bool:
    with mta.session(daemon.socket, STRANGER, version=version) as session:
        session.hello(b"before.tls.example")
        session.hello(helo, macros)
        answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")
    return any(name == b"X-Stirmilter" for _, name, _ in answer.inserted)


@pytest.mark.parametrize(
    ("macros", "version", "known"),
    [
        pytest.param({}, "Postfix 3.7.11", False, id="no-certificate"),
        pytest.param(
            {b"{cert_subject}": b"mmsc.two.example"},
            "Postfix 3.7.11",
            True,
            id="postfix",
        ),
        pytest.param(
            {b"{cert_subject}": b"mmsc.one.example"},
            "Postfix 3.7.11",
            False,
            id="other",
        ),
        pytest.param(
            {b"{cert_subject}": b"mmsc.two.example"}, "8.17.1", False, id="not-verified"
        ),
        pytest.param(
            {b"{cert_subject}": b"mmsc.two.example", b"{verify}": b"FAIL"},
            "8.17.1",
            False,
            id="sendmail-failed",
        ),
        pytest.param(
            {b"{cert_subject}": b"mmsc.two.example", b"{verify}": b"FAIL"},
            "Postfix 3.7.11",
            False,
            id="failed-whoever-says-so",
        ),
        pytest.param(
            {
                b"{cert_subject}": b"/O=Two,+20Inc/CN=mmsc.two.example",
                b"{cn_subject}": b"mmsc.two.example",
                b"{verify}": b"OK",
            },
            "8.17.1",
            True,
            id="sendmail-verified",
        ),
        pytest.param(
            {
                b"{cert_subject}": b"/O=Two/CN=mmsc.two.example/CN=other.example",
                b"{cn_subject}": b"other.example",
                b"{verify}": b"OK",
            },
            "8.17.1",
            False,
            id="sendmail-other",
        ),
        pytest.param(
            {
                b"{cert_subject}": b"/CN=mmsc.two.example",
                b"{cn_subject}": b"mmsc.two.example",
                b"{verify}": b"NO",
            },
            "8.17.1",
            False,
            id="sendmail-unverified",
        ),
        pytest.param(
            {b"{cert_subject}": b"mmsc.two.example", b"{verify}": b"OK"},
            "",
            True,
            id="common-name-verified",
        ),
    ],
)
def test_a_client_name_counts_when_the_mta_has_verified_it(
    start: Start, macros: dict[bytes, bytes], version: str, known: bool
) -> None:
    daemon = start(more=PEER.format(criterion='tls_names = ["mmsc.two.example"]'))

    assert is_peer(daemon, b"x", macros, version) is known


def test_the_last_helo_counts_and_odd_ones_do_no_harm(start: Start) -> None:
    daemon = start(more=PEER.format(criterion='helo = ["mmsc.two.example"]'))

    assert is_peer(daemon, b"MMSC.two.example", {}, "Postfix 3.7.11")
    assert not is_peer(daemon, b"before.mmsc.two.example", {}, "Postfix 3.7.11")
    assert not is_peer(daemon, bytes(range(1, 256)), {}, "Postfix 3.7.11")

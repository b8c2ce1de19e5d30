"""The milter protocol, spoken by our own MTA side to the real daemon."""

import random
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from stirmilter.demo.postfix import free_port
from stirmilter.stir import identity, jws, passport, strictjson
from stirmilter.stir.msgi import digest_body
from tests import mta
from tests.e2e.conftest import OVER_BOTH, Start
from tests.e2e.watching import reload

pytestmark = pytest.mark.e2e

STRANGER = "192.0.2.7"
SENDER = b"<+12025550123/TYPE=PLMN@one.example>"
BOB = b"<+13125550100/TYPE=PLMN@two.example>"


def headers(number: int, body: str = "") -> list[tuple[bytes, bytes]]:
    return [
        (b"From", b" +1202555%04d/TYPE=PLMN" % number),
        (b"To", b" +1312555%04d/TYPE=PLMN@two.example" % number),
        (b"Date", format_datetime(datetime.now(UTC)).encode()),
        (b"X-Mms-Message-Type", b" MM4_forward.REQ"),
        (b"Message-ID", b" <%d%s@one.example>" % (number, body.encode())),
    ]


def recipient(number: int) -> bytes:
    return b"<+1312555%04d/TYPE=PLMN@two.example>" % number


def token_of(value: bytes) -> passport.Passport:
    return passport.parse(identity.parse(value.decode()).token)


def chunks(body: bytes, dice: random.Random) -> list[bytes]:
    """Cut a body anywhere; no piece is empty, since libmilter hangs up on that."""
    cut = sorted(dice.sample(range(1, len(body)), min(4, len(body) - 1)))
    return [body[a:b] for a, b in zip([0, *cut], [*cut, len(body)], strict=True)]


@OVER_BOTH
@pytest.mark.conformance("M-11", "M-19")
def test_a_thousand_messages_over_eight_connections_do_not_mix(
    start: Start, transport: str
) -> None:
    """Each message is signed as itself, and judged as itself, whatever runs beside it.

    Half of the messages are signed; the other half carry those tokens back in, every
    third with another body. Debian's libmilter moves callbacks between threads, so
    this is where a worker would crash or confuse two messages.
    """
    daemon = start(milter=f'transport = "{transport}"')

    def carry(lane: int) -> tuple[int, list[str]]:
        dice = random.Random(lane)  # noqa: S311 - to repeat it
        wrong: list[str] = []
        handled = 0
        with (
            mta.session(daemon.socket) as ours,
            mta.session(daemon.socket, STRANGER) as theirs,
        ):
            for turn in range(63):
                number = lane * 100 + turn
                body = dice.randbytes(dice.randrange(10, 30_000)) + b"\r\n"
                if turn % 10 == 9:  # a message that is never finished
                    ours.begin(SENDER, [BOB])
                    ours.headers(headers(9999))
                    ours.abort()
                answer = ours.message(
                    SENDER, [recipient(number)], headers(number), *chunks(body, dice)
                )
                value = answer.value(b"PASSporT")
                claims = token_of(value).claims
                if (
                    claims.orig.value != f"1202555{number:04d}"
                    or claims.msgi != digest_body(body).value()
                ):
                    wrong.append(f"{number}: signed as another message")
                spoilt = turn % 3 == 0
                answer = theirs.message(
                    SENDER,
                    [recipient(number)],
                    [(b"PASSporT", value), *headers(number)],
                    *chunks(body + b"x" * spoilt, dice),
                )
                result = answer.value(b"Authentication-Results")
                expected = b"body-altered" if spoilt else b"verified"
                if b"reason=" + expected not in result:
                    wrong.append(f"{number}: {result!r}")
                handled += 2
        return handled, wrong

    with ThreadPoolExecutor(8) as lanes:
        outcomes = list(lanes.map(carry, range(8)))

    assert [wrong for _, wrong in outcomes] == [[]] * 8
    assert sum(handled for handled, _ in outcomes) == 1008
    assert daemon.logged().count("out=signed") == 504
    assert "replaced" not in daemon.logged(), "a worker died"


@pytest.mark.parametrize("leading_space", [True, False])
@pytest.mark.conformance("H-05", "O-06")
def test_fields_are_written_with_one_space_either_way(
    start: Start, leading_space: bool
) -> None:
    daemon = start()

    with mta.session(daemon.socket, leading_space=leading_space) as session:
        answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")

    [(index, name, value)] = answer.inserted
    assert (index, name) == (0, b"PASSporT")
    assert value.startswith(b" ey" if leading_space else b"ey")
    assert b"\r" not in value
    lines = (b"PASSporT: " + value.lstrip()).split(b"\n")
    assert all(len(line) <= 78 for line in lines)


@pytest.mark.conformance("O-06")
def test_only_the_steps_that_we_look_at_are_asked_for(start: Start) -> None:
    """No DATA, no unknown command."""
    daemon = start()

    with mta.session(daemon.socket) as session:
        steps, actions = session.steps, session.actions

    # SMFIF_ADDHDRS, SMFIF_CHGHDRS, SMFIF_QUARANTINE, SMFIF_SETSYMLIST
    assert actions == 0x131
    assert steps & 0x302 == 0x300  # SMFIP_NOUNKNOWN, SMFIP_NODATA; but HELO is wanted
    assert steps & 0x100000  # SMFIP_HDR_LEADSPC


def test_forged_results_are_removed_from_the_last_to_the_first(start: Start) -> None:
    """A deletion renumbers what follows it (CVE-2022-48521)."""
    daemon = start()
    forged = [
        (b"Authentication-Results", b" mx.example; stir=pass"),
        (b"Authentication-Results", b" mx.other; spf=pass"),
        (b"authentication-results", b" (x) MX.Example 1; dmarc=pass"),
        (b"Authentication-Results", b' "mx.example"; dkim=pass'),
    ]

    with mta.session(daemon.socket, STRANGER) as session:
        answer = session.message(SENDER, [BOB], [*forged, *headers(123)], b"Hello\r\n")

    assert [index for index, _, _ in answer.changed] == [4, 3, 1]
    assert all(value == b"" for _, _, value in answer.changed)
    [(index, name, value)] = answer.inserted
    assert (index, name) == (0, b"Authentication-Results")
    assert b"stir=none reason=no-passport" in value


@pytest.mark.parametrize(
    ("client", "service", "signed"),
    [
        pytest.param("127.0.0.1", "smtpd", True, id="client-of-ours"),
        pytest.param("192.0.2.7", "smtpd", False, id="stranger"),
        pytest.param("2001:db8::7", "smtpd", False, id="stranger-over-ipv6"),
        pytest.param("192.0.2.7", "submission", True, id="service-of-ours"),
        pytest.param("::ffff:127.0.0.1", "smtpd", True, id="mapped-address-of-ours"),
    ],
)
@pytest.mark.conformance("A-03")
def test_who_speaks_decides_the_direction(
    start: Start, client: str, service: str, signed: bool
) -> None:
    daemon = start()

    with mta.session(daemon.socket, client, service) as session:
        answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")

    names = [name for _, name, _ in answer.inserted]
    assert names == [b"PASSporT" if signed else b"Authentication-Results"]


@pytest.mark.parametrize("logins", [True, False])
@pytest.mark.conformance("A-03")
def test_a_login_counts_only_where_logins_are_ours(start: Start, logins: bool) -> None:
    daemon = start(sign=f"logins = {str(logins).lower()}")

    with mta.session(daemon.socket, STRANGER) as session:
        session.begin(SENDER, [BOB], login=b"mmsc")
        session.headers(headers(123))
        answer = session.end()
        session.begin(SENDER, [BOB])
        session.headers(headers(123))
        without = session.end()

    names = [name for _, name, _ in [*answer.inserted, *without.inserted]]
    first = b"PASSporT" if logins else b"Authentication-Results"
    assert names == [first, b"Authentication-Results"]


def test_what_we_know_of_a_session_outlives_a_message(start: Start) -> None:
    daemon = start()

    with mta.session(daemon.socket, STRANGER, "submission") as session:
        first = session.message(SENDER, [BOB], headers(1), b"one\r\n")
        second = session.message(SENDER, [BOB], headers(2), b"two\r\n")

    origs = [token_of(a.value(b"PASSporT")).claims.orig.value for a in (first, second)]
    assert origs == ["12025550001", "12025550002"]


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param("headers = 5", id="fields"),
        pytest.param("header_octets = 300", id="octets"),
    ],
)
def test_a_header_beyond_the_limit_is_refused_and_the_next_message_is_not(
    start: Start, limit: str
) -> None:
    daemon = start(more=f"[limits]\n{limit}")
    large = [*headers(123), *[(b"X-Filler", b" " + b"x" * 100)] * 3]

    with mta.session(daemon.socket) as session:
        refused = session.message(SENDER, [BOB], large, b"Hello\r\n")
        taken = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")

    assert (refused.verdict, refused.reply) == (
        b"y",
        b"552 5.3.4 the message header is too large",
    )
    assert refused.inserted == []
    assert taken.verdict == b"c"


def test_recipients_beyond_the_limit_are_to_come_again(start: Start) -> None:
    daemon = start(more="[limits]\nrecipients = 3")
    to = [recipient(number) for number in range(4)]

    with mta.session(daemon.socket) as session:
        refused = session.message(SENDER, to, headers(123), b"Hello\r\n")
        taken = session.message(SENDER, to[:3], headers(123), b"Hello\r\n")

    assert refused.verdict == b"y"
    assert refused.reply == b"452 4.5.3 too many recipients"
    assert refused.inserted == []
    assert taken.verdict == b"c"


def test_a_message_for_which_there_is_no_room_is_to_come_again(start: Start) -> None:
    daemon = start(milter="workers = 1", more="[limits]\nheld_octets = 3000")
    large = [*headers(123), (b"X-Filler", b" " + b"x" * 3000)]

    with mta.session(daemon.socket) as session:
        refused = session.message(SENDER, [BOB], large, b"Hello\r\n")
        taken = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")

    assert refused.reply == b"452 4.3.1 too much mail at once, try again later"
    assert taken.verdict == b"c"


def test_odd_octets_everywhere_are_judged_not_crashed_on(start: Start) -> None:
    """Header values, addresses and queue ids come from strangers."""
    daemon = start()
    odd = bytes(range(1, 256))

    with mta.session(daemon.socket, STRANGER) as session:
        answer = session.message(
            b"<" + odd + b">",
            [odd],
            [(b"From", odd), (b"PASSporT", odd), (b"Authentication-Results", odd)],
            odd,
            queue_id=b"\x1b[31m\r\nforged: line",
        )

    assert b"stir=permerror reason=malformed" in answer.value(b"Authentication-Results")
    assert re.search(
        r"(?m)^\w+ \\u\{1b\}\[31m\\u\{d\}\\u\{a\}forged: line: in=failed ",
        daemon.logged(),
    )


def test_inet_and_inet6_and_unix_are_served_at_once(start: Start) -> None:
    four, six = free_port(), free_port()
    daemon = start(f"inet:{four}@127.0.0.1", f"inet6:{six}@::1")

    for address in (daemon.socket, ("127.0.0.1", four), ("::1", six)):
        with mta.session(address) as session:
            answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")
        assert token_of(answer.value(b"PASSporT")).claims.orig.value == "12025550123"


@OVER_BOTH
def test_a_slow_certificate_does_not_hang_the_mta(start: Start, transport: str) -> None:
    """Progress is reported while we wait, and the result is temperror in the end."""
    daemon = start(
        milter=f'progress_seconds = 0.2\ntransport = "{transport}"', fetch=""
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        configuration = daemon.configuration.read_text()
        daemon.configuration.write_text(
            configuration.replace(
                "laboratory = true", "laboratory = true\nseconds = 1.5"
            )
        )
        reload(daemon)
        with mta.session(daemon.socket) as session:
            answer = session.message(SENDER, [BOB], headers(123), b"Hello\r\n")
        value = moved(answer.value(b"PASSporT"), f"https://127.0.0.1:{port}/x.pem")
        with mta.session(daemon.socket, STRANGER) as session:
            answer = session.message(
                SENDER,
                [recipient(123)],
                [(b"PASSporT", value), *headers(123)],
                b"Hello\r\n",
            )

    assert answer.progress >= 3
    words = answer.value(b"Authentication-Results").split()
    assert words[1:3] == [b"stir=temperror", b"reason=credential-unavailable"]


def test_the_bounds_of_the_native_transport_are_those_that_are_set(
    start: Start,
) -> None:
    bounds = "connections = 1\nframe_octets = 65536\nidle_seconds = 1.5"
    daemon = start(milter=f'workers = 1\ntransport = "native"\n{bounds}')

    def carry_a_large_field() -> None:
        with mta.session(daemon.socket) as session:
            large = (b"X-Filler", b"x" * 65_536)
            session.message(SENDER, [BOB], [large], b"Hello\r\n")

    with mta.session(daemon.socket), pytest.raises(ConnectionError):
        carry_a_large_field()
    with pytest.raises(ConnectionError):
        carry_a_large_field()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(daemon.socket)
        assert silent.recv(1) == b""

    logged = daemon.logged()
    assert "more than 1 connections: one refused" in logged
    assert "does not speak the milter protocol: a frame of 65547 octets" in logged
    assert "a connection was silent for 2 seconds: closed" in logged


def moved(value: bytes, x5u: str) -> bytes:
    """The same claims under another x5u; the signature is checked after the fetch."""
    token = token_of(value)
    header = {"alg": "ES256", "ppt": "msg", "typ": "passport", "x5u": x5u}
    first = jws.b64url_encode(strictjson.serialize(header))
    _, payload, signature = token.text.split(".")
    return f" {first}.{payload}.{signature};info=<{x5u}>".encode()

"""The name server of the demonstration, asked by the one who asks it there."""

import socket
from collections.abc import Iterator

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from stirmilter.demo import names
from stirmilter.stores.dns import Dns

LONG = "v=DKIM1; p=" + "A" * 2_000
ZONE = names.Zone(
    "\n".join(
        [
            "mms.one.example. 60 IN A 127.0.0.1",
            'mms.one.example. 60 IN TXT "v=spf1 a -all"',
            "one.example. 60 IN MX 10 mms.one.example.",
            names.txt("demo._domainkey.one.example", LONG),
        ]
    )
)


@pytest.fixture
def port() -> Iterator[int]:
    with names.serve(ZONE) as port:
        yield port


@pytest.mark.parametrize(
    ("name", "kind", "outcome", "records"),
    [
        ("mms.one.example", "TXT", "found", ("v=spf1 a -all",)),
        ("MMS.ONE.example", "A", "found", ("127.0.0.1",)),
        ("demo._domainkey.one.example", "TXT", "found", (LONG,)),
        pytest.param("one.example", "TXT", "no-data", (), id="another-kind"),
        pytest.param("_domainkey.one.example", "TXT", "no-data", (), id="names-below"),
        pytest.param("two.example", "TXT", "no-name", (), id="no-such-name"),
    ],
)
def test_what_is_in_the_zone_is_found_and_nothing_else(
    port: int, name: str, kind: str, outcome: str, records: tuple[str, ...]
) -> None:
    lookups = Dns([("127.0.0.1", port)]).for_message()

    answer = lookups.ask(name, kind)  # type: ignore[arg-type] # a kind, all of them

    assert (answer.outcome, answer.records) == (outcome, records)


def test_an_answer_too_long_for_udp_sends_one_to_tcp() -> None:
    query = dns.message.make_query("demo._domainkey.one.example", "TXT", payload=1_232)

    short = dns.message.from_wire(ZONE.answer(query.to_wire(), 512))
    whole = dns.message.from_wire(ZONE.answer(query.to_wire()))

    assert short.flags & dns.flags.TC
    assert not short.answer
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer) == 1


def test_as_much_as_the_question_offers_goes_by_udp() -> None:
    query = dns.message.make_query("demo._domainkey.one.example", "TXT", payload=4_096)

    answer = dns.message.from_wire(ZONE.answer(query.to_wire(), 512))

    assert len(answer.answer) == 1


def test_junk_is_not_answered_and_the_next_question_is(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Nor does it leave a trace: anybody on this machine may knock."""
    with pytest.raises(dns.exception.DNSException):
        ZONE.answer(b"junk")
    with names.serve(ZONE) as port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
            door.sendto(b"junk", ("127.0.0.1", port))
        with socket.create_connection(("127.0.0.1", port)) as door:
            door.sendall(b"\x00\x04junk")
            assert door.recv(1) == b""

        found = Dns([("127.0.0.1", port)]).for_message().ask("mms.one.example", "A")

    assert found.records == ("127.0.0.1",)
    assert capfd.readouterr().err == ""


def test_the_port_is_free_again_afterwards() -> None:
    with names.serve(ZONE) as port:
        pass

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", port))


def test_a_text_is_cut_where_a_string_must_end() -> None:
    line = names.txt("one.example", "a" * 255 + "b")

    assert line == f'one.example. 60 IN TXT "{"a" * 255}" "b"'

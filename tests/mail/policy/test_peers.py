"""Who is a peer, and whose DKIM belongs to whose token."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from stirmilter.mail import protection
from stirmilter.mail.policy import peers
from stirmilter.mail.policy.peers import Peer
from stirmilter.mail.results import DkimSignature
from stirmilter.mail.transaction import Connection

CLIENT = Connection(
    client=ip_address("192.0.2.1"),
    helo="MMSC.carrier.example.",
    tls_name="mmsc.Carrier.example",
)
SENDER = "<+12025550123/TYPE=PLMN@MMS.carrier.example>"
HOLDS: dict[str, Any] = {
    "networks": (ip_network("2001:db8::/32"), ip_network("192.0.2.0/24")),
    "tls_names": frozenset({"mmsc.carrier.example"}),
    "helo": frozenset({"mmsc.carrier.example"}),
    "domains": frozenset({"mms.carrier.example"}),
    "spcs": frozenset({"1234"}),
}
FAILS: dict[str, Any] = {
    "networks": (ip_network("198.51.100.0/24"),),
    "tls_names": frozenset({"carrier.example"}),
    "helo": frozenset({"carrier.example"}),
    "domains": frozenset({"carrier.example"}),
    "spcs": frozenset({"5678"}),
}
SPCS = frozenset({"1234"})


@pytest.mark.parametrize("criterion", HOLDS)
def test_each_criterion_is_enough_if_it_is_the_only_one(criterion: str) -> None:
    assert Peer(name="p", **{criterion: HOLDS[criterion]}).is_(CLIENT, SENDER, SPCS)
    assert not Peer(name="p", **{criterion: FAILS[criterion]}).is_(CLIENT, SENDER, SPCS)


@pytest.mark.parametrize("criterion", HOLDS)
def test_every_criterion_that_is_given_must_hold(criterion: str) -> None:
    assert Peer(name="p", **HOLDS).is_(CLIENT, SENDER, SPCS)
    spoilt = replace(Peer(name="p", **HOLDS), **{criterion: FAILS[criterion]})

    assert not spoilt.is_(CLIENT, SENDER, SPCS)


def test_nobody_is_a_peer_without_criteria() -> None:
    assert not Peer(name="p").is_(CLIENT, SENDER, SPCS)


def test_the_first_peer_counts() -> None:
    table = [Peer(name="a", helo=HOLDS["helo"]), Peer(name="b", helo=HOLDS["helo"])]

    found = peers.find(table, CLIENT, SENDER)

    assert found is not None
    assert found.name == "a"
    assert peers.find([], CLIENT, SENDER) is None


@pytest.mark.parametrize("criterion", ["networks", "tls_names", "helo", "domains"])
def test_what_is_not_told_is_no_match(criterion: str) -> None:
    silent = Connection(client=None)

    assert not Peer(name="p", **{criterion: HOLDS[criterion]}).is_(silent, "<>")


def test_a_certificate_makes_no_peer_before_it_is_believed() -> None:
    assert not Peer(name="p", spcs=SPCS).is_(CLIENT, SENDER, None)
    assert not Peer(name="p", spcs=SPCS).is_(CLIENT, SENDER, frozenset())


@pytest.mark.parametrize(
    ("criteria", "claimed"),
    [
        (("helo",), True),
        (("domains",), True),
        (("helo", "domains"), True),
        (("helo", "networks"), False),
        (("tls_names",), False),
        (("spcs", "domains"), False),
        ((), False),
    ],
)
def test_a_peer_known_by_words_alone_is_told(
    criteria: tuple[str, ...], claimed: bool
) -> None:
    assert Peer(name="p", **{c: HOLDS[c] for c in criteria}).claimed is claimed


BOUND = [
    Peer(name="a", dkim={"1234": frozenset({"a.example"})}),
    Peer(name="b", dkim={"5678": frozenset({"b.example"})}),
    Peer(name="hub", dkim={"1234": frozenset({"hub.example"})}),
]


@pytest.mark.parametrize(
    ("spcs", "domains", "mark"),
    [
        pytest.param({"1234"}, ["a.example"], "match", id="its-own"),
        pytest.param({"1234"}, ["MMS.A.example"], "match", id="below-its-own"),
        pytest.param({"1234"}, ["hub.example"], "match", id="that-of-its-hub"),
        pytest.param({"1234"}, ["b.example"], "mismatch", id="another-carriers"),
        pytest.param({"1234"}, ["nota.example"], "mismatch", id="only-looks-like-it"),
        pytest.param({"1234"}, ["b.example", "a.example"], "match", id="both"),
        pytest.param({"1234"}, [], "absent", id="no-dkim"),
        pytest.param({"9999"}, ["c.example"], "none", id="not-bound"),
        pytest.param(set(), ["a.example"], "none", id="no-carrier"),
    ],
)
def test_a_carriers_token_under_anothers_dkim_is_marked(
    spcs: set[str], domains: list[str], mark: str
) -> None:
    signatures = [DkimSignature(word="pass", domain=domain) for domain in domains]

    assert protection.bind(spcs, peers.bindings(BOUND), signatures) == mark

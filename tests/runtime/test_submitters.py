"""Blocks of submitters, and long lists of numbers, from the configuration to values."""

import sqlite3
import tracemalloc
from contextlib import closing
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from stirmilter import runtime
from stirmilter.errors import ConfigError
from stirmilter.mail.transaction import Connection
from tests.laboratory import ALICE, BOB
from tests.runtime.configurations import Configured

CLIENT = Connection(
    client=ip_address("192.0.2.1"),
    login="mmsc",
    tls_name="mmsc.Example.net",
    daemon_name="mm4",
)


def block(**settings: Any) -> dict[str, Any]:  # noqa: ANN401 - TOML
    return {"name": "x", **settings}


@pytest.mark.conformance("A-03")
def test_a_block_becomes_what_it_says(configured: Configured) -> None:
    blocks = [
        block(
            networks=["192.0.2.0/24"],
            logins=["mmsc"],
            tls_names=["MMSC.example.net"],
            daemon_names=["mm4"],
            numbers=["+1202*"],
        ),
        block(name="y", logins=["other"], numbers=[]),
    ]
    config = configured({"submitter": blocks, "sign.tls_names": ["Other.Example"]})

    policy = runtime.build(config).filter.policy

    one, two = policy.submitters
    assert (one.name, one.networks) == ("x", (ip_network("192.0.2.0/24"),))
    assert one.is_(CLIENT)
    assert not two.is_(CLIENT)
    assert one.may_use(ALICE)
    assert not one.may_use(BOB)
    assert not two.may_use(ALICE)
    assert policy.unlisted is False
    assert policy.tls_names == {"other.example"}


def test_what_becomes_of_a_refused_message_is_too(configured: Configured) -> None:
    blocks = [
        block(logins=["mmsc"], numbers=[], refused="reject"),
        block(name="y", logins=["other"], numbers=[]),
    ]

    default = runtime.build(configured({"submitter": blocks})).filter.policy
    config = configured({"submitter": blocks, "sign.refused": "tempfail"})

    assert default.refused == "unsigned"
    assert [one.refused for one in default.submitters] == ["reject", None]
    assert runtime.build(config).filter.policy.refused == "tempfail"


def test_who_is_not_listed_is_the_operators_to_decide(configured: Configured) -> None:
    config = configured({"sign.unlisted": "any"})

    assert runtime.build(config).filter.policy.unlisted


def test_all_sources_of_numbers_count(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("+13\n+14 # comment\n+15*")
    (tmp_path / "two.txt").write_text("+16-+17\n+12\n")
    with closing(sqlite3.connect(tmp_path / "n.sqlite")) as file:
        file.execute("CREATE TABLE t (n TEXT PRIMARY KEY)")
        file.execute("INSERT INTO t VALUES ('+18')")
        file.commit()
    numbers = ["+11", "@one.txt", "@two.txt", "sqlite:n.sqlite?t.n"]
    config = configured({"submitter": [block(logins=["a"], numbers=numbers)]})

    [made] = runtime.build(config).filter.policy.submitters

    asked = ["10", "11", "12", "13", "14", "151", "16", "17", "18", "19"]
    assert [tn for tn in asked if made.may_use(tn)] == asked[1:-1]


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        pytest.param(["@none.txt"], "none.txt: No such file", id="no-file"),
        pytest.param(["@\0"], "embedded null byte", id="no-path"),
        pytest.param(["@bad.txt"], "'12': expected a number", id="no-number"),
        pytest.param(["@long.txt"], "a line is too long", id="no-lines"),
        pytest.param(["12"], "'12': expected a number", id="inline"),
        pytest.param(
            ["sqlite:n"], "expected sqlite:/path?table.column", id="no-column"
        ),
        pytest.param(["sqlite:n?t.n"], "n: No such file", id="no-database"),
    ],
)
def test_a_source_that_cannot_be_used_is_named(
    configured: Configured, tmp_path: Path, numbers: list[str], problem: str
) -> None:
    (tmp_path / "bad.txt").write_text("+12\n12\n")
    (tmp_path / "long.txt").write_text("x" * 3000)
    config = configured({"submitter": [block(logins=["a"], numbers=numbers)]})

    with pytest.raises(ConfigError) as fault:
        runtime.build(config)

    assert ": submitter.0 (x).numbers: " in str(fault.value)
    assert problem in str(fault.value)


@pytest.mark.parametrize(
    ("where", "change"),
    [
        (
            "signer.0 (one).numbers",
            {"signer.0.numbers": ["+1202*", "sqlite:n.sqlite?t.n"]},
        ),
        (
            "verify.spc_numbers.1234",
            {"verify.spc": "map", "verify.spc_numbers": {"1234": ["sqlite:n?t.n"]}},
        ),
    ],
)
def test_a_table_is_for_submitters_alone(
    configured: Configured, where: str, change: dict[str, object]
) -> None:
    """A signer's numbers are held against its certificate, all of them."""
    with pytest.raises(ConfigError) as fault:
        runtime.build(configured(change))

    assert f"{where}: sqlite: is for the numbers of a [[submitter]]" in str(fault.value)


def test_a_block_for_nobody_is_refused(configured: Configured) -> None:
    with pytest.raises(ConfigError, match="missing: networks, logins, tls_names or"):
        configured({"submitter": [block(numbers=["+1*"])]})


def test_two_blocks_have_two_names(configured: Configured) -> None:
    with pytest.raises(ConfigError, match="expected names that differ"):
        configured({"submitter": [block(logins=["a"], numbers=[])] * 2})


def test_a_long_list_takes_eight_octets_a_number(
    configured: Configured, tmp_path: Path
) -> None:
    """Out of order, which is the harder case: what is read is brought into order."""
    count = 300_000
    with (tmp_path / "long.txt").open("w") as file:
        file.writelines(
            f"+{12_000_000_000 + n * 7_919 % 1_000_003}\n" for n in range(count)
        )
    config = configured({"submitter": [block(logins=["a"], numbers=["@long.txt"])]})

    tracemalloc.start()
    try:
        [made] = runtime.build(config).filter.policy.submitters
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert made.may_use(str(12_000_000_000 + 7_919))
    assert not made.may_use("11999999999")
    assert kept < count * 8 * 2
    assert most < 12 << 20


@pytest.mark.parametrize(
    ("listed", "never"), [("+12025550123", True), ("+1999", False)]
)
def test_a_rule_for_the_numbers_of_a_file_may_never_apply(
    configured: Configured, tmp_path: Path, listed: str, never: bool
) -> None:
    (tmp_path / "n.txt").write_text(f"+12025550100\n{listed}\n")
    rules = [
        {"name": name, "number": [number], "action": "accept"}
        for name, number in (("wide", "+1202*"), ("listed", "@n.txt"))
    ]
    change = {"rule": rules}

    if never:
        with pytest.raises(ConfigError, match=r"rule\.1"):
            runtime.build(configured(change))
    else:
        assert runtime.build(configured(change))

"""What is said of a wrong value: in words of the file, with what to write instead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from stirmilter import config
from stirmilter.config import Config
from stirmilter.errors import ConfigError
from tests.config.files import SIGNER, faults, load

PEER = '[[peer]]\nname = "p"\nhelo = ["a.example"]\n'


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        pytest.param(
            SIGNER.replace("[[signer]]", "[signer]"),
            "signer",
            "there may be several: write [[signer]], with two brackets",
            id="one-bracket",
        ),
        pytest.param(
            PEER + "[peer.ladder]",
            "peer.0 (p).ladder",
            "there may be several: write [[peer.ladder]], with two brackets",
            id="one-bracket-inside",
        ),
        pytest.param(
            "[[milter]]\nthreads = 1",
            "milter",
            "there is only one: write [milter], with one bracket",
            id="two-brackets",
        ),
        pytest.param(
            "[milter]\nsockets = []",
            "milter.sockets",
            "expected at least one, found []",
            id="empty-array",
        ),
        pytest.param(
            '[[trust]]\nname = "us"\nanchors = []',
            "trust.0 (us).anchors",
            "expected at least one, found []",
            id="no-anchors",
        ),
        pytest.param(
            SIGNER.replace('"one"', '"x y"'),
            "signer.0 (x y).name",
            "expected letters, digits, . _ and -, 60 at most, found 'x y'",
            id="name",
        ),
        pytest.param(
            '[dkim]\nselector = "a b"',
            "dkim.selector",
            "expected letters, digits, . _ and -, 63 at most, found 'a b'",
            id="selector",
        ),
        pytest.param(
            '[replay]\nstore = "unix:/x"',
            "replay.store",
            "expected memory:, sqlite:/path, redis://host, rediss://host or"
            " unix:///path, found 'unix:/x'",
            id="store",
        ),
        pytest.param(
            '[replay]\nprefix = "a b"',
            "replay.prefix",
            "expected ASCII without spaces, 100 characters at most, found 'a b'",
            id="prefix",
        ),
        pytest.param(
            PEER + 'spcs = ["a b"]',
            "peer.0 (p).spcs.0",
            "expected 1 to 64 characters of ASCII without spaces, found 'a b'",
            id="spc",
        ),
        pytest.param(
            PEER + 'ladder = [{ from = "2026-09-01", action = "tag" }]',
            "peer.0 (p).ladder.0.from",
            "expected a date such as 2026-09-01, without quotes, found '2026-09-01'",
            id="date-in-quotes",
        ),
        pytest.param(
            PEER + 'ladder = [{ from = 2026-09-01T00:00:00, action = "tag" }]',
            "peer.0 (p).ladder.0.from",
            "expected a date such as 2026-09-01, without quotes, found"
            " 2026-09-01T00:00:00",
            id="date-with-a-time",
        ),
        pytest.param(
            "[log]\nlevel = true",
            "log.level",
            "expected 'debug', 'info', 'warning' or 'error', found true",
            id="as-toml-writes-it",
        ),
        pytest.param("milter = 1", "milter", "expected a table, found 1", id="none"),
        pytest.param(
            PEER + 'ladder = ["2026-09-01 tag"]',
            "peer.0 (p).ladder.0",
            "expected a table, found '2026-09-01 tag'",
            id="text-for-a-table",
        ),
        pytest.param(
            '[[submitter]]\nname = "x"\nnumbers = []',
            "submitter.0 (x)",
            "missing: networks, logins, tls_names or daemon_names to know it by",
            id="nobody",
        ),
        pytest.param(
            '[[upstream]]\nauthserv_ids = ["x.example"]',
            "upstream.0",
            "missing: clients or daemon_names, the way that is trusted",
            id="no-way",
        ),
        pytest.param(
            "[milter]\nworkers = -1",
            "milter.workers",
            "expected a number greater than or equal to 0, found -1",
            id="too-small",
        ),
        pytest.param(
            PEER + "dkim = 5", "peer.0 (p).dkim", "expected a table, found 5", id="map"
        ),
        pytest.param(
            "[sign]\nheader = 5",
            "sign.header",
            "expected text in quotes, found 5",
            id="number-for-text",
        ),
        pytest.param(
            SIGNER.replace('"keys/one.key"', '""'),
            "signer.0 (one).key",
            "expected at least one character, found ''",
            id="empty",
        ),
    ],
)
def test_a_fault_says_what_to_write(
    path: Path, text: str, where: str, problem: str
) -> None:
    assert faults(path, text) == {where: problem}


def settings(kinds: tuple[type, ...]) -> Iterator[tuple[str, str]]:
    """Yield section and name of the settings whose default is of a kind."""
    defaults = config.parse({}, Path("stirmilter.toml"))
    for section in Config.model_fields:
        values = getattr(defaults, section)
        if isinstance(values, BaseModel):
            for name, value in values:
                if type(value) in kinds:
                    yield section, name


@pytest.mark.parametrize(("section", "name"), list(settings((int, float))))
@pytest.mark.parametrize("value", ["true", '"4"'])
def test_a_number_is_neither_a_word_nor_true(
    path: Path, section: str, name: str, value: str
) -> None:
    found = faults(path, f"[{section}]\n{name} = {value}")

    assert found.keys() == {f"{section}.{name}"}
    assert "number, without quotes, found " in found[f"{section}.{name}"]


@pytest.mark.parametrize(("section", "name"), list(settings((bool,))))
@pytest.mark.parametrize("value", ['"off"', '"yes"', "1", "0"])
def test_a_switch_is_neither_a_word_nor_a_number(
    path: Path, section: str, name: str, value: str
) -> None:
    found = faults(path, f"[{section}]\n{name} = {value}")

    assert found.keys() == {f"{section}.{name}"}
    assert "true or false, without quotes" in found[f"{section}.{name}"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param('[fetch]\nports = ["443"]', "fetch.ports.0", id="port"),
        pytest.param("[sign]\nexpiry_days = [true]", "sign.expiry_days.0", id="days"),
        pytest.param(PEER + 'strict = "off"', "peer.0 (p).strict", id="strict"),
        pytest.param(PEER + "skew = true", "peer.0 (p).skew", id="skew"),
        pytest.param(
            '[[trust]]\nname = "us"\nanchors = ["a"]\npeers_only = "no"',
            "trust.0 (us).peers_only",
            id="in-a-block",
        ),
        pytest.param(
            '[[upstream]]\nauthserv_ids = ["a"]\nclients = ["::1"]\nstrips = 1',
            "upstream.0.strips",
            id="in-a-block-without-a-name",
        ),
    ],
)
def test_so_in_arrays_and_blocks(path: Path, text: str, where: str) -> None:
    assert faults(path, text).keys() == {where}


def test_what_toml_means_by_a_number_or_a_date_is_taken(path: Path) -> None:
    found = load(
        path,
        "[verify]\nfreshness = 60\nskew = 1.5\nstrict = false\n"
        f'{PEER}ladder = [{{ from = 2026-09-01, action = "tag" }}]',
    )

    assert found.verify.freshness == 60.0
    assert type(found.verify.freshness) is float
    assert found.peer[0].ladder[0].begins.isoformat() == "2026-09-01"


def test_a_block_without_a_good_name_has_its_place_alone(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, SIGNER.replace('"one"', '"a\\nb"').replace("key =", "kay ="))

    places = [where.removeprefix(f"{path}: ") for where, _ in caught.value.faults]
    assert sorted(places) == ["signer.0.kay", "signer.0.key", "signer.0.name"]

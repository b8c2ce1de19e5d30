"""``stirmilter replay``, as an operator types it."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from stirmilter import config as configuration
from stirmilter.mail.message import RawMessage
from stirmilter.runtime import stores
from stirmilter.services.replays import key
from stirmilter.stir import identity, passport
from stirmilter.testca import TestCA
from tests import laboratory
from tests.laboratory import ALICE, BOB, CAROL, NOW, message
from tests.redis_server import RedisServerProcess

A = b"a" * 16
MakeServer = Callable[..., RedisServerProcess]


def stirmilter(*arguments: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "stirmilter", "replay", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(params=["sqlite", "redis"])
def path(request: pytest.FixtureRequest, tmp_path: Path, own_redis: MakeServer) -> Path:
    """A configuration whose store a daemon has made, and used for BOB."""
    store = "sqlite:r.sqlite" if request.param == "sqlite" else own_redis().url
    made = tmp_path / "stirmilter.toml"
    made.write_text(
        f'[replay]\nstore = "{store}"\nseconds = 30.0\n[journal]\npath = ""\n'
    )
    return made


@pytest.fixture
def token(ca: TestCA) -> passport.Passport:
    service = laboratory.authenticator(ca, "one")
    return service.sign(message(ALICE, (BOB, CAROL)), NOW)


@pytest.fixture
def file(tmp_path: Path, token: passport.Passport) -> Path:
    made = tmp_path / "message.eml"
    field = identity.write(token, "PASSporT")
    lines = [
        f"PASSporT: {field}",
        f"From: +{ALICE}",
        f"To: +{BOB}, +{CAROL}",
        f"Date: {format_datetime(NOW)}",
    ]
    made.write_bytes("\n".join([*lines, "", "Hello"]).replace("\n", "\r\n").encode())
    assert RawMessage.parse(made.read_bytes()).headers
    return made


def use(path: Path, *keys: bytes) -> None:
    """Claim keys as a daemon does that runs since yesterday."""
    store = stores.replay_store(configuration.load(path))
    later = stores._now() + timedelta(minutes=1)
    assert store.claim(keys, A, later, later)


def test_the_store_is_shown(path: Path) -> None:
    use(path, b"\0" * 16, b"\xff" * 16)

    status, out, err = stirmilter("show", "-c", path)

    assert (status, err) == (0, "")
    figures = dict(line.split("\t") for line in out.splitlines()[:3])
    assert figures["keys"] == "2"
    assert figures["limit"] in ("1000000", "-")
    assert figures["since"].startswith("20")
    rows = sorted(line.split("\t") for line in out.splitlines()[3:])
    assert [row[:2] for row in rows] == [
        ["00" * 16, A.hex()],
        ["ff" * 16, A.hex()],
    ]
    assert all(row[2].startswith("20") for row in rows)


def test_no_more_keys_are_printed_than_asked_for(path: Path) -> None:
    use(path, *(bytes([n]) * 16 for n in range(30)))

    assert len(stirmilter("show", "-c", path)[1].splitlines()) == 3 + 20
    assert len(stirmilter("show", "-c", path, "--limit", "0")[1].splitlines()) == 3


def test_it_is_shown_as_json(path: Path) -> None:
    use(path, b"\0" * 16)

    status, out, _ = stirmilter("show", "-c", path, "--json")

    shown = json.loads(out)
    assert status == 0
    assert shown["keys"] == 1
    [entry] = shown["entries"]
    assert entry["key"] == "00" * 16
    assert set(entry) == {"key", "holder", "until"}


def test_the_use_of_a_message_is_found(
    path: Path, file: Path, token: passport.Passport
) -> None:
    use(path, key(token, BOB), b"\0" * 16)

    status, out, err = stirmilter("show", "-c", path, file)

    assert (status, err) == (0, "")
    [row] = out.splitlines()[3:]
    assert row.startswith(key(token, BOB).hex())
    assert BOB not in out


def test_a_message_that_was_never_used_is_told_by_the_status(
    path: Path, file: Path
) -> None:
    use(path, b"\0" * 16)

    status, _, err = stirmilter("show", "-c", path, file)

    assert status == 1
    assert err == "stirmilter: none of its tokens was used for these recipients\n"


def test_a_message_may_be_delivered_once_more(
    path: Path, file: Path, token: passport.Passport
) -> None:
    keys = [key(token, one) for one in (BOB, CAROL, "13125550199")]
    use(path, *keys, b"\0" * 16)

    assert stirmilter("clear", "-c", path, file) == (0, "cleared\t2\n", "")
    more = ("--rcpt", "<+13125550199/TYPE=PLMN@two.example>")
    assert stirmilter("clear", "-c", path, file, *more) == (0, "cleared\t1\n", "")
    assert stirmilter("clear", "-c", path, file) == (0, "cleared\t0\n", "")
    assert stirmilter("clear", "-c", path, "--all") == (0, "cleared\t1\n", "")


@pytest.mark.parametrize("arguments", [(), ("FILE", "--all")])
def test_clearing_takes_one_or_the_other(
    tmp_path: Path, file: Path, arguments: tuple[str, ...]
) -> None:
    given = [str(file) if word == "FILE" else word for word in arguments]

    status, out, err = stirmilter("clear", "-c", tmp_path / "none.toml", *given)

    assert (status, out) == (2, "")
    assert "name the FILE of a message, or --all" in err


def test_a_message_without_a_token_is_a_mistake(path: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.eml"
    plain.write_bytes(b"From: a@b.example\r\nPASSporT: x\x1b[31m\r\n\r\n")
    use(path, b"\0" * 16)

    status, out, err = stirmilter("clear", "-c", path, plain)

    assert (status, out) == (2, "")
    assert "the message has no PASSporT that can be read" in err
    assert "stirmilter: PASSporT: malformed" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("memory:", "memory: is in each worker, where nobody can look"),
        ("sqlite:none.sqlite", "none.sqlite: no such file; the daemon makes it"),
    ],
)
def test_what_cannot_be_looked_into_is_said(
    tmp_path: Path, store: str, problem: str
) -> None:
    made = tmp_path / "stirmilter.toml"
    made.write_text(f'[replay]\nstore = "{store}"\n')

    status, out, err = stirmilter("show", "-c", made)

    assert (status, out) == (78, "")
    assert err == f"stirmilter: {made}: replay.store: {problem}\n"
    assert not (tmp_path / "none.sqlite").exists()


def test_a_server_that_is_down_is_said_without_its_password(tmp_path: Path) -> None:
    made = tmp_path / "stirmilter.toml"
    made.write_text('[replay]\nstore = "redis://:s3cret@127.0.0.1:1/0"\n')

    for command in (("show",), ("clear", "--all")):
        status, out, err = stirmilter(*command, "-c", made)

        assert (status, out) == (75, "")  # and not 1: nothing is known of tokens
        assert err.startswith("stirmilter: replay store: redis://127.0.0.1:1/0: ")
        assert "s3cret" not in err

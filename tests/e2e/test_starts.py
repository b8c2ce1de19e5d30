"""A daemon that cannot start, or comes where another was: its words, its status."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.test_daemon import run, sign
from tests.e2e.watching import until

pytestmark = pytest.mark.e2e


def test_a_second_daemon_on_the_same_socket_is_refused(start: Start) -> None:
    daemon = start()

    second = run(daemon.configuration)

    assert second.returncode == 75
    assert f"unix:{daemon.socket}: another process listens there" in second.stderr
    assert sign(daemon) == [b"PASSporT"], "the first one goes on"


def test_a_socket_left_by_a_killed_daemon_is_taken_over(start: Start) -> None:
    daemon = start()
    daemon.process.kill()
    daemon.process.wait()
    until(lambda: not _answers(daemon.socket), "the workers have left")
    assert Path(daemon.socket).exists()

    left = daemon.configuration
    process = subprocess.Popen(
        [sys.executable, "-m", "stirmilter", "run", "--config", left],
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _answers(daemon.socket), "the second daemon answers")
        assert sign(daemon) == [b"PASSporT"]
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_a_file_in_the_place_of_the_socket_is_not_removed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data")
    configuration = tmp_path / "stirmilter.toml"
    configuration.write_text(
        f'[milter]\nsockets = ["unix:{precious}"]\n[replay]\nstore = "memory:"\n'
    )

    done = run(configuration)

    assert done.returncode == 75
    assert f"unix:{precious}: Address already in use" in done.stderr
    assert precious.read_text() == "data"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            'sockets = ["inet:{port}@127.0.0.1"]',
            "milter.sockets: inet:{port}@127.0.0.1: Address already in use",
            id="taken",
        ),
        pytest.param(
            'sockets = ["inet:{port}@192.0.2.1"]',
            "milter.sockets: inet:{port}@192.0.2.1: Cannot assign requested address",
            id="address-that-is-not-up",
        ),
        pytest.param(
            'sockets = ["inet:{port}@nobody.invalid"]',
            "milter.sockets: inet:{port}@nobody.invalid: ",
            id="host-that-nobody-knows",
        ),
        pytest.param(
            'sockets = ["unix:{folder}/none/s"]',
            "milter.sockets: unix:{folder}/none/s: No such file or directory",
            id="no-folder-for-the-socket",
        ),
        pytest.param(
            'sockets = ["unix:{folder}/s"]\n[replay]\nstore = "sqlite:none/r.sqlite"',
            "replay.store: replay store: {folder}/none/r.sqlite: unable to open",
            id="no-folder-for-the-store",
        ),
    ],
)
def test_what_may_be_there_later_ends_with_75_so_that_systemd_tries_again(
    tmp_path: Path, text: str, told: str
) -> None:
    """Not with 78, after which it never would (RestartPreventExitStatus=)."""
    configuration = tmp_path / "stirmilter.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        names = {"port": taken.getsockname()[1], "folder": tmp_path}
        more = "" if "[replay]" in text else '[replay]\nstore = "memory:"\n'
        configuration.write_text(
            f'[milter]\nsocket_group = ""\n{text.format(**names)}\n{more}'
        )
        done = run(configuration)

    assert done.returncode == 75
    assert f"{configuration}: {told.format(**names)}" in done.stderr
    assert "Errno" not in done.stderr
    assert not (tmp_path / "s").exists()


def test_an_error_in_the_configuration_ends_with_78_and_every_fault(
    tmp_path: Path,
) -> None:
    configuration = tmp_path / "stirmilter.toml"
    configuration.write_text('[milter]\nsocket = "x"\n[verify]\nfreshness = "1d"\n')

    done = run(configuration)

    assert done.returncode == 78
    assert "stirmilter: " in done.stderr
    assert "milter.socket: no such setting; did you mean sockets?" in done.stderr
    assert "verify.freshness: expected" in done.stderr
    assert "found '1d'" in done.stderr


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True

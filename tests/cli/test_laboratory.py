"""testca and demo: what the machine refuses them is told in a line, with the remedy."""

import socket
from pathlib import Path

from tests.cli.commands import stirmilter


def test_a_port_that_is_taken_is_told_with_the_option(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = stirmilter(
            "testca", "serve", folder / "ca", "--port", str(port)
        )

    assert status == 1
    assert err == (
        f"stirmilter: 127.0.0.1:{port}: Address already in use; choose another --port\n"
    )


def test_a_port_that_is_none_is_told(folder: Path) -> None:
    status, _, err = stirmilter("testca", "serve", folder / "ca", "--port", "70000")

    assert status == 1
    assert err.startswith("stirmilter: 127.0.0.1:70000: ")
    assert err.endswith("; choose another --port\n")


def test_a_folder_that_cannot_be_made_is_told() -> None:
    status, _, err = stirmilter("testca", "create", "/proc/x")

    assert (status, err) == (78, "stirmilter: /proc/x: No such file or directory\n")


def test_the_demo_names_the_option_for_its_folder() -> None:
    status, _, err = stirmilter("demo", "--out", "/proc/x")

    assert status == 78
    assert err == (
        "stirmilter: /proc/x/received: No such file or directory;"
        " name a folder with --out\n"
    )

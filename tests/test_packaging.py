"""The package for Debian: what is in it, whose it is, and what its scripts do.

Built without the Python environment, which takes a minute and the network.
"""

import gzip
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click import Command, Context, Group

from debian import settings_page
from stirmilter.cli import cli

ROOT = Path(__file__).parents[1]
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")

pytestmark = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="dpkg-deb is not here"
)


def output(*command: str | Path) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout


def build(folder: Path) -> Path:
    environment = os.environ | {
        "PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        "SOURCE_DATE_EPOCH": "1767355200",
    }
    done = subprocess.run(
        [ROOT / "debian" / "build", "--without-environment", folder],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked") / "root"
    output("dpkg-deb", "--raw-extract", package, folder)
    return folder


def entries(package: Path) -> dict[str, tuple[str, str]]:
    """Return mode and owner of each path in the package."""
    found = {}
    for line in output("dpkg-deb", "--contents", package).splitlines():
        mode, owner, _size, _date, _time, path = line.split(maxsplit=5)
        found[path.removeprefix(".").split(" -> ")[0]] = mode, owner
    return found


def field(package: Path, name: str) -> str:
    return output("dpkg-deb", "--field", package, name).strip()


def commands(command: Command, name: str) -> set[str]:
    """Return the names of the manual pages that a command and those below it have."""
    found = {name}
    if isinstance(command, Group):
        for below in command.list_commands(Context(command)):
            child = command.get_command(Context(command), below)
            assert child is not None
            found |= commands(child, f"{name}-{below}")
    return found


def test_the_control_file_names_what_the_program_needs(package: Path) -> None:
    minor = int(
        output("/usr/bin/python3", "-c", "import sys; print(sys.version_info[1])")
    )
    libc = output("dpkg-query", "--show", "--showformat=${Version}", "libc6")
    needs = {one.strip() for one in field(package, "Depends").split(",")}

    assert field(package, "Package") == "stirmilter"
    assert package.name == (
        f"stirmilter_{field(package, 'Version')}_{field(package, 'Architecture')}.deb"
    )
    assert {
        f"python3 (>= 3.{minor})",
        f"python3 (<< 3.{minor + 1})",
        "libmilter1.0.1",
        f"libc6 (>= {libc.split('-')[0]})",
        "ca-certificates",
        "procps",  # kill(1), by which the unit reloads
        "postfix",  # its group, before the folder of our socket is made
        "systemd | systemd-standalone-sysusers",
    } <= needs
    assert f"for Python 3.{minor} " in field(package, "Description")


def test_everything_belongs_to_root_and_the_configuration_is_closed(
    package: Path,
) -> None:
    found = entries(package)

    assert {owner for _, owner in found.values()} == {"root/root"}
    assert found["/etc/stirmilter/"][0] == "drwxr-x---"
    assert found["/etc/stirmilter/stirmilter.toml"][0] == "-rw-r-----"
    others = {
        path: mode
        for path, (mode, _) in found.items()
        if not path.startswith("/etc/stirmilter/")
        and mode not in {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}
    }
    assert not others


def test_units_users_folders_and_snippets_are_those_of_the_sources(
    unpacked: Path,
) -> None:
    places = {
        "systemd/stirmilter.service": "usr/lib/systemd/system/stirmilter.service",
        "systemd/sysusers.conf": "usr/lib/sysusers.d/stirmilter.conf",
        "systemd/tmpfiles.conf": "usr/lib/tmpfiles.d/stirmilter.conf",
        "conf/stirmilter.toml": "etc/stirmilter/stirmilter.toml",
        "conf/postfix-sign.cf": "usr/share/doc/stirmilter/postfix-sign.cf",
        "conf/postfix-verify.cf": "usr/share/doc/stirmilter/postfix-verify.cf",
        "conf/sendmail.mc": "usr/share/doc/stirmilter/sendmail.mc",
        "conf/sendmail-mailer.mc": "usr/share/doc/stirmilter/sendmail-mailer.mc",
        "docs/operations.md": "usr/share/doc/stirmilter/operations.md",
    }

    for source, place in places.items():
        assert (unpacked / place).read_bytes() == (ROOT / source).read_bytes(), place


def test_the_configuration_of_an_operator_is_kept_when_the_package_is_renewed(
    unpacked: Path,
) -> None:
    named = (unpacked / "DEBIAN" / "conffiles").read_text().split()

    below_etc = [one for one in (unpacked / "etc").rglob("*") if one.is_file()]
    assert named == [f"/{one.relative_to(unpacked)}" for one in below_etc]


def test_the_command_is_that_which_the_unit_starts(unpacked: Path) -> None:
    unit = (unpacked / "usr/lib/systemd/system/stirmilter.service").read_text()

    started = re.search(r"^ExecStart=(\S+)", unit, re.MULTILINE)
    assert started is not None
    assert str((unpacked / "usr/bin/stirmilter").readlink()) == started[1]


def test_every_file_is_as_its_checksum_says(unpacked: Path) -> None:
    subprocess.run(
        ["md5sum", "--check", "--quiet", "DEBIAN/md5sums"], cwd=unpacked, check=True
    )
    listed = (unpacked / "DEBIAN" / "md5sums").read_text().splitlines()
    files = [
        one
        for one in unpacked.rglob("*")
        if one.is_file() and not one.is_symlink() and "DEBIAN" not in one.parts
    ]
    assert len(listed) == len(files)


def test_the_same_sources_make_the_same_package(package: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == package.read_bytes()


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_of_the_package_are_shell(name: str, unpacked: Path) -> None:
    script = unpacked / "DEBIAN" / name

    assert script.stat().st_mode & 0o777 == 0o755
    assert script.read_text().startswith("#!/bin/sh\nset -e\n")
    subprocess.run(["sh", "-n", script], check=True)


def test_with_the_package_goes_what_would_start_it(
    unpacked: Path, tmp_path: Path
) -> None:
    """A socket that is left behind has Postfix wait for a service that is not there."""
    told = tmp_path / "told"
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >>{told}\n')
    program.chmod(0o755)

    subprocess.run(
        ["/bin/sh", unpacked / "DEBIAN" / "prerm", "remove"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=True,
    )

    *_, last = told.read_text().splitlines()
    assert last == "--quiet disable stirmilter.socket stirmilter.service"


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", "usr/share/bash-completion/completions/stirmilter"),
        ("zsh", "usr/share/zsh/vendor-completions/_stirmilter"),
        ("fish", "usr/share/fish/vendor_completions.d/stirmilter.fish"),
    ],
)
def test_each_shell_has_its_completion(shell: str, place: str, unpacked: Path) -> None:
    text = (unpacked / place).read_text()

    assert f"_STIRMILTER_COMPLETE={shell}_complete" in text


def test_bash_completes_the_commands(unpacked: Path, tmp_path: Path) -> None:
    program = tmp_path / "stirmilter"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m stirmilter "$@"\n')
    program.chmod(0o755)
    place = unpacked / "usr/share/bash-completion/completions/stirmilter"
    ask = (
        f". {place}; COMP_WORDS=(stirmilter do) COMP_CWORD=1;"
        f' _stirmilter_completion {program}; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "-c", ask],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )

    assert done.stdout.split() == ["doctor"]


def test_every_command_has_a_manual_page(unpacked: Path) -> None:
    if importlib.util.find_spec("click_man") is None:
        pytest.skip("click-man is not here")
    pages = {
        one.name.removesuffix(".1.gz")
        for one in (unpacked / "usr/share/man/man1").iterdir()
    }

    assert pages == commands(cli, "stirmilter")


def test_every_setting_stands_in_the_manual_page_of_the_configuration(
    unpacked: Path,
) -> None:
    packed = (unpacked / "usr/share/man/man5/stirmilter.toml.5.gz").read_bytes()
    page = gzip.decompress(packed).decode()
    shipped = (ROOT / "conf" / "stirmilter.toml").read_text()

    settings = re.findall(r"^#(\w+) = ", shipped, re.MULTILINE)
    assert len(settings) > 100
    for name in settings:
        assert re.search(rf"^\\fB{name} = .*\\fP$", page, re.MULTILINE), name
    for section in re.findall(r"^\[\w+\]$", shipped, re.MULTILINE):
        assert f"\n.SH {section}\n" in page, section


def test_the_page_prints_what_roff_would_take_for_its_own() -> None:
    text = '# one\n# .so /etc/passwd\n# \'tis \\n - ~\n#name = "\\\\"\n'

    page = settings_page.page(text, "1", "2026-01-01")

    assert "\n\\&.so /etc/passwd\n\\&'tis \\en \\- \\(ti\n" in page
    assert '\\fBname = "\\e\\e"\\fP' in page

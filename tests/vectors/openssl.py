"""OpenSSL's program as a referee over certificates and paths."""

import ssl
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

OK: Final = "OK"

# Numbers of errors, as `openssl verify` prints them.
EXPIRED: Final = "10"
NO_ISSUER: Final = "20"


def parses(path: Path) -> bool:
    """Tell whether ``openssl x509`` reads a DER file."""
    return _run("x509", "-inform", "DER", "-in", path, "-noout").returncode == 0


def verify(
    times: Mapping[Path, datetime],
    anchors: Sequence[bytes],
    chain: Sequence[bytes],
    folder: Path,
) -> dict[str, str]:
    """Verify files, each at its time; return OK or the number of the first error.

    One process for all files of one time. No option makes it more lenient than it is:
    neither ``-partial_chain`` nor ``-ignore_critical``.

    Args:
        times: DER files, and when each must be valid.
        anchors: DER certificates that are trusted; no others are.
        chain: DER certificates that may help.
        folder: for files that OpenSSL reads.
    """
    options: list[str | Path] = ["-no-CApath", "-no-CAstore"]
    options += ["-CAfile", _bundle(folder / "anchors.pem", anchors)]
    if chain:
        options += ["-untrusted", _bundle(folder / "chain.pem", chain)]
    verdicts: dict[str, str] = {}
    for at in sorted(set(times.values())):
        files = [path for path in times if times[path] == at]
        moment = f"{at.timestamp():.0f}"
        done = _run("verify", *options, "-attime", moment, *files)
        verdicts |= _verdicts(done.stdout, done.stderr)
    assert verdicts.keys() == {path.name for path in times}
    return verdicts


def pem(der: bytes) -> str:
    """Wrap octets that need not be a certificate to anybody but OpenSSL."""
    return ssl.DER_cert_to_PEM_cert(der)


def _bundle(path: Path, certificates: Sequence[bytes]) -> Path:
    path.write_text("".join(map(pem, certificates)))
    return path


def _verdicts(good: str, bad: str) -> dict[str, str]:
    """Read ``file: OK`` on one side, ``error N at ...`` and the file on the other."""
    verdicts = {
        Path(line.removesuffix(": OK")).name: OK
        for line in good.splitlines()
        if line.endswith(": OK")
    }
    error = ""
    for line in bad.splitlines():
        words = line.removeprefix("error ")
        if " depth lookup: " in line:
            error = error or words.partition(" ")[0]
        elif line.endswith(": verification failed"):
            name = Path(words.removesuffix(": verification failed")).name
            verdicts[name], error = error, ""
    return verdicts


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", *arguments], capture_output=True, text=True, check=False
    )

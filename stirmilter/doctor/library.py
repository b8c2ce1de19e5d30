"""What carries the milter protocol, and what the libmilter of this machine can do."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from stirmilter.adapters.service import NAME
from stirmilter.config import Config
from stirmilter.doctor import asuser
from stirmilter.findings import Finding

_MAPS: Final = Path("/proc/self/maps")
_POOL: Final = b"mi_pool_controller_init"
"""Only in a libmilter built with _FFR_WORKERS_POOL, as Debian's and Arch's are."""

_SECONDS: Final = 5.0


def library(config: Config) -> Iterable[Finding]:
    """Look at the library that this process has loaded, as the daemon will."""
    if config.milter.transport == "native":
        text = "not used: milter.transport is native"
        yield Finding("ok", "libmilter", text)
        return
    import milter  # noqa: PLC0415 - only where the daemon will load it

    version = ".".join(map(str, milter.getversion()))
    path = _path()
    name = f"libmilter (API {version}{f', {path}' if path else ''})"
    try:
        asuser.run(asuser.Place(), _serves_descriptors, _SECONDS)
    except asuser.AsUserError as error:
        text = f"{name} cannot serve a descriptor (fd:): {error}; the daemon does not"
        text += " start. Debian's and Ubuntu's can"
        yield Finding("error", "libmilter", text, "apt-get install libmilter-dev")
        return
    text = f"{name} serves descriptors (fd:)"
    if path is not None and _POOL in path.read_bytes():
        text += "; its worker pool moves sessions between threads, which is foreseen"
    yield Finding("ok", "libmilter", text)


def _serves_descriptors() -> bool:
    """Try it, on a socket that nobody knows; in a child, since once is for ever."""
    import milter  # noqa: PLC0415

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # the kernel makes up an abstract name
        listener.listen()
        milter.register(NAME, negotiate=lambda _context, _options: 0)
        milter.setconn(f"fd:{listener.fileno()}")
        milter.opensocket(False)
    return True


def _path() -> Path | None:
    """Return the file that is mapped into this process."""
    try:
        lines = _MAPS.read_text().splitlines()
    except OSError:
        return None
    paths = (Path(line.split(None, 5)[-1]) for line in lines if "/libmilter" in line)
    return next((path for path in paths if path.is_file()), None)

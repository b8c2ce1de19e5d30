"""The milters of others, and those that do nothing.

OpenDKIM signs relaxed/simple, as Debian sets it, keeps the keys that the DNS told it,
and does not write to the system's log. (With ResolverConfiguration it reads a file for
each message, and two threads that do so at once end it: "fatal flex scanner internal
error".) dkimpy-milter runs in an environment of its own (`make bench-venv`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench.load import client, daemon
from tests.bench.load.corpus import DOMAIN
from tests.bench.load.daemon import Daemon
from tests.bench.load.floor import FIELD
from tests.bench.load.plant import SELECTORS, Candidate, Plant
from tests.e2e.neighbours import OPENDKIM

RESPONDER: Final = "responder"
INSERTS: Final = "no-op libmilter, inserts"
TRANSPORT: Final = "no-op native"
LEAST: Final = "native: digest and signature alone"
_INSERTED: Final = 700  # octets, as many as a token in its field
VENV: Final = client.BUILT / "venv"

_OPENDKIM: Final = """\
Socket local:{folder}/{name}.sock
UMask 000
Background no
RequireSafeKeys no
Canonicalization relaxed/simple
AuthservID mx.two.example
"""
_OPENDKIM_SIGNS: Final = """\
Mode s
Domain {domain}
Selector {selector}
KeyFile {key}
SignatureAlgorithm {algorithm}-sha256
OversignHeaders From
"""
_OPENDKIM_VERIFIES: Final = """\
Mode v
Nameservers {server}
QueryCache yes
"""
_DKIMPY: Final = """\
Socket local:{folder}/{name}.sock
PidFile {folder}/{name}.pid
UserID root
Syslog no
Canonicalization relaxed/simple
AuthservID mx.two.example
{settings}
"""

Start = Callable[[Plant], Iterator[Daemon]]


def opendkim() -> list[Candidate]:
    """Return OpenDKIM's tasks."""

    def made(name: str, settings: str) -> Start:
        def start(plant: Plant) -> Iterator[Daemon]:
            place = plant.folder / name
            text = _OPENDKIM.format(folder=plant.folder, name=name) + settings
            kind = "ed25519" if "ed25519" in name else "rsa"
            place.with_suffix(".conf").write_text(
                text.format(
                    domain=DOMAIN,
                    selector=SELECTORS[kind],
                    key=plant.keys[kind],
                    algorithm=kind,
                    server=plant.dns[0],
                )
            )
            command: list[str | Path] = [OPENDKIM, "-f", "-x"]
            command.append(place.with_suffix(".conf"))
            with daemon.running(command, place.with_suffix(".sock")) as running:
                yield running

        return start

    def signs(kind: str) -> Candidate:
        start = contextmanager(made(f"opendkim-{kind}", _OPENDKIM_SIGNS))
        insert = [("DKIM-Signature", f"a={kind}-sha256")]
        title = {"rsa": "RSA-2048", "ed25519": "Ed25519"}[kind]
        return Candidate(f"OpenDKIM {title}", "sign", start, insert, verdict="a")

    verifies = contextmanager(made("opendkim-verifies", _OPENDKIM_VERIFIES))
    return [
        signs("rsa"),
        signs("ed25519"),
        Candidate(
            "OpenDKIM RSA-2048",
            "verify",
            verifies,
            [("Authentication-Results", "dkim=pass")],
            verdict="a",
        ),
    ]


def dkimpy() -> list[Candidate]:
    """Return dkimpy-milter's tasks; none where its environment was not made."""
    if not (VENV / "bin" / "dkimpy-milter").exists():
        return []

    def made(name: str, settings: str) -> Start:
        def start(plant: Plant) -> Iterator[Daemon]:
            place = plant.folder / name
            own = settings.format(
                domain=DOMAIN, selector=SELECTORS["rsa"], key=plant.keys["rsa"]
            )
            configuration = place.with_suffix(".conf")
            configuration.write_text(
                _DKIMPY.format(folder=plant.folder, name=name, settings=own)
            )
            command: list[str | Path] = [VENV / "bin" / "python", "-P"]
            command += [client.HERE / "dkimpy.py", configuration, plant.dns[0]]
            command.append(str(plant.dns[1]))
            with daemon.running(command, place.with_suffix(".sock")) as running:
                yield running

        return start

    signs = "Mode s\nDomain {domain}\nSelector {selector}\nKeyFile {key}"
    return [
        Candidate(
            "dkimpy-milter RSA-2048",
            "sign",
            contextmanager(made("dkimpy-signs", signs)),
            [("DKIM-Signature", "a=rsa-sha256")],
        ),
        Candidate(
            "dkimpy-milter RSA-2048",
            "verify",
            contextmanager(made("dkimpy-verifies", "Mode v")),
            [("Authentication-Results", "dkim=pass")],
        ),
    ]


def responder() -> Candidate:
    """Return what the load client is held against: it looks into no packet."""

    @contextmanager
    def start(plant: Plant) -> Iterator[Daemon]:
        door = plant.folder / "responder.sock"
        command = [str(client.program("responder")), str(door)]
        with daemon.running(command, door) as running:
            yield running

    return Candidate(RESPONDER, "sign", start)


def noops() -> list[Candidate]:
    """Return the milters that do nothing."""

    @contextmanager
    def in_c(plant: Plant, *more: str) -> Iterator[Daemon]:
        door = plant.folder / f"noop-c{''.join(more)}.sock"
        command = [str(client.program("noop")), f"unix:{door}", *more]
        with daemon.running(command, door) as running:
            yield running

    @contextmanager
    def in_python(plant: Plant, program: str, *more: str) -> Iterator[Daemon]:
        door = plant.folder / f"{program}{''.join(more)}.sock"
        command = [sys.executable, "-m", f"tests.bench.load.{program}", str(door)]
        with daemon.running([*command, *more], door) as running:
            yield running

    return [
        Candidate("no-op pymilter", "sign", lambda plant: in_python(plant, "noop")),
        Candidate("no-op libmilter", "sign", in_c),
        Candidate(
            INSERTS,
            "sign",
            lambda plant: in_c(plant, str(_INSERTED)),
            [(FIELD, "xxx")],
            apart=True,
        ),
        Candidate(
            TRANSPORT,
            "sign",
            lambda plant: in_python(plant, "floor"),
            apart=True,
        ),
        Candidate(
            LEAST,
            "sign",
            lambda plant: in_python(plant, "floor", "sign"),
            [(FIELD, "eyJ")],
            apart=True,
        ),
    ]

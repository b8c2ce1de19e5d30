"""stirmilter as it is measured: what is not named here is as it is shipped.

So it writes a line for each message and keeps a journal, and verifying remembers
tokens in SQLite. The journal is written more often, so that a turn is charged for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from stirmilter.config.sections import Milter
from tests.bench.load import daemon
from tests.bench.load.daemon import Daemon
from tests.bench.load.plant import Candidate, Fields, Kind, Plant

WORKERS: Final = 2
TRANSPORT: Final = "transport"
"""The setting of [milter] that chooses who speaks the protocol."""

_CONFIGURATION: Final = """\
[milter]
sockets = ["unix:{folder}/{name}.sock"]
authserv_id = "mx.two.example"
workers = {workers}
{milter}
[sign]
clients = ["127.0.0.0/8"]
proofs = "{folder}/{name}-proofs.json"
[[signer]]
name = "spc"
key = "{ca}/keys/spc.key"
chain = "{ca}/www/spc.pem"
x5u = "{base}/spc.pem"
numbers = ["+1*"]
[verify]
anchors = ["{ca}/root.pem"]
[fetch]
laboratory = true
tls_ca = "{ca}/tls-ca.pem"
store = "sqlite:{folder}/{name}-certificates.sqlite"
[replay]
store = "sqlite:{folder}/{name}-replay.sqlite"
[journal]
path = "{folder}/{name}-journal.sqlite"
flush_seconds = {flush}
[dns]
servers = ["{port}@{address}"]
[checks]
{checks}
{more}
"""

_SIGNED: Final = (("PASSporT", "ppt=msg"),)
_RESULTS: Final = "Authentication-Results"


@contextmanager
def running(
    plant: Plant,
    name: str,
    *,
    milter: str = "",
    checks: str = "",
    workers: int = WORKERS,
    more: str = "",
) -> Iterator[Daemon]:
    """Run one with settings of its own until the block ends."""
    address, port = plant.dns
    configuration = plant.folder / f"{name}.toml"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=plant.folder,
            name=name,
            workers=workers,
            flush=daemon.FLUSH_SECONDS,
            milter=milter,
            ca=plant.ca.folder,
            base=plant.base,
            address=address,
            port=port,
            checks=checks,
            more=more,
        )
    )
    with daemon.stirmilter(configuration, f"unix:{plant.folder}/{name}.sock") as made:
        yield made


def transports() -> list[str]:
    """Return those that this version has; the empty one where it has no choice."""
    return ["libmilter", "native"] if TRANSPORT in Milter.model_fields else [""]


def candidates(transport: str) -> list[Candidate]:
    """Return what is measured with a transport."""
    suffix = f" ({transport})" if transport == "native" else ""
    milter = f'{TRANSPORT} = "{transport}"' if transport else ""

    def make(
        title: str, name: str, kind: Kind, insert: Fields, methods: str
    ) -> Candidate:
        checks = f"methods = [{methods}]"

        @contextmanager
        def start(plant: Plant) -> Iterator[Daemon]:
            its_name = name + transport
            with running(plant, its_name, milter=milter, checks=checks) as made:
                yield made

        return Candidate(title + suffix, kind, start, insert, kind == "verify")

    def found(*words: str) -> Fields:
        return [(_RESULTS, f"{word}=pass") for word in words]

    everything = '"spf", "dkim", "arc", "dmarc"'
    all_found = found("stir", "spf", "dkim", "dmarc")
    return [
        make("stirmilter", "sign", "sign", _SIGNED, everything),
        make("stirmilter STIR", "stir", "verify", found("stir"), ""),
        make("stirmilter STIR+SPF+DKIM+DMARC", "all", "verify", all_found, everything),
    ]

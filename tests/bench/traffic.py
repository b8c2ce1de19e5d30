"""A real daemon with everything on, and as much mail as one wants for it.

Half of the connections sign, and the other half bring back what was signed; every
number, body and Message-ID is another. Some of what comes back is altered, replayed,
hostile, from a domain that nobody has seen, or names an x5u that serves nothing.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from subprocess import Popen
from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stirmilter.demo import daemons
from stirmilter.demo.postfix import free_port
from stirmilter.mail.dkimsign import DkimSigner
from stirmilter.stir import identity, jws, passport, strictjson
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests import mta
from tests.dns_server import DnsServer

LANES: Final = 4  # of two connections: one signs, one verifies
US: Final = "127.0.0.1"
THEM: Final = "192.0.2.7"
THIEF: Final = "192.0.2.66"
DOMAIN: Final = "one.example"
SMALLEST: Final = 1_000
LARGEST: Final = 300_000
CHUNK: Final = 65_535
TALL: Final = 400  # header fields of a hostile message, each of 1000 octets

KINDS: Final[Mapping[str, float]] = {
    "good": 80,
    "body": 5,
    "stolen": 5,
    "nowhere": 3,
    "garbage": 3,
    "many": 1,
    "tall": 1,
    "stranger": 2,
}
"""What becomes of signed mail on its way, and how often in a hundred."""

EVIL: Final[Mapping[str, float]] = dict.fromkeys(KINDS, 1.0)
"""Everything as often: what a stranger can do shows sooner."""

_Fields = list[tuple[bytes, bytes]]
_NOISE: Final = random.Random(1).randbytes(LARGEST).hex().encode()  # noqa: S311

_CONFIGURATION: Final = """\
[milter]
sockets = ["unix:{folder}/milter.sock"]
authserv_id = "mx.example"
workers = {workers}
[sign]
clients = ["127.0.0.0/8"]
proofs = "{folder}/proofs.json"
[[signer]]
name = "spc"
key = "{ca}/keys/spc.key"
chain = "{ca}/www/spc.pem"
x5u = "{base}/spc.pem"
numbers = ["+1*"]
[verify]
anchors = ["{ca}/root.pem"]
[checks]
methods = ["spf", "dkim", "arc", "dmarc"]
[dns]
servers = ["{dns}"]
[dkim]
domain = "{domain}"
selector = "s1"
key = "{folder}/dkim.key"
[fetch]
laboratory = true
tls_ca = "{ca}/tls-ca.pem"
store = "sqlite:{folder}/certificates.sqlite"
[replay]
store = "sqlite:{folder}/replay.sqlite"
[journal]
path = "{folder}/journal.sqlite"
[metrics]
listen = "inet:{port}@127.0.0.1"
counters = "{folder}/metrics"
"""


@dataclass
class Plant:
    """The daemon, and what one needs to talk to it."""

    process: Popen[bytes]
    socket: str
    log: Path
    base: str
    """Where certificates are served."""

    count: int
    """Of workers."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def workers(self) -> list[int]:
        """Return the processes that judge mail; the one for scrapes comes last."""
        return self._children()[: self.count]

    def await_all(self) -> None:
        """Wait until the one for scrapes is there too: that is after READY."""
        while len(self._children()) <= self.count:
            time.sleep(0.01)

    def _children(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children]

    def note(self, outcome: str) -> None:
        """Count what became of a message."""
        with self.lock:
            self.outcomes[outcome] += 1


@contextmanager
def plant(workers: int = 2) -> Iterator[Plant]:
    """Run the daemon, its name server and its certificates until the block ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        now = datetime.now(UTC)
        ca = TestCA.create(folder / "ca", now)
        ca.signer("spc", TNAuthList.build(spcs=["1234"]), now)
        base = stack.enter_context(ca.publish())
        key = rsa.generate_private_key(65537, 2048)
        (folder / "dkim.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / "dkim.key").chmod(0o600)
        names = stack.enter_context(DnsServer())
        names.add(DOMAIN, "TXT", f"v=spf1 ip4:{THEM} -all")
        names.add(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
        name, text = DkimSigner(domain=DOMAIN, selector="s1", key=key).record
        names.add(name, "TXT", text)
        configuration = folder / "stirmilter.toml"
        configuration.write_text(
            _CONFIGURATION.format(
                folder=folder,
                workers=workers,
                ca=ca.folder,
                base=base,
                dns=f"{names.address[1]}@{names.address[0]}",
                domain=DOMAIN,
                port=free_port(),
            )
        )
        log = folder / "log"
        process = stack.enter_context(daemons.stirmilter(configuration, log))
        made = Plant(process, f"{folder}/milter.sock", log, base, workers)
        made.await_all()
        yield made


def send(
    plant: Plant,
    messages: range,
    handled: Callable[[int], None] = lambda _: None,
    evil: int = 0,
) -> None:
    """Send messages of these numbers over eight connections, as fast as it goes.

    Args:
        plant: what is running.
        messages: their numbers; no two calls share any.
        handled: is told how many have been answered, now and then.
        evil: below this number everything is as frequent.
    """
    count = 0

    def told(more: int) -> None:
        nonlocal count
        with plant.lock:
            count += more
            now = count
        handled(now)

    lanes = [messages[lane::LANES] for lane in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        for one in [pool.submit(_lane, plant, lane, told, evil) for lane in lanes]:
            one.result()


def _lane(
    plant: Plant,
    numbers: range,
    handled: Callable[[int], None],
    evil: int,
) -> None:
    """Sign a message and verify it; both count, so every second number is used."""
    with (
        mta.session(plant.socket, US) as ours,
        mta.session(plant.socket, THEM) as theirs,
    ):
        for number in numbers[::2]:
            dice = random.Random(number)  # noqa: S311 - to repeat it
            body = _body(dice)
            fields = _fields(number)
            answer = ours.message(*_envelope(number), fields, *_chunks(body))
            signed = [(n, b" " + v) for _, n, v in answer.inserted if n != _RESULTS]
            plant.note("signed" if len(signed) == 2 else f"out: {answer.reply!r}")
            kinds = EVIL if number < evil else KINDS
            kind = dice.choices([*kinds], [*kinds.values()])[0]
            fields, body = _altered(kind, plant, number, [*signed, *fields], body)
            mail = _envelope(number, kind), fields, _chunks(body)
            plant.note(_deliver(theirs, kind, *mail))
            if kind == "stolen":
                with mta.session(plant.socket, THIEF) as thief:
                    plant.note(_deliver(thief, "replayed", *mail))
            handled(2)


def _deliver(
    session: mta.MTA,
    kind: str,
    envelope: tuple[bytes, list[bytes]],
    fields: _Fields,
    chunks: list[bytes],
) -> str:
    """Send a message, and return what became of it."""
    answer = session.message(*envelope, fields, *chunks)
    if answer.verdict != b"c":
        return f"{kind}: {answer.reply.decode()}"
    results = b"".join(value for _, name, value in answer.inserted if name == _RESULTS)
    found = _REASON.search(results)
    return f"{kind}: {found[1].decode() if found else results.decode()}"


_REASON: Final = re.compile(rb"stir=\w+\s+reason=([\w-]+)")
_RESULTS: Final = b"Authentication-Results"


def _altered(
    kind: str, plant: Plant, number: int, fields: _Fields, body: bytes
) -> tuple[_Fields, bytes]:
    dice = random.Random(-number)  # noqa: S311 - to repeat it
    match kind:
        case "body":
            return fields, body + b"x"
        case "nowhere":
            moved = _moved(fields, f"{plant.base}/nothing-{number}.pem")
            return [moved if n == b"PASSporT" else (n, v) for n, v in fields], body
        case "garbage":
            odd = dice.randbytes(2_000).replace(b"\0", b"\1")
            return [(b"PASSporT", odd), (b"DKIM-Signature", odd), *fields], body
        case "many":
            return [*[_passport(fields)] * 20, *fields], body
        case "tall":
            return [*[(b"X-Filler", b" " + b"x" * 980)] * TALL, *fields], body
    return fields, body


def _passport(fields: _Fields) -> tuple[bytes, bytes]:
    return next(one for one in fields if one[0] == b"PASSporT")


def _moved(fields: _Fields, x5u: str) -> tuple[bytes, bytes]:
    """Return the PASSporT under another x5u; the signature is looked at after that."""
    token = passport.parse(identity.parse(_passport(fields)[1].decode()).token)
    header = {"alg": "ES256", "ppt": "msg", "typ": "passport", "x5u": x5u}
    first = jws.b64url_encode(strictjson.serialize(header))
    rest = token.text.partition(".")[2]
    return b"PASSporT", f" {first}.{rest};info=<{x5u}>".encode()


def _body(dice: random.Random) -> bytes:
    """Make a body of any size, half of them below 5 kB."""
    size = int(SMALLEST * (LARGEST / SMALLEST) ** (dice.random() ** 2))
    start = dice.randrange(LARGEST)
    text = _NOISE[start : start + size]
    return b"\r\n".join(text[at : at + 76] for at in range(0, size, 76)) + b"\r\n"


def _chunks(body: bytes) -> list[bytes]:
    return [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]


def _fields(number: int) -> _Fields:
    return [
        (b"From", b" +1202%07d/TYPE=PLMN@one.example" % (2_000_000 + number)),
        (b"To", b" +1312%07d/TYPE=PLMN@two.example" % (2_000_000 + number)),
        (b"Date", b" " + format_datetime(datetime.now(UTC)).encode()),
        (b"X-Mms-Message-Type", b" MM4_forward.REQ"),
        (b"X-Mms-Message-ID", b" <%d@one.example>" % number),
        (b"Message-ID", b" <%d@one.example>" % number),
        (b"Content-Type", b" multipart/related; boundary=b%d" % number),
        (b"Subject", b" Message %d" % number),
    ]


def _envelope(number: int, kind: str = "good") -> tuple[bytes, list[bytes]]:
    domain = b"unseen-%d.example" % number if kind == "stranger" else b"one.example"
    sender = b"<+1202%07d/TYPE=PLMN@%s>" % (2_000_000 + number, domain)
    return sender, [b"<+1312%07d/TYPE=PLMN@two.example>" % (2_000_000 + number)]

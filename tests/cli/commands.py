"""What the tests of the commands share: a message, a configuration, a command."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

MESSAGE = f"""\
From: +12025550123/TYPE=PLMN
To: +13125550100/TYPE=PLMN@mms.two.example
Date: {format_datetime(datetime.now(UTC))}
X-Mms-Message-Type: MM4_forward.REQ
Message-ID: <1@mms.one.example>

Hello Bob
""".encode()

CONFIGURATION = """\
[milter]
authserv_id = "mx.example"
sockets = ["inet:8891@127.0.0.1"]
workers = 1
[sign]
proofs = "proofs.json"
clients = ["127.0.0.0/8"]
[[signer]]
name = "one"
key = "ca/keys/{name}.key"
chain = "ca/www/{name}.pem"
x5u = "{base}/{name}.pem"
numbers = ["{numbers}"]
[verify]
anchors = ["ca/root.pem"]
[checks]
methods = []
[fetch]
laboratory = true
tls_ca = "ca/tls-ca.pem"
store = "memory:"
[replay]
store = "memory:"
"""


def stirmilter(*arguments: str | Path, given: bytes = b"") -> tuple[int, bytes, str]:
    """Run a command; return its status, its output and what it told people."""
    done = subprocess.run(
        [sys.executable, "-m", "stirmilter", *arguments],
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def in_text(*arguments: str | Path) -> tuple[int, str, str]:
    """Run a command whose output is for people, or JSON."""
    status, out, err = stirmilter(*arguments)
    return status, out.decode(), err


Configure = Callable[..., Path]

"""Programs of others that sign and verify, called as their users call them.

One that is absent skips its tests and names its Debian package; `make test` installs
them all. They go by the clock of the machine and our tests by their own, so the peers
are told to accept any age.
"""

import ctypes
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

BAD_SIGNATURE: Final = -251
"""Of libsecsipid: the signature is not good."""

NOT_SHAKEN: Final = -303
"""Of libsecsipid: the parameter ppt is not shaken. It looks after the signature."""

_NO_AGE: Final = 2**31 - 1  # seconds, the greatest C int


def secsipidx_sign(header: str, payload: str, key: Path) -> str:
    """Sign two parts as they stand; any ppt, any claims."""
    return _secsipidx("-sign", "-header", header, "-payload", payload, "-k", str(key))


def secsipidx_sign_call(orig: str, dest: str, x5u: str, key: Path) -> str:
    """Make the whole Identity value for a call, of the type shaken."""
    numbers = ("-orig-tn", orig, "-dest-tn", dest)
    return _secsipidx(
        "-sign-full", *numbers, "-attest", "A", "-x5u", x5u, "-k", str(key)
    )


def libsecsipid_sign(header: str, payload: str, key: Path) -> str:
    """Sign two parts as they stand, inside this process."""
    text = ctypes.c_char_p()
    _libsecsipid().SecSIPIDSignJSONHP(
        header.encode(), payload.encode(), str(key).encode(), ctypes.byref(text)
    )
    assert text.value, "libsecsipid did not sign"
    token = text.value.decode("ascii")
    ctypes.CDLL(None).free(text)
    return token


def libsecsipid_verifies(token: str, chain: Path) -> bool:
    """Check a token whose form is good against the first certificate of a file."""
    return {0: True, BAD_SIGNATURE: False}[libsecsipid_code(token, chain)]


def libsecsipid_code(token: str, chain: Path) -> int:
    """Check any token; 0 is good, and all else has a number of its own."""
    return _check("SecSIPIDCheck", token, chain)


def libsecsipid_field_code(value: str, chain: Path) -> int:
    """Check a whole Identity value, its parameters included."""
    return _check("SecSIPIDCheckFull", value, chain)


def node_reads(tokens: Sequence[str], chain: Path) -> list[dict[str, Any] | None]:
    """Return header and claims of each token, or None if its signature is bad.

    One process, however many tokens.
    """
    script = Path(__file__).with_name("verify.mjs")
    question = {"certificate": chain.read_text(), "tokens": tokens}
    done = _run("nodejs", "node", str(script), stdin=json.dumps(question).encode())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def node_verifies(token: str, chain: Path) -> bool:
    [found] = node_reads([token], chain)
    return found is not None


def openssl_verifies(token: str, chain: Path) -> bool:
    """Check a token by openssl alone: it writes the DER, and it reads the key."""
    signing_input, _, text = token.rpartition(".")
    with TemporaryDirectory() as folder:
        base64, integers, signature, key = (
            Path(folder, name) for name in ("base64", "integers", "signature", "key")
        )
        base64.write_text(text.translate(str.maketrans("-_", "+/")) + "==\n")
        both = _openssl("base64", "-d", "-A", "-in", str(base64)).hex()
        integers.write_text(
            "asn1 = SEQUENCE:both\n[both]\n"
            f"r = INTEGER:0x{both[:64]}\ns = INTEGER:0x{both[64:]}\n"
        )
        _openssl(
            *("asn1parse", "-genconf", str(integers)), "-noout", "-out", str(signature)
        )
        key.write_bytes(_openssl("x509", "-in", str(chain), "-noout", "-pubkey"))
        done = _run(
            *("openssl", "openssl", "dgst", "-sha256", "-verify", str(key)),
            *("-signature", str(signature)),
            stdin=signing_input.encode(),
        )
    # By what it prints: an error of any other kind is no refusal.
    return {b"Verified OK\n": True, b"Verification failure\n": False}[done.stdout]


def openssl_path_error(
    chain: Path, anchors: Path, at: datetime, *, policy: str | None = None
) -> int:
    """Return the X509_V_ERR of the path from the first certificate; 0 is none.

    With a policy, the path must have that one (RFC 5280 §6.1.1 (c) and (e)).
    """
    wanted = ("-policy", policy, "-explicit_policy") if policy else ()
    done = _run(
        *("openssl", "openssl", "verify", "-x509_strict", "-no-CApath", "-no-CAstore"),
        *("-CAfile", str(anchors), "-untrusted", str(chain)),
        *("-attime", str(int(at.timestamp())), *wanted, str(chain)),
    )
    if done.returncode == 0:
        return 0
    found = re.search(rb"^error (\d+) at", done.stderr, re.MULTILINE)
    assert found, done.stderr
    return int(found[1])


def _secsipidx(*arguments: str) -> str:
    done = _run("secsipidx", "secsipidx", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("ascii").strip()


def _openssl(*arguments: str) -> bytes:
    done = _run("openssl", "openssl", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(
    package: str, program: str, *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here: install the Debian package {package}")
    return subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, timeout=60, check=False
    )


def _check(function: str, value: str, chain: Path) -> int:
    octets, path = value.encode(), str(chain).encode()
    found = getattr(_libsecsipid(), function)(octets, len(octets), _NO_AGE, path, 1)
    assert isinstance(found, int)
    return found


@cache
def _libsecsipid() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libsecsipid.so.1")
    except OSError:
        pytest.skip("no libsecsipid here: install the Debian package libsecsipid1")

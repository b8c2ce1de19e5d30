"""libsecsipid's speed, in a process of its own.

The threads of Go that come with it cost whoever shares a process with them a tenth.
"""

from __future__ import annotations

from pathlib import Path
from time import process_time

from tests.referees import programs


def rates(
    parts: tuple[str, str], key: Path, chain: Path, count: int
) -> tuple[float, float]:
    """Sign the same header and claims as we do, and look at the signature.

    It reads the key or the certificate from its file each time, as it does for its
    users.

    Returns:
        Signatures and verifications in a second of processor time.
    """
    token = programs.libsecsipid_sign(*parts, key)
    head, _, signature = token.rpartition(".")
    assert not programs.libsecsipid_verifies(f"{head}.{'A' * len(signature)}", chain)
    start = process_time()
    for _ in range(count):
        programs.libsecsipid_sign(*parts, key)
    signed = process_time()
    for _ in range(count):
        assert programs.libsecsipid_verifies(token, chain)
    return count / (signed - start), count / (process_time() - signed)

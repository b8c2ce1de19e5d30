"""What another user is told: tests mostly run as root, to whom nothing is forbidden."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable

from stirmilter.errors import StirmilterError


def as_nobody(do: Callable[[], object]) -> str:
    """Do something as nobody, in another process, and return what error it ends with.

    All that it needs is imported by then: nobody may be unable to read the sources.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        nobody = pwd.getpwnam("nobody")
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            do()
        except Exception as error:  # noqa: BLE001 - the parent compares it
            text = str(error) if isinstance(error, StirmilterError) else repr(error)
            os.write(writing, text.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return told

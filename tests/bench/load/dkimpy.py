"""Starts dkimpy-milter as it is, with a name server of ours.

    python -P dkimpy.py CONFIGURATION ADDRESS PORT

dkimpy asks through dnspython whom /etc/resolv.conf names. Answers are cached, so that
what is measured is the milter, with a resolver whose cache is warm and costs nothing.
"""

from __future__ import annotations

import sys

import dns.resolver


def main() -> None:
    """Serve until killed."""
    # Installed in build/bench/venv alone, where no type is checked.
    from dkimpy_milter import (  # type: ignore[import-not-found]  # noqa: PLC0415
        main as serve,
    )

    _, configuration, address, port = sys.argv
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [address], int(port)
    resolver.cache = dns.resolver.LRUCache()
    dns.resolver.default_resolver = resolver
    sys.argv = ["dkimpy-milter", configuration]
    serve()


if __name__ == "__main__":
    main()

"""What we ask of the network: the DNS, and who vouches for web servers."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import dns.nameserver

from stirmilter.config import Config
from stirmilter.errors import StoreError
from stirmilter.findings import Finding
from stirmilter.runtime import checks
from stirmilter.stores.dns import Server
from stirmilter.stores.resolvconf import SYSTEM, ResolvConf
from stirmilter.stores.urls import is_name

_SERVERS: Final = 'dns.servers = ["127.0.0.1"]  # stirmilter.toml: one that answers'


def name_servers(config: Config, path: Path = SYSTEM) -> Iterable[Finding]:
    """Ask each name server, alone, for a name that we need or bear."""
    try:
        servers = list(config.dns.servers or _configured(path))
    except StoreError as error:
        yield Finding("error", "dns", str(error), _SERVERS)
        return
    name = _name(config)
    found = [(one, _silence(config, one, name)) for one in servers]
    dead = sum(bool(silence) for _, silence in found)
    for (address, port), silence in found:
        subject = f"dns: {address}" + (f" port {port}" if port != 53 else "")  # noqa: PLR2004
        if not silence:
            yield Finding("ok", subject, f"answers about {name}")
            continue
        text = f"{silence}, asked about {name}: what needs it is temperror"
        if dead < len(servers):
            text = f"{silence}, asked about {name}: each question to it is time lost"
            yield Finding("warning", subject, text, _without(config, address, path))
            continue
        yield Finding("error", subject, text, _SERVERS)


def web_roots(config: Config) -> Iterable[Finding]:
    """Look whether any authority for web servers is known: every x5u is https."""
    if config.fetch.tls_ca is not None:
        return
    paths = ssl.get_default_verify_paths()
    file = Path(os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile))
    folder = Path(os.environ.get(paths.openssl_capath_env, paths.openssl_capath))
    if file.is_file() or (folder.is_dir() and any(folder.glob("*.[0-9]"))):
        yield Finding("ok", "fetch.tls_ca", "the system's web authorities are there")
        return
    text = f"neither {file} nor {folder} holds any: no certificate can be fetched"
    yield Finding("error", "fetch.tls_ca", text, "apt-get install ca-certificates")


def _configured(path: Path) -> Iterable[Server]:
    for server in ResolvConf(path).resolver().nameservers:
        if isinstance(server, dns.nameserver.Do53Nameserver):
            yield server.address, server.port
        else:
            yield str(server), 53


def _name(config: Config) -> str:
    """Choose a name that mail asks for anyway."""
    hosts = (urlsplit(block.x5u).hostname or "" for block in config.signer)
    return next(filter(is_name, hosts), config.milter.authserv_id)


def _silence(config: Config, server: Server, name: str) -> str:
    """Return why a server gave no answer; that there is no such name is one."""
    one = config.dns.model_copy(update={"servers": (server,)})
    asked = checks.name_servers(config.model_copy(update={"dns": one}))
    answer = asked.for_message().ask(name, "A")
    return answer.detail if answer.outcome == "temporary" else ""


def _without(config: Config, address: str, path: Path) -> str:
    if config.dns.servers:
        return f"dns.servers without {address}  # stirmilter.toml"
    return f"sed -i '/^nameserver *{address}/d' {path}"

"""Which key of which token: PKCS#11 URIs (RFC 7512)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

SCHEME: Final = "pkcs11:"

_PATH: Final = frozenset({"token", "serial", "object", "id", "type"})
_QUERY: Final = frozenset({"module-path", "pin-source"})
_ATTRIBUTE: Final = re.compile(r"(?P<name>[a-z0-9-]+)=(?P<value>[^\s;?&#]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenURI:
    """Which key of which token, and through which library (RFC 7512)."""

    module: str
    """Path of the vendor's library."""

    token: str | None = None
    serial: bytes | None = None
    label: str | None = None
    identifier: bytes | None = None
    pin_source: str
    """Where the PIN stands: a path, or whatever the caller makes of it."""

    @classmethod
    def parse(cls, text: str) -> TokenURI:
        """Read ``pkcs11:token=T;object=O?module-path=/M&pin-source=/P``.

        Raises:
            ValueError: it is none, or lacks what is needed to find one key.
        """
        path, _, query = text.removeprefix(SCHEME).partition("?")
        if "pin-value=" in query:
            # Not quoted in the message: it would end up in a log.
            raise ValueError("pin-value: a PIN belongs in a file: use pin-source")
        named = _attributes(path, ";", _PATH)
        asked = _attributes(query, "&", _QUERY)
        if named.get("type", b"private") != b"private":
            raise ValueError("type: a private key signs")
        if not named.keys() & {"token", "serial"}:
            raise ValueError("name the token: token=LABEL or serial=NUMBER")
        if not named.keys() & {"object", "id"}:
            raise ValueError("name the key: object=LABEL or id=%01%02")
        for name, example in (
            ("module-path", "/usr/lib/softhsm/libsofthsm2.so"),
            ("pin-source", "/etc/stirmilter/pin"),
        ):
            if name not in asked:
                raise ValueError(f"{name} is missing: add {name}={example} after a ?")
        module = _text(asked, "module-path") or ""
        if not module.startswith("/"):
            raise ValueError("module-path: expected an absolute path")
        return cls(
            module=module,
            token=_text(named, "token"),
            serial=named.get("serial"),
            label=_text(named, "object"),
            identifier=named.get("id"),
            pin_source=_text(asked, "pin-source") or "",
        )

    def __str__(self) -> str:
        """Name token and key, for messages."""
        token = self.token or (self.serial or b"").decode("ascii", "backslashreplace")
        key = self.label if self.label is not None else (self.identifier or b"").hex()
        return f"token {token}, key {key}"


def _attributes(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        match = _ATTRIBUTE.fullmatch(part)
        if match is None or match["name"] not in known:
            name = part.partition("=")[0]
            raise ValueError(f"{name!r}: expected one of {', '.join(sorted(known))}")
        if match["name"] in found:
            raise ValueError(f"{match['name']} occurs twice (RFC 7512 section 2.3)")
        found[match["name"]] = unquote_to_bytes(match["value"])
    return found


def _text(attributes: dict[str, bytes], name: str) -> str | None:
    value = attributes.get(name)
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: not UTF-8") from None

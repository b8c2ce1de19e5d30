"""Kinds of values that settings have, each with what it refuses."""

from __future__ import annotations

import re
from datetime import date, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from stirmilter.mail.mm4reply import system_address
from stirmilter.stir import uri
from stirmilter.stir.msgi import ALGORITHMS
from stirmilter.stir.tn import is_country
from stirmilter.stores.urls import HostSet

_YEAR = 31_536_000.0
Seconds = Annotated[float, Field(gt=0, le=_YEAR, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]

_SOCKET = re.compile(r"unix:(?P<path>/.+)|(?P<kind>inet6?):(?P<port>\d+)@(?P<host>.+)")
# FileDescriptorName= of systemd.socket(5): no colon, at most 255.
_PASSED = re.compile(r"fd:[!-9;-~]{1,255}", re.ASCII)
_TAKEN = frozenset(
    {
        "authentication-results",
        "bcc",
        "cc",
        "content-transfer-encoding",
        "content-type",
        "date",
        "dkim-signature",
        "from",
        "message-id",
        "mime-version",
        "received",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
    }
)
_FAMILIES = ("arc-", "content-", "dkim-", "list-", "mime-", "resent-", "x-mms-")
_FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,60}", re.ASCII)


def _is_socket(text: str) -> bool:
    match = _SOCKET.fullmatch(text)
    if match is None:
        return False
    return match["port"] is None or 0 < int(match["port"]) < 65_536  # noqa: PLR2004


def _socket(text: str) -> str:
    if not _is_socket(text) and _PASSED.fullmatch(text) is None:
        raise PydanticCustomError(
            "socket",
            "expected unix:/path, inet:port@address, inet6:port@address or fd:name",
        )
    return text


def _metrics_address(text: str) -> str:
    # Prometheus scrapes over TCP alone.
    if text and (text.startswith("unix:") or not _is_socket(text)):
        raise PydanticCustomError(
            "metrics_address", 'expected inet:port@address, inet6:port@address or ""'
        )
    return text


def _field_name(text: str) -> str:
    if _FIELD_NAME.fullmatch(text) is None:
        raise PydanticCustomError("field_name", "expected letters, digits and hyphens")
    if text.lower() in _TAKEN:
        raise PydanticCustomError("field_name", "expected a name that is not taken")
    return text


def _tag_name(text: str) -> str:
    # What arrives under it is removed, so it must be nobody else's.
    if text.lower().startswith(_FAMILIES):
        raise PydanticCustomError("tag_name", "expected a name that is not taken")
    return _field_name(text)


def _day(given: object) -> date:
    if not isinstance(given, date) or isinstance(given, datetime):
        raise PydanticCustomError("day", "expected a date such as 2026-09-01")
    return given


def _relay(text: str) -> str:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:  # noqa: PLR2004 - ports
        raise PydanticCustomError("relay", "expected host:port")
    return text


def _mail_address(text: str) -> str:
    if text and system_address(text) != text:
        raise PydanticCustomError(
            "mail_address", 'expected user@host, or "" for a default'
        )
    return text


def _mode(text: str) -> str:
    if re.fullmatch(r"0?[0-7]{3}", text) is None:
        raise PydanticCustomError("mode", 'expected an octal mode such as "0660"')
    return text


def _digest(text: str) -> str:
    if text not in ALGORITHMS:
        raise PydanticCustomError("digest", f"expected one of {', '.join(ALGORITHMS)}")
    return text


def _country(text: str) -> str:
    if text and not is_country(text):
        raise PydanticCustomError("country", 'expected a code such as "US", or ""')
    return text


def _domain(text: str) -> str:
    if uri.from_mail("user", text) != f"mailto:user@{text}":
        raise PydanticCustomError("domain", "expected a host name in lower case")
    return text


def _authserv_id(text: str) -> str:
    # Written as it is, so nothing that would end or split it (RFC 8601 §2.2).
    if re.fullmatch(r"[^\s()\";,\\=]{1,255}", text) is None or not text.isprintable():
        raise PydanticCustomError("authserv_id", "expected a host name")
    return text


def _oid(text: str) -> str:
    if re.fullmatch(r"[0-2](\.(0|[1-9][0-9]{0,38}))+", text, re.ASCII) is None:
        raise PydanticCustomError("oid", "expected an OID such as 2.16.840.1.114569.1")
    return text


def _network(given: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(given))
    except ValueError:
        pass
    try:
        meant = f"{ip_network(str(given), strict=False)}, without host bits"
    except ValueError:
        meant = "a network such as 192.0.2.0/24"
    raise PydanticCustomError("network", "{meant}", {"meant": meant})


def _host_entry(text: str) -> str:
    try:
        HostSet.of(text)
    except ValueError:
        raise PydanticCustomError(
            "host_entry",
            "expected certs.example.net, .example.net (with all names below it),"
            " 192.0.2.1 or 192.0.2.0/24",
        ) from None
    return text


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
FieldName = Annotated[str, AfterValidator(_field_name)]
SocketAddress = Annotated[str, AfterValidator(_socket)]
MetricsAddress = Annotated[str, AfterValidator(_metrics_address)]
Mode = Annotated[str, AfterValidator(_mode)]
Digest = Annotated[str, AfterValidator(_digest)]
Country = Annotated[str, AfterValidator(_country)]
Domain = Annotated[str, AfterValidator(_domain)]
AuthservId = Annotated[str, AfterValidator(_authserv_id)]
Oid = Annotated[str, AfterValidator(_oid)]
Lapse = Annotated[float, Field(ge=0, le=_YEAR, allow_inf_nan=False)]
SharedStore = Annotated[
    str, Field(pattern=r"^(memory:|sqlite:.+|rediss?://.+|unix://.+)$")
]
Skew = Annotated[float, Field(ge=0, le=_YEAR, allow_inf_nan=False)]
HostEntry = Annotated[str, AfterValidator(_host_entry)]
Port = Annotated[int, Field(gt=0, lt=65_536)]
TagName = Annotated[str, AfterValidator(_tag_name)]
RuleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$")]
Spc = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
Day = Annotated[date, PlainValidator(_day)]
Relay = Annotated[str, AfterValidator(_relay)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]


def _server(given: object) -> tuple[str, int]:
    text = str(given)
    host, colon, port = text.rpartition("@")
    address, number = (port, host) if colon else (text, "53")
    try:
        ip_address(address)
    except ValueError:
        address = ""
    if not address or not number.isdecimal() or not 0 < int(number) < 65_536:  # noqa: PLR2004 - ports
        raise PydanticCustomError("server", "expected an address, or port@address")
    return address, int(number)


Server = Annotated[tuple[str, int], PlainValidator(_server)]

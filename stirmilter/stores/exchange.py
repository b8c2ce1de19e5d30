"""One request and one answer over HTTP/1.1, from a server that may be hostile.

h11 frames the answer; it does no I/O of its own, so every wait is ours and ends with
the deadline, be it that headers drip octet by octet. The request asks to close the
connection: chains are kept for a day, so a second request to the same host is rare,
and a connection that stayed would outlive the check of its address and have to be
counted, aged and closed.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import h11

from stirmilter.errors import FetchError
from stirmilter.stores import freshness
from stirmilter.stores.deadline import Deadline
from stirmilter.stores.response import Response
from stirmilter.stores.urls import Target

_CHUNK: Final = 16_384
_SECOND: Final = timedelta(seconds=1)
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_LARGE_HEADER: Final = 431
_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,190}"', re.ASCII)
_DATE: Final = re.compile(r"[\x20-\x7e]{1,200}", re.ASCII)

Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for."""

    target: Target
    accept: str
    octets: int
    """Greatest size of the body."""

    header_octets: int = 16_384
    """Greatest size of a header section, and of whatever else is no body."""

    interim: int = 16
    """Informational responses (RFC 9110 §15.2) before the answer; one is usual."""

    etag: str = ""
    last_modified: str = ""
    """Validators as a server gave them, and a database kept them: not trusted."""

    @property
    def validators(self) -> tuple[str, str]:
        """Both, each empty unless it is sound: they go into header fields."""
        return _only(_ETAG, [self.etag]), _only(_DATE, [self.last_modified])


def exchange(
    connection: socket.socket,
    request: Request,
    deadline: Deadline,
    now: Callable[[], datetime],
) -> Response:
    """Ask, and read the answer to its end.

    Raises:
        FetchError: an answer, and not one that we take.
        OSError, h11.ProtocolError: no answer, or none in HTTP, or not in time.
    """
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=request.header_octets)
    octets = _asked(http, request)
    asked = now()
    connection.settimeout(deadline.left())
    connection.sendall(octets)
    events = _events(http, connection, request, deadline)
    head = _head(events, request)
    answered = now()
    _check(head, request)
    body = _body(events, request.octets)
    changed = head.status_code == _OK
    etag, last_modified = _validators(head, answered)
    if not changed:  # what it does not repeat is as it was
        etag = etag or request.validators[0]
        last_modified = last_modified or request.validators[1]
    return Response(
        body=body if changed else None,
        etag=etag,
        last_modified=last_modified,
        lifetime=freshness.lifetime(head.headers, asked, answered),
    )


def _asked(http: h11.Connection, request: Request) -> bytes:
    etag, last_modified = request.validators
    fields = [
        ("Host", request.target.authority),
        ("Accept", request.accept),
        ("If-None-Match", etag),
        ("If-Modified-Since", last_modified),
        ("User-Agent", "stirmilter"),
        ("Connection", "close"),
    ]
    asked = h11.Request(
        method="GET",
        target=request.target.path,
        headers=[(name, value) for name, value in fields if value],
    )
    return http.send(asked) + http.send(h11.EndOfMessage())


def _events(
    http: h11.Connection,
    connection: socket.socket,
    request: Request,
    deadline: Deadline,
) -> Iterator[Event]:
    """Yield what the server says, as long as it is not too much.

    Of what is no body, too: a chunk of one octet may carry kilobytes of extensions. As
    many octets around the body as in it are more than any honest server needs.
    """
    allowed = request.header_octets + 2 * request.octets + _CHUNK
    while True:
        try:
            event = http.next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == _LARGE_HEADER:
                raise _large_header(request.header_octets) from None
            raise
        if event is not h11.NEED_DATA:
            yield event
            continue
        connection.settimeout(deadline.left())
        data = connection.recv(_CHUNK)
        if not data and http.their_state is h11.SEND_RESPONSE:
            raise ConnectionError("the server closed the connection without an answer")
        allowed -= len(data)
        if allowed < 0:
            raise FetchError("more octets around the body than in it")
        http.receive_data(data)


def _head(events: Iterator[Event], request: Request) -> h11.Response:
    """Return the header section of the final answer.

    h11 holds what is incomplete against the limit, but not what comes at once.
    """
    octets = request.header_octets
    for event in islice(events, request.interim + 1):
        if isinstance(event, h11.Response):
            if sum(len(name) + len(value) for name, value in event.headers) > octets:
                raise _large_header(octets)
            return event
        if not isinstance(event, h11.InformationalResponse):
            break
    raise ConnectionError("the server promised an answer and gave none")


def _check(head: h11.Response, request: Request) -> None:
    """Refuse every answer but the chain itself, as it lies on the server."""
    status = head.status_code
    if status == _NOT_MODIFIED and any(request.validators):
        return
    if status != _OK:
        # A redirect too: it would move the trust in a URL that was signed elsewhere.
        # And 429 and 503: a server can say so of one path, which a stranger chose.
        raise FetchError(f"status {status}")
    fields = dict(head.headers)
    codings = {v.lower() for name, v in head.headers if name == b"content-encoding"}
    if codings - {b"identity"}:
        raise FetchError("a content coding that was not asked for")
    if b"transfer-encoding" in fields and b"content-length" in fields:
        raise FetchError("two lengths of one body")  # RFC 9112 §6.3
    if int(fields.get(b"content-length", b"0")) > request.octets:
        raise _too_much(request.octets)


def _body(events: Iterator[Event], octets: int) -> bytes:
    body = bytearray()
    for event in events:
        if isinstance(event, h11.EndOfMessage):
            return bytes(body)
        if not isinstance(event, h11.Data):
            break
        body += event.data
        if len(body) > octets:
            raise _too_much(octets)
    raise ConnectionError("the server closed the connection")


def _large_header(octets: int) -> FetchError:
    return FetchError(f"more than {octets} octets of header")


def _too_much(octets: int) -> FetchError:
    return FetchError(f"more than {octets} octets")


def _validators(head: h11.Response, answered: datetime) -> tuple[str, str]:
    """Return ETag and Last-Modified, where there is one of each and it is sound.

    A Last-Modified of the very second of the answer does not tell what was written
    later in that second (RFC 9110 §8.8.2.2): with it, a new list would stay unseen.
    """
    found: dict[bytes, list[str]] = {b"etag": [], b"last-modified": [], b"date": []}
    for name, value in head.headers:
        if name in found:
            found[name].append(value.decode("latin-1"))
    modified = _only(_DATE, found[b"last-modified"])
    if not _is_earlier(modified, _only(_DATE, found[b"date"]), answered):
        modified = ""
    return _only(_ETAG, found[b"etag"]), modified


def _is_earlier(modified: str, date: str, answered: datetime) -> bool:
    """Tell whether an HTTP date lies a second or more before the answer."""
    first = freshness.http_date(modified, answered)
    second = freshness.http_date(date, answered) or answered
    return first is not None and second - first >= _SECOND


def _only(pattern: re.Pattern[str], values: Iterable[str]) -> str:
    """Return the only value if it has the form; a stranger's text, which we send on."""
    match list(values):
        case [value] if pattern.fullmatch(value):
            return value
    return ""

"""The web server of the toy PKI: a folder over https, on loopback."""

from __future__ import annotations

import ssl
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from stirmilter.testca.issuing import LOOPBACK

_CHAIN: Final = "application/pem-certificate-chain"  # RFC 9060 §7
_TYPES: Final = {
    ".pem": _CHAIN,
    ".crl": "application/pkix-crl",  # RFC 5280 §4.2.1.13
    ".tnauthlist": "application/tnauthlist",  # RFC 8226 §10.1
    "": _CHAIN,
}


def serve(folder: Path, www: Path, port: int = 0) -> ThreadingHTTPServer:
    """Bind a server of what lies in `www`, with the certificate in `folder`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    server = _Server((LOOPBACK, port), lambda *a: _Handler(*a, directory=str(www)))
    # The handshake belongs to the request's thread, not to the accepting one.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # With the five of socketserver, a burst is sent away: it comes again in a second.
    request_queue_size = 128


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = _TYPES
    timeout = 10  # a client that stops talking must not keep its thread

    def list_directory(self, path: str) -> None:  # type: ignore[override] # noqa: ARG002
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
        """Say nothing: whoever fetches logs what came of it."""

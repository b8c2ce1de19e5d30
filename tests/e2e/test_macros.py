"""Who may speak for a number is known whatever macros Postfix is set to send."""

import base64
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from stirmilter.demo import daemons, postfix
from tests.e2e.conftest import OVER_BOTH, Daemon, Start

pytestmark = pytest.mark.e2e

STAGES = ("connect", "helo", "mail", "rcpt", "data", "end_of_header", "end_of_data")
SUBMITTERS = """\
[[submitter]]
name = "login"
logins = ["mmsc"]
numbers = ["+12025550101"]
[[submitter]]
name = "certificate"
tls_names = ["mmsc.one.example"]
numbers = ["+12025550102"]
[[submitter]]
name = "service"
daemon_names = ["mm4"]
numbers = ["+12025550103"]
"""
BOB = "+13125550100/TYPE=PLMN@two.example"
NUMBERS = range(101, 104)
MESSAGE = """\
From: +12025550{number}/TYPE=PLMN\r
To: +13125550100/TYPE=PLMN@two.example\r
Message-ID: <{name}-{number}@one.example>\r
\r
Hello\r
"""
SETTINGS = """\
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/auth
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/relay.example.pem
smtpd_tls_CAfile = {folder}/ca.pem
smtpd_tls_ask_ccert = yes
"""
SERVICES = """\
tlsmgr unix - - n 1000? 1 tlsmgr
127.0.0.1:{port} inet n - n - - smtpd
  -o milter_macro_daemon_name=mm4
"""
GREETING = (
    "VERSION\t1\t1",
    "MECH\tPLAIN\tplaintext",
    "SPID\t1",
    "CUID\t1",
    f"COOKIE\t{'0' * 32}",
    "DONE",
)


@contextmanager
def logins(path: Path) -> Iterator[None]:
    """Let everybody in, in Dovecot's authentication protocol (1.1)."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as lines:
            connection.sendall("".join(f"{one}\n" for one in GREETING).encode())
            for line in lines:
                command, *words = line.decode().strip().split("\t")
                if command != "AUTH":
                    continue
                [said] = [one[5:] for one in words if one.startswith("resp=")]
                user = base64.b64decode(said).split(b"\0")[1].decode()
                connection.sendall(f"OK\t{words[0]}\tuser={user}\n".encode())

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=listener.accept()[:1]).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def issue(folder: Path, *names: str) -> None:
    """Write certificates with their keys, and that of their CA."""
    now = datetime.now(UTC)

    def certificate(
        name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> x509.Certificate:
        identified = x509.AuthorityKeyIdentifier.from_issuer_public_key
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named("CA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), True)
            .add_extension(_usage(ca=ca), True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
            )
            .add_extension(identified(above.public_key()), False)
            .sign(above, hashes.SHA256())
        )

    above = ec.generate_private_key(ec.SECP256R1())
    root = certificate("CA", above, ca=True)
    (folder / "ca.pem").write_bytes(root.public_bytes(Encoding.PEM))
    for name in names:
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / f"{name}.pem").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate(name, key, ca=False).public_bytes(Encoding.PEM)
        )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass
class Relay:
    """A Postfix that knows logins and certificates, and what it has sent on."""

    folder: Path
    port: int
    inner: int
    """Port of the service that is called mm4."""

    received: daemons.Mailbox
    log: Path

    def plain(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, "client.example", 60)

    def login(self) -> smtplib.SMTP:
        smtp = self.plain()
        smtp.login("mmsc", "secret")
        return smtp

    def certificate(self) -> smtplib.SMTP:
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
        context.check_hostname = False
        context.load_cert_chain(self.folder / "mmsc.one.example.pem")
        smtp = self.plain()
        smtp.starttls(context=context)
        return smtp

    def service(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.inner, "client.example", 60)

    def signed(self, way: Callable[["Relay"], smtplib.SMTP]) -> list[int]:
        """Send from each number; tell from which it was signed."""
        name = way.__name__
        with way(self) as smtp:
            for number in NUMBERS:
                octets = MESSAGE.format(name=name, number=number).encode()
                smtp.sendmail("a@one.example", [BOB], octets)
        found = []
        for number in NUMBERS:
            arrived = self.received.wait(f"<{name}-{number}@one.example>")
            assert arrived is not None, name
            if b"\nPASSporT: " in b"\n" + arrived:
                found.append(number)
        return found


@contextmanager
def relaying(daemon: Daemon, *settings: str) -> Iterator[Relay]:
    port, inner = postfix.free_port(), postfix.free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(daemons.short_folder()))
        issue(folder, "relay.example", "mmsc.one.example")
        stack.enter_context(logins(folder / "auth"))
        received = stack.enter_context(daemons.sink(port))
        running = stack.enter_context(
            postfix.instance(
                folder / "p",
                name="relay.example",
                milter=f"unix:{daemon.socket}",
                next_hop=port,
                settings=[*SETTINGS.format(folder=folder).splitlines(), *settings],
                services=SERVICES.format(port=inner).splitlines(),
            )
        )
        yield Relay(folder, running.port, inner, received, running.log)


@OVER_BOTH
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param([f"milter_{one}_macros =" for one in STAGES], id="empty"),
        pytest.param([f"milter_{one}_macros = j" for one in STAGES], id="others"),
        pytest.param([], id="defaults"),
    ],
)
@pytest.mark.conformance("O-06", "A-03")
def test_each_submitter_is_known_whatever_macros_postfix_is_set_to_send(
    start: Start, transport: str, settings: list[str]
) -> None:
    daemon = start(milter=f'transport = "{transport}"', more=SUBMITTERS)

    with relaying(daemon, *settings) as relay:
        found = {
            way.__name__: relay.signed(way)
            for way in (Relay.plain, Relay.login, Relay.certificate, Relay.service)
        }
        log = relay.log.read_text()

    assert found == {
        "plain": [],
        "login": [101],
        "certificate": [102],
        "service": [103],
    }
    told = re.findall(r"^\w+ (\S+): out=", daemon.logged(), re.MULTILINE)
    assert sorted(told) == sorted(re.findall(r" (\S+): client=", log)), "queue ids"

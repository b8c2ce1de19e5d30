"""Keys in a token: SoftHSM, through threads, forks, lost sessions and mistakes."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any, Final

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.errors import PinRefusedError, StoreError
from stirmilter.stir import jws
from stirmilter.stores.pkcs11 import TokenKey, _Driver
from stirmilter.stores.tokenuri import TokenURI
from tests.stores.softhsm import LABEL, MODULE, PIN, SoftToken

INPUT: Final = b"header.payload"
KEY: Final = ec.generate_private_key(ec.SECP256R1())
P384: Final = ec.generate_private_key(ec.SECP384R1())
OTHER: Final = ec.generate_private_key(ec.SECP256R1())

Held = Callable[..., TokenKey]


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    """A token with the keys ``carrier``, ``p384``, and two that are called ``twin``."""
    made = SoftToken.create(tmp_path_factory.mktemp("softhsm"))
    made.put(KEY, "carrier", "a1")
    made.put(P384, "p384", "a2")
    made.put(KEY, "twin", "a3")
    made.put(OTHER, "twin", "a4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(made.configuration))
        yield made
        pkcs11.lib(MODULE).finalize()


@pytest.fixture
def held(token: SoftToken) -> Held:
    """A key in the token, for the certificate of `KEY` unless told otherwise."""

    def held(
        label: str = "carrier",
        *,
        pin: str = PIN,
        public: ec.EllipticCurvePrivateKey = KEY,
        **others: str,
    ) -> TokenKey:
        uri = TokenURI.parse(token.uri(label, **others))
        return TokenKey(uri, public.public_key(), pin)

    return held


def test_a_key_in_a_token_signs(held: Held) -> None:
    key = held()

    one, other = key.sign(INPUT), key.sign(INPUT)

    assert len(one) == jws.SIGNATURE_OCTETS
    assert one[:32] != other[:32], "equal messages must not look like replays"
    jws.verify(INPUT, one, KEY.public_key())
    jws.verify(INPUT, other, KEY.public_key())


def test_many_threads_sign_with_two_keys_of_one_token(held: Held) -> None:
    """The module knows no locks: none of its calls may meet another."""
    keys = [held(), held("carrier")]

    with ThreadPoolExecutor(8) as lanes:
        inputs = [b"%d" % n for n in range(400)]
        signed = list(lanes.map(lambda n: keys[int(n) % 2].sign(n), inputs))

    for signing_input, signature in zip(inputs, signed, strict=True):
        jws.verify(signing_input, signature, KEY.public_key())


UNWARNED: Final = (sys.executable, "-W", "ignore:This process:DeprecationWarning")
FORKING: Final = """
import os, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from stirmilter.stir import jws
from stirmilter.stores.pkcs11 import TokenKey
from stirmilter.stores.tokenuri import TokenURI
uri, pin, pem = sys.argv[1:]
public = load_pem_public_key(pem.encode())
used, unused = (TokenKey(TokenURI.parse(uri), public, pin) for _ in range(2))
used.sign(b"parent")
for generation in range(2):
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        used.sign(b"parent again")
        os._exit(0)
    for key in (used, unused):
        jws.verify(b"child", key.sign(b"child"), public)
"""


def test_a_key_signs_on_both_sides_of_a_fork(token: SoftToken) -> None:
    """What the parent opened is the parent's (PKCS#11 base specification §6.6.1).

    The daemon forks before there are threads; Python 3.12 warns of who does not.
    """
    public = KEY.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )

    done = subprocess.run(
        [*UNWARNED, "-c", FORKING, token.uri("carrier"), PIN, public],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_lost_session_is_opened_again(held: Held) -> None:
    key = held()
    key.sign(INPUT)

    pkcs11.lib(MODULE).reinitialize()

    jws.verify(INPUT, key.sign(INPUT), KEY.public_key())
    jws.verify(INPUT, key.sign(INPUT), KEY.public_key())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"label": "none"}, "key none: no such EC keys", id="no-key"),
        pytest.param({"label": "twin"}, "key twin: 2 such EC keys", id="two-keys"),
        pytest.param(
            {"public": OTHER},
            "not the key of the first certificate in the chain",
            id="key-of-another-certificate",
        ),
        pytest.param(
            {"label": "p384", "public": KEY},
            "not the key of the first certificate in the chain",
            id="another-curve",
        ),
        pytest.param(
            {"token": "none"}, "token none, key carrier: no such tokens", id="no-token"
        ),
        pytest.param(
            {"module": "/nonexistent.so"}, "cannot open shared object", id="no-module"
        ),
    ],
)
def test_what_cannot_sign_says_why(
    held: Held, arguments: dict[str, str], problem: str
) -> None:
    key = held(**arguments)

    for _ in range(2):
        with pytest.raises(StoreError, match=problem):
            key.sign(INPUT)


def test_a_pin_that_was_refused_is_not_tried_again(held: Held) -> None:
    """A real token locks after a few, and every message would be another try."""
    pkcs11.lib(MODULE).reinitialize()  # another test's login would count for us
    key = held(pin="wrong")

    with pytest.raises(PinRefusedError, match="PinIncorrect: not the PIN in") as caught:
        key.sign(INPUT)
    assert "pin-source; mend the file before the next try" in str(caught.value)
    with pytest.raises(PinRefusedError, match="not tried again"):
        key.sign(INPUT)

    assert "wrong" not in str(caught.value) + repr(key)
    jws.verify(INPUT, held().sign(INPUT), KEY.public_key())


def test_a_token_that_hangs_holds_up_no_one_for_longer() -> None:
    """Whoever comes while it hangs is told at once; then it is used again."""
    driver = _Driver()
    busy, go_on = Event(), Event()
    done: list[str] = []
    queue: Any = driver._work

    def put(work: object) -> None:  # what has not begun yet would be taken back
        queue.put(work)
        assert busy.wait(60)

    def hang() -> None:
        busy.set()
        go_on.wait()

    slowly: Any = SimpleNamespace(put=put, get=queue.get)
    driver._work = slowly
    with pytest.raises(StoreError, match=r"key: no answer within 0\.01 s"):
        driver.run(hang, 0.01, "key")

    with pytest.raises(StoreError, match="key: still no answer"):
        driver.run(lambda: done.append("too early"), 60, "key")
    go_on.set()
    while driver._late is not None and not driver._late.done():
        go_on.wait(0.001)
    driver.run(lambda: done.append("in time"), 60, "key")

    assert done == ["in time"]


def test_who_has_given_up_waiting_is_not_signed_for() -> None:
    driver = _Driver()
    busy, go_on = Event(), Event()
    done: list[str] = []

    def block() -> None:
        busy.set()
        go_on.wait()

    with ThreadPoolExecutor(1) as other:
        first = other.submit(driver.run, block, 60, "first")
        busy.wait()
        with pytest.raises(StoreError, match="second: no answer within"):
            driver.run(lambda: done.append("second"), 0.01, "second")
        go_on.set()
        first.result()
    driver.run(lambda: done.append("third"), 60, "third")

    assert done == ["third"]


def test_a_uri_is_read(token: SoftToken) -> None:
    uri = TokenURI.parse(
        "pkcs11:token=The%20Token;serial=0a1b;object=k%C3%BC;id=%01%ff;type=private"
        "?pin-source=file:/etc/pin&module-path=/usr/lib/m.so"
    )

    assert uri == TokenURI(
        module="/usr/lib/m.so",
        token="The Token",  # noqa: S106 - its label
        serial=b"0a1b",
        label="kü",
        identifier=b"\x01\xff",
        pin_source="file:/etc/pin",
    )
    assert str(uri) == "token The Token, key kü"
    assert str(TokenURI.parse(token.uri("x"))) == f"token {LABEL}, key x"


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        pytest.param("token=t;object=o", "module-path is missing", id="no-module"),
        pytest.param(
            "token=t;object=o?module-path=/m", "pin-source is missing", id="no-pin"
        ),
        pytest.param("object=o?module-path=/m", "name the token", id="no-token"),
        pytest.param("token=t?module-path=/m", "name the key", id="no-key"),
        pytest.param(
            "token=t;object=o?module-path=m&pin-source=p",
            "module-path: expected an absolute path",
            id="module-wherever-it-may-be",
        ),
        pytest.param("token=t;token=u;object=o", "token occurs twice", id="twice"),
        pytest.param("token=t;objct=o", "'objct': expected one of", id="misspelt"),
        pytest.param("token=t;object=o;type=cert", "type: a private key", id="type"),
        pytest.param("token=%ff;object=o", "token: not UTF-8", id="not-utf-8"),
    ],
)
def test_a_uri_that_names_no_key_says_what_is_missing(uri: str, problem: str) -> None:
    ending = (
        "" if "?" in uri or "missing" in problem else "?module-path=/m&pin-source=p"
    )

    with pytest.raises(ValueError, match=problem):
        TokenURI.parse(f"pkcs11:{uri}{ending}")


def test_a_pin_in_the_configuration_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="pin-value: a PIN belongs in a file") as told:
        TokenURI.parse("pkcs11:token=t;object=o?module-path=/m&pin-value=314159")

    assert "314159" not in str(told.value)


@given(st.text("pkcs1:toenbjid=;&?%a0 ", max_size=40))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        uri = TokenURI.parse(f"pkcs11:{text}?module-path=/m&pin-source=p")
    except ValueError:
        return
    assert uri.token or uri.serial is not None or uri.token == ""

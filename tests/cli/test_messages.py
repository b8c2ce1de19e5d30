"""The commands for a message at hand, as an operator types them, and their statuses."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.cli.commands import MESSAGE, Configure, stirmilter


@pytest.fixture(scope="module")
def signed(configure: Configure) -> bytes:
    status, octets, _ = stirmilter("sign", "-c", configure(), "-", given=MESSAGE)
    assert status == 0
    return octets


def test_a_message_signed_by_hand_verifies_by_hand(
    configure: Configure, signed: bytes
) -> None:
    status, out, err = stirmilter("verify", "-c", configure(), "-", given=signed)

    assert (status, err) == (0, "")
    assert out.decode().split("\t") == [
        "pass",
        "verified",
        "number-authenticated",
        "12025550123",
        "-\n",
    ]


def test_sign_keeps_the_message_and_its_line_ends(signed: bytes) -> None:
    assert signed.endswith(MESSAGE)
    assert b"\r" not in signed
    assert signed.startswith(b"PASSporT: ey")


def test_sign_prints_the_field_alone_on_request(configure: Configure) -> None:
    status, out, _ = stirmilter(
        "sign", "-c", configure(), "--header", "-", given=MESSAGE
    )

    assert status == 0
    assert out.count(b"PASSporT:") == 1
    assert b"From:" not in out


SUBMITTER = """
[[submitter]]
name = "mmsc"
networks = ["192.0.2.0/24"]
numbers = ["+12025550123"]
"""


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        pytest.param((), 0, id="nobody"),
        pytest.param(("--client", "192.0.2.10"), 0, id="its-submitter"),
        pytest.param(("--client", "198.51.100.1"), 1, id="another"),
    ],
)
def test_whoever_holds_the_key_is_no_submitter_unless_he_says_who_sends(
    configure: Configure, client: tuple[str, ...], expected: int
) -> None:
    path = configure(more=SUBMITTER)

    status, out, err = stirmilter("sign", "-c", path, *client, "-", given=MESSAGE)

    assert status == expected
    assert bool(out) == (expected == 0)
    assert ("unlisted-submitter" in err) == (expected == 1)


def test_a_message_that_only_dkim_would_sign_is_not_signed(
    configure: Configure, folder: Path
) -> None:
    key = folder / "dkim.key"
    key.touch(mode=0o600)
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    path = configure(
        more='[dkim]\ndomain = "mms.one.example"\nselector = "s"\nkey = "dkim.key"\n'
    )

    status, out, err = stirmilter(
        "sign", "-c", path, "-", given=MESSAGE.replace(b"+12025550123", b"+13125550999")
    )

    assert (status, out) == (1, b"")
    assert err == "stirmilter: not signed: no-signer: no signer serves the number\n"


def test_verify_prints_one_object_with_all_the_evidence(
    configure: Configure, signed: bytes
) -> None:
    status, out, _ = stirmilter(
        "verify", "-c", configure(), "--json", "-", given=signed
    )

    found = json.loads(out)
    assert status == 0
    assert (found["verdict"], found["action"]) == ("number-authenticated", "accept")
    stir = found["stir"]
    assert stir.pop("x5u").endswith("/one.pem")
    assert len(stir.pop("certificate")) == 64
    # In a long run the message is older than its token, which is noted.
    assert all(note.endswith("after Date") for note in stir.pop("notes"))
    assert stir == {
        "result": "pass",
        "reason": "verified",
        "detail": "",
        "rule": "",
        "ppt": "msg",
        "orig": "12025550123",
        "msgi": "exact",
        "authority": "tn",
        "trust": "default",
        "status": "unchecked",
        "diversions": 0,
    }
    assert len(found["passports"]) == 1
    assert {found[method] for method in ("spf", "dkim", "dmarc", "arc")} == {None}


@pytest.mark.parametrize(
    ("change", "options", "status", "reason"),
    [
        pytest.param((b"Bob", b"Bab"), [], 1, "body-altered", id="body"),
        pytest.param((b"0123/", b"0124/"), [], 1, "orig-mismatch", id="sender"),
        pytest.param(
            (b"", b""), ["--rcpt", "+13125550199"], 1, "dest-mismatch", id="envelope"
        ),
        pytest.param(
            (b"", b""), ["--at", "2036-01-01T00:00:00Z"], 1, "stale", id="ten-years-on"
        ),
        pytest.param(
            (b"", b""), ["--at", "2020-01-01"], 1, "from-the-future", id="years-before"
        ),
        pytest.param((b"PASSporT", b"X-Was"), [], 1, "no-passport", id="no-token"),
    ],
)
def test_verify_names_the_reason_and_ends_with_its_status(
    configure: Configure,
    signed: bytes,
    change: tuple[bytes, bytes],
    options: list[str],
    status: int,
    reason: str,
) -> None:
    octets = signed.replace(*change) if change[0] else signed

    found, out, _ = stirmilter("verify", "-c", configure(), *options, "-", given=octets)

    assert (found, out.decode().split("\t")[1]) == (status, reason)


def test_a_certificate_that_cannot_be_fetched_means_try_again(
    signed: bytes, folder: Path
) -> None:
    path = folder / "distrustful.toml"
    path.write_text((folder / "one.toml").read_text().replace("/tls-ca", "/root"))

    status, out, _ = stirmilter("verify", "-c", path, "-", given=signed)

    assert (status, out.split(b"\t")[1]) == (75, b"credential-unavailable")


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        pytest.param((b"0123/", b"0999/"), [], "no-signer", id="number-not-ours"),
        pytest.param((b"", b""), ["--mail-from", "<>"], "null-sender", id="bounce"),
        pytest.param((b".REQ", b".RES"), [], "message-type", id="answer"),
        pytest.param((b"+1202", b"1202"), [], "no-originator", id="national"),
    ],
)
def test_what_is_not_ours_to_sign_is_not_signed(
    configure: Configure, change: tuple[bytes, bytes], options: list[str], reason: str
) -> None:
    octets = MESSAGE.replace(*change) if change[0] else MESSAGE

    status, out, err = stirmilter(
        "sign", "-c", configure(), *options, "-", given=octets
    )

    assert (status, out) == (1, b"")
    assert err.startswith(f"stirmilter: not signed: {reason}: ")


def test_a_signing_failure_of_ours_is_temporary(configure: Configure) -> None:
    status, out, err = stirmilter(
        "sign", "-c", configure("expired"), "-", given=MESSAGE
    )

    assert (status, out) == (75, b"")
    assert "credential-expired" in err


def test_inspect_explains_a_message_a_field_a_token_and_a_certificate(
    signed: bytes, folder: Path
) -> None:
    field = signed.partition(b"From:")[0]
    token = b"".join(field.partition(b":")[2].split()).partition(b";")[0].decode()

    for given in (signed, field, token.encode()):
        status, out, _ = stirmilter("inspect", "-", given=given)
        assert status == 0, out
        assert b"orig\ttn 12025550123" in out
        assert b"dest\ttn 13125550100" in out
    status, out, _ = stirmilter("inspect", token)
    assert (status, out.split(b"\n")[0]) == (0, b"this is\ta token")
    status, out, _ = stirmilter("inspect", folder / "ca" / "www" / "range.pem")
    assert status == 0
    assert b"this is\ta chain of 2 certificates" in out
    assert b"speaks for\t+12025550100-+12025550199" in out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["verify"], 2, "Missing argument", id="no-file"),
        pytest.param(
            ["verify", "-c", "/nonexistent", "-"], 78, "No such file", id="78"
        ),
        pytest.param(["frobnicate"], 2, "No such command", id="no-such-command"),
        pytest.param(["testca", "serve", "/nonexistent"], 78, "testca create", id="ca"),
    ],
)
def test_mistakes_of_the_caller_have_their_status(
    arguments: list[str], status: int, said: str
) -> None:
    found, out, err = stirmilter(*arguments)

    assert (found, out) == (status, b"")
    assert said in err


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(b"\xff\xfe no header here", id="no-header"),
        pytest.param(b"From no colon\nTo: x\n\n", id="first-line"),
    ],
)
def test_a_file_that_is_no_message_is_a_usage_error(
    configure: Configure, given: bytes
) -> None:
    status, out, err = stirmilter("verify", "-c", configure(), "-", given=given)

    assert (status, out) == (2, b"")
    assert "no mail message" in err


def test_testca_issues_what_is_asked_for(folder: Path) -> None:
    status, out, _ = stirmilter(
        "testca",
        "signer",
        folder / "ca",
        "mixed",
        "--spc",
        "77X",
        "--number",
        "+12125550100",
        "--range",
        "+12125550900-+12125550999",
    )

    assert (status, out.split(b"\t")[:2]) == (0, [b"signer", b"mixed"])
    _, out, _ = stirmilter("inspect", folder / "ca" / "www" / "mixed.pem")
    covers = [b"SPC 77X", b"+12125550900-+12125550999", b"+12125550100"]
    assert b"".join(b"speaks for\t" + entry + b"\n" for entry in covers) in out
    assert (folder / "ca" / "keys" / "mixed.key").stat().st_mode & 0o777 == 0o600

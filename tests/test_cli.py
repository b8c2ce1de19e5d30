"""The commands, as an operator types them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from stirmilter.testca import TestCA

MESSAGE = f"""\
From: +12025550123/TYPE=PLMN
To: +13125550100/TYPE=PLMN@mms.two.example
Date: {format_datetime(datetime.now(UTC))}
X-Mms-Message-Type: MM4_forward.REQ
Message-ID: <1@mms.one.example>

Hello Bob
""".encode()

CONFIGURATION = """\
[milter]
authserv_id = "mx.example"
sockets = ["inet:8891@127.0.0.1"]
workers = 1
[sign]
proofs = "proofs.json"
clients = ["127.0.0.0/8"]
[[signer]]
name = "one"
key = "ca/keys/{name}.key"
chain = "ca/www/{name}.pem"
x5u = "{base}/{name}.pem"
numbers = ["{numbers}"]
[verify]
anchors = ["ca/root.pem"]
[checks]
methods = []
[fetch]
laboratory = true
tls_ca = "ca/tls-ca.pem"
store = "memory:"
[replay]
store = "memory:"
"""


def stirmilter(*arguments: str | Path, given: bytes = b"") -> tuple[int, bytes, str]:
    """Run a command; return its status, its output and what it told people."""
    done = subprocess.run(
        [sys.executable, "-m", "stirmilter", *arguments],
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


Configure = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cli")
    status, _, _ = stirmilter("testca", "create", made / "ca")
    assert status == 0
    return made


@pytest.fixture(scope="module")
def configure(folder: Path) -> Iterator[Configure]:
    """Write a configuration for a signer of the test CA, whose chains are served."""
    with ExitStack() as stack:
        base = stack.enter_context(TestCA(folder / "ca").publish())

        def write(
            name: str = "one", numbers: str = "+12025550123", more: str = ""
        ) -> Path:
            path = folder / f"{name}.toml"
            path.write_text(
                CONFIGURATION.format(name=name, numbers=numbers, base=base) + more
            )
            return path

        yield write


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


def test_check_is_content_with_a_good_configuration(configure: Configure) -> None:
    status, out, err = stirmilter("check", "-c", configure())

    assert (status, err) == (0, "")
    lines = [line.split("\t") for line in out.decode().splitlines()]
    assert ["ok", "signer one", "may speak for +12025550123"] in lines
    assert any(
        line[0] == "ok" and line[2].endswith("serves the chain") for line in lines
    )


@pytest.mark.parametrize(
    ("name", "numbers", "problem"),
    [
        pytest.param("expired", "+12025550123", "is valid", id="expired"),
        pytest.param("untrusted", "+12025550123", "our own anchors", id="untrusted"),
        pytest.param("other", "+12025550123", "does not cover", id="another-number"),
    ],
)
def test_check_finds_what_verifiers_would(
    configure: Configure, name: str, numbers: str, problem: str
) -> None:
    status, out, _ = stirmilter("check", "-c", configure(name, numbers))

    assert status == 1
    errors = [line for line in out.decode().splitlines() if line.startswith("error\t")]
    assert problem in "".join(errors)


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        pytest.param([], ["out", "signed"], "insert\tPASSporT\t", id="ours"),
        pytest.param(
            ["--client", "192.0.2.1"],
            ["in", "unauthenticated"],
            "insert\tAuthentication-Results\t",
            id="a-stranger's",
        ),
    ],
)
def test_check_shows_what_would_become_of_a_message(
    configure: Configure,
    folder: Path,
    options: list[str],
    first: list[str],
    second: str,
) -> None:
    file = folder / "message.eml"
    file.write_bytes(MESSAGE)

    status, out, _ = stirmilter("check", "-c", configure(), "--message", file, *options)

    lines = out.decode().splitlines()
    assert status == 0
    assert lines[0].split("\t")[:2] == first
    assert lines[1].startswith(second)


def test_check_says_what_to_do_about_what_it_finds(configure: Configure) -> None:
    status, out, _ = stirmilter("check", "-c", configure())

    [line] = [one for one in out.decode().splitlines() if "no [[submitter]]" in one]
    level, subject, _, remedy = line.split("\t")
    assert (status, level, subject) == (0, "warning", "sign")
    assert remedy.startswith("a [[submitter]] for each client")


REFUSING = """
[[submitter]]
name = "two"
networks = ["127.0.0.0/8"]
numbers = ["+12025550999"]
refused = "reject"
"""


def test_check_shows_which_setting_refuses_a_number(
    configure: Configure, folder: Path
) -> None:
    file = folder / "message.eml"
    file.write_bytes(MESSAGE)
    asked = ("check", "-c", configure(more=REFUSING), "--message", file)

    _, out, _ = stirmilter(*asked)
    _, as_json, _ = stirmilter(*asked, "--json")

    reply = "550 5.7.1 not your number to send from: not-its-number"
    assert out.decode().splitlines() == [
        "out\tunsigned\tnot-its-number\treject\tnot among the numbers of two",
        f"decided\treject\tsubmitter:two\t{reply}",
    ]
    report = json.loads(as_json)
    assert (report["rule"], report["reply"]) == ("submitter:two", reply)


RULES = """
[[peer]]
name = "two"
networks = ["192.0.2.0/24"]
helo = ["mmsc.two.example"]
must_sign = ["MM4_forward.REQ"]
ladder = [
  { from = 2026-09-01, action = "tag" },
  { from = 2027-03-01, action = "reject" },
]
[[rule]]
name = "altered"
reason = ["body-altered"]
number = ["+44*"]
action = "reject"
[[shadow_rule]]
name = "strict"
stir = ["none"]
action = "reject"
"""


def asked(configure: Configure, folder: Path, *options: str) -> tuple[int, str]:
    file = folder / "message.eml"
    file.write_bytes(MESSAGE)
    configuration = configure(more=RULES)
    status, out, _ = stirmilter(
        *("check", "-c", configuration, "--message", file, "--client", "192.0.2.1"),
        *options,
    )
    return status, out.decode()


def test_check_tells_which_rule_applies_and_why_the_others_do_not(
    configure: Configure, folder: Path
) -> None:
    helo = ("--helo", "mmsc.two.example")

    status, out = asked(configure, folder, *helo, "--at", "2026-10-01")

    assert status == 0
    lines = out.splitlines()
    tag = "X-Stirmilter: unauthenticated; reason=no-passport; rule=ladder:two"
    assert lines[0].split("\t")[:4] == ["in", "unauthenticated", "no-passport", "tag"]
    for line in (
        f"insert\t{tag.replace(': ', chr(9), 1)}",
        "fact\tpeer\ttwo",
        "fact\tstir\tnone",
        "fact\tspc\t-",
        "fact\tmessage_type\tmm4_forward.req",
        "rule\taltered\tno\tnumber is 12025550123, not a number of the set",
        "rule\taltered\tno\treason is no-passport, not body-altered",
        f"otherwise\ttag\tladder:two\t{tag}",
        f"decided\ttag\tladder:two\t{tag}",
        "shadow rule\tstrict\tapplies",
    ):
        assert line in lines
    assert lines[-1] == (
        "shadow\treject\tstrict\t550 5.7.1 message refused by policy: stir=none"
        " reason=no-passport\tdiffers"
    )


@pytest.mark.parametrize(
    ("options", "action"),
    [
        (["--helo", "mmsc.two.example", "--at", "2026-08-31"], "accept"),
        (["--helo", "mmsc.two.example", "--at", "2027-03-01"], "reject"),
        (["--helo", "other.example", "--at", "2027-03-01"], "accept"),
        (["--at", "2027-03-01"], "accept"),
    ],
)
def test_check_decides_as_of_a_time_and_for_a_client(
    configure: Configure, folder: Path, options: list[str], action: str
) -> None:
    _, out = asked(configure, folder, "--json", *options)

    report = json.loads(out)
    assert report["action"] == action
    assert report["policy"]["outcome"]["action"] == action
    assert report["policy"]["facts"]["verdict"] == "unauthenticated"
    assert report["policy"]["rules"][0]["applies"] is False
    assert report["policy"]["differs"] is (action != "reject")


def test_check_shows_findings_as_json(configure: Configure) -> None:
    status, out, _ = stirmilter("check", "-c", configure(), "--no-x5u", "--json")

    found = json.loads(out)
    assert (status, {one["level"] for one in found} <= {"ok", "warning"}) == (0, True)


def test_a_rule_that_never_applies_is_a_fault_of_the_configuration(
    configure: Configure,
) -> None:
    more = RULES + '[[rule]]\nname = "a"\naction = "tag"\n'
    more += '[[rule]]\nname = "b"\naction = "accept"\n'

    status, _, err = stirmilter("check", "-c", configure(more=more))

    assert status == 78
    assert "rule.2 (b): never applies: the rules above it leave no message" in err


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

"""The quick start of README.md does what its comments say."""

import re
from pathlib import Path

from stirmilter.testca import TestCA
from tests.cli.commands import stirmilter

README = (Path(__file__).parents[1] / "README.md").read_text()

# Its [fetch] stands last: the DNS and the state of this machine are none of ours.
ALONE = 'store = "memory:"\n[checks]\nmethods = []\n'


def step(number: int) -> str:
    """Return the commands of a step, as they are typed."""
    quick_start = README.split("## Quick start")[1]
    _, _, rest = quick_start.partition(f"\n{number}. ")
    [block] = re.findall(
        r"```sh\n(.*?)```", rest.partition(f"\n{number + 1}. ")[0], re.DOTALL
    )
    return re.sub(r"^ {3}", "", block, flags=re.MULTILINE)


def test_what_the_quick_start_signs_it_verifies(tmp_path: Path) -> None:
    status, _, _ = stirmilter("testca", "create", tmp_path / "ca")
    assert status == 0
    path = tmp_path / "stirmilter.toml"
    [text] = re.findall(r"<<'END'\n(.*?)END\n", step(3), re.DOTALL)
    [message] = re.findall(r"printf '(.*?)' > m\.eml", step(5))
    [verdict] = re.findall(r"stirmilter verify signed\.eml +# (.*)", step(5))

    with TestCA(tmp_path / "ca").publish() as base:
        path.write_text(text.replace("https://127.0.0.1:8443", base) + ALONE)
        _, findings, _ = stirmilter("check", "-c", path)
        signed = stirmilter(
            "sign", "-c", path, "-", given=message.replace("\\n", "\n").encode()
        )
        verified = stirmilter("verify", "-c", path, "-", given=signed[1])
        inspected, _, _ = stirmilter("inspect", "-", given=signed[1])

    for subject in ("signer one", "signer one: x5u", "verify"):
        assert f"ok\t{subject}\t" in findings.decode()
    assert (signed[0], signed[2]) == (0, "")
    assert verified[0] == 0
    assert verified[1].decode().split() == verdict.split()
    assert inspected == 0

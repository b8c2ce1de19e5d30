"""Private Postfix configurations, read and changed by the real postconf."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stirmilter.config import Config, parse
from stirmilter.doctor.audits import audit
from stirmilter.doctor.postfix import Postfix, read
from stirmilter.findings import Finding

MAIN = """\
compatibility_level = 3.6
queue_directory = {queue}
myhostname = mx.example
smtpd_milters = unix:stirmilter/milter.sock
non_smtpd_milters = $smtpd_milters
milter_default_action = tempfail
remote_header_rewrite_domain =
"""
MASTER = """\
smtp       inet  n - y - - smtpd
submission inet  n - y - - smtpd
127.0.0.1:10025 inet n - n - - smtpd
  -o content_filter=
  -o smtpd_milters=
pickup     unix  n - y 60 1 pickup
cleanup    unix  n - y - 0 cleanup
smtp       unix  - - y - - smtp
  -o smtp_line_length_limit=0
  -o disable_mime_output_conversion=yes
relay      unix  - - y - - smtp
lmtp       unix  - - y - - lmtp
"""
SIGNER = {
    "name": "one",
    "key": "one.key",
    "chain": "one.pem",
    "x5u": "https://certs.example/one.pem",
    "numbers": ["+12025550123"],
}
SIGNING: dict[str, Any] = {"sign": {"clients": ["127.0.0.0/8"]}, "signer": [SIGNER]}
VERIFYING: dict[str, Any] = {"verify": {"anchors": ["root.pem"]}}
BOTH: dict[str, Any] = SIGNING | VERIFYING


@dataclass(frozen=True)
class Relay:
    """A configuration folder of Postfix."""

    folder: Path
    queue: Path

    def configuration(self, table: dict[str, Any]) -> Config:
        """Ours, with its socket below the queue unless it says otherwise."""
        milter = {"sockets": [f"unix:{self.queue}/stirmilter/milter.sock"]}
        milter |= {"authserv_id": "mx.example"} | table.get("milter", {})
        return parse({**table, "milter": milter}, self.folder / "stirmilter.toml")

    def change(self, *arguments: str) -> None:
        """Run ``postconf``."""
        self._cool()
        subprocess.run(["postconf", "-c", self.folder, *arguments], check=True)

    def obey(self, remedy: str) -> None:
        """Do what a finding says, as an operator would."""
        self._cool()
        subprocess.run(["sh", "-ec", remedy], check=True, stdout=subprocess.DEVNULL)

    def read(self) -> Postfix:
        self._cool()
        return read(self.folder)

    def _cool(self) -> None:
        """Postfix waits until a file that was just written has been left alone."""
        os.utime(self.folder / "main.cf", (0, 0))

    def problems(self, table: dict[str, Any]) -> list[Finding]:
        """What is wrong, in the eyes of the audits."""
        found = audit(self.read(), self.configuration(table))
        return [one for one in found if one.level != "ok"]


@pytest.fixture
def relay(tmp_path: Path) -> Relay:
    """A relay in which nothing is wrong."""
    if shutil.which("postconf") is None:
        pytest.skip("needs Postfix")
    folder, queue = tmp_path / "postfix", tmp_path / "queue"
    for one in (folder, queue, queue / "stirmilter"):
        one.mkdir()
    (folder / "main.cf").write_text(MAIN.format(queue=queue))
    (folder / "master.cf").write_text(MASTER)
    return Relay(folder, queue)

"""Settings of Postfix that nobody reads, and that are nearly ones that matter."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from stirmilter.config import Config
from stirmilter.doctor.postfix import Postfix
from stirmilter.findings import Finding

_UNUSED: Final = re.compile(r"unused parameter: (?P<name>[\w-]+)\s*=\s*(?P<value>.*)")
_MATTER: Final = (
    "content_filter",
    "disable_mime_output_conversion",
    "force_mime_input_conversion",
    "milter_command_timeout",
    "milter_connect_timeout",
    "milter_content_timeout",
    "milter_default_action",
    "milter_macro_daemon_name",
    "milter_protocol",
    "non_smtpd_milters",
    "receive_override_options",
    "smtp_line_length_limit",
    "smtpd_milters",
)
_NEAR: Final = 0.85


def misspelt(postfix: Postfix, config: Config) -> Iterable[Finding]:
    """Find parameters that were probably meant to be others."""
    del config
    for complaint in postfix.complaints:
        match = _UNUSED.search(complaint)
        if match is None:
            continue
        near = difflib.get_close_matches(match["name"], _MATTER, n=1, cutoff=_NEAR)
        for name in near:
            newer = name == match["name"]
            text = "this Postfix does not know it" if newer else f"did you mean {name}?"
            remedy = postfix.unset(match["name"])
            if not newer:
                remedy += f" && {postfix.set(name, match['value'])}"
            yield Finding("warning", f"postfix: {match['name']}", text, remedy)


AUDITS: Final = (misspelt,)

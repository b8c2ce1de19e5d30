"""Write stirmilter.toml(5) from conf/stirmilter.toml: its comments, its settings.

``settings_page.py VERSION DATE <conf/stirmilter.toml >stirmilter.toml.5``
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import groupby

HEAD = """\
.TH STIRMILTER.TOML 5 "{date}" "stirmilter {version}" "File Formats Manual"
.SH NAME
stirmilter.toml \\- configuration of stirmilter(1)
.SH SYNOPSIS
/etc/stirmilter/stirmilter.toml
.SH DESCRIPTION
"""
FOOT = """\
.SH SEE ALSO
.BR stirmilter (1),
/usr/share/doc/stirmilter/operations.md
"""
_SECTION = re.compile(r"\[(\w+)\]")
_SETTING = re.compile(r"#\w+ = |#\]")
_EXAMPLE = re.compile(r"# (\[\[|\w+ = |  |\}|\])")


def page(text: str, version: str, date: str) -> str:
    """Return the manual page, as roff, of a configuration that explains itself."""
    body = "".join(line + "\n" for line in _body(text))
    return HEAD.format(version=version, date=date) + body + FOOT


def _body(text: str) -> Iterator[str]:
    for block in re.split(r"\n\n+", text.strip()):
        lines = block.split("\n")
        section = _SECTION.fullmatch(lines[0])
        if section:
            yield f".SH [{section[1]}]"
            del lines[0]
        yield ".PP"
        for kind, group in groupby(lines, _kind):
            yield from _shown(kind, group)


def _kind(line: str) -> str:
    if line == "#":
        return "gap"
    if _SETTING.match(line):
        return "setting"
    return "example" if _EXAMPLE.match(line) else "text"


def _shown(kind: str, lines: Iterator[str]) -> Iterator[str]:
    """Lay text out anew; leave settings and examples as they stand."""
    if kind == "gap":
        yield ".PP"
    elif kind == "text":
        yield from (_escaped(line.removeprefix("#").strip()) for line in lines)
    else:
        yield from (".RS 4", ".nf")
        for line in lines:
            shown = _escaped(line.removeprefix("#").removeprefix(" "))
            yield f"\\fB{shown}\\fP" if kind == "setting" else shown
        yield from (".fi", ".RE")


def _escaped(line: str) -> str:
    """Let roff print a line as it is."""
    line = line.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti")
    return "\\&" + line if line.startswith((".", "'")) else line


if __name__ == "__main__":
    sys.stdout.write(page(sys.stdin.read(), *sys.argv[1:3]))

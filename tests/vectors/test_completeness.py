"""Nothing lies in the folder of vectors that no test reads."""

from pathlib import Path
from typing import Any

import pytest

from tests.stir.vectors import table

TESTS = Path(__file__).parents[1]
RFCS = "stir/test_vectors_of_rfcs.py"
PROGRAMS = "stir/test_vectors_of_programs.py"
HERE = "vectors/test_programs.py"
REST = "vectors/test_the_rest.py"

READERS = {
    "": ("vectors/test_taxonomy.py",),
    "asterisk-testsuite": (HERE,),
    "freeswitch": (HERE,),
    "interop-live": (PROGRAMS, HERE, REST),
    "libstirshaken": (HERE,),
    "msgi": ("stir/vectors.py", RFCS),
    "oob": ("vectors/test_oob.py",),
    "rfc7515": (RFCS,),
    "rfc8225": (RFCS, REST),
    "rfc8226": (RFCS,),
    "sems-yeti": (PROGRAMS, REST),
    "sti-corpus": ("vectors/corpus.py", "vectors/test_urls.py"),
    "sti-corpus/anomalies": ("vectors/corpus.toml",),
    "sti-corpus/ca": ("vectors/corpus.py",),
    "sti-corpus/sample-ee": ("vectors/corpus.py",),
    "sti-pa": (HERE,),
    "zlint-shaken": ("vectors/zlint.toml", "vectors/test_zlint.py"),
}
"""Who reads each folder: there, every file is named."""

READ_WHOLE = {"sti-corpus/ca", "sti-corpus/sample-ee"}
"""Hundreds of certificates, whatever their names: only the folder is named."""

WORDS = {"README.md"}
"""Where the vectors are from; nothing to test."""

NOTES = {"why", "unpadded_note"}
"""Members of tables that explain others."""


def source(folder: str) -> str:
    return "".join((TESTS / name).read_text() for name in READERS.get(folder, ()))


def folder_of(path: Path, vectors: Path) -> str:
    folder = path.parent.relative_to(vectors).as_posix()
    return "" if folder == "." else folder


def test_every_file_is_named_by_who_reads_its_folder(vectors: Path) -> None:
    files = [path for path in vectors.rglob("*") if path.is_file()]
    unread = set()
    for path in files:
        folder = folder_of(path, vectors)
        names = {path.name, f'"{path.stem}"'}
        if folder in READ_WHOLE:
            names = {f'"{path.parent.name}"'}
        if path.name not in WORDS and not any(n in source(folder) for n in names):
            unread.add(path.relative_to(vectors).as_posix())

    assert unread == set()
    assert len(files) == 335


def test_no_reader_is_left_without_its_folder(vectors: Path) -> None:
    folders = {folder_of(path, vectors) for path in vectors.rglob("*")}

    assert READERS.keys() <= folders


@pytest.mark.parametrize(
    ("name", "members"),
    [
        pytest.param("msgi/digests.json", [], id="bodies"),
        pytest.param("msgi/digests.json", ["NEG"], id="malformed-digests"),
        pytest.param("rfc8225/expected.json", [], id="signatures-of-an-rfc"),
        pytest.param("rfc8226/tnauthlist.json", [], id="lists"),
        pytest.param("sems-yeti/identity-parse.json", ["reject"], id="yeti"),
    ],
)
def test_every_case_of_a_table_is_named(
    vectors: Path, name: str, members: list[str]
) -> None:
    content: dict[str, Any] = table(vectors / name)
    for member in members:
        content = content[member]
    readers = source(Path(name).parent.as_posix())

    assert {case for case in content if case not in readers} <= NOTES


def test_every_live_token_is_named(vectors: Path) -> None:
    cases = table(vectors / "interop-live" / "tokens.json")["cases"]

    readers = source("interop-live")

    assert {case["name"] for case in cases if case["name"] not in readers} == set()

"""Streamed canonicalization, held against dkimpy's of the whole body."""

import hashlib
import re

import pytest
from dkim import canonicalization as dkimpy
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.mail.checks.canonical import (
    BodyForm,
    BodyHashes,
    Canonicalization,
    HashedBody,
    canonical_field,
    squeeze,
)

ALPHABET = [b"\r", b"\n", b"\r\n", b" ", b"\t", b"a"]
CHUNKS = st.lists(st.lists(st.sampled_from(ALPHABET)).map(b"".join))
FORMS: tuple[Canonicalization, ...] = ("simple", "relaxed")


def whole(body: bytes, form: Canonicalization) -> bytes:
    """dkimpy's canonicalization, with its first step in linear time."""
    if form == "relaxed":
        body = re.sub(rb"(?<![\t ])[\t ]+\r\n", b"\r\n", body)
    found = dkimpy.ALGORITHMS[form.encode()].canonicalize_body(body)
    assert isinstance(found, bytes)
    return found


def stream(*chunks: bytes, length: int | None = None) -> HashedBody:
    hashes = BodyHashes(BodyForm(form, "sha256", length) for form in FORMS)
    for chunk in chunks:
        hashes.update(chunk)
    return hashes.finish()


def assert_dkimpy_agrees(*chunks: bytes) -> None:
    found = stream(*chunks)
    for form in FORMS:
        expected = whole(b"".join(chunks), form)
        assert found.lengths[form] == len(expected)
        digest = hashlib.sha256(expected).digest()
        assert found.digests[BodyForm(form, "sha256")] == digest


@given(CHUNKS)
def test_the_forms_are_those_of_dkimpy_however_the_body_is_cut(
    chunks: list[bytes],
) -> None:
    assert_dkimpy_agrees(*chunks)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([], id="no-body"),
        pytest.param([b"\r\n"], id="an-empty-line"),
        pytest.param([b" \t\r\n"], id="a-blank-line"),
        pytest.param([b"a", b" \r", b"\n"], id="white-space-cut-from-its-line-end"),
        pytest.param([b"a \r", b"b"], id="white-space-before-a-bare-cr"),
        pytest.param([b"a ", b" ", b"\tb"], id="a-run-in-three-chunks"),
        pytest.param([b"a "], id="white-space-at-the-end"),
        pytest.param([b"a\r"], id="a-bare-cr-at-the-end"),
        pytest.param([b"a\r\n \r\n\r\n"], id="a-blank-line-among-the-last"),
        pytest.param([b"a", b"\r\n" * 9000, b"b"], id="many-empty-lines-then-content"),
        pytest.param([b"a" + b"\r\n" * 4096 + b"b"], id="a-run-as-long-as-a-flush"),
    ],
)
def test_the_forms_are_those_of_dkimpy(chunks: list[bytes]) -> None:
    assert_dkimpy_agrees(*chunks)


@given(CHUNKS, st.integers(0, 12))
def test_a_digest_stops_at_its_length(chunks: list[bytes], length: int) -> None:
    found = stream(*chunks, length=length)

    for form in FORMS:
        expected = whole(b"".join(chunks), form)
        digest = hashlib.sha256(expected[:length]).digest()
        assert found.digests[BodyForm(form, "sha256", length)] == digest
        assert found.lengths[form] == len(expected)


def test_nothing_is_hashed_that_nobody_asked_for() -> None:
    hashes = BodyHashes([BodyForm("simple", "sha256")] * 2)
    hashes.update(b"a\r\n")

    found = hashes.finish()

    assert hashes.forms == {BodyForm("simple", "sha256")}
    assert found.digests.keys() == hashes.forms
    assert found.lengths == {"simple": 3}


@given(st.lists(st.sampled_from([b" ", b"\t", b"a", b"\r\n"])).map(b"".join))
def test_white_space_is_squeezed_to_one_space(octets: bytes) -> None:
    assert squeeze(octets) == re.sub(rb"[ \t]+", b" ", octets)


@given(
    st.sampled_from([b"Subject", b"SUBJECT", b"subject ", b"X-A\t"]),
    st.lists(st.sampled_from([b" ", b"\t", b"a", b":", b"\r\n "])).map(b"".join),
)
def test_fields_are_those_of_dkimpy(name: bytes, value: bytes) -> None:
    for form in FORMS:
        [field] = dkimpy.ALGORITHMS[form.encode()].canonicalize_headers(
            [(name, value + b"\r\n")]
        )
        assert canonical_field(name, value, form) + b"\r\n" == b":".join(field)

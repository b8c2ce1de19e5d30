import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir.msgi import (
    ALGORITHMS,
    FORMS,
    BodyDigester,
    BodyDigests,
    Digest,
    Form,
    digest_body,
)
from stirmilter.stir.result import Reason, Unverified

HELLO = "sha256-Ba3gj8+xBPQLJTahTfzW6RbWQ/XPgESxkCi2B66PSQg="  # of b"Hello\r\n"
CHUNKS = st.lists(st.lists(st.sampled_from([b"\r", b"\n", b"a"])).map(b"".join))


def naive(body: bytes) -> dict[Form, bytes]:
    """The three forms, as docs/profile.md defines them."""
    simple = body
    while simple.endswith(b"\r\n"):
        simple = simple[:-2]
    return {
        "exact": body,
        "simple": simple + b"\r\n",
        "nocrlf": body.removesuffix(b"\r\n"),
    }


def stream(*chunks: bytes) -> BodyDigests:
    digester = BodyDigester()
    for chunk in chunks:
        digester.update(chunk)
    return digester.finish()


def assert_naive(found: BodyDigests, body: bytes) -> None:
    assert found.length == len(body)
    assert found.digests == {
        (form, "sha256"): hashlib.sha256(octets).digest()
        for form, octets in naive(body).items()
    }


@given(CHUNKS)
@pytest.mark.conformance("M-11")
def test_digests_do_not_depend_on_the_chunks(chunks: list[bytes]) -> None:
    assert_naive(stream(*chunks), b"".join(chunks))


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([], id="no-body"),
        pytest.param([b""], id="empty-chunk"),
        pytest.param([b"\r\n"], id="empty-line"),
        pytest.param([b"a\r", b"\nb\r\n"], id="crlf-cut-in-two"),
        pytest.param([b"a\r", b"", b"\n"], id="empty-chunk-inside-a-crlf"),
        pytest.param([b"a\r\n\r"], id="bare-cr-at-the-end"),
        pytest.param([b"a\r\n", b"\n"], id="bare-lf-at-the-end"),
        pytest.param([b"a\r\r\n"], id="cr-before-crlf"),
        pytest.param([b"a\n\r\n\r\n"], id="lf-before-crlfs"),
        pytest.param([b"a\n\n\n\r\n"], id="empty-lf-lines-before-crlf"),
        pytest.param([b"a\r\r\r\r\n"], id="empty-cr-lines-before-crlf"),
        pytest.param([b"a \t\r\n"], id="trailing-white-space"),
        pytest.param([b"a", b"\r\n" * 9000], id="long-run-at-the-end"),
        pytest.param([b"a", b"\r\n" * 4096], id="run-as-long-as-a-flush"),
        pytest.param([b"\r\n" * 9000, b"a"], id="long-run-then-content"),
        pytest.param([b"\r\n"] * 5000 + [b"a\r\n"], id="run-in-many-chunks"),
        pytest.param([bytes(range(256))], id="every-octet"),
    ],
)
@pytest.mark.conformance("M-11", "M-16")
def test_digests_are_those_of_the_definition(chunks: list[bytes]) -> None:
    assert_naive(stream(*chunks), b"".join(chunks))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.conformance("M-04")
def test_every_algorithm_digests_every_form(algorithm: str) -> None:
    body = b"Hello\r\n\r\n"

    found = digest_body(body)

    assert {f for f, a in found.digests if a == algorithm} == set(FORMS)
    for form, octets in naive(body).items():
        expected = hashlib.new(algorithm, octets).digest()
        assert found.digests[form, algorithm] == expected
        assert len(expected) == ALGORITHMS[algorithm]


def test_only_what_is_asked_for_is_digested() -> None:
    digester = BodyDigester(["sha512"])
    digester.update(b"Hello\r\n")

    assert {algorithm for _, algorithm in digester.finish().digests} == {"sha512"}


@pytest.mark.conformance("M-05", "M-07")
def test_our_claim_is_the_exact_form_padded() -> None:
    assert str(digest_body(b"Hello\r\n").value()) == HELLO
    assert str(digest_body(b"Hello\r\n").value("sha384")).startswith("sha384-FteaAKMj")


@pytest.mark.parametrize(
    ("received", "form"),
    [
        pytest.param(b"Hello\r\n", "exact", id="untouched"),
        pytest.param(b"Hello\r\n\r\n", "simple", id="empty-line-added"),
        pytest.param(b"Hello\r\n\r\n\r\n", "simple", id="two-empty-lines-added"),
        pytest.param(b"Hello", "simple", id="final-crlf-dropped"),
        pytest.param(b"Hello\n", None, id="lf-for-crlf"),
        pytest.param(b"Hello \r\n", None, id="space-added"),
        pytest.param(b"Hullo\r\n", None, id="letter-changed"),
        pytest.param(b"", None, id="emptied"),
        pytest.param(b"\r\nHello\r\n", None, id="empty-line-before"),
    ],
)
@pytest.mark.conformance("M-16", "M-17")
def test_match_names_what_became_of_a_body(received: bytes, form: Form | None) -> None:
    assert digest_body(received).match(Digest.parse(HELLO)) == form


@pytest.mark.conformance("M-16")
def test_a_body_signed_without_final_crlf_is_recognized() -> None:
    claim = digest_body(b"Hello").value()

    assert digest_body(b"Hello\r\n").match(claim) == "nocrlf"
    assert digest_body(b"Hello\r\n\r\n").match(claim) is None


@pytest.mark.parametrize(
    ("forms", "form"),
    [
        pytest.param(("exact",), None, id="strict"),
        pytest.param(("nocrlf",), None, id="another-form"),
        pytest.param(("exact", "simple"), "simple", id="tolerant"),
    ],
)
@pytest.mark.conformance("M-15")
def test_match_tries_the_forms_it_is_given(
    forms: tuple[Form, ...], form: Form | None
) -> None:
    body = digest_body(b"Hello\r\n\r\n\r\n")

    assert body.match(Digest.parse(HELLO), forms) == form


def test_equal_octets_of_another_algorithm_do_not_match() -> None:
    digests = {("exact", "sha256"): bytes(32), ("exact", "sha384"): bytes(range(48))}
    body = BodyDigests(digests, 0)  # type: ignore[arg-type]

    assert body.match(Digest("sha256", bytes(32)), ["exact"]) == "exact"
    assert body.match(Digest("sha384", bytes(48)), ["exact"]) is None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("sha256", id="no-digest"),
        pytest.param("sha256-", id="empty-digest"),
        pytest.param(HELLO.removeprefix("sha256-"), id="no-algorithm"),
        pytest.param(HELLO.upper(), id="upper-case"),
        pytest.param(HELLO.replace("sha256", "SHA256"), id="upper-case-name"),
        pytest.param(HELLO.replace("sha256", "sha-256"), id="hyphen-in-the-name"),
        pytest.param(HELLO.replace("sha256", "sha3"), id="unknown-name"),
        pytest.param(HELLO.replace("sha256", "sha384"), id="label-of-another-length"),
        pytest.param(HELLO.replace("sha256-", "sha256:"), id="colon"),
        pytest.param("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", id="sha1"),
        pytest.param("md5-1B2M2Y8AsgTpgAmY7PhCfg==", id="md5"),
        pytest.param(HELLO.replace("+", "-").replace("/", "_"), id="base64url"),
        pytest.param(HELLO + "=", id="too-much-padding"),
        pytest.param(HELLO.replace("g=", "h="), id="stray-bits"),
        pytest.param(HELLO.replace("g=", "h"), id="stray-bits-unpadded"),
        pytest.param(HELLO + "\n", id="line-end"),
        pytest.param(" " + HELLO, id="space"),
        pytest.param(HELLO + ";" + HELLO, id="two-values"),
        pytest.param(HELLO[:-2], id="one-character-lost"),
        pytest.param("sha256-A", id="one-character"),
        pytest.param(
            "sha256-H8BRh8j48O9oYatfu5AZzq6A9RINQZngK7T62em8MUt1FLm52t+eX6xO",
            id="example-of-rfc-9475-with-42-octets",
        ),
        pytest.param("sha256-\u0661" + "A" * 42, id="arabic-indic-digit"),
    ],
)
@pytest.mark.conformance("M-06", "M-09", "M-10")
def test_malformed_values_are_refused(value: str) -> None:
    with pytest.raises(Unverified) as caught:
        Digest.parse(value)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.conformance("M-08")
def test_padding_may_be_left_out() -> None:
    assert Digest.parse(HELLO.rstrip("=")) == Digest.parse(HELLO)


@given(st.sampled_from(sorted(ALGORITHMS)), st.data())
@pytest.mark.conformance("M-05", "M-07", "M-08")
def test_values_are_read_as_they_are_written(
    algorithm: str, data: st.DataObject
) -> None:
    octets = data.draw(st.binary(min_size=ALGORITHMS[algorithm], max_size=64))
    octets = octets[: ALGORITHMS[algorithm]]
    digest = Digest(algorithm, octets)

    assert str(digest) == f"{algorithm}-{base64.b64encode(octets).decode()}"
    assert Digest.parse(str(digest)) == digest
    assert Digest.parse(str(digest).rstrip("=")) == digest


@given(st.text("AZg+/-_= \n", max_size=3))
@pytest.mark.conformance("M-10")
def test_a_value_has_no_other_spelling(tail: str) -> None:
    value = HELLO[:-3] + tail
    try:
        digest = Digest.parse(value)
    except Unverified:
        return
    assert value in (str(digest), str(digest).rstrip("="))


@given(st.text(max_size=60))
def test_parse_refuses_in_one_way(text: str) -> None:
    with pytest.raises(Unverified):
        Digest.parse(text)

"""What becomes of a signature, and what a reader is told of it."""

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest

from stirmilter.mail.checks.dns import Answer
from stirmilter.mail.checks.verification import DkimLimits
from tests.mail.checks.signed import (
    DOMAIN,
    MESSAGE,
    Algorithm,
    Zone,
    check,
    ed25519_record,
    rsa_record,
    sign,
    words,
    zone,
)

RSA = f"rsa._domainkey.{DOMAIN}"
PASS = [("pass", "")]


def tag(message: bytes, name: str, value: str) -> bytes:
    """Set, or with an empty value remove, a tag of the signature on top."""
    head, sep, rest = message.partition(b"\r\nFrom:")
    field, colon, tags = head.partition(b":")
    old = re.compile(rb"\s*%b=" % re.escape(name).encode())
    specs = [spec for spec in tags.split(b";") if not old.match(spec)]
    if value:
        specs.append(f" {name}={value}".encode())
    return field + colon + b";".join(specs) + sep + rest


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
def test_a_good_signature_passes(
    algorithm: Algorithm, header: bytes, body: bytes
) -> None:
    [found] = check(sign(algorithm=algorithm, form=(header, body)))

    assert (found.word, found.reason) == ("pass", "")
    assert (found.domain, found.identity) == (DOMAIN, f"@{DOMAIN}")
    assert found.algorithm == algorithm
    assert found.selector in ("rsa", "ed")
    assert len(found.value) == 8
    assert found.whole_body


def test_a_message_without_signature_has_no_result() -> None:
    assert check(MESSAGE) == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(b"Hello", b"Hullo", ("fail", "body-altered"), id="body"),
        pytest.param(b"Two", b"Too", ("fail", "bad-signature"), id="header"),
        pytest.param(b"Hello  Bob ", b"Hello Bob", ("pass", ""), id="relaxed-body"),
        pytest.param(b"Two  words\r\n\t", b"Two words ", ("pass", ""), id="refolded"),
    ],
)
def test_what_was_altered_is_told(
    old: bytes, new: bytes, expected: tuple[str, str]
) -> None:
    assert words(sign().replace(old, new)) == [expected]


def test_an_altered_body_costs_no_question() -> None:
    served = zone()

    check(sign().replace(b"Hello", b"Hullo"), served)

    assert served.asked == []


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(Answer("no-name"), ("permerror", "no-key"), id="no-name"),
        pytest.param(Answer("no-data"), ("permerror", "no-key"), id="no-data"),
        pytest.param(Answer("found"), ("permerror", "no-key"), id="no-record"),
        pytest.param(Answer("temporary"), ("temperror", "dns"), id="temporary"),
        pytest.param(
            Answer("malformed"), ("permerror", "malformed-key"), id="malformed-answer"
        ),
        pytest.param("v=DKIM1; p=", ("permerror", "key-revoked"), id="revoked"),
        pytest.param("v=DKIM1; k=rsa", ("permerror", "malformed-key"), id="no-p"),
        pytest.param("v=DKIM2; p=AAAA", ("permerror", "malformed-key"), id="version"),
        pytest.param("v=spf1 -all", ("permerror", "malformed-key"), id="spf"),
        pytest.param("p=!", ("permerror", "malformed-key"), id="no-base64"),
        pytest.param("p=AAAA", ("permerror", "malformed-key"), id="no-key-in-it"),
        pytest.param(
            "k=dsa; p=AAAA", ("permerror", "unsupported-key-type"), id="key-type"
        ),
        pytest.param(
            rsa_record(tags="h=sha1;"), ("permerror", "key-for-another-hash"), id="hash"
        ),
        pytest.param(rsa_record(tags="h=sha1 : sha256;"), ("pass", ""), id="hashes"),
        pytest.param(
            rsa_record(tags="s=tlsrpt;"),
            ("permerror", "key-for-another-service"),
            id="service",
        ),
        pytest.param(rsa_record(tags="s=tlsrpt:email;"), ("pass", ""), id="services"),
        pytest.param(rsa_record(tags="s=*;"), ("pass", ""), id="any-service"),
        pytest.param(
            ed25519_record(), ("permerror", "key-of-another-algorithm"), id="algorithm"
        ),
        pytest.param(rsa_record(tags=""), ("pass", ""), id="bare"),
        pytest.param(rsa_record(tags="n=a note; x=y;"), ("pass", ""), id="unknown"),
        pytest.param(rsa_record(tags="t=y;"), ("pass", "testing"), id="testing"),
        pytest.param(rsa_record(tags="t=s;"), ("pass", ""), id="strict"),
        pytest.param(
            Answer("found", ("v=spf1 -all", rsa_record())), ("pass", ""), id="second"
        ),
        pytest.param(
            Answer("found", ("p=", "v=spf1 -all")),
            ("permerror", "key-revoked"),
            id="first-of-two-unusable",
        ),
    ],
)
def test_the_key_decides(record: str | Answer, expected: tuple[str, str]) -> None:
    assert words(sign(), Zone({RSA: record})) == [expected]


def test_a_key_of_another_pair_fails_and_its_testing_is_noted() -> None:
    record = rsa_record(1024, "t=y;")

    assert words(sign(), Zone({RSA: record})) == [("fail", "bad-signature testing")]


def test_keys_are_asked_for_once_and_for_their_name_alone() -> None:
    served = zone()

    found = check(sign(sign()), served)

    assert [one.word for one in found] == ["pass", "pass"]
    assert served.asked == [RSA]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("v", "", ("permerror", "no-v"), id="no-version"),
        pytest.param("v", "2", ("permerror", "unsupported-version"), id="version"),
        pytest.param("a", "", ("permerror", "no-a"), id="no-algorithm"),
        pytest.param(
            "a", "rsa-md5", ("permerror", "unsupported-algorithm"), id="algorithm"
        ),
        pytest.param("a", "rsa-sha1", ("policy", "rsa-sha1"), id="sha1"),
        pytest.param("b", "", ("permerror", "no-b"), id="no-signature"),
        pytest.param("b", "!!!!", ("permerror", "malformed-signature"), id="b"),
        pytest.param("b", "AAA", ("permerror", "malformed-signature"), id="b-cut"),
        pytest.param("b", "AAAA", ("fail", "bad-signature"), id="b-short"),
        pytest.param("bh", "", ("permerror", "no-bh"), id="no-body-hash"),
        pytest.param("bh", "*", ("permerror", "malformed-signature"), id="bh"),
        pytest.param("bh", "AAAA", ("fail", "body-altered"), id="bh-short"),
        pytest.param("d", "", ("permerror", "no-d"), id="no-domain"),
        pytest.param("d", "a..b", ("permerror", "malformed-domain"), id="d"),
        pytest.param("d", "a.b(c", ("permerror", "malformed-domain"), id="d-special"),
        pytest.param("d", "a" * 64, ("permerror", "malformed-domain"), id="d-label"),
        pytest.param(
            "d", "abc." * 64, ("permerror", "malformed-domain"), id="d-length"
        ),
        pytest.param("s", "", ("permerror", "no-s"), id="no-selector"),
        pytest.param("s", "a b", ("permerror", "malformed-domain"), id="s"),
        pytest.param("h", "", ("permerror", "no-h"), id="no-names"),
        pytest.param("h", "to:date", ("permerror", "from-not-signed"), id="no-from"),
        pytest.param("h", "from::to", ("permerror", "malformed-signature"), id="h"),
        pytest.param(
            "i",
            "a@example.org",
            ("permerror", "identity-outside-domain"),
            id="i-elsewhere",
        ),
        pytest.param(
            "i",
            "@badexample.net",
            ("permerror", "identity-outside-domain"),
            id="i-looks-alike",
        ),
        pytest.param("i", "alice", ("permerror", "malformed-signature"), id="i"),
        pytest.param(
            "i",
            "a\tb@example.net",
            ("permerror", "malformed-signature"),
            id="i-not-printable",
        ),
        pytest.param(
            "c", "strict", ("permerror", "unsupported-canonicalization"), id="c"
        ),
        pytest.param(
            "c", "simple/", ("permerror", "unsupported-canonicalization"), id="c-half"
        ),
        pytest.param("q", "dns/x", ("permerror", "unsupported-query"), id="q"),
        pytest.param("t", "-1", ("permerror", "malformed-signature"), id="t"),
        pytest.param("x", "1", ("permerror", "malformed-signature"), id="x-before-t"),
        pytest.param("l", "9z", ("permerror", "malformed-signature"), id="l"),
        pytest.param("l", "999", ("permerror", "body-shorter-than-signed"), id="l-99"),
        pytest.param("%", "1", ("permerror", "malformed-signature"), id="tag-name"),
        pytest.param("z", "a;z=b", ("permerror", "malformed-signature"), id="twice"),
        pytest.param("z", "\x01", ("permerror", "malformed-signature"), id="control"),
        pytest.param("z", "a", ("fail", "bad-signature"), id="unknown-tag"),
    ],
)
def test_a_signature_is_read_strictly(
    name: str, value: str, expected: tuple[str, str]
) -> None:
    served = zone()

    assert [(o.word, o.reason) for o in check(tag(sign(), name, value), served)] == [
        expected
    ]
    assert bool(served.asked) == (expected[1] == "bad-signature")


def test_a_malformed_signature_still_tells_whose_it_claims_to_be() -> None:
    [good], [bad] = check(sign()), check(tag(sign(), "c", "strict"))

    assert (bad.domain, len(bad.value)) == (good.domain, 8)


def test_a_signature_expires() -> None:
    now = datetime.now(UTC)
    signed = tag(sign(), "x", str(int(now.timestamp()) + 1000))

    [in_time] = check(signed, now=now + timedelta(seconds=1290))
    [late] = check(signed, now=now + timedelta(seconds=1310))

    assert (in_time.word, in_time.reason) == ("fail", "bad-signature")  # x= was added
    assert (late.word, late.reason) == ("fail", "expired")


def test_a_signature_from_the_future_is_not_trusted() -> None:
    now = datetime.now(UTC)

    [early] = check(sign(), now=now - timedelta(seconds=310))
    [skewed] = check(sign(), now=now - timedelta(seconds=290))

    assert (early.word, early.reason) == ("policy", "from-the-future")
    assert skewed.word == "pass"


@pytest.mark.conformance("E-15")
def test_sha1_never_passes() -> None:
    served = zone()
    [found] = check(sign(algorithm="rsa-sha1"), served)

    assert (found.word, found.reason) == ("policy", "rsa-sha1")
    assert served.asked == []


@pytest.mark.parametrize(
    ("bits", "limits", "expected"),
    [
        (1024, DkimLimits(), ("pass", "")),
        (1024, DkimLimits(shortest_key=2048), ("policy", "short-key")),
        (2048, DkimLimits(longest_key=1024), ("policy", "long-key")),
    ],
)
def test_a_key_must_have_a_length_that_we_trust(
    bits: int, limits: DkimLimits, expected: tuple[str, str]
) -> None:
    [found] = check(sign(bits=bits), zone(bits), limits)

    assert (found.word, found.reason) == expected


def test_a_key_of_512_bits_never_passes() -> None:
    record = (
        "p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANmBe10IgY+u7h3enWTukkqtUD5PR52T"
        "b/mPfjC0QJTocVBq6Za/PlzfV+Py92VaCak19F4WrbVTK5Gg5tW220MCAwEAAQ=="
    )  # of dkimpy's test suite

    assert words(sign(), Zone({RSA: record})) == [("policy", "short-key")]


def test_an_exponent_that_would_cost_us_dear_is_no_key() -> None:
    def integer(n: int) -> bytes:
        octets = n.to_bytes(n.bit_length() // 8 + 1, "big")
        return b"\x02\x82" + len(octets).to_bytes(2, "big") + octets

    content = integer((1 << 2048) - 159) + integer((1 << 2047) + 1)
    der = b"\x30\x82" + len(content).to_bytes(2, "big") + content
    record = f"p={base64.b64encode(der).decode()}"

    assert words(sign(), Zone({RSA: record})) == [("permerror", "malformed-key")]


def test_names_are_covered_if_every_occurrence_is_signed_and_sealed_if_one_more() -> (
    None
):
    received = b"Received: one\r\nReceived: two\r\n" + MESSAGE
    names = [b"from", b"from", b"to", b"received", b"passport", b"date", b"date"]

    [found] = check(sign(received, headers=names))

    assert found.word == "pass"
    assert found.covers == {"from", "to", "passport", "date"}
    assert found.sealed == {"from", "passport", "date"}


def test_a_field_added_to_a_sealed_name_breaks_the_signature() -> None:
    signed = sign(headers=[b"from", b"from", b"passport"])

    assert words(b"PASSporT: x\r\n" + signed) == [("fail", "bad-signature")]
    assert words(signed.replace(b"\r\n\r\n", b"\r\nPASSporT: x\r\n\r\n", 1)) == [
        ("fail", "bad-signature")
    ]


def test_a_field_added_to_a_name_that_is_only_covered_uncovers_it() -> None:
    signed = sign(headers=[b"from", b"to"])

    [found] = check(b"To: eve@example.org\r\n" + signed)

    assert found.word == "pass"
    assert found.covers == {"from"}


def test_a_signature_with_a_second_from_does_not_pass() -> None:
    signed = sign(headers=[b"from", b"to"])

    assert words(b"From: eve@example.org\r\n" + signed) == [("policy", "from-repeated")]


def test_a_signature_may_seal_those_below_and_never_covers_itself() -> None:
    sealing = [b"from", b"dkim-signature", b"dkim-signature"]

    signed = sign(sign(), headers=sealing)

    [top, _] = check(signed)
    assert top.word == "pass"
    assert "dkim-signature" in top.sealed
    assert words(sign(signed))[1] == ("fail", "bad-signature")


def test_what_follows_the_signed_length_is_not_covered() -> None:
    signed = sign(length=True)

    [whole], [more] = check(signed), check(signed + b"Buy!\r\n")

    assert (whole.word, whole.reason, whole.whole_body) == ("pass", "", True)
    assert (more.word, more.reason) == ("pass", "body-partly-signed")
    assert not more.whole_body


def test_signatures_beyond_the_limit_are_one_result() -> None:
    message = MESSAGE
    for _ in range(5):
        message = sign(message)

    found = check(message, limits=DkimLimits(signatures=3))

    assert [one.word for one in found] == ["pass", "pass", "pass", "policy"]
    assert found[-1].reason == "too-many-signatures"


def test_a_signature_longer_than_the_limit_is_not_read() -> None:
    served = zone()
    [found] = check(sign(), served, DkimLimits(field_size=100))

    assert (found.word, found.reason) == ("policy", "signature-too-long")
    assert (found.domain, served.asked) == ("", [])


def test_a_strict_key_wants_the_identity_in_the_very_domain() -> None:
    signed = tag(sign(), "i", f"@mms.{DOMAIN}")

    strict = Zone({RSA: rsa_record(tags="t=y:s;")})

    assert words(signed, strict) == [("permerror", "identity-outside-domain")]
    assert words(signed) == [("fail", "bad-signature")]


def test_a_domain_in_u_labels_is_asked_for_in_a_labels() -> None:
    served = zone()

    [found] = check(tag(tag(sign(), "i", ""), "d", "B\u00fccher.example"), served)

    assert (found.domain, found.reason) == ("xn--bcher-kva.example", "no-key")
    assert served.asked == ["rsa._domainkey.xn--bcher-kva.example"]

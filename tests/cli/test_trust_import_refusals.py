"""``stirmilter trust import`` refuses what is no list of the administrator."""

import json
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import jws, trustlist
from stirmilter.stir.credential import TrustAnchors
from tests.cli.administrators import (
    NO_CA,
    NOW,
    ONE,
    TWO,
    Administrator,
    Import,
    certificates,
    der,
    listing,
)
from tests.stir.certificates import DAY, issue, pem, tn_auth_list, usage

BOTH = usage("key_cert_sign", "digital_signature")


def test_an_older_list_is_refused_and_the_same_one_is_not(
    importing: Import, administrator: Administrator
) -> None:
    importing.signed(administrator.sign(listing(ONE, sequence=8)))

    older = importing.signed(administrator.sign(listing(TWO)))
    same = importing.signed(administrator.sign(listing(ONE, sequence=8)))

    assert older.exit_code == 1
    assert "an older list: sequence 7, after 8" in older.stderr
    assert same.exit_code == 0
    assert importing.written == certificates(ONE)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"exp": 1_700_000_000}, "the list has expired", id="expired"),
        pytest.param({"exp": "soon"}, "exp is not a time", id="exp-is-text"),
        pytest.param({"exp": 10**30}, "exp is not a time", id="exp-is-huge"),
        pytest.param({"sequence": True}, "sequence is not a number", id="sequence"),
        pytest.param({"sequence": -1}, "sequence is not a number", id="negative"),
        pytest.param({"trustList": "x"}, "not a list of certificates", id="no-list"),
        pytest.param({"trustList": []}, "not a list of certificates", id="empty"),
        pytest.param({"trustList": ["x"]}, "no authority is left", id="no-authority"),
    ],
)
def test_a_payload_that_is_none_is_refused(
    importing: Import, administrator: Administrator, change: dict[str, Any], why: str
) -> None:
    done = importing.signed(administrator.sign(listing(ONE, **change)))

    assert done.exit_code == 1
    assert why in done.stderr
    assert list(importing.folder.glob("us.pem*")) == []


def test_how_large_a_list_may_be_is_a_setting(
    importing: Import, administrator: Administrator
) -> None:
    octets = administrator.sign(listing(ONE, TWO))
    configuration = importing.folder / "limits.toml"

    def limited(**limits: int) -> Result:
        lines = [f"{name} = {value}\n" for name, value in limits.items()]
        configuration.write_text("[limits]\n" + "".join(lines))
        return importing.signed(octets, "--config", str(configuration))

    few = limited(trust_list_entries=1)
    small = limited(trust_list_octets=len(octets) - 1)
    assert (few.exit_code, small.exit_code) == (1, 1)
    assert "trustList has 2 entries, at most 1" in few.stderr
    assert f"more than {len(octets) - 1} octets" in small.stderr
    assert importing.written == []

    assert limited(trust_list_entries=2, trust_list_octets=len(octets)).exit_code == 0
    assert len(importing.written) == 2


def test_a_list_that_names_too_many_is_refused(
    importing: Import, administrator: Administrator
) -> None:
    done = importing.signed(administrator.sign(listing(trustList=["x"] * 1_001)))

    assert done.exit_code == 1
    assert "trustList has 1001 entries, at most 1000" in done.stderr


@pytest.mark.parametrize(
    ("header", "key", "why"),
    [
        pytest.param({}, "middle", "did not sign", id="signed-by-another-key"),
        pytest.param({"alg": "none"}, "signer", "alg is not ES256", id="alg-none"),
        pytest.param({"alg": "HS256"}, "signer", "alg is not ES256", id="alg-hs256"),
        pytest.param({"crit": ["x"]}, "signer", "crit", id="crit"),
        pytest.param({"x5c": "x"}, "signer", "x5c", id="x5c"),
        pytest.param({"x5c": ["x"]}, "signer", "no certificate", id="x5c-garbage"),
        pytest.param(
            {"x5c": None, "x5u": "file:///etc/passwd"},
            "signer",
            "x5u is no https URL",
            id="x5u",
        ),
        pytest.param(
            {"x5c": [der(NO_CA.certificate)]},
            "signer",
            "did not sign",
            id="other-chain",
        ),
    ],
)
def test_a_signature_that_is_none_is_refused(
    importing: Import,
    administrator: Administrator,
    header: dict[str, Any],
    key: str,
    why: str,
) -> None:
    done = importing.signed(administrator.sign(listing(ONE), header, key))

    assert done.exit_code == 1
    assert why in done.stderr
    assert not importing.out.exists()


def test_a_list_that_was_altered_is_refused(
    importing: Import, administrator: Administrator
) -> None:
    header, _, signature = administrator.sign(listing(ONE)).split(b".")
    other = jws.b64url_encode(json.dumps(listing(TWO)).encode()).encode()

    done = importing.signed(b".".join([header, other, signature]))

    assert done.exit_code == 1
    assert "did not sign" in done.stderr


def test_a_signer_below_another_root_is_refused(
    importing: Import, administrator: Administrator
) -> None:
    root = importing.folder / "other.pem"
    root.write_bytes(pem(ONE))

    done = importing(administrator.sign(listing(ONE)), "--anchors", str(root))

    assert done.exit_code == 1
    assert "the signer leads to no anchor" in done.stderr


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"use": usage("crl_sign")}, "lacks digitalSignature"),
        ({"ca": True, "use": BOTH}, "the signer is an authority"),
        ({"extensions": [tn_auth_list()]}, "there to speak for numbers"),
    ],
)
def test_a_signer_who_is_there_for_something_else_is_refused(
    administrator: Administrator, parts: dict[str, Any], problem: str
) -> None:
    """Below the same root."""
    lister = issue("lister", ONE, begin=NOW - DAY, end=NOW + DAY, **parts)
    text = administrator.sign(listing(TWO)).decode().rpartition(".")[0]
    signature = jws.b64url_encode(jws.SoftwareKey(lister.key).sign(text.encode()))

    with pytest.raises(ValueError, match=problem):
        trustlist.verify(
            trustlist.parse(f"{text}.{signature}"),
            [lister.certificate],
            TrustAnchors(certificates(ONE)),
            NOW,
        )


def test_a_signed_list_needs_a_root(
    importing: Import, administrator: Administrator
) -> None:
    done = importing(administrator.sign(listing(ONE)))

    assert done.exit_code == 2
    assert "--anchors" in done.stderr


@pytest.mark.parametrize(
    "octets", [b"", b"garbage", b"{}", b'{"caList": 1}', b"a.b", b"\xff"]
)
def test_what_is_no_list_is_refused(importing: Import, octets: bytes) -> None:
    done = importing.signed(octets)

    assert done.exit_code == 1
    assert "not a list to be believed" in done.stderr


@given(st.text(max_size=60))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        trustlist.parse(text)
    except ValueError:
        return

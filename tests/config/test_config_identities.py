"""Settings about who is named: countries, URIs, domains, diversions."""

from pathlib import Path

import pytest

from tests.config.files import SIGNER, faults, load


def test_nothing_of_it_is_on_by_default(path: Path) -> None:
    found = load(path, SIGNER)

    assert found.sign.country == ""
    assert not found.sign.uris
    assert not found.sign.divert
    assert not found.verify.uris
    assert found.signer[0].domains == ()
    assert found.limits.diversions == 4


def test_all_of_it_is_read(path: Path) -> None:
    found = load(
        path,
        """
        [sign]
        country = "US"
        uris = true
        divert = true
        [verify]
        uris = true
        [limits]
        diversions = 1
        """
        + SIGNER
        + 'domains = ["example.net", "mms.example.org", "xn--bcher-kva.example"]',
    )

    assert found.sign.country == "US"
    assert found.sign.uris
    assert found.sign.divert
    assert found.verify.uris
    assert found.limits.diversions == 1
    assert found.signer[0].domains == (
        "example.net",
        "mms.example.org",
        "xn--bcher-kva.example",
    )


def test_no_diversion_at_all_may_be_believed(path: Path) -> None:
    found = load(path, "[limits]\ndiversions = 0")

    assert found.limits.diversions == 0


@pytest.mark.parametrize(
    "country",
    [
        pytest.param("us", id="lower case"),
        pytest.param("USA", id="three letters"),
        pytest.param("U", id="one letter"),
        pytest.param("1", id="calling code"),
        pytest.param("ZZ", id="no country"),
        pytest.param("001", id="code of the whole world"),
        pytest.param(" US", id="space before it"),
        pytest.param("US\\n", id="line end behind it"),
    ],
)
def test_a_country_that_nobody_knows_is_refused(path: Path, country: str) -> None:
    found = faults(path, f'[sign]\ncountry = "{country}"')

    assert found.keys() == {"sign.country"}
    assert 'expected a code such as "US", or ""' in found["sign.country"]


@pytest.mark.parametrize(
    "domain",
    [
        pytest.param("Example.net", id="upper case"),
        pytest.param("", id="nothing"),
        pytest.param("alice@example.net", id="mail address"),
        pytest.param("mailto:example.net", id="URI"),
        pytest.param("*.example.net", id="wildcard"),
        pytest.param(".example.net", id="dot before it"),
        pytest.param("example.net.", id="dot behind it"),
        pytest.param("example..net", id="two dots"),
        pytest.param("-example.net", id="hyphen before it"),
        pytest.param("b\u00fccher.example", id="letters outside ASCII"),
        pytest.param("[192.0.2.1]", id="address literal"),
        pytest.param("example.net/x", id="path"),
        pytest.param("example.net\\n", id="line end"),
        pytest.param("x" * 254, id="longer than any"),
    ],
)
def test_a_domain_that_is_no_host_name_is_refused(path: Path, domain: str) -> None:
    found = faults(path, f'{SIGNER}domains = ["example.net", "{domain}"]')

    assert found.keys() == {"signer.0 (one).domains.1"}
    assert "expected a host name in lower case" in found["signer.0 (one).domains.1"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param("[sign]\nuris = 2", "sign.uris", id="URIs that we sign"),
        pytest.param('[sign]\ndivert = "perhaps"', "sign.divert", id="diversions"),
        pytest.param("[verify]\nuris = 0.5", "verify.uris", id="URIs that we verify"),
        pytest.param("[limits]\ndiversions = -1", "limits.diversions", id="negative"),
        pytest.param("[limits]\ndiversions = 1.5", "limits.diversions", id="half one"),
        pytest.param("[sign]\ncountry = 1", "sign.country", id="country as a number"),
        pytest.param(
            f'{SIGNER}domains = "example.net"', "signer.0 (one).domains", id="no array"
        ),
    ],
)
def test_a_value_of_another_kind_is_refused(path: Path, text: str, where: str) -> None:
    assert faults(path, text).keys() == {where}

"""What is said of a digest that is refused."""

import pytest

from stirmilter.stir.msgi import Digest
from stirmilter.stir.result import Reason
from tests.stir.refusals import said

SHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        pytest.param("", "msgi: ", id="nothing"),
        pytest.param("md5-x", "msgi: md5-x", id="unknown-algorithm"),
        pytest.param("sha256-", "msgi: sha256-", id="no-digest"),
        pytest.param(
            f"sha256-{SHA256}==", f"msgi: sha256-{SHA256}==", id="much-padding"
        ),
        pytest.param("sha256-\n", r"msgi: sha256-\u{a}", id="line-end"),
        pytest.param("sha256-A", "msgi: not a sha256 digest", id="half-an-octet"),
        pytest.param(
            f"sha512-{SHA256}", "msgi: not a sha512 digest", id="of-another-length"
        ),
        pytest.param(
            f"sha256-{SHA256}=", "msgi: not a sha256 digest", id="more-padding"
        ),
        pytest.param(
            f"sha256-{SHA256.replace('U=', 'V=')}",
            "msgi: not a sha256 digest",
            id="stray-bits",
        ),
    ],
)
def test_refusals_of_a_digest(value: str, detail: str) -> None:
    assert said(lambda: Digest.parse(value)) == (
        Reason.MALFORMED,
        detail,
        "RFC 9475 §3.2",
    )

import pytest
from cryptography import x509

from stirmilter.stir import hazmat
from stirmilter.stir.hazmat import TrustAnchors
from tests.laboratory import ALICE, NOW
from tests.stir import der
from tests.stir.certificates import issue, leaf, tn_auth_list, usage


@pytest.mark.parametrize(
    ("entries", "octets"),
    [
        pytest.param(
            [("spc", "818H", 1)],
            bytes.fromhex("3008a006160438313848"),
            id="code",
        ),
        pytest.param([("one", ALICE, 1)], der.sequence(der.one(ALICE)), id="number"),
        pytest.param(
            [("range", "12155551000", 100)],
            der.sequence(der.block("12155551000", 100)),
            id="range",
        ),
        pytest.param(
            [("spc", "1", 1), ("one", "2", 1), ("range", "3", 2)],
            der.sequence(der.spc("1"), der.one("2"), der.block("3", 2)),
            id="mixture-in-its-order",
        ),
        pytest.param(
            [("one", ALICE, 1)] * 10,
            der.sequence(*[der.one(ALICE)] * 10),
            id="length-of-two-octets",
        ),
        pytest.param(
            [("one", ALICE, 1)] * 100,
            der.sequence(*[der.one(ALICE)] * 100),
            id="length-of-three-octets",
        ),
    ],
)
def test_lists_are_written_and_read(
    entries: list[tuple[str, str, int]], octets: bytes
) -> None:
    assert hazmat.encode_tn_auth_list(entries) == octets
    assert hazmat.decode_tn_auth_list(octets) == entries


@pytest.mark.parametrize(
    ("code", "octets"),
    [
        pytest.param(121, 127, id="the-longest-that-one-octet-tells"),
        pytest.param(122, 128, id="128"),
        pytest.param(123, 129, id="129"),
        pytest.param(246, 255, id="the-longest-that-two-octets-tell"),
        pytest.param(247, 256, id="256"),
        pytest.param(65_523, 65_535, id="the-longest-that-three-octets-tell"),
        pytest.param(65_524, 65_536, id="65536"),
    ],
)
def test_lists_of_every_length_are_written_and_read(code: int, octets: int) -> None:
    """DER tells a length in one octet or more; each form has its last length."""
    entries = [("spc", "1" * code, 1)]

    written = hazmat.encode_tn_auth_list(entries)

    assert len(written) == octets
    assert written == der.sequence(der.spc("1" * code))
    assert hazmat.decode_tn_auth_list(written) == entries


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(der.sequence(der.spc("\xff")), id="other-alphabet"),
        pytest.param(der.sequence(), id="empty"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_bad_lists_raise_value_error_without_quoting(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        hazmat.decode_tn_auth_list(octets)
    assert not isinstance(caught.value, UnicodeError)


@pytest.mark.parametrize(
    ("oid", "number"),
    [
        pytest.param(hazmat.TN_AUTH_LIST, "1.3.6.1.5.5.7.1.26", id="TNAuthList"),
        pytest.param(
            hazmat.TN_AUTH_LIST_REFERENCE,
            "1.3.6.1.5.5.7.48.14",
            id="TNAuthList-by-reference",
        ),
        pytest.param(
            hazmat.CLAIM_CONSTRAINTS, "1.3.6.1.5.5.7.1.27", id="JWTClaimConstraints"
        ),
        pytest.param(
            hazmat.ENHANCED_CLAIM_CONSTRAINTS,
            "1.3.6.1.5.5.7.1.33",
            id="EnhancedJWTClaimConstraints",
        ),
    ],
)
def test_object_identifiers_are_those_of_the_rfcs(
    oid: x509.ObjectIdentifier, number: str
) -> None:
    """id-pe 26, id-ad 14, id-pe 27 and id-pe 33 (RFC 8226, RFC 9118)."""
    assert oid.dotted_string == number


def test_extension_is_found_whether_critical_or_not() -> None:
    root = issue("root", ca=True)

    for critical in (False, True):
        one = issue("leaf", root, [tn_auth_list()], critical=critical)
        assert hazmat.extension(one.certificate, hazmat.TN_AUTH_LIST) == der.sequence(
            der.one(ALICE)
        )
        assert hazmat.extension(one.certificate, hazmat.CLAIM_CONSTRAINTS) is None


def test_extensions_of_the_library_are_not_ours() -> None:
    root = issue("root", ca=True)

    assert hazmat.extension(root.certificate, x509.BasicConstraints.oid) is None


def test_path_is_built_from_leaf_to_anchor() -> None:
    root = issue("root", ca=True)
    upper = issue("upper", root, ca=True)
    lower = issue("lower", upper, ca=True)
    chain = [leaf(lower), upper, lower]  # the last two out of order

    path = TrustAnchors([root.certificate]).path(
        [one.certificate for one in chain], NOW, 6
    )

    assert path == [one.certificate for one in (chain[0], lower, upper, root)]


def test_any_of_several_anchors_will_do() -> None:
    roots = [issue(f"root {n}", ca=True) for n in range(3)]
    anchors = TrustAnchors([root.certificate for root in roots])

    for root in roots:
        assert anchors.path([leaf(root).certificate], NOW, 6)[-1] == root.certificate
    assert anchors.certificates == tuple(root.certificate for root in roots)


def test_an_intermediate_may_be_the_anchor() -> None:
    middle = issue("middle", issue("root", ca=True), ca=True)

    path = TrustAnchors([middle.certificate]).path([leaf(middle).certificate], NOW, 6)

    assert path[-1] == middle.certificate


def test_without_anchors_there_is_no_path() -> None:
    with pytest.raises(ValueError, match=r"^no trust anchor is configured$"):
        TrustAnchors([]).path([leaf(issue("root", ca=True)).certificate], NOW, 6)


def test_a_path_that_fails_says_why() -> None:
    root = issue("root", ca=True)
    middle = issue("middle", root, ca=True, use=usage("digital_signature"))
    chain = [leaf(middle).certificate, middle.certificate]

    with pytest.raises(
        ValueError,
        match=r"^validation failed: the key usage of a CA certificate lacks keyCert",
    ):
        TrustAnchors([root.certificate]).path(chain, NOW, 6)


@pytest.mark.conformance("C-20")
@pytest.mark.parametrize("side", ["permitted_subtrees", "excluded_subtrees"])
def test_an_anchor_that_limits_directory_names_is_refused(side: str) -> None:
    """What openssl would hold the subjects to, we do not (tests.referees)."""
    name = x509.DirectoryName(leaf(issue("root", ca=True)).certificate.subject)
    trees = {"permitted_subtrees": None, "excluded_subtrees": None} | {side: [name]}
    root = issue("root", None, [x509.NameConstraints(**trees)], ca=True)

    with pytest.raises(
        ValueError,
        match=r"^validation failed: a CA certificate limits directory names",
    ):
        TrustAnchors([root.certificate]).path([leaf(root).certificate], NOW, 6)

from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from stirmilter.stir import credential
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Authority, Reason, Unverified
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, CAROL, NOW
from tests.stir import der
from tests.stir.certificates import issue, leaf, pem, tn_auth_list
from tests.stir.pki import ENHANCED, LEAF, MIDDLE, PLAIN, ROOT, below, validate


@pytest.mark.parametrize(
    ("above", "own", "authority"),
    [
        pytest.param(der.one(ALICE), der.one(ALICE), "tn", id="same-number"),
        pytest.param(
            der.block("12025550100", 100), der.one(ALICE), "tn", id="range-above-number"
        ),
        pytest.param(
            der.block("12025550100", 100),
            der.block("12025550120", 5),
            "range",
            id="range-above-range",
        ),
        pytest.param(der.spc("1234"), der.one(ALICE), "tn", id="code-above-number"),
        pytest.param(der.spc("1234"), der.spc("1234"), "spc", id="code-above-code"),
        pytest.param(der.one(CAROL), der.one(ALICE), None, id="another-number-above"),
        pytest.param(
            der.block("12025550124", 9), der.one(ALICE), None, id="another-range-above"
        ),
        pytest.param(
            der.one(CAROL), der.spc("1234"), None, id="another-number-above-code"
        ),
        pytest.param(der.one(ALICE), der.one(CAROL), None, id="leaf-covers-another"),
    ],
)
@pytest.mark.parametrize("place", ["intermediate", "root"])
@pytest.mark.conformance("C-03", "C-05")
def test_list_in_a_CA_certificate_limits_its_leaf(  # noqa: N802 - CA is a name
    above: bytes, own: bytes, authority: Authority | None, place: str
) -> None:
    limits = [tn_auth_list(above)]
    root = issue("r", None, limits if place == "root" else [], ca=True)
    middle = issue("m", root, limits if place == "intermediate" else [], ca=True)

    path = leaf(middle, tn_auth_list(own)), middle

    if authority is None:
        # The whole scope is held against the one above, whatever number is asked for.
        with pytest.raises(Unverified) as caught:
            validate(*path, anchor=root)
        assert caught.value.reason is Reason.NOT_AUTHORIZED
        # A path that nobody validated, our own signer's, is limited all the same.
        chain = [issued.certificate for issued in (*path, root)]
        with pytest.raises(Unverified) as caught:
            credential.read(chain[0], chain).authority(ALICE)
        assert caught.value.reason is Reason.NOT_AUTHORIZED
    else:
        assert validate(*path, anchor=root).authority(ALICE) == authority


def test_refusals_name_no_number() -> None:
    found = validate(leaf(ROOT, tn_auth_list(der.one(CAROL))))

    with pytest.raises(Unverified) as caught:
        found.authority(ALICE)
    assert ALICE not in str(caught.value)


@pytest.mark.parametrize(
    ("extension", "claims", "good"),
    [
        pytest.param(PLAIN, {"attest": "A"}, True, id="plain-satisfied"),
        pytest.param(PLAIN, {}, False, id="plain-offended"),
        pytest.param(ENHANCED, {}, True, id="enhanced-satisfied"),
        pytest.param(ENHANCED, {"msgi": "x"}, False, id="enhanced-offended"),
    ],
)
@pytest.mark.conformance("C-08")
def test_constraints_come_from_the_leaf(
    extension: x509.ExtensionType, claims: dict[str, str], good: bool
) -> None:
    found = validate(leaf(ROOT, extension))

    if good:
        found.constraints.check(claims)
    else:
        with pytest.raises(Unverified):
            found.constraints.check(claims)


def test_constraints_of_a_CA_certificate_bind_nobody() -> None:  # noqa: N802 - CA is a name
    """RFC 8226 §8: end-entity certificates only."""
    found = validate(*below(issue("ca", ROOT, [PLAIN], ca=True)))

    found.constraints.check({})


def test_read_takes_a_certificate_without_path() -> None:
    found = credential.read(LEAF.certificate)

    assert found.path == (LEAF.certificate,)
    assert found.limits == ()


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(pem(LEAF, MIDDLE), id="pem"),
        pytest.param(b"Subject: x\r\n" + pem(LEAF) + b"\r\n" + pem(MIDDLE), id="noisy"),
        pytest.param(pem(LEAF, MIDDLE).replace(b"\n", b"\r\n"), id="crlf"),
    ],
)
@pytest.mark.conformance("C-15")
def test_chains_are_loaded_signer_first(octets: bytes) -> None:
    assert credential.load_chain(octets) == (LEAF.certificate, MIDDLE.certificate)


@pytest.mark.conformance("C-15")
def test_one_certificate_may_be_der() -> None:
    octets = LEAF.certificate.public_bytes(Encoding.DER)

    assert credential.load_chain(octets) == (LEAF.certificate,)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>not found</html>", id="web-page"),
        pytest.param(pem(LEAF)[:200], id="pem-cut-off"),
        pytest.param(
            LEAF.certificate.public_bytes(Encoding.DER)[:-1], id="der-cut-off"
        ),
        pytest.param(
            LEAF.certificate.public_bytes(Encoding.DER) + b"\x00", id="octet-after-der"
        ),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            id="pem-of-something-else",
        ),
        pytest.param(pem(*[LEAF] * 7), id="seven-certificates"),
    ],
)
def test_what_is_no_chain_is_refused(octets: bytes) -> None:
    with pytest.raises(Unverified) as caught:
        credential.load_chain(octets)
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED


def test_length_of_a_chain_is_limited() -> None:
    assert len(credential.load_chain(pem(LEAF, MIDDLE), 2)) == 2
    with pytest.raises(Unverified, match="2 certificates, at most 1"):
        credential.load_chain(pem(LEAF, MIDDLE), 1)


@given(st.binary(max_size=60))
def test_load_chain_refuses_octets_in_one_way(octets: bytes) -> None:
    for text in (octets, b"-----BEGIN CERTIFICATE-----\n" + octets):
        with pytest.raises(Unverified):
            credential.load_chain(text)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.integers(0, 999), st.integers(1, 255))
def test_spoilt_certificates_are_refused_in_one_way(place: int, mask: int) -> None:
    octets = bytearray(LEAF.certificate.public_bytes(Encoding.DER))
    octets[place % len(octets)] ^= mask
    anchors = TrustAnchors([ROOT.certificate])
    try:
        chain = credential.load_chain(bytes(octets))
        credential.validate((*chain, MIDDLE.certificate), anchors, NOW)
    except Unverified as error:
        assert error.reason.code.startswith("credential-")  # noqa: PT017 - see else
    else:  # the padding of the signature's BIT STRING is all that may differ
        assert chain[0].tbs_certificate_bytes == LEAF.certificate.tbs_certificate_bytes
        assert chain[0].signature == LEAF.certificate.signature


@pytest.mark.conformance("V-17")
def test_the_path_can_be_kept_as_octets(ca: TestCA) -> None:
    chain = credential.load_chain(ca.files("one").chain.read_bytes())
    found = credential.read(chain[0], chain)

    kept = found.evidence

    assert [x509.load_der_x509_certificate(one.der) for one in kept] == list(chain)
    assert [one.sha256 for one in kept] == [sha256(one.der).hexdigest() for one in kept]
    assert kept[0].sha256 == found.fingerprint

"""What authorities demand of those below them, by openssl and by us (RFC 5280 §6.1).

Policies that are only named are judged as openssl judges them, in every combination.
What we do not follow we refuse: there openssl may be content, but nothing passes that
it refuses. Only where no policy is asked for, and a restriction is not critical, do we
pass it over.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from stirmilter.services import TrustSet
from stirmilter.stir import credential
from stirmilter.stir.certificatepolicies import ANY
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.result import Reason, Unverified
from tests.laboratory import NOW
from tests.referees.programs import openssl_path_error
from tests.stir import der
from tests.stir.certificates import Issued, issue, leaf, pem
from tests.stir.pki import ROOT

# Of openssl's x509_vfy.h
NO_EXPLICIT_POLICY: Final = 43
PERMITTED_VIOLATION: Final = 47
EXCLUDED_VIOLATION: Final = 48

WANTED: Final = "2.16.840.1.114569.1.1.3"
OTHER: Final = "1.2.3.4"
CHOICES: Final = ((), (WANTED,), (OTHER,), (ANY,), (WANTED, OTHER), (OTHER, ANY))

NO_ANY: Final = x509.InhibitAnyPolicy(0)
EXPLICIT: Final = x509.PolicyConstraints(
    require_explicit_policy=0, inhibit_policy_mapping=None
)
MAPPING: Final = x509.UnrecognizedExtension(  # cryptography does not write this one
    x509.ObjectIdentifier("2.5.29.33"),
    der.sequence(
        der.sequence(
            bytes.fromhex("060a6086480186ff09010103"),  # WANTED
            bytes.fromhex("06032a0304"),  # OTHER
        )
    ),
)


def policies(*oids: str) -> tuple[x509.ExtensionType, ...]:
    named = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]
    return (x509.CertificatePolicies(named),) if named else ()


def ours(chain: Sequence[Issued], wanted: str | None = None) -> Reason:
    """What a set of anchors finds about a path; nothing wrong with it is VERIFIED."""
    trust = TrustSet(
        name="us",
        anchors=TrustAnchors([ROOT.certificate]),
        policies=frozenset({wanted} if wanted else ()),
    )
    try:
        path = credential.find_path(
            [one.certificate for one in chain], trust.anchors, NOW
        )
        trust.check_policy(path)
    except Unverified as error:
        return error.reason
    return Reason.VERIFIED


def theirs(folder: Path, chain: Sequence[Issued], wanted: str | None = None) -> int:
    (folder / "chain.pem").write_bytes(pem(*chain))
    (folder / "root.pem").write_bytes(pem(ROOT))
    return openssl_path_error(
        folder / "chain.pem", folder / "root.pem", NOW, policy=wanted
    )


@pytest.mark.conformance("C-19")
@pytest.mark.parametrize("upper", CHOICES, ids=lambda oids: "+".join(oids) or "none")
def test_verdicts_on_policies_agree(tmp_path: Path, upper: tuple[str, ...]) -> None:
    top = issue("upper", ROOT, policies(*upper), ca=True)
    verdicts = {}
    for middle, end in product(CHOICES, repeat=2):
        below = issue("middle", top, policies(*middle), ca=True)
        chain = (leaf(below, *policies(*end)), below, top)
        code = theirs(tmp_path, chain, WANTED)
        verdicts[middle, end] = (ours(chain, WANTED), code)

    agreed = (Reason.VERIFIED, 0), (Reason.CREDENTIAL_UNTRUSTED, NO_EXPLICIT_POLICY)
    assert {case: v for case, v in verdicts.items() if v not in agreed} == {}


@pytest.mark.conformance("C-19")
@pytest.mark.parametrize("end", CHOICES, ids=lambda oids: "+".join(oids) or "none")
def test_verdicts_on_the_policies_below_an_anchor_agree(
    tmp_path: Path, end: tuple[str, ...]
) -> None:
    chain = (leaf(ROOT, *policies(*end)),)

    passes = theirs(tmp_path, chain, WANTED) == 0

    assert ours(chain, WANTED) is (
        Reason.VERIFIED if passes else Reason.CREDENTIAL_UNTRUSTED
    )


@pytest.mark.conformance("C-19")
@pytest.mark.parametrize("wanted", [WANTED, OTHER, None])
@pytest.mark.parametrize("critical", [True, False], ids=["critical", "not-critical"])
@pytest.mark.parametrize(
    ("extension", "upper", "end"),
    [
        pytest.param(NO_ANY, (ANY,), (WANTED,), id="any-policy-inhibited"),
        pytest.param(NO_ANY, (WANTED,), (ANY,), id="any-policy-inhibited-below"),
        pytest.param(EXPLICIT, (WANTED,), (WANTED,), id="policy-required"),
        pytest.param(EXPLICIT, (WANTED,), (OTHER,), id="policy-required-other-below"),
        pytest.param(MAPPING, (WANTED,), (OTHER,), id="mapped"),
        pytest.param(MAPPING, (WANTED, OTHER), (WANTED,), id="mapped-away"),
        pytest.param(MAPPING, (ANY,), (OTHER,), id="mapped-from-any"),
    ],
)
def test_what_restricts_or_maps_policies_is_refused(
    tmp_path: Path,
    extension: x509.ExtensionType,
    upper: tuple[str, ...],
    end: tuple[str, ...],
    critical: bool,
    wanted: str | None,
) -> None:
    extensions = (*policies(*upper), extension)
    middle = issue("middle", ROOT, extensions, ca=True, critical=critical)
    lower = issue("lower", middle, policies(*upper), ca=True)
    chain = (leaf(lower, *policies(*end)), lower, middle)

    assert theirs(tmp_path, chain, wanted) in {0, NO_EXPLICIT_POLICY}
    assert ours(chain, wanted) is (
        Reason.CREDENTIAL_UNTRUSTED if critical or wanted else Reason.VERIFIED
    )


def named(common: str) -> list[x509.GeneralName]:
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, common)
    return [x509.DirectoryName(x509.Name([attribute]))]


@pytest.mark.conformance("C-20")
@pytest.mark.parametrize("critical", [True, False], ids=["critical", "not-critical"])
@pytest.mark.parametrize(
    ("constraints", "code"),
    [
        pytest.param(
            x509.NameConstraints(named("nobody"), None),
            PERMITTED_VIOLATION,
            id="another-permitted",
        ),
        pytest.param(
            x509.NameConstraints(None, named("leaf")),
            EXCLUDED_VIOLATION,
            id="excluded",
        ),
        pytest.param(
            x509.NameConstraints(None, named("LEAF")),
            EXCLUDED_VIOLATION,
            id="excluded-in-capitals",
        ),
        pytest.param(
            x509.NameConstraints([x509.DNSName("a.example")], named("leaf")),
            EXCLUDED_VIOLATION,
            id="excluded-beside-hosts",
        ),
        pytest.param(x509.NameConstraints(named("leaf"), None), 0, id="permitted"),
    ],
)
def test_directory_names_that_an_authority_limits_are_refused(
    tmp_path: Path, constraints: x509.NameConstraints, code: int, critical: bool
) -> None:
    middle = issue("middle", ROOT, [constraints], ca=True, critical=critical)
    chain = (leaf(middle), middle)

    assert theirs(tmp_path, chain) == code
    assert ours(chain) is Reason.CREDENTIAL_UNTRUSTED


@pytest.mark.conformance("C-20")
@pytest.mark.parametrize(
    ("host", "code"), [("a.example", 0), ("b.example", PERMITTED_VIOLATION)]
)
def test_verdicts_on_host_names_that_an_authority_limits_agree(
    tmp_path: Path, host: str, code: int
) -> None:
    limit = x509.NameConstraints([x509.DNSName("a.example")], None)
    middle = issue("middle", ROOT, [limit], ca=True, critical=True)
    chain = (leaf(middle, x509.SubjectAlternativeName([x509.DNSName(host)])), middle)

    assert theirs(tmp_path, chain) == code
    assert (ours(chain) is Reason.VERIFIED) is (code == 0)

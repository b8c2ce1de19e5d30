"""What check says of credentials: prefixes, tokens, proofs, a URL used again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pkcs11
import pytest

from stirmilter import findings, runtime
from stirmilter.findings import Finding
from stirmilter.folderfindings import folder_findings
from stirmilter.stir.tn import NumberSet
from stirmilter.stores.proofs import QUEUED, Proof, ProofFile
from stirmilter.testca import TestCA
from tests.laboratory import NOW, private_key, signer
from tests.runtime.configurations import X5U, Configured
from tests.stores.softhsm import MODULE, SoftToken

DAY = timedelta(days=1)


def found(built: runtime.Runtime) -> list[Finding]:
    return [f for f in findings.findings(built, NOW) if f.level != "ok"]


@pytest.mark.parametrize(
    ("name", "prefix", "covered"),
    [
        pytest.param("one", "+1202555*", True, id="one-number-under-it"),
        pytest.param("one", "+12025550123*", True, id="the-number-itself"),
        pytest.param("one", "+1312*", False, id="no-number-under-it"),
        pytest.param("one", "+120255501234*", False, id="longer-than-the-number"),
        pytest.param("range", "+1202555015*", True, id="within-a-range"),
        pytest.param("range", "+1*", True, id="around-a-range"),
        pytest.param("range", "+1202555020*", False, id="beyond-a-range"),
        pytest.param("spc", "+44*", True, id="whatever-the-carrier-has"),
    ],
)
@pytest.mark.conformance("A-01")
def test_a_prefix_under_which_nothing_is_covered_is_an_error(
    ca: TestCA, configured: Configured, name: str, prefix: str, covered: bool
) -> None:
    built = runtime.build(configured())
    one = replace(signer(ca, name), numbers=NumberSet.parse([prefix]))

    errors = [
        f.text for f in findings.signer_findings(built, one, NOW) if f.level == "error"
    ]

    told = [f"the certificate does not cover {prefix}"]
    assert errors == ([] if covered else told)


def proof(ca: TestCA, name: str, **others: object) -> Proof:
    one = signer(ca, name)
    facts = {
        "name": name,
        "x5u": X5U,
        "chain": one.chain_digest,
        "public_key": one.key.public_key,
        "proven": NOW,
        "fetched": True,
    }
    return Proof(**facts | others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        pytest.param(timedelta(0), True, id="just-now"),
        pytest.param(QUEUED + DAY, True, id="while-mail-may-be-queued"),
        pytest.param(QUEUED + 2 * DAY, False, id="no-longer"),
    ],
)
@pytest.mark.conformance("A-17")
def test_a_new_certificate_under_the_url_of_an_old_one_is_told(
    ca: TestCA, configured: Configured, tmp_path: Path, ago: timedelta, told: bool
) -> None:
    file = ProofFile(tmp_path / "proofs.json")
    file.save([proof(ca, "one"), proof(ca, "spc", retired=NOW - ago)])

    findings_of_it = found(runtime.build(configured()))

    assert [f.subject for f in findings_of_it] == (["signer one: x5u"] if told else [])
    assert all("give a new certificate a new URL" in f.text for f in findings_of_it)


def test_proofs_that_cannot_be_read_are_told(
    configured: Configured, tmp_path: Path
) -> None:
    (tmp_path / "proofs.json").write_text("{}")

    [finding] = found(runtime.build(configured()))

    assert (finding.level, finding.subject) == ("warning", "sign.proofs")
    assert finding.text.endswith("proofs.json: not what we wrote")


def test_a_folder_for_proofs_that_is_missing_is_told_once(
    configured: Configured,
) -> None:
    built = runtime.build(configured({"sign.proofs": "missing/proofs.json"}))

    assert found(built) == []  # `folder_findings` has it
    [finding] = folder_findings(built.config)
    assert finding.subject == "sign.proofs"


def test_an_expiry_is_told_from_the_first_threshold_on(configured: Configured) -> None:
    """The test CA's certificates have thirty days left."""
    assert found(runtime.build(configured({"sign.expiry_days": [7, 29]}))) == []
    assert found(runtime.build(configured({"sign.expiry_days": []}))) == []

    [finding] = found(runtime.build(configured({"sign.expiry_days": [1, 31]})))

    assert finding.level == "warning"
    assert finding.text.startswith("expires soon: CN=SHAKEN one")


@pytest.fixture
def token(
    ca: TestCA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SoftToken]:
    made = SoftToken.create(tmp_path)
    made.put(private_key(ca, "one"), "right", "01")
    made.put(private_key(ca, "spc"), "wrong", "02")
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.configuration))
    pkcs11.lib(MODULE).reinitialize()
    yield made
    pkcs11.lib(MODULE).finalize()


@pytest.mark.conformance("A-14")
def test_a_token_is_asked_for_a_signature(
    configured: Configured, token: SoftToken
) -> None:
    for label, level, text in (
        ("right", "ok", "the token signs for the certificate"),
        ("wrong", "error", "not the key of the first certificate in the chain"),
        ("none", "error", "no such EC keys"),
    ):
        built = runtime.build(configured({"signer.0.key": token.uri(label)}))

        [finding] = findings.possessed(built.signers[0])

        assert (finding.level, finding.subject) == (level, "signer one: key")
        assert finding.text.endswith(text)


def test_a_key_in_a_file_was_held_to_its_certificate_before(
    configured: Configured,
) -> None:
    assert list(findings.possessed(runtime.build(configured()).signers[0])) == []

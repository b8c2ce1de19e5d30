"""What this version does where it does not yet do what it should.

docs/conformance.md gives the reasons.
"""

from pathlib import Path

import pytest

from stirmilter import findings, runtime
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.testca import TestCA
from tests.laboratory import ALICE, NOW
from tests.runtime.configurations import Configured


@pytest.mark.conformance("A-17")
def test_a_new_certificate_may_stand_at_the_old_url(
    configured: Configured, tmp_path: Path
) -> None:
    ca = TestCA.create(tmp_path / "ca", NOW)
    chains = []

    with ca.publish() as base:
        for _ in range(2):
            files = ca.signer("one", TNAuthList.build(numbers=[ALICE]), NOW)
            change = {
                "signer.0.key": str(files.key),
                "signer.0.chain": str(files.chain),
                "signer.0.x5u": f"{base}/one.pem",
                "fetch": {"laboratory": True, "tls_ca": str(ca.tls_ca)},
            }
            built = runtime.build(configured(change))
            [signer] = built.filter.authentication.signers
            chains.append(signer.credential.path)
            assert findings.published(built, signer).level == "ok"

    assert chains[0] != chains[1]

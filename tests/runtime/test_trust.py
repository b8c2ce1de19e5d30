"""Sets of anchors and revocation lists, wired as the configuration has them."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stirmilter import findings, runtime, worker
from stirmilter.errors import ConfigError
from stirmilter.runtime import Runtime
from stirmilter.services import AuthenticationService, Signer
from stirmilter.stir import identity, jws
from stirmilter.stir.result import StirResult, Unverified
from stirmilter.stir.tn import NumberSet
from stirmilter.stir.tnauthlist import TNAuthList
from stirmilter.stores import trustfile
from stirmilter.stores.document import Document
from stirmilter.stores.documents import Kind, _key
from stirmilter.stores.tiers import SqliteTier
from stirmilter.testca import SignerFiles, TestCA
from tests.laboratory import ALICE, BOB, NOW, message
from tests.runtime.configurations import Change, Configured

NAMED = {"name": "us", "numbers": ["+1*"], "policies": ["2.16.840.1.114569.1.1.4"]}


def block(ca: TestCA, **parts: object) -> Change:
    return {"trust": [NAMED | {"anchors": [str(ca.anchors)]} | parts]}


def test_every_block_becomes_a_set(ca: TestCA, configured: Configured) -> None:
    built = runtime.build(configured(block(ca)))

    default, named = built.trust
    assert (default.name, default.numbers, default.policies) == (
        "default",
        None,
        frozenset(),
    )
    assert (named.name, named.policies) == (
        "us",
        frozenset(["2.16.840.1.114569.1.1.4"]),
    )
    assert named.vouches_for(ALICE)
    assert not named.vouches_for("33123456789")
    assert len(built.anchors.certificates) == 2


def test_without_anchors_of_verify_there_is_no_default_set(
    ca: TestCA, configured: Configured
) -> None:
    built = runtime.build(configured({**block(ca), "verify.anchors": []}))

    assert [one.name for one in built.trust] == ["us"]


def test_who_may_revoke_everywhere_may_in_each_set(
    configured: Configured, tmp_path: Path
) -> None:
    ca = TestCA.create(tmp_path / "ca", NOW)
    ca.crl(NOW)
    own = str(ca.folder / "www" / "intermediate.crl")
    (tmp_path / "all.crl").write_bytes(Path(own).read_bytes())
    change = block(ca, crl_issuers=[str(ca.folder / "sti-pa.pem")], crls=[own])

    built = runtime.build(
        configured(
            {
                **change,
                "revocation.crl_issuers": [str(ca.crl_issuers)],
                "revocation.crls": ["all.crl", "https://crl.example/1.crl"],
            }
        )
    )

    general = (str(tmp_path / "all.crl"), "https://crl.example/1.crl")
    assert [one.crls for one in built.trust] == [general, (own, *general)]
    assert [len(one.crl_issuers.certificates) for one in built.trust] == [1, 2]
    assert set(built.revocations.ages()) == {own, general[0]}


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        pytest.param({"name": "default"}, r"trust\.0 \(default\)\.name", "", id="name"),
        pytest.param(
            {"anchors": ["missing.pem"]},
            r"trust\.0 \(us\)\.anchors",
            "No such",
            id="file",
        ),
        pytest.param(
            {"crl_issuers": ["missing"]},
            r"trust\.0 \(us\)\.crl_issuers",
            "",
            id="issuers",
        ),
        pytest.param(
            {"numbers": ["1-2"]}, r"trust\.0 \(us\)\.numbers", "1-2", id="numbers"
        ),
        pytest.param(
            {"policies": ["1..2"]}, r"trust\.0 \(us\)\.policies\.0", "OID", id="oid"
        ),
        pytest.param(
            {"policies": ["id-x"]}, r"trust\.0 \(us\)\.policies\.0", "OID", id="text"
        ),
        pytest.param({"anchors": []}, r"trust\.0 \(us\)\.anchors", "", id="no-anchors"),
        pytest.param({"crls": ["missing.crl"]}, "crls", "No such file", id="list"),
        pytest.param(
            {"crls": ["http://crl.example:8080/1"]}, "crls", "port 8080", id="http-port"
        ),
        pytest.param(
            {"anchor": []}, r"trust\.0 \(us\)\.anchor", "mean anchors", id="spelling"
        ),
    ],
)
def test_a_block_that_cannot_be_used_is_refused(
    ca: TestCA, configured: Configured, change: Change, where: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=rf"{where}: .*{problem}"):
        runtime.build(configured(block(ca, **change)))


def test_two_sets_of_one_name_are_refused(ca: TestCA, configured: Configured) -> None:
    twice = {"trust": [NAMED | {"anchors": [str(ca.anchors)]}] * 2}

    with pytest.raises(ConfigError, match="trust: expected names that differ"):
        configured(twice)


def test_a_file_of_lists_that_is_none_is_refused(
    configured: Configured, tmp_path: Path
) -> None:
    (tmp_path / "own.crl").write_text("<html>")

    with pytest.raises(ConfigError, match=r"crls: .*not a revocation list"):
        runtime.build(configured({"revocation.crls": ["own.crl"]}))


def test_a_worker_renews_lists_unless_they_are_off(configured: Configured) -> None:
    on = runtime.build(configured())
    off = runtime.build(configured({"revocation.mode": "off"}))

    assert "revocation lists" in [task.name for task in worker.tasks(on)]
    assert "revocation lists" not in [task.name for task in worker.tasks(off)]


@pytest.mark.conformance("C-16")
def test_a_list_of_a_policy_administrator_is_no_file_of_anchors(
    configured: Configured, tmp_path: Path
) -> None:
    """`stirmilter trust import` makes one of it."""
    parts = (b'{"alg":"ES256"}', b'{"trustList":["MII"]}', bytes(64))
    (tmp_path / "list.jwt").write_text(".".join(map(jws.b64url_encode, parts)))

    with pytest.raises(ConfigError, match=r"verify\.anchors: list\.jwt"):
        runtime.build(configured({"verify.anchors": ["list.jwt"]}))


# check


def said(built: Runtime) -> list[tuple[str, str]]:
    return [(f.subject, f.text) for f in findings.findings(built, NOW)]


def test_check_warns_of_an_imported_list_that_has_expired(
    ca: TestCA, configured: Configured, tmp_path: Path
) -> None:
    path = tmp_path / "us.pem"
    record = trustfile.Import(
        source="-", sha256="", time=NOW.isoformat(), sequence=1, expires=NOW.isoformat()
    )
    trustfile.save(path, ca.anchors.read_bytes(), record)
    built = runtime.build(configured({"verify.anchors": ["us.pem"]}))

    assert "verify.anchors" not in {subject for subject, _ in said(built)}
    later = NOW + timedelta(minutes=1)
    assert any(
        f.level == "warning" and "us.pem: its list has expired" in f.text
        for f in findings.findings(built, later)
    )
    trustfile.beside(path).write_text("{}")
    assert any("not what an import writes" in text for _, text in said(built))


def test_check_warns_when_nothing_is_looked_up(configured: Configured) -> None:
    built = runtime.build(configured({"revocation.mode": "off"}))

    assert ("revocation.mode", "off: certificates that were revoked pass") in said(
        built
    )


def test_check_says_nothing_when_somebody_may_sign_lists(
    ca: TestCA, configured: Configured
) -> None:
    built = runtime.build(configured({"revocation.crl_issuers": [str(ca.crl_issuers)]}))

    assert "revocation" not in {subject for subject, _ in said(built)}


# Over the network: the test CA's own web server

ALICES = TNAuthList.build(numbers=[ALICE])


class Published:
    """A test CA of today with a web server, and a runtime that trusts it."""

    def __init__(self, ca: TestCA, base: str, configured: Configured) -> None:
        self.ca = ca
        self.base = base
        self.configured = configured

    def runtime(self, **change: object) -> Runtime:
        return runtime.build(
            self.configured(
                {
                    "signer": [],
                    "verify.anchors": [str(self.ca.anchors)],
                    "revocation.crl_issuers": [str(self.ca.crl_issuers)],
                    "revocation.mode": "hard",
                    "fetch.laboratory": True,
                    "fetch.tls_ca": str(self.ca.tls_ca),
                    "fetch.failure_seconds": 1e-6,
                    **{
                        name.replace("__", "."): value for name, value in change.items()
                    },
                }
            )
        )

    def signer(self, name: str, *, crl: str = "", reference: str = "") -> SignerFiles:
        now = datetime.now(UTC)
        return self.ca.signer(name, ALICES, now, crl=crl, reference=reference)

    def verify(self, built: Runtime, name: str) -> StirResult:
        """Sign now under a name, and judge it."""
        files = self.ca.files(name)
        numbers = NumberSet.parse([f"+{ALICE}"])
        signer = Signer.load(
            name=name,
            key=files.key.read_bytes(),
            chain=files.chain.read_bytes(),
            x5u=f"{self.base}/{name}.pem",
            numbers=numbers,
            domains=(),
        )
        # The replay store is made by the first claim, perhaps in the next second, and
        # knows nothing of tokens that are older than itself.
        now = datetime.now(UTC) + timedelta(seconds=1)
        token = AuthenticationService([signer]).sign(message(), now)
        values = [identity.value_of(token)]
        return built.filter.verification.verify(message(), values, now).result


@pytest.fixture
def published(tmp_path: Path, configured: Configured) -> Iterator[Published]:
    ca = TestCA.create(tmp_path / "today", datetime.now(UTC))
    with ca.publish() as base:
        yield Published(ca, base, configured)


@pytest.mark.conformance("C-14")
@pytest.mark.parametrize("kind", ["intermediate", "sti-pa"])
def test_a_signer_is_good_until_it_is_revoked(published: Published, kind: str) -> None:
    published.signer("it", crl=f"{published.base}/{kind}.crl")
    published.signer("other", crl=f"{published.base}/{kind}.crl")
    built = published.runtime(revocation__refresh_seconds=0.001)

    missing = published.verify(built, "it")
    published.ca.crl(datetime.now(UTC) - timedelta(hours=1))
    before = published.verify(built, "it")
    published.ca.revoke("it", datetime.now(UTC))
    # A web server tells by the second whether a file is another one.
    end = time.monotonic() + 30
    while published.verify(built, "it").passed and time.monotonic() < end:
        assert built.revocations.refresh() == []
    after = published.verify(built, "it")

    assert missing.reason.code == "status-unavailable"
    assert (before.reason.code, before.status) == ("verified", "good")
    assert (after.reason.code, after.status) == ("credential-revoked", "revoked")
    assert published.verify(built, "other").status == "good"


@pytest.mark.conformance("C-17")
def test_a_list_by_reference_is_fetched_over_tls(published: Published) -> None:
    published.signer("refers", reference=f"{published.base}/refers.tnauthlist")
    built = published.runtime()
    now = datetime.now(UTC)

    found = built.filter.verification.credentials.at(
        f"{published.base}/refers.pem", now, now, ALICE
    )

    assert found.credential.authority(ALICE) == "tn"


@pytest.mark.conformance("C-17")
def test_a_list_by_reference_is_not_taken_from_what_is_shared(
    published: Published, tmp_path: Path
) -> None:
    """Nobody signs it, so whoever writes there would give out numbers."""
    now = datetime.now(UTC)
    url = f"{published.base}/refers.tnauthlist"
    published.signer("refers", reference=url)
    others = TNAuthList.build(numbers=[BOB])
    published.ca.signer("forged", others, now, reference=f"{published.base}/f")
    forged = published.ca.folder / "www" / "forged.tnauthlist"
    at = now.timestamp()
    record = Document(body=forged.read_bytes(), at=at, until=at + 3_600).encode()
    key = _key(url, Kind(name="tnauthlist", octets=1, check=len))
    SqliteTier(tmp_path / "shared.sqlite").save(key, record, at, at + 3_600)
    built = published.runtime(fetch__store="sqlite:shared.sqlite")

    found = built.filter.verification.credentials.at(
        f"{published.base}/refers.pem", now, now, ALICE
    )

    assert found.credential.authority(ALICE) == "tn"
    with pytest.raises(Unverified):
        found.credential.authority(BOB)


def test_chains_that_lead_to_an_anchor_are_shared_and_no_others(
    published: Published, tmp_path: Path
) -> None:
    """Of the others, a stranger makes as many as there is room for."""
    stranger = TestCA.create(tmp_path / "stranger", datetime.now(UTC))
    files = stranger.signer("his", ALICES, datetime.now(UTC))
    served = published.ca.folder / "www"
    shutil.copy(files.chain, served / "his.pem")
    published.signer("good")
    store = "sqlite:shared.sqlite"
    first = published.runtime(fetch__store=store)
    urls = [f"{published.base}/{name}.pem" for name in ("good", "his")]
    for url in urls:
        first.certificates.chain(url)

    second = published.runtime(fetch__store=store)

    assert [second.certificates.kept(url) for url in urls] == [True, False]

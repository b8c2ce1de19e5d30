"""What is said when a configuration cannot be built."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from stirmilter import runtime
from stirmilter.errors import ConfigError
from stirmilter.testca import TestCA
from tests.runtime.configurations import Change, Configured


@pytest.fixture
def files(ca: TestCA, tmp_path: Path) -> None:
    """Put files that are no good beside the configuration."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    plain = serialization.NoEncryption()
    another = ec.generate_private_key(ec.SECP256R1())
    for name, octets in {
        "another.key": another.private_bytes(*form, plain),
        "encrypted.key": another.private_bytes(
            *form, serialization.BestAvailableEncryption(b"secret")
        ),
        "p384.key": ec.generate_private_key(ec.SECP384R1()).private_bytes(*form, plain),
        "rsa.key": rsa.generate_private_key(65537, 2048).private_bytes(*form, plain),
        "ed25519.key": Ed25519PrivateKey.generate().private_bytes(*form, plain),
    }.items():
        (tmp_path / name).write_bytes(octets)
    (tmp_path / "garbage").write_text("garbage")
    (tmp_path / "empty").touch()
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    for mode in ("0604", "0644", "0620", "0602"):
        shutil.copy(ca.files("one").key, tmp_path / mode)
        (tmp_path / mode).chmod(int(mode, 8))
    chain = ca.files("one").chain.read_bytes()
    (tmp_path / "cut.pem").write_bytes(chain[:100])
    (tmp_path / "long.pem").write_bytes(chain * 4)
    (tmp_path / "bad.txt").write_text("+12025550123\n12025550124 # no plus\n")


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        pytest.param(
            {"signer.0.key": "another.key"},
            "signer.0 (one).key",
            "another.key: not the key of the first certificate in the chain",
            id="key-of-another-certificate",
        ),
        pytest.param(
            {"signer.0.key": "p384.key"},
            "signer.0 (one).key",
            "p384.key: not a P-256 key, which ES256 needs",
            id="key-on-p-384",
        ),
        pytest.param(
            {"signer.0.key": "rsa.key"},
            "signer.0 (one).key",
            "rsa.key: not a P-256 key",
            id="rsa-key",
        ),
        pytest.param(
            {"signer.0.key": "ed25519.key"},
            "signer.0 (one).key",
            "ed25519.key: not a P-256 key",
            id="ed25519-key",
        ),
        pytest.param(
            {"signer.0.key": "encrypted.key"},
            "signer.0 (one).key",
            "encrypted.key: not an unencrypted PEM key",
            id="encrypted-key",
        ),
        pytest.param(
            {"signer.0.key": "garbage"},
            "signer.0 (one).key",
            "garbage: not an unencrypted PEM key",
            id="no-key-at-all",
        ),
        pytest.param(
            {"signer.0.key": "missing"},
            "signer.0 (one).key",
            "missing: No such file or directory",
            id="key-missing",
        ),
        *(
            pytest.param(
                {"signer.0.key": mode},
                "signer.0 (one).key",
                f"{mode} has mode {mode}: others may read or change it; chmod 0640",
                id=f"key-with-mode-{mode}",
            )
            for mode in ("0604", "0644", "0620", "0602")
        ),
        pytest.param(
            {"signer.0.chain": "garbage"},
            "signer.0 (one).chain",
            "garbage: credential-malformed: not a certificate",
            id="no-chain-at-all",
        ),
        pytest.param(
            {"signer.0.chain": "empty"},
            "signer.0 (one).chain",
            "empty: credential-malformed",
            id="empty-chain",
        ),
        pytest.param(
            {"signer.0.chain": "cut.pem"},
            "signer.0 (one).chain",
            "cut.pem: credential-malformed",
            id="chain-cut-short",
        ),
        pytest.param(
            {"signer.0.chain": "long.pem"},
            "signer.0 (one).chain",
            "long.pem: credential-malformed: 8 certificates, at most 6",
            id="chain-too-long",
        ),
        pytest.param(
            {"signer.0.chain": "missing"},
            "signer.0 (one).chain",
            "missing: No such file or directory",
            id="chain-missing",
        ),
        pytest.param(
            {"signer.0.x5u": "http://certs.example/one.pem"},
            "signer.0 (one).x5u",
            "http://certs.example/one.pem: only https is fetched",
            id="x5u-over-http",
        ),
        pytest.param(
            {"signer.0.x5u": "https://certs.example:444/one.pem"},
            "signer.0 (one).x5u",
            "port 444 is not allowed (fetch.ports)",
            id="x5u-at-another-port",
        ),
        pytest.param(
            {"signer.0.x5u": "certs.example/one.pem"},
            "signer.0 (one).x5u",
            "certs.example/one.pem: not https://host/path alone",
            id="x5u-that-is-no-url",
        ),
        pytest.param(
            {"signer.0.numbers": ["2025550123"]},
            "signer.0 (one).numbers",
            "'2025550123': expected a number +12025550123",
            id="number-without-plus",
        ),
        pytest.param(
            {"signer.0.numbers": ["+1202", "+12025550199-+12025550100"]},
            "signer.0 (one).numbers",
            "'+12025550199-+12025550100': both ends of a range",
            id="range-upside-down",
        ),
        pytest.param(
            {"signer.0.numbers": ["@missing.txt"]},
            "signer.0 (one).numbers",
            "missing.txt: No such file or directory",
            id="numbers-file-missing",
        ),
        pytest.param(
            {"signer.0.numbers": ["@bad.txt"]},
            "signer.0 (one).numbers",
            "'12025550124': expected a number",
            id="bad-line-in-a-numbers-file",
        ),
        pytest.param(
            {"verify.anchors": ["missing.pem"]},
            "verify.anchors",
            "missing.pem: No such file or directory",
            id="anchors-missing",
        ),
        pytest.param(
            {"verify.anchors": ["garbage"]},
            "verify.anchors",
            "garbage: not a certificate",
            id="anchors-that-are-none",
        ),
        pytest.param(
            {"verify.anchors": ["empty"]},
            "verify.anchors",
            "empty: not a certificate",
            id="empty-anchors",
        ),
        pytest.param(
            {"replay.store": "sqlite:missing/r.sqlite"},
            "replay.store",
            "missing/r.sqlite: unable to open",
            id="replay-folder-missing",
        ),
        pytest.param(
            {"fetch.tls_ca": "missing.pem"},
            "fetch.tls_ca",
            "missing.pem: No such file or directory",
            id="tls-ca-missing",
        ),
    ],
)
@pytest.mark.usefixtures("files")
@pytest.mark.conformance("F-05", "A-01", "A-14", "A-20")
def test_a_fault_names_file_key_value_and_remedy(
    configured: Configured, tmp_path: Path, change: Change, where: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        runtime.build(configured(change))

    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'stirmilter.toml'}: {where}: ")
    assert problem in text


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"fetch.tls_ca": "garbage"}, id="tls-ca-that-is-none"),
        pytest.param({"signer.0.key": "secp224k1.key"}, id="key-on-an-unknown-curve"),
        pytest.param({"signer.0.key": "a\0b"}, id="nul-in-a-path"),
        pytest.param({"verify.freshness": float("inf")}, id="infinite-freshness"),
        pytest.param({"verify.freshness": 1e300}, id="freshness-beyond-all-dates"),
        pytest.param({"sign.oldest_date": float("inf")}, id="infinite-age"),
    ],
)
@pytest.mark.usefixtures("files")
def test_whatever_is_wrong_is_told_as_a_fault_of_the_configuration(
    configured: Configured, tmp_path: Path, change: Change
) -> None:
    curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp224k1"]
    key = tmp_path / "secp224k1.key"
    subprocess.run(["openssl", "genpkey", *curve, "-out", key], check=True)

    with pytest.raises(ConfigError):
        runtime.build(configured(change))


def test_a_freshness_beyond_all_dates_is_refused_before_the_first_message(
    configured: Configured,
) -> None:
    with pytest.raises(ConfigError):
        runtime.build(configured({"verify.freshness": 1e12}))

"""Where keys come from, and who else may get at them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest

from stirmilter import runtime
from stirmilter.errors import ConfigError
from stirmilter.runtime import keys
from stirmilter.stir import jws
from stirmilter.testca import TestCA
from tests.laboratory import NOW, message, private_key
from tests.runtime.configurations import Configured
from tests.stores.softhsm import MODULE, SoftToken


@pytest.fixture
def key(ca: TestCA, tmp_path: Path) -> Path:
    """A copy of the signer's key, for its owner alone."""
    copy = tmp_path / "keys" / "one.key"
    copy.parent.mkdir()
    copy.touch(0o600)
    copy.write_bytes(ca.files("one").key.read_bytes())
    return copy


def build(configured: Configured, source: str) -> runtime.Runtime:
    return runtime.build(configured({"signer.0.key": source}))


@pytest.mark.conformance("A-20")
def test_the_mode_of_the_file_counts_not_that_of_the_link(
    configured: Configured, key: Path, tmp_path: Path
) -> None:
    """ACME clients write links, and a link lets everybody read (mode 0777)."""
    (tmp_path / "live.key").symlink_to(key)

    assert build(configured, "live.key").filter.authentication.signers

    key.chmod(0o644)
    with pytest.raises(ConfigError, match=r"live\.key has mode 0644: others may"):
        build(configured, "live.key")


@pytest.mark.conformance("A-20")
@pytest.mark.parametrize(
    ("mode", "good"),
    [
        pytest.param(0o604, False, id="others-may-read"),
        pytest.param(0o602, False, id="others-may-write"),
        pytest.param(0o620, False, id="the-group-may-write"),
        pytest.param(0o640, True, id="the-group-may-read"),
        pytest.param(0o600, True, id="nobody-else"),
        pytest.param(0o400, True, id="nobody-may-write"),
    ],
)
def test_each_right_of_others_is_looked_at(
    configured: Configured, key: Path, mode: int, *, good: bool
) -> None:
    key.chmod(mode)

    if good:
        assert build(configured, str(key)).filter.authentication.signers
        return
    with pytest.raises(ConfigError, match=rf"has mode {mode:04o}: others may"):
        build(configured, str(key))


@pytest.mark.conformance("A-20")
def test_a_folder_that_everybody_may_write_to_is_no_place_for_a_key(
    configured: Configured, key: Path
) -> None:
    key.parent.chmod(0o777)

    with pytest.raises(ConfigError, match=r"everybody may put files into .*/keys"):
        build(configured, str(key))

    key.parent.chmod(0o1777)  # as /tmp: nobody may replace another's files there
    assert build(configured, str(key)).filter.authentication.signers


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_refused_at_once(
    configured: Configured, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path, 0o600)
    else:
        path.mkdir(0o700)

    with pytest.raises(ConfigError, match=f"{kind}: (not a file|Is a directory)"):
        build(configured, kind)


def test_a_credential_of_systemd_is_a_key(
    configured: Configured, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key.parent))

    assert build(configured, "credential:one.key").filter.authentication.signers
    with pytest.raises(ConfigError, match=r"signer\.0 \(one\)\.key: credential:two"):
        build(configured, "credential:two")


def test_without_credentials_the_line_to_add_is_told(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    with pytest.raises(ConfigError, match=r"LoadCredential=carrier\.key:/path"):
        build(configured, "credential:carrier.key")


def test_a_command_that_was_typed_sees_what_the_daemon_was_handed(
    configured: Configured, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that check and doctor, started by hand, look at the same key."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(keys, "HANDED", key.parent)

    assert build(configured, "credential:one.key").filter.authentication.signers


@pytest.mark.parametrize("name", ["", "../key", "a/b", ".."])
def test_a_credential_is_a_plain_name(
    configured: Configured, key: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key.parent / "x"))

    with pytest.raises(ConfigError, match="expected credential:NAME"):
        build(configured, f"credential:{name}")


@pytest.fixture
def token(
    ca: TestCA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SoftToken]:
    made = SoftToken.create(tmp_path)
    made.put(private_key(ca, "one"), "carrier", "01")
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.configuration))
    pkcs11.lib(MODULE).reinitialize()
    yield made
    pkcs11.lib(MODULE).finalize()


def test_a_key_in_a_token_signs_messages(
    ca: TestCA, configured: Configured, token: SoftToken
) -> None:
    built = build(configured, token.uri("carrier"))

    made = built.filter.authentication.sign(message(), NOW)

    public = private_key(ca, "one").public_key()
    jws.verify(made.signing_input, made.signature, public)


def test_a_pin_may_be_a_credential(
    configured: Configured, token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(token.folder))
    uri = token.uri("carrier").replace(f"{token.folder}/pin", "credential:pin")

    assert build(configured, uri).filter.authentication.sign(message(), NOW)


def test_a_pin_that_others_may_read_is_refused(
    configured: Configured, token: SoftToken
) -> None:
    (token.folder / "pin").chmod(0o644)

    with pytest.raises(ConfigError, match=r"\(pin-source\): .* has mode 0644"):
        build(configured, token.uri("carrier"))


def test_a_uri_that_names_no_key_is_a_fault_of_the_configuration(
    configured: Configured,
) -> None:
    with pytest.raises(ConfigError, match=r"signer\.0 \(one\)\.key: pkcs11: name the"):
        build(configured, "pkcs11:object=carrier?module-path=/m&pin-source=p")


def test_without_the_library_the_extra_to_install_is_told(
    configured: Configured, token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "stirmilter.stores.pkcs11", raising=False)
    monkeypatch.setitem(sys.modules, "pkcs11", None)

    with pytest.raises(ConfigError, match=r'pip install "stirmilter\[pkcs11\]"'):
        build(configured, token.uri("carrier"))

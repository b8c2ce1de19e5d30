"""Those who send messages on, and the tokens they write (RFC 8946)."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from stirmilter.services import Signer, Verification
from stirmilter.stir import credential, hazmat
from stirmilter.stir.credential import TrustAnchors
from stirmilter.stir.jws import SoftwareKey
from stirmilter.stir.result import Reason
from stirmilter.stir.tn import NumberSet
from tests.laboratory import BOB, CAROL, NOW, X5U, FolderRepository, message
from tests.services.world import DAY, HOUR, World
from tests.stir import der
from tests.stir.certificates import Issued, issue, leaf, publish, tn_auth_list
from tests.stir.tokens import ABSENT

DAVE: Final = "13125550102"
ERIN: Final = "13125550103"
EVE: Final = "19995550100"
"""The number that the test CA's signer ``other`` holds."""

NAMES: Final = {BOB: "bob", CAROL: "carol", DAVE: "dave", ERIN: "erin"}


@dataclass(frozen=True, kw_only=True)
class Link:
    """One token of a chain; a ``div`` token if it says from whom it diverts."""

    signer: str = "one"
    dest: tuple[str, ...] = (BOB,)
    div: str | None = None
    header: Mapping[str, object] = field(default_factory=dict)
    payload: Mapping[str, object] = field(default_factory=dict)
    parameters: str = ""

    def write(self, world: World) -> str:
        """Sign it, with the key of the signer that the world knows by that name."""
        header: dict[str, object] = {}
        payload: dict[str, object] = {"dest": {"tn": list(self.dest)}}
        if self.div is not None:
            header["ppt"] = "div"
            payload |= {"div": {"tn": self.div}, "msgi": ABSENT}
        token = world.token(
            self.signer, {**header, **self.header}, {**payload, **self.payload}
        )
        return token + self.parameters


MSG: Final = Link()
"""Alice's message to Bob."""


def by(source: str, *dest: str, **changes: object) -> Link:
    """Write what somebody says who sends a message on."""
    link = Link(signer=NAMES[source], div=source, dest=dest)
    return replace(link, **changes)  # type: ignore[arg-type]


TO_CAROL: Final = by(BOB, CAROL)
TO_DAVE: Final = by(CAROL, DAVE)


def with_forwarders(world: World, folder: Path) -> World:
    """Return a world where Bob, Carol, Dave and Erin have certificates too."""
    shutil.copytree(world.folder, folder, dirs_exist_ok=True)
    root = issue("forwarders", ca=True, begin=NOW - 9 * DAY, end=NOW + 9 * DAY)
    own = tn_auth_list(der.one(BOB))
    silent, mute, wordy = (
        x509.UnrecognizedExtension(hazmat.ENHANCED_CLAIM_CONSTRAINTS, constraints)
        for constraints in (
            der.constraints(exclude=["msgi"]),
            der.constraints(exclude=["div"]),
            der.constraints(["attest"]),
        )
    )
    leaves: dict[str, Issued] = {
        **{name: leaf(root, tn_auth_list(der.one(n))) for n, name in NAMES.items()},
        "bob-expired": issue("bob", root, [own], end=NOW - HOUR),
        "bob-new": issue("bob", root, [own], begin=NOW - HOUR),
        "bob-untrusted": leaf(issue("nobody", ca=True), own),
        "bob-silent": leaf(root, own, silent),
        "bob-mute": leaf(root, own, mute),
        "bob-wordy": leaf(root, own, wordy),
    }
    for name, one in leaves.items():
        publish(folder, name, one)
    return replace(
        world,
        folder=folder,
        keys={**world.keys, **{name: one.key for name, one in leaves.items()}},
        trusted=TrustAnchors([*world.trusted.certificates, root.certificate]),
    )


def signer(
    world: World, name: str, *numbers: str, domains: tuple[str, ...] = ()
) -> Signer:
    """Make a signer of the world, as the runtime would load it."""
    chain = credential.load_chain((world.folder / f"{name}.pem").read_bytes())
    return Signer(
        name=name,
        key=SoftwareKey(world.keys[name]),
        credential=credential.read(chain[0], chain),
        x5u=f"{X5U}{name}.pem",
        numbers=NumberSet.parse(f"+{number}" for number in numbers),
        domains=frozenset(domains),
    )


def judge(
    world: World,
    links: Sequence[Link],
    *dest: str,
    **policy: Any,  # noqa: ANN401
) -> tuple[Verification, list[str]]:
    """Verify Alice's message, sent to `dest`; return what was fetched as well."""
    service = world.verifier(policy=policy)
    values = [link.write(world) for link in links]
    found = service.verify(message(dest=dest), values, NOW)
    assert isinstance(service.credentials.repository, FolderRepository)
    return found, [
        url.removeprefix(X5U) for url in service.credentials.repository.fetched
    ]


def reasons(found: Verification) -> list[Reason]:
    return [result.reason for result in found.passports]

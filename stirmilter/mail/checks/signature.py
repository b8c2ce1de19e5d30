"""DKIM-Signature as a value (RFC 6376 §3.5, RFC 8301, RFC 8463, RFC 8616).

The tags that DKIM-Signature, ARC-Message-Signature and ARC-Seal share are read here;
everything is checked before a key is asked for (§6.1.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from stirmilter.mail.checks import taglist
from stirmilter.mail.checks.canonical import BodyForm, Canonicalization
from stirmilter.mail.checks.taglist import Refused
from stirmilter.stir.remembering import remembered

ALGORITHMS: Final = frozenset({"rsa-sha256", "ed25519-sha256"})
SHA1: Final = "rsa-sha1"

_NUMBER: Final = re.compile(rb"[0-9]{1,76}")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NAME_LENGTH: Final = 253
_FORMS: Final = frozenset(get_args(Canonicalization))
_SHOWN: Final = 8  # octets of b= that name a signature (RFC 6008 §4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What every kind of signature says."""

    algorithm: str
    domain: str
    """``d=``: A-labels, in lower case."""

    selector: str
    octets: bytes
    """``b=``, decoded."""

    value: str
    """The beginning of ``b=`` as it is written."""

    created: int | None = None
    """``t=``, in seconds since 1970."""

    expires: int | None = None

    @property
    def key_name(self) -> str:
        """Where its key is (§3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSignature(Signature):
    """One that covers chosen fields and the body."""

    names: tuple[str, ...]
    """``h=``, in lower case."""

    header_form: Canonicalization
    body: BodyForm
    body_hash: bytes
    identity: str = ""


@remembered(2_048)
def read_dkim(value: bytes) -> MessageSignature:
    """Read a DKIM-Signature; the last few good ones are remembered.

    Raises:
        Refused: ``permerror`` for one that is malformed, ``policy`` for rsa-sha1.
    """
    tags = taglist.parse(value, "malformed-signature")
    if _tag(tags, "v") != b"1":
        raise Refused("permerror", "unsupported-version")
    return read_message_signature(tags, identified=True)


def read_message_signature(
    tags: Mapping[str, bytes], *, identified: bool = False
) -> MessageSignature:
    """Read what DKIM-Signature and ARC-Message-Signature have in common.

    That is all but ``v=``, which only the first has.

    Args:
        tags: of the field.
        identified: whether ``i=`` is an identity; in an ARC set it is a number
            (RFC 8617 §4.1.2).

    Raises:
        Refused: as above.
    """
    common = read_common(tags)
    names = taglist.items(_tag(tags, "h"))
    if "" in names:
        raise Refused("permerror", "malformed-signature")
    if "from" not in names:
        raise Refused("permerror", "from-not-signed")
    if "dns/txt" not in taglist.items(tags.get("q", b"dns/txt")):
        raise Refused("permerror", "unsupported-query")
    header_form, body_form = _canonicalizations(tags.get("c", b"simple/simple"))
    return MessageSignature(
        algorithm=common.algorithm,
        domain=common.domain,
        selector=common.selector,
        octets=common.octets,
        value=common.value,
        created=common.created,
        expires=common.expires,
        names=names,
        header_form=header_form,
        body=BodyForm(body_form, "sha256", _number(tags, "l")),
        body_hash=_base64(_tag(tags, "bh")),
        identity=_identity(tags, common.domain) if identified else "",
    )


def read_common(tags: Mapping[str, bytes]) -> Signature:
    """Read what an ARC-Seal says as well.

    Raises:
        Refused: as above.
    """
    algorithm = _tag(tags, "a").decode("ascii", "replace")
    if algorithm == SHA1:  # RFC 8301 §3.1: must not be used
        raise Refused("policy", SHA1)
    if algorithm not in ALGORITHMS:
        raise Refused("permerror", "unsupported-algorithm")
    encoded = taglist.unspaced(_tag(tags, "b"))
    created, expires = _number(tags, "t"), _number(tags, "x")
    if created is not None and expires is not None and expires < created:
        raise Refused("permerror", "malformed-signature")
    return Signature(
        algorithm=algorithm,
        domain=_domain(_tag(tags, "d")),
        selector=_domain(_tag(tags, "s")),
        octets=_base64(encoded),
        value=encoded[:_SHOWN].decode("ascii"),
        created=created,
        expires=expires,
    )


def labelled(value: bytes, limit: int) -> tuple[str, str]:
    """Tell the domain and the beginning of ``b=`` of a field that may be anything.

    Empty is what cannot be told: a result names a signature even if it is malformed.
    Nothing is told of one longer than `limit` octets.
    """
    domain = claimed(value, limit)
    if not domain:
        return "", ""
    try:
        encoded = taglist.unspaced(taglist.parse(value, "").get("b", b""))
        _base64(encoded)
    except Refused:
        return domain, ""
    return domain, encoded[:_SHOWN].decode("ascii")


def claimed(value: bytes, limit: int) -> str:
    """Tell the domain of a field that may be anything, as `labelled` does."""
    try:
        tags = taglist.parse(value if len(value) <= limit else b"", "")
        return _domain(tags.get("d", b""))
    except Refused:
        return ""


@remembered(_NAME_LENGTH)
def to_a_labels(name: str) -> str:
    """Return a domain name in A-labels and lower case (RFC 8616 §3).

    The last few that are one are remembered.

    Raises:
        ValueError: it is none that the DNS can be asked for.
    """
    if len(name) > _NAME_LENGTH:  # first: what follows takes its time
        raise ValueError("too long for a domain name")
    labels = [
        label if label.isascii() else label.encode("idna").decode("ascii")
        for label in name.lower().split(".")
    ]
    found = ".".join(labels)
    if len(found) > _NAME_LENGTH or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("not a domain name")
    return found


def _domain(value: bytes) -> str:
    try:
        return to_a_labels(value.decode("utf-8"))
    except ValueError:  # UnicodeError is one
        raise Refused("permerror", "malformed-domain") from None


def _identity(tags: Mapping[str, bytes], domain: str) -> str:
    """Return ``i=``, which must lie in ``d=`` (§3.5, §6.1.1)."""
    if "i" not in tags:
        return f"@{domain}"
    try:
        local, at, host = tags["i"].decode("utf-8").rpartition("@")
    except UnicodeDecodeError:
        raise Refused("permerror", "malformed-signature") from None
    if not at or not local.isprintable():
        raise Refused("permerror", "malformed-signature")
    host = _domain(host.encode())
    if host != domain and not host.endswith(f".{domain}"):
        raise Refused("permerror", "identity-outside-domain")
    return f"{local}@{host}"


def _canonicalizations(value: bytes) -> tuple[Canonicalization, Canonicalization]:
    header, slash, body = value.decode("ascii", "replace").partition("/")
    found = header, body if slash else "simple"
    if not _FORMS.issuperset(found):
        raise Refused("permerror", "unsupported-canonicalization")
    return found  # type: ignore[return-value] # they are of _FORMS


def _tag(tags: Mapping[str, bytes], name: str) -> bytes:
    if not tags.get(name):
        raise Refused("permerror", f"no-{name}")
    return tags[name]


def _number(tags: Mapping[str, bytes], name: str) -> int | None:
    if name not in tags:
        return None
    if not _NUMBER.fullmatch(tags[name]):
        raise Refused("permerror", "malformed-signature")
    return int(tags[name])


def _base64(value: bytes) -> bytes:
    try:
        return taglist.decode_base64(value)
    except ValueError:
        raise Refused("permerror", "malformed-signature") from None

"""What a certificate lets a token say: JWTClaimConstraints and the Enhanced form.

Sources: RFC 8226 §8, RFC 9118 §3 and §6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stirmilter.stir import hazmat
from stirmilter.stir.result import Reason, Unverified

_BASELINE: Final = frozenset({"iat", "orig", "dest"})


@dataclass(frozen=True, slots=True)
class ClaimConstraints:
    """Claims that must, and must not, be in a token, and the values they may take."""

    must_include: frozenset[str] = frozenset()
    permitted_values: tuple[tuple[str, frozenset[str]], ...] = ()
    must_exclude: frozenset[str] = frozenset()

    @classmethod
    def decode(cls, plain: bytes | None, enhanced: bytes | None) -> ClaimConstraints:
        """Decode whichever of the two extensions a certificate has.

        Raises:
            Unverified: `Reason.CREDENTIAL_MALFORMED`: bad DER, an empty extension, the
                third member in the plain form, or both extensions in one certificate.
        """
        if plain is None and enhanced is None:
            return _NOTHING
        if plain is not None and enhanced is not None:
            raise Unverified(
                Reason.CREDENTIAL_MALFORMED,
                "both forms of claim constraints",
                "RFC 9118 §6",
            )
        try:
            found = hazmat.decode_claim_constraints(plain or enhanced or b"")
        except ValueError as error:
            raise Unverified(
                Reason.CREDENTIAL_MALFORMED,
                f"claim constraints: {error}",
                _rule(enhanced),
            ) from None
        members = (found.must_include, found.permitted_values, found.must_exclude)
        if any(member == [] for member in members) or not any(members):
            detail = "claim constraints: empty"
            raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, _rule(enhanced))
        if plain is not None and found.must_exclude is not None:
            detail = "claim constraints: mustExclude"
            raise Unverified(Reason.CREDENTIAL_MALFORMED, detail, "RFC 8226 §8")
        must_exclude = frozenset(n.as_str() for n in found.must_exclude or ())
        if must_exclude & _BASELINE:
            # RFC 9118 §3: what excludes a baseline claim is as if it were not there.
            return _NOTHING
        return cls(
            frozenset(name.as_str() for name in found.must_include or ()),
            tuple(
                (entry.claim.as_str(), frozenset(entry.values))
                for entry in found.permitted_values or ()
            ),
            must_exclude,
        )

    def lines(self) -> list[str]:
        """Say what is demanded, for people."""
        found = [f"must have {name}" for name in sorted(self.must_include)]
        found += [f"must not have {name}" for name in sorted(self.must_exclude)]
        for name, values in self.permitted_values:
            found.append(f"{name} is one of: {', '.join(sorted(values))}")
        return found

    def check(self, claims: Mapping[str, Any]) -> None:
        """Hold a payload against the constraints.

        A permitted value can only equal a string; a claim with another type of value
        is outside every list. A claim that is absent offends none.

        Raises:
            Unverified: `Reason.CLAIM_CONSTRAINED`, naming the claim.
        """
        if self is _NOTHING:
            return
        for name in sorted(self.must_include - claims.keys()):
            raise Unverified(
                Reason.CLAIM_CONSTRAINED, f"{name} is missing", "RFC 8226 §8"
            )
        for name in sorted(self.must_exclude & claims.keys()):
            raise Unverified(
                Reason.CLAIM_CONSTRAINED, f"{name} is excluded", "RFC 9118 §3"
            )
        for name, permitted in self.permitted_values:
            value = claims.get(name)
            if name in claims and not (isinstance(value, str) and value in permitted):
                detail = f"{name} has a value not permitted"
                raise Unverified(Reason.CLAIM_CONSTRAINED, detail, "RFC 8226 §8")


_NOTHING: Final = ClaimConstraints()


def _rule(enhanced: bytes | None) -> str:
    return "RFC 8226 §8" if enhanced is None else "RFC 9118 §3"

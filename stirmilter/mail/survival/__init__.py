"""What relays do to a body: foreseen when we sign, recognised when a digest differs.

None of it decides about a token. `BodyHazards` looks at a body that is about to be
signed, `KeptBody` keeps one that came with a token, and `diagnosis.explain` tells which
of the known changes makes another body of it than the one that was signed.
"""

from stirmilter.mail.survival.boundaries import PartLimits
from stirmilter.mail.survival.hazards import HAZARDS, BodyHazards, Hazard
from stirmilter.mail.survival.keeping import BodyKeeper, KeptBody

__all__ = ["HAZARDS", "BodyHazards", "BodyKeeper", "Hazard", "KeptBody", "PartLimits"]

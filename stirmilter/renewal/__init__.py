"""Our own credentials while the daemon runs: when a new one takes over from the old.

=============  =====================================================================
`keeper`       watches files, has them proven, tells the supervisor what to sign with
`prober`       a child that fetches and asks tokens, so that the supervisor never waits
`decisions`    which signer, and which keys are still ours; pure
=============  =====================================================================
"""

from stirmilter.renewal.keeper import Keeper

__all__ = ["Keeper"]

"""Replay stores: who was first to deliver a token to a recipient (RFC 8224 §12.1).

All have one atomic verb, `claim`, and match `services.ReplayStore` by shape; one test
holds all three to one contract. There is none to give a key back: who claims in order
to deliver has delivered, as far as anybody can tell, and who does not only asks (`keep`
is False). Two more things are common to them:

* A key is kept for at least `retention` after its token was signed. How much longer it
  may be is the store's own affair: by then the token is stale.
* A store that began, or lost something, after a token was signed does not know whether
  the token was used, and says so instead of letting it pass (`StoreError`).
"""

from stirmilter.stores.replay.entries import Entry, Stats
from stirmilter.stores.replay.memory import MemoryReplayStore
from stirmilter.stores.replay.retention import RETENTION
from stirmilter.stores.replay.sqlite import SqliteReplayStore

__all__ = ["RETENTION", "Entry", "MemoryReplayStore", "SqliteReplayStore", "Stats"]

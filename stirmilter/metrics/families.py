"""What is counted, by name: the one list of metrics, labels and buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from stirmilter.events import Claim, Outcome

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

CRL_AGE: Final = "stirmilter_crl_age_seconds"
JOURNAL_AGE: Final = "stirmilter_journal_oldest_seconds"
AGES: Final = (CRL_AGE, JOURNAL_AGE)
"""Kept as times, since an age would stand still between scrapes."""

MM4: Final = ("sent", "failed", "dropped")
REPLACED: Final = ("ended", "stuck")
"""Why a worker is replaced."""

METHODS: Final = frozenset({"spf", "dkim", "dmarc", "arc"})
RESULTS: Final = frozenset(
    {"none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"}
)
"""Words of RFC 8601 §2.7."""

_SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 120.0),
)
PARTS: Final = (0.0001, 0.00025, 0.0005, *_SECONDS[:13])
"""Buckets of what may be over in less than the least time of a whole message."""


class Families:
    """All metrics that processes count; made once, before the first fork."""

    def __init__(self) -> None:
        """Make them; where they count is the environment's to say."""
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=None)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            buckets = _SECONDS if labels in (("direction",), ()) else PARTS
            return Histogram(name, text, labels, registry=None, buckets=buckets)

        def gauge(name: str, text: str, *labels: str, mode: str = "livesum") -> Gauge:
            wanted: dict[str, object] = {"multiprocess_mode": mode}
            return Gauge(name, text, labels, registry=None, **wanted)  # type: ignore[arg-type]

        self.messages = counter(
            "stirmilter_messages_total",
            "Messages that left the filter.",
            *("direction", "outcome", "reason", "action"),
        )
        self.peers = counter(
            "stirmilter_peer_messages_total",
            "Messages of each peer.",
            *("peer", "outcome", "action"),
        )
        self.rulings = counter(
            "stirmilter_policy_total",
            "Messages that a rule, a ladder or a failure decided.",
            *("rule", "action", "peer"),
        )
        self.shadows = counter(
            "stirmilter_shadow_differences_total",
            "Messages of which the shadow table would have made something else.",
            *("rule", "action", "shadow_rule", "shadow_action"),
        )
        self.methods = counter(
            "stirmilter_methods_total",
            "Results of SPF, DKIM (each signature), DMARC and ARC.",
            *("method", "result"),
        )
        self.hazards = counter(
            "stirmilter_hazards_total",
            "Signed messages whose body the next hop may alter.",
            "hazard",
        )
        self.seconds = histogram(
            "stirmilter_message_seconds",
            "From the end of a message to the answer.",
            "direction",
        )
        self.stages = histogram(
            "stirmilter_stage_seconds",
            "What the time of a message went into.",
            "stage",
        )
        self.claims = histogram(
            "stirmilter_replay_claim_seconds",
            "Questions to the replay store, by what it said.",
            "outcome",
        )
        self.fetches = counter(
            "stirmilter_fetches_total",
            "Fetches of certificates and revocation lists.",
            "outcome",
        )
        self.fetch_seconds = histogram(
            "stirmilter_fetch_seconds", "How long a fetch took."
        )
        self.crls = gauge(
            CRL_AGE,
            "Seconds since the newest revocation list was made (thisUpdate).",
            "url",
            mode="livemax",
        )
        self.lookups = counter(
            "stirmilter_cache_lookups_total",
            "Looks into what a worker remembers, by whether it was there.",
            *("cache", "result"),
        )
        self.entries = gauge(
            "stirmilter_cache_entries", "What all workers remember.", "cache"
        )
        self.sessions = gauge("stirmilter_sessions", "SMTP sessions that are open.")
        self.waiting = gauge("stirmilter_waiting", "What waits, and for whom.", "queue")
        # All workers see one file; of stores in memory the fullest counts.
        self.keys = gauge(
            "stirmilter_replay_keys",
            "Keys in the replay store, about.",
            "store",
            mode="livemax",
        )
        self.keys_limit = gauge(
            "stirmilter_replay_keys_limit",
            "Keys that the replay store has room for (replay.limit).",
            "store",
            mode="livemax",
        )
        self.journal = gauge(
            "stirmilter_journal_octets",
            "Octets of the journal's file that are in use.",
            mode="livemax",
        )
        self.journal_limit = gauge(
            "stirmilter_journal_octets_limit",
            "Greatest size of the journal's file (journal.megabytes).",
            mode="livemax",
        )
        self.oldest = gauge(
            JOURNAL_AGE,
            "Seconds since the oldest message was handled that has evidence.",
            mode="livemax",
        )
        self.lost = counter(
            "stirmilter_journal_lost_total",
            "Messages whose evidence could not be kept.",
        )
        self.answers = counter(
            "stirmilter_mm4_answers_total",
            "MM4 answers to rejected messages.",
            "outcome",
        )
        self.workers = gauge(
            "stirmilter_workers",
            "Workers that take messages; those being drained are not counted.",
            mode="livemostrecent",
        )
        self.replaced = counter(
            "stirmilter_workers_replaced_total",
            "Workers that ended, or gave no sign of life and were killed.",
            "reason",
        )
        self.reloads = counter(
            "stirmilter_reloads_total", "Reloads of the configuration.", "result"
        )
        self.unproven = gauge(
            "stirmilter_credentials_unproven",
            "Signers whose newest certificate is not known to be served at its x5u.",
            mode="livemostrecent",
        )
        self._begin()

    def _begin(self) -> None:
        """Have what may be long in coming begin at zero: a rate needs a first value."""
        for reason in REPLACED:
            self.replaced.labels(reason)
        for result in ("done", "refused"):
            self.reloads.labels(result)
        for outcome in get_args(Outcome):
            self.fetches.labels(outcome)
        for claim in get_args(Claim):
            self.claims.labels(claim)
        for word in MM4:
            self.answers.labels(word)

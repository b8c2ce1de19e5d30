"""The alert rules, each with what sets it off and what does not, by promtool."""

import json
from pathlib import Path

from tests.metrics.promtool import ROOT, needed, promtool

RULES = ROOT / "conf" / "prometheus-rules.yml"

MESSAGES = "stirmilter_messages_total"
CLAIMS = "stirmilter_replay_claim_seconds_count"
REPLACED = "stirmilter_workers_replaced_total"
DAY = 86_400

Series = dict[str, str]

# In Prometheus' own notation: 0+6x60 grows by 6 each minute, 5x60 stays.
CASES: dict[str, tuple[Series, Series, str]] = {
    "StirmilterDown": (
        {'up{job="stirmilter"}': "1x10 0x50"},
        {'up{job="stirmilter"}': "1x10 0 1x49", 'up{job="node"}': "0x60"},
        "30m",
    ),
    "StirmilterSigningFails": (
        {
            MESSAGES + '{direction="out",outcome="signed"}': "0+60x60",
            MESSAGES + '{direction="out",outcome="failed"}': "0+2x60",
        },
        {
            MESSAGES + '{direction="out",outcome="signed"}': "0+600x60",
            MESSAGES + '{direction="out",outcome="failed"}': "0+2x60",
        },
        "30m",
    ),
    "StirmilterVerificationFails": (
        {
            MESSAGES + '{direction="in",outcome="unauthenticated"}': "0+60x120",
            MESSAGES + '{direction="in",outcome="failed"}': "0+30x120",
        },
        {
            MESSAGES + '{direction="in",outcome="unauthenticated"}': "0+60x120",
            MESSAGES + '{direction="in",outcome="failed"}': "0+3x120",
        },
        "2h",
    ),
    "StirmilterInternalErrors": (
        {MESSAGES + '{direction="in",reason="too-late"}': "0x10 1x50"},
        {MESSAGES + '{direction="in",reason="verified"}': "0+9x60"},
        "15m",
    ),
    "StirmilterUndeterminedFetch": (
        {
            MESSAGES + '{direction="in",outcome="authenticated"}': "0+60x60",
            MESSAGES
            + '{direction="in",outcome="undetermined",reason="status-unavailable"}': (
                "0+6x60"
            ),
        },
        {
            MESSAGES + '{direction="in",outcome="authenticated"}': "0+60x60",
            MESSAGES
            + '{direction="in",outcome="undetermined",reason="replay-unknown"}': (
                "0+6x60"
            ),
        },
        "40m",
    ),
    "StirmilterUndeterminedStore": (
        {CLAIMS + '{outcome="unknown"}': "0+1x60"},
        {CLAIMS + '{outcome="unknown"}': "5x60"},
        "30m",
    ),
    "StirmilterUndeterminedDns": (
        {
            'stirmilter_methods_total{method="spf",result="pass"}': "0+60x60",
            'stirmilter_methods_total{method="spf",result="temperror"}': "0+30x60",
        },
        {
            'stirmilter_methods_total{method="spf",result="pass"}': "0+60x60",
            'stirmilter_methods_total{method="spf",result="temperror"}': "0+1x60",
        },
        "40m",
    ),
    "StirmilterX5uUnproven": (
        {'stirmilter_signer_proven{signer="a"}': "0x60"},
        {'stirmilter_signer_proven{signer="a"}': "1x60"},
        "30m",
    ),
    "StirmilterNewCertificateUnproven": (
        {"stirmilter_credentials_unproven": "1x120"},
        {"stirmilter_credentials_unproven": "1x30 0x90"},
        "110m",
    ),
    "StirmilterRevocationListOld": (
        {'stirmilter_crl_age_seconds{url="u"}': f"{2 * DAY}+60x120"},
        {'stirmilter_crl_age_seconds{url="u"}': f"{DAY}+60x120"},
        "110m",
    ),
    "StirmilterReplaySurge": (
        {
            CLAIMS + '{outcome="granted"}': "0+60x60",
            CLAIMS + '{outcome="replayed"}': "0+30x60",
        },
        {
            CLAIMS + '{outcome="granted"}': "0+600x60",
            CLAIMS + '{outcome="replayed"}': "0+6x60",
        },
        "40m",
    ),
    "StirmilterWorkersDie": (
        {
            REPLACED + '{reason="ended"}': "0x10 2x50",
            REPLACED + '{reason="stuck"}': "0x10 3x50",
        },
        {REPLACED + '{reason="ended"}': "0x10 1x50"},
        "20m",
    ),
    "StirmilterNoWorkers": (
        {"stirmilter_workers": "0x60"},
        {"stirmilter_workers": "2x60"},
        "10m",
    ),
    "StirmilterNoMessages": (
        {MESSAGES + '{direction="in"}': "0+9x60 540x120"},
        {MESSAGES + '{direction="in"}': "0+9x180"},
        "150m",
    ),
    "StirmilterMessagesWait": (
        {'stirmilter_waiting{queue="judge"}': "500x60"},
        {'stirmilter_waiting{queue="journal"}': "500x60"},
        "30m",
    ),
    "StirmilterSlow": (
        {
            'stirmilter_message_seconds_bucket{le="10.0"}': "0+1x60",
            'stirmilter_message_seconds_bucket{le="30.0"}': "0+9x60",
            'stirmilter_message_seconds_bucket{le="+Inf"}': "0+9x60",
        },
        {
            'stirmilter_message_seconds_bucket{le="10.0"}': "0+9x60",
            'stirmilter_message_seconds_bucket{le="30.0"}': "0+9x60",
            'stirmilter_message_seconds_bucket{le="+Inf"}': "0+9x60",
        },
        "40m",
    ),
    "StirmilterJournalLost": (
        {"stirmilter_journal_lost_total": "0x10 7x50"},
        {"stirmilter_journal_lost_total": "7x60"},
        "15m",
    ),
    "StirmilterAnswersLost": (
        {'stirmilter_mm4_answers_total{outcome="dropped"}': "0x10 7x50"},
        {'stirmilter_mm4_answers_total{outcome="sent"}': "0x10 7x50"},
        "15m",
    ),
    "StirmilterReloadRefused": (
        {'stirmilter_reloads_total{result="refused"}': "0x10 1x50"},
        {'stirmilter_reloads_total{result="done"}': "0x10 1x50"},
        "15m",
    ),
}


def case(
    name: str, series: Series, at: str, value: int, more: str = ""
) -> dict[str, object]:
    """One test of promtool's: whether an alert fires at a time."""
    found = f'ALERTS{{alertname="{name}",alertstate="firing"{more}}}'
    query = f"count({found}) or vector(0)"
    return {
        "name": f"{name}{more} {'fires' if value else 'is quiet'}",
        "interval": "1m",
        "input_series": [
            {"series": one, "values": values} for one, values in series.items()
        ],
        "promql_expr_test": [
            {"expr": query, "eval_time": at, "exp_samples": [{"value": value}]}
        ],
    }


def run(folder: Path, cases: list[dict[str, object]]) -> None:
    """Have promtool run them all: it takes longer to start than to answer."""
    table = {"rule_files": [str(RULES)], "tests": cases}
    (folder / "cases.yml").write_text(json.dumps(table))  # JSON is YAML
    promtool("test", "rules", folder / "cases.yml")


@needed
def test_an_alert_is_set_off_by_what_it_is_for_and_by_nothing_less(
    tmp_path: Path,
) -> None:
    cases = []
    for name, (bad, good, at) in CASES.items():
        cases += [case(name, bad, at, 1), case(name, good, at, 0)]

    run(tmp_path, cases)


@needed
def test_a_certificate_is_told_of_fourteen_seven_and_one_days_before_its_end(
    tmp_path: Path,
) -> None:
    cases = []
    for days, told in ((20, ""), (13, "14"), (6, "7"), (0.5, "1"), (-1, "1")):
        name = 'stirmilter_certificate_expiry_seconds{signer="a"}'
        left = {name: f"{days * DAY:.0f}x60"}
        cases += [
            case(
                "StirmilterCertificateExpires",
                left,
                "30m",
                int(one == told),
                f',days="{one}"',
            )
            for one in ("14", "7", "1")
        ]

    run(tmp_path, cases)


@needed
def test_every_alert_has_a_case() -> None:
    names = {
        line.split()[-1]
        for line in RULES.read_text().splitlines()
        if "- alert:" in line
    }

    assert names == {*CASES, "StirmilterCertificateExpires"}
    assert "SUCCESS" in promtool("check", "rules", RULES)

"""What a carrier's word is worth, from the settings to the verification (C-04)."""

from pathlib import Path

import pytest

from stirmilter import runtime
from stirmilter.errors import ConfigError
from tests.laboratory import ALICE, BOB
from tests.runtime.configurations import Change, Configured


def refusal(configured: Configured, change: Change) -> str:
    with pytest.raises(ConfigError) as caught:
        runtime.build(configured(change))
    return str(caught.value)


def test_a_carriers_word_is_accepted_by_default(configured: Configured) -> None:
    policy = runtime.build(configured()).filter.verification.policy

    assert policy.accept_spc
    assert policy.spc_numbers is None


@pytest.mark.conformance("C-04")
@pytest.mark.parametrize(
    ("spc", "accepts", "maps"),
    [
        pytest.param("accept", True, False, id="accept"),
        pytest.param("refuse", False, False, id="refuse"),
        pytest.param("map", True, True, id="map"),
    ],
)
def test_spc_says_what_a_carriers_word_is_worth(
    configured: Configured, spc: str, accepts: bool, maps: bool
) -> None:
    change: Change = {"verify.spc": spc, "verify.spc_numbers": {"1234": ["+1202*"]}}

    policy = runtime.build(configured(change)).filter.verification.policy

    assert policy.accept_spc is accepts
    assert (policy.spc_numbers is not None) is maps


@pytest.mark.conformance("C-04")
def test_a_map_gives_each_carrier_its_numbers(
    configured: Configured, tmp_path: Path
) -> None:
    (tmp_path / "5678.txt").write_text(f"# ported\n+{BOB}\n")
    table = {"1234": ["+1202*", "+1999*"], "5678": ["@5678.txt"], "none": []}
    change: Change = {"verify.spc": "map", "verify.spc_numbers": table}

    whose = runtime.build(configured(change)).filter.verification.policy.spc_numbers

    assert whose is not None
    holders = {n: [spc for spc in whose if n in whose[spc]] for n in (ALICE, BOB, "44")}
    assert holders == {ALICE: ["1234"], BOB: ["5678"], "44": []}


def test_a_map_without_a_table_names_the_setting_that_is_missing(
    configured: Configured,
) -> None:
    fault = refusal(configured, {"verify.spc": "map"})

    assert ": verify.spc_numbers: missing: the numbers of each SPC" in fault


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        pytest.param(["1202*"], "'1202*': expected a number", id="bad-pattern"),
        pytest.param(["+1202*", "+1-+22"], "'+1-+22': both ends", id="bad-range"),
        pytest.param(["@absent.txt"], "absent.txt: No such file", id="no-file"),
    ],
)
def test_a_bad_pattern_names_its_carrier(
    configured: Configured, numbers: list[str], problem: str
) -> None:
    table = {"1234": ["+1202*"], "5678": numbers}

    fault = refusal(configured, {"verify.spc": "map", "verify.spc_numbers": table})

    assert f": verify.spc_numbers.5678: {problem}" in fault


@pytest.mark.parametrize(
    "table",
    [
        pytest.param({"1234": "+1202*"}, id="text-for-a-list"),
        pytest.param({"1234": [1202]}, id="number-for-a-pattern"),
        pytest.param(["+1202*"], id="list-for-a-table"),
    ],
)
def test_a_map_is_a_table_of_lists(configured: Configured, table: object) -> None:
    fault = refusal(configured, {"verify.spc": "map", "verify.spc_numbers": table})

    assert ": verify.spc_numbers" in fault

"""Each breakage of a Postfix is named, and gone once its remedy was applied."""

from dataclasses import replace
from typing import Any

import pytest

from stirmilter.doctor.audits import arrival, audit, delivery
from stirmilter.doctor.postfix import Postfix
from tests.doctor.alterations import ALTERATIONS
from tests.doctor.breakages import BREAKAGES
from tests.doctor.changes import CERTIFIED, LOGINS, OURS, TRUSTING, Change
from tests.doctor.conftest import BOTH, SIGNING, VERIFYING, Relay


@pytest.mark.parametrize("table", [SIGNING, VERIFYING, BOTH])
def test_a_relay_as_it_should_be_has_no_problem(
    relay: Relay, table: dict[str, Any]
) -> None:
    found = audit(relay.read(), relay.configuration(table))

    assert {one.level for one in found} == {"ok"}
    assert len(found) == 7


@pytest.mark.parametrize(
    ("table", "changes", "level", "subject"), [*BREAKAGES, *ALTERATIONS]
)
def test_a_breakage_is_named_and_its_remedy_mends_it(
    relay: Relay,
    table: dict[str, Any],
    changes: tuple[Change, ...],
    level: str,
    subject: str,
) -> None:
    for change in changes:
        relay.change(*change)

    found = [one for one in relay.problems(table) if one.subject == subject]

    assert {one.level for one in found} == {level}
    for remedy in {one.remedy for one in found}:
        relay.obey(remedy)
    assert subject not in {one.subject for one in relay.problems(table)}


@pytest.mark.parametrize(
    ("table", "name", "level"),
    [
        pytest.param(VERIFYING, "body_checks", "error", id="arriving body"),
        pytest.param(VERIFYING, "mime_header_checks", "error", id="arriving part"),
        pytest.param(VERIFYING, "nested_header_checks", "error", id="arriving mail"),
        pytest.param(SIGNING, "smtp_body_checks", "error", id="leaving body"),
        pytest.param(SIGNING, "smtp_mime_header_checks", "error", id="leaving part"),
        pytest.param(SIGNING, "smtp_header_checks", "warning", id="leaving header"),
        pytest.param(BOTH, "milter_header_checks", "error", id="fields of ours"),
    ],
)
def test_a_table_is_judged_by_what_it_does(
    relay: Relay, table: dict[str, Any], name: str, level: str
) -> None:
    path = relay.folder / "checks"
    path.write_text("# IGNORE what follows\n/^spam/ REJECT\n/^look/ WARN ignored\n")
    relay.change("-e", f"{name}=regexp:{path}")

    harmless = relay.problems(table)
    path.write_text("/^spam/ REJECT\n/^Footer/ replace Nothing\n")
    found = relay.problems(table)

    assert harmless == []
    assert [(one.level, one.subject) for one in found] == [(level, f"postfix: {name}")]
    relay.obey(found[0].remedy)
    assert relay.problems(table) == []


def test_a_table_of_header_checks_also_counts_for_parts_of_a_body(
    relay: Relay,
) -> None:
    path = relay.folder / "checks"
    path.write_text("/^Received:/ IGNORE\n")
    relay.change("-e", f"header_checks=regexp:{path}")

    found = relay.problems(VERIFYING)

    assert {(one.level, one.subject) for one in found} == {
        ("warning", "postfix: header_checks"),
        ("warning", "postfix: mime_header_checks"),
        ("warning", "postfix: nested_header_checks"),
    }
    for one in found:
        relay.obey(one.remedy)
    assert relay.problems(VERIFYING) == []


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        pytest.param(SIGNING, [("-e", "message_strip_characters=\\0")], id="strip"),
        pytest.param(SIGNING, [("-e", "body_checks=mysql:/x")], id="checks"),
        pytest.param(
            VERIFYING | {"milter": {"message_seconds": 20}},
            [("-e", "milter_content_timeout=30s")],
            id="time enough",
        ),
        pytest.param(
            BOTH,
            [("-P", "submission/inet/milter_macro_daemon_name=ORIGINATING")],
            id="names that nobody asks about",
        ),
        pytest.param(
            SIGNING | {"dkim": {"domain": "a.example", "selector": "s", "key": "k"}},
            [("-e", f"smtpd_milters=inet:localhost:8891, {OURS}")],
            id="a DKIM verifier in front, while we sign DKIM",
        ),
        pytest.param(
            VERIFYING,
            [("-e", f"smtpd_milters=inet:localhost:8891, {OURS}")],
            id="a DKIM verifier in front",
        ),
        pytest.param(
            TRUSTING,
            [("-e", f"smtpd_milters=inet:localhost:8891, {OURS}")],
            id="an upstream in front",
        ),
        pytest.param(
            VERIFYING,
            [
                ("-e", "body_checks=mysql:/x"),
                ("-e", "receive_override_options=no_header_body_checks"),
            ],
            id="checks that are not made",
        ),
        pytest.param(
            VERIFYING | {"milter": {"sockets": ["inet:8895@127.0.0.1"]}},
            [("-e", "smtpd_milters=inet:localhost:8895")],
            id="a TCP socket",
        ),
        pytest.param(SIGNING, [("-e", "smtp_line_length_limit=998")], id="overridden"),
        *(
            pytest.param(
                table, [("-e", f"milter_{stage}_macros=")], id=f"no macros: {stage}"
            )
            for table, stage in [
                (BOTH, "connect"),
                (CERTIFIED, "connect"),
                (CERTIFIED, "helo"),
                (LOGINS, "mail"),
                (BOTH, "end_of_data"),
            ]
        ),
        pytest.param(SIGNING, [("-e", "mail_name=Relay")], id="a name that none needs"),
    ],
)
def test_what_does_no_harm_is_not_reported(
    relay: Relay, table: dict[str, Any], changes: list[Change]
) -> None:
    for change in changes:
        relay.change(*change)

    assert relay.problems(table) == []


def parameter(postfix: Postfix, name: str, value: str) -> Postfix:
    """Set what the Postfix of this machine may be too old to know."""
    return replace(postfix, parameters={**postfix.parameters, name: value})


def test_encoding_on_arrival_breaks_what_others_signed(relay: Relay) -> None:
    newer = parameter(relay.read(), "force_mime_input_conversion", "yes")

    [found] = arrival.conversion(newer, relay.configuration(VERIFYING))

    assert (found.level, found.subject) == (
        "error",
        "postfix: force_mime_input_conversion",
    )
    assert not list(arrival.conversion(newer, relay.configuration(SIGNING)))


def test_encoding_on_arrival_spares_the_transport(relay: Relay) -> None:
    relay.change("-P", "smtp/unix/disable_mime_output_conversion=no")
    older = relay.read()
    newer = parameter(older, "force_mime_input_conversion", "yes")
    config = relay.configuration(SIGNING)

    assert list(delivery.conversion(older, config))
    assert not list(delivery.conversion(newer, config))

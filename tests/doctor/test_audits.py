"""Each breakage of a Postfix is named, and gone once its remedy was applied."""

from dataclasses import replace
from typing import Any

import pytest

from stirmilter.doctor.audits import arrival, audit, delivery
from stirmilter.doctor.postfix import Postfix
from tests.doctor.conftest import BOTH, SIGNING, VERIFYING, Relay

OURS = "unix:stirmilter/milter.sock"
NAMED = BOTH | {"sign": {"daemon_names": ["submission"]}}
UPSTREAM = {
    "authserv_ids": ["dkim.example"],
    "clients": ["0.0.0.0/0"],
    "strips": True,
}
TRUSTING = VERIFYING | {"checks": {"mode": "trust"}, "upstream": [UPSTREAM]}
OUTSIDE = BOTH | {"milter": {"sockets": ["unix:/run/stirmilter/milter.sock"]}}
LOGINS = SIGNING | {"sign": {"logins": True}}
CERTIFIED = VERIFYING | {
    "peer": [{"name": "carrier", "tls_names": ["mmsc.carrier.example"]}]
}

Change = tuple[str, ...]


def case(
    name: str, table: dict[str, Any], level: str, subject: str, *changes: Change
) -> Any:  # noqa: ANN401 - pytest does not name it
    return pytest.param(table, changes, level, f"postfix: {subject}", id=name)


def main(text: str) -> Change:
    return ("-e", text)


def master(text: str) -> Change:
    return ("-P", text)


BREAKAGES = [
    # Whom Postfix asks, where and in which order.
    case("nobody asks us", BOTH, "error", "smtpd_milters", main("smtpd_milters=")),
    case(
        "others are asked, and we are not",
        BOTH,
        "error",
        "smtpd_milters",
        main("smtpd_milters=inet:localhost:8891"),
    ),
    case(
        "one service does not ask us",
        BOTH,
        "warning",
        "submission/inet/smtpd_milters",
        master("submission/inet/smtpd_milters="),
    ),
    case(
        "sendmail(1) passes us by",
        SIGNING,
        "error",
        "non_smtpd_milters",
        main("non_smtpd_milters="),
    ),
    case(
        "a path that is another one in the chroot",
        BOTH,
        "error",
        "smtpd_milters",
        main("smtpd_milters=unix:/run/stirmilter/milter.sock"),
    ),
    case(
        "a socket that the chroot hides",
        OUTSIDE,
        "error",
        "smtpd_milters",
        main("smtpd_milters=unix:/run/stirmilter/milter.sock"),
    ),
    case(
        "asked twice",
        BOTH,
        "error",
        "smtpd_milters",
        main(f"smtpd_milters={OURS}, inet:localhost:8893, {OURS}"),
    ),
    case(
        "DKIM is signed before there is a PASSporT",
        SIGNING,
        "error",
        "smtpd_milters",
        main(f"smtpd_milters=inet:localhost:8891, {OURS}"),
    ),
    case(
        "DKIM by the name of its socket",
        SIGNING,
        "error",
        "smtpd_milters",
        main(f"smtpd_milters=local:opendkim/opendkim.sock, {OURS}"),
    ),
    case(
        "what we trust comes after us",
        TRUSTING,
        "error",
        "smtpd_milters",
        main(f"smtpd_milters={OURS}, inet:localhost:8893"),
    ),
    case(
        "a footer after the signature",
        SIGNING,
        "warning",
        "smtpd_milters",
        main(f"smtpd_milters={OURS}, unix:altermime/sock"),
    ),
    case(
        "a footer before the verification",
        VERIFYING,
        "warning",
        "smtpd_milters",
        main(f"smtpd_milters=unix:altermime/sock, {OURS}"),
    ),
    # What happens while we are down or slow.
    case(
        "accept when signing",
        SIGNING,
        "error",
        "milter_default_action",
        main("milter_default_action=accept"),
    ),
    case(
        "accept when verifying",
        VERIFYING,
        "warning",
        "milter_default_action",
        main("milter_default_action=accept"),
    ),
    case(
        "reject",
        BOTH,
        "warning",
        "milter_default_action",
        main("milter_default_action=reject"),
    ),
    case(
        "accept for one service",
        SIGNING,
        "error",
        "submission/inet/milter_default_action",
        master("submission/inet/milter_default_action=accept"),
    ),
    case(
        "accept for one entry",
        SIGNING,
        "error",
        "smtpd_milters default_action",
        main(f"smtpd_milters={{ {OURS}, default_action=accept }}"),
    ),
    case("version 2", BOTH, "error", "milter_protocol", main("milter_protocol=2")),
    case(
        "less time than a message may take",
        BOTH,
        "warning",
        "milter_content_timeout",
        main("milter_content_timeout=1m"),
    ),
    case(
        "less time than between two signs of life",
        BOTH,
        "error",
        "milter_content_timeout",
        main("milter_content_timeout=5s"),
    ),
    case(
        "less time for one entry",
        BOTH,
        "warning",
        "smtpd_milters content_timeout",
        main(f"smtpd_milters={{ {OURS}, content_timeout=1m, protocol=6 }}"),
    ),
    case(
        "no time to connect",
        BOTH,
        "warning",
        "milter_connect_timeout",
        main("milter_connect_timeout=1s"),
    ),
    case(
        "no time for a command",
        BOTH,
        "warning",
        "milter_command_timeout",
        main("milter_command_timeout=2"),
    ),
    # What Postfix tells about a client.
    case("a name that no service has", NAMED, "error", "sign.daemon_names"),
    case(
        "port 25 by a trusted name",
        NAMED,
        "error",
        "milter_macro_daemon_name",
        main("milter_macro_daemon_name=submission"),
    ),
    case(
        "no name of the service",
        NAMED,
        "error",
        "milter_connect_macros",
        main("milter_connect_macros=j v _"),
    ),
    case(
        "no login",
        LOGINS,
        "error",
        "milter_mail_macros",
        main("milter_mail_macros=i {auth_type}"),
    ),
    case(
        "no certificate",
        CERTIFIED,
        "error",
        "milter_helo_macros",
        main("milter_helo_macros={tls_version}"),
    ),
    case(
        "no queue id",
        BOTH,
        "error",
        "milter_end_of_data_macros",
        main("milter_end_of_data_macros="),
    ),
    # Ways past us, or to us twice.
    case(
        "no milters anywhere",
        BOTH,
        "error",
        "receive_override_options",
        main("receive_override_options=no_address_mappings,no_milters"),
    ),
    case(
        "no milters at one service",
        BOTH,
        "error",
        "smtp/inet/receive_override_options",
        master("smtp/inet/receive_override_options=no_milters"),
    ),
    case(
        "no milters for sendmail(1)",
        BOTH,
        "error",
        "pickup/unix/receive_override_options",
        master("pickup/unix/receive_override_options=no_milters"),
    ),
    case(
        "a filter before the queue",
        BOTH,
        "error",
        "smtp/inet/smtpd_proxy_filter",
        master("smtp/inet/smtpd_proxy_filter=127.0.0.1:10024"),
    ),
    case(
        "clients with milters of their own",
        BOTH,
        "warning",
        "smtpd_milter_maps",
        main("smtpd_milter_maps=cidr:/etc/postfix/milters"),
    ),
    case(
        "a filter brings it back to us",
        VERIFYING,
        "error",
        "127.0.0.1:10025/inet/receive_override_options",
        main("content_filter=scan:[127.0.0.1]:10024"),
        master(f"127.0.0.1:10025/inet/smtpd_milters={OURS}"),
    ),
    case(
        "a filter gets what we signed",
        SIGNING,
        "warning",
        "content_filter",
        main("content_filter=scan:[127.0.0.1]:10024"),
    ),
    # What is changed before we verify.
    case(
        "characters are stripped",
        VERIFYING,
        "error",
        "message_strip_characters",
        main(r"message_strip_characters=\0"),
    ),
    case(
        "8BITMIME is not offered",
        VERIFYING,
        "warning",
        "smtpd_discard_ehlo_keywords",
        main("smtpd_discard_ehlo_keywords=chunking, 8BITMIME"),
    ),
    case(
        "fields are added",
        VERIFYING,
        "warning",
        "always_add_missing_headers",
        main("always_add_missing_headers=yes"),
    ),
    case(
        "strangers' addresses are completed",
        VERIFYING,
        "warning",
        "remote_header_rewrite_domain",
        main("remote_header_rewrite_domain=domain.invalid"),
    ),
    case(
        "everybody's addresses are rewritten",
        VERIFYING,
        "warning",
        "local_header_rewrite_clients",
        main("local_header_rewrite_clients=static:all"),
    ),
    case(
        "a table that nobody can read here",
        VERIFYING,
        "warning",
        "body_checks",
        main("body_checks=mysql:/etc/postfix/checks"),
    ),
    case(
        "long fields are cut",
        BOTH,
        "error",
        "header_size_limit",
        main("header_size_limit=4096"),
    ),
    # What is changed after we signed.
    case(
        "long lines are broken",
        SIGNING,
        "error",
        "smtp/unix/smtp_line_length_limit",
        master("smtp/unix/smtp_line_length_limit=998"),
    ),
    case(
        "long lines are broken, and nobody signed them",
        VERIFYING,
        "warning",
        "smtp/unix/smtp_line_length_limit",
        master("smtp/unix/smtp_line_length_limit=990"),
    ),
    case(
        "8-bit parts are encoded",
        SIGNING,
        "error",
        "smtp/unix/disable_mime_output_conversion",
        master("smtp/unix/disable_mime_output_conversion=no"),
    ),
    case(
        "the transport to our own domains breaks lines",
        SIGNING,
        "error",
        "relay/unix/smtp_line_length_limit",
        main("relay_domains=mms.example"),
    ),
    case(
        "a transport that a table may name",
        SIGNING,
        "warning",
        "relay/unix/disable_mime_output_conversion",
        main("transport_maps=hash:/etc/postfix/transport"),
    ),
    case(
        "LMTP breaks lines as well",
        SIGNING,
        "error",
        "lmtp/unix/lmtp_line_length_limit",
        main("default_transport=lmtp:inet:127.0.0.1"),
    ),
    case(
        "8BITMIME is not used",
        SIGNING,
        "error",
        "smtp_discard_ehlo_keywords",
        main("smtp_discard_ehlo_keywords=8bitmime, dsn"),
        master("smtp/unix/disable_mime_output_conversion=no"),
    ),
    case(
        "no EHLO",
        SIGNING,
        "error",
        "smtp_never_send_ehlo",
        main("smtp_never_send_ehlo=yes"),
        master("smtp/unix/disable_mime_output_conversion=no"),
    ),
    case(
        "addresses are rewritten on the way out",
        SIGNING,
        "warning",
        "smtp_generic_maps",
        main("smtp_generic_maps=hash:/etc/postfix/generic"),
    ),
    case(
        "our fields pass a table",
        BOTH,
        "warning",
        "milter_header_checks",
        main("milter_header_checks=mysql:/etc/postfix/checks"),
    ),
    # What was meant otherwise.
    case(
        "a setting that is misspelt",
        BOTH,
        "warning",
        "smpt_line_length_limit",
        main("smpt_line_length_limit=0"),
    ),
]


@pytest.mark.parametrize("table", [SIGNING, VERIFYING, BOTH])
def test_a_relay_as_it_should_be_has_no_problem(
    relay: Relay, table: dict[str, Any]
) -> None:
    found = audit(relay.read(), relay.configuration(table))

    assert {one.level for one in found} == {"ok"}
    assert len(found) == 7


@pytest.mark.parametrize(("table", "changes", "level", "subject"), BREAKAGES)
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

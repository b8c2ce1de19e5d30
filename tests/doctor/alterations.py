"""What a Postfix may alter of a message, before we verify and after we signed."""

from tests.doctor.changes import (
    case,
    main,
    master,
)
from tests.doctor.conftest import BOTH, SIGNING, VERIFYING

ALTERATIONS = [
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
]

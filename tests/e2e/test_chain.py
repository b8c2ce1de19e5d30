"""An MMS through Postfix with OpenDKIM, OpenDMARC and stirmilter, in every order.

docs/operations.md, "Beside OpenDKIM, OpenDMARC and rspamd", says what is proven here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import pytest

from stirmilter.demo import mms
from stirmilter.demo.mms import MMS
from stirmilter.demo.operators import ONE as HOST
from tests.e2e import chain, milters
from tests.e2e.chain import ALICE, BOB, CLIENT, STRANGER, Chains, Found
from tests.e2e.watching import until

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"

OURS, DKIM, DMARC = "mx.two.example", "dkim.two.example", "dmarc.two.example"


@pytest.fixture(scope="module")
def chains() -> Iterator[Chains]:
    with chain.chains() as running:
        yield running


@pytest.fixture
def message() -> MMS:
    return MMS(name=token_hex(8), sender=ALICE, to=(BOB,), body=mms.body(video=False))


def written(message: MMS, *, domain: bool = True, more: str = "") -> bytes:
    """Write a message whose From has a domain, or none, as MMSCs write it."""
    octets = message.octets(datetime.now(UTC))
    bare = f"From: {message.sender}/TYPE=PLMN\r\n".encode()
    full = f"From: {message.mail_from}\r\n".encode()
    assert full in octets
    return more.encode() + (octets if domain else octets.replace(full, bare))


def recipe(chains: Chains) -> tuple[str, ...]:
    """Have Postfix remove what comes under the ids of our own milters."""
    path = chains.folder / "header_checks"
    path.write_text(milters.RECIPE)
    others = ("mime_header_checks =", "nested_header_checks =")
    return (f"header_checks = regexp:{path}", *others)


def test_the_page_shows_the_lines_that_are_tried() -> None:
    page = {" ".join(line.split()) for line in PAGE.read_text().splitlines()}

    assert {line for line in milters.shown() if line not in page} == set()


SIGNED = [
    pytest.param(
        ["sign", "opendkim-signs"], "pass", "pass", "authenticated", id="opendkim-last"
    ),
    pytest.param(
        ["sign", "opendkim-signs-ed25519"],
        "pass",
        "pass",
        "authenticated",
        id="opendkim-last-ed25519",
    ),
    pytest.param(
        ["sign", "opendkim-signs-debian"],
        "pass",
        "pass",
        "number-authenticated",
        id="opendkim-last-as-debian-has-it",
    ),
    pytest.param(
        ["sign", "opendkim-seals-more"],
        "fail",
        "fail",
        "number-authenticated",
        id="sealed-but-not-signed",
    ),
    pytest.param(
        ["opendkim-signs-before", "sign"],
        "pass",
        "pass",
        "number-authenticated",
        id="opendkim-first",
    ),
    pytest.param(
        ["opendkim-signs", "sign"],
        "fail",
        "fail",
        "number-authenticated",
        id="opendkim-first-and-sealed",
    ),
    pytest.param(["sign-rsa"], "pass", "pass", "authenticated", id="our-rsa"),
    pytest.param(["sign-ed25519"], "pass", "pass", "authenticated", id="our-ed25519"),
    pytest.param(
        ["sign-rsa", "opendkim-signs"],
        "pass,pass",
        "pass,pass",
        "authenticated",
        id="both-sign",
    ),
]


@pytest.mark.parametrize("domain", [True, False], ids=["domain", "bare"])
@pytest.mark.parametrize(("order", "theirs", "ours", "verdict"), SIGNED)
def test_what_each_order_of_signing_gives(
    chains: Chains,
    message: MMS,
    order: list[str],
    theirs: str,
    ours: str,
    verdict: str,
    domain: bool,
) -> None:
    sent = chains.carry(order, message, written(message, domain=domain))
    found = Found(
        chains.carry(
            ["opendkim", "opendmarc", "evaluate"], message, sent, client=CLIENT
        )
    )

    assert found.words(DKIM)["dkim"] == theirs
    assert found.words(OURS) == {
        "stir": "pass",
        "spf": "pass",
        "dkim": ours,
        "dmarc": "pass" if domain else "none",
        "arc": "none",
    }
    assert found.words(DMARC).get("dmarc") == ("pass" if domain else None)
    assert found.verdict == verdict


@pytest.mark.parametrize("domain", [True, False], ids=["domain", "bare"])
def test_what_no_dkim_at_all_gives(chains: Chains, message: MMS, domain: bool) -> None:
    """Of a bare From, OpenDKIM says ``; ;``, which is no result."""
    sent = chains.carry(["sign"], message, written(message, domain=domain))
    order = ["opendkim", "opendmarc", "evaluate"]

    found = Found(chains.carry(order, message, sent, client=CLIENT))

    assert found.words(DKIM).get("dkim") == ("none" if domain else None)
    assert (b"dkim.two.example; ; dkim-atps=neutral" in unfolded(found)) != domain
    assert found.words(OURS)["dkim"] == "none"
    assert found.verdict == "number-authenticated"


ORDERS = [
    pytest.param(
        ["opendkim", "opendmarc", "evaluate"],
        [OURS, OURS, DMARC, DMARC, DKIM],
        "authenticated",
        id="evaluate-last",
    ),
    pytest.param(
        ["evaluate", "opendkim", "opendmarc"],
        [DMARC, DMARC, DKIM, OURS, OURS],
        "authenticated",
        id="evaluate-first",
    ),
    pytest.param(
        ["opendkim", "opendmarc", "trust"],
        [OURS, DMARC, DMARC, DKIM],
        "number-authenticated",
        id="trust-last",
    ),
    pytest.param(
        ["opendkim", "opendmarc", "both"],
        [OURS, OURS, DMARC, DMARC, DKIM],
        "authenticated",
        id="both-last",
    ),
]


@pytest.mark.parametrize(("order", "ids", "verdict"), ORDERS)
def test_what_each_order_of_verifying_gives(
    chains: Chains, message: MMS, order: list[str], ids: list[str], verdict: str
) -> None:
    sent = chains.carry(["sign", "opendkim-signs"], message, written(message))

    arrived = chains.carry(order, message, sent, client=CLIENT, settings=recipe(chains))

    found = Found(arrived)
    assert found.ids == ids
    assert found.words(DKIM)["dkim"] == "pass"
    assert found.words(DMARC) == {"spf": "pass", "dmarc": "pass"}
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("order", "verdict"),
    [
        pytest.param(["opendkim", "opendmarc", "evaluate"], "domain-authenticated"),
        pytest.param(["opendkim", "opendmarc", "trust"], "domain-authenticated"),
        pytest.param(["opendkim", "opendmarc", "both"], "domain-authenticated"),
        pytest.param(["trust", "opendkim", "opendmarc"], "unauthenticated"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_a_message_without_passport_rests_on_dmarc(
    chains: Chains, message: MMS, order: list[str], verdict: str
) -> None:
    """Whom we trust must stand before us."""
    sent = chains.carry(["opendkim-signs"], message, written(message))

    arrived = chains.carry(order, message, sent, client=CLIENT, settings=recipe(chains))

    found = Found(arrived)
    assert found.words(DMARC)["dmarc"] == "pass"
    assert found.verdict == verdict


def test_what_differs_is_told(chains: Chains, message: MMS) -> None:
    """OpenDKIM as Debian has it looks at no message whose From has no domain."""
    octets = written(message, domain=False)
    sent = chains.carry(["sign", "opendkim-signs"], message, octets)
    order = ["opendkim-strict", "opendmarc", "both"]

    found = Found(
        chains.carry(order, message, sent, client=CLIENT, settings=recipe(chains))
    )

    assert found.words(DKIM) == {"dkim": "permerror"}
    assert found.words(OURS)["dkim"] == "pass"
    assert found.verdict == "authenticated"
    differs = f'differs="dkim: pass of {HOST} here, no pass at {DKIM}"'
    until(lambda: differs in chains.log("both").read_text(), "the difference")


def test_what_nobody_has_said_we_do_not_say_either(
    chains: Chains, message: MMS
) -> None:
    """Nothing was evaluated: no field of ours tells of SPF, DKIM or DMARC."""
    found = Found(chains.carry(["trust"], message, written(message), client=CLIENT))

    assert found.words(OURS) == {"stir": "none"}
    assert found.verdict == "unauthenticated"


FORGED = {
    "plain": "Authentication-Results: {id}; {result}\r\n",
    "before-the-colon": "Authentication-Results \t: {id}; {result}\r\n",
    "case": "authentication-RESULTS: {id}; {result}\r\n",
    "folded": "Authentication-Results:\r\n\t{id}; {result}\r\n",
    "comment": "Authentication-Results: (x) {id}; {result}\r\n",
    "id-in-capitals": "Authentication-Results: DMARC.two.example; {result}\r\n",
    "quoted": 'Authentication-Results: "dmarc.two.\\example"; {result}\r\n',
    "far-in": "Authentication-Results: {id};"
    + "".join(f' x{n}=none reason="{60 * "y"}";\r\n' for n in range(30))
    + " {result}\r\n",
}
BELIEVED = {"plain", "before-the-colon", "case", "far-in"}
"""What would be, were it not removed: without space or quotes before the id."""


def forged(message: MMS, disguise: str) -> bytes:
    """Write what claims DMARC to pass; the milters say nothing of a bare From."""
    result = f"dmarc=pass header.from={HOST}"
    field = FORGED[disguise].format(id=DMARC, result=result)
    return written(message, domain=False, more=field)


@pytest.mark.parametrize("disguise", FORGED)
def test_postfix_removes_what_comes_in_under_their_ids(
    chains: Chains, message: MMS, disguise: str
) -> None:
    order = ["opendkim-silent", "opendmarc", "trust"]

    found = Found(
        chains.carry(
            order,
            message,
            forged(message, disguise),
            client=STRANGER,
            settings=recipe(chains),
        )
    )

    assert found.verdict == "unauthenticated"
    assert found.words(OURS) == {"stir": "none"}
    if disguise != "quoted":
        assert found.words(DMARC) == {}
    assert found.ids[-1] == DKIM or disguise == "quoted"


@pytest.mark.parametrize("disguise", FORGED)
def test_without_the_recipe_the_word_strips_is_a_lie(
    chains: Chains, message: MMS, disguise: str
) -> None:
    """That the test above can fail; and OpenDMARC before us is not enough."""
    order = ["opendkim-silent", "opendmarc", "trust"]

    found = Found(
        chains.carry(order, message, forged(message, disguise), client=STRANGER)
    )

    assert (found.verdict == "domain-authenticated") == (disguise in BELIEVED)


def test_opendmarc_before_us_overrules_a_forged_field_where_it_speaks(
    chains: Chains, message: MMS
) -> None:
    """The topmost counts; but see above for mail of which it says nothing."""
    field = FORGED["plain"].format(id=DMARC, result=f"dmarc=pass header.from={HOST}")
    octets = written(message, more=field)

    found = Found(
        chains.carry(
            ["opendkim-silent", "opendmarc", "trust"], message, octets, client=STRANGER
        )
    )

    assert found.words(DMARC) == {"dmarc": "fail,pass", "spf": "fail"}
    assert found.verdict == "unauthenticated"


def test_opendmarc_behind_us_reads_what_we_found(chains: Chains, message: MMS) -> None:
    """It trusts our id, looks at nothing itself, and reads the addresses of MM4."""
    sent = chains.carry(["sign", "opendkim-signs"], message, written(message))
    order = ["evaluate", "opendmarc-reads-us"]

    found = Found(chains.carry(order, message, sent, client=CLIENT))
    other = Found(chains.carry(order, message, written(message), client=STRANGER))

    assert found.words(DMARC) == {"dmarc": "pass"}
    assert other.words(DMARC) == {"dmarc": "fail"}


@pytest.mark.parametrize(
    ("order", "left"),
    [
        pytest.param(
            ["evaluate", "opendkim-our-id"],
            [("dkim", "dkim-atps"), ("stir",)],
            id="opendkim-last",
        ),
        pytest.param(
            ["opendkim-our-id", "evaluate"],
            [("stir",), ("spf", "dkim", "dmarc", "arc")],
            id="opendkim-first",
        ),
    ],
)
def test_two_programs_of_one_id_remove_each_others_results(
    chains: Chains, message: MMS, order: list[str], left: list[tuple[str, ...]]
) -> None:
    sent = chains.carry(["sign", "opendkim-signs"], message, written(message))

    found = Found(chains.carry(order, message, sent, client=CLIENT))

    assert set(found.ids) == {OURS}
    assert [tuple(one.method for one in f.resinfos) for f in found.fields] == left


def unfolded(found: Found) -> bytes:
    return found.octets.replace(b"\r\n\t", b" ")

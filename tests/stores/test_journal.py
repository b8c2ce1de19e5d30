"""The journal: what is written is found again, masked and bounded."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from stirmilter.errors import StoreError
from stirmilter.events import Evidence, Handled, Removed, RemovedLimits
from stirmilter.stores import journalreader, journalrows
from stirmilter.stores.journal import Journal, JournalSettings
from stirmilter.stores.journalreader import FOUND, JournalReader
from tests.stores.events import DAY, EVENT, LEAF, NOW, ROOT, TOKEN, event
from tests.stores.journals import found, queue_ids

ORIG = "stir=pass header.orig=12025550123"


@pytest.mark.conformance("V-17")
def test_what_is_read_is_what_was_written(path: Path) -> None:
    written = Journal(path).write([EVENT])

    [read] = found(path, "4Yx1ab")
    assert written == 1
    assert read == EVENT
    assert read.evidence == EVENT.evidence
    assert read.stages == EVENT.stages


RULED = replace(
    EVENT,
    action="tag",
    rule="ladder:two",
    peer="two",
    shadow_action="reject",
    shadow_rule="s1",
)


def test_what_the_policy_said_is_kept(path: Path) -> None:
    Journal(path).write([EVENT, replace(RULED, queue_id="ruled")])

    assert found(path, "ruled") == [replace(RULED, queue_id="ruled")]
    assert found(path, "4Yx1ab") == [EVENT]


@pytest.mark.parametrize("table", ["rulings", "timings"])
def test_what_is_told_of_a_message_is_forgotten_with_it(path: Path, table: str) -> None:
    journal = Journal(path)
    journal.write([RULED])

    journal.prune(NOW + 1000 * DAY)

    with sqlite3.connect(path) as connection:
        query = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name from above
        assert connection.execute(query).fetchone() == (0,)


@pytest.mark.parametrize("table", ["rulings", "timings"])
def test_a_journal_from_before_there_was_such_a_table_is_read_and_written(
    path: Path, table: str
) -> None:
    journal = Journal(path)
    journal.write([EVENT])
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"DROP TABLE {table}")

    [old] = found(path, "4Yx1ab")
    Journal(path).write([replace(RULED, queue_id="new")])
    [new] = found(path, "new")

    assert old == EVENT
    assert old.stages == (EVENT.stages if table != "timings" else ())
    assert (new.rule, new.stages) == ("ladder:two", EVENT.stages)
    assert found(path, "4Yx1ab") == [EVENT]


def test_a_message_with_nothing_to_tell_is_kept_too(path: Path) -> None:
    bare = Handled("out", "unsigned", "no-signer", evidence=Evidence(time=NOW))

    Journal(path).write([bare])

    [read] = found(path, "-")
    assert (read, read.evidence) == (bare, bare.evidence)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("4Yx1ab", id="queue-id"),
        pytest.param("<1@mms.one.example>", id="message-id"),
        pytest.param("1@mms.one.example", id="message-id-without-brackets"),
        pytest.param('"tx-1"', id="transaction-id"),
        pytest.param("tx-1", id="transaction-id-without-quotes"),
        pytest.param("mms-1", id="mms-message-id"),
    ],
)
def test_a_message_is_found_by_each_of_its_names(path: Path, text: str) -> None:
    Journal(path).write([EVENT, event("other")])

    assert "4Yx1ab" in queue_ids(path, text)


@pytest.mark.parametrize("text", ["", "4Yx1a", "4yx1ab", "%", "' OR 1=1 --", "\ud800"])
def test_nothing_else_is_found(path: Path, text: str) -> None:
    Journal(path).write([EVENT])

    assert found(path, text) == []


def test_a_name_that_comes_again_finds_the_newest_first(path: Path) -> None:
    """Postfix gives the same short queue id to another message, some day."""
    events = [event("4Yx1ab", NOW + number * DAY) for number in range(FOUND + 5)]
    Journal(path).write(events)

    times = [read.evidence.time for read in found(path, "4Yx1ab") if read.evidence]

    assert times == [NOW + number * DAY for number in range(FOUND + 4, 4, -1)]


def test_a_look_up_by_any_name_reads_no_table_from_end_to_end(path: Path) -> None:
    Journal(path).write([EVENT])
    plan: list[str] = []

    with JournalReader(path) as reader:
        reader._connection.set_trace_callback(plan.append)
        reader.find("4Yx1ab")
        reader._connection.set_trace_callback(None)
        steps = reader._connection.execute(f"EXPLAIN QUERY PLAN {plan[0]}").fetchall()

    found = [step["detail"] for step in steps if step["detail"].startswith("S")]
    assert not [one for one in found if one.startswith("SCAN messages")]
    assert (
        len([one for one in found if "USING COVERING INDEX messages_part_" in one]) == 4
    )


def test_a_file_without_the_indexes_is_read_once_and_not_for_each_part(
    path: Path,
) -> None:
    Journal(path).write([EVENT, event("4Yx1ab", NOW)])
    with sqlite3.connect(path) as connection:
        for name in journalrows.IDENTIFIERS:
            connection.execute(f"DROP INDEX messages_part_{name}")
        plan = f"EXPLAIN QUERY PLAN {journalreader._FIND}"
        sought = {"plain": "", "bracketed": "", "quoted": "", "most": 1}
        steps = [row[3] for row in connection.execute(plan, sought)]
    connection.close()

    assert not [one for one in steps if one.startswith("SCAN messages")]
    assert len([one for one in steps if "rowid>? AND rowid<?" in one]) == 4
    assert "4Yx1ab" in [read.queue_id for read in found(path, "4Yx1ab")]


def test_an_index_of_before_is_dropped(path: Path) -> None:
    Journal(path).write([EVENT])
    indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'm%'"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE INDEX messages_queue_id ON messages (queue_id)")

    Journal(path).write([EVENT])

    names = {name for (name,) in connection.execute(indexes)}
    assert names == {
        "messages_time",
        *(f"messages_part_{name}" for name in journalrows.IDENTIFIERS),
    }
    connection.close()


@pytest.mark.parametrize("name", ["4Yx1ab", "<1@one.example>", "1@one.example"])
def test_a_message_is_found_in_whichever_part_of_the_journal(
    path: Path, name: str
) -> None:
    """They are indexed by the thousand; the first ones may have been forgotten."""
    others = [event(f"other{n}", NOW) for n in range(3_000)]
    writer = Journal(path, JournalSettings(age=DAY))
    writer.write([event("gone", NOW - 9 * DAY)] * 1_500)
    writer.prune(NOW)
    kept = event("4Yx1ab", NOW)
    assert kept.evidence is not None
    named = replace(kept, evidence=replace(kept.evidence, message_id="<1@one.example>"))
    writer.write([*others, named, *others])

    assert [read.queue_id for read in found(path, name)] == ["4Yx1ab"]
    assert found(path, "gone") == []


@pytest.mark.parametrize(
    ("full", "kept"), [(False, "1202555xxxx"), (True, "12025550123")]
)
def test_a_number_is_masked_unless_told_otherwise(
    path: Path, full: bool, kept: str
) -> None:
    settings = JournalSettings(full_numbers=full)

    Journal(path, settings).write([replace(EVENT, orig="12025550123")])

    assert found(path, "4Yx1ab")[0].orig == kept
    assert (b"12025550123" in octets(path)) is full


@pytest.mark.parametrize(
    "text", ["a\r\nb", "\x1b[2J", "\x00", "\u202e", "\udcff", "x" * 100_000]
)
def test_a_stranger_s_text_is_printable_and_bounded_wherever_it_stands(
    path: Path, text: str
) -> None:
    token = replace(TOKEN, detail=text, x5u=text, rule="")
    base = event("q", NOW, token)
    assert base.evidence is not None
    names = {"message_id": text, "transaction_id": text, "mms_message_id": text}
    evil = replace(
        base,
        queue_id=text,
        detail=text,
        x5u=text,
        evidence=replace(
            base.evidence,
            removed=(Removed(text, text),),
            **names,  # type: ignore[arg-type]
        ),
    )

    Journal(path).write([evil])

    [read] = found(path, text)
    told = repr(read)
    assert told.isascii()
    assert told.isprintable()
    assert len(told) < 6_000


@pytest.mark.parametrize(
    ("full", "kept"),
    [(False, "a; stir=pass header.orig=1202555xxxx"), (True, f"a; {ORIG}")],
)
def test_a_number_in_a_field_that_was_taken_out_is_masked_too(
    path: Path, full: bool, kept: str
) -> None:
    base = event("q", NOW).evidence
    assert base is not None
    found_in = replace(base, removed=(Removed("A", f"a; {ORIG}"),))
    kept_in = replace(EVENT, evidence=found_in)

    Journal(path, JournalSettings(full_numbers=full)).write([kept_in])

    [read] = found(path, "4Yx1ab")
    assert read.evidence is not None
    assert read.evidence.removed == (Removed("A", kept),)
    assert (b"12025550123" in octets(path)) is full


def test_a_journal_of_before_is_read_and_written_further(path: Path) -> None:
    """A table that came later is made when it is missed, and not missed by readers."""
    Journal(path).write([EVENT])
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE removed")
    connection.commit()
    connection.close()

    [before] = found(path, "4Yx1ab")
    Journal(path).write([event("later")])
    [later] = found(path, "later")

    assert before.evidence is not None
    assert later.evidence is not None
    assert EVENT.evidence is not None
    assert before.evidence.removed == ()
    assert later.evidence.removed == EVENT.evidence.removed


def test_no_more_is_kept_of_removed_fields_than_may_be(path: Path) -> None:
    base = event("q", NOW).evidence
    assert base is not None
    texts = ["x" * 16, "y" * 17, "z"]
    given = replace(base, removed=tuple(Removed("A", text) for text in texts))
    limits = RemovedLimits(fields=2, characters=16)

    journal = Journal(path, JournalSettings(removed=limits))
    journal.write([replace(EVENT, evidence=given)])

    [read] = found(path, "4Yx1ab")
    assert read.evidence is not None
    kept = [field.text for field in read.evidence.removed]
    assert kept == ["x" * 16, "y" * 13 + "..."]


def test_a_certificate_is_kept_once_with_its_first_and_last_use(path: Path) -> None:
    journal = Journal(path)

    journal.write([event("b", NOW), event("a", NOW - DAY), event("c", NOW + DAY)])
    journal.write([event("d", NOW + 2 * DAY), event("e", NOW)])

    connection = sqlite3.connect(path)
    kept = connection.execute("SELECT * FROM certificates ORDER BY der").fetchall()
    connection.close()
    times = (NOW - DAY).timestamp(), (NOW + 2 * DAY).timestamp()
    assert kept == [
        (bytes.fromhex(digest), der, *times) for digest, der in (LEAF, ROOT)
    ]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"journal: .*none/j: .*folder must exist"):
        Journal(tmp_path / "none" / "j")


def test_a_look_makes_no_file(path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"journal.sqlite: no such file: no mess"
    ) as told:
        JournalReader(path)

    assert str(told.value).endswith("was kept yet, or journal.path is another")

    assert not path.exists()


def test_a_look_at_what_is_no_journal_says_so(path: Path) -> None:
    path.write_bytes(b"something else" * 1000)

    with pytest.raises(StoreError, match="not a database"):
        found(path, "4Yx1ab")


def test_counts_tell_what_there_is(path: Path) -> None:
    Journal(path).write([event("a", NOW - DAY), event("b", NOW, TOKEN, TOKEN)])

    with JournalReader(path) as reader:
        stats = reader.stats()

    assert (stats.messages, stats.passports, stats.certificates) == (2, 3, 2)
    assert (stats.oldest, stats.newest) == (NOW - DAY, NOW)
    assert stats.octets > 0


def octets(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))

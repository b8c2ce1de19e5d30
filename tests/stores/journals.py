"""What the tests of the journal share: looking into one."""

from pathlib import Path

from stirmilter.events import Handled
from stirmilter.stores.journalreader import JournalReader


def found(path: Path, text: str) -> list[Handled]:
    with JournalReader(path) as reader:
        return reader.find(text)


def queue_ids(path: Path, text: str) -> list[str]:
    return [event.queue_id for event in found(path, text)]

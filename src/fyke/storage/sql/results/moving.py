"""Moves records of the journal into the tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import structlog

from fyke.errors import Unavailable
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import write
from fyke.storage.sql.results.drivers import Driver
from fyke.storage.sql.results.journal.folder import DAMAGED, FOREIGN, JournalFolder
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journal.segments import SegmentEnd
from fyke.storage.sql.results.store import Writer

MOVE_RECORDS, MOVE_BYTES = 4096, 16 * 2**20  # in one transaction

Do = Callable[[Callable[[Driver], list[bool]]], list[bool]]  # runs a function in one transaction

log = structlog.get_logger(__name__)


def move_journal(url: str, path: Path) -> None:
    """Move what is in the journal in the folder ``path`` into the tables, whether or not a runner
    is appending to it. Raises ``Unavailable``.
    """
    journal = JournalFolder(path)
    if not journal.segments():
        return
    # the runner removes what is moved, so it has to be on disk
    engine = make_engine(url, durable=True, pool_size=1)
    writer = Writer(engine)
    try:
        with journal.locked():
            move_files(journal, writer, {})
    finally:
        writer.close()
        engine.dispose()


def move_files(journal: JournalFolder, writer: Writer, ends: dict[Path, SegmentEnd]) -> None:
    """Move what the segments have after ``ends``, except those of other tables. Needs the lock."""
    store_id = writer.do(write.store_id)
    for segment, content in journal.read(ends):
        if content.store_id == store_id:
            move(writer.do, content.records, partial(journal.keep, segment, DAMAGED))


def take_over(journal: JournalFolder, writer: Writer) -> tuple[bytes, int, int]:
    """Move everything and remove all segments, which no runner writes any more. Keep those with
    damage and those of other tables. Return the id of the tables, the number of the last segment,
    and how many records there were. Needs the lock.
    """
    store_id = writer.do(write.store_id)
    count, number = 0, 0
    for segment, content in journal.read({}):
        number = int(segment.stem)
        if content.store_id and content.store_id != store_id:
            log.error("journal_of_another_database", segment=segment.name)
            journal.set_aside(segment, FOREIGN)
            continue
        move(writer.do, content.records, partial(journal.keep, segment, DAMAGED))
        count += len(content.records)
        if content.damaged:
            journal.set_aside(segment, DAMAGED)
        else:
            journal.remove(segment)
    return store_id, number, count


def move(do: Do, records: Sequence[JournalRecord], keep: Callable[[], None]) -> None:
    """Move records into the tables. ``keep`` keeps the file that contains them, see
    ``move_part``.
    """
    start = 0
    while start < len(records):
        length = part_length(_row_bytes(record) for record in islice(records, start, None))
        move_part(do, records[start : start + length], lambda _: keep())
        start += length


def move_part(do: Do, part: Sequence[JournalRecord], keep: Callable[[int], None]) -> list[bool]:
    """Move records in one transaction; return for each whether it was accepted.

    A record that cannot be stored counts as moved, so that a later move by any process gives the
    same answers. Before, ``keep`` is called with its index, to keep the file that contains it.
    """
    try:
        return do(partial(write.move, records=part))
    except (Unavailable, MemoryError):
        raise
    except Exception:
        log.exception("records_not_moved", records=len(part))
        return [_move_one(do, record, partial(keep, index)) for index, record in enumerate(part)]


def _move_one(do: Do, record: JournalRecord, keep: Callable[[], None]) -> bool:
    """Move one record, after it or another has made a transaction fail."""
    try:
        return do(partial(write.move, records=[record]))[0]
    except (Unavailable, MemoryError):
        raise
    except Exception as error:
        batch = record.batch
        log.error(
            "record_not_moved", attempt=batch.attempt_id, number=record.number, error=repr(error)
        )
        try:
            keep()
        except Unavailable as problem:  # what moves the others is not to wait for it
            log.error("record_not_kept", number=record.number, error=str(problem))
        if not _move_line_alone(do, record):
            do(partial(write.move, records=[_record_with(record)]))
        return False


def _move_line_alone(do: Do, record: JournalRecord) -> bool:
    """Write to the log of the run what of a record is lost, in place of the record. False if that
    cannot be stored either, or nothing is lost.
    """
    log_entries, lost = record.batch.log, _lost(record.batch)
    if not lost:
        return False
    text = f"SYSTEM: The database refused {lost}; the log of Fyke says why."
    group = log_entries[0].group if log_entries else ""
    line = NewLogEntry(LogType.ERROR, group, text, int(time.time() * 1000))
    try:
        do(partial(write.move, records=[_record_with(record, line)]))
    except (Unavailable, MemoryError):
        raise
    except Exception:
        return False
    return True


def _lost(batch: AttemptBatch) -> str:
    """What a batch has, in words."""
    parts = []
    if batch.rows:
        parts.append(f"{len(batch.rows)} of the pushed rows")
    if batch.headers is not None:
        parts.append("the declared columns")
    if batch.log:
        parts.append(f"{len(batch.log)} of the log lines")
    *first, last = parts or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _record_with(record: JournalRecord, *log_entries: NewLogEntry) -> JournalRecord:
    """A record with the same number and nothing but these lines."""
    batch = AttemptBatch(record.batch.run_id, record.batch.attempt_id, log=list(log_entries))
    return JournalRecord(record.number, batch)


def part_length(sizes: Iterable[int]) -> int:
    """How many records of these sizes in bytes are moved in one transaction."""
    count = total = 0
    for size in sizes:
        if count == MOVE_RECORDS or total > MOVE_BYTES:
            break
        count += 1
        total += size
    return count


def _row_bytes(record: JournalRecord) -> int:
    return sum(len(row.data) for row in record.batch.rows)

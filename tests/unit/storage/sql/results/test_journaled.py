"""Rows that are acknowledged from the journal: fences, crashes, full disks, failing flushes."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fyke.errors import Unavailable
from fyke.kit.file_lock import try_lock
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, RunTotals
from fyke.storage.sql.results import journaled
from fyke.storage.sql.results.fencing import FencingResults
from fyke.storage.sql.results.journal import pace
from fyke.storage.sql.results.journal.folder import LOCK, JournalFolder
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journaled import JournaledResults
from fyke.storage.sql.results.moving import move_journal
from fyke.storage.sql.results.store_id import read_store_id, renew_store_id
from support.prepared import rows_in
from support.rows import NONE, RUN, everything, numbers, plain, upsert
from support.stores import kill_runner, open_rows

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journaled, "_RETRY_BASE", 0.001)
    monkeypatch.setattr(journaled, "_RETRY_CAP", 0.002)


@pytest.fixture
def unmoved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are moved only on request."""
    monkeypatch.setattr(journaled, "MOVE_SECONDS", 1e9)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return rows_in(tmp_path)


def opened(url: str, folder: Path, **options: bool) -> Any:
    return open_rows(url, journal=folder / "journal", **options)


@pytest.fixture
async def runner(url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[JournaledResults]:
    async with opened(url, tmp_path, runner=True) as store:
        store._moved_at = asyncio.get_running_loop().time()  # as if records had just been moved
        for attempt in "ab":
            await store.open_attempt(RUN, attempt)
        yield store


@pytest.fixture
async def server(url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[FencingResults]:
    async with opened(url, tmp_path) as store:
        yield store


@asynccontextmanager
async def killed_runner(url: str, folder: Path, **options: bool) -> AsyncIterator[JournaledResults]:
    """A runner that is killed at the end of the block: it moves and removes nothing."""
    async with opened(url, folder, runner=True, **options) as store:
        store._moved_at = asyncio.get_running_loop().time()
        await store.open_attempt(RUN, "a")
        yield store
        await kill_runner(store)


def batch(*values: object, attempt: str = "a") -> AttemptBatch:
    return AttemptBatch(RUN, attempt, plain(*values))


def findings(folder: Path) -> list[str]:
    """What ``fyke db check`` says about the journal."""
    return JournalFolder(folder / "journal").findings(read_store_id(folder / "rows.db"))


@pytest.mark.usefixtures("unmoved")
async def test_a_row_is_acknowledged_before_it_is_in_the_tables(
    runner: JournaledResults, server: FencingResults
) -> None:
    assert await runner.append(batch(1)) is True
    assert await runner.commit([batch(2, attempt="b"), batch(3)]) == [True, True]
    assert await everything(server) == []
    rows = await everything(runner)  # its own reads see it at once
    assert numbers(rows) == [1, 2, 3]
    assert [row.attempt_id for row in rows] == ["a", "b", "a"]
    assert await everything(server) == rows


async def test_rows_become_readable_by_themselves_and_are_announced(
    runner: JournaledResults, server: FencingResults
) -> None:
    readable = asyncio.Event()
    runner.watch(lambda run: readable.set())
    await runner.append(batch(1))
    assert not readable.is_set()
    await readable.wait()
    assert numbers(await everything(server)) == [1]


@pytest.mark.usefixtures("unmoved")
async def test_an_attempt_closed_by_another_process_has_all_acknowledged_rows(
    runner: JournaledResults, server: FencingResults
) -> None:
    for number in range(5):
        assert await runner.append(batch(number)) is True
    assert await runner.append(batch("b", attempt="b")) is True
    assert await server.close_attempt("a") == 5
    assert await runner.append(batch(5)) is False  # in doubt: was it before the fence?
    assert await runner.append(batch(6)) is None
    assert await runner.commit([batch(7), batch(8, attempt="b")]) == [False, True]
    assert await runner.append(batch(9, attempt="b")) is True
    assert await runner.close_attempt("b") == 3
    assert numbers(await everything(server)) == [0, 1, 2, 3, 4, "b", 8, 9]


@pytest.mark.usefixtures("unmoved")
async def test_a_fence_between_write_and_acknowledgement_decides(
    runner: JournaledResults, server: FencingResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner is frozen after it has written two records and before it looks at the counter."""
    written = []
    for number, attempt in ((1, "a"), (2, "b")):
        record = JournalRecord(1, batch(number, attempt=attempt))
        size, _ = runner._journal_writer.append([record])
        written.append(runner._note(record, size))
    assert await server.close_attempt("a") == 1
    assert await runner.append(batch(3, attempt="b")) is True
    assert [pending.stored for pending in written] == [True, True]
    assert await runner.append(batch(4)) is None
    assert numbers(await everything(server)) == [1, 2, 3]


@pytest.mark.usefixtures("unmoved")
async def test_a_look_at_the_fences_during_a_write_hides_none_from_it(
    runner: JournaledResults, server: FencingResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner was frozen while the server closed the attempt."""
    assert await runner.commit([batch(1)]) == [True]
    await server.close_attempt("a")
    in_journal = runner._in_journal

    async def write_while_another_push_looks(work: Callable[[], Any]) -> Any:
        result = await in_journal(work)
        await runner._look_at_fences()
        return result

    monkeypatch.setattr(runner, "_in_journal", write_while_another_push_looks)
    assert await runner.commit([batch(2)]) == [False]
    assert numbers(await everything(server)) == [1]


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_killed_runner_leaves_each_row_once(
    url: str, tmp_path: Path, server: FencingResults, durable: bool
) -> None:
    async with killed_runner(url, tmp_path, durable=durable) as dead:
        await dead.commit([batch(1), batch(2)])
        await dead._move()
        await dead.commit([batch(3)])
        last = AttemptBatch(RUN, "a", [upsert(b'{"n":4}'), upsert(b'{"n":5}')])
        assert await dead.commit([last]) == [True]
    async with opened(url, tmp_path, runner=True) as store:
        assert numbers(await everything(server)) == [1, 2, 3, 5]
        await store.open_attempt(RUN, "a")
        assert await store.commit([batch(6)]) == [True]
        assert await store.close_attempt("a") == 5
    assert numbers(await everything(server)) == [1, 2, 3, 5, 6]
    assert JournalFolder(tmp_path / "journal").segments() == []


@pytest.mark.usefixtures("unmoved")
async def test_whoever_ends_an_attempt_of_a_dead_runner_moves_its_rows_first(
    url: str, tmp_path: Path, server: FencingResults
) -> None:
    async with killed_runner(url, tmp_path) as dead:
        await dead.commit([batch(1), batch(2)])
    line = NewLogEntry(4, "g", "the runner was lost", 1)
    assert await server.commit([AttemptBatch(RUN, "a", log=[line])]) == [True]
    assert await server.close_attempt("a") == 2
    async with opened(url, tmp_path, runner=True):
        assert numbers(await everything(server)) == [1, 2]


@pytest.mark.usefixtures("unmoved")
async def test_rows_of_a_deleted_run_do_not_return(
    url: str, tmp_path: Path, server: FencingResults
) -> None:
    async with killed_runner(url, tmp_path) as dead:
        await dead.commit([batch(1)])
        await dead._move()
        await server.close_attempt("a")
    await server.delete_run(RUN)
    async with opened(url, tmp_path, runner=True) as store:
        assert await store.totals(RUN, NONE) == RunTotals(0, 0)


@pytest.mark.usefixtures("unmoved")
async def test_a_torn_last_record_is_dropped_and_the_rest_moved(
    url: str, tmp_path: Path, server: FencingResults
) -> None:
    async with killed_runner(url, tmp_path) as dead:
        for number in range(3):
            await dead.append(batch(number))
        end = dead._journal_writer._segments[-1].end
    [segment] = JournalFolder(tmp_path / "journal").segments()
    os.truncate(segment, end - 1)
    async with opened(url, tmp_path, runner=True):
        assert numbers(await everything(server)) == [0, 1]
    assert findings(tmp_path) == []


@pytest.mark.usefixtures("unmoved")
async def test_moving_for_a_backup_needs_no_runner(
    runner: JournaledResults, server: FencingResults, url: str, tmp_path: Path
) -> None:
    await runner.append(batch(1))
    await asyncio.to_thread(move_journal, url, tmp_path / "journal")
    assert numbers(await everything(server)) == [1]
    await runner.append(batch(2))
    assert await runner.close_attempt("a") == 2
    assert numbers(await everything(server)) == [1, 2]


async def pragma(results: JournaledResults, text: str) -> int:
    driver = results._writer._driver
    assert driver is not None
    answer = await results._in_writer(lambda: driver.query(f"PRAGMA {text}"))
    return int(answer[0][0])


@pytest.mark.usefixtures("unmoved")
async def test_rows_wait_in_the_journal_while_the_tables_are_full(
    runner: JournaledResults, server: FencingResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = await pragma(runner, "page_count")
    await pragma(runner, f"max_page_count={pages}")
    value = "x" * 40_000
    assert await runner.append(batch(value)) is True
    with pytest.raises(Unavailable, match="full"):
        await runner.close_attempt("a")
    monkeypatch.setattr(journaled, "MAX_PENDING", 0)
    assert await runner.append(batch(2, attempt="b")) is None
    with pytest.raises(Unavailable, match="full"):
        await runner.commit([batch(2, attempt="b")])
    await pragma(runner, "max_page_count=1000000")
    assert await runner.commit([batch(2, attempt="b")]) == [True]
    assert await runner.close_attempt("a") == 1
    assert numbers(await everything(server)) == [value, 2]
    assert await runner.close_attempt("b") == 1


async def test_a_move_is_repeated_until_there_is_room(
    runner: JournaledResults, server: FencingResults
) -> None:
    readable = asyncio.Event()
    runner.watch(lambda run: readable.set())
    pages = await pragma(runner, "page_count")
    await pragma(runner, f"max_page_count={pages}")
    assert await runner.append(batch("x" * 40_000)) is True
    while not runner._failures:
        await asyncio.sleep(0)
    await pragma(runner, "max_page_count=1000000")
    await readable.wait()
    assert len(await everything(server)) == 1


@pytest.mark.usefixtures("unmoved")
async def test_upserts_are_stored_in_the_tables_after_what_was_pushed_before(
    runner: JournaledResults, server: FencingResults
) -> None:
    await runner.append(batch(1))
    first, second = (
        AttemptBatch(RUN, "a", [upsert(data)]) for data in (b'{"n":2}', b'{"n":3,"m":4}')
    )
    assert await runner.append(first) is None
    assert await runner.commit([first, batch(5, attempt="b"), second]) == [True, True, True]
    assert numbers(await everything(server)) == [1, 3, 5]
    await server.close_attempt("a")
    assert await runner.commit([first]) == [False]


class FailingDisk:
    """Writes of ``part`` of the next record, and then fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, part: float) -> None:
        self._pwritev, self._part, self.failures = os.pwritev, part, 0
        monkeypatch.setattr(os, "pwritev", self.write)

    def write(self, descriptor: int, parts: list[bytes], position: int) -> int:
        if self.failures:
            return self._pwritev(descriptor, parts, position)
        self.failures += 1
        data = b"".join(parts)
        self._pwritev(descriptor, [data[: int(len(data) * self._part)]], position)
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("part", [0, 0.9, 1])
async def test_rows_whose_write_fails_are_stored_once(
    runner: JournaledResults,
    server: FencingResults,
    monkeypatch: pytest.MonkeyPatch,
    part: float,
) -> None:
    """Another process moves what it finds in the journal before the runner does."""
    move = runner._move

    async def move_after_the_server() -> None:
        await server._move()
        await move()

    assert await runner.append(batch(1)) is True
    with monkeypatch.context() as patched:
        patched.setattr(runner, "_move", move_after_the_server)
        disk = FailingDisk(patched, part)
        pushes = (store(runner, batch(number)) for number in range(2, 6))
        assert await asyncio.gather(*pushes) == [True] * 4
        assert disk.failures == 1
        await runner._move()
    assert await runner.close_attempt("a") == 5
    assert numbers(await everything(server)) == [1, 2, 3, 4, 5]


async def store(results: JournaledResults, batch: AttemptBatch) -> bool | None:
    answer = await results.append(batch)
    return (await results.commit([batch]))[0] if answer is None else answer


@pytest.mark.usefixtures("unmoved")
async def test_records_of_other_tables_are_kept_aside(
    url: str, tmp_path: Path, server: FencingResults
) -> None:
    """A backup of rows.db was put in the place of the file with which the journal was written."""
    async with killed_runner(url, tmp_path) as dead:
        await dead.commit([batch(1)])
    renew_store_id(tmp_path / "rows.db")
    [finding] = findings(tmp_path)
    assert "belongs to another rows.db" in finding
    assert await server.close_attempt("b") == 0
    await asyncio.to_thread(move_journal, url, tmp_path / "journal")
    async with opened(url, tmp_path, runner=True) as runner:
        assert await everything(runner) == []
        await runner.open_attempt(RUN, "c")
        assert await runner.append(batch(2, attempt="c")) is True
    assert numbers(await everything(server)) == [2]
    [finding] = findings(tmp_path)
    assert "00000001.journal.foreign belongs to another rows.db" in finding


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("unmoved")
async def test_without_room_for_the_journal_its_segments_are_removed(
    runner: JournaledResults, server: FencingResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk has less than a segment left: rows go to the tables, and what was moved is freed."""
    journal = runner._journal
    await runner.append(batch(1))
    segment = runner._journal_writer._segments[-1]
    segment.end = segment.size
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        assert await runner.append(batch(2)) is None
        assert await runner.commit([batch(2), batch(3, attempt="b")]) == [True, True]
        assert journal.segments() == []
        assert numbers(await everything(server)) == [1, 2, 3]
        assert await runner.commit([batch(4)]) == [True]
    assert await runner.commit([batch(5)]) == [True]
    assert numbers(await everything(server)) == [1, 2, 3, 4]
    assert await runner.append(batch(6)) is True
    assert await runner.close_attempt("a") == 5
    assert numbers(await everything(server)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("unmoved")
async def test_a_row_whose_flush_fails_is_acknowledged_when_it_is_in_the_tables(
    url: str, tmp_path: Path, server: FencingResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(url, tmp_path, runner=True, durable=True) as runner:
        runner._moved_at = asyncio.get_running_loop().time()
        await runner.open_attempt(RUN, "a")
        assert await runner.commit([batch(1)]) == [True]
        assert await everything(server) == []
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", full)
            pushes = (runner.commit([batch(number)]) for number in range(2, 6))
            assert await asyncio.gather(*pushes) == [[True]] * 4
        assert numbers(await everything(server)) == [1, 2, 3, 4, 5]
        assert await runner.commit([batch(6)]) == [True]  # the journal is used again
        assert numbers(await everything(server)) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("unmoved")
async def test_nothing_is_written_after_a_failure_until_all_was_moved(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that finds a higher number would pass over a record that may not be there."""
    async with opened(url, tmp_path, runner=True, durable=True) as runner:
        runner._moved_at = asyncio.get_running_loop().time()
        await runner.open_attempt(RUN, "a")
        events: list[str] = []
        write, move = runner._journal_writer.append, runner._move_some

        def note_write(records: list[JournalRecord], **options: bool) -> tuple[int, bool]:
            result = write(records, **options)
            events.append("written" if result[1] else "failed")
            return result

        async def note_move() -> None:
            await move()
            events.append("moved")

        monkeypatch.setattr(runner._journal_writer, "append", note_write)
        monkeypatch.setattr(runner, "_move_some", note_move)
        FailingDisk(monkeypatch, 0)
        pushes = (runner.commit([batch(number)]) for number in (1, 2))
        assert await asyncio.gather(*pushes) == [[True], [True]]
        assert events == ["failed", "moved", "written"]
        assert numbers(await everything(runner)) == [1, 2]


@pytest.mark.parametrize("durable", [False, True])
async def test_rows_are_written_in_the_event_loop_if_that_is_quick(
    url: str, tmp_path: Path, durable: bool
) -> None:
    async with opened(url, tmp_path, runner=True, durable=durable) as runner:
        await runner.open_attempt(RUN, "a")
        assert await runner.append(batch(1)) is (None if durable else True)
        assert await runner.append(batch("x" * journaled.MAX_APPEND_BYTES)) is None
        assert await runner.commit([batch("x" * journaled.MAX_APPEND_BYTES)]) == [True]


@pytest.fixture
async def flushing(
    url: str, tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[JournaledResults]:
    """A runner that flushes; attempt ``a`` has pushed 1, and pushes alone."""
    monkeypatch.setattr(pace, "ALONE_SECONDS", 0)
    monkeypatch.setattr(pace, "SLOW_FLUSHES_SECONDS", 10)
    async with opened(url, tmp_path, runner=True, durable=True) as store:
        for attempt in "ab":
            await store.open_attempt(RUN, attempt)
        assert await store.commit([batch(1)]) == [True]
        yield store


async def test_the_event_loop_waits_for_the_flush_of_an_attempt_that_pushes_alone(
    flushing: JournaledResults,
) -> None:
    appends = [flushing.append(batch(2)), flushing.append(batch(3))]
    assert await asyncio.gather(*appends) == [True, None]  # once in a turn
    segment = flushing._journal_writer._segments[-1]
    assert segment.synced == segment.end
    assert await flushing.append(batch(3)) is True
    assert numbers(await everything(flushing)) == [1, 2, 3]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_flush_that_hangs_keeps_nothing_but_rows_waiting(
    flushing: JournaledResults, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    flush, disk = os.fdatasync, threading.Event()

    def hanging(descriptor: int) -> None:
        assert disk.wait(30)
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", hanging)
    first = asyncio.create_task(flushing.append(batch(2)))
    await asyncio.sleep(0)  # returns while the disk hangs
    assert await flushing.append(batch(3)) is None
    others = asyncio.gather(*(flushing.commit([batch(3, attempt=attempt)]) for attempt in "ab"))
    await asyncio.sleep(0)
    if cancelled:
        first.cancel()
    disk.set()
    assert await asyncio.gather(first, return_exceptions=True) != [None]
    assert cancelled or first.result() is True
    assert await others == [[True], [True]]
    assert numbers(await everything(flushing)) == [1, 2, 3, 3]


async def test_a_row_whose_awaited_flush_fails_is_acknowledged_when_it_is_in_the_tables(
    flushing: JournaledResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    FailingDisk(monkeypatch, 0)
    assert await flushing.append(batch(2)) is True
    assert numbers(await everything(flushing)) == [1, 2]
    assert await flushing.commit([batch(3)]) == [True]
    assert numbers(await everything(flushing)) == [1, 2, 3]


async def test_a_push_that_is_cancelled_during_its_write_is_kept(
    runner: JournaledResults,
) -> None:
    pushing = asyncio.create_task(runner.commit([batch(1)]))
    await asyncio.sleep(0)
    pushing.cancel()
    assert await runner.commit([batch(2)]) == [True]
    assert numbers(await everything(runner)) == [1, 2]


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("mover", ["runner", "server", "backup"])
async def test_a_record_that_cannot_be_stored_is_kept_in_its_file_whoever_moves_it(
    runner: JournaledResults, server: FencingResults, url: str, tmp_path: Path, mover: str
) -> None:
    too_large = NewLogEntry(1, "g", "c", 2**63)  # no database has such a number
    await runner.commit([batch(1)])
    await runner.commit([AttemptBatch(RUN, "a", plain(2), log=[too_large])])
    await runner.commit([batch(3)])
    record = runner._pending[1]
    if mover == "server":
        await server.commit([batch(0, attempt="unknown")])
    elif mover == "backup":
        await asyncio.to_thread(move_journal, url, tmp_path / "journal")
    assert await runner.append(batch(4)) is True
    assert await runner.close_attempt("a") == 3
    # who moves it later sees only that its number was moved
    assert record.stored is (mover != "runner")
    assert numbers(await everything(server)) == [1, 3, 4]
    await runner.close()
    [finding] = findings(tmp_path)
    assert "00000001.journal.damaged was damaged" in finding


async def test_a_record_that_can_be_neither_stored_nor_kept_is_passed_over(
    runner: JournaledResults, server: FencingResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system has no links, or no room for a name."""
    monkeypatch.setattr(Path, "hardlink_to", full)
    too_large = NewLogEntry(1, "g", "c", 2**63)
    await runner.commit([AttemptBatch(RUN, "a", plain(1), log=[too_large])])
    await runner.commit([batch(2)])
    assert await runner.close_attempt("a") == 1
    assert numbers(await everything(server)) == [2]


async def test_a_record_in_doubt_that_cannot_be_stored_is_refused(
    runner: JournaledResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    FailingDisk(monkeypatch, 0)
    too_large = NewLogEntry(1, "g", "c", 2**63)
    readable: list[str] = []
    runner.watch(readable.append)
    assert await runner.append(AttemptBatch(RUN, "a", plain(1), log=[too_large])) is False
    assert readable == []


async def test_a_batch_that_cannot_be_written_fails_alone(runner: JournaledResults) -> None:
    bad = AttemptBatch(RUN, "a", log=[NewLogEntry(1, "g", "c", 2**64)])
    answers = await asyncio.gather(
        runner.commit([bad]), runner.commit([batch(1, attempt="b")]), return_exceptions=True
    )
    assert isinstance(answers[0], OverflowError)
    assert answers[1] == [True]
    assert numbers(await everything(runner)) == [1]


async def test_the_deletion_of_a_run_that_has_ended_announces_no_fence(
    runner: JournaledResults, server: FencingResults
) -> None:
    for attempt in "ab":
        await runner.close_attempt(attempt)
    await runner.open_attempt(RUN, RUN)  # for lines about the run; it is not closed
    await server.delete_run(RUN)
    assert runner._fences.count == 0
    await runner.open_attempt("other", "c")
    await server.delete_run("other")
    assert runner._fences.count == 1


@pytest.mark.usefixtures("unmoved")
async def test_the_last_segments_are_removed_while_no_other_process_reads_them(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = JournalFolder(tmp_path / "journal")
    remove, removed = JournalFolder.remove, []

    def check_lock(folder: JournalFolder, segment: Path) -> None:
        removed.append(segment.name)
        assert try_lock(journal.path / LOCK) is None
        remove(folder, segment)

    monkeypatch.setattr(JournalFolder, "remove", check_lock)
    async with opened(url, tmp_path, runner=True) as runner:
        await runner.open_attempt(RUN, "a")
        await runner.append(batch(1))
    assert removed == ["00000001.journal"]
    assert journal.segments() == []


async def test_batches_of_attempts_that_were_not_opened_here_are_written_to_the_tables(
    runner: JournaledResults, server: FencingResults
) -> None:
    await server.open_attempt(RUN, "c")
    await runner.append(batch(1))
    assert await runner.commit([batch(2, attempt="c"), batch(3), batch(4, attempt="unknown")]) == [
        True,
        True,
        False,
    ]
    assert numbers(await everything(server)) == [1, 2, 3]
    line = NewLogEntry(2, "g", "about the run", 1)
    await runner.open_attempt(RUN, RUN)
    assert await runner.commit([AttemptBatch(RUN, RUN, log=[line])]) == [True]
    assert RUN not in runner._attempts
    assert await server.log_count(RUN) == 1


async def test_a_reader_of_the_stores_path_moves_nothing(
    runner: JournaledResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk must not look like a database that cannot be read."""

    async def fail() -> None:
        raise Unavailable

    monkeypatch.setattr(runner, "_move", fail)
    await runner.path().check()


def test_the_number_of_a_record_is_kept_in_the_tables(url: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(url, tmp_path, runner=True) as store:
            await store.open_attempt(RUN, "a")
            for number in range(3):
                await store.append(batch(number))

    asyncio.run(work())
    with sqlite3.connect(tmp_path / "rows.db") as connection:
        assert connection.execute("SELECT moved, rows FROM results_attempts").fetchall() == [(3, 3)]
    connection.close()

"""Rows that are acknowledged from the journal: fences, crashes, the pace of pushes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fyke.errors import Unavailable
from fyke.kit.file_lock import try_lock
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, RunTotals
from fyke.storage.sql.results import journaled
from fyke.storage.sql.results.fencing import FencingResults
from fyke.storage.sql.results.journal.folder import LOCK, JournalFolder
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journaled import JournaledResults
from fyke.storage.sql.results.moving import move_journal
from fyke.storage.sql.results.store_id import renew_store_id
from support.journaled import batch, findings, killed_runner, opened
from support.rows import NONE, RUN, everything, numbers, upsert

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_retries")]


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


@pytest.mark.parametrize("durable", [False, True])
async def test_rows_are_written_in_the_event_loop_if_that_is_quick(
    url: str, tmp_path: Path, durable: bool
) -> None:
    async with opened(url, tmp_path, runner=True, durable=durable) as runner:
        await runner.open_attempt(RUN, "a")
        assert await runner.append(batch(1)) is (None if durable else True)
        assert await runner.append(batch("x" * journaled.MAX_APPEND_BYTES)) is None
        assert await runner.commit([batch("x" * journaled.MAX_APPEND_BYTES)]) == [True]


async def test_the_event_loop_waits_for_the_flush_of_an_attempt_that_pushes_alone(
    flushing: JournaledResults,
) -> None:
    appends = [flushing.append(batch(2)), flushing.append(batch(3))]
    assert await asyncio.gather(*appends) == [True, None]  # once in a turn
    segment = flushing._journal_writer._segments[-1]
    assert segment.synced == segment.end
    assert await flushing.append(batch(3)) is True
    assert numbers(await everything(flushing)) == [1, 2, 3]


async def test_a_push_that_is_cancelled_during_its_write_is_kept(
    runner: JournaledResults,
) -> None:
    pushing = asyncio.create_task(runner.commit([batch(1)]))
    await asyncio.sleep(0)
    pushing.cancel()
    assert await runner.commit([batch(2)]) == [True]
    assert numbers(await everything(runner)) == [1, 2]


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

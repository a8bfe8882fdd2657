"""Rows in the journal when the disk is full, fails or hangs, and records that cannot be stored."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from fyke.errors import Unavailable
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.storage.sql.results import journaled
from fyke.storage.sql.results.fencing import FencingResults
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journaled import JournaledResults
from fyke.storage.sql.results.moving import move_journal
from support.journaled import batch, findings, opened
from support.rows import RUN, everything, numbers, plain

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_retries")]


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


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_flush_that_hangs_keeps_nothing_but_rows_waiting(
    flushing: JournaledResults, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    flush, hangs, disk = os.fdatasync, threading.Event(), threading.Event()

    def hanging(descriptor: int) -> None:
        hangs.set()
        assert disk.wait(30)
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", hanging)
    first = asyncio.create_task(flushing.append(batch(2)))
    while not hangs.is_set():
        assert not first.done()
        await asyncio.sleep(0)
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

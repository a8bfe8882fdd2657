"""The queued output of one attempt: order, bounds of a batch, and what its pushes wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fyke.domain.results import write_queue
from fyke.domain.results.write_queue import WriteQueue
from fyke.errors import StaleLease
from fyke.model.log import NewLogEntry
from fyke.model.results import Header, PushedRow

pytestmark = pytest.mark.anyio


def row(number: int, size: int = 10) -> PushedRow:
    return PushedRow(str(number).encode().rjust(size, b"0"))


def line(text: str) -> NewLogEntry:
    return NewLogEntry(type=2, content=text, timestamp=1, group="1")


@pytest.fixture
def queue() -> WriteQueue:
    return WriteQueue("run", "attempt")


async def test_a_batch_has_rows_and_lines_in_the_order_of_arrival(queue: WriteQueue) -> None:
    for number in range(3):
        queue.put_row(row(number))
        queue.put_log(line(str(number)))
    assert (queue.rows, queue.log_lines) == ((3, 30), 3)
    batch = queue.take_batch().batch
    assert [int(item.data) for item in batch.rows] == [0, 1, 2]
    assert [item.content for item in batch.log] == ["0", "1", "2"]
    assert queue.empty and not queue.idle


@pytest.mark.parametrize(
    ("alone", "rows"),
    [(True, write_queue.ROWS_PER_BATCH), (False, write_queue.SHARED_ROWS_PER_BATCH)],
)
async def test_a_batch_is_smaller_while_others_store_rows(
    queue: WriteQueue, alone: bool, rows: int
) -> None:
    for number in range(rows + 1):
        queue.put_row(row(number, 1))
    assert len(queue.take_batch(alone=alone).batch.rows) == rows
    assert queue.rows[0] == 1


async def test_a_batch_ends_with_the_row_that_fills_it(queue: WriteQueue) -> None:
    half = write_queue.ROW_BYTES_PER_BATCH // 2
    for number in range(4):
        queue.put_row(row(number, half + 1))
    assert len(queue.take_batch().batch.rows) == 2


async def test_a_batch_ends_with_the_line_that_fills_it(queue: WriteQueue) -> None:
    text = "x" * (write_queue.LOG_CHARS_PER_BATCH // 2 + 1)
    for _ in range(3):
        queue.put_log(line(text))
    assert [len(queue.take_batch().batch.log) for _ in range(2)] == [2, 1]
    assert queue.empty


async def test_batches_are_numbered_in_the_order_in_which_they_are_taken(queue: WriteQueue) -> None:
    numbers = [
        queue.take_batch().batch.number,
        queue.next_number(),
        queue.take_batch().batch.number,
    ]
    assert numbers == [1, 2, 3]
    queue.discard(StaleLease("over"))
    assert queue.take_batch().batch.number == 4


async def test_only_the_last_headers_are_written_and_all_their_pushes_wait(
    queue: WriteQueue,
) -> None:
    first = queue.put_headers([Header("a", "a", "text")])
    second = queue.put_headers([Header("b", "b", "text")])
    batch = queue.take_batch()
    assert batch.batch.headers == [Header("b", "b", "text")]
    assert not first.done() and not second.done()
    batch.accept()
    assert first.done() and second.done()
    assert queue.take_batch().batch.headers is None


async def test_a_batch_that_was_not_stored_refuses_its_pushes(queue: WriteQueue) -> None:
    stored, cancelled = queue.put_row(row(1)), queue.put_row(row(2))
    cancelled.cancel()
    queue.take_batch().refuse(StaleLease("over"))
    with pytest.raises(StaleLease):
        await stored
    assert cancelled.cancelled()


async def test_discarding_refuses_everything_that_is_queued(queue: WriteQueue) -> None:
    stored = [queue.put_row(row(1)), queue.put_headers([])]
    for number in range(write_queue.LOG_LINES_PER_BATCH + 1):
        queue.put_log(line(str(number)))
    queue.discard(StaleLease("over"))
    assert queue.discarded and queue.idle
    for item in stored:
        with pytest.raises(StaleLease):
            await item


@pytest.mark.parametrize("end", [WriteQueue.settle, lambda queue: queue.discard(StaleLease("x"))])
async def test_waiting_for_a_flush_ends_with_it(
    queue: WriteQueue, end: Callable[[WriteQueue], None]
) -> None:
    queue.put_row(row(1))
    queue.take_batch()
    waiting = asyncio.create_task(queue.wait_settled())
    await asyncio.sleep(0)
    assert not waiting.done()
    end(queue)
    await waiting

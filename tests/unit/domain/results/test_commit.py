"""The group commit: batches, outages of the store, failing batches, the end of the runner."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from fyke.domain.results import commit, write_queue
from fyke.domain.results.commit import GroupCommit, retry_while_unavailable
from fyke.domain.results.write_queue import WriteQueue
from fyke.errors import Forbidden, NotStorable, OutcomeUnknown, StaleLease, Unavailable
from fyke.model.log import LogType
from fyke.model.results import AttemptBatch, Header, PushedRow
from support.blocking_results import BlockableResults, running, turns

pytestmark = pytest.mark.anyio


@pytest.fixture
def results() -> BlockableResults:
    return BlockableResults()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "RETRY_BASE", 0.001)
    monkeypatch.setattr(commit, "RETRY_CAP", 0.002)


async def test_batches_during_a_commit_share_the_next(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempts = [await taking.open("run", name, name) for name in "abc"]
        results.unblocked.clear()
        first = asyncio.create_task(attempts[0].push(b"1"))
        await results.committing.wait()
        later = [asyncio.create_task(a.push(b"2")) for a in attempts for _ in range(5)]
        await turns()
        results.unblocked.set()
        await asyncio.gather(first, *later)
        assert [[len(b.rows) for b in batches] for batches in results.batches] == [[1], [5, 5, 5]]


async def test_a_flooding_attempt_has_one_batch_per_flush(results: BlockableResults) -> None:
    async with running(results) as taking:
        flood, quiet = await taking.open("r", "flood", ""), await taking.open("s", "quiet", "")
        results.unblocked.clear()
        pushes = [asyncio.create_task(flood.push(b"1")) for _ in range(3000)]
        await turns()
        pushes.append(asyncio.create_task(quiet.push(b"2")))
        await turns()
        results.unblocked.set()
        await asyncio.gather(*pushes)
        sizes = [{b.attempt_id: len(b.rows) for b in batches} for batches in results.batches]
        assert sizes[0] == {"flood": write_queue.ROWS_PER_BATCH}  # there was no other attempt yet
        assert sizes[1] == {"flood": write_queue.SHARED_ROWS_PER_BATCH, "quiet": 1}
        assert max(size["flood"] for size in sizes[1:]) == write_queue.SHARED_ROWS_PER_BATCH


async def test_an_attempt_alone_has_larger_batches(results: BlockableResults) -> None:
    async with running(results) as taking:
        flood = await taking.open("r", "flood", "")
        await asyncio.gather(*(flood.push(b"1") for _ in range(3000)))
        sizes = [len(batch.rows) for (batch,) in results.batches]
        assert max(sizes) == write_queue.ROWS_PER_BATCH


@pytest.mark.slow
async def test_batches_of_large_rows_are_bounded_by_bytes(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "FLUSH_BYTES", 3 * 2**20)
    async with running(results) as taking:
        attempts = [await taking.open("r", str(i), "") for i in range(4)]
        results.unblocked.clear()
        row = json.dumps("x" * 1_500_000).encode()
        pushes = [asyncio.create_task(a.push(row)) for a in attempts for _ in range(3)]
        await asyncio.sleep(0.2)
        results.unblocked.set()
        await asyncio.gather(*pushes)
        for batches in results.batches:
            assert sum(len(row.data) for b in batches for row in b.rows) < 7 * 2**20
        assert len(results.stored) == 12


async def test_an_unavailable_store_is_waited_for(results: BlockableResults) -> None:
    results.failures = [Unavailable("disk full"), Unavailable("disk full")]
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        with capture_logs() as logged:
            await attempt.push(b"1")
        assert len(results.stored) == 1
        assert [(line["event"], line["times"]) for line in logged] == [
            ("rows_wait_for_the_store", 1),
            ("rows_are_stored_again", 2),
        ]
        results.failures = [Unavailable()]
        assert await attempt.close() == 1


async def test_a_batch_is_sent_again_with_its_number_and_its_content(
    results: BlockableResults,
) -> None:
    sent: list[AttemptBatch] = []
    answer = results.commit

    async def lose_first_answers(batches: Sequence[AttemptBatch]) -> list[bool]:
        sent.extend(copy.deepcopy(batches))
        if len(sent) < 3:
            raise OutcomeUnknown
        return await answer(batches)

    results.commit = lose_first_answers  # type: ignore[method-assign]
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        attempt.log(LogType.INFO, "first")
        pushes = [asyncio.create_task(attempt.push(b'{"n":1}'))]
        while len(sent) < 1:
            await turns(1)
        attempt.log(LogType.INFO, "second")
        pushes.append(asyncio.create_task(attempt.push(b'{"n":2}')))
        await asyncio.gather(*pushes)
    assert sent[0] == sent[1] == sent[2] and sent[0].log[0].content == "first"
    assert sent[0].number < sent[3].number
    rows = [row.data for batch in sent[2:] for row in batch.rows]
    assert rows == [b'{"n":1}', b'{"n":2}']


async def test_a_failing_batch_does_not_affect_the_others(results: BlockableResults) -> None:
    results.poison = "bad"
    async with running(results) as taking:
        bad, good = await taking.open("r", "bad", ""), await taking.open("r", "good", "")
        results.unblocked.clear()
        pushes = [asyncio.create_task(a.push(b"1")) for a in (bad, good, bad, good)]
        await turns()
        results.unblocked.set()
        outcomes = await asyncio.gather(*pushes, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [NotStorable, type(None)] * 2
        assert (bad.rows, good.rows) == (0, 2)


class Refusing(BlockableResults):
    """Refuses rows and log lines that contain ``bad``. Like the database, it answers that a batch
    is stored when it has stored a higher number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.error: Exception = NotStorable("The database refuses it: no")
        self._last: dict[str, int] = {}

    async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
        for batch in batches:
            texts = [row.data for row in batch.rows]
            texts += [entry.content.encode() for entry in batch.log]
            if any(b"bad" in text for text in texts):
                raise self.error
        fresh = [batch for batch in batches if batch.number > self._last.get(batch.attempt_id, 0)]
        for batch in fresh:
            self._last[batch.attempt_id] = batch.number
            self.log += [entry.content for entry in batch.log]
        await super().commit(fresh)
        return [True] * len(batches)


async def test_a_row_that_cannot_be_stored_is_refused_alone() -> None:
    results = Refusing()
    async with running(results) as taking:
        attempt, other = await taking.open("r", "a", ""), await taking.open("s", "b", "")
        attempt.log(LogType.INFO, "kept")
        rows = [b'{"n":"%s"}' % (b"bad" if n in (3, 4, 9) else b"%d" % n) for n in range(10)]
        pushes = [asyncio.create_task(attempt.push(row)) for row in rows]
        pushes.append(asyncio.create_task(attempt.set_headers([Header("l", "k", "text")])))
        pushes.append(asyncio.create_task(other.push(b'{"n":"other"}')))
        outcomes = await asyncio.gather(*pushes, return_exceptions=True)
        refused = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, NotStorable)]
        assert refused == [3, 4, 9]
        assert outcomes.count(None) == len(outcomes) - 3
        await attempt.flush()
    stored = [row for run, _, row in results.stored if run == "r"]
    assert stored == [row for n, row in enumerate(rows) if n not in refused], "in their order"
    assert [headers for batches in results.batches for b in batches if (headers := b.headers)]
    assert results.log == ["kept", "A row was refused: The database refuses it: no"]


async def test_a_line_that_cannot_be_stored_is_left_out_alone() -> None:
    results = Refusing()
    async with running(results) as taking:
        attempt = await taking.open("r", "a", "")
        for text in ("one", "bad", "two"):
            attempt.log(LogType.INFO, text)
        with capture_logs() as logged:
            await attempt.flush()
    assert results.log == ["one", "two"]
    assert [line["event"] for line in logged] == ["batch_failed"]


async def test_what_is_no_matter_of_the_content_refuses_all_at_once() -> None:
    results = Refusing()
    results.error = Forbidden("Another machine has the name of this node")
    async with running(results) as taking:
        attempt = await taking.open("r", "a", "")
        pushes = [asyncio.create_task(attempt.push(row)) for row in (b'"bad"', b'"good"')]
        outcomes = await asyncio.gather(*pushes, return_exceptions=True)
    assert outcomes == [results.error] * 2


async def test_what_is_too_large_for_the_memory_waits_once_it_cannot_be_split(
    results: BlockableResults,
) -> None:
    results.failures = [MemoryError()] * 4
    async with running(results) as taking:
        attempt = await taking.open("r", "a", "")
        pushes = [asyncio.create_task(attempt.push(row)) for row in (b"1", b"2")]
        assert await asyncio.gather(*pushes) == [None, None]
    assert [len(batch.rows) for batches in results.batches for batch in batches] == [1, 1]


async def test_stopping_the_runner_acknowledges_nothing(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        results.unblocked.clear()
        pushes = [asyncio.create_task(attempt.push(b"1")) for _ in range(300)]
        await results.committing.wait()
    # the active commit was cancelled, the others have not started
    outcomes = await asyncio.gather(*pushes, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}


async def test_rows_cancelled_during_an_outage_are_refused_and_the_rest_is_stored(
    results: BlockableResults,
) -> None:
    results.failures = [Unavailable("disk full")] * 3
    committing = GroupCommit(results)  # type: ignore[arg-type]
    kept, gone = WriteQueue("r", "kept"), WriteQueue("r", "gone")
    stored = [queue.put_row(PushedRow(b"1")) for queue in (kept, gone)]
    for queue in (kept, gone):
        committing.notify(queue)
    flush = asyncio.create_task(committing._flush())
    await results.committing.wait()
    gone.discard(StaleLease())
    await flush
    assert stored[0].done() and stored[0].exception() is None
    assert isinstance(stored[1].exception(), StaleLease)
    assert results.stored == [("r", "kept", b"1")]
    assert kept.idle and gone.idle


async def test_nothing_is_committed_while_the_lock_is_locked(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        async with taking.group.lock:
            push = asyncio.create_task(attempt.push(b"1"))
            await turns()
            assert results.batches == []
        await push
        assert len(results.batches) == 1


async def test_work_is_repeated_while_the_store_is_unavailable_but_not_for_other_errors() -> None:
    failures: list[Exception] = [Unavailable(), Unavailable()]

    async def work() -> int:
        if failures:
            raise failures.pop()
        return 7

    assert await retry_while_unavailable(work) == 7
    failures += [Unavailable(), ValueError("no outage")]
    with pytest.raises(ValueError, match="no outage"):
        await retry_while_unavailable(work)
    assert len(failures) == 1

"""Acknowledged rows are stored, and every run stays within its caps."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from fyke.domain.nodes.rows import NodeRows
from fyke.domain.results import caps, commit, intake, rows
from fyke.domain.results.caps import OutputLimits
from fyke.domain.results.intake import AttemptIntake
from fyke.domain.results.rows import RowRefused
from fyke.errors import OutcomeUnknown, StaleLease, Unavailable
from fyke.kit.clock import ManualClock
from fyke.model.log import LogType
from fyke.model.results import AttemptBatch, Header
from fyke.reasons import Reason, ReasonCode
from support.blocking_results import BlockableResults, running, turns
from support.prepared import rows_in
from support.stores import open_rows

pytestmark = pytest.mark.anyio


@pytest.fixture
def results() -> BlockableResults:
    return BlockableResults()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "RETRY_BASE", 0.001)
    monkeypatch.setattr(commit, "RETRY_CAP", 0.002)


async def test_a_push_returns_only_after_the_commit(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "7")
        results.unblocked.clear()
        push = asyncio.create_task(attempt.push(b'{"n":1}'))
        await results.committing.wait()
        await turns()
        assert not push.done()
        assert attempt.rows == 0
        results.unblocked.set()
        await push
        assert attempt.rows == 1
        assert results.stored == [("run", "a", b'{"n":1}')]


@pytest.mark.parametrize("answers", [[None] * 4, [True, None, None, True], [None, True] * 2])
async def test_no_number_is_used_for_two_batches(
    results: BlockableResults, answers: list[bool | None]
) -> None:
    """Whether a row is appended at once or waits for a commit, its batch has a later number."""
    appended: list[AttemptBatch] = []

    async def append(batch: AttemptBatch) -> bool | None:
        appended.append(batch)
        return answers[len(appended) - 1]

    results.append = append  # type: ignore[method-assign]
    async with running(results) as taking:
        attempt, other = await taking.open("run", "a", ""), await taking.open("run", "b", "")
        for number in range(4):
            await attempt.push(b'{"n":%d}' % number)
        await other.set_headers([])
    kept = [batch for batch, answer in zip(appended, answers, strict=True) if answer]
    committed = [batch for batches in results.batches for batch in batches]
    stored = sorted(kept + [b for b in committed if b.attempt_id == "a"], key=lambda b: b.number)
    data = [row.data for batch in stored for row in batch.rows]
    assert data == [b'{"n":%d}' % number for number in range(4)]
    used = [batch.number for batch in stored]
    assert used[0] >= 1 and len({*used}) == len(used)
    assert [b.number for b in committed if b.attempt_id == "b"] == [1]


@pytest.mark.parametrize("lost", [2, 3])
async def test_each_row_is_stored_once_although_answers_are_lost(tmp_path: Path, lost: int) -> None:
    """Of every second or third commit; the store has what it did not acknowledge."""
    async with open_rows(rows_in(tmp_path)) as store:
        commits = itertools.count(1)

        class LosesAnswers(BlockableResults):
            async def open(self, run_id: str, attempt_id: str) -> None:
                await store.open_attempt(run_id, attempt_id)

            async def commit(self, batches: Sequence[AttemptBatch]) -> list[bool]:
                answer = await store.commit(batches)
                if next(commits) % lost == 0:
                    raise OutcomeUnknown
                return answer

        async with running(LosesAnswers()) as taking:
            attempts = [await taking.open("run", name, "") for name in "abc"]

            async def push(attempt: AttemptIntake) -> None:
                for number in range(20):
                    attempt.log(LogType.INFO, f"{attempt.attempt_id}{number}")
                    await attempt.push(b'{"n":%d}' % number)

            await asyncio.gather(*(push(attempt) for attempt in attempts))
            for attempt in attempts:
                await attempt.flush()
        assert next(commits) > 20
        stored = await store.rows_after("run", frozenset(), position=0, limit=100)
        for name in "abc":
            own = [json.loads(row.data)["n"] for row in stored if row.attempt_id == name]
            assert own == list(range(20))
        lines = [entry.content for entry in await store.log_tail("run", 100)]
        assert sorted(lines) == sorted(f"{name}{number}" for name in "abc" for number in range(20))


async def test_a_fenced_attempt_is_refused(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        results.closed.add("a")
        with pytest.raises(StaleLease):
            await attempt.push(b"1")
        assert attempt.rows == 0


async def test_close_stores_waiting_rows_and_accepts_no_more(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "7")
        results.unblocked.clear()
        pushes = [asyncio.create_task(attempt.push(b"1")) for _ in range(600)]
        await turns()
        attempt.log(LogType.INFO, "last words")
        closing = asyncio.create_task(attempt.close())
        await turns()
        with pytest.raises(StaleLease):
            await attempt.push(b"2")
        attempt.log(LogType.INFO, "too late")
        results.unblocked.set()
        assert await closing == 600
        await asyncio.gather(*pushes)
        assert results.lines == ["last words"]
        with pytest.raises(StaleLease):
            await attempt.set_headers([])


async def test_a_cancelled_close_refuses_the_waiting_rows(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        results.failures = [Unavailable()] * 1000
        push = asyncio.create_task(attempt.push(b"1"))
        await turns()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(attempt.close(), 0.05)
        with pytest.raises(StaleLease):
            await push
        assert results.stored == []


async def test_only_the_last_headers_are_stored(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        results.unblocked.clear()
        first = asyncio.create_task(attempt.set_headers([Header("A", "a", "text")]))
        await results.committing.wait()
        rest = [
            asyncio.create_task(attempt.set_headers([Header(key, key, "text")])) for key in "bc"
        ]
        await turns()
        results.unblocked.set()
        await asyncio.gather(first, *rest)
        declared = [b.headers for batches in results.batches for b in batches]
        assert [headers[0].key for headers in declared if headers] == ["a", "c"]
        with pytest.raises(RowRefused, match="1048576"):
            await attempt.set_headers([Header("x" * 2**20, "key", "text")])


async def test_the_first_call_is_recorded_once(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        assert attempt.first_call_at is None
        taking.clock.advance(3)  # type: ignore[attr-defined]
        await attempt.push(b"1")
        taking.clock.advance(3)  # type: ignore[attr-defined]
        await attempt.push(b"1")
        assert attempt.first_call_at == 3
        assert attempt.first_call.is_set()


# --- caps --------------------------------------------------------------------------------


async def test_the_row_cap_is_exact_across_all_attempts(results: BlockableResults) -> None:
    reached: list[tuple[str, Reason]] = []
    cap = Reason.of(ReasonCode.ROW_CAP, max_rows=10)
    async with running(results) as taking:
        attempts = [
            await taking.open(
                "run",
                name,
                "",
                OutputLimits(rows=10),
                lambda reason, name=name: reached.append((name, reason)),
            )
            for name in "ab"
        ]
        pushes = [attempts[i % 2].push(b"%d" % i) for i in range(30)]
        outcomes = await asyncio.gather(*pushes, return_exceptions=True)
        assert len(results.stored) == 10
        refused = [outcome for outcome in outcomes if outcome is not None]
        assert len(refused) == 20
        assert all("10 rows" in str(outcome) for outcome in refused)
        assert sorted(reached, key=lambda each: each[0]) == [("a", cap), ("b", cap)]
        assert attempts[0].row_cap_reached == cap
        late = await taking.open(
            "run", "c", "", on_row_cap=lambda reason: reached.append(("c", reason))
        )
        with pytest.raises(RowRefused, match="10 rows"):
            await late.push(b"1")
        assert reached[-1] == ("c", cap)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (100, "100 bytes"),
        (2048, "2 KiB"),
        (2**20, "1 MiB"),
        pytest.param(2**30, "1 GiB", marks=pytest.mark.long),
    ],
)
async def test_the_byte_cap_refuses_further_rows(
    results: BlockableResults, limit: int, words: str
) -> None:
    results.stored = [("run", "z", b"x" * (limit - 30))]
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "", OutputLimits(row_bytes=limit))
        await attempt.push(b'{"a":1}')
        with pytest.raises(RowRefused, match=words):
            await attempt.push(json.dumps({"a": "x" * 40}).encode())


async def test_upserts_that_replace_rows_do_not_reach_the_cap(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "", OutputLimits(rows=5))

        def row(value: int) -> bytes:
            return json.dumps(
                {"__coreclaw_upsert_key__": "id", "__coreclaw_upsert_value__": str(value)}
            ).encode()

        await asyncio.gather(*(attempt.push(row(i % 3)) for i in range(40)))
        assert len(results.stored) == 3
        await attempt.push(row(3))
        await attempt.push(b"{}")
        with pytest.raises(RowRefused, match="5 rows"):
            await attempt.push(b"{}")
        assert len(results.stored) == 5


async def nothing_else(_run_id: str, _attempt_id: str) -> bool:
    return False


async def test_concurrent_upserts_fill_a_run_exactly(tmp_path: Path) -> None:
    """Rows that are queued while others are counted may replace rows too."""

    async def push(attempt: AttemptIntake) -> None:
        for number in range(60):
            value = f"{attempt.attempt_id}-{number // 3}"
            row = {"__coreclaw_upsert_key__": "id", "__coreclaw_upsert_value__": value}
            try:
                await attempt.push(json.dumps(row).encode())
            except RowRefused:
                return

    async with open_rows(rows_in(tmp_path)) as store:
        taking = intake.Intake(NodeRows(store, nothing_else), ManualClock())
        committing = asyncio.create_task(taking.run())
        limits = OutputLimits(rows=50)
        attempts = [await taking.open("run", name, "", limits) for name in "abcdefgh"]
        await asyncio.gather(*(push(attempt) for attempt in attempts * 3))
        assert sum([await attempt.close() for attempt in attempts]) == 50
        committing.cancel()
        await asyncio.gather(committing, return_exceptions=True)


async def test_rows_of_earlier_attempts_count_and_refused_ones_do_not(
    results: BlockableResults,
) -> None:
    results.stored = [("run", "old", b"{}")] * 3
    async with running(results) as taking:
        first = await taking.open("run", "a", "", OutputLimits(rows=5))
        results.closed.add("a")
        with pytest.raises(StaleLease):
            await first.push(b"1")
        with pytest.raises(RowRefused, match="levels"):
            await first.push(b"[" * 100 + b"]" * 100)
        second = await taking.open("run", "b", "")
        await second.push(b"1")
        await second.push(b"1")
        with pytest.raises(RowRefused):
            await second.push(b"1")


async def test_the_number_of_cached_run_counters_is_bounded(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "REMEMBERED_RUNS", 3)
    async with running(results) as taking:
        living = await taking.open("living", "x", "")
        for i in range(10):
            attempt = await taking.open(f"run {i}", f"a {i}", "")
            await attempt.close()
        assert len(taking._caps) <= 4
        assert "living" in taking._caps
        assert living.rows == 0


# --- log ---------------------------------------------------------------------------------


async def test_log_lines_are_committed_together_with_a_row(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "77")
        attempt.log(LogType.DEBUG, "one")
        attempt.log(LogType.ERROR, "two\x00")
        await attempt.push(b"1")
        (batch,) = results.batches[0]
        assert len(results.batches) == 1
        assert [(e.type, e.group, e.content) for e in batch.log] == [
            (1, "77", "one"),
            (4, "77", "two\ufffd"),
        ]
        assert batch.log[0].timestamp == taking.clock.now_ms()


async def test_log_lines_are_committed_without_a_row(results: BlockableResults) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        attempt.log(LogType.INFO, "alone")
        await attempt.queue.wait_settled()
        assert results.lines == ["alone"]
        attempt.log(LogType.INFO, "flushed")
        await attempt.flush()
        assert results.lines == ["alone", "flushed"]


async def test_the_log_of_a_run_is_bounded_except_for_system_lines(
    results: BlockableResults,
) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        other = await taking.open("run", "b", "")
        line = "x" * 16_000
        for _ in range(1000):
            attempt.log(LogType.INFO, line)
            await attempt.wait_for_log_space()
        attempt.log(LogType.INFO, "SYSTEM: Running...", system=True)
        other.log(LogType.INFO, "dropped as well")
        await attempt.flush()
        await other.flush()
        lines = results.lines
        assert lines.count(line) == caps.LOG_RUN_BYTES // (16_000 + caps.LOG_RECORD_BYTES)
        assert lines[-2:] == [caps.LOG_FULL, "SYSTEM: Running..."]


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\U0001f600"])
async def test_a_long_line_is_cut_and_marked(results: BlockableResults, letter: str) -> None:
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        attempt.log(LogType.INFO, letter * 200_000)
        attempt.log(LogType.INFO, letter * (16384 // len(letter.encode())))
        await attempt.flush()
        cut, whole = results.lines
        assert 16_380 < len(cut.encode()) <= 16_384
        assert cut.endswith(caps.LINE_CUT)
        assert whole == letter * (16384 // len(letter.encode()))


async def test_lines_that_come_too_fast_are_dropped_with_a_notice(
    results: BlockableResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "LOG_WAIT_SECONDS", 0.02)
    async with running(results) as taking:
        attempt = await taking.open("run", "a", "")
        results.unblocked.clear()
        for i in range(20_000):
            attempt.log(LogType.INFO, str(i))
        assert attempt.queue.log_lines == intake.LOG_MAX_LINES
        await (
            attempt.wait_for_log_space()
        )  # returns after a while, so that a Worker does not wait for long
        assert attempt.queue.log_lines > intake.LOG_SLOW_LINES
        results.unblocked.set()
        await attempt.wait_for_log_space()
        assert attempt.queue.log_lines < intake.LOG_SLOW_LINES
        attempt.log(LogType.INFO, "after")
        await attempt.flush()
        dropped = [line for line in results.lines if "dropped" in line]
        assert len(dropped) == 1
        assert results.lines[-1] == "after"
        results.unblocked.clear()
        for i in range(20_000):
            attempt.log(LogType.INFO, str(i))
        results.unblocked.set()
        await attempt.close()
        assert "dropped" in results.lines[-1]


async def test_warnings_about_rows_are_logged_once_per_kind_and_run(
    results: BlockableResults,
) -> None:
    async with running(results) as taking:
        attempts = [await taking.open("run", name, "") for name in "ab"]
        for attempt in attempts:
            for _ in range(3):
                await attempt.push(b'{"a":NaN}')
                await attempt.push(b'{"a":"\\ud800"}')
        assert sorted(results.lines) == sorted([rows.NOT_A_NUMBER, rows.BROKEN_TEXT])

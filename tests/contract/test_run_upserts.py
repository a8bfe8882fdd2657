"""Subtasks of a run that upsert the same keys, while some fail and others are tried again."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.results.service import RunResults, RunRows
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import Outcome, Run, RunLimits, RunState, SubtaskState
from fyke.model.runner import Lease
from fyke.storage.sql.consistency import check_files
from fyke.storage.sql.dialects import for_writing
from support.run_endings import ROOM, Setup

pytestmark = pytest.mark.anyio

LIMITS = RunLimits(0.125, 512, 1800, 0, 0)
RETRIED = replace(LIMITS, max_retries=2)
FAILED, GOOD, LATE = Outcome.EXIT_CODE, Outcome.SUCCEEDED, Outcome.TIMEOUT


async def upsert(setup: Setup, to: Lease, key: str, name: str, value: object = True) -> None:
    data = json.dumps({"id": key, name: value}, separators=(",", ":")).encode()
    row = PushedRow(data, "id", key)
    assert await setup.results.commit([AttemptBatch(to.run.id, to.attempt.id, [row])]) == [True]


async def push(setup: Setup, to: Lease, name: str) -> None:
    row = PushedRow(b'{"%s":true}' % name.encode())
    assert await setup.results.commit([AttemptBatch(to.run.id, to.attempt.id, [row])]) == [True]


async def lose(setup: Setup, lost: Lease) -> None:
    until = (await setup.attempts.check_leases())[lost.attempt.id]
    assert await setup.attempts.end_expired(lost.attempt.id, until)
    with for_writing(setup.storage.engine).begin() as connection:
        connection.exec_driver_sql("UPDATE subtasks SET not_before = 0")


async def retry(setup: Setup, run: Run) -> Lease:
    found = await setup.storage.write(
        lambda tx: tx.runs.lease("r2", ROOM, tx.now + 60_000, node="n2")
    )
    [lease] = [one for one in found if one.run.id == run.id]
    await setup.results.open_attempt(run.id, lease.attempt.id)
    await setup.attempts.started(lease.attempt.key, lease.attempt.runner_id, "n2")
    return lease  # type: ignore[no-any-return]


async def shown(setup: Setup, run: Run) -> list[Any]:
    """The visible rows, as all readers get them."""
    hidden = await setup.storage.read(lambda tx: tx.runs.hidden_attempts(run.id))
    reader = RunResults(setup.storage, setup.results)
    now = await setup.stored(run)
    page = await reader.plain_page(RunRows(now, hidden, ""), 1, 100)
    walked = [row async for block in reader.walk(run.id, hidden) for row in block.texts()]
    assert [row.data for row in page.rows] == walked
    assert page.count == len(walked)
    if now.state.terminal:
        assert now.results == len(walked)
    return [json.loads(data) for data in walked]


@pytest.mark.parametrize(
    "pushing, ending",
    [*itertools.product(itertools.permutations(range(3)), [(0, 1, 2), (2, 0, 1)])],
)
async def test_a_row_is_shown_if_any_subtask_with_a_part_in_it_succeeds(
    setup: Setup, pushing: tuple[int, ...], ending: tuple[int, ...]
) -> None:
    run, leases = await setup.start(3, limits=LIMITS)
    for index in pushing:
        await upsert(setup, leases[index], "all", f"of{index}")
        await upsert(setup, leases[index], f"own{index}", "x")
    await upsert(setup, leases[0], "failed", "x")
    await upsert(setup, leases[1], "failed", "y")
    for index in ending:
        await setup.end(leases[index], GOOD if index == 2 else FAILED)
    now = await setup.check_ended_once(run)
    assert (now.state, now.results) == (RunState.SUCCEEDED, 2)
    rows = {row["id"]: row for row in await shown(setup, run)}
    assert rows == {
        "all": {"id": "all", "of0": True, "of1": True, "of2": True},
        "own2": {"id": "own2", "x": True},
    }
    reader = RunResults(setup.storage, setup.results)
    hidden = await setup.storage.read(lambda tx: tx.runs.hidden_attempts(run.id))
    everything = (await setup.results.totals(run.id, frozenset())).rows
    assert (everything, (await reader.totals(RunRows(now, hidden, ""))).rows) == (5, 2)


async def test_rows_that_only_failed_subtasks_have_upserted_are_hidden(setup: Setup) -> None:
    run, leases = await setup.start(2, limits=LIMITS)
    for lease in leases:
        await upsert(setup, lease, "1", "x")
        await setup.end(lease, FAILED)
    now = await setup.check_ended_once(run)
    assert (now.state, now.results, await shown(setup, run)) == (RunState.FAILED, 0, [])


async def test_an_aborted_run_counts_the_rows_that_are_shown(setup: Setup) -> None:
    run, [failed, good, waiting] = await setup.start(3, limits=RETRIED)
    for lease in (failed, good):
        await upsert(setup, lease, "1", "x")
    await setup.end(failed, FAILED)
    await setup.end(good)
    await lose(setup, waiting)
    assert (await setup.abort(run)).state is RunState.ABORTED
    assert (await setup.check_ended_once(run)).results == 1
    assert len(await shown(setup, run)) == 1


async def test_a_retry_merges_into_the_rows_that_others_share_and_replaces_the_rest(
    setup: Setup,
) -> None:
    run, [first, other] = await setup.start(2, limits=RETRIED)
    for key in ("shared", "late", "own"):
        await upsert(setup, first, key, "lost")
    await upsert(setup, other, "shared", "other")
    await lose(setup, first)
    await upsert(setup, other, "late", "other")
    waiting = await shown(setup, run)
    assert [row["id"] for row in waiting] == ["shared", "late", "own"], "one row for each key"
    second = await retry(setup, run)
    assert [row["id"] for row in await shown(setup, run)] == ["shared", "late"]
    for key in ("own", "shared", "late"):
        await upsert(setup, second, key, "again")
    await setup.end(second)
    await setup.end(other)
    assert (await setup.check_ended_once(run)).results == 3
    assert await shown(setup, run) == [
        {"id": "shared", "lost": True, "other": True, "again": True},
        {"id": "late", "lost": True, "other": True, "again": True},
        {"id": "own", "again": True},
    ]


async def test_a_start_that_is_repeated_releases_the_keys(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, [first] = await setup.start(limits=RETRIED)
    await upsert(setup, first, "1", "lost")
    await lose(setup, first)
    with monkeypatch.context() as patch:
        patch.setattr(setup.results, "release_upserts", _fail)
        with pytest.raises(OSError):
            await retry(setup, run)
    [attempt] = [a for a in await attempts_of(setup, run) if a.outcome is None]
    await setup.attempts.started(attempt.key, attempt.runner_id, "n2")
    row = PushedRow(b'{"new":true}', "id", "1")
    assert await setup.results.commit([AttemptBatch(run.id, attempt.id, [row])]) == [True]
    assert await shown(setup, run) == [{"new": True}]


async def _fail(attempt_id: str) -> None:
    raise OSError


async def attempts_of(setup: Setup, run: Run) -> list[Any]:
    return await setup.storage.read(lambda tx: tx.runs.attempts(run.id))  # type: ignore[no-any-return]


@dataclass
class Expected:
    """The rows of a run: their fields, and the ids of the attempts that have pushed each."""

    rows: list[tuple[set[str], dict[str, Any]]] = field(default_factory=list)
    keys: dict[str, tuple[set[str], dict[str, Any]]] = field(default_factory=dict)

    def push(self, attempt: str, key: str, fields: dict[str, Any]) -> None:
        row = self.keys.get(key) if key else None
        if row is None:
            row = (set(), {})
            self.rows.append(row)
            if key:
                self.keys[key] = row
        row[0].add(attempt)
        row[1].update(fields)

    def release(self, attempt: str) -> None:
        self.keys = {key: row for key, row in self.keys.items() if row[0] != {attempt}}

    def visible(self, hidden: frozenset[str]) -> list[dict[str, Any]]:
        return [fields for attempts, fields in self.rows if attempts - hidden]


@pytest.mark.parametrize("seed", range(10))
async def test_random_orders_of_pushes_failures_and_retries(
    setup: Setup, seed: int, tmp_path: Path
) -> None:
    rng, expected = random.Random(seed), Expected()
    run, leases = await setup.start(3, limits=RETRIED)
    active = {one.attempt.ordinal: one for one in leases}
    lost: dict[int, list[str]] = {ordinal: [] for ordinal in active}
    succeeded: set[str] = set()
    pushed: dict[str, set[tuple[str, str]]] = {}
    count = 0

    async def check() -> None:
        hidden = await setup.storage.read(lambda tx: tx.runs.hidden_attempts(run.id))
        rows = await shown(setup, run)
        assert rows == expected.visible(hidden)
        found = {(str(row.get("id")), name) for row in rows for name in row}
        for attempt in succeeded:
            assert pushed.get(attempt, set()) <= found, "all that good attempts have pushed"

    while active:
        ordinal = rng.choice([*active])
        lease, action = active[ordinal], rng.random()
        attempt = lease.attempt.id
        if action < 0.65:
            count += 1
            if rng.random() < 0.3:
                await push(setup, lease, f"p{count}")
                expected.push(attempt, "", {f"p{count}": True})
                pushed.setdefault(attempt, set()).add(("None", f"p{count}"))
            else:
                key, name = rng.choice("1234"), rng.choice(["n", f"of{ordinal}", f"u{count}"])
                await upsert(setup, lease, key, name, count)
                expected.push(attempt, key, {"id": key, name: count})
                pushed.setdefault(attempt, set()).add((key, name))
        elif action < 0.8:
            outcome = rng.choice([GOOD, FAILED, LATE])
            await setup.end(lease, outcome)
            del active[ordinal]
            succeeded |= {attempt} if outcome is GOOD else set()
        else:
            await lose(setup, lease)
            lost[ordinal].append(attempt)
            await check()
            subtasks = await setup.storage.read(lambda tx: tx.runs.subtasks(run.id))
            if subtasks[ordinal].state is SubtaskState.WAITING:
                active[ordinal] = await retry(setup, run)
                for earlier in lost[ordinal]:
                    expected.release(earlier)
            else:
                del active[ordinal]
        await check()
    await setup.check_ended_once(run)
    if setup.storage.engine.dialect.name == "sqlite":
        assert check_files(tmp_path / "state.db", tmp_path / "rows.db") == []


async def test_rows_are_counted_once_at_the_end_of_the_run(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, [one, two, good] = await setup.start(3, limits=LIMITS)
    for lease in (one, two):
        await upsert(setup, lease, lease.attempt.id, "x")
        await upsert(setup, good, lease.attempt.id, "y")
    totals, calls = setup.results.totals, list[frozenset[str]]()

    async def count(run_id: str, hidden: frozenset[str]) -> Any:
        calls.append(hidden)
        return await totals(run_id, hidden)

    monkeypatch.setattr(setup.results, "totals", count)
    for lease, outcome in ((good, GOOD), (one, FAILED), (two, FAILED)):
        await setup.end(lease, outcome)
    assert calls == [frozenset({one.attempt.id, two.attempt.id})]
    assert (await setup.check_ended_once(run)).results == 2

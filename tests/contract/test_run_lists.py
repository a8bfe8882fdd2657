"""The contract of long lists of runs: all filters, both directions, bounded scans."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import pytest
from sqlalchemy import text

from fyke.contracts.state import Transaction
from fyke.model.attempt import AttemptEnd
from fyke.model.run import SUCCESS, End, Origin, Outcome, Run, RunState
from fyke.model.run_list import ListCursor, ListWalk, RunPoint, RunSearch, RunsOf, TimeSteps
from fyke.model.runner import AttemptUsage, Capacity
from fyke.reasons import Reason, ReasonCode
from fyke.storage.sql.state.runs import list_query, pictures
from fyke.storage.sql.state.runs import lists as run_lists
from support import records
from support.statements import executed

pytestmark = pytest.mark.anyio
State = Any
REASONS = (None, Reason(ReasonCode.SIGNAL), Reason.of(ReasonCode.TIMEOUT, seconds=60))
ERRORS = ("", "", "The Worker exited with code 1: KeyError", "Timeout: 60 s", "Aborted ÄÖ")


def some_runs(number: int, owner: str, workers: list[str]) -> list[Run]:
    """Runs of every kind, several in the same millisecond."""
    dice = random.Random(number)
    runs = []
    for at in range(number):
        state = dice.choice(list(RunState))
        runs.append(
            records.run(
                owner,
                dice.choice(workers),
                version=dice.choice(["1.0.0", "1.0.1"]),
                task_id=dice.choice(["", "", "task-a", "task-b"]),
                origin=dice.choice(list(Origin)),
                state=state,
                outcome=dice.choice([None, Outcome.TIMEOUT, Outcome.EXIT_CODE]),
                err_msg=dice.choice(ERRORS) if state.terminal else "",
                reason=dice.choice(REASONS) if state.terminal else None,
                created_at=records.START + at // 3,
                finished_at=records.START + at if state.terminal else 0,
                summary=f"n: {at}",
                results=at % 2,
            )
        )
    return runs


async def fill(state: State, number: int = 120) -> tuple[str, list[str], list[Run]]:
    def work(tx: Transaction) -> tuple[str, list[str], list[Run]]:
        owner, worker = records.seed(tx)
        other = records.worker(owner)
        tx.workers.add(other)
        runs = some_runs(number, owner, [worker, other.id])
        stranger = records.account()
        tx.accounts.add(stranger)
        for run in (*runs, records.run(stranger.id, worker)):
            tx.runs.add(run, [])
        return owner, [worker, other.id], runs

    filled: tuple[str, list[str], list[Run]] = await state.write(work)
    return filled


def matches(run: Run, search: RunSearch) -> bool:
    return (
        (not search.states or run.state in search.states)
        and (not search.outcomes or run.outcome in search.outcomes)
        and (not search.reasons or (run.reason and run.reason.code) in search.reasons)
        and search.worker_id in ("", run.worker_id)
        and search.task_id in ("", run.task_id)
        and (not search.origins or run.origin in search.origins)
        and search.version in ("", run.version)
        and run.created_at >= search.created_from
        and (not search.created_until or run.created_at < search.created_until)
        and search.error.lower() in run.err_msg.lower()
        and run.id.startswith(search.run_id)
        and not (search.without_rows and run.state is RunState.SUCCEEDED and run.results)
    )


def some_search(dice: random.Random, workers: list[str], runs: list[Run]) -> RunSearch:
    """A random combination of one to four filters."""
    some_id = dice.choice(runs).id
    members: dict[str, Any] = {
        "states": tuple(dice.sample(list(RunState), dice.randint(1, 3))),
        "outcomes": (Outcome.TIMEOUT,),
        "reasons": tuple(dice.sample([ReasonCode.TIMEOUT, ReasonCode.SIGNAL], 1)),
        "worker_id": dice.choice([*workers, "none"]),
        "task_id": dice.choice(["task-a", "task-none"]),
        "origins": tuple(dice.sample(list(Origin), 2)),
        "version": dice.choice(["1.0.0", "2.0.0"]),
        "created_from": records.START + dice.randint(0, 30),
        "created_until": records.START + dice.randint(10, 45),
        "error": dice.choice(["keyerror", "TIME", "ÄÖ", "nothing like it"]),
        "run_id": some_id[: dice.choice([3, 25, 26])],
        "without_rows": True,
    }
    return RunSearch(**{n: members[n] for n in dice.sample(list(members), dice.randint(0, 4))})


def newest_first(runs: Iterable[Run]) -> list[ListCursor]:
    return sorted((ListCursor(run.created_at, run.id) for run in runs), reverse=True)


async def walk_all(
    state: State, owner: str, search: RunSearch, newer: bool = False
) -> list[ListCursor]:
    cursors: list[ListCursor] = []
    start: ListCursor | None = None
    while True:
        step = await state.read(
            lambda tx, at=start: tx.run_lists.walk(owner, search, at, limit=7, newer=newer)
        )
        cursors += step.cursors
        start = step.stopped or (step.cursors[-1] if len(step.cursors) == 7 else None)
        if start is None:
            return cursors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first_step", "narrow"),
    [(2, -1), (2, 30), (run_lists.FIRST_STEP, run_lists.NARROW)],
)
async def test_a_walk_finds_all_matching_runs(
    state: State, monkeypatch: pytest.MonkeyPatch, first_step: int, narrow: int
) -> None:
    monkeypatch.setattr(run_lists, "FIRST_STEP", first_step)
    monkeypatch.setattr(run_lists, "NARROW", narrow)
    owner, workers, runs = await fill(state)
    dice = random.Random(7)
    answered = 0
    for _ in range(60):
        search = some_search(dice, workers, runs)
        expected = newest_first(run for run in runs if matches(run, search))
        answered += bool(expected)
        assert await walk_all(state, owner, search) == expected, search
        assert await walk_all(state, owner, search, newer=True) == expected[::-1], search
    assert answered > 20


async def test_a_page_of_frequent_matches_scans_only_as_far_as_it_reaches(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _, runs = await fill(state)
    monkeypatch.setattr(run_lists, "FIRST_STEP", 4)
    monkeypatch.setattr(run_lists, "SCAN_LIMIT", len(runs) - 1)  # more than one walk may scan
    skipped: list[int] = []

    frequent = RunSearch(states=tuple(RunState), origins=tuple(Origin))  # all runs
    with executed() as statements:
        page = await state.read(lambda tx: tx.run_lists.walk(owner, frequent, None, limit=2))
    for statement, values in statements:
        if "OFFSET" in statement:
            skipped.append(values["skip"] if isinstance(values, dict) else values[-1])
    assert len(page.cursors) == 2
    assert skipped == [3]


@pytest.mark.parametrize(
    "search",
    [
        RunSearch(reasons=(ReasonCode.TIMEOUT, ReasonCode.SIGNAL)),
        RunSearch(reasons=(ReasonCode.DISK_CAP,)),
        RunSearch(outcomes=(Outcome.TIMEOUT, Outcome.EXIT_CODE)),
        RunSearch(outcomes=(Outcome.SIGNAL,), created_until=records.START + 20),
        RunSearch(origins=(Origin.WEB, Origin.TEST)),
        RunSearch(version="1.0.1"),
        RunSearch(version="2.0.0"),
        RunSearch(states=(RunState.FAILED,), worker_id="none", version="1.0.0"),
    ],
)
async def test_a_filter_that_matches_little_scans_no_other_runs(
    state: State, monkeypatch: pytest.MonkeyPatch, search: RunSearch
) -> None:
    owner, _, runs = await fill(state)
    monkeypatch.setattr(run_lists, "SCAN_LIMIT", 0)
    monkeypatch.setattr(run_lists, "FIRST_STEP", 1)
    with executed() as statements:
        page = await state.read(lambda tx: tx.run_lists.walk(owner, search, None, limit=500))
    assert page.stopped is None
    assert page.cursors == newest_first(run for run in runs if matches(run, search))
    assert not any("OFFSET" in statement for statement, _ in statements)


ALL = {"states": tuple(RunState), "origins": tuple(Origin)}  # match every run
NARROW_SEARCHES: dict[str, dict[str, Any]] = {
    "run_id": {"run_id": "a part of an id"},
    "task_id": {"task_id": "task-a"},
    "version": {"version": "1.0.1"},
    "worker_id": {"worker_id": "a worker"},
    "states": {"states": (RunState.FAILED, RunState.READY)},
    "origins": {"origins": (Origin.WEB, Origin.TEST)},
    "reasons": {"reasons": (ReasonCode.TIMEOUT, ReasonCode.SIGNAL)},
    "outcomes": {"outcomes": (Outcome.TIMEOUT, Outcome.EXIT_CODE)},
    "worker_id and states": {"worker_id": "a worker", "states": (RunState.FAILED,)},
    "error": {"error": "keyerror"},
}


@pytest.mark.parametrize("narrow", NARROW_SEARCHES)
async def test_a_narrow_filter_with_others_is_searched_to_the_end(
    state: State, monkeypatch: pytest.MonkeyPatch, narrow: str
) -> None:
    owner, workers, runs = await fill(state)
    values = dict(NARROW_SEARCHES[narrow])
    if "worker_id" in values:
        values["worker_id"] = workers[1]
    if "run_id" in values:
        values["run_id"] = runs[0].id[:25]
    alone = RunSearch(**values)
    search = RunSearch(**(ALL | values))
    count = sum(bool(run.err_msg) if search.error else matches(run, alone) for run in runs)
    monkeypatch.setattr(run_lists, "FIRST_STEP", 1)
    for limit, scan_limit in (("SCAN_LIMIT", 2), ("ERROR_SCAN_LIMIT", 2)):
        monkeypatch.setattr(run_lists, limit, scan_limit)
    monkeypatch.setattr(run_lists, "NARROW", count - 1)
    page = await state.read(lambda tx: tx.run_lists.walk(owner, search, None, limit=500))
    assert page.stopped is not None
    monkeypatch.setattr(run_lists, "NARROW", count)
    page = await state.read(lambda tx: tx.run_lists.walk(owner, search, None, limit=500))
    assert page.stopped is None
    assert page.cursors == newest_first(run for run in runs if matches(run, search)) != []


WITH_A_WHOLE_ID: dict[str, Any] = {
    "states": (RunState.FAILED,),
    "outcomes": (Outcome.TIMEOUT,),
    "reasons": (ReasonCode.TIMEOUT,),
    "worker_id": "a worker",
    "task_id": "task-a",
    "origins": (Origin.WEB,),
    "version": "1.0.1",
    "created_from": records.START + 20,
    "created_until": records.START + 20,
    "error": "keyerror",
}


@pytest.mark.parametrize("other", WITH_A_WHOLE_ID)
async def test_a_whole_id_is_searched_with_each_other_filter(state: State, other: str) -> None:
    owner, workers, runs = await fill(state)
    value = workers[1] if other == "worker_id" else WITH_A_WHOLE_ID[other]
    alone = RunSearch(**{other: value})
    found = next(run for run in runs if matches(run, alone))
    missed = next(run for run in runs if not matches(run, alone))
    for run, expected in ((found, newest_first([found])), (missed, [])):
        search = replace(alone, run_id=run.id)
        for newer in (False, True):
            assert await walk_all(state, owner, search, newer) == expected


async def test_a_reason_with_other_filters_scans_only_runs_with_this_reason(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, workers, runs = await fill(state)
    for search in (
        RunSearch(reasons=(ReasonCode.TIMEOUT,), worker_id=workers[0]),
        RunSearch(outcomes=(Outcome.TIMEOUT,), version="1.0.0", task_id="task-a"),
    ):
        has_value = replace(search, worker_id="", version="", task_id="")
        scanned = sum(matches(run, has_value) for run in runs)
        monkeypatch.setattr(run_lists, "SCAN_LIMIT", scanned + 1)
        page = await state.read(
            lambda tx, search=search: tx.run_lists.walk(owner, search, None, limit=500)
        )
        assert page.stopped is None
        expected = newest_first(run for run in runs if matches(run, search))
        assert page.cursors == expected != []


@pytest.mark.parametrize("error", ["", "keyerror"])
async def test_a_walk_stops_at_the_scan_limit_and_continues_there(
    state: State, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    owner, workers, runs = await fill(state)
    monkeypatch.setattr(run_lists, "SCAN_LIMIT", 20)
    monkeypatch.setattr(run_lists, "ERROR_SCAN_LIMIT", 5)
    search = RunSearch(version="1.0.0", worker_id=workers[1], error=error)
    first = await state.read(lambda tx: tx.run_lists.walk(owner, search, None, limit=50))
    with_error = [run for run in runs if run.err_msg]
    looked_at = newest_first(with_error if error else runs)[: 5 if error else 20]
    assert first.stopped == looked_at[-1]
    assert set(first.cursors) < set(looked_at)
    expected = newest_first(run for run in runs if matches(run, search))
    for newer in (False, True):
        walked = await walk_all(state, owner, search, newer)
        assert walked == (expected[::-1] if newer else expected) and expected


async def test_totals_are_known_without_a_scan(state: State) -> None:
    owner, workers, runs = await fill(state)

    async def total(search: RunSearch) -> int | None:
        count: int | None = await state.read(lambda tx: tx.run_lists.total(owner, search))
        return count

    failed = RunSearch(states=(RunState.FAILED, RunState.READY))
    for search in (RunSearch(), failed, replace(failed, worker_id=workers[0])):
        assert await total(search) == sum(matches(run, search) for run in runs)
    assert await total(RunSearch(version="1.0.0")) is None
    by_state = {s: sum(run.state is s for run in runs) for s in RunState}
    assert await state.read(lambda tx: tx.run_lists.states(owner)) == by_state
    late = records.START + 30
    since = await state.read(lambda tx: tx.run_lists.states_since(owner, late))
    assert since == {
        s: n for s in RunState if (n := sum(r.state is s and r.created_at >= late for r in runs))
    }


async def test_the_last_successes_without_rows_are_counted(state: State) -> None:
    owner, workers, _ = await fill(state, 0)

    def run(at: int, results: int, state: RunState = RunState.SUCCEEDED) -> Run:
        made = records.run(owner, workers[0])
        return replace(made, state=state, results=results, created_at=records.START + at)

    made = [run(0, 0), run(1, 0), run(2, 5), run(3, 0), run(4, 0, RunState.FAILED)]
    await state.write(lambda tx: [tx.runs.add(each, []) for each in made])

    async def count(since: int, limit: int) -> int:
        found: int = await state.read(
            lambda tx: tx.run_lists.empty_since(owner, records.START + since, limit)
        )
        return found

    assert [await count(0, 10), await count(1, 10), await count(0, 2)] == [3, 2, 1]


async def test_lines_belong_to_the_account_and_omit_long_inputs(state: State) -> None:
    owner, workers, runs = await fill(state, 6)
    old = records.run(owner, workers[0], input_json='{"a": 1}')
    huge = records.run(owner, workers[0], input_json='{"a": "' + "x" * 70_000 + '"}')
    foreign = records.run("", workers[0])

    def work(tx: Transaction) -> None:
        tx.runs.add(old, [])
        tx.runs.add(huge, [])
        stranger = records.account()
        tx.accounts.add(stranger)
        tx.runs.add(replace(foreign, account_id=stranger.id), [])

    await state.write(work)
    ids = [old.id, huge.id, foreign.id, runs[0].id, "gone"]
    lines = await state.read(lambda tx: tx.run_lists.lines(owner, ids))
    assert set(lines) == {old.id, huge.id, runs[0].id}
    assert (lines[old.id].input_json, lines[huge.id].input_json) == ('{"a": 1}', "")
    line = lines[runs[0].id]
    assert (line.summary, line.input_json) == ("n: 0", "")
    assert (line.state, line.outcome, line.origin) == (
        runs[0].state, runs[0].outcome, runs[0].origin,
    )  # fmt: skip


def points_of(runs: Iterable[Run], limit: int) -> list[RunPoint]:
    """The last runs, oldest first."""
    ordered = sorted(runs, key=lambda run: (run.created_at, run.id))[-limit:]
    names = [field.name for field in fields(RunPoint)]
    return [RunPoint(**{name: getattr(run, name) for name in names}) for run in ordered]


async def test_the_last_runs_of_many_are_read_by_one_statement(state: State) -> None:
    owner, workers, runs = await fill(state)
    named: dict[RunsOf, list[str]] = {
        RunsOf.ACCOUNT: [owner],
        RunsOf.WORKER: [*workers, "none"],
        RunsOf.TASK: ["task-a", "", "task-b", "task-a"],
    }
    for of, values in named.items():
        with executed() as statements:
            last = await state.read(lambda tx, a=(of, values): tx.run_lists.last_runs(owner, *a, 9))
        assert len([s for s, _ in statements if "FROM runs" in s]) == 1
        assert last == {
            value: points_of((run for run in runs if getattr(run, of.value) == value), 9)
            for value in values
            if value not in ("", "none")
        }
        assert {len(points) for points in last.values()} == {9}
    assert await state.read(lambda tx: tx.run_lists.last_runs(owner, RunsOf.TASK, [""], 9)) == {}
    foreign = await state.read(lambda tx: tx.run_lists.last_runs("x", RunsOf.WORKER, workers, 9))
    assert foreign == {}


@pytest.mark.new_database
@pytest.mark.parametrize("of", RunsOf)
async def test_the_last_runs_are_read_in_the_order_of_an_index(state: State, of: RunsOf) -> None:
    await fill(state)
    with state.storage.engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if not sqlite:  # PostgreSQL would prefer these plans, because the table is small
            connection.exec_driver_sql("SET enable_seqscan = off")
            connection.exec_driver_sql("SET enable_bitmapscan = off")
        statement = pictures.last_runs_statement(of, 1, sqlite=sqlite).text
        values = {"account": "a", "limit": 3, "value_0": "b"}
        explain = text(("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN ") + statement)
        query_plan = " ".join(str(v) for row in connection.execute(explain, values) for v in row)
    assert "TEMP B-TREE" not in query_plan and "SCAN runs" not in query_plan, query_plan
    assert "Seq Scan" not in query_plan and "Sort" not in query_plan, query_plan


@pytest.mark.new_database
async def test_the_last_attempts_of_machines_are_those_of_the_last_ended_runs(state: State) -> None:
    failure = End(Outcome.TIMEOUT, "too slow")

    def work(tx: Transaction) -> tuple[str, list[Run]]:
        owner, worker = records.seed(tx)
        ended = []
        for at, (node, end) in enumerate((("a", SUCCESS), ("b", SUCCESS), ("a", failure)), 5):
            run = records.seed_run(tx, owner, worker, 1)
            [lease] = tx.runs.lease("r1", Capacity(9, 10**6, 1), 99, node=node)
            tx.runs.end_attempt(lease.attempt.key, AttemptEnd(end, AttemptUsage()), at, at)
            over = RunState.SUCCEEDED if end is SUCCESS else RunState.FAILED
            tx.runs.move(replace(run, state=over, outcome=end.outcome, finished_at=at), run.state)
            ended.append(run)
        records.seed_run(tx, owner, worker, 1)
        tx.runs.lease("r1", Capacity(9, 10**6, 1), 99, node="a")  # has not ended
        return owner, ended

    owner, [first, second, third] = await state.write(work)
    last = await state.read(lambda tx: tx.run_lists.last_attempts(9, 9))
    shown = {
        node: [(p.account_id, p.point.id, p.point.state, p.point.results) for p in points]
        for node, points in last.items()
    }
    assert shown == {
        "a": [(owner, first.id, RunState.SUCCEEDED, 5), (owner, third.id, RunState.FAILED, 7)],
        "b": [(owner, second.id, RunState.SUCCEEDED, 6)],
    }
    newest = await state.read(lambda tx: tx.run_lists.last_attempts(9, 1))
    assert [point.point.id for point in newest["a"]] == [third.id]
    few = await state.read(lambda tx: tx.run_lists.last_attempts(1, 9))
    assert list(few) == ["a"] and len(few["a"]) == 1


@pytest.mark.new_database
async def test_the_last_ended_runs_are_read_in_the_order_of_an_index(state: State) -> None:
    with state.storage.engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if not sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        statement = pictures.ended_runs_statement(sqlite=sqlite).text
        explain = text(("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN ") + statement)
        plan = " ".join(str(v) for row in connection.execute(explain, {"runs": 3}) for v in row)
    assert "ix_runs_finished" in plan and "TEMP B-TREE" not in plan and "Sort" not in plan, plan


async def test_runs_are_counted_over_time(state: State) -> None:
    owner, workers, runs = await fill(state)
    steps = TimeSteps(records.START + 3, 7, 5)
    dice = random.Random(3)
    for search in [RunSearch(), *(some_search(dice, workers, runs) for _ in range(12))]:
        search = replace(search, error="")
        over = await state.read(lambda tx, s=search: tx.run_lists.over_time(owner, s, steps, 500))
        anytime = replace(search, created_from=0, created_until=0)
        expected: list[dict[RunState, int]] = [{} for _ in range(5)]
        for run in runs:
            step = (run.created_at - steps.first) // steps.length
            if 0 <= step < 5 and matches(run, anytime):
                expected[step][run.state] = expected[step].get(run.state, 0) + 1
        assert over.counts == tuple(expected) and over.counted_from == 0
    assert over.steps is steps and steps.end == records.START + 38


async def test_of_many_runs_over_time_only_the_newest_are_counted(state: State) -> None:
    owner, workers, runs = await fill(state)
    steps = TimeSteps(records.START, 10, 4)  # 30 runs each
    search = RunSearch(worker_id=workers[0])
    over = await state.read(lambda tx: tx.run_lists.over_time(owner, search, steps, 70))
    assert over.counted_from == 2, "the second step was not looked at as a whole"
    whole = await state.read(lambda tx: tx.run_lists.over_time(owner, search, steps, len(runs)))
    assert over.counts == ({}, {}, *whole.counts[2:]) and all(whole.counts)


async def test_of_steps_with_too_many_runs_none_is_counted(state: State) -> None:
    owner, workers, _ = await fill(state)
    steps = TimeSteps(records.START, 40, 1)  # 120 runs
    for search in (RunSearch(), RunSearch(worker_id=workers[0])):
        over = await state.read(lambda tx, s=search: tx.run_lists.over_time(owner, s, steps, 50))
        assert over.counted_from == 1 and over.counts == ({},)


async def test_a_walk_stops_with_enough_when_the_others_are_only_counted(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("FIRST_STEP", 10), ("COUNT_SCAN_LIMIT", 10), ("NARROW", 0)):
        monkeypatch.setattr(run_lists, name, number)
    owner, workers, _ = await fill(state)
    search = RunSearch(worker_id=workers[0], version="1.0.0")

    def walks(tx: Transaction) -> list[ListWalk]:
        of_page = tx.run_lists.walk(owner, search, None, limit=100, enough=2)
        return [of_page, tx.run_lists.walk(owner, search, None, limit=100)]

    of_page, whole = await state.read(walks)
    assert 2 <= len(of_page.cursors) < len(whole.cursors)
    assert of_page.cursors == whole.cursors[: len(of_page.cursors)]
    assert of_page.stopped is not None and whole.stopped is None


async def test_recent_inputs_differ_and_are_not_those_of_schedules(state: State) -> None:
    def work(tx: Transaction) -> tuple[list[str], list[str]]:
        owner, worker = records.seed(tx)
        other = records.worker(owner)
        tx.workers.add(other)
        given = [
            (worker, "1", Origin.WEB),
            (worker, "2", Origin.API),
            (worker, "1", Origin.WEB),
            (other.id, "3", Origin.WEB),
            *[(worker, str(n), Origin.SCHEDULE) for n in range(4, 20)],
            *[(worker, "2", Origin.WEB)] * run_lists.INPUTS_STEP,
            (worker, "20", Origin.TEST),
        ]
        ids = []
        for at, (worker_id, text_of_input, origin) in enumerate(given):
            run = records.run(
                owner,
                worker_id,
                origin=origin,
                input_json=text_of_input,
                created_at=records.START + at,
            )
            tx.runs.add(run, [])
            ids.append(run.id)
        recent = tx.run_lists.recent_inputs
        assert recent(owner, worker, 2) == [ids[-1], ids[-2]]
        assert recent("01JG0000000000000000000000", worker, 5) == []
        return recent(owner, worker, 5), [ids[-1], ids[-2], ids[2]]

    found, expected = await state.write(work)
    assert found == expected


async def test_large_inputs_are_not_read_to_compare_them(state: State) -> None:
    large = json.dumps({"urls": ["x" * 70_000]})

    def work(tx: Transaction) -> tuple[list[str], list[str]]:
        owner, worker = records.seed(tx)
        runs = [records.run(owner, worker, input_json=large, summary="s") for _ in range(3)]
        for run in runs:
            tx.runs.add(run, [])
        return tx.run_lists.recent_inputs(owner, worker, 5), [run.id for run in runs]

    found, runs = await state.write(work)
    assert sorted(found) == sorted(runs)


async def test_used_workers_are_listed_latest_first(state: State) -> None:
    owner, workers, runs = await fill(state)
    assert await state.read(lambda tx: tx.run_lists.workers(owner)) == sorted(workers)
    ordered = sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True)
    expected = list(dict.fromkeys(run.worker_id for run in ordered))
    listed = await state.read(lambda tx: tx.run_lists.recent_workers(owner, 50))
    last = {w: max(r.created_at for r in ordered[:50] if r.worker_id == w) for w in workers}
    assert listed == sorted(workers, key=lambda w: (-last[w], w)) and set(listed) == set(expected)
    assert await state.read(lambda tx: tx.run_lists.recent_workers(owner, 0)) == []


@pytest.mark.new_database
async def test_no_walk_reads_a_whole_table(state: State) -> None:
    """Each kind of filter uses an index that has the required order."""
    owner, workers, _ = await fill(state)
    plans = {
        "ix_runs_account_id_state_created_at_id": RunSearch(states=(RunState.FAILED,)),
        "ix_runs_account_id_worker_id_created_at_id": RunSearch(worker_id=workers[0]),
        "ix_runs_of_task": RunSearch(task_id="task-a"),
        "ix_runs_with_error": RunSearch(error="x", worker_id=workers[0]),
        "ix_runs_account_id_created_at_id_and_facts": RunSearch(
            version="1.0.0", origins=(Origin.WEB,), worker_id=workers[0], run_id="01"
        ),
        "ix_runs_with_reason": RunSearch(reasons=(ReasonCode.TIMEOUT,), version="1.0.0"),
        "ix_runs_not_succeeded": RunSearch(outcomes=(Outcome.TIMEOUT,), worker_id=workers[0]),
        "ix_runs_account_id_origin_created_at_id": RunSearch(origins=(Origin.WEB,)),
        "ix_runs_account_id_version_created_at_id": RunSearch(version="1.0.0"),
    }
    place = ListCursor(records.START + 20, "01")
    with state.storage.engine.connect() as connection:
        if connection.dialect.name != "sqlite":
            # PostgreSQL would prefer these plans, because the table is small
            connection.exec_driver_sql("SET enable_seqscan = off")
            connection.exec_driver_sql("SET enable_bitmapscan = off")
        for index, search in plans.items():
            for start in (None, place):
                query = list_query.ListQuery(connection, owner, search, start, newer=False)
                statement = query.page(query.scans(), None)
                explain = (
                    "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
                )
                lines = connection.execute(text(explain + statement), query.values | {"limit": 5})
                query_plan = " ".join(str(value) for row in lines for value in row)
                if connection.dialect.name == "sqlite":
                    assert f"INDEX {index}" in query_plan, query_plan
                    assert "TEMP B-TREE" not in query_plan and "SCAN runs" not in query_plan, (
                        query_plan
                    )
                else:
                    assert "Seq Scan" not in query_plan, (
                        query_plan
                    )  # the database chooses the index by its statistics

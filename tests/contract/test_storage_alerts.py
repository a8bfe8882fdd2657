"""The contract of alert rules, of runs that wait to be evaluated, and of alerts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.model.alert import AlertFilter, PreviousRun, RuleKind
from fyke.model.billing import UsageKey, UsageSums
from fyke.model.run import Run, RunState
from fyke.storage.sql.dialects import for_reading
from fyke.storage.sql.state.alerts import ended_query, previous_runs_query
from support import records
from support.alerts import a_rule, an_alert

pytestmark = pytest.mark.anyio
State = Any
ALL = AlertFilter()


async def seeded(state: State) -> tuple[str, str]:
    return await state.write(records.seed)


def ended(
    tx: Transaction, owner: str, worker: str, at: int, state: RunState = RunState.SUCCEEDED,
    **changes: Any,
) -> Run:  # fmt: skip
    """A run that ended at ``at`` after ten seconds."""
    changes = {"started_at": at - 10_000, "created_at": at - 10_000} | changes
    return records.seed_run(tx, owner, worker, 0, state=state, finished_at=at, **changes)


async def test_rules_come_back_oldest_first(state: State) -> None:
    owner, worker = await seeded(state)
    other, _ = await seeded(state)
    late = a_rule(owner, created_at=9, kind=RuleKind.SLOWER, factor=2.5, endpoints=("e1", "e2"))
    early = a_rule(owner, created_at=3, emails=("ada@example.org",), worker_id=worker)
    await state.write(lambda tx: [tx.alerts.add_rule(rule) for rule in (late, early)])
    assert await state.read(lambda tx: tx.alerts.rules(owner)) == [early, late]
    assert await state.read(lambda tx: tx.alerts.rules(other)) == []
    assert await state.read(lambda tx: tx.alerts.rule(late.id)) == late
    changed = replace(late, name="Other", percent=12.5, enabled=False, since=7, endpoints=())
    await state.write(lambda tx: tx.alerts.save_rule(changed))
    assert await state.write(lambda tx: tx.alerts.lock_rule(late.id)) == changed
    await state.write(lambda tx: tx.alerts.delete_rule(late.id))
    assert await state.read(lambda tx: tx.alerts.rule(late.id)) is None


async def test_rules_of_a_run_are_selected(state: State) -> None:
    owner, worker = await seeded(state)
    other, _ = await seeded(state)
    task = await state.write(lambda tx: records.task(owner, worker))
    every, of_worker = a_rule(owner, created_at=1), a_rule(owner, created_at=2, worker_id=worker)
    of_task = a_rule(owner, created_at=3, task_id=task.id)
    blind = [
        a_rule(owner, enabled=False), a_rule(owner, worker_id="w2"), a_rule(owner, task_id="t2"),
        a_rule(other),
    ]  # fmt: skip
    await state.write(
        lambda tx: [tx.alerts.add_rule(rule) for rule in (every, of_worker, of_task, *blind)]
    )
    run = records.run(owner, worker, task_id=task.id)
    assert await state.read(lambda tx: tx.alerts.rules_for(run)) == [every, of_worker, of_task]
    plain = replace(run, task_id="")
    assert await state.read(lambda tx: tx.alerts.rules_for(plain)) == [every, of_worker]


async def test_ended_runs_are_taken_once_and_in_order(state: State) -> None:
    owner, worker = await seeded(state)
    runs = [await state.write(lambda tx: ended(tx, owner, worker, 5)) for _ in range(3)]
    assert await state.read(lambda tx: tx.alerts.next_check(10)) is None
    assert await state.read(lambda tx: tx.alerts.next_check_at()) is None
    await state.write(lambda tx: [tx.alerts.add_check(run) for run in runs])
    first = await state.read(lambda tx: tx.alerts.next_check(10))
    assert (first.run_id, first.account_id, first.tries) == (runs[0].id, owner, 0)

    def take(tx: Transaction) -> bool:
        if tx.alerts.lock_check(first.seq) is None:
            return False
        tx.alerts.drop_check(first.seq)
        return True

    results = await asyncio.gather(*(state.write(take) for _ in range(6)))
    assert sum(results) == 1
    second = await state.read(lambda tx: tx.alerts.next_check(10))
    await state.write(lambda tx: tx.alerts.postpone_check(second.seq, 2, 50))
    assert (await state.read(lambda tx: tx.alerts.next_check(10))).run_id == runs[2].id
    assert await state.read(lambda tx: tx.alerts.next_check_at()) == 0
    check = await state.read(lambda tx: tx.alerts.next_check(50))
    assert (check.run_id, check.tries, check.not_before) == (runs[1].id, 2, 50)
    await state.write(lambda tx: tx.runs.delete(runs[2].id))
    assert (await state.read(lambda tx: tx.alerts.next_check(50))).run_id == runs[1].id
    assert await state.read(lambda tx: tx.alerts.next_check_at()) == 50


async def test_the_usual_value_comes_from_earlier_runs(state: State) -> None:
    owner, worker = await seeded(state)
    other, _ = await seeded(state)

    def history(tx: Transaction) -> list[Run]:
        history_runs = [ended(tx, owner, worker, at, results=at) for at in range(100, 130)]
        ended(tx, owner, worker, 120, RunState.FAILED)
        ended(tx, other, worker, 121)
        ended(tx, owner, worker, 122, task_id="t1", results=7)
        return history_runs

    history_runs = await state.write(history)
    evaluated = history_runs[25]
    previous = await state.read(
        lambda tx: tx.alerts.previous_runs(evaluated, of_task=False, limit=20)
    )
    # newest first; none that ended later, or at the same moment with a larger id
    assert len(previous) == 20
    assert previous[0] == PreviousRun(history_runs[24].id, 124, 10_000)
    assert [past.results for past in previous[:4]] == [124, 123, 7, 122]
    of_task = replace(evaluated, task_id="t1", finished_at=125)
    previous = await state.read(lambda tx: tx.alerts.previous_runs(of_task, of_task=True, limit=20))
    assert [past.results for past in previous] == [7]


async def test_the_latest_ended_runs_are_returned(state: State) -> None:
    owner, worker = await seeded(state)
    other, _ = await seeded(state)

    def history(tx: Transaction) -> None:
        for at in range(10):
            ended(tx, owner, worker, 100 + at, list(RunState)[4 + at % 3], task_id=f"t{at % 2}")
        records.seed_run(tx, owner, worker)
        ended(tx, other, worker, 500)

    await state.write(history)
    for worker_id, task_id, expected in (
        ("", "", [109, 108, 107]), (worker, "", [109, 108, 107]), ("", "t0", [108, 106, 104]),
        ("w2", "", []),
    ):  # fmt: skip
        runs = await state.read(
            lambda tx, w=worker_id, t=task_id: tx.alerts.last_ended(owner, w, t, 3)
        )
        assert [run.finished_at for run in runs] == expected


async def test_a_budget_counts_the_usage_of_its_period(state: State) -> None:
    owner, worker = await seeded(state)

    def days(tx: Transaction) -> None:
        for day, of, task in (
            (20261031, worker, ""), (20261101, worker, ""), (20261130, worker, "t1"),
            (20261115, "w2", ""), (20261201, worker, ""),
        ):  # fmt: skip
            sums = UsageSums(runs=1, usage_micros=10, traffic_bytes=3)
            tx.usage.add(UsageKey(owner, day, of, task), sums)

    await state.write(days)
    for rule, expected in (
        (a_rule(owner), (30, 9)),
        (a_rule(owner, worker_id=worker), (20, 6)),
        (a_rule(owner, task_id="t1"), (10, 3)),
        (a_rule("unknown"), (0, 0)),
    ):
        usage = await state.read(lambda tx, r=rule: tx.alerts.usage_of(r, 20261101, 20261131))
        assert usage == expected


async def test_a_month_is_claimed_once(state: State) -> None:
    owner, _ = await seeded(state)
    rule = a_rule(owner)
    await state.write(lambda tx: tx.alerts.add_rule(rule))
    claimed = await asyncio.gather(
        *(state.write(lambda tx: tx.alerts.claim_month(rule.id, "2026-11")) for _ in range(6))
    )
    assert sum(claimed) == 1
    assert await state.write(lambda tx: tx.alerts.claim_month(rule.id, "2026-12"))


async def test_alerts_are_listed_counted_and_read(state: State) -> None:
    owner, _ = await seeded(state)
    other, _ = await seeded(state)
    rule, second = a_rule(owner), a_rule(owner)
    alerts = [an_alert(rule if at % 2 else second, at=at) for at in range(6)]
    foreign = an_alert(a_rule(other), at=3)
    await state.write(lambda tx: [tx.alerts.add_alert(alert) for alert in (*alerts, foreign)])
    duplicate = replace(alerts[1], id=records.ordered_id())
    assert not await state.write(lambda tx: tx.alerts.add_alert(duplicate))
    count, page = await state.read(lambda tx: tx.alerts.alerts(owner, ALL, offset=1, limit=2))
    assert (count, page) == (6, [alerts[4], alerts[3]])
    of_rule = AlertFilter(rule_id=rule.id)
    count, page = await state.read(lambda tx: tx.alerts.alerts(owner, of_rule, offset=0, limit=9))
    assert (count, page) == (3, [alerts[5], alerts[3], alerts[1]])
    assert await state.read(lambda tx: tx.alerts.count_unread(owner, 100)) == 6
    assert await state.read(lambda tx: tx.alerts.count_unread(owner, 4)) == 4
    names = [alerts[0].id, alerts[1].id, foreign.id, "none"]
    assert await state.write(lambda tx: tx.alerts.mark_read(owner, names, 77)) == 2
    assert await state.write(lambda tx: tx.alerts.mark_read(owner, names, 78)) == 0
    assert (await state.read(lambda tx: tx.alerts.alert(alerts[0].id))).read_at == 77
    unread = AlertFilter(unread=True)
    count, page = await state.read(lambda tx: tx.alerts.alerts(owner, unread, offset=0, limit=9))
    assert (count, page[-1]) == (4, alerts[2])
    assert await state.write(lambda tx: tx.alerts.mark_read(owner, None, 79)) == 4
    assert await state.read(lambda tx: tx.alerts.count_unread(owner, 100)) == 0
    assert await state.read(lambda tx: tx.alerts.count_unread(other, 100)) == 1


async def test_old_alerts_are_removed_in_batches(state: State) -> None:
    owner, _ = await seeded(state)
    rule = a_rule(owner)
    await state.write(lambda tx: [tx.alerts.add_alert(an_alert(rule, at=at)) for at in range(6)])
    assert await state.write(lambda tx: tx.alerts.remove_alerts(4, 3)) == 3
    assert await state.write(lambda tx: tx.alerts.remove_alerts(4, 3)) == 1
    count, page = await state.read(lambda tx: tx.alerts.alerts(owner, ALL, offset=0, limit=9))
    assert (count, [alert.at for alert in page]) == (2, [5, 4])


@pytest.mark.new_database
async def test_usual_values_are_read_from_one_index(state: State) -> None:
    owner, worker = await seeded(state)
    run = await state.write(lambda tx: ended(tx, owner, worker, 50, task_id="t1"))
    with for_reading(state.storage.engine).connect() as connection, connection.begin():
        sqlite = connection.dialect.name == "sqlite"
        if not sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_sort = off")
        for query, index, in_order in (
            (previous_runs_query(run, of_task=False, limit=20), "ix_runs_ended_of_worker", True),
            (previous_runs_query(run, of_task=True, limit=20), "ix_runs_ended_of_task", True),
            (ended_query(owner, worker, "", 20), "ix_runs_ended_of_worker", False),
            (ended_query(owner, "", "t1", 20), "ix_runs_ended_of_task", False),
        ):
            sql = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
            explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{explain} {sql}").all()
            plan = "\n".join(str(row[3] if sqlite else row[0]) for row in rows)
            assert index in plan, plan
            if in_order:  # the index is read from its end, without sorting
                assert "TEMP B-TREE" not in plan and "Sort" not in plan, plan

"""Calls about an attempt whose answer was lost are made again: over the stores of both databases.

Each is answered as before and changes nothing, after whatever has happened in between; and a runner
that has lost the lease changes nothing at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.attempts import GivenBack
from fyke.domain.runs.returns import TRIES
from fyke.errors import StaleLease
from fyke.model.attempt import AttemptEnd, SiteTraffic
from fyke.model.run import SUCCESS, AttemptKey, End, Outcome, Run, RunState
from fyke.model.runner import AttemptUsage, Lease
from fyke.reasons import Detail, DetailCode
from support.records import seed, seed_run
from support.run_endings import ROOM, Setup
from support.statements import executed

pytestmark = pytest.mark.anyio
AWAY = Detail(DetailCode.EGRESS_AWAY)
FULL = End(Outcome.ROW_CAP, "full")
ENDED = AttemptEnd(SUCCESS, AttemptUsage(7, cpu_ms=5), (SiteTraffic("a.example", 1),))
OTHERWISE = AttemptEnd(End(Outcome.TIMEOUT, "too long"), AttemptUsage(99, cpu_ms=99))


async def everything(setup: Setup, run: Run) -> Any:
    """What is stored about a run, its account included."""

    def read(tx: Transaction) -> Any:
        return (
            tx.runs.get(run.id),
            tx.runs.subtasks(run.id),
            tx.runs.attempts(run.id),
            tx.runs.events(run.id),
            tx.sites.of_run(run.id),
            tx.outbox.of_run(run.id),
            tx.accounts.get(run.account_id),
            tx.samples.measure([run.id], 1),
        )

    return await setup.storage.read(read)


async def leased(setup: Setup, parts: int = 1) -> tuple[Run, list[Lease]]:
    """A run whose subtasks are leased, and not started."""

    def work(tx: Transaction) -> tuple[Run, list[Lease]]:
        run = seed_run(tx, *seed(tx), parts)
        return run, tx.runs.lease("r1", ROOM, tx.now + 60_000)

    return await setup.storage.write(work)


async def leased_again(setup: Setup) -> Lease:
    """The next attempt of a subtask, after its pause."""

    def work(tx: Any) -> Lease:
        tx.connection.exec_driver_sql(
            "UPDATE subtasks SET not_before = not_before - 100000 WHERE state = 'waiting'"
        )
        tx.connection.exec_driver_sql(
            "UPDATE attempts SET finished_at = finished_at - 100000 WHERE outcome IS NOT NULL"
        )
        [lease] = tx.runs.lease("r2", ROOM, tx.now + 60_000)
        return lease

    return await setup.storage.write(work)


async def take_over(setup: Setup, key: AttemptKey) -> None:
    def work(tx: Transaction) -> bool:
        return tx.runs.take_over(key.id, tx.runs.leases()[key.id])

    assert await setup.storage.write(work)


async def lose(setup: Setup, key: AttemptKey) -> None:
    """End an attempt whose lease has expired."""
    until = (await setup.attempts.check_leases())[key.id]
    assert await setup.attempts.end_expired(key.id, until)


async def delete(setup: Setup, run: Run) -> None:
    await setup.storage.write(lambda tx: tx.runs.delete(run.id))


def others(key: AttemptKey) -> list[AttemptKey]:
    """Keys that belong to no attempt, each with one member that is wrong."""
    wrong = {"id": "X", "run_id": "X", "ordinal": key.ordinal + 1, "token": key.token + 1}
    return [replace(key, **{name: value}) for name, value in wrong.items()]


# --- the start --------------------------------------------------------------------------------


async def test_a_repeated_start_keeps_the_time_of_the_first(setup: Setup) -> None:
    run, [lease] = await leased(setup)
    key = lease.attempt.key
    await setup.attempts.started(key, "r1")
    await setup.storage.write(lambda tx: tx.connection.exec_driver_sql(SET_BACK))
    before = await everything(setup, run)
    await setup.attempts.started(key, "r1")
    assert await everything(setup, run) == before
    [attempt] = before[2]
    assert (before[0].state, attempt.started_at) == (RunState.RUNNING, 77)


SET_BACK = "UPDATE attempts SET started_at = 77"


async def test_a_start_without_the_lease_is_refused(setup: Setup) -> None:
    run, [taken, given_back, ended, active] = await leased(setup, 4)
    await take_over(setup, taken.attempt.key)
    await setup.attempts.give_back(given_back.attempt.key, AWAY, actor="test")
    await setup.attempts.started(ended.attempt.key, "r1")
    await setup.attempts.ended(ended.attempt.key, ENDED, actor="test")
    before = await everything(setup, run)
    keys = [lease.attempt.key for lease in (taken, given_back, ended)]
    for key in (*keys, *others(active.attempt.key)):
        with pytest.raises(StaleLease):
            await setup.attempts.started(key, "r1")
    assert await everything(setup, run) == before
    await delete(setup, run)
    with pytest.raises(StaleLease):
        await setup.attempts.started(ended.attempt.key, "r1")


# --- a browser, a limit -----------------------------------------------------------------------


async def test_a_browser_is_reserved_once_and_only_with_the_lease(setup: Setup) -> None:
    run, [lease] = await setup.start()
    key = lease.attempt.key
    for other in others(key):
        with pytest.raises(StaleLease):
            await setup.attempts.reserve_browser(other, "r1", 1.0, 1024)
    limits = await setup.attempts.reserve_browser(key, "r1", 1.0, 1024)
    before = await everything(setup, run)
    assert await setup.attempts.reserve_browser(key, "r1", 2.0, 2048) == limits
    await take_over(setup, key)
    with pytest.raises(StaleLease):
        await setup.attempts.reserve_browser(key, "r1", 1.0, 1024)
    assert (await everything(setup, run))[3] == before[3]
    await delete(setup, run)
    with pytest.raises(StaleLease):
        await setup.attempts.reserve_browser(key, "r1", 1.0, 1024)


async def test_a_repeated_limit_changes_nothing(setup: Setup) -> None:
    run, [lease, _] = await setup.start(2)
    key = lease.attempt.key
    for _ in range(2):
        await setup.attempts.limit_reached(key, FULL)
        assert (await setup.stored(run)).state is RunState.ENDING
    await setup.attempts.ended(key, AttemptEnd(FULL, AttemptUsage()), actor="test")
    await setup.attempts.limit_reached(key, FULL)
    events = [event.kind for event in await setup.events(run)]
    assert events.count("LimitReached") == 1
    await delete(setup, run)
    await setup.attempts.limit_reached(key, FULL)


async def test_a_limit_ends_the_run_although_its_attempt_has_ended_first(setup: Setup) -> None:
    run, [lease, _] = await setup.start(2)
    await setup.attempts.ended(lease.attempt.key, AttemptEnd(FULL, AttemptUsage()), actor="test")
    await setup.attempts.limit_reached(lease.attempt.key, FULL)
    assert (await setup.stored(run)).state is RunState.ENDING


async def test_a_runner_that_has_lost_the_lease_ends_no_run_at_a_limit(setup: Setup) -> None:
    run, [lease, other] = await setup.start(2)
    another, _ = await setup.start()
    key = lease.attempt.key
    await take_over(setup, key)
    before = await everything(setup, run)
    foreign = replace(other.attempt.key, run_id=another.id)
    for wrong in (key, foreign, *(k for k in others(other.attempt.key) if k.run_id == run.id)):
        with pytest.raises(StaleLease):
            await setup.attempts.limit_reached(wrong, FULL)
    assert await everything(setup, run) == before
    assert (await setup.stored(another)).state is RunState.RUNNING


# --- the end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [3, None])
async def test_a_repeated_end_is_answered_with_the_present_run(
    setup: Setup, closed: int | None
) -> None:
    run, [lease, last] = await setup.start(2)
    key = lease.attempt.key
    await setup.push(lease, 3)
    first = await setup.attempts.ended(key, replace(ENDED, closed_rows=closed), actor="test")
    before = await everything(setup, run)
    for again in (ENDED, OTHERWISE):
        assert (
            await setup.attempts.ended(key, replace(again, closed_rows=closed), actor="x") == first
        )
    assert await everything(setup, run) == before
    assert [(a.rows, a.cpu_ms) for a in before[2] if a.outcome] == [(3, 5)]

    await setup.end(last)
    ended = await setup.check_ended_once(run)
    before = await everything(setup, run)
    assert ended.state is RunState.SUCCEEDED
    for each in (key, last.attempt.key):
        assert await setup.attempts.ended(each, ENDED, actor="test") == ended
    assert await everything(setup, run) == before
    await delete(setup, run)
    assert await setup.attempts.ended(key, ENDED, actor="test") is None


async def test_the_end_of_an_attempt_that_was_taken_over_is_refused_before_and_after_its_end(
    setup: Setup,
) -> None:
    run, [lease] = await setup.start()
    key = lease.attempt.key
    await take_over(setup, key)
    for _ in range(2):
        assert await setup.attempts.ended(key, ENDED, actor="late") is None
        assert await setup.attempts.give_back(key, AWAY, actor="late") is None
    await lose(setup, key)
    before = await everything(setup, run)
    assert before[0].outcome is Outcome.RUNNER_LOST
    assert await setup.attempts.ended(key, ENDED, actor="late") is None
    assert await setup.attempts.give_back(key, AWAY, actor="late") is None
    assert await everything(setup, run) == before


@pytest.mark.parametrize("has_ended", [False, True])
async def test_an_end_or_return_with_another_key_changes_nothing(
    setup: Setup, has_ended: bool
) -> None:
    run, [lease, _] = await setup.start(2)
    key = lease.attempt.key
    if has_ended:
        await setup.attempts.ended(key, ENDED, actor="test")
    before = await everything(setup, run)
    for other in others(key):
        assert await setup.attempts.ended(other, ENDED, actor="other") is None
        assert await setup.attempts.give_back(other, AWAY, actor="other") is None
    assert await everything(setup, run) == before


async def test_an_attempt_that_was_given_back_does_not_end_and_the_reverse(setup: Setup) -> None:
    run, [given_back, ended] = await leased(setup, 2)
    await setup.attempts.give_back(given_back.attempt.key, AWAY, actor="test")
    await setup.attempts.ended(ended.attempt.key, ENDED, actor="test")
    before = await everything(setup, run)
    assert await setup.attempts.ended(given_back.attempt.key, ENDED, actor="test") is None
    assert await setup.attempts.give_back(ended.attempt.key, AWAY, actor="test") is None
    assert await everything(setup, run) == before


# --- the return -------------------------------------------------------------------------------


@pytest.mark.parametrize("unstarted_only", [False, True])
async def test_a_repeated_return_is_answered_with_the_pause_of_the_first(
    setup: Setup, unstarted_only: bool
) -> None:
    run, [lease] = await leased(setup)
    key, only = lease.attempt.key, {"unstarted_only": unstarted_only}
    first = await setup.attempts.give_back(key, AWAY, actor="test", **only)
    assert first == GivenBack(run, 1000)
    before = await everything(setup, run)
    other = Detail(DetailCode.STORE_AWAY)
    assert await setup.attempts.give_back(key, other, actor="test", **only) == first
    assert await everything(setup, run) == before

    again = (await leased_again(setup)).attempt.key
    second = await setup.attempts.give_back(again, AWAY, actor="test", **only)
    assert second == GivenBack(run, 2000)
    for each, answer in ((key, first), (again, second)):
        assert await setup.attempts.give_back(each, AWAY, actor="test", **only) == answer

    aborted = await setup.abort(run)
    before = await everything(setup, run)
    for each, pause in ((key, 1000), (again, 2000)):
        answer = await setup.attempts.give_back(each, AWAY, actor="test", **only)
        assert answer == GivenBack(aborted, pause)
    assert await everything(setup, run) == before
    await delete(setup, run)
    assert await setup.attempts.give_back(again, AWAY, actor="test", **only) is None


async def test_a_repeated_return_that_has_ended_the_subtask_has_no_pause(setup: Setup) -> None:
    run, [lease] = await leased(setup)
    for _ in range(TRIES - 1):
        await setup.attempts.give_back(lease.attempt.key, AWAY, actor="test")
        lease = await leased_again(setup)
    first = await setup.attempts.give_back(lease.attempt.key, AWAY, actor="test")
    assert first == GivenBack(await setup.stored(run)) and first.run is not None
    assert first.run.state is RunState.FAILED
    before = await everything(setup, run)
    assert await setup.attempts.give_back(lease.attempt.key, AWAY, actor="test") == first
    assert await everything(setup, run) == before


async def test_a_repeated_return_to_a_run_that_is_being_stopped_has_no_pause(setup: Setup) -> None:
    run, [lease, _] = await leased(setup, 2)
    await setup.abort(run)
    first = await setup.attempts.give_back(lease.attempt.key, AWAY, actor="test")
    assert first == GivenBack(await setup.stored(run))
    assert await setup.attempts.give_back(lease.attempt.key, AWAY, actor="test") == first


async def test_an_attempt_that_has_started_is_not_returned_by_others_however_often(
    setup: Setup,
) -> None:
    run, [lease] = await setup.start()
    before = await everything(setup, run)
    for _ in range(2):
        answer = await setup.attempts.give_back(
            lease.attempt.key, AWAY, actor="test", unstarted_only=True
        )
        assert answer is None
    assert await everything(setup, run) == before


async def test_a_return_by_a_lost_runner_is_refused(setup: Setup) -> None:
    run, [lease] = await leased(setup)
    await lose(setup, lease.attempt.key)
    before = await everything(setup, run)
    [attempt] = before[2]
    assert attempt.outcome is Outcome.RETURNED
    assert await setup.attempts.give_back(lease.attempt.key, AWAY, actor="late") is None
    assert await everything(setup, run) == before


async def test_the_line_about_a_return_is_the_same_when_it_is_repeated(setup: Setup) -> None:
    _, [lease] = await leased(setup)
    key = lease.attempt.key
    line = await setup.attempts.returned_line(key, AWAY)
    assert "tried again in 1 s" in line.content
    await setup.attempts.give_back(key, AWAY, actor="test")
    assert await setup.attempts.returned_line(key, AWAY) == line


async def test_start_end_and_return_read_the_attempt_only_when_they_are_repeated(
    setup: Setup,
) -> None:
    _, [ended, returned, _] = await leased(setup, 3)

    async def reads(call: Any) -> int:
        with executed() as statements:
            await call
        return sum("FROM attempts" in sql and "SELECT attempts.id" in sql for sql, _ in statements)

    attempts, key = setup.attempts, ended.attempt.key
    assert [await reads(attempts.started(key, "r1")) for _ in range(2)] == [0, 0]
    assert [await reads(attempts.ended(key, ENDED, actor="test")) for _ in range(2)] == [0, 1]
    back = returned.attempt.key  # the tries of the subtask are read, once
    assert [await reads(attempts.give_back(back, AWAY, actor="test")) for _ in range(2)] == [1, 1]

"""What Workers report of their progress, over both databases."""

from __future__ import annotations

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.runs.progress import RunProgress
from fyke.model.attempt import AttemptReport
from fyke.model.progress import Progress, ProgressBasis, WorkerProgress
from fyke.model.run import AttemptKey, Run, RunLimits
from fyke.model.runner import AttemptUsage, Lease
from support.run_endings import ROOM, Setup

pytestmark = pytest.mark.anyio

LEASE_MS = 15_000
HOSTILE = "<b>\x00'; DROP TABLE attempts --"


async def report(setup: Setup, key: AttemptKey, *progress: int | str) -> frozenset[str]:
    """Report a progress; return the lost attempts."""
    said = AttemptReport(key, AttemptUsage(), progress=WorkerProgress(*progress))  # type: ignore[arg-type]
    return (await setup.attempts.report([said], LEASE_MS)).lost


async def of(setup: Setup, run: Run) -> Progress | None:
    return await RunProgress(setup.storage).of(await setup.stored(run), 0)


async def reported(setup: Setup, run: Run) -> WorkerProgress | None:
    found: WorkerProgress | None = await setup.storage.read(lambda tx: tx.progress.of_run(run.id))
    return found


async def test_the_last_report_counts_and_ends_with_the_run(setup: Setup) -> None:
    run, [lease] = await setup.start()
    assert await of(setup, run) is None
    await report(setup, lease.attempt.key, 1, 40, "page 1")
    await report(setup, lease.attempt.key, 2, 0, "page 2")
    assert await of(setup, run) == Progress(ProgressBasis.WORKER, 2, None, "page 2")
    await setup.attempts.report([AttemptReport(lease.attempt.key, AttemptUsage())], LEASE_MS)
    assert await reported(setup, run) == WorkerProgress(2, 0, "page 2"), "unchanged"
    await setup.end(lease)
    assert await of(setup, run) is None


async def test_texts_and_numbers_are_stored_as_they_are(setup: Setup) -> None:
    run, [lease] = await setup.start()
    largest = 2**53 - 1
    await report(setup, lease.attempt.key, largest, largest, HOSTILE)
    found = await reported(setup, run)
    assert found == WorkerProgress(largest, largest, HOSTILE.replace("\x00", "\ufffd"))


async def test_a_report_without_the_lease_changes_nothing(setup: Setup) -> None:
    run, [lease] = await setup.start()
    await report(setup, lease.attempt.key, 1, 4, "mine")
    key = lease.attempt.key
    stale = AttemptKey(key.id, key.run_id, key.ordinal, key.number, key.token + 1)
    assert await report(setup, stale, 4, 4, "not mine") == {key.id}
    assert await reported(setup, run) == WorkerProgress(1, 4, "mine")


async def test_a_retry_begins_without_a_progress(setup: Setup) -> None:
    limits = RunLimits(0.125, 512, 1800, 0, 0, max_retries=1)
    run, [lease] = await setup.start(limits=limits)
    await report(setup, lease.attempt.key, 3, 4, "of the lost attempt")
    until = (await setup.attempts.check_leases())[lease.attempt.id]
    assert await setup.attempts.end_expired(lease.attempt.id, until)
    assert await of(setup, run) is None, "it waits"

    def next_lease(tx: Transaction) -> list[Lease]:
        return tx.runs.lease("r2", ROOM, tx.now + 60_000)

    [again] = await setup.storage.write(next_lease)
    await setup.attempts.started(again.attempt.key, "r2")
    assert await of(setup, run) is None
    await report(setup, again.attempt.key, 1, 4, "again")
    assert await of(setup, run) == Progress(ProgressBasis.WORKER, 1, 4, "again")


async def test_subtasks_that_run_count_in_part(setup: Setup) -> None:
    run, leases = await setup.start(4)
    _, [of_other] = await setup.start(like=run)
    await report(setup, of_other.attempt.key, 1, 1)
    await report(setup, leases[0].attempt.key, 1, 4, "a quarter")
    await report(setup, leases[1].attempt.key, 30, 10, "more than expected")
    await report(setup, leases[2].attempt.key, 5, 0, "no total")
    assert await of(setup, run) == Progress(ProgressBasis.SUBTASKS, 0, 4, parts=1.25)
    await setup.end(leases[1])
    found = await of(setup, run)
    assert found == Progress(ProgressBasis.SUBTASKS, 1, 4, parts=0.25)
    assert found.percent == 31

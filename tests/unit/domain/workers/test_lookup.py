"""Visibility of workers and versions for each caller, and the errors for the others."""

from __future__ import annotations

import pytest

from fyke.domain.workers.lookup import (
    find_any_worker,
    find_own_worker,
    find_version,
    find_worker,
    find_worker_including_deleted,
    refuse_deleted,
)
from fyke.errors import Forbidden, UnknownVersion, VersionUnavailable, WorkerNotFound
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller
from fyke.model.worker import VersionState, Worker
from fyke.reasons import ReasonCode
from support.published import ALICE, BOB, OPERATOR, PublishedState

pytestmark = pytest.mark.anyio

CALLERS = (None, ALICE, BOB, OPERATOR)


async def callers_who_find(state: PublishedState, ref: str) -> list[Caller | None]:
    """The callers that find the worker."""
    callers = []
    for caller in CALLERS:
        try:
            await state.read(find_worker, caller, ref)
        except WorkerNotFound:
            continue
        callers.append(caller)
    return callers


async def callers_who_may_run(
    state: PublishedState, worker: Worker, number: str | None
) -> list[Caller | None]:
    """The callers that may run the version."""
    callers = []
    for caller in CALLERS:
        try:
            version = await state.read(find_version, caller, worker.id, number)
        except (UnknownVersion, VersionUnavailable):
            continue
        assert number in (None, "", version.number)
        callers.append(caller)
    return callers


async def test_a_worker_is_found_by_its_id_and_by_its_path(state: PublishedState) -> None:
    worker = await state.worker()
    for ref in (worker.id, f" {worker.id} ", "alice/quotes", "alice~quotes", "alice%2Fquotes"):
        assert await state.read(find_worker, ALICE, ref) == worker
        assert await state.read(find_any_worker, ref) == worker
    for ref in ("", "quotes", "alice/", "/quotes", "alice/quotes/x", "bob/quotes", new_ulid()):
        with pytest.raises(WorkerNotFound):
            await state.read(find_worker, ALICE, ref)
        with pytest.raises(WorkerNotFound):
            await state.read(find_any_worker, ref)


async def test_a_private_worker_is_found_by_its_account_and_by_its_reviewer(
    state: PublishedState,
) -> None:
    worker = await state.worker()
    await state.version(worker, approved=False)
    assert (
        await callers_who_find(state, worker.id)
        == await callers_who_find(state, worker.path)
        == [ALICE]
    )
    await state.submit(worker)
    assert await callers_who_find(state, worker.id) == [ALICE, OPERATOR]
    await state.do("workers.update", worker.id, worker.page, public=True)
    assert await callers_who_find(state, worker.id) == list(CALLERS)


async def test_others_see_the_newest_approved_version_as_the_latest(state: PublishedState) -> None:
    worker = await state.worker(public=True)
    await state.version(worker, "v1.0.1")
    await state.version(worker, "v1.0.2", approved=False)
    for caller, latest in ((ALICE, "v1.0.2"), (BOB, "v1.0.1"), (None, "v1.0.1")):
        assert (await state.read(find_worker, caller, worker.id)).latest == latest
        assert (await state.read(find_version, caller, worker.id, None)).number == latest


async def test_a_deleted_worker_is_only_found_for_its_past_runs(state: PublishedState) -> None:
    worker = await state.worker(public=True)
    await state.version(worker)
    await state.read(refuse_deleted, worker.id)
    await state.do("workers.mark_deleted", worker.id, 5)
    assert await callers_who_find(state, worker.id) == []
    assert (await state.read(find_worker_including_deleted, BOB, worker.id)).deleted_at == 5
    for find, *arguments in (
        (find_worker_including_deleted, BOB, worker.path),
        (find_any_worker, worker.id),
        (find_version, ALICE, worker.id, "v1.0.1"),
        (refuse_deleted, worker.id),
        (refuse_deleted, new_ulid()),
    ):
        with pytest.raises(WorkerNotFound):
            await state.read(find, *arguments)


async def test_only_its_owner_may_change_a_worker_that_others_see(state: PublishedState) -> None:
    shown, hidden = await state.worker(public=True), await state.worker("hidden")
    assert await state.read(find_own_worker, ALICE, shown.id, "change it") == shown
    with pytest.raises(Forbidden, match="only the owner of a worker may change it"):
        await state.read(find_own_worker, BOB, shown.id, "change it")
    with pytest.raises(WorkerNotFound):
        await state.read(find_own_worker, BOB, hidden.id, "change it")


async def test_the_newest_version_has_several_names(state: PublishedState) -> None:
    worker = await state.worker()
    await state.version(worker, "v1.0.1")
    await state.version(worker, "v1.0.2")
    for number in (None, "", " ", "latest", "auto", "v1.0.2", " v1.0.2 "):
        assert (await state.read(find_version, ALICE, worker.id, number)).number == "v1.0.2"
    assert (await state.read(find_version, ALICE, worker.id, "v1.0.1")).number == "v1.0.1"


async def test_other_accounts_run_approved_versions_only_and_the_reviewer_waiting_ones(
    state: PublishedState,
) -> None:
    worker = await state.worker(public=True)
    await state.version(worker, "v1.0.1")
    await state.version(worker, "v1.0.2", approved=False)
    await state.version(worker, "v1.0.3", approved=False)
    await state.version(worker, "v1.0.4", state=VersionState.DRAFT)
    await state.submit(worker, "v1.0.3")
    assert await callers_who_may_run(state, worker, "v1.0.1") == list(CALLERS)
    assert await callers_who_may_run(state, worker, "v1.0.2") == [ALICE]
    assert await callers_who_may_run(state, worker, "v1.0.3") == [ALICE, OPERATOR]
    assert await callers_who_may_run(state, worker, "v1.0.4") == [ALICE]
    assert await callers_who_may_run(state, worker, None) == list(CALLERS)


async def test_the_error_for_an_unknown_version_names_the_latest(state: PublishedState) -> None:
    worker = await state.worker(public=True)
    with pytest.raises(VersionUnavailable) as none:
        await state.read(find_version, ALICE, worker.id, "latest")
    assert none.value.reason.code is ReasonCode.NO_VERSION
    await state.version(worker, "v1.0.1")
    await state.version(worker, "v1.0.2", approved=False)
    for caller, latest in ((ALICE, "v1.0.2"), (BOB, "v1.0.1")):
        with pytest.raises(UnknownVersion, match=f"'v9' does not exist; the latest is {latest}"):
            await state.read(find_version, caller, worker.id, "v9")
    with pytest.raises(UnknownVersion, match=f"'{'9' * 40}' does not exist"):
        await state.read(find_version, ALICE, worker.id, "9" * 99)


async def test_a_withdrawn_version_is_refused_with_the_reason_for_accounts_that_could_run_it(
    state: PublishedState,
) -> None:
    worker = await state.worker(public=True)
    await state.version(worker, "v1.0.1")
    await state.version(worker, "v1.0.2")
    await state.version(worker, "v1.0.3", approved=False)
    await state.withdraw(worker, "v1.0.2", "loses rows")
    await state.withdraw(worker, "v1.0.3")
    with pytest.raises(VersionUnavailable) as gone:
        await state.read(find_version, BOB, worker.id, "v1.0.2")
    reason = gone.value.reason
    assert reason.code is ReasonCode.VERSION_WITHDRAWN
    assert "v1.0.2 was withdrawn (loses rows); the latest is v1.0.1" in gone.value.message
    with pytest.raises(UnknownVersion):
        await state.read(find_version, BOB, worker.id, "v1.0.3")
    with pytest.raises(VersionUnavailable):
        await state.read(find_version, ALICE, worker.id, "v1.0.3")

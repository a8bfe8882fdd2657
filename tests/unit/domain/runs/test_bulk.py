"""Actions on many runs: separate results, and only for runs in suitable states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.domain.runs import bulk as module
from fyke.domain.runs.bulk import BulkOutcome, RunBulk
from fyke.domain.runs.lists import RunLists
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.start_keys import StartKey
from fyke.domain.runs.transitions import Rules
from fyke.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    Refused,
    RunNotAbortable,
    RunNotFound,
    Unavailable,
)
from fyke.model.account import Role
from fyke.model.billing import Prices
from fyke.model.run import Origin, RunState
from fyke.model.run_list import RunSearch
from fyke.model.run_list_limits import MAX_NAMED, BulkAction
from fyke.storage.signals.datagram import DatagramSignals
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
RULES = Rules(Prices(), HIDING, 1000, "")


class Setup:
    def __init__(self, stores: Stores, folder: Path, signals: DatagramSignals) -> None:
        self.stores = stores
        self.runs = stores.runs(folder, RULES, signals)
        self.bulk = RunBulk(self.runs, RunLists(stores.storage, stores.results, RULES))

    async def named(
        self, action: BulkAction, *refs: str, key: StartKey | None = None
    ) -> BulkOutcome:
        return await self.bulk.apply_to_named(self.stores.caller, action, refs, Origin.API, key=key)

    async def matching(self, action: BulkAction, search: RunSearch | None = None) -> BulkOutcome:
        return await self.bulk.apply_to_matching(
            self.stores.caller, action, search or RunSearch(), Origin.API
        )

    async def repeatable(self) -> None:
        """Add the version of the runs, so that they can be rerun."""
        version = records.version(self.stores.worker, input_schema='{"properties":[]}')
        await self.stores.write(lambda tx: tx.workers.add_version(version))


@pytest.fixture
def setup(stores: Stores, tmp_path: Path) -> Iterator[Setup]:
    with closing(DatagramSignals(tmp_path / "signals")) as signals:
        yield Setup(stores, tmp_path / "blobs", signals)


def errors(answer: BulkOutcome) -> list[type[Exception] | None]:
    return [type(one.error) if one.error else None for one in answer.results]


async def test_each_named_run_is_processed_once_and_a_refusal_does_not_stop_others(
    setup: Setup,
) -> None:
    ready, over = await setup.stores.run(), await setup.stores.run(state=RunState.SUCCEEDED)
    missing = records.ordered_id()
    answer = await setup.named(BulkAction.ABORT, over.id, missing, ready.id, over.id, ready.id)
    assert [one.run_id for one in answer.results] == [over.id, missing, ready.id]
    assert errors(answer) == [RunNotAbortable, RunNotFound, None]
    assert (answer.done, answer.more) == (1, False)
    assert (await setup.stores.stored(ready)).state is RunState.ABORTED


async def test_none_or_too_many_named_runs_are_refused(setup: Setup) -> None:
    with pytest.raises(InvalidRequest, match="at least one run"):
        await setup.named(BulkAction.DELETE)
    refs = [records.ordered_id() for _ in range(MAX_NAMED + 1)]
    with pytest.raises(InvalidRequest, match=f"at most {MAX_NAMED} .* {MAX_NAMED + 1} are"):
        await setup.named(BulkAction.DELETE, *refs)
    assert len((await setup.named(BulkAction.DELETE, *refs[1:], refs[1])).results) == MAX_NAMED


@pytest.mark.parametrize("action", list(BulkAction))
async def test_viewers_may_not_change_runs(setup: Setup, action: BulkAction) -> None:
    viewer = replace(setup.stores.caller, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        await setup.bulk.apply_to_named(viewer, action, ["x"], Origin.API)
    with pytest.raises(Forbidden):
        await setup.bulk.apply_to_matching(viewer, action, RunSearch(), Origin.API)


async def test_matching_runs_are_limited_to_states_of_the_action(setup: Setup) -> None:
    made = {state: await setup.stores.run(state=state) for state in RunState}
    aborted = await setup.matching(BulkAction.ABORT)
    assert {one.run_id for one in aborted.results} == {
        made[RunState.READY].id,
        made[RunState.RUNNING].id,
    }
    assert errors(aborted) == [None, None]
    deleted = await setup.matching(
        BulkAction.DELETE, RunSearch(states=(RunState.FAILED, RunState.ENDING))
    )
    assert [one.run_id for one in deleted.results] == [made[RunState.FAILED].id]
    none = await setup.matching(BulkAction.DELETE, RunSearch(states=(RunState.READY,)))
    assert none == BulkOutcome([])


async def test_the_newest_matching_runs_up_to_the_limit_are_processed_and_more_is_reported(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MATCHED", 2)
    made = [await setup.stores.run(created_at=records.START + n) for n in range(3)]
    answer = await setup.matching(BulkAction.ABORT)
    assert [one.run_id for one in answer.results] == [made[1].id, made[2].id]
    assert answer.more
    rest = await setup.matching(BulkAction.ABORT)
    assert ([one.run_id for one in rest.results], rest.more) == ([made[0].id], False)


async def test_a_run_that_has_not_ended_is_not_deleted(setup: Setup) -> None:
    active, over = await setup.stores.run(), await setup.stores.run(state=RunState.FAILED)
    assert errors(await setup.named(BulkAction.DELETE, active.id, over.id)) == [Refused, None]
    assert await setup.stores.read(lambda tx: tx.runs.get(over.id)) is None


async def test_with_a_key_each_run_is_rerun_once(setup: Setup) -> None:
    await setup.repeatable()
    text = '{"parameters":{"custom":{}}}'
    same = {"state": RunState.FAILED, "input_json": text, "egress_allow": ()}
    runs = [await setup.stores.run(**same) for _ in range(2)]
    refs = [run.id for run in runs]
    first, again = StartKey("k", "d"), StartKey("k", "d")
    made = await setup.named(BulkAction.RERUN, *refs[:1], key=first)
    assert (errors(made), first.replayed) == ([None], False)
    both = await setup.named(BulkAction.RERUN, *refs, key=again)
    assert (errors(both), again.replayed) == ([None, None], False)  # one of them is new
    assert both.results[0].new_run_id == made.results[0].new_run_id
    assert both.results[1].new_run_id not in ("", *refs, made.results[0].new_run_id)
    last = StartKey("k", "d")
    assert await setup.named(BulkAction.RERUN, *refs, key=last) == both
    assert last.replayed
    other = await setup.named(BulkAction.RERUN, *refs, key=StartKey("k", "another request"))
    assert errors(other) == [Conflict, Conflict]


async def test_an_unavailable_store_is_called_only_once(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    refs = [(await setup.stores.run()).id for _ in range(3)]
    abort = setup.runs.abort

    async def failing(caller, run_id: str):
        asked.append(run_id)
        if run_id != refs[0]:
            raise Unavailable("the disk is full")
        return await abort(caller, run_id)

    monkeypatch.setattr(setup.runs, "abort", failing)
    answer = await setup.named(BulkAction.ABORT, *refs)
    assert errors(answer) == [None, Unavailable, Unavailable]
    assert asked == refs[:2]

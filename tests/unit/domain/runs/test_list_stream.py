"""Live updates of a list: changed, removed and new runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.contracts.signals import output_topic, run_topic
from fyke.domain.runs import list_stream as module
from fyke.domain.runs.list_stream import ListStream, ListUpdate
from fyke.domain.runs.lists import RunLists
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.model.billing import Prices
from fyke.model.run import Run, RunState
from fyke.model.run_list import ListCursor, RunSearch
from fyke.storage.signals.datagram import DatagramSignals
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
RULES = Rules(Prices(), HIDING, 1000, "")


@pytest.fixture
def signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatagramSignals]:
    monkeypatch.setattr(module, "BATCH_SECONDS", 0)
    with closing(DatagramSignals(tmp_path / "signals")) as made:
        yield made


def follow(
    stores: Stores, signals: DatagramSignals, *runs: Run, top: ListCursor | None = None
) -> AsyncIterator[ListUpdate]:
    lists = RunLists(stores.storage, stores.results, RULES)
    ids = [run.id for run in runs]
    return ListStream(lists, signals).follow(stores.caller, RunSearch(), ids, top)


def ids(update: ListUpdate) -> list[str]:
    return [row.line.id for row in update.rows]


async def move(stores: Stores, run: Run, state: RunState) -> None:
    ended = stores.clock.now_ms() if state.terminal else 0
    moved = replace(run, state=state, started_at=run.created_at, finished_at=ended)
    assert await stores.write(lambda tx: tx.runs.move(moved, run.state))


async def test_the_first_update_has_all_runs_and_later_ones_the_changed_runs(
    stores: Stores, signals: DatagramSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACTIVE_POLL_SECONDS", 60.0)
    one, other = await stores.run(), await stores.run()
    updates = follow(stores, signals, one, other, one)
    assert ids(await anext(updates)) == [one.id, other.id]
    await move(stores, other, RunState.RUNNING)
    signals.notify(run_topic(other.id))
    update = await anext(updates)
    assert (ids(update), update.removed) == ([other.id], [])
    signals.notify(output_topic(one.id))
    assert ids(await anext(updates)) == []  # nothing has changed: a keep-alive


async def test_an_ended_run_is_sent_once_more_and_a_deleted_one_is_reported_once(
    stores: Stores, signals: DatagramSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACTIVE_POLL_SECONDS", 0.0)
    monkeypatch.setattr(module, "IDLE_POLL_SECONDS", 0.0)
    one, other = await stores.run(), await stores.run()
    updates = follow(stores, signals, one, other)
    await anext(updates)
    await move(stores, one, RunState.SUCCEEDED)
    await stores.write(lambda tx: tx.runs.delete(other.id))
    update = await anext(updates)
    assert (ids(update), update.removed) == ([one.id], [other.id])
    await stores.write(lambda tx: tx.runs.delete(one.id))
    update = await anext(updates)  # no run of the list is active any more
    assert (ids(update), update.removed) == ([], [])


async def test_a_running_run_is_sent_when_another_second_has_passed(
    stores: Stores, signals: DatagramSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACTIVE_POLL_SECONDS", 0.0)
    run = await stores.run(state=RunState.RUNNING, started_at=stores.clock.now_ms())
    updates = follow(stores, signals, run)
    await anext(updates)
    stores.clock.advance(0.999)
    assert ids(await anext(updates)) == []
    stores.clock.advance(0.001)
    assert ids(await anext(updates)) == [run.id]


async def test_newer_runs_are_counted_up_to_a_limit_and_only_on_request(
    stores: Stores, signals: DatagramSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE_POLL_SECONDS", 0.0)
    monkeypatch.setattr(module, "MAX_NEW", 2)
    old = await stores.run(created_at=records.START, state=RunState.FAILED)
    top = ListCursor(old.created_at, old.id)
    counting, other = follow(stores, signals, top=top), follow(stores, signals)
    counts = []
    for _ in range(4):
        counts.append((await anext(counting)).new_count)
        await stores.run(created_at=records.START + 1)
    assert counts == [0, 1, 2, 2]
    assert (await anext(other)).new_count == 0

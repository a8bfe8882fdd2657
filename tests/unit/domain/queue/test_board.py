"""The queue board: order, pages and capacity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.queue.board import Filling, QueueBoard, QueueBoardView, Slots
from fyke.domain.queue.service import RunQueue
from fyke.domain.queue.stream import _content_of
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.domain.runs.lists import RunLists
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.transitions import Rules
from fyke.domain.runs.waiting import WaitReasons
from fyke.model.account import Plan
from fyke.model.billing import Prices
from fyke.model.queue import QueuedStart
from fyke.model.run import RunState
from fyke.model.runner import RunnerInfo
from fyke.storage.signals.datagram import DatagramSignals
from support import records
from support.stores import Stores

pytestmark = pytest.mark.anyio
RULES = Rules(Prices(), HIDING, 1000, "")


@pytest.fixture
def board(stores: Stores, tmp_path: Path) -> Iterator[QueueBoard]:
    with closing(DatagramSignals(tmp_path / "signals")) as signals:
        runs = stores.runs(tmp_path / "blobs", RULES, signals)
        yield QueueBoard(
            stores.storage,
            RunQueue(stores.storage, runs, RULES.prices),
            WaitReasons(stores.storage, RULES),
            RunLists(stores.storage, stores.results, RULES),
        )


async def runner(
    stores: Stores, name: str, cpus: float, memory: int, *, silent: int = 0, **more: Any
) -> None:
    found = RunnerInfo(name, name, "full", "", cpus, memory, stores.clock.now_ms() - silent, **more)
    await stores.write(lambda tx: tx.runs.put_runner(found))


async def test_an_installation_without_runners_has_no_capacity(
    stores: Stores, board: QueueBoard
) -> None:
    assert await board.slots(stores.caller) == Slots(0, None, 0, 0, 0, 0, 0)


async def test_only_active_runners_and_their_load_count_as_capacity(
    stores: Stores, board: QueueBoard
) -> None:
    await runner(stores, "r1", 0.1, 1000)
    await runner(stores, "r2", 0.2, 2000)
    await runner(stores, "dead", 64, 64_000, silent=RUNNER_SILENCE_MS + 1)
    await stores.run(cpus=0.05, memory_mb=300)
    await stores.lease("r1")
    await stores.run(cpus=8, memory_mb=8000)
    await stores.lease("dead")
    await stores.write(lambda tx: tx.accounts.set_plan(stores.account, Plan.FREE))
    assert await board.slots(stores.caller) == Slots(
        busy=2, most=2, runners=2, cpus=0.3, cpus_taken=0.05, memory_mb=3000, memory_taken_mb=300,
        filled=(Filling("Title", 1, 0.05, 300),),
    )  # fmt: skip


async def test_browsers_take_their_share_of_the_capacity(stores: Stores, board: QueueBoard) -> None:
    await runner(stores, "r1", 2, 4096, browsers=6, browser_share=0.15)
    await stores.run(cpus=0.5, memory_mb=512, browser_cpus=1.0, browser_memory_mb=1024)
    await stores.lease("r1")
    slots = await board.slots(stores.caller)
    assert (slots.cpus_taken, slots.memory_taken_mb) == (0.65, 512 + 154)


async def test_waiting_runs_are_listed_in_the_order_of_their_starts(
    stores: Stores, board: QueueBoard
) -> None:
    made = [await stores.run(created_at=records.START + n) for n in range(5)]
    await stores.run(state=RunState.RUNNING)
    first = await board.read(stores.caller, size=3)
    assert [(row.position, row.row.line.id) for row in first.runs] == [
        (n, run.id) for n, run in enumerate(made[:3], 1)
    ]
    assert (first.waiting, first.next is not None) == (5, True)
    rest = await board.read(stores.caller, size=3, start=first.next)
    assert [row.row.line.id for row in rest.runs] == [run.id for run in made[3:]]
    assert rest.next is None
    assert all(row.reason.reason is not None for row in first.runs + rest.runs)


async def test_queue_items_have_separate_pages(stores: Stores, board: QueueBoard) -> None:
    def hold(number: int, *, waiting: bool = True) -> QueuedStart:
        return QueuedStart(
            records.ordered_id(), stores.account, stores.worker, "1.0.0", "{}", "", waiting, "", "",
            records.START + number, 0,
        )  # fmt: skip

    items = [hold(n) for n in range(3)]
    for item in (*items, hold(9, waiting=False)):
        await stores.write(lambda tx, item=item: tx.queue.add(item))
    ids = [item.id for item in items]
    for number, oldest_first, expected in (
        (1, False, [ids[2], ids[1]]), (2, False, [ids[0]]), (1, True, ids[:2]), (3, True, []),
    ):  # fmt: skip
        found = await board.read(stores.caller, size=2, number=number, oldest_first=oldest_first)
        assert (found.held, [one.item.id for one in found.items]) == (3, expected)


async def test_another_account_has_an_empty_board(stores: Stores, board: QueueBoard) -> None:
    await stores.run()
    await runner(stores, "r1", 1, 1000)
    await stores.lease("r1")
    await stores.run()
    stranger = replace(stores.caller, account_id=records.ordered_id())
    found = await board.read(stranger)
    assert (found.waiting, found.runs, found.slots.busy, found.slots.most) == (0, [], 0, None)
    assert found.slots.runners == 1


def test_what_other_accounts_take_is_never_negative() -> None:
    mine = (Filling("a", 1, 0.1, 300), Filling("b", 2, 0.2, 300))
    full = Slots(1, None, 1, 8, 0.1 + 0.2 - 1e-9, 4096, 512, mine)
    shown = f"{full.cpus_of_others:g}"
    assert (shown, full.memory_mb_of_others) == ("0", 0)
    assert replace(full, cpus_taken=1.3, memory_taken_mb=1000).cpus_of_others == 1.0


def test_a_changed_pace_is_sent_and_a_similar_one_is_not() -> None:
    board = QueueBoardView(Slots(1, 1, 1, 8, 1, 4096, 512), 5, [], None, 0, [], 2040)
    assert _content_of(board) == _content_of(replace(board, pace_ms=2010))
    assert _content_of(board) != _content_of(replace(board, pace_ms=2300))

"""Live updates of the queue board."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from fyke.domain.queue.board import QueueBoard, QueueBoardView
from fyke.domain.queue.service import RunQueue
from fyke.model.account import Caller
from fyke.model.queue import QueuedStart
from fyke.model.run_list import ListCursor

POLL_SECONDS = 2.0  # not every change of a position in the queue is notified


@dataclass(frozen=True, slots=True)
class QueueUpdate:
    """The current board, None when it has not changed. ``items_changed``: the items on the page
    have changed. ``ended``: the items that have left the queue, with their new state.
    """

    board: QueueBoardView | None
    items_changed: bool
    ended: list[QueuedStart]


class QueueStream:
    """Streams the updates of an account's queue board."""

    def __init__(self, board: QueueBoard, queue: RunQueue) -> None:
        self._board = board
        self._queue = queue

    async def follow(
        self,
        caller: Caller,
        *,
        start: ListCursor | None = None,
        number: int = 1,
        oldest_first: bool = False,
        shown: Sequence[int] | None = None,
    ) -> AsyncIterator[QueueUpdate]:
        """Yield updates forever, starting with the board itself. ``shown`` are the numbers of the
        items that the client shows: the first update names those that have left the queue since.
        """
        sent: tuple[object, ...] = ()
        items: tuple[object, ...] | None = None
        while True:
            board = await self._board.read(
                caller, start=start, number=number, oldest_first=oldest_first
            )
            numbers = [listed.item.number for listed in board.items]
            if items is None:
                changed = shown is not None and list(shown) != numbers
            else:
                changed = _items_of(board) != items
            if changed or _content_of(board) != sent:
                left = [str(number) for number in shown or () if number not in numbers]
                ended = await self._queue.ended_items(caller, left)
                sent, items, shown = _content_of(board), _items_of(board), numbers
                yield QueueUpdate(board, changed, ended)
            else:
                yield QueueUpdate(None, False, [])
            await asyncio.sleep(POLL_SECONDS)


def _content_of(board: QueueBoardView) -> tuple[object, ...]:
    return (
        board.slots,
        board.waiting,
        board.held,
        f"{board.pace_ms:.1e}",  # two digits, as an estimate is not exact
        tuple((run.row.line.id, run.reason) for run in board.runs),
    )


def _items_of(board: QueueBoardView) -> tuple[object, ...]:
    return tuple((listed.item.id, listed.reasons) for listed in board.items)

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

SWEEP = 2.0  # seconds; not every change of a position in the queue is notified


@dataclass(frozen=True, slots=True)
class QueueUpdate:
    """The board as it is now, None when it is as last sent. ``held_moved``: the items of the queue
    have changed. ``gone`` are items that have left it, with their new state.
    """

    board: QueueBoardView | None
    held_moved: bool
    gone: list[QueuedStart]


class QueueStream:
    """Follows the queues of accounts, each for its reader."""

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
        """Endless updates, starting with the board itself. ``shown`` are the numbers of the items
        that the client shows already, so that changes before the stream started are sent too.
        """
        sent: tuple[object, ...] = ()
        held: tuple[object, ...] | None = None
        while True:
            board = await self._board.look(
                caller, start=start, number=number, oldest_first=oldest_first
            )
            now = [listed.item.number for listed in board.items]
            if held is None:
                moved = shown is not None and list(shown) != now
            else:
                moved = _held(board) != held
            if moved or _content_of(board) != sent:
                left = [str(number) for number in shown or () if number not in now]
                gone = await self._queue.ended(caller, left)
                sent, held, shown = _content_of(board), _held(board), now
                yield QueueUpdate(board, moved, gone)
            else:
                yield QueueUpdate(None, False, [])
            await asyncio.sleep(SWEEP)


def _content_of(board: QueueBoardView) -> tuple[object, ...]:
    return (
        board.slots,
        board.waiting,
        board.held,
        tuple((one.row.line.id, one.reason) for one in board.runs),
    )


def _held(board: QueueBoardView) -> tuple[object, ...]:
    return tuple((listed.item.id, listed.reasons) for listed in board.items)

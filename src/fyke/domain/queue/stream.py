"""A queue that keeps up: what waits, as soon as it is no longer what was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from fyke.domain.queue.board import QueueBoard, QueueBoardView
from fyke.domain.queue.service import RunQueue
from fyke.model.account import Caller
from fyke.model.queue import QueueItem
from fyke.model.run_list import ListCursor

SWEEP = 2.0  # seconds; nothing rings for all that can change a place in the queue


@dataclass(frozen=True, slots=True)
class QueueUpdate:
    """The board as it is now, None when it is as it was told. ``held_moved``: what is held is not
    what it was. ``gone`` are items that were on it and wait no more, with what became of them.
    """

    board: QueueBoardView | None
    held_moved: bool
    gone: list[QueueItem]


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
        """News without end, beginning with the board itself. ``shown`` are the numbers of the held
        items that the reader has before them, so that what changed before this began is told too.
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

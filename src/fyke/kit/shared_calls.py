"""One call for many: those who ask while a call is under way share the next one.

The first one who asks does not wait, and under load a call serves all who came meanwhile. So the
number of calls does not grow with the number of those who ask.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class SharedCalls(Generic[Item, Answer]):
    """``call`` gets some items and returns an answer for each, in their order. It is called again
    only after it has returned. A call has items with at most ``most`` in all, by their ``size``, or
    one item.

    When it raises one of ``for_all``, or had one item only, all who wait for it get that error.
    After any other error each item has a call of its own, because one may be at fault.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        most: int,
        size: Callable[[Item], int] = lambda _: 1,
        for_all: type[Exception] | tuple[type[Exception], ...] = (),
    ) -> None:
        self._call = call
        self._most = most
        self._size = size
        self._for_all = for_all
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._calling: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Answer:
        """The answer for this item, from a call that begins now or later. Cancelled, it no longer
        waits; the item is part of no call that begins later.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._calling is None:
            self._calling = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                if taken := self._take():
                    await self._answer(taken)
        finally:
            self._calling = None
            for _, answer in self._waiting:  # only when this task is cancelled
                answer.cancel()

    def _take(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        taken: list[tuple[Item, asyncio.Future[Answer]]] = []
        left = self._most
        while self._waiting:
            item, answer = self._waiting[0]
            if not answer.done():  # else it was cancelled
                left -= self._size(item)
                if taken and left < 0:
                    break
                taken.append((item, answer))
            self._waiting.popleft()
        return taken

    async def _answer(self, asked: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._call([item for item, _ in asked])
        except Exception as error:
            if len(asked) > 1 and not isinstance(error, self._for_all):
                for each in asked:
                    await self._answer([each])
            else:
                for answer in _unsettled(asked):
                    answer.set_exception(error)
        except asyncio.CancelledError:
            for answer in _unsettled(asked):
                answer.cancel()
            raise
        else:
            for (_, answer), value in zip(asked, answers, strict=True):
                if not answer.done():
                    answer.set_result(value)


def _unsettled(asked: list[tuple[Item, asyncio.Future[Answer]]]) -> list[asyncio.Future[Answer]]:
    """The answers that are still waited for."""
    return [answer for _, answer in asked if not answer.done()]

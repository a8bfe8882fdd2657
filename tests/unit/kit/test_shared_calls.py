"""Those who ask while a call is under way share the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fyke.kit.shared_calls import SharedCalls

pytestmark = pytest.mark.anyio


class Caller:
    """Answers an item with its double; raises for the items in ``errors``. Waits for ``gate``."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.errors: dict[int, Exception] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.calls.append([*items])
        await self.gate.wait()
        for item in items:
            if item in self.errors:
                raise self.errors[item]
        return [2 * item for item in items]


async def ask_all(shared: SharedCalls[int, int], *items: int) -> list[int | BaseException]:
    return await asyncio.gather(*(shared.ask(item) for item in items), return_exceptions=True)


async def test_those_who_ask_during_a_call_share_the_next_one() -> None:
    caller = Caller()
    shared = SharedCalls(caller, most=10)
    caller.gate.clear()
    first = asyncio.create_task(shared.ask(1))
    await asyncio.sleep(0)
    others = asyncio.create_task(ask_all(shared, 2, 3, 2))
    await asyncio.sleep(0)
    caller.gate.set()
    assert await first == 2
    assert await others == [4, 6, 4]
    assert caller.calls == [[1], [2, 3, 2]]
    assert await shared.ask(5) == 10
    assert caller.calls[2:] == [[5]]


async def test_what_was_cancelled_is_not_called() -> None:
    caller = Caller()
    shared = SharedCalls(caller, most=10)
    caller.gate.clear()
    asked = [asyncio.create_task(shared.ask(item)) for item in (1, 2, 3)]
    await asyncio.sleep(0)
    late = asyncio.create_task(shared.ask(4))
    await asyncio.sleep(0)
    late.cancel()
    caller.gate.set()
    assert await asyncio.gather(*asked) == [2, 4, 6]
    assert caller.calls == [[1, 2, 3]]


async def test_a_call_has_a_limit_and_at_least_one_item() -> None:
    caller = Caller()
    shared = SharedCalls(caller, most=5, size=lambda item: item)
    assert await ask_all(shared, 2, 3, 1, 9, 4) == [4, 6, 2, 18, 8]
    assert caller.calls == [[2, 3], [1], [9], [4]]


async def test_an_error_of_one_is_not_that_of_the_others() -> None:
    caller = Caller()
    caller.errors[2] = fault = ValueError("2")
    shared = SharedCalls(caller, most=10, for_all=OSError)
    assert await ask_all(shared, 1, 2, 3) == [2, fault, 6]
    assert caller.calls == [[1, 2, 3], [1], [2], [3]]


async def test_an_error_for_all_is_not_tried_for_each() -> None:
    caller = Caller()
    caller.errors[2] = away = OSError()
    shared = SharedCalls(caller, most=10, for_all=OSError)
    assert await ask_all(shared, 1, 2, 3) == [away, away, away]
    assert caller.calls == [[1, 2, 3]]


async def test_one_who_is_cancelled_does_not_stop_the_others() -> None:
    caller = Caller()
    caller.gate.clear()
    shared = SharedCalls(caller, most=10)
    tasks = [asyncio.create_task(shared.ask(item)) for item in (1, 2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks[0].cancel()
    caller.gate.set()
    assert await tasks[1] == 4
    assert tasks[0].cancelled()

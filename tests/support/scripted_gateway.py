"""A ``ServedNode`` that notes its calls and gives the answers that a test has set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fyke.contracts.signals import Listener
from fyke.model.attempt import RunnerOrders
from fyke.model.node import NodeState, Registered
from fyke.model.results import AttemptBatch, RunTotals
from fyke.model.run import AttemptKey


class ScriptedGateway:
    """Also its own ``rows`` and ``files``. ``answers`` are by name of the method; one that is an
    exception is raised. A method in ``delays`` sets its first event, and waits for the second.
    """

    def __init__(self, *held: AttemptKey) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answers: dict[str, Any] = {
            "active": [*held],
            "register": Registered(NodeState.READY, 15.0),
            "lease": [],
            "report": RunnerOrders({}, frozenset()),
            "totals": RunTotals(0, 0),
            "close": 0,
        }
        self.delays: dict[str, tuple[asyncio.Event, asyncio.Event]] = {}
        self.topics: asyncio.Queue[str] = asyncio.Queue()
        self.listeners = 0
        self.saw_all = True
        self.left_none = False

    @property
    def rows(self) -> Any:
        return self

    @property
    def files(self) -> Any:
        return self

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        topics = self.topics

        class Queued:
            async def wait(self, _topics: frozenset[str], _timeout: float) -> str | None:
                return await topics.get()

        self.listeners += 1
        try:
            yield Queued()
        finally:
            self.listeners -= 1

    async def commit(self, batches: list[AttemptBatch]) -> list[bool]:
        self.calls.append(("commit", (batches,), {}))
        return [True] * len(batches)

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            self.calls.append((name, args, options))
            if name in self.delays:
                entered, gate = self.delays[name]
                entered.set()
                await gate.wait()
            answer = self.answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def called(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of the calls of a method."""
        return [args for called, args, _ in self.calls if called == name]

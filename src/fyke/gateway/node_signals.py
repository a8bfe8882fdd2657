"""Passes the signals of the installation on to the nodes that they concern.

One listener serves all nodes. Work is offered to one, and to more as long as it is found
(``work_rounds``), first to those that have its environment; an order to stop goes to the nodes that
have such attempts. A version to prepare and a site that is paused concern all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from fyke.contracts.signals import PREPARE, SITES, STOP, WORK, Listener
from fyke.domain.nodes.reminder import Reminder
from fyke.errors import FykeError
from fyke.gateway.environment_holders import EnvironmentHolders
from fyke.gateway.work_rounds import WorkRounds
from fyke.wire.nodes import (
    AttemptsStopped,
    NodeNotice,
    PreparationWaits,
    SitesChanged,
    WorkWaits,
)

LISTEN_SECONDS = 3600.0
_FOR_ALL = {PREPARE: PreparationWaits(), SITES: SitesChanged()}
_TOPICS = frozenset({WORK, STOP, *_FOR_ALL})

Listen = Callable[[], AbstractAsyncContextManager[Listener]]
FindStopping = Callable[[], Awaitable[Collection[str]]]

log = structlog.get_logger()


class NotifiedNode(Hashable, Protocol):
    """A connection of a node that is welcome. Nodes of one ``kind`` may run the same attempts."""

    @property
    def runner_id(self) -> str: ...
    @property
    def kind(self) -> Hashable: ...
    @property
    def environments(self) -> Collection[str]: ...
    def notify(self, notice: NodeNotice) -> None: ...


class NodeSignals:
    """The signals to all nodes of this gateway. ``find_stopping`` finds the runners that have
    attempts of runs which are being stopped; without it all of them.
    """

    def __init__(self, listen: Listen, find_stopping: FindStopping | None = None) -> None:
        self._listen = listen
        self._find_stopping = find_stopping
        self._nodes: set[NotifiedNode] = set()
        self._rounds: WorkRounds[NotifiedNode] = WorkRounds(lambda node: node.notify(WorkWaits()))
        self._holders: EnvironmentHolders[NotifiedNode] = EnvironmentHolders()
        self._listening: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._stop_again = False
        self._reminder = Reminder(self._offer)

    def add(self, node: NotifiedNode) -> None:
        """The node is welcome from now on."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._run())
        self._nodes.add(node)
        self.registered(node)

    def remove(self, node: NotifiedNode) -> None:
        """Its connection has ended."""
        self._nodes.discard(node)
        self._rounds.remove(node)
        self._holders.remove(node)

    def registered(self, node: NotifiedNode) -> None:
        """Its kind may be another one, and its environments may be others."""
        if node in self._nodes:
            self._rounds.add(node, node.kind)
            self._holders.note(node, node.environments)

    def leasing(self, node: NotifiedNode) -> None:
        """The node asks for attempts; ``leased`` follows."""
        if node in self._nodes:
            self._rounds.asks(node)

    def leased(
        self,
        node: NotifiedNode,
        *,
        found: bool,
        none_left: bool,
        is_last: bool = False,
        is_idle: bool = True,
    ) -> None:
        """The node has ``found`` some attempts or none. ``none_left``: others of its kind would
        find nothing now. ``is_last``: it does not ask again for more. ``is_idle``: it ran nothing
        before.
        """
        if node in self._nodes:
            self._rounds.answered(
                node, found=found, none_left=none_left, is_last=is_last, is_idle=is_idle
            )

    def wanted(self, environment: str) -> None:
        """Work that needs this environment waits; the signal of it follows."""
        self._holders.want(environment, time.monotonic())

    def left(self, ms: int) -> None:
        """A node has left attempts to machines with their environment; after ``ms`` they are for
        all.
        """
        self._reminder.remind(ms)

    def close(self) -> None:
        """Listen no more."""
        for task in (self._listening, self._stopping):
            if task is not None:
                task.cancel()

    async def _run(self) -> None:
        async with self._listen() as listener:
            while True:
                topic = await listener.wait(_TOPICS, LISTEN_SECONDS)
                if topic == WORK:
                    self._offer()
                elif topic == STOP:
                    self._stop()
                elif topic is not None:
                    self._send(self._nodes, _FOR_ALL[topic])

    def _offer(self) -> None:
        self._rounds.signalled(self._holders.first(time.monotonic()))

    def _stop(self) -> None:
        """Find out whom it concerns; signals that come meanwhile share the next look."""
        if self._find_stopping is None:
            self._send(self._nodes, AttemptsStopped())
        elif self._stopping is None:
            self._stopping = asyncio.create_task(self._notify_stopping(self._find_stopping))
        else:
            self._stop_again = True

    async def _notify_stopping(self, find_stopping: FindStopping) -> None:
        try:
            while True:
                self._stop_again = False
                self._send(await self._concerned(find_stopping), AttemptsStopped())
                if not self._stop_again:
                    return
        finally:
            self._stopping = None

    async def _concerned(self, find_stopping: FindStopping) -> Collection[NotifiedNode]:
        try:
            runners = await find_stopping()
        except FykeError as error:  # a report says it too
            log.warning("stopping_runners_not_found", error=str(error))
            return self._nodes
        return [node for node in self._nodes if node.runner_id in runners]

    def _send(self, nodes: Collection[NotifiedNode], notice: NodeNotice) -> None:
        for node in list(nodes):
            node.notify(notice)

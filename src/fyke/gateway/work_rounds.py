"""Which nodes are notified that work waits: a few at once, others as long as these find some.

If every node asked for one run that was started, a thousand would ask for it at the same time, and
one would get it. Only nodes that wait are notified: those whose latest lease found nothing. The
others ask by themselves when they have room. What is missed here, nodes find when they poll.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

WAKE = 8  # nodes of one kind that are asked at the same time
ASK_SECONDS = 1.0  # for which a node that was notified counts as asking

N = TypeVar("N", bound=Hashable)


@dataclass
class _Asking:
    """A node that was notified; ``signal`` is the number of the signal."""

    signal: int
    until: asyncio.TimerHandle


class _Kind(Generic[N]):
    """Nodes that would find the same."""

    def __init__(self, notify: Callable[[N], None]) -> None:
        self._notify = notify
        self._signal = 0
        self._is_over = True  # an idle node has found nothing
        self._waiting: dict[N, None] = {}  # those that wait longest come first
        self._asking: dict[N, _Asking] = {}
        self._due: deque[N] = deque()  # to be notified of the latest signal

    def __bool__(self) -> bool:
        return bool(self._waiting or self._asking)

    def signalled(self) -> None:
        self._signal += 1
        self._is_over = False
        self._due = deque(self._waiting)
        self._notify_some()

    def answered(self, node: N, *, found: bool, was_idle: bool) -> None:
        notified = self._forget(node)
        if not found:
            self._waiting[node] = None
            if notified != self._signal:  # it may have looked before there was work
                self._due.append(node)
            elif was_idle:
                self._is_over = True
        self._notify_some()

    def remove(self, node: N) -> None:
        self._forget(node)
        self._notify_some()

    def _forget(self, node: N) -> int:
        """The number of the signal of which the node was notified, 0 if it was not."""
        self._waiting.pop(node, None)
        asking = self._asking.pop(node, None)
        if asking is None:
            return 0
        asking.until.cancel()
        return asking.signal

    def _notify_some(self) -> None:
        while self._due and not self._is_over and len(self._asking) < WAKE:
            node = self._due.popleft()
            if node not in self._waiting:
                continue
            del self._waiting[node]
            until = asyncio.get_running_loop().call_later(ASK_SECONDS, self._silent, node)
            self._asking[node] = _Asking(self._signal, until)
            self._notify(node)

    def _silent(self, node: N) -> None:
        """The node does not ask: its place is for another one."""
        self._forget(node)
        self._waiting[node] = None
        self._notify_some()


class WorkRounds(Generic[N]):
    """The nodes of one gateway; ``notify`` says to one that work waits. Nodes of the same ``kind``
    would find the same.
    """

    def __init__(self, notify: Callable[[N], None]) -> None:
        self._notify = notify
        self._kinds: dict[Hashable, _Kind[N]] = {}
        self._kind_of: dict[N, Hashable] = {}

    def signalled(self) -> None:
        """Work waits."""
        for kind in list(self._kinds.values()):
            kind.signalled()

    def answered(self, node: N, kind: Hashable, *, found: bool, was_idle: bool = False) -> None:
        """The node has asked, and ``found`` something or not; it ``was_idle``. A new node counts as
        one that has found nothing.
        """
        if self._kind_of.get(node, kind) != kind:
            self.remove(node)
        self._kind_of[node] = kind
        nodes = self._kinds.setdefault(kind, _Kind(self._notify))
        nodes.answered(node, found=found, was_idle=was_idle)

    def remove(self, node: N) -> None:
        """The node is not connected any more."""
        kind = self._kind_of.pop(node, None)
        if kind is not None and (nodes := self._kinds.get(kind)) is not None:
            nodes.remove(node)
            if not nodes and kind not in self._kind_of.values():
                del self._kinds[kind]

"""Which nodes are notified that work waits: a few at once, others as long as these find some.

If every node asked for one run that was started, a thousand would ask for it at the same time, and
one would get it. Only nodes that wait are notified: those whose latest lease found nothing, or the
last that fits. The others ask by themselves when they have room. What is missed here, nodes find
when they poll.

Nodes that have the environment of the work are notified first, and the others a moment later: else
one of these might take it meanwhile, and install the environment.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

WAKE = 8  # nodes of one kind that are asked at the same time
ASK_SECONDS = 1.0  # for which a node that was notified counts as asking
HEAD_START_SECONDS = 0.05  # of nodes with the environment; one takes less to ask and to be answered

N = TypeVar("N", bound=Hashable)


class _Kind(Generic[N]):
    """Nodes that would find the same."""

    def __init__(self, notify: Callable[[N], None]) -> None:
        self.nodes: set[N] = set()
        self._notify = notify
        self._is_over = False  # since the latest signal a node has seen all and found nothing
        self._waiting: dict[N, None] = {}  # those that wait longest come first
        self._asking: dict[N, asyncio.TimerHandle] = {}  # that were notified
        self._due: OrderedDict[N, None] = OrderedDict()  # to be notified of the latest signal
        self._first = frozenset[N]()  # only these are, as long as they have a head start
        self._head_start: asyncio.TimerHandle | None = None

    def signalled(self, first: Collection[N]) -> None:
        self._is_over = False
        holders = [node for node in self._waiting if node in first] if first else []
        self._due = OrderedDict.fromkeys([*holders, *self._waiting])
        if holders and self._head_start is None:  # it is not extended, so others get their turn
            call_later = asyncio.get_running_loop().call_later
            self._head_start = call_later(HEAD_START_SECONDS, self._end_head_start)
        self._first = frozenset(holders)
        self._notify_some()

    def asks(self, node: N) -> None:
        """It cannot be notified until it waits again; its place is taken until then."""
        self._waiting.pop(node, None)
        self._due.pop(node, None)

    def waits(self, node: N, *, is_due: bool = False) -> None:
        self._waiting[node] = None
        if is_due and not self._is_over:
            self._due[node] = None

    def end(self) -> None:
        """Nothing waits any more for nodes of this kind."""
        self._is_over = True
        self._due.clear()

    def free(self, node: N) -> None:
        """Give the place of the node, if it has one, to another one."""
        until = self._asking.pop(node, None)
        if until is not None:
            until.cancel()
        self._notify_some()

    def remove(self, node: N) -> None:
        self.nodes.discard(node)
        self.asks(node)
        self.free(node)

    def _notify_some(self) -> None:
        while self._due and len(self._asking) < WAKE:
            node = next(iter(self._due))
            if self._head_start is not None and node not in self._first:
                return
            del self._due[node]
            del self._waiting[node]
            # one that does not ask, as it takes no work, waits again when it has asked
            until = asyncio.get_running_loop().call_later(ASK_SECONDS, self.free, node)
            self._asking[node] = until
            self._notify(node)

    def _end_head_start(self) -> None:
        self._head_start = None
        self._notify_some()


@dataclass
class _Look:
    """The ``count`` leases of a node that are under way. The first one began after signal number
    ``signal``, so all see what was there at that time.
    """

    signal: int
    count: int = 0


class WorkRounds(Generic[N]):
    """The nodes of one gateway; ``notify`` says to one that work waits. Nodes of the same kind
    would find the same.
    """

    def __init__(self, notify: Callable[[N], None]) -> None:
        self._notify = notify
        self._signal = 0  # the number of the latest one
        self._kinds: dict[Hashable, _Kind[N]] = {}
        self._kind_of: dict[N, Hashable] = {}
        self._looks: dict[N, _Look] = {}

    def signalled(self, first: Collection[N] = ()) -> None:
        """Work waits. Of each kind those of ``first`` are notified before the others."""
        self._signal += 1
        for kind in list(self._kinds.values()):
            kind.signalled(first)

    def add(self, node: N, kind: Hashable) -> None:
        """The node is of this kind from now on. A new one waits: it asks by itself for what was
        there before.
        """
        if node in self._kind_of:
            if self._kind_of[node] == kind:
                return
            self._leave_kind(node)
        self._kind_of[node] = kind
        if kind not in self._kinds:
            self._kinds[kind] = _Kind(self._notify)
        nodes = self._kinds[kind]
        nodes.nodes.add(node)
        if node not in self._looks:
            nodes.waits(node)

    def asks(self, node: N) -> None:
        """A lease of the node begins; ``answered`` follows."""
        self._looks.setdefault(node, _Look(self._signal)).count += 1
        self._kinds[self._kind_of[node]].asks(node)

    def answered(self, node: N, *, found: bool, saw_all: bool, is_last: bool = False) -> None:
        """The lease has ``found`` something or not. It ``saw_all`` that nodes of this kind may
        run: so if it has found nothing, others would find nothing. ``is_last``: what it has found
        is all that fits, so the node does not ask again by itself.
        """
        look, nodes = self._looks[node], self._kinds[self._kind_of[node]]
        look.count -= 1
        if not look.count:
            del self._looks[node]
        is_early = look.signal != self._signal  # it may have looked before there was work
        if not found and saw_all and not is_early:
            nodes.end()
        if (is_last or not found) and not look.count:
            nodes.waits(node, is_due=is_early)
        nodes.free(node)

    def remove(self, node: N) -> None:
        """The node is not connected any more."""
        self._looks.pop(node, None)
        if node in self._kind_of:
            self._leave_kind(node)

    def _leave_kind(self, node: N) -> None:
        kind = self._kind_of.pop(node)
        nodes = self._kinds[kind]
        nodes.remove(node)
        if not nodes.nodes:
            del self._kinds[kind]

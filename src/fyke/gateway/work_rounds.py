"""Which nodes are notified that work waits: one at first, and more while work is left.

If all nodes were notified of one new run, a thousand would ask for it, and one would get it. So a
signal begins a round in which one node is notified. What follows depends on its lease:

* It found work and left some: two more nodes are notified, so their number doubles.
* It left nothing: the round is over.
* It found nothing, because its node may have too little room, or was not answered in
  ``ANSWER_SECONDS``: another node is notified instead. From the second time on, two are, with up to
  ``MOST_MISSED`` at the same time, so that many full nodes do not delay a start one by one.

Only waiting nodes are notified, idle ones first: their latest lease found nothing, or the last that
fits. The others ask by themselves when they have room. The poll of each node finds what is missed.

Nodes that have the environment of the work get ``HEAD_START_SECONDS``, because another one would
have to install it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

MOST = 64  # nodes of one kind that are asked at the same time
MOST_MISSED = 8  # of them, as long as these find nothing
ANSWER_SECONDS = 0.05  # after which another node is asked beside one that was not answered yet
HEAD_START_SECONDS = 0.05  # of nodes with the environment; one takes less to ask and to be answered

N = TypeVar("N", bound=Hashable)


class PendingCall(Protocol):
    """A call that comes later."""

    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], PendingCall]  # seconds, and what is called


def _call_later(seconds: float, call: Callable[[], None]) -> PendingCall:
    return asyncio.get_running_loop().call_later(seconds, call)


class _Kind(Generic[N]):
    """Nodes that would find the same.

    As long as the latest signal is not over, an offer is open or a node is being asked.
    """

    def __init__(self, notify: Callable[[N], None], call_later: CallLater) -> None:
        self.nodes: set[N] = set()
        self._notify = notify
        self._call_later = call_later
        self._is_over = False  # since the latest signal a lease has left nothing
        self._offers = 1  # for which no node was due yet; a kind may be new after a signal
        self._has_missed = False  # in this round, since a lease has found some
        self._waiting: dict[N, bool] = {}  # whether it runs nothing; the longest waiting come first
        self._asking: dict[N, PendingCall] = {}  # that were notified in time
        self._due: OrderedDict[N, None] = OrderedDict()  # to be notified of the latest signal
        self._first = frozenset[N]()  # only these are, as long as they have a head start
        self._head_start: PendingCall | None = None

    def signalled(self, first: Collection[N]) -> None:
        idle = [node for node, is_idle in self._waiting.items() if is_idle]
        waiting = OrderedDict.fromkeys([*idle, *self._waiting])
        holders = [node for node in waiting if node in first] if first else []
        self._due = OrderedDict.fromkeys([*holders, *waiting])
        if holders and self._head_start is None:  # it is not extended, so others get their turn
            self._head_start = self._call_later(HEAD_START_SECONDS, self._end_head_start)
        self._first = frozenset(holders)
        self._is_over = False
        if not self._asking:
            self._offers = 0  # an old one, and this one, need one node
            self._has_missed = False
        self._offer(1)

    def asks(self, node: N) -> None:
        """It cannot be notified until it waits again."""
        self._waiting.pop(node, None)
        self._due.pop(node, None)

    def waits(self, node: N, *, is_idle: bool = True, is_due: bool = False) -> None:
        self._waiting[node] = is_idle
        if is_due and not self._is_over:
            self._due[node] = None

    def end(self) -> None:
        """Nothing waits any more for nodes of this kind."""
        self._is_over = True
        self._offers = 0
        self._due.clear()

    def answered(self, node: N, *, found: bool, none_left: bool) -> None:
        """The offer to the node, if there was one, is settled."""
        was_asked = self._settle(node)
        if found and not none_left:
            self._has_missed = False
            self._offer(2)
        elif was_asked and not none_left:
            self._miss()
        else:
            self._offer(0)  # to those that have become due

    def remove(self, node: N) -> None:
        self.nodes.discard(node)
        self.asks(node)
        self._offer(int(self._settle(node)))

    def _settle(self, node: N) -> bool:
        """Whether an offer to the node was open, for which no other node was asked yet."""
        late = self._asking.pop(node, None)
        if late is not None:
            late.cancel()
        return late is not None

    def _offer(self, more: int) -> None:
        if not self._is_over:
            self._offers = min(self._offers + more, max(1, len(self._due)))
        while self._due and self._offers and len(self._asking) < MOST:
            node = next(iter(self._due))
            if self._head_start is not None and node not in self._first:
                return
            del self._due[node]
            del self._waiting[node]
            self._offers -= 1
            # one that does not ask, as it takes no work, waits again when it has asked
            late = partial(self._is_late, node)
            self._asking[node] = self._call_later(ANSWER_SECONDS, late)
            self._notify(node)

    def _is_late(self, node: N) -> None:
        del self._asking[node]
        self._miss()

    def _miss(self) -> None:
        """A node that was asked has found nothing, or not yet."""
        is_slow = self._has_missed and len(self._asking) + 2 <= MOST_MISSED
        self._has_missed = True
        self._offer(2 if is_slow else 1)

    def _end_head_start(self) -> None:
        self._head_start = None
        self._offer(0)


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

    def __init__(self, notify: Callable[[N], None], *, call_later: CallLater = _call_later) -> None:
        self._notify = notify
        self._call_later = call_later
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
            if (look := self._looks.get(node)) is not None:
                look.signal = -1  # it was for the other kind
        self._kind_of[node] = kind
        if kind not in self._kinds:
            self._kinds[kind] = _Kind(self._notify, self._call_later)
        nodes = self._kinds[kind]
        nodes.nodes.add(node)
        if node not in self._looks:
            nodes.waits(node)

    def asks(self, node: N) -> None:
        """A lease of the node begins; ``answered`` follows."""
        self._looks.setdefault(node, _Look(self._signal)).count += 1
        self._kinds[self._kind_of[node]].asks(node)

    def answered(
        self,
        node: N,
        *,
        found: bool,
        none_left: bool,
        is_last: bool = False,
        is_idle: bool = True,
    ) -> None:
        """The lease has ``found`` something or not. ``none_left``: others of its kind would find
        nothing after it. ``is_last``: what it has found is all that fits, so the node does not ask
        again by itself. ``is_idle``: the node ran nothing before.
        """
        look, nodes = self._looks[node], self._kinds[self._kind_of[node]]
        look.count -= 1
        if not look.count:
            del self._looks[node]
        is_early = look.signal != self._signal  # it may have looked before there was work
        if none_left and not is_early:
            nodes.end()
        if (is_last or not found) and not look.count:
            nodes.waits(node, is_idle=is_idle and not found, is_due=is_early)
        nodes.answered(node, found=found, none_left=none_left)

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

"""Which connected nodes have the environments that waiting work needs."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from fyke.domain.runs.affinity import HOLDERS_FIRST_MS

MAX_WANTED = 64  # environments; of more the oldest are dropped

N = TypeVar("N", bound=Hashable)


class EnvironmentHolders(Generic[N]):
    """The environments of each node by name, and those that were wanted in the last second."""

    def __init__(self) -> None:
        self._names: dict[N, Collection[str]] = {}
        self._nodes: dict[str, set[N]] = {}  # by environment
        self._wanted: dict[str, float] = {}  # until when, the oldest first

    def note(self, node: N, names: Collection[str]) -> None:
        """The node has these, and no others."""
        if names == self._names.get(node, ()):
            return
        self.remove(node)
        self._names[node] = names
        for name in names:
            self._nodes.setdefault(name, set()).add(node)

    def remove(self, node: N) -> None:
        """The node is not connected any more."""
        for name in self._names.pop(node, ()):
            nodes = self._nodes[name]
            nodes.discard(node)
            if not nodes:
                del self._nodes[name]

    def want(self, name: str, now: float) -> None:
        """Work that needs this environment waits since ``now``, in seconds."""
        self._wanted.pop(name, None)
        self._wanted[name] = now + HOLDERS_FIRST_MS / 1000
        if len(self._wanted) > MAX_WANTED:
            del self._wanted[next(iter(self._wanted))]

    def first(self, now: float) -> set[N]:
        """The nodes that have one of those that are wanted."""
        for name in [name for name, until in self._wanted.items() if until <= now]:
            del self._wanted[name]
        return {node for name in self._wanted for node in self._nodes.get(name, ())}

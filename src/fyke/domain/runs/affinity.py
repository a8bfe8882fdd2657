"""Which waiting subtasks a runner leaves to machines that have their environment.

A machine that has it starts the Worker at once; any other one fetches or installs it first, which
takes from half a second to minutes. So for a second after a subtask could be leased for the first
time, runners without its environment leave it to connected ones with it that have room. Then it is
for all: nothing waits longer for a machine that does not ask. What machines say of themselves can
change no more than that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from fyke.domain.runs.isolation import can_run
from fyke.domain.runs.spread import with_room
from fyke.model.run import Run
from fyke.model.runner import RunnerInfo, RunnerLoad

# The signal of a start wakes a few runners of a kind at once, and more as long as something is left
# for them, so one with the environment normally asks long before. A second is hardly noticed, and
# less than most environments take.
HOLDERS_FIRST_MS = 1000

Key = tuple[str, int]  # the run and the ordinal of a subtask


class QueuedSubtask(Protocol):
    """A subtask of the queue. ``ready_at``: since when it may be leased, as far as its own times
    say, in ms.
    """

    @property
    def run_id(self) -> str: ...
    @property
    def key(self) -> Key: ...
    @property
    def environment(self) -> str: ...
    @property
    def ready_at(self) -> int: ...
    @property
    def load(self) -> RunnerLoad: ...


class PoolFacts(Protocol):
    """Reads what the choice depends on; ``others`` are other runners of the pool that take attempts
    now, of a large pool some of them, and ``loads`` are theirs and that of this runner.
    """

    @property
    def others(self) -> Sequence[RunnerInfo]: ...
    @property
    def loads(self) -> dict[str, RunnerLoad]: ...
    def runs(self, ids: Iterable[str]) -> dict[str, Run]: ...


@dataclass(frozen=True, slots=True)
class _Takers:
    """The loads of the others with room for one more subtask of a run, and which have all that it
    needs.
    """

    loads: list[RunnerLoad]
    holders: frozenset[str]


class HoldersFirst:
    """Decides it for one lease of the runner ``runner_id``, whose machine has the environments with
    the names ``held``. Nothing is read while no subtask of the queue lacks its environment here.
    ``left_ms`` is after how long the first of those that were left is for all, 0 for none.
    """

    def __init__(self, runner_id: str, held: Collection[str], now: int, facts: PoolFacts) -> None:
        self._runner_id = runner_id
        self._held = held
        self._now = now
        self._facts = facts
        self._takers: dict[str, _Takers] = {}  # by run
        self._quotas: dict[str, int] = {}  # how many more are left, by environment
        self.left_ms = 0

    def leave(self, waiting: Sequence[QueuedSubtask]) -> set[Key]:
        """Those of these subtasks that are left to others, the first of each environment; what was
        left before is not among them.
        """
        missing = [item for item in waiting if self._waits_ms(item)]
        known = self._known_elsewhere if missing else frozenset[str]()
        missing = [item for item in missing if item.environment in known]
        if not missing:
            return set()
        counts = Counter(item.environment for item in missing)
        runs = self._facts.runs({item.run_id for item in missing} - self._takers.keys())
        self._takers |= {
            item.run_id: self._of(runs.get(item.run_id), item)
            for item in missing
            if item.run_id not in self._takers
        }
        left = [item for item in missing if self._is_left(item, counts[item.environment])]
        times = [self._waits_ms(item) for item in left]
        self.left_ms = min([*times, *([self.left_ms] if self.left_ms else [])], default=0)
        return {item.key for item in left}

    def _waits_ms(self, item: QueuedSubtask) -> int:
        """For how long a subtask that needs another environment may be left, 0 if not at all. The
        clock may have been set back since.
        """
        if not item.environment or item.environment in self._held or item.ready_at > self._now:
            return 0
        return max(0, item.ready_at + HOLDERS_FIRST_MS - self._now)

    @cached_property
    def _known_elsewhere(self) -> frozenset[str]:
        return frozenset(name for other in self._facts.others for name in other.environments)

    def _of(self, run: Run | None, item: QueuedSubtask) -> _Takers:
        if run is None:
            return _Takers([], frozenset())
        able = [other for other in self._facts.others if can_run(other, run)]
        loads = with_room(able, self._facts.loads, item.load)
        have = {other.id for other in able if item.environment in other.environments}
        return _Takers(loads, frozenset(load.runner_id for load in loads) & have)

    def _is_left(self, item: QueuedSubtask, waiting: int) -> bool:
        takers = self._takers[item.run_id]
        if not takers.holders:
            return False
        if item.environment not in self._quotas:
            own = self._facts.loads.get(self._runner_id, RunnerLoad(self._runner_id)).attempts
            quota = share_of_holders(waiting, own, takers.loads, takers.holders)
            self._quotas[item.environment] = quota
        self._quotas[item.environment] -= 1
        return self._quotas[item.environment] >= 0


def share_of_holders(
    waiting: int, own: int, others: Sequence[RunnerLoad], holders: Collection[str]
) -> int:
    """How many of ``waiting`` subtasks are left to the ``holders`` of their environment: as many as
    make them as busy as all ``others`` with room and this runner with ``own`` attempts, at least
    one each. So a large run is still spread over all machines at once.
    """
    total = waiting + own + sum(load.attempts for load in others)
    even = math.ceil(total / (1 + len(others)))
    return sum(max(1, even - load.attempts) for load in others if load.runner_id in holders)

"""How many waiting subtasks a runner takes at once, beside others that could take them too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from fyke.model.runner import RunnerInfo, RunnerLoad


def with_room(
    runners: Iterable[RunnerInfo], loads: dict[str, RunnerLoad], need: RunnerLoad
) -> list[RunnerLoad]:
    """The loads of the runners that have room for an attempt with the load ``need``."""
    found = [(runner, loads.get(runner.id, RunnerLoad(runner.id))) for runner in runners]
    return [load for runner, load in found if runner.has_room(load, need)]


def share(waiting: int, own: int, others: Sequence[RunnerLoad]) -> int:
    """How many of ``waiting`` subtasks a runner takes that has ``own`` attempts, beside ``others``
    with room: as many as make it as busy as them, at least one, so that nothing waits for a runner
    that does not ask.
    """
    total = waiting + own + sum(load.attempts for load in others)
    return max(1, math.ceil(total / (1 + len(others))) - own)

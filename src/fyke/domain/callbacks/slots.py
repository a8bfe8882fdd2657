"""Which deliveries may take the last slots of a server that sends callbacks.

Every delivery in flight occupies a slot, a hanging one for 15 seconds. Failing receivers may take
half of the slots, new ones nine tenths, and those whose last try succeeded all of them: however
many hang, the others are served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fyke.model.callback import HostStatus

AT_ONCE = 2560  # more than a thousand new hosts can take, with two calls each


def free_slots(taken: Iterable[HostStatus], at_once: int = AT_ONCE) -> dict[HostStatus, int]:
    """How many more deliveries to hosts of each status may start while ``taken`` are in flight."""
    held = Counter(taken)
    failing = held[HostStatus.FAILING]
    unproven = failing + held[HostStatus.NEW]
    free = at_once - unproven - held[HostStatus.GOOD]
    new = min(free, at_once * 9 // 10 - unproven)
    return {
        HostStatus.GOOD: max(0, free),
        HostStatus.NEW: max(0, new),
        HostStatus.FAILING: max(0, min(new, at_once // 2 - failing)),
    }


def take_slot(free: dict[HostStatus, int], standing: HostStatus) -> bool:
    """Take a slot of ``standing`` from ``free``; False when there is none."""
    if free[standing] <= 0:
        return False
    order = (HostStatus.GOOD, HostStatus.NEW, HostStatus.FAILING)
    for each in order[: order.index(standing) + 1]:
        free[each] -= 1
    for narrow, wide in zip(order[1:], order, strict=False):
        free[narrow] = min(free[narrow], free[wide])
    return True

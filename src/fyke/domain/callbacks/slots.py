"""The slots of a server that sends callbacks, by the status of the host.

Every delivery in flight occupies a slot, a hanging one for 15 seconds. Failing hosts may take half
of the slots, failing and new ones together nine tenths, and hosts whose last attempt succeeded all
of them: however many hang, the other hosts are served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fyke.model.callback import HostStatus

AT_ONCE = 2560  # a thousand new hosts with two deliveries each fit into nine tenths of it


def free_slots(in_flight: Iterable[HostStatus], at_once: int = AT_ONCE) -> dict[HostStatus, int]:
    """How many deliveries to hosts of each status may start in addition to ``in_flight``."""
    counts = Counter(in_flight)
    failing = counts[HostStatus.FAILING]
    unproven = failing + counts[HostStatus.NEW]
    free = at_once - unproven - counts[HostStatus.GOOD]
    new = min(free, at_once * 9 // 10 - unproven)
    return {
        HostStatus.GOOD: max(0, free),
        HostStatus.NEW: max(0, new),
        HostStatus.FAILING: max(0, min(new, at_once // 2 - failing)),
    }


def take_slot(free: dict[HostStatus, int], status: HostStatus) -> bool:
    """Take a slot of ``status`` from ``free``; False when there is none."""
    if free[status] <= 0:
        return False
    order = (HostStatus.GOOD, HostStatus.NEW, HostStatus.FAILING)
    for item in order[: order.index(status) + 1]:
        free[item] -= 1
    # a lower status never has more slots than a higher one
    for lower, higher in zip(order[1:], order, strict=False):
        free[lower] = min(free[lower], free[higher])
    return True

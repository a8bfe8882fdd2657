"""The machines of nodes, as the engine that runs them sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fyke.model.placement import PoolDemand

NO_ENGINE = (
    'The setting is fleet = "static": a person or systemd starts, replaces and removes the '
    "machines of nodes. fyke node drain lets one finish first"
)


class FleetEngine(StrEnum):
    """Which engine the installation asks to replace and scale nodes."""

    STATIC = "static"  # none: a person or systemd starts them
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class FleetMachine:
    """A machine; its node has the same ``name``. ``id`` is another one when the engine makes a
    machine of this name again. ``group`` is that which keeps it, "" if none does. ``state`` is in
    the words of the engine; one that is ``ending`` is being stopped. When a group shrinks, the
    engine first takes the machines with the lowest ``removal_cost``.
    """

    name: str
    id: str
    group: str
    state: str
    ending: bool
    removal_cost: int


@dataclass(frozen=True, slots=True)
class FleetBounds:
    """How few and how many machines of a group there may be."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """Equal machines of one pool, of which the engine keeps ``count``. ``cpus`` and ``memory_mb``
    are what attempts get on each, 0 if that is not known. ``bounds``: None for a group that is not
    to be scaled. ``obstacle`` is a sentence that says why it must not be scaled, "" for no reason.
    """

    name: str
    pool: str
    count: int
    cpus: float
    memory_mb: float
    bounds: FleetBounds | None
    obstacle: str

    def machines_for(self, demand: PoolDemand) -> int:
        """How many machines of this size what waits and what runs needs, whatever the bounds."""
        cpus = demand.waiting_cpus + demand.running_cpus
        memory_mb = demand.waiting_memory_mb + demand.running_memory_mb
        machines = max(cpus / self.cpus, memory_mb / self.memory_mb)
        return math.ceil(round(machines, 6))  # sums of cores are not exact

    @property
    def has_size(self) -> bool:
        return self.cpus > 0 and self.memory_mb > 0


@dataclass(frozen=True, slots=True)
class FleetState:
    groups: Sequence[FleetGroup]
    machines: Sequence[FleetMachine]


@dataclass(frozen=True, slots=True)
class FleetNode:
    """What the installation knows of a node. ``is_open``: it was neither cordoned nor drained."""

    name: str
    pool: str
    attempts: int
    is_open: bool
    replacing: bool

"""What the installation asks of the engine that runs its nodes."""

from __future__ import annotations

from typing import Protocol

from fyke.model.fleet import FleetGroup, FleetMachine, FleetState


class Fleet(Protocol):
    """The machines of nodes. The engine starts them, restarts them and replaces lost ones by
    itself; it knows nothing of runs, and decides nothing about them.

    All methods block. They raise ``Refused`` for what this engine does not do, ``Forbidden`` if it
    does not allow it, and ``RateLimited`` or another ``FykeError`` if it cannot now.
    """

    def state(self) -> FleetState:
        """The machines and their groups, sorted by name. Empty where no engine is asked."""
        ...

    def remove(self, machine: FleetMachine) -> bool:
        """Stop a machine: its node finishes its attempts and leaves, and the engine makes
        another one in its place. False if this machine is gone already. Repeated: no effect.
        """
        ...

    def mark(self, machine: FleetMachine, cost: int) -> bool:
        """Set its ``removal_cost``. False if this machine is gone."""
        ...

    def scale(self, group: FleetGroup, count: int) -> None:
        """Let the engine keep this many machines. Raises ``Conflict``, which says why, if something
        else scales the group, or has changed its number since ``state``.
        """
        ...

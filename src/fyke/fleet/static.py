"""Machines that a person or systemd starts: nothing is asked of an engine."""

from __future__ import annotations

from fyke.errors import Refused
from fyke.model.fleet import NO_ENGINE, FleetGroup, FleetMachine, FleetState


class StaticFleet:
    """Implements ``Fleet`` without an engine."""

    def state(self) -> FleetState:
        """See ``Fleet.state``."""
        return FleetState((), ())

    def remove(self, machine: FleetMachine) -> bool:
        """See ``Fleet.remove``."""
        raise Refused(NO_ENGINE)

    def mark(self, machine: FleetMachine, cost: int) -> bool:
        """See ``Fleet.mark``."""
        raise Refused(NO_ENGINE)

    def scale(self, group: FleetGroup, count: int) -> None:
        """See ``Fleet.scale``."""
        raise Refused(NO_ENGINE)

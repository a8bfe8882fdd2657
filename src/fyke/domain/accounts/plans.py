"""Plans: how many runs of one account may be under way at once.

A run is under way from the moment a runner takes the first part of it until it has ended. What
is under way goes on when a plan becomes smaller; nothing else begins until there is room again.
"""

from __future__ import annotations

from fyke.errors import InvalidRequest
from fyke.model.account import Plan


def plan_named(name: str) -> Plan:
    """The plan of this name, in capitals or small letters. Raise ``InvalidRequest``."""
    try:
        return Plan(name.strip().lower())
    except ValueError:
        names = ", ".join(Plan)
        raise InvalidRequest(
            f"there is no plan {name[:40]!r}; use one of {names}", field="plan"
        ) from None

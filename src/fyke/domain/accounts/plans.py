"""Plans: how many runs of one account may be active at once, and how large a device may be.

A run is active from the lease of its first subtask until its end. Active runs continue when a plan
becomes smaller, but no other starts until there are fewer than the plan allows.
"""

from __future__ import annotations

from fyke.errors import InvalidRequest
from fyke.model.account import Plan


def parse_plan(name: str) -> Plan:
    """The plan of this name, in upper or lower case. Raise ``InvalidRequest``."""
    try:
        return Plan(name.strip().lower())
    except ValueError:
        names = ", ".join(Plan)
        raise InvalidRequest(
            f"unknown plan {name[:40]!r}; use one of {names}", field="plan"
        ) from None

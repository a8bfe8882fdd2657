"""Plans: how many runs of one account may be under way at once.

A run is under way from the moment a runner takes the first part of it until it has ended. What
is under way goes on when a plan becomes smaller; nothing else begins until there is room again.
"""

from __future__ import annotations

from enum import StrEnum

from fyke.errors import InvalidRequest


class Plan(StrEnum):
    """The plans there are, smallest first."""

    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    BUSINESS = "business"
    UNLIMITED = "unlimited"

    @property
    def most(self) -> int | None:
        """Runs that may be under way at once, None for as many as the machines carry."""
        return _MOST[self]


_MOST: dict[Plan, int | None] = {
    Plan.FREE: 2,
    Plan.STARTER: 5,
    Plan.PRO: 10,
    Plan.BUSINESS: 50,
    Plan.UNLIMITED: None,
}


def plan_named(name: str) -> Plan:
    """The plan of this name, in capitals or small letters. Raise ``InvalidRequest``."""
    try:
        return Plan(name.strip().lower())
    except ValueError:
        names = ", ".join(Plan)
        raise InvalidRequest(f"plan: there is no plan {name[:40]!r}; use one of {names}") from None


def full(plan: Plan) -> str:
    """The sentence for an account that has as many runs as its plan allows."""
    return f"the plan {plan.value} allows {plan.most} runs at once, and as many are there"

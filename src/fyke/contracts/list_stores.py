"""What lists and sums of long histories ask, at the same cost whatever has been before."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.billing import UsageDimension, UsageKey, UsageSums
from fyke.model.run import RunState
from fyke.model.run_list import ListCursor, ListWalk, RunLine, RunSearch


class RunListStore(Protocol):
    """Reading runs of one account without their inputs."""

    def walk(
        self,
        account_id: str,
        search: RunSearch,
        start: ListCursor | None,
        *,
        limit: int,
        newer: bool = False,
    ) -> ListWalk:
        """Up to ``limit`` runs behind ``start`` (None = from the end), newest first; with
        ``newer`` those that began after it, oldest first. One question looks at no more runs than
        ``LOOKED_AT`` (``ERRORS_LOOKED_AT`` when it searches in messages); ``stopped`` of the
        answer says where it ended before it had looked at all of them.
        """
        ...

    def total(self, account_id: str, search: RunSearch) -> int | None:
        """How many there are, None when only looking at each of them would tell."""
        ...

    def lines(self, account_id: str, run_ids: Collection[str]) -> dict[str, RunLine]:
        """By id; those that are gone or another account's are left out."""
        ...

    def workers(self, account_id: str) -> list[str]:
        """Ids of the workers of which the account has runs."""
        ...

    def recent_workers(self, account_id: str, runs: int) -> list[str]:
        """Ids of the workers of its newest ``runs`` runs, the one that was used last first."""
        ...

    def states_since(self, account_id: str, created_from: int) -> dict[RunState, int]:
        """How many runs that were created since then are in each state; others are left out."""
        ...

    def states(self, account_id: str) -> dict[RunState, int]:
        """How many runs of all time are in each state; others are left out."""
        ...


class UsageStore(Protocol):
    """What was used on each day of an account, summed up as it happens."""

    def add(self, key: UsageKey, sums: UsageSums) -> None: ...
    def days(self, account_id: str, first: int, last: int) -> dict[int, UsageSums]:
        """The sums of each day (20261124) from ``first`` to ``last``; days without any are left
        out.
        """
        ...

    def parts(
        self, account_id: str, first: int, last: int, part: UsageDimension, limit: int
    ) -> list[tuple[str, UsageSums]]:
        """The sums of each worker, task or key (``""`` for what has none), the dearest first,
        then the one with most runs.
        """
        ...

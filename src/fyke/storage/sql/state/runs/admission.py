"""What can delay the start of a run: plans, other runs, older work, the load."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, func, select, text

from fyke.model.account import Plan
from fyke.model.runner import RunnerLoad
from fyke.storage.sql.dialects import is_sqlite
from fyke.storage.sql.state.accounts import accounts
from fyke.storage.sql.state.records import SqlStore
from fyke.storage.sql.state.runs.tables import attempts, runs, subtasks

# literal, because a partial index is used only where the database sees its condition
_GOING = text("runs.state IN ('running', 'ending', 'aborting')")
_OPEN = ("ready", "running", "ending", "aborting")


class SqlAdmission(SqlStore):
    """Implements ``AdmissionStore``."""

    def under_way(self, account_id: str) -> frozenset[str]:
        mine = runs.c.account_id == account_id
        going = self._db.execute(select(runs.c.id).where(mine, _GOING)).scalars()
        started = (
            select(runs.c.id)
            .join(attempts, attempts.c.run_id == runs.c.id)
            .where(attempts.c.outcome.is_(None), mine, runs.c.state == "ready")
        )
        return frozenset(going) | frozenset(self._db.execute(started).scalars())

    def open(self, account_id: str, most: int) -> int:
        some = (
            select(runs.c.id)
            .where(runs.c.account_id == account_id, runs.c.state.in_(_OPEN))
            .limit(most)
            .subquery()
        )
        return self._db.execute(select(func.count()).select_from(some)).scalar_one()

    def ahead(self, run_id: str, most: int) -> int:
        older = (
            select(subtasks.c.run_id)
            .where(text("subtasks.state = 'waiting'"), subtasks.c.run_id < run_id)
            .limit(most)
            .subquery()
        )
        return self._db.execute(select(func.count()).select_from(older)).scalar_one()

    def loads(self) -> list[RunnerLoad]:
        query = (
            select(attempts.c.runner_id, func.sum(runs.c.cpus), func.sum(runs.c.memory_mb))
            .join(runs, runs.c.id == attempts.c.run_id)
            .where(attempts.c.outcome.is_(None))
            .group_by(attempts.c.runner_id)
        )
        return [
            RunnerLoad(runner, float(cpus), int(memory))
            for runner, cpus, memory in self._db.execute(query)
        ]

    def ready(self, account_id: str, limit: int) -> list[str]:
        query = (
            select(runs.c.id)
            .where(runs.c.account_id == account_id, runs.c.state == "ready")
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(limit)
        )
        return list(self._db.execute(query).scalars())


# The conditions are literal, because a partial index is used only where its condition is seen;
# CROSS JOIN keeps SQLite from starting at the wrong end, and INDEXED BY from going through the runs
# of all time in the order that UNION wants.
UNDER_WAY = (
    "SELECT r.account_id, r.id FROM runs r{by} {join} accounts a {on} a.id = r.account_id"
    " WHERE r.state IN ('running', 'ending', 'aborting') AND a.plan <> 'unlimited'{only}"
    " UNION"
    " SELECT r.account_id, r.id FROM attempts t {join} runs r {on} r.id = t.run_id"
    " {join} accounts a {on} a.id = r.account_id"
    " WHERE t.outcome IS NULL AND r.state = 'ready' AND a.plan <> 'unlimited'{only}"
)


@dataclass(frozen=True, slots=True)
class WaitingSubtask:
    """A waiting subtask and what is needed to place it."""

    run_id: str
    ordinal: int
    cpus: float
    memory_mb: int
    account_id: str
    running: bool  # its run is: plans do not stop what has started


Item = TypeVar("Item", bound=WaitingSubtask)


class PlanCapacity:
    """Counts down what accounts with a limited plan may start, as one lease sees it. One per
    transaction.

    No count is stored: what is under way is read from the indexes of what lives, so a crash leaves
    no wrong count behind. A run is under way when its state says so, or when it is ready and an
    attempt of it lives.
    """

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._plans: dict[str, Plan] = {}
        self._left: dict[str, int] = {}  # of limited accounts: runs that may still start
        self._started: dict[str, str] = {}  # run to account: under way, or granted here
        self._taken: dict[str, str] = {}  # run to account: started by this transaction
        self._loaded = False

    @property
    def full(self) -> list[str]:
        """Accounts whose runs may not start at present."""
        return sorted(account for account, left in self._left.items() if left <= 0)

    def started_of(self, full: Collection[str]) -> list[str]:
        """Runs of these accounts that may continue nevertheless."""
        return sorted(run for run, account in self._started.items() if account in full)

    def permit(self, waiting: Iterable[Item]) -> list[Item]:
        """Those whose run has started or may start, in order. Granted room is used up."""
        items = list(waiting)
        self._learn({item.account_id for item in items if not item.running})
        return [item for item in items if item.running or self._grant(item)]

    def confirm(self, waiting: Iterable[Item]) -> list[Item]:
        """As ``permit``, with the accounts locked: what others have started meanwhile counts."""
        items = list(waiting)
        limited = {i.account_id for i in items if not i.running and i.account_id in self._left}
        if limited:
            lock = select(accounts.c.id).where(accounts.c.id.in_(limited))
            self._db.execute(lock.order_by(accounts.c.id).with_for_update(key_share=True)).all()
            self._started = {r: a for r, a in self._started.items() if a not in limited}
            for account in limited:
                del self._plans[account]
            self._learn(limited, fresh=True)
        return self.permit(items)

    def take(self, items: Iterable[WaitingSubtask]) -> None:
        """Note what this transaction has started: a count cannot find it before its attempts."""
        self._taken |= {item.run_id: item.account_id for item in items}

    def _grant(self, item: WaitingSubtask) -> bool:
        left = self._left.get(item.account_id)
        if left is None or item.run_id in self._started:
            return True
        if left <= 0:
            return False
        self._left[item.account_id] = left - 1
        self._started[item.run_id] = item.account_id
        return True

    def _learn(self, wanted: set[str], *, fresh: bool = False) -> None:
        """Read the plans of accounts seen for the first time. The first limited one makes it read
        what is under way of all, so that a thousand full accounts cost one query and not as many.
        """
        unknown = wanted - self._plans.keys()
        if not unknown:
            return
        found = self._db.execute(
            select(accounts.c.id, accounts.c.plan).where(accounts.c.id.in_(unknown))
        )
        plans = {account: Plan(name) for account, name in found}
        self._plans |= plans
        limited = [account for account, plan in plans.items() if plan.max_runs is not None]
        if fresh:
            own = {(account, run) for run, account in self._taken.items() if account in limited}
            self._count(limited, own.union(self._under_way(limited)))
        elif limited:
            if not self._loaded:
                self._loaded = True
                self._load_all()
            self._count([a for a in limited if a not in self._left], [])

    def _load_all(self) -> None:
        under_way = self._under_way()
        owners = sorted({account for account, _ in under_way})
        found = self._db.execute(
            select(accounts.c.id, accounts.c.plan).where(accounts.c.id.in_(owners))
        )
        self._plans |= {account: Plan(name) for account, name in found}
        self._count(owners, under_way)

    def _count(self, owners: Iterable[str], under_way: Iterable[tuple[str, str]]) -> None:
        for account in owners:
            self._left[account] = self._plans[account].max_runs or 0
        for account, run_id in under_way:
            self._left[account] -= 1
            self._started[run_id] = account

    def _under_way(self, of: Collection[str] | None = None) -> list[tuple[str, str]]:
        statement = text(under_way_query(self._db, some=of is not None))
        values: dict[str, Any] = {}
        if of is not None:
            statement = statement.bindparams(bindparam("of", expanding=True))
            values["of"] = sorted(of)
        return [(account, run) for account, run in self._db.execute(statement, values)]


def under_way_query(connection: Connection, *, some: bool) -> str:
    """Return the query for what is under way of limited accounts; of ``some``, named as ``of``."""
    sqlite = is_sqlite(connection)
    return UNDER_WAY.format(
        by=" INDEXED BY ix_runs_under_way" if sqlite else "",
        join="CROSS JOIN" if sqlite else "JOIN",
        on="ON",
        only=" AND r.account_id IN :of" if some else "",
    )

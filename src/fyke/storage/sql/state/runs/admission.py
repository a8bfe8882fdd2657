"""Queries for the admission of runs, and the limits of plans."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, text

from fyke.model.account import Plan
from fyke.model.placement import DEFAULT_POOL, PoolDemand
from fyke.model.runner import RunnerLoad
from fyke.storage.sql.dialects import fetch_all, is_sqlite, to_storable_text
from fyke.storage.sql.state.accounts import accounts
from fyke.storage.sql.state.records import SqlStore, record
from fyke.storage.sql.state.runs.tables import attempts, runs, subtasks

# a literal, because a partial index is used only if the statement has its condition verbatim
_ACTIVE = text("runs.state IN ('running', 'ending', 'aborting')")
_OPEN = ("ready", "running", "ending", "aborting")


def _active_loads(*by: ColumnElement[str]) -> Select[*tuple[Any, ...]]:
    """``by``, then the members of ``RunnerLoad`` after its first."""
    sums = (
        func.sum(runs.c.cpus),
        func.sum(runs.c.memory_mb),
        func.count(func.nullif(runs.c.browser_memory_mb, 0)),
        func.sum(runs.c.browser_cpus),
        func.sum(runs.c.browser_memory_mb),
        func.count(),
    )
    return (
        select(*by, *sums)
        .select_from(attempts)
        .join(runs, runs.c.id == attempts.c.run_id)
        .where(attempts.c.outcome.is_(None))
        .group_by(*by)
    )


def _load(runner: str, cpus: Any, memory: Any, browsers: int, *rest: Any) -> RunnerLoad:
    cores, megabytes, number = rest
    return RunnerLoad(
        runner, float(cpus), int(memory), browsers, float(cores), int(megabytes), number
    )


def living_attempts(connection: Connection) -> str:
    """The active attempts of the account in a parameter and their runs, for a statement of text.
    They are read from a partial index: SQLite might instead look for attempts of all its runs.
    """
    sqlite = is_sqlite(connection)
    by, join = (" INDEXED BY ix_attempts_living", "CROSS JOIN") if sqlite else ("", "JOIN")
    return (
        f"FROM attempts t{by} {join} runs r ON r.id = t.run_id"
        " WHERE t.outcome IS NULL AND r.account_id = :account"
    )


class SqlAdmission(SqlStore):
    """Implements ``AdmissionStore``."""

    def under_way(self, account_id: str) -> frozenset[str]:
        of_account = runs.c.account_id == account_id
        active = self._db.execute(select(runs.c.id).where(of_account, _ACTIVE)).scalars()
        prepared = f"SELECT r.id {living_attempts(self._db)} AND r.state = 'ready'"
        found = self._db.execute(text(prepared), {"account": account_id}).scalars()
        return frozenset(active) | frozenset(found)

    def count_open(self, account_id: str, limit: int) -> int:
        open_runs = (
            select(runs.c.id)
            .where(runs.c.account_id == account_id, runs.c.state.in_(_OPEN))
            .limit(limit)
            .subquery()
        )
        return self._db.execute(select(func.count()).select_from(open_runs)).scalar_one()

    def largest_hold(self, account_id: str, *, besides: str) -> tuple[str, int] | None:
        query = (
            select(runs.c.id, runs.c.hold_micros)
            .where(runs.c.account_id == account_id, runs.c.state.in_(_OPEN))
            .where(runs.c.id != besides, runs.c.hold_micros > 0)
            .order_by(runs.c.hold_micros.desc(), runs.c.id)
            .limit(1)
        )
        row = self._db.execute(query).first()
        return None if row is None else (row.id, row.hold_micros)

    def count_ahead(
        self, run_id: str, limit: int, *, pool: str = DEFAULT_POOL, placeless: bool = False
    ) -> int:
        older = select(subtasks.c.run_id).where(
            text("subtasks.state = 'waiting'"),
            subtasks.c.pool == pool,
            subtasks.c.run_id < run_id,
        )
        if placeless:
            older = older.join(runs, runs.c.id == subtasks.c.run_id)
            older = older.where(runs.c.browser_memory_mb == 0)
        counted = older.limit(limit).subquery()
        return self._db.execute(select(func.count()).select_from(counted)).scalar_one()

    def counts_ahead(
        self, run_ids: Sequence[str], limit: int, *, pool: str, placeless: bool = False
    ) -> dict[str, int]:
        if not run_ids:
            return {}
        without_browser = " JOIN runs r ON r.id = s.run_id AND r.browser_memory_mb = 0"
        older = (
            f"FROM subtasks s{without_browser if placeless else ''}"
            " WHERE s.state = 'waiting' AND s.pool = :pool AND s.run_id <"
        )
        parts = (
            f"SELECT {n}, count(*) FROM (SELECT 1 {older} :run_{n} LIMIT :limit) AS ahead_{n}"  # noqa: S608 - only our own names
            for n in range(len(run_ids))
        )
        values: dict[str, Any] = {"pool": pool, "limit": limit}
        values |= {f"run_{n}": to_storable_text(run_id) for n, run_id in enumerate(run_ids)}
        counts = self._db.execute(text(" UNION ALL ".join(parts)), values)
        return {run_ids[n]: int(count) for n, count in counts}

    def loads(self, runner_ids: Collection[str] | None = None) -> list[RunnerLoad]:
        query = _active_loads(attempts.c.runner_id)
        if runner_ids is not None:
            query = query.where(attempts.c.runner_id.in_([*runner_ids]))
        return [_load(*row) for row in self._db.execute(query)]

    def loads_by_worker(self, account_id: str) -> dict[str, list[RunnerLoad]]:
        query = (
            "SELECT r.worker_id, t.runner_id, sum(r.cpus), sum(r.memory_mb),"
            " count(nullif(r.browser_memory_mb, 0)), sum(r.browser_cpus), sum(r.browser_memory_mb),"
            f" count(*) {living_attempts(self._db)} GROUP BY r.worker_id, t.runner_id"
        )
        found: dict[str, list[RunnerLoad]] = {}
        for worker_id, *row in self._db.execute(text(query), {"account": account_id}):
            found.setdefault(worker_id, []).append(_load(*row))
        return found

    def demand(self) -> list[PoolDemand]:
        # a view, which programs that scale nodes read as well
        rows = fetch_all(self._db, "SELECT * FROM demand ORDER BY pool", ())
        return [record(row, PoolDemand) for row in rows]

    def ready(self, account_id: str, limit: int) -> list[str]:
        query = (
            select(runs.c.id)
            .where(runs.c.account_id == account_id, runs.c.state == "ready")
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(limit)
        )
        return list(self._db.execute(query).scalars())


# The conditions are literals, because a partial index is used only if the statement has its
# condition verbatim. On SQLite, CROSS JOIN fixes the join order, and INDEXED BY prevents a scan of
# all past runs in the order of UNION.
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
    """A waiting subtask and its requirements."""

    run_id: str
    ordinal: int
    cpus: float
    memory_mb: int
    account_id: str
    running: bool  # whether its run has started; plans limit only starts
    browser_cpus: float = 0.0
    browser_memory_mb: int = 0
    not_before: int = 0  # the end of its pause, if an attempt was returned
    labels: str = ""  # as stored
    environment: str = ""
    created_at: int = 0  # of its run

    @property
    def key(self) -> tuple[str, int]:
        return self.run_id, self.ordinal

    @property
    def ready_at(self) -> int:
        """Since when it may be leased: the start of its run, or the end of its pause."""
        return max(self.created_at, self.not_before)

    @property
    def load(self) -> RunnerLoad:
        """What an attempt takes."""
        browsers = 1 if self.browser_memory_mb else 0
        browser = self.browser_cpus, self.browser_memory_mb
        return RunnerLoad("", self.cpus, self.memory_mb, browsers, *browser, attempts=1)


Item = TypeVar("Item", bound=WaitingSubtask)


class PlanCapacity:
    """The number of runs that accounts with a limited plan may still start. One per lease
    transaction.

    No count is stored, so that a crash cannot leave a wrong one: the runs under way are read from
    partial indexes. A run is under way when it has started and not ended, or when it is ready and
    has an active attempt.
    """

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._plans: dict[str, Plan] = {}
        self._left: dict[str, int] = {}  # how many runs each limited account may still start
        self._started: dict[str, str] = {}  # run to account: under way, or granted by ``permit``
        self._leased: dict[str, str] = {}  # run to account: leased by this transaction
        self._loaded = False

    @property
    def full(self) -> list[str]:
        """Accounts that may not start another run."""
        return sorted(account for account, left in self._left.items() if left <= 0)

    def started_of(self, full: Collection[str]) -> list[str]:
        """Runs of these accounts that have started, so that they may continue."""
        return sorted(run for run, account in self._started.items() if account in full)

    def permit(self, waiting: Iterable[Item]) -> list[Item]:
        """Return the subtasks whose run has started or may start, in order, and
        count the starts.
        """
        items = list(waiting)
        self._load({item.account_id for item in items if not item.running})
        return [item for item in items if item.running or self._grant(item)]

    def confirm(self, waiting: Iterable[Item]) -> list[Item]:
        """Like ``permit``, after locking the accounts and counting again, because other
        transactions may have started runs in the meantime.
        """
        items = list(waiting)
        starting = {item.account_id for item in items if not item.running}
        limited = starting & self._left.keys()
        if limited:
            lock = select(accounts.c.id).where(accounts.c.id.in_(limited))
            self._db.execute(lock.order_by(accounts.c.id).with_for_update(key_share=True)).all()
            self._started = {
                run: account for run, account in self._started.items() if account not in limited
            }
            for account in limited:
                del self._plans[account]
            self._load(limited, reload=True)
        return self.permit(items)

    def take(self, items: Iterable[WaitingSubtask]) -> None:
        """Record leased subtasks: ``confirm`` cannot count their runs before the attempts are
        stored.
        """
        self._leased |= {item.run_id: item.account_id for item in items}

    def _grant(self, item: WaitingSubtask) -> bool:
        left = self._left.get(item.account_id)
        if left is None or item.run_id in self._started:
            return True
        if left <= 0:
            return False
        self._left[item.account_id] = left - 1
        self._started[item.run_id] = item.account_id
        return True

    def _load(self, account_ids: set[str], *, reload: bool = False) -> None:
        """Read the plans of new accounts. With the first limited plan, read the runs under way of
        all limited accounts, so that a thousand of them cost one query. ``reload`` reads those of
        ``account_ids`` again.
        """
        unknown = account_ids - self._plans.keys()
        if not unknown:
            return
        plans = self._read_plans(unknown)
        limited = [account for account, plan in plans.items() if plan.max_runs is not None]
        if reload:
            leased = {(account, run) for run, account in self._leased.items() if account in limited}
            self._count(limited, leased.union(self._under_way(limited)))
        elif limited:
            if not self._loaded:
                self._loaded = True
                self._load_all()
            self._count([account for account in limited if account not in self._left], [])

    def _load_all(self) -> None:
        under_way = self._under_way()
        account_ids = {account for account, _ in under_way}
        self._read_plans(account_ids)
        self._count(account_ids, under_way)

    def _read_plans(self, account_ids: Collection[str]) -> dict[str, Plan]:
        if not account_ids:
            return {}
        marks = ", ".join("?" * len(account_ids))
        statement = f'SELECT id, "plan" FROM accounts WHERE id IN ({marks})'  # noqa: S608
        rows = fetch_all(self._db, statement, tuple(sorted(account_ids)))
        plans = {row["id"]: Plan(row["plan"]) for row in rows}
        self._plans |= plans
        return plans

    def _count(self, account_ids: Iterable[str], under_way: Iterable[tuple[str, str]]) -> None:
        for account in account_ids:
            self._left[account] = self._plans[account].max_runs or 0
        for account, run_id in under_way:
            self._left[account] -= 1
            self._started[run_id] = account

    def _under_way(self, account_ids: Collection[str] | None = None) -> list[tuple[str, str]]:
        """(account, run) of the runs under way, of some or all accounts with a limited plan."""
        statement = text(under_way_query(self._db, by_account=account_ids is not None))
        values: dict[str, Any] = {}
        if account_ids is not None:
            statement = statement.bindparams(bindparam("account_ids", expanding=True))
            values["account_ids"] = sorted(account_ids)
        return [(account, run) for account, run in self._db.execute(statement, values)]


def under_way_query(connection: Connection, *, by_account: bool) -> str:
    """Return the query for the runs under way of accounts with a limited plan; with ``by_account``
    only of those in the parameter ``account_ids``.
    """
    sqlite = is_sqlite(connection)
    return UNDER_WAY.format(
        by=" INDEXED BY ix_runs_under_way" if sqlite else "",
        join="CROSS JOIN" if sqlite else "JOIN",
        on="ON",
        only=" AND r.account_id IN :account_ids" if by_account else "",
    )

"""Leasing of waiting subtasks to runners.

On SQLite the transaction is exclusive, and one query of the queue is enough. On PostgreSQL several
runners lease at the same time. All transactions that change subtasks lock the run first, which
rules out deadlocks:

1. read the queue without locks; select the subtasks that fit and that plans allow to start;
2. lock their runs in shared mode, which waits for a transaction that is ending one of them, and
   drop runs that are not ready or running any more;
3. lock waiting subtasks of these runs, skipping those that another runner has locked;
4. lock the accounts with a limited plan for which a run would start, and count again.

If other runners got all subtasks of these runs, repeat without these runs. Runs that wait for the
plan of their account are skipped, as are those with a browser while no place for one is free,
those that require one if the runner has none, those that are larger than the whole runner, if
another one is large enough, and for a while those that its machine has returned, if another one has
not; any other subtask that does not fit ends the search. Other runners are read only when the queue
has a subtask that may be left to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)

from fyke.domain.runs.isolation import RUNNER_SILENCE_MS, takes_attempts
from fyke.domain.runs.returns import OTHERS_FIRST_MS
from fyke.kit.ids import new_ulid
from fyke.model.browser import ANY_BROWSER, BrowserMode, BrowserOffer, BrowserProgram
from fyke.model.run import MAX_PAUSE_MS, Attempt, Subtask, SubtaskState
from fyke.model.runner import TOLERANCE, Capacity, Lease, RunnerInfo
from fyke.storage.sql.dialects import driver_sql, fetch_all, is_sqlite
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.installation import RunnerTable
from fyke.storage.sql.state.records import SqlStore, columns, record
from fyke.storage.sql.state.runs.admission import PlanCapacity, WaitingSubtask
from fyke.storage.sql.state.runs.tables import attempts, runs, runs_by_id, subtasks

# CROSS JOIN makes SQLite start with the queue, which is short, and not with all past runs.
QUEUE = (
    "SELECT s.run_id, s.ordinal, r.cpus, r.memory_mb, r.account_id, r.state = 'running',"
    " r.browser_cpus, r.browser_memory_mb, s.not_before"
    " FROM subtasks s {join} runs r {on} r.id = s.run_id"
    " WHERE s.state = 'waiting' AND r.state IN ('ready', 'running') AND {due}{excluded}"
    " ORDER BY s.run_id, s.ordinal LIMIT {limit}"
)

# The queue without runs that full accounts cannot start. It starts with the runs, because a run
# that waits for its plan may have many subtasks. INDEXED BY, because without statistics SQLite
# would scan all past runs.
QUEUE_WITHOUT_FULL = (
    "SELECT s.run_id, s.ordinal, r.cpus, r.memory_mb, r.account_id, r.state = 'running',"
    " r.browser_cpus, r.browser_memory_mb, s.not_before"
    " FROM runs r{by} {join} subtasks s {on} s.run_id = r.id"
    " WHERE r.state IN ('ready', 'running') AND s.state = 'waiting' AND {due}"
    " AND (r.state = 'running' OR r.account_id NOT IN ({full}){started}){excluded}"
    " ORDER BY r.id, s.ordinal LIMIT {limit}"
)


# A returned subtask waits for its time, but never longer than the longest pause: the clock may have
# been set back since.
_DUE = "(s.not_before <= ? OR s.not_before > ?)"


# Of a waiting subtask, all attempts were returned.
_RETURNED_BY = (
    "EXISTS (SELECT 1 FROM attempts a"
    " WHERE a.run_id = s.run_id AND a.ordinal = s.ordinal AND a.node = ?)"
)


_CLAIM = Prepared(
    update(subtasks).where(
        subtasks.c.run_id == bindparam("of_run"), subtasks.c.ordinal == bindparam("at_ordinal")
    ),
    "state",
)
_UNREPORTED = {"memory_bytes": 0, "browser_memory_bytes": 0}
_ADD_ATTEMPT = Prepared(insert(attempts), *(column.name for column in attempts.c))


@dataclass(frozen=True, slots=True)
class _Condition:
    """A part of a query, with the values of its parameters: what runners report of themselves is
    never part of its text.
    """

    text: str = ""
    values: tuple[object, ...] = ()


_ALL = _Condition()


class _CapacityLeft:
    """The free capacity, reduced by each subtask that is taken."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity

    @property
    def slots(self) -> int:
        return self._capacity.slots

    @property
    def offer(self) -> BrowserOffer | None:
        """What runs may ask of their browsers; None if none may be leased that requires one."""
        return self._capacity.offer if self._capacity.browser_ready else None

    @property
    def lacks_places(self) -> bool:
        """Whether no attempt with a browser fits."""
        return self._capacity.browsers is not None and self._capacity.browsers <= 0

    def is_larger(self, waiting: WaitingSubtask) -> bool:
        """Whether an attempt needs more than the whole runner has."""
        if self._capacity.total is None:
            return False
        browser = waiting.browser_cpus, waiting.browser_memory_mb
        cpus, memory_mb, _ = self._capacity.browser_reserve(*browser)
        total_cpus, total_mb = self._capacity.total
        needed_cpus, needed_mb = waiting.cpus + cpus, waiting.memory_mb + memory_mb
        return needed_cpus > total_cpus + TOLERANCE or needed_mb > total_mb

    def copy(self) -> _CapacityLeft:
        return _CapacityLeft(self._capacity)

    def take(self, waiting: WaitingSubtask) -> bool:
        """Reserve capacity for one attempt; False when it does not fit."""
        *_, places = self._capacity.browser_reserve(waiting.browser_cpus, waiting.browser_memory_mb)
        if places and self.lacks_places:
            return False
        left = self._capacity.without_browser(waiting.browser_cpus, waiting.browser_memory_mb)
        left = replace(
            left,
            cpus=left.cpus - waiting.cpus,
            memory_mb=left.memory_mb - waiting.memory_mb,
            slots=left.slots - 1,
        )
        if left.is_possible:
            self._capacity = left
        return left.is_possible


def queue_query(
    connection: Connection,
    limit: int,
    excluded: int = 0,
    full: int = 0,
    started: int = 0,
    *,
    placeless: bool = False,
    offer: BrowserOffer | None = ANY_BROWSER,
    for_others: str = "",
) -> str:
    """Return the query for the first ``limit`` subtasks of the queue; ``placeless``: only those
    that need no place for a browser. Those that ask for more of one than ``offer`` are left out;
    without an offer, all that require one. ``for_others`` is a condition of ``_for_others``.

    ``full``, ``started`` and ``excluded`` are numbers of ids. The parameters of the query are, in
    this order: the time; the latest time until which a returned subtask may wait; the ids of full
    accounts, whose runs are left out; the ids of started runs of these accounts, which are kept;
    the ids of excluded runs, which are left out; and those of ``for_others``.
    """
    template = QUEUE_WITHOUT_FULL if full else QUEUE
    sqlite = is_sqlite(connection)
    statement = template.format(
        by=" INDEXED BY ix_runs_open" if sqlite else "",
        join="CROSS JOIN" if sqlite else "JOIN",
        on="ON",
        due=_DUE,
        full=_placeholders(full),
        started=f" OR r.id IN ({_placeholders(started)})" if started else "",
        excluded=(f" AND s.run_id NOT IN ({_placeholders(excluded)})" if excluded else "")
        + (" AND r.browser_memory_mb = 0" if placeless else "")
        + _unfit(offer)
        + for_others,
        limit=int(limit),
    )
    return driver_sql(connection, statement)


def _unfit(offer: BrowserOffer | None) -> str:
    """The condition that leaves out what requires another browser than there is."""
    if offer is None:
        return " AND NOT r.browser_required"
    missing = [program.value for program in BrowserProgram if program not in offer.programs]
    programs = f" AND r.browser_program NOT IN ({_texts(missing)})" if missing else ""
    return programs + ("" if offer.headful else f" AND r.browser_mode <> '{BrowserMode.HEADFUL}'")


def _larger(cpus: float, memory_mb: int, share: float) -> _Condition:
    """The condition for attempts that need more than a runner of this size has."""
    return _Condition(
        "(r.cpus + ? * r.browser_cpus > ? OR r.memory_mb + ? * r.browser_memory_mb > ?)",
        (share, cpus + TOLERANCE, share, memory_mb),
    )


def _fits(runner: RunnerInfo) -> _Condition:
    """The condition for attempts that the runner could take while it runs nothing else."""
    share = runner.browser_share if runner.browsers else 0.0
    larger = _larger(runner.cpus, runner.memory_mb, share)
    unfit = _unfit(runner.offer if runner.has_browser else None)
    return _Condition(f"NOT {larger.text}{unfit}", larger.values)


def _for_others(
    capacity: Capacity, node: str, runners: Iterable[RunnerInfo], now: int
) -> _Condition:
    """The condition that leaves out what is larger than a runner with this ``capacity``, and not
    larger than one of the others; and what its machine ``node`` has returned, and one of the others
    that could take it has not. Without others, none.
    """
    fits = [(other.node, _fits(other)) for other in runners]
    text, values = "", list[object]()
    if capacity.total is not None and fits:
        own = _larger(*capacity.total, 0.0 if capacity.browsers is None else capacity.browser_share)
        held = " OR ".join(f"({fit.text})" for _, fit in fits)
        text = f" AND NOT ({own.text} AND ({held}))"
        values = [*own.values, *(value for _, fit in fits for value in fit.values)]
    elsewhere = [(name, fit) for name, fit in fits if name != node]
    if elsewhere:
        new = " OR ".join(f"({fit.text} AND NOT {_RETURNED_BY})" for _, fit in elsewhere)
        text += f" AND NOT (s.not_before > ? AND s.not_before <= ? AND {_RETURNED_BY} AND ({new}))"
        values += [now - OTHERS_FIRST_MS, now, node]
        values += [value for name, fit in elsewhere for value in (*fit.values, name)]
    return _Condition(text, tuple(values))


def _texts(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _placeholders(count: int) -> str:
    return ", ".join("?" * count)


class LeaseTable(SqlStore):
    """The part of ``RunStore`` for leasing."""

    _now: Callable[[], int]

    def lease(
        self, runner_id: str, capacity: Capacity, lease_until: int, *, node: str = ""
    ) -> list[Lease]:
        left = _CapacityLeft(capacity)
        plans = PlanCapacity(self._db)
        excluded: list[str] = []  # runs with all waiting subtasks locked by other runners
        leased: list[WaitingSubtask] = []
        for_others, others = _ALL, None
        while left.slots > 0:
            limit = left.slots
            full = plans.full
            # runs that need a browser do not delay others while all places for one are taken
            placeless = left.lacks_places
            waiting = self._queue(
                limit,
                excluded,
                plans,
                placeless=placeless,
                offer=left.offer,
                for_others=for_others,
            )
            if others is None and any(
                left.is_larger(item) or self._was_returned(item) for item in waiting
            ):
                others = self._others(runner_id)
                for_others = _for_others(capacity, node, others, self._now())
                if for_others.text:
                    continue
            permitted = plans.permit(waiting)
            if len(permitted) < len(waiting) and plans.full != full:
                continue  # read the queue again, without the accounts that are full now
            planned = _fitting(permitted, left.copy())
            if not planned:
                break
            exact = any(other.node != node for other in others or ())
            claimed = self._claim(planned, left, plans, exact=exact)
            leased += claimed
            if not claimed:
                excluded += dict.fromkeys(item.run_id for item in planned)
            elif left.lacks_places and not placeless:
                continue
            elif len(claimed) == len(planned) < max(len(permitted), limit):
                break  # the next one does not fit, or there is none
        return self._add_attempts(runner_id, node, lease_until, leased) if leased else []

    def has_startable(self, offer: BrowserOffer | None) -> bool:
        plans = PlanCapacity(self._db)
        while True:
            full = plans.full
            waiting = self._queue(1, [], plans, offer=offer)
            if plans.permit(waiting):
                return True
            if plans.full == full:
                return False

    def _queue(
        self,
        limit: int,
        excluded: list[str],
        plans: PlanCapacity,
        *,
        placeless: bool = False,
        offer: BrowserOffer | None,
        for_others: _Condition = _ALL,
    ) -> list[WaitingSubtask]:
        full = plans.full
        started = plans.started_of(full)
        statement = queue_query(
            self._db,
            limit,
            len(excluded),
            len(full),
            len(started),
            placeless=placeless,
            offer=offer,
            for_others=for_others.text,
        )
        now = self._now()
        times = now, now + MAX_PAUSE_MS
        values = (*times, *full, *started, *excluded, *for_others.values)
        rows = self._db.exec_driver_sql(statement, values)
        return [WaitingSubtask(*row) for row in rows]

    def _others(self, runner_id: str) -> list[RunnerInfo]:
        """The other runners that take attempts of all accounts now."""
        active = RunnerTable(self._db).runners(self._now() - RUNNER_SILENCE_MS)
        return [other for other in active if other.id != runner_id and takes_attempts(other)]

    def _was_returned(self, item: WaitingSubtask) -> bool:
        """Whether the subtask may be left to machines that have not returned it."""
        now = self._now()
        return now - OTHERS_FIRST_MS < item.not_before <= now

    def _claim(
        self,
        planned: list[WaitingSubtask],
        left: _CapacityLeft,
        plans: PlanCapacity,
        *,
        exact: bool,
    ) -> list[WaitingSubtask]:
        """Mark subtasks of the planned runs as running, as far as they are still free and fit; with
        ``exact`` only planned ones.
        """
        if not is_sqlite(self._db):
            planned = plans.confirm(self._lock(planned, exact=exact))
        claimed = _fitting(planned, left)
        if claimed:
            running = str(SubtaskState.RUNNING)
            keys = [
                {"of_run": item.run_id, "at_ordinal": item.ordinal, "state": running}
                for item in claimed
            ]
            _CLAIM.run_many(self._db, keys)
            plans.take(claimed)
        return claimed

    def _due(self) -> ColumnElement[bool]:
        now, at = self._now(), subtasks.c.not_before
        return or_(at <= now, at > now + MAX_PAUSE_MS)

    def _lock(self, planned: list[WaitingSubtask], *, exact: bool) -> list[WaitingSubtask]:
        """Steps 2 and 3 above. Returns at most as many subtasks as planned, of the same runs, and
        with ``exact`` no others: of one run some may be left to other machines.
        """
        by_run = {item.run_id: item for item in planned}
        shared = (
            select(runs.c.id, runs.c.state)
            .where(runs.c.id.in_(by_run))
            .order_by(runs.c.id)
            .with_for_update(read=True)
        )
        open_runs = [
            row.id for row in self._db.execute(shared) if row.state in ("ready", "running")
        ]
        free = (
            select(subtasks.c.run_id, subtasks.c.ordinal)
            .where(text("state = 'waiting'"), subtasks.c.run_id.in_(open_runs), self._due())
            .order_by(subtasks.c.run_id, subtasks.c.ordinal)
            .limit(len(planned))
            .with_for_update(skip_locked=True)
        )
        if exact:
            keys = [(item.run_id, item.ordinal) for item in planned]
            free = free.where(tuple_(subtasks.c.run_id, subtasks.c.ordinal).in_(keys))
        return [replace(by_run[row.run_id], ordinal=row.ordinal) for row in self._db.execute(free)]

    def _add_attempts(
        self, runner_id: str, node: str, lease_until: int, leased: Sequence[WaitingSubtask]
    ) -> list[Lease]:
        run_by_id = runs_by_id(self._db, {item.run_id for item in leased})
        subtask_by_key = self._subtasks_by_key([(item.run_id, item.ordinal) for item in leased])
        leases = []
        for item in leased:
            subtask = subtask_by_key[item.run_id, item.ordinal]
            attempt = _new_attempt(subtask, runner_id, node, lease_until)
            leases.append(Lease(attempt, subtask, run_by_id[item.run_id]))
        rows = [columns(lease.attempt) | _UNREPORTED for lease in leases]
        _ADD_ATTEMPT.run_many(self._db, rows)
        return leases

    def _subtasks_by_key(self, keys: list[tuple[str, int]]) -> dict[tuple[str, int], Subtask]:
        ordinals: dict[str, list[int]] = {}
        for run_id, ordinal in keys:
            ordinals.setdefault(run_id, []).append(ordinal)
        found: dict[tuple[str, int], Subtask] = {}
        for run_id, wanted in ordinals.items():
            marks = ", ".join("?" * len(wanted))
            statement = f"SELECT * FROM subtasks WHERE run_id = ? AND ordinal IN ({marks})"  # noqa: S608
            for row in fetch_all(self._db, statement, (run_id, *wanted)):
                found[run_id, row["ordinal"]] = record(row, Subtask)
        return found


def _fitting(waiting: list[WaitingSubtask], left: _CapacityLeft) -> list[WaitingSubtask]:
    """Take subtasks up to the first that does not fit. It is not skipped, because smaller ones
    behind it could starve it.
    """
    fitting = []
    for item in waiting:
        if not left.take(item):
            break
        fitting.append(item)
    return fitting


def _new_attempt(subtask: Subtask, runner_id: str, node: str, lease_until: int) -> Attempt:
    counters: dict[str, Any] = dict.fromkeys(
        ("rows", "traffic_bytes", "cpu_ms", "memory_peak_bytes", "started_at", "finished_at"), 0
    )
    return Attempt(
        id=new_ulid(),
        run_id=subtask.run_id,
        ordinal=subtask.ordinal,
        number=subtask.number,
        runner_id=runner_id,
        token=1,
        lease_until=lease_until,
        outcome=None,
        err_msg="",
        node=node,
        **counters,
    )

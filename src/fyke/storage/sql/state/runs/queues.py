"""The queues of the pools: which waiting subtasks a runner may lease, the oldest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from sqlalchemy import Connection

from fyke.domain.runs.isolation import placement_of
from fyke.domain.runs.returns import OTHERS_FIRST_MS
from fyke.model.browser import ANY_BROWSER, BrowserMode, BrowserOffer, BrowserProgram
from fyke.model.placement import ANYTHING, Placement
from fyke.model.runner import TOLERANCE, Capacity, RunnerInfo
from fyke.storage.sql.dialects import driver_sql, is_sqlite
from fyke.storage.sql.state.runs.admission import WaitingSubtask

# CROSS JOIN makes SQLite start with the queue, which is short, and not with all past runs.
QUEUE = (
    "SELECT s.run_id, s.ordinal, r.cpus, r.memory_mb, r.account_id, r.state = 'running',"
    " r.browser_cpus, r.browser_memory_mb, s.not_before, r.labels, r.environment, r.created_at"
    " FROM subtasks s {join} runs r {on} r.id = s.run_id"
    " WHERE s.state = 'waiting' AND s.pool = ?"
    " AND r.state IN ('ready', 'running') AND {due}{excluded}"
    " ORDER BY s.run_id, s.ordinal LIMIT {limit}"
)

# The queue without runs that full accounts cannot start. It starts with the runs, because a run
# that waits for its plan may have many subtasks. INDEXED BY, because without statistics SQLite
# would scan all past runs.
QUEUE_WITHOUT_FULL = (
    "SELECT s.run_id, s.ordinal, r.cpus, r.memory_mb, r.account_id, r.state = 'running',"
    " r.browser_cpus, r.browser_memory_mb, s.not_before, r.labels, r.environment, r.created_at"
    " FROM runs r{by} {join} subtasks s {on} s.run_id = r.id AND s.pool = r.pool"
    " WHERE r.pool = ? AND r.state IN ('ready', 'running') AND s.state = 'waiting' AND {due}"
    " AND (r.state = 'running' OR r.account_id NOT IN ({full}){started}){excluded}"
    " ORDER BY r.id, s.ordinal LIMIT {limit}"
)


MAX_LABEL_TEXTS = 1000  # of one query

# A returned subtask waits for its time, but never longer than the longest pause: the clock may have
# been set back since.
_DUE = "(s.not_before <= ? OR s.not_before > ?)"


# Of a waiting subtask, all attempts were returned or lost.
_RETURNED_BY = (
    "EXISTS (SELECT 1 FROM attempts a"
    " WHERE a.run_id = s.run_id AND a.ordinal = s.ordinal AND a.node = ?)"
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a query, with the values of its parameters: what runners report of themselves is
    never part of its text.
    """

    text: str = ""
    values: tuple[object, ...] = ()

    def and_also(self, *others: Condition) -> Condition:
        """The conjunction of this condition and the others."""
        every = self, *others
        values = (value for one in every for value in one.values)
        return Condition("".join(one.text for one in every), tuple(values))


ALL = Condition()


def queue_query(
    connection: Connection,
    limit: int,
    excluded: int = 0,
    full: int = 0,
    started: int = 0,
    *,
    placeless: bool = False,
    offer: BrowserOffer | None = ANY_BROWSER,
    conditions: str = "",
) -> str:
    """Return the query for the first ``limit`` subtasks of the queue of a pool; ``placeless``: only
    those that need no place for a browser. Those that ask for more of one than ``offer`` are left
    out; without an offer, all that require one. ``conditions`` are the texts of ``Condition``.

    ``full``, ``started`` and ``excluded`` are numbers of ids. The parameters of the query are, in
    this order: the pool; the time; the latest time until which a returned subtask may wait; the ids
    of full accounts, whose runs are left out; the ids of started runs of these accounts, which are
    kept; the ids of excluded runs, which are left out; and those of ``conditions``.
    """
    sqlite = is_sqlite(connection)
    numbers = int(limit), excluded, full, started
    statement = _queue_text(sqlite, numbers, placeless, offer, conditions)
    return driver_sql(connection, statement)


@lru_cache(maxsize=256)
def _queue_text(
    sqlite: bool,
    numbers: tuple[int, int, int, int],
    placeless: bool,
    offer: BrowserOffer | None,
    conditions: str,
) -> str:
    """See ``queue_query``; with question marks as parameters on both databases."""
    limit, excluded, full, started = numbers
    template = QUEUE_WITHOUT_FULL if full else QUEUE
    return template.format(
        by=" INDEXED BY ix_runs_open_of_pool" if sqlite else "",
        join="CROSS JOIN" if sqlite else "JOIN",
        on="ON",
        due=_DUE,
        full=_placeholders(full),
        started=f" OR r.id IN ({_placeholders(started)})" if started else "",
        excluded=(f" AND s.run_id NOT IN ({_placeholders(excluded)})" if excluded else "")
        + (" AND r.browser_memory_mb = 0" if placeless else "")
        + _unfit(offer)
        + conditions,
        limit=limit,
    )


def open_labels_query(connection: Connection) -> str:
    """Return the query for the labels of open runs; its parameter is the pool."""
    by = " INDEXED BY ix_runs_open_of_pool" if is_sqlite(connection) else ""
    statement = (
        f"SELECT DISTINCT labels FROM runs{by}"  # noqa: S608
        " WHERE pool = ? AND state IN ('ready', 'running') AND labels <> ''"
    )
    return driver_sql(connection, statement)


def _unfit(offer: BrowserOffer | None) -> str:
    """The condition that leaves out what requires another browser than there is."""
    if offer is None:
        return " AND NOT r.browser_required"
    missing = [program.value for program in BrowserProgram if program not in offer.programs]
    programs = f" AND r.browser_program NOT IN ({_texts(missing)})" if missing else ""
    return programs + ("" if offer.headful else f" AND r.browser_mode <> '{BrowserMode.HEADFUL}'")


def _larger(cpus: float, memory_mb: int, share: float) -> Condition:
    """The condition for attempts that need more than a runner of this size has."""
    return Condition(
        "(r.cpus + ? * r.browser_cpus > ? OR r.memory_mb + ? * r.browser_memory_mb > ?)",
        (share, cpus + TOLERANCE, share, memory_mb),
    )


@lru_cache(maxsize=256)
def placed_condition(placement: Placement) -> Condition:
    """The condition for runs of Workers that the runner may execute, in the region of its machine
    or in none.
    """
    operators = " AND r.operators_worker" if placement.operators_only else ""
    if not placement.region:
        return Condition(f"{operators} AND NOT r.region_of_node")
    return Condition(f"{operators} AND (NOT r.region_of_node OR r.region = ?)", (placement.region,))


class OpenLabels:
    """The labels that the open runs of a pool ask for, as the texts that are stored. They are read
    once, and only when the queue has a run with labels: there may be as many as there are runs.
    """

    def __init__(self, placement: Placement, read: Callable[[], Sequence[str]]) -> None:
        self._machine = placement
        self._read = read
        self._texts: Sequence[str] | None = None
        self._own: list[str] = []  # those that this machine has

    def see(self, waiting: Iterable[WaitingSubtask]) -> tuple[bool, bool]:
        """Whether labels were read now, and whether the machine lacks some of those of the queue,
        which then has to be read again.
        """
        asked = {item.labels for item in waiting if item.labels}
        is_first = bool(asked) and self._texts is None
        if is_first:
            self._texts = sorted(self._read())
            self._own = self.of(self._machine)
        return is_first, not asked <= {*self._own}

    def of(self, placement: Placement) -> list[str]:
        """Those that a machine has, at most ``MAX_LABEL_TEXTS``; "" is for every machine."""
        has = (text for text in self._texts or () if placement.has(json.loads(text)))
        return ["", *islice(has, MAX_LABEL_TEXTS)]

    @property
    def condition(self) -> Condition:
        """The condition for runs that do not ask for labels that the machine lacks."""
        if self._texts is None:
            return ALL
        text = f" AND r.labels IN ({_placeholders(len(self._own))})"
        return Condition(text, tuple(self._own))


def _fits(runner: RunnerInfo, labels: OpenLabels) -> Condition:
    """The condition for attempts that the runner could take while it runs nothing else; of runs
    with labels, only if these were read.
    """
    share = runner.browser_share if runner.browsers else 0.0
    larger = _larger(runner.cpus, runner.memory_mb, share)
    unfit = _unfit(runner.offer if runner.has_browser else None)
    placement = placement_of(runner) or ANYTHING
    placed, has = placed_condition(placement), labels.of(placement)
    text = f"NOT {larger.text}{unfit}{placed.text} AND r.labels IN ({_placeholders(len(has))})"
    return Condition(text, (*larger.values, *placed.values, *has))


def for_others_condition(
    capacity: Capacity, node: str, runners: Iterable[RunnerInfo], labels: OpenLabels, now: int
) -> Condition:
    """The condition that leaves out what is larger than a runner with this ``capacity``, and not
    larger than one of the others; and what its machine ``node`` has returned, and one of the others
    that could take it has not. Without others, none.
    """
    fits = [(other.node, _fits(other, labels)) for other in runners]
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
    return Condition(text, tuple(values))


def _texts(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _placeholders(count: int) -> str:
    return ", ".join("?" * count)

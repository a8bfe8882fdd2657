"""Streams a run: its state, log and rows as they are written, starting at any cursor.

A cursor has the positions of the last log line and row that were sent, and the last state.
Positions increase and are read in order, so a client that resumes from a cursor receives everything
exactly once, even over another connection or from another server.

An update is limited in lines and bytes and read on demand: a slow client delays the next read, and
memory use is bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from fyke.contracts.results import Results
from fyke.contracts.signals import Listener, Signals, output_topic, run_topic
from fyke.contracts.state import Storage, Transaction
from fyke.domain.access import own_run
from fyke.domain.results.output_signals import OutputFollower
from fyke.domain.runs.service import Runs, RunView
from fyke.errors import RunNotFound
from fyke.kit.ids import run_number
from fyke.model.account import Caller
from fyke.model.log import LogEntry
from fyke.model.results import Row
from fyke.model.run import Run, RunState

POLL_SECONDS = 5.0  # the longest delay after a lost notification
MAX_LINES = 200
MAX_BYTES = 2**20
FIRST_ROWS = 16
# The summary line of the log is written within this time after the end of the run, or never.
SUMMARY_LINE_MS = 3_000


@dataclass(frozen=True, slots=True)
class StreamCursor:
    """The position of a reader: 0 and None before the first update."""

    log: int = 0
    row: int = 0
    state: RunState | None = None


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Which parts of a run are sent."""

    state: bool = True
    log: bool = True
    rows: bool = True


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """One of: the state with the run's figures, some log lines, some rows, the end, or nothing, as
    a keep-alive; and the cursor after it.
    """

    cursor: StreamCursor
    view: RunView | None = None
    log: tuple[LogEntry, ...] = ()
    rows: tuple[Row, ...] = ()
    ended: bool = False


class RunStreams:
    """Streams of runs; each account can read only its own."""

    def __init__(self, storage: Storage, results: Results, runs: Runs, signals: Signals) -> None:
        self._storage = storage
        self._results = results
        self._runs = runs
        self._signals = signals

    @asynccontextmanager
    async def follow(
        self, caller: Caller, run_id: str, cursor: StreamCursor, selection: StreamFilter
    ) -> AsyncIterator[RunStream]:
        """A stream of the run, which listens for its signals while the context is open."""
        async with self._signals.listen() as listener:
            yield RunStream(
                self._storage,
                self._results,
                self._runs,
                listener,
                OutputFollower(self._signals),
                caller,
                run_id,
                cursor,
                selection,
            )


class RunStream:
    """The stream of one run to one client."""

    def __init__(
        self,
        storage: Storage,
        results: Results,
        runs: Runs,
        listener: Listener,
        follower: OutputFollower,
        caller: Caller,
        run_id: str,
        cursor: StreamCursor,
        selection: StreamFilter,
    ) -> None:
        self._storage = storage
        self._results = results
        self._runs = runs
        self._listener = listener
        self._follower = follower
        self._caller = caller
        self._run_id = run_id
        self._cursor = cursor
        self._selection = selection
        self._topics = frozenset({run_topic(run_id), output_topic(run_id)})
        self._rows_first = False
        self._row_limit = FIRST_ROWS
        self._summary_sent = False

    async def next(self) -> RunUpdate | None:
        """The next update, None when the run was deleted or is not the caller's. Must not be called
        after the end.
        """
        try:
            run, hidden, now = await self._read_state()
            if self._selection.state and _shown_state(run.state) is not self._cursor.state:
                return await self._state()
            update = await self._output(run, hidden)
            if update is not None:
                return update
            if run.state.terminal and self._complete(run, now):
                view = await self._runs.get(self._caller, self._run_id)
                return RunUpdate(self._cursor, view=view, ended=True)
        except RunNotFound:
            return None
        if not run.state.terminal:
            self._follower.follow((self._run_id,))
        await self._listener.wait(self._topics, 1.0 if run.state.terminal else POLL_SECONDS)
        return RunUpdate(self._cursor)

    async def _read_state(self) -> tuple[Run, frozenset[str], int]:
        """Read the state before the output, so that no output from before the end is missed."""

        def work(tx: Transaction) -> tuple[Run, frozenset[str], int]:
            run = own_run(tx, self._caller, self._run_id)
            return run, tx.runs.hidden_attempts(self._run_id), tx.now

        return await self._storage.read(work)

    async def _state(self) -> RunUpdate:
        view = await self._runs.get(self._caller, self._run_id)
        self._cursor = replace(self._cursor, state=_shown_state(view.run.state))
        return RunUpdate(self._cursor, view=view)

    async def _output(self, run: Run, hidden: frozenset[str]) -> RunUpdate | None:
        """Alternate between lines and rows, so that a flood of lines does not delay rows, or the
        reverse.
        """
        rows_first, self._rows_first = self._rows_first, not self._rows_first
        if rows_first:
            return await self._rows(hidden) or await self._log(run)
        return await self._log(run) or await self._rows(hidden)

    async def _log(self, run: Run) -> RunUpdate | None:
        if not self._selection.log:
            return None
        entries = await self._results.log_after(self._run_id, self._cursor.log, MAX_LINES)
        if not entries:
            return None
        self._summary_sent = entries[-1].group == run_number(run.created_at)
        self._cursor = replace(self._cursor, log=entries[-1].position)
        return RunUpdate(self._cursor, log=tuple(entries))

    async def _rows(self, hidden: frozenset[str]) -> RunUpdate | None:
        if not self._selection.rows:
            return None
        rows = await self._results.rows_after(
            self._run_id, hidden, position=self._cursor.row, limit=self._row_limit
        )
        if not rows:
            return None
        self._row_limit = _next_limit(rows, self._row_limit)
        self._cursor = replace(self._cursor, row=rows[-1].position)
        return RunUpdate(self._cursor, rows=tuple(rows))

    def _complete(self, run: Run, now: int) -> bool:
        """Whether no more output can follow, after the output of an ended run has been read."""
        if not self._selection.log or self._summary_sent or self._cursor.log == 0:
            return True
        return now - run.finished_at >= SUMMARY_LINE_MS


def _shown_state(state: RunState) -> RunState:
    """The state for clients: a run that is being stopped at a limit is still running."""
    return RunState.RUNNING if state is RunState.ENDING else state


def _next_limit(rows: list[Row], limit: int) -> int:
    """The number of rows in the next update by the size of these: it shrinks at once, and grows by
    doubling.
    """
    average = max(1, sum(len(row.data) for row in rows) // len(rows))
    return max(1, min(MAX_BYTES // average, limit * 2, MAX_LINES))

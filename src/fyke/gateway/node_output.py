"""How much the runs of a node have put out.

A runner keeps the caps of a run by itself (``domain.results.caps``). A node that was taken over
does not, so here they are kept once more, with a margin: rows are counted for each machine apart,
lines of the platform are in no cap, and what is sent again counts again.

Too many rows end the connection, because no runner sends them. Too many lines are dropped: each
attempt of a run may fill its log, and a run may have many attempts, one after the other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from fyke.domain.nodes.authority import NODE_SECONDS, NodeIdentity
from fyke.domain.results.caps import LOG_RECORD_BYTES, LOG_RUN_BYTES
from fyke.gateway.bounds import ImpossibleRequest
from fyke.kit.clock import Clock
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import MAX_RUN_ROW_BYTES, MAX_RUN_ROWS, AttemptBatch, RunTotals

MAX_ROWS = 2 * MAX_RUN_ROWS
MAX_ROW_BYTES = 2 * MAX_RUN_ROW_BYTES
MAX_LOG_BYTES = 4 * LOG_RUN_BYTES  # with the lines of the platform
REMEMBERED_RUNS = 1024
LOG_FULL = (
    "SYSTEM: This node has sent as many lines of the log of this run as it may; further lines from "
    "it are dropped."
)

Totals = Callable[[str], Awaitable[RunTotals]]


class TooMuchOutput(ImpossibleRequest):
    """A run has put out more rows than a run may. The node loses its connection."""


@dataclass(slots=True)
class RunOutput:
    """The rows and the log of one run."""

    rows: int = 0
    row_bytes: int = 0
    log_bytes: int = 0
    dropped: NewLogEntry | None = None  # the line that says that further ones are dropped

    @property
    def has_too_many_rows(self) -> bool:
        return self.rows > MAX_ROWS or self.row_bytes > MAX_ROW_BYTES

    def add(self, batch: AttemptBatch, sign: int = 1) -> None:
        self.rows += sign * len(batch.rows)
        self.row_bytes += sign * sum(len(row.data) for row in batch.rows)
        self.log_bytes += sign * sum(map(_size, batch.log))

    def fitting(self, lines: list[NewLogEntry]) -> list[NewLogEntry]:
        """The first lines, as far as they fit. The first one that does not is replaced by a line
        that says so.
        """
        if self.dropped is not None:
            return []
        left = MAX_LOG_BYTES - self.log_bytes
        for at, entry in enumerate(lines):
            left -= _size(entry)
            if left < 0:
                self.dropped = replace(entry, type=LogType.WARN, content=LOG_FULL)
                return [*lines[:at], self.dropped]
        return lines


class NodeOutput:
    """The latest runs of one node, on all its connections to this gateway."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, RunOutput] = OrderedDict()

    def begin(self, run_id: str) -> None:
        """The node has leased an attempt of a run that has no rows yet."""
        self._runs.setdefault(run_id, RunOutput())

    async def admit(self, batch: AttemptBatch, totals: Totals) -> None:
        """Count a batch before it is stored, and take from it the lines that are too many. Raise
        ``TooMuchOutput`` if its run has more rows than it may; then it is not counted.
        """
        run = await self._of(batch.run_id, totals)
        batch.log = run.fitting(batch.log)
        run.add(batch)
        if run.has_too_many_rows:  # some may have replaced others, or be counted twice
            stored = await totals(batch.run_id)
            run.rows, run.row_bytes = stored.rows, stored.row_bytes
            run.add(AttemptBatch(batch.run_id, batch.attempt_id, batch.rows))
        if run.has_too_many_rows:
            self.forget(batch)
            raise TooMuchOutput("A run has put out more rows than a run may")

    def forget(self, batch: AttemptBatch) -> None:
        """A batch that was admitted was not stored."""
        if (run := self._runs.get(batch.run_id)) is not None:
            run.add(batch, -1)
            if run.dropped is not None and any(entry is run.dropped for entry in batch.log):
                run.dropped = None  # it is written with the next batch

    async def _of(self, run_id: str, totals: Totals) -> RunOutput:
        if run_id not in self._runs:
            stored = await totals(run_id)
            self._runs.setdefault(run_id, RunOutput(stored.rows, stored.row_bytes))
        self._runs.move_to_end(run_id)
        run = self._runs[run_id]
        while len(self._runs) > REMEMBERED_RUNS:
            self._runs.popitem(last=False)
        return run


def _size(entry: NewLogEntry) -> int:
    return len(entry.content.encode()) + LOG_RECORD_BYTES


class NodeOutputs:
    """What each node has put out, for as long as it may come back. One that joins again is another
    node.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outputs: dict[NodeIdentity, NodeOutput] = {}
        self._left: dict[NodeIdentity, float] = {}  # and when, in order

    def __len__(self) -> int:
        return len(self._outputs)

    def of(self, identity: NodeIdentity) -> NodeOutput:
        """That of a node which connects. Forgets nodes that have been away for so long that their
        certificates have expired.
        """
        before = self._clock.monotonic() - NODE_SECONDS
        for other, left_at in list(self._left.items()):
            if left_at >= before:
                break
            self.drop(other)
        self.keep(identity)
        return self._outputs.setdefault(identity, NodeOutput())

    def keep(self, identity: NodeIdentity) -> None:
        """The node is connected."""
        self._left.pop(identity, None)

    def left(self, identity: NodeIdentity) -> None:
        """The node has no connection any more."""
        self.keep(identity)
        if identity in self._outputs:
            self._left[identity] = self._clock.monotonic()

    def drop(self, identity: NodeIdentity) -> None:
        """The installation does not know the node any more."""
        self.keep(identity)
        self._outputs.pop(identity, None)

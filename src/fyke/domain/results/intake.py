"""Stores the rows, headers and log lines of the attempts of one runner.

A push is acknowledged only when its row is durable. Log lines do not wait: they are committed
together with rows, or ``LOG_LINGER`` seconds later, so that a Worker with many log lines does not
cause a disk sync per line. This module decides what may be stored; ``GroupCommit`` commits it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from fyke.contracts.node import AttemptRows
from fyke.domain.results.caps import LOG_FULL, OutputLimits, RunCaps, cut_line
from fyke.domain.results.commit import GroupCommit, retry_while_unavailable
from fyke.domain.results.redaction import mask_headers, mask_line, mask_row
from fyke.domain.results.rows import DecodedRow, RowRefused, decode_row
from fyke.domain.results.write_queue import LOG_LINES_PER_BATCH, WriteQueue
from fyke.domain.secrets.masking import Masker
from fyke.errors import FykeError, NotStorable, StaleLease
from fyke.kit.clock import Clock
from fyke.model.log import LogType, NewLogEntry
from fyke.model.progress import WorkerProgress
from fyke.model.results import AttemptBatch, Header, PushedRow, RunTotals
from fyke.reasons import Reason

LOG_LINGER = 0.025
LOG_SLOW_LINES = 2048  # from this number on, ``wait_for_log_space`` waits
LOG_MAX_LINES = 4 * LOG_SLOW_LINES  # from this number on, lines are dropped and counted
LOG_WAIT_SECONDS = 1.0
DECODE_IN_THREAD_BYTES = 256 * 1024
MAX_HEADER_CHARS = 2**20
REMEMBERED_RUNS = 1024


class AttemptIntake:
    """Stores the output of one attempt. Created by ``Intake.open``."""

    def __init__(
        self,
        intake: Intake,
        queue: WriteQueue,
        group: str,
        caps: RunCaps,
        on_row_cap: Callable[[Reason], None] | None,
    ) -> None:
        self.run_id = queue.run_id
        self.attempt_id = queue.attempt_id
        self.queue = queue
        self.rows = 0  # acknowledged pushes
        self.first_call = asyncio.Event()
        self.first_call_at: float | None = None  # monotonic seconds
        self.row_cap_reached: Reason | None = None
        self.masker: Masker | None = None  # of the secrets and the proxy password of the attempt
        self.progress: WorkerProgress | None = None  # that the Worker has reported last
        self._intake = intake
        self._group = group
        self._caps = caps
        self._on_row_cap = on_row_cap
        self._closed = False
        self._log_dropped = 0
        self._linger: asyncio.TimerHandle | None = None

    # --- for the Worker's calls ---------------------------------------------------------

    def note_call(self) -> None:
        """Record the first call of the Worker, which ends its boot time."""
        if self.first_call_at is None:
            self.first_call_at = self._intake.clock.monotonic()
            self.first_call.set()

    async def push(self, text: bytes) -> None:
        """Store one row; return when it is durable.

        Raises ``RowRefused`` for a row above a limit and when the run is full, ``StaleLease`` when
        the attempt is closed. Waits while the store is unavailable.
        """
        self.note_call()
        self._check_open()
        try:
            if len(text) * (self.masker.weight if self.masker else 1) > DECODE_IN_THREAD_BYTES:
                decoded = await asyncio.to_thread(self._decode, text)
                self._check_open()
            else:
                decoded = self._decode(text)
        except RowRefused as error:
            self._note_refused(error)
            raise
        row = decoded.row
        if self._caps.is_full(len(row.data)):
            await self._recount_or_refuse(len(row.data))
        # no await between the check and the count: the cap is exact to the row
        self._caps.count(len(row.data), upsert=bool(row.upsert_key))
        for warning in decoded.warnings:
            if self._caps.is_first_warning(warning):
                self.log(LogType.WARN, warning)
        try:
            await self._store(row)
        except FykeError as error:
            self._caps.uncount(len(row.data))
            if isinstance(error, NotStorable):
                self._note_refused(error)
            raise
        self.rows += 1

    def _note_refused(self, error: FykeError) -> None:
        """Log that a row is lost, once in a run: most SDK files ignore the response."""
        if self._caps.is_first_warning("refused"):
            self.log(LogType.WARN, f"A row was refused: {error}", system=True)

    async def _store(self, row: PushedRow) -> None:
        """Store a row at once where the store can do that, unless other rows of this attempt come
        first or rows are being counted; otherwise with the next group commit.
        """
        group = self._intake.group
        if not self.queue.has_rows and not group.lock.locked():
            number = self.queue.next_number()
            batch = AttemptBatch(self.run_id, self.attempt_id, [row], number=number)
            is_stored = await self._intake.store.append(batch)
            if is_stored is not None:
                if not is_stored:
                    raise _ended()
                return
        stored = self.queue.put_row(row)
        group.notify(self.queue)
        await stored

    def _decode(self, text: bytes) -> DecodedRow:
        masker = self.masker  # read once, because the attempt may end in the meantime
        decoded = decode_row(text)
        return decoded if masker is None else mask_row(masker, decoded)

    async def _recount_or_refuse(self, size: int) -> None:
        if self._caps.may_overcount:
            await self._intake.recount(self.run_id, self._caps, size)
            self._check_open()
        if self._caps.is_full(size):
            self._intake.notify_full(self.run_id, self._caps.mark_full(size))
            self._check_open()

    def reach_row_cap(self, reason: Reason) -> None:
        """Notify the runner of the attempt that the run is full, once."""
        if self.row_cap_reached is None:
            self.row_cap_reached = reason
            if self._on_row_cap is not None:
                self._on_row_cap(reason)

    async def set_headers(self, headers: list[Header]) -> None:
        """Declare the columns, in place of those of earlier calls; return when they are durable."""
        self.note_call()
        self._check_open()
        size = sum(len(h.label) + len(h.key) + len(h.format) for h in headers)
        if size > MAX_HEADER_CHARS:
            raise RowRefused(
                f"The table header has {size} characters; the limit is {MAX_HEADER_CHARS}. "
                "Declare fewer or shorter columns."
            )
        if self.masker is not None:
            headers = mask_headers(self.masker, headers)
        stored = self.queue.put_headers(headers)
        self._intake.group.notify(self.queue)
        await stored

    def set_progress(self, progress: WorkerProgress) -> None:
        """Keep what the Worker reports, without secrets, in place of what it has reported before.
        The runner stores it with its next report. Raises ``StaleLease`` when the attempt is closed.
        """
        if self._closed:
            raise _ended()
        self.progress = progress

    def log(self, type: int, content: str, *, system: bool = False) -> None:
        """Queue a log line without waiting. ``system`` lines are of the platform and are exempt
        from caps. A writer of many lines must await ``wait_for_log_space`` between them.
        """
        if self._closed:
            return
        if self.masker is not None:
            content = mask_line(self.masker, content)
        line = cut_line(content) if system else self._caps.admit_log(content)
        if line is None:
            return
        if self.queue.log_lines >= LOG_MAX_LINES and not system:
            self._log_dropped += 1
            return
        if self._log_dropped and self.queue.log_lines < LOG_SLOW_LINES:
            self._log_dropped_lines()
        self._put_log(LogType.WARN if line == LOG_FULL else int(type), line)

    def mask(self, text: str) -> str:
        """Mask the secrets of the attempt in a text, also in names of hosts there."""
        return text if self.masker is None else self.masker.host(self.masker.text(text))

    def _put_log(self, type: int, line: str) -> None:
        entry = NewLogEntry(type, self._group, line, self._intake.clock.now_ms())
        self.queue.put_log(entry)
        if self.queue.log_lines >= LOG_LINES_PER_BATCH:
            self._notify()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LOG_LINGER, self._notify)

    def _log_dropped_lines(self) -> None:
        count, self._log_dropped = self._log_dropped, 0
        line = f"SYSTEM: {count} log lines were dropped because they came too fast."
        self._put_log(LogType.WARN, line)

    def _notify(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if not self.queue.empty:
            self._intake.group.notify(self.queue)

    async def wait_for_log_space(self) -> None:
        """Wait until the queue of log lines is short, at most ``LOG_WAIT_SECONDS``, so that a
        Worker that prints faster than the disk writes is slowed down instead of filling the memory.
        """
        if self.queue.log_lines < LOG_SLOW_LINES:
            return
        try:
            async with asyncio.timeout(LOG_WAIT_SECONDS):
                while self.queue.log_lines >= LOG_SLOW_LINES:
                    await self.queue.wait_settled()
        except TimeoutError:
            return

    # --- for the runner -------------------------------------------------------------------

    async def flush(self) -> None:
        """Return when everything in the queue is durable or was refused."""
        while not self.queue.idle:
            self._notify()
            await self.queue.wait_settled()

    async def close(self) -> int:
        """As ``finish``, and close the attempt; return the number of its rows."""
        await self.finish()
        return await retry_while_unavailable(lambda: self._intake.store.close(self.attempt_id))

    async def finish(self) -> None:
        """Accept nothing more, and store what is queued. Waits while the store is unavailable; when
        it is cancelled, the queue is discarded.
        """
        if self._log_dropped:
            self._log_dropped_lines()
        self._closed = True
        try:
            await self.flush()
        finally:
            self.discard()

    def discard(self) -> None:
        """Discard the queue: waiting pushes are refused. May be called again."""
        self._closed = True
        self.masker = None  # secrets must not stay in memory after the attempt
        if self._linger is not None:
            self._linger.cancel()
        self.queue.discard(_ended())
        self._intake.forget(self)

    def _check_open(self) -> None:
        if self._closed:
            raise _ended()
        reason = self._caps.full_reason
        if reason:
            self.reach_row_cap(reason)
            raise RowRefused(reason)


class Intake:
    """The intake of one runner; nothing is stored unless ``run`` is running."""

    def __init__(self, store: AttemptRows, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.group = GroupCommit(store)
        self._open: dict[str, AttemptIntake] = {}
        self._caps: OrderedDict[str, RunCaps] = OrderedDict()

    async def run(self) -> None:
        """Commit until cancelled."""
        await self.group.run()

    async def open(
        self,
        run_id: str,
        attempt_id: str,
        group: str,
        limits: OutputLimits | None = None,
        on_row_cap: Callable[[Reason], None] | None = None,
        *,
        is_empty: bool = False,
    ) -> AttemptIntake:
        """Open the intake of an attempt. ``group`` is the group of its log lines; ``on_row_cap`` is
        called once with the reason when the run is full, for every open attempt of the run.
        ``is_empty``: the run has no rows yet, so they need not be counted.
        """
        await retry_while_unavailable(lambda: self.store.open(run_id, attempt_id))
        stored = RunTotals(0, 0) if is_empty else None
        caps = await self._caps_of(run_id, limits or OutputLimits(), stored)
        queue = WriteQueue(run_id, attempt_id)
        attempt = AttemptIntake(self, queue, group, caps, on_row_cap)
        self._open[attempt_id] = attempt
        return attempt

    async def _caps_of(
        self, run_id: str, limits: OutputLimits, stored: RunTotals | None
    ) -> RunCaps:
        """The counters that all attempts of a run share, which start at what is ``stored``."""
        if run_id not in self._caps:
            if stored is None:
                stored = await retry_while_unavailable(lambda: self.store.totals(run_id))
            self._caps.setdefault(run_id, RunCaps(limits, stored))
            self._forget_old_runs()
        self._caps.move_to_end(run_id)
        return self._caps[run_id]

    def _forget_old_runs(self) -> None:
        open_runs = {attempt.run_id for attempt in self._open.values()}
        for run_id in list(self._caps)[: max(0, len(self._caps) - REMEMBERED_RUNS)]:
            if run_id not in open_runs:
                del self._caps[run_id]

    async def recount(self, run_id: str, caps: RunCaps, size: int) -> None:
        """Count the rows of the run anew from the store, while no commit takes place. It is
        repeated while rows are queued that may replace others.
        """
        while caps.is_full(size) and caps.may_overcount:
            for attempt in self._attempts_of(run_id):
                await attempt.flush()
            async with self.group.lock:
                if not caps.is_full(size) or not caps.may_overcount:
                    return  # another attempt has just counted
                await self._recount(run_id, caps)

    async def _recount(self, run_id: str, caps: RunCaps) -> None:
        stored = await retry_while_unavailable(lambda: self.store.totals(run_id))
        pending = [attempt.queue.rows for attempt in self._attempts_of(run_id)]
        caps.recount(stored, sum(rows for rows, _ in pending), sum(size for _, size in pending))

    def notify_full(self, run_id: str, reason: Reason) -> None:
        """Notify every open attempt of the run."""
        for attempt in self._attempts_of(run_id):
            attempt.reach_row_cap(reason)

    def _attempts_of(self, run_id: str) -> list[AttemptIntake]:
        return [attempt for attempt in self._open.values() if attempt.run_id == run_id]

    def forget(self, attempt: AttemptIntake) -> None:
        self._open.pop(attempt.attempt_id, None)


def _ended() -> StaleLease:
    return StaleLease("The attempt has ended; nothing more is stored for it.")

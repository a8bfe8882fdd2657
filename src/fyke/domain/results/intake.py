"""The way of rows, headers and log lines from the attempts of one runner into the store.

A push is acknowledged only when its row is durable. Log lines are not waited for: they ride along
with rows, or leave by themselves after ``LOG_LINGER`` seconds, so that a chatty Worker does not
cost a sync of the disk per line. ``GroupCommit`` does the committing; here are the rules of what
may be stored at all.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from fyke.contracts.results import Results
from fyke.domain.results.caps import LOG_FULL, OutputLimits, RunCaps, cut_line
from fyke.domain.results.commit import GroupCommit, retry_while_unavailable
from fyke.domain.results.redaction import masked_headers, masked_line, masked_row
from fyke.domain.results.rows import DecodedRow, RowRefused, decode_row
from fyke.domain.results.waiting import LOG_LINES_A_TURN, WaitingQueue
from fyke.domain.secrets.masking import Masker
from fyke.errors import FykeError, StaleLease
from fyke.kit.clock import Clock
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import AttemptBatch, Header
from fyke.reasons import Reason

LOG_LINGER = 0.025
LOG_ROOM_LINES = 2048  # from here on, ``log_room`` waits
LOG_HARD_LINES = 4 * LOG_ROOM_LINES  # from here on, lines are dropped and counted
LOG_ROOM_SECONDS = 1.0
DECODE_IN_THREAD_BYTES = 256 * 1024
MAX_HEADER_CHARS = 2**20
REMEMBERED_RUNS = 1024


class AttemptIntake:
    """Stores the output of one attempt. Created by ``Intake.open``; having it is the permission."""

    def __init__(
        self,
        intake: Intake,
        queue: WaitingQueue,
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
        self.masker: Masker | None = None  # of the secrets that the Worker was given
        self._intake = intake
        self._group = group
        self._caps = caps
        self._on_row_cap = on_row_cap
        self._closed = False
        self._log_dropped = 0
        self._linger: asyncio.TimerHandle | None = None

    # --- for the Worker's calls ---------------------------------------------------------

    def note_call(self) -> None:
        """The Worker has spoken: its boot is over."""
        if self.first_call_at is None:
            self.first_call_at = self._intake.clock.monotonic()
            self.first_call.set()

    async def push(self, text: bytes) -> None:
        """Store one row; return when it is durable.

        Raises ``RowRefused`` for a row over a limit or a run that is full, ``StaleLease`` when
        the attempt is closed. While the store is unavailable it waits.
        """
        self.note_call()
        self._check_open()
        try:
            if len(text) * (self.masker.weight if self.masker else 1) > DECODE_IN_THREAD_BYTES:
                decoded = await asyncio.to_thread(self._decoded, text)
                self._check_open()
            else:
                decoded = self._decoded(text)
        except RowRefused as refused:
            # Most SDK files drop the answer: without this line the row would be lost in silence.
            if self._caps.first_warning("refused"):
                self.log(LogType.WARN, f"A row was refused: {refused}", system=True)
            raise
        row = decoded.row
        if self._caps.full(len(row.data)):
            await self._recount_or_refuse(len(row.data))
        # no await between the check and the count: the cap is exact to the row
        self._caps.take(len(row.data), upsert=bool(row.upsert_key))
        for warning in decoded.warnings:
            if self._caps.first_warning(warning):
                self.log(LogType.WARN, warning)
        stored = self.queue.put_row(row)
        self._intake.group.notify(self.queue)
        try:
            await stored
        except FykeError:
            self._caps.give_back(len(row.data))
            raise
        self.rows += 1

    def _decoded(self, text: bytes) -> DecodedRow:
        masker = self.masker  # once: the attempt may end meanwhile
        decoded = decode_row(text)
        return decoded if masker is None else masked_row(masker, decoded)

    async def _recount_or_refuse(self, size: int) -> None:
        if self._caps.may_be_too_high:
            await self._intake.recount(self.run_id, self._caps, size)
            self._check_open()
        if self._caps.full(size):
            self._intake.run_is_full(self.run_id, self._caps.reach(size))
            self._check_open()

    def reach_row_cap(self, reason: Reason) -> None:
        """The run is full: notify the attempt's runner, once."""
        if self.row_cap_reached is None:
            self.row_cap_reached = reason
            if self._on_row_cap is not None:
                self._on_row_cap(reason)

    async def set_headers(self, headers: list[Header]) -> None:
        """Declare the columns; the last call counts. Returns when it is durable."""
        self.note_call()
        self._check_open()
        size = sum(len(h.label) + len(h.key) + len(h.format) for h in headers)
        if size > MAX_HEADER_CHARS:
            raise RowRefused(
                f"The table header has {size} characters; the limit is {MAX_HEADER_CHARS}. "
                "Declare fewer or shorter columns."
            )
        if self.masker is not None:
            headers = masked_headers(self.masker, headers)
        stored = self.queue.put_headers(headers)
        self._intake.group.notify(self.queue)
        await stored

    def log(self, type: int, content: str, *, system: bool = False) -> None:
        """Queue a log line; never blocks. ``system`` lines are the platform's own and pass
        every cap. A writer of many lines must await ``log_room`` between them.
        """
        if self._closed:
            return
        if self.masker is not None:
            content = masked_line(self.masker, content)
        line = cut_line(content) if system else self._caps.admit_log(content)
        if line is None:
            return
        if self.queue.log_lines >= LOG_HARD_LINES and not system:
            self._log_dropped += 1
            return
        if self._log_dropped and self.queue.log_lines < LOG_ROOM_LINES:
            self._say_what_was_dropped()
        self._put_log(LogType.WARN if line == LOG_FULL else int(type), line)

    def masked(self, text: str) -> str:
        """Any text of the Worker's without the secrets that it was given."""
        return text if self.masker is None else self.masker.text(text)

    def _put_log(self, type: int, line: str) -> None:
        entry = NewLogEntry(type, self._group, line, self._intake.clock.now_ms())
        self.queue.put_log(entry)
        if self.queue.log_lines >= LOG_LINES_A_TURN:
            self._notify()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LOG_LINGER, self._notify)

    def _say_what_was_dropped(self) -> None:
        count, self._log_dropped = self._log_dropped, 0
        line = f"SYSTEM: {count} log lines were dropped because they came too fast."
        self._put_log(LogType.WARN, line)

    def _notify(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if not self.queue.empty:
            self._intake.group.notify(self.queue)

    async def log_room(self) -> None:
        """Wait until the queue of log lines is short again, at most a second: then a Worker that
        prints faster than the disk writes is slowed down instead of filling the memory.
        """
        if self.queue.log_lines < LOG_ROOM_LINES:
            return
        try:
            async with asyncio.timeout(LOG_ROOM_SECONDS):
                while self.queue.log_lines >= LOG_ROOM_LINES:
                    await self.queue.wait_settled()
        except TimeoutError:
            return

    # --- for the runner -------------------------------------------------------------------

    async def flush(self) -> None:
        """Return when all that has been queued is durable, or was refused."""
        while not self.queue.idle:
            self._notify()
            await self.queue.wait_settled()

    async def close(self) -> int:
        """Take nothing more, store what waits, fence the attempt; return the rows it owns.

        Waits while the store is unavailable; cancelling it gives up what waits.
        """
        if self._log_dropped:
            self._say_what_was_dropped()
        self._closed = True
        try:
            await self.flush()
            return await retry_while_unavailable(
                lambda: self._intake.results.close_attempt(self.attempt_id)
            )
        finally:
            self.discard()

    def discard(self) -> None:
        """Give up what waits: its pushes are refused. Safe to repeat."""
        self._closed = True
        self.masker = None  # the values are held no longer than the run
        if self._linger is not None:
            self._linger.cancel()
        self.queue.discard(_ended())
        self._intake.forget(self)

    def _check_open(self) -> None:
        if self._closed:
            raise _ended()
        if self._caps.reached:
            self.reach_row_cap(self._caps.reached)
            raise RowRefused(self._caps.reached)


class Intake:
    """One per runner; ``run`` must be running for anything to be stored. ``stored`` is called with
    a run's id after each commit of something of it.
    """

    def __init__(
        self, results: Results, clock: Clock, stored: Callable[[str], None] = lambda _: None
    ) -> None:
        self.results = results
        self.clock = clock
        self.group = GroupCommit(results, stored)
        self._stored = stored
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
    ) -> AttemptIntake:
        """Begin to take for an attempt. ``group`` is what its log lines carry; ``on_row_cap`` is
        called once with the limit in words when the run is full, for every open attempt of it.
        """
        await retry_while_unavailable(lambda: self.results.open_attempt(run_id, attempt_id))
        caps = await self._caps_of(run_id, limits or OutputLimits())
        queue = WaitingQueue(run_id, attempt_id)
        attempt = AttemptIntake(self, queue, group, caps, on_row_cap)
        self._open[attempt_id] = attempt
        return attempt

    async def _caps_of(self, run_id: str, limits: OutputLimits) -> RunCaps:
        """The counters that all attempts of a run share; a run seen before is still known."""
        if run_id not in self._caps:
            stored = await retry_while_unavailable(lambda: self.results.totals(run_id, frozenset()))
            self._caps.setdefault(run_id, RunCaps(limits, stored))
            self._forget_old_runs()
        self._caps.move_to_end(run_id)
        return self._caps[run_id]

    def _forget_old_runs(self) -> None:
        living = {attempt.run_id for attempt in self._open.values()}
        for run_id in list(self._caps)[: max(0, len(self._caps) - REMEMBERED_RUNS)]:
            if run_id not in living:
                del self._caps[run_id]

    async def say(self, run_id: str, group: str, content: str) -> None:
        """Write a system line about the whole run; return when it is durable."""
        entry = NewLogEntry(LogType.INFO, group, cut_line(content), self.clock.now_ms())
        batch = AttemptBatch(run_id, run_id, log=[entry])
        await retry_while_unavailable(lambda: self.results.open_attempt(run_id, run_id))
        await retry_while_unavailable(lambda: self.results.commit([batch]))
        self._stored(run_id)

    async def recount(self, run_id: str, caps: RunCaps, size: int) -> None:
        """Read the totals of the run from the store, while no row is being stored."""
        for attempt in self._attempts_of(run_id):
            await attempt.flush()
        async with self.group.hold:
            if not caps.full(size) or not caps.may_be_too_high:
                return  # another attempt has just counted
            stored = await retry_while_unavailable(lambda: self.results.totals(run_id, frozenset()))
            waiting = [attempt.queue.rows for attempt in self._attempts_of(run_id)]
            caps.recount(stored, sum(rows for rows, _ in waiting), sum(size for _, size in waiting))

    def run_is_full(self, run_id: str, reason: Reason) -> None:
        """Notify every open attempt of the run."""
        for attempt in self._attempts_of(run_id):
            attempt.reach_row_cap(reason)

    def _attempts_of(self, run_id: str) -> list[AttemptIntake]:
        return [attempt for attempt in self._open.values() if attempt.run_id == run_id]

    def forget(self, attempt: AttemptIntake) -> None:
        self._open.pop(attempt.attempt_id, None)


def _ended() -> StaleLease:
    return StaleLease("The attempt has ended; nothing more is stored for it.")

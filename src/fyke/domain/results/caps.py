"""The row and byte caps of one run, counted across all its attempts on this runner.

Rows are counted before they are stored, so the cap is exact to the row with any number of
concurrent pushes. Only upserts make the count too high, because they may replace a row: when such a
run seems full, its rows are first counted in the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from fyke.model.results import MAX_RUN_ROW_BYTES, MAX_RUN_ROWS, RunTotals
from fyke.reasons import Reason, ReasonCode

LOG_LINE_BYTES = 16 * 1024
LOG_RUN_BYTES = 10 * 2**20
LOG_RECORD_BYTES = 16  # counted for a line in addition to its text, so that empty lines count

LINE_CUT = " ... [line cut at 16 KiB]"
LOG_FULL = "SYSTEM: The log of this run has reached its limit of 10 MiB; further lines are dropped."


@dataclass(frozen=True, slots=True)
class OutputLimits:
    """Caps of one run: number of rows, and total bytes of its rows."""

    rows: int = MAX_RUN_ROWS
    row_bytes: int = MAX_RUN_ROW_BYTES


class RunCaps:
    """The counters of one run."""

    def __init__(self, limits: OutputLimits, stored: RunTotals) -> None:
        self._limits = limits
        self._rows = stored.rows
        self._bytes = stored.row_bytes
        self._log_bytes = 0
        self._log_full = False
        self._warned: set[str] = set()
        self.may_overcount = False
        self.full_reason: Reason | None = None

    def is_full(self, size: int) -> bool:
        """Whether one more row of ``size`` bytes exceeds a cap."""
        return self._rows >= self._limits.rows or self._bytes + size > self._limits.row_bytes

    def count(self, size: int, *, upsert: bool) -> None:
        """Count one row."""
        self._rows += 1
        self._bytes += size
        if upsert:
            self.may_overcount = True

    def uncount(self, size: int) -> None:
        """Undo ``count`` for a row that was not stored."""
        self._rows -= 1
        self._bytes -= size

    def recount(self, stored: RunTotals, pending_rows: int, pending_bytes: int) -> None:
        """Count anew: the stored rows and those that are not stored yet."""
        self._rows = stored.rows + pending_rows
        self._bytes = stored.row_bytes + pending_bytes
        self.may_overcount = pending_rows > 0

    def mark_full(self, size: int) -> Reason:
        """Record that a row of ``size`` bytes exceeds a cap; return the reason, which names the cap
        of the first such row.
        """
        if self.full_reason is None:
            if self._bytes + size <= self._limits.row_bytes:
                self.full_reason = Reason.of(ReasonCode.ROW_CAP, max_rows=self._limits.rows)
            else:
                self.full_reason = Reason.of(ReasonCode.ROW_CAP, max_bytes=self._limits.row_bytes)
        return self.full_reason

    def is_first_warning(self, text: str) -> bool:
        """Whether this warning is new in this run; it is not the next time."""
        if text in self._warned:
            return False
        self._warned.add(text)
        return True

    def admit_log(self, content: str) -> str | None:
        """The line, cut if necessary; ``LOG_FULL`` when the log is full, and None after that."""
        if self._log_full:
            return None
        line = cut_line(content)
        cost = len(line.encode()) + LOG_RECORD_BYTES
        if self._log_bytes + cost > LOG_RUN_BYTES:
            self._log_full = True
            return LOG_FULL
        self._log_bytes += cost
        return line


def cut_line(content: str) -> str:
    """Cut a line to 16 KiB of UTF-8, including ``LINE_CUT``. NUL is replaced, because not every
    store accepts it.
    """
    content = content.replace("\x00", "\ufffd")
    if len(content) * 4 <= LOG_LINE_BYTES:
        return content
    data = content.encode(errors="replace")
    if len(data) <= LOG_LINE_BYTES:
        return content
    start = data[: LOG_LINE_BYTES - len(LINE_CUT)].decode(errors="ignore")
    return start + LINE_CUT

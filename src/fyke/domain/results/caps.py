"""The row and byte caps of one run, counted across all its attempts on this runner.

Rows are counted before they are stored, so the cap is exact to the row with any number of
concurrent pushes. Only upserts make the count too high (they may have replaced a row): when such a
run seems full, it is counted in the store first.
"""

from __future__ import annotations

from dataclasses import dataclass

from fyke.model.results import MAX_RUN_ROW_BYTES, MAX_RUN_ROWS, RunTotals
from fyke.reasons import Reason, ReasonCode

LOG_LINE_BYTES = 16 * 1024
LOG_RUN_BYTES = 10 * 2**20
LOG_RECORD_BYTES = 16  # what a line costs besides its text, so that empty lines are not free

LINE_CUT = " ... [line cut at 16 KiB]"
LOG_FULL = "SYSTEM: The log of this run has reached its limit of 10 MiB; further lines are dropped."


@dataclass(frozen=True, slots=True)
class OutputLimits:
    """Caps of one run: number of rows, and bytes of all its rows together."""

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
        self.may_be_too_high = False
        self.reached: Reason | None = None

    def full(self, size: int) -> bool:
        """Whether one more row of ``size`` bytes is too much."""
        return self._rows >= self._limits.rows or self._bytes + size > self._limits.row_bytes

    def take(self, size: int, *, upsert: bool) -> None:
        """Count one row."""
        self._rows += 1
        self._bytes += size
        if upsert:
            self.may_be_too_high = True

    def give_back(self, size: int) -> None:
        """Uncount a row that was not stored after all."""
        self._rows -= 1
        self._bytes -= size

    def recount(self, stored: RunTotals, waiting_rows: int, waiting_bytes: int) -> None:
        """Take over what the store says; what is still waiting comes on top."""
        self._rows = stored.rows + waiting_rows
        self._bytes = stored.row_bytes + waiting_bytes
        self.may_be_too_high = waiting_rows > 0

    def reach(self, size: int) -> Reason:
        """Note that the run is full for a row of ``size`` bytes; return which limit it reached."""
        if self.reached is None:
            if self._bytes + size <= self._limits.row_bytes:
                self.reached = Reason.of(ReasonCode.ROW_CAP, max_rows=self._limits.rows)
            else:
                self.reached = Reason.of(ReasonCode.ROW_CAP, max_bytes=self._limits.row_bytes)
        return self.reached

    def first_warning(self, text: str) -> bool:
        """Whether this warning comes for the first time in this run."""
        if text in self._warned:
            return False
        self._warned.add(text)
        return True

    def admit_log(self, content: str) -> str | None:
        """The line as it may be stored, the one marker when the log is full, then None."""
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
    """Cut a line to 16 KiB of UTF-8 including the mark for that. NUL is replaced, because not every
    store accepts it.
    """
    content = content.replace("\x00", "\ufffd")
    if len(content) * 4 <= LOG_LINE_BYTES:
        return content
    data = content.encode(errors="replace")
    if len(data) <= LOG_LINE_BYTES:
        return content
    kept = data[: LOG_LINE_BYTES - len(LINE_CUT)].decode(errors="ignore")
    return kept + LINE_CUT

"""How far a running run is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_PROGRESS = 2**53 - 1  # of what a Worker reports: every JSON reader has this number exactly
MAX_PROGRESS_TEXT = 200  # characters


class ProgressBasis(StrEnum):
    """What is counted."""

    SUBTASKS = "subtasks"
    ROWS = "rows"  # an estimate: against the usual number
    WORKER = "worker"  # what the Worker itself reports


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """What the Worker of an attempt has reported last: ``done`` of ``total``, which is 0 when it is
    not known, and what it does now, in one line.
    """

    done: int = 0
    total: int = 0
    text: str = ""

    @property
    def counts(self) -> bool:
        """Whether it has numbers."""
        return self.done > 0 or self.total > 0


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total``, which is at least 1, or None when it is not known. ``done`` may be
    more: a run may have more rows than usual. ``parts`` is what unfinished subtasks have done, as a
    part of one subtask each, added up. ``text`` is that of the Worker.
    """

    basis: ProgressBasis
    done: int
    total: int | None
    text: str = ""
    parts: float = 0.0

    @property
    def percent(self) -> int | None:
        """0 to 100, None without a total. An estimate ends at 99 as long as the run goes on, and so
        do subtasks that have not all finished.
        """
        if self.total is None:
            return None
        is_whole = self.basis is not ProgressBasis.ROWS and self.done >= self.total
        return min(100 if is_whole else 99, int((self.done + self.parts) * 100 / self.total))

"""How far a running run is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProgressBasis(StrEnum):
    """What is counted."""

    SUBTASKS = "subtasks"
    ROWS = "rows"  # an estimate: against the usual number


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total``, which is at least 1. A run may have more rows than usual."""

    basis: ProgressBasis
    done: int
    total: int

    @property
    def percent(self) -> int:
        """0 to 100; as long as the run goes on, an estimate ends at 99."""
        most = 99 if self.basis is ProgressBasis.ROWS else 100
        return min(most, self.done * 100 // self.total)

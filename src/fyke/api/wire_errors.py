"""One row of a published table of errors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WireError:
    """One row of a contract's error table."""

    status: int
    code: int
    text: str

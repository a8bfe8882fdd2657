"""What the run form remembers for each user."""

from __future__ import annotations

from typing import Protocol


class InputDefaultStore(Protocol):
    """The input that a user's form for a worker begins with, as JSON text."""

    def get(self, user_id: str, worker_id: str) -> str | None: ...
    def put(self, user_id: str, worker_id: str, input_json: str, at: int) -> None:
        """Add it, or replace the one that is there."""
        ...

    def remove(self, user_id: str, worker_id: str) -> bool:
        """False when there is none."""
        ...

"""What is kept of the secrets of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fyke.model.secret import SealedSecret


class SecretStore(Protocol):
    """The secrets that accounts keep for workers. It sees no value in the clear."""

    def of(self, account_id: str, worker_id: str) -> list[SealedSecret]:
        """Those of one account for one worker, by name."""
        ...

    def put(self, secret: SealedSecret) -> None:
        """Add it, or replace the one of the same account, worker and name."""
        ...

    def remove(self, account_id: str, worker_id: str, name: str) -> bool:
        """False when there is none."""
        ...

    def remove_of_worker(self, worker_id: str) -> None:
        """Those of all accounts."""
        ...

    def used(self, account_id: str, worker_id: str, names: Sequence[str], at: int) -> None:
        """Note that a run got them at ``at``; never goes back."""
        ...

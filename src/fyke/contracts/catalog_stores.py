"""What the catalog shows of workers beside their pages, and what each user likes of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.worker import VersionFacts, WorkerFacts


class WorkerFactStore(Protocol):
    """Figures of workers, kept up as their runs end."""

    def note_end(self, worker_id: str, verdict: str, at: int) -> None:
        """Count a run that has ended; ``verdict`` as ``facts.verdict`` gives it."""
        ...

    def of_workers(self, worker_ids: Collection[str]) -> dict[str, WorkerFacts]:
        """By worker; those of which no run has ended are left out."""
        ...

    def add_version(self, version_id: str, facts: VersionFacts) -> None: ...
    def of_versions(self, worker_id: str) -> dict[str, VersionFacts]:
        """By number of the version; those published before this was noted are left out."""
        ...


class FavouriteStore(Protocol):
    """The workers that a user has marked."""

    def add(self, user_id: str, worker_id: str, at: int) -> None:
        """Adding it again changes nothing."""
        ...

    def remove(self, user_id: str, worker_id: str) -> None: ...
    def of_user(self, user_id: str) -> list[str]:
        """Ids of workers, the latest marked first."""
        ...

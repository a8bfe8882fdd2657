"""Fetching a project from a git repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fyke.model.upload import GitSource


@dataclass(frozen=True, slots=True)
class FetchedProject:
    """A project as an untrusted ZIP archive, and the commit that it is from."""

    archive: bytes
    commit: str


class GitFailed(Exception):
    """The fetch failed. The message is shown to the account and has no internal details."""


class Git(Protocol):
    """Fetches one revision of a public repository. None of its code is run."""

    def check(self, source: GitSource) -> None:
        """Raise ``InvalidRequest``, with the field, for a source that is not accepted."""
        ...

    async def unavailable_reason(self) -> str:
        """Return why this machine cannot fetch, or ``""``."""
        ...

    async def fetch(self, source: GitSource, on_progress: Callable[[str], None]) -> FetchedProject:
        """Fetch a project; ``on_progress`` gets a sentence for each step. Raise ``InvalidRequest``
        for an address, a revision or a folder that is not accepted, ``GitFailed`` when it cannot
        be fetched.
        """
        ...

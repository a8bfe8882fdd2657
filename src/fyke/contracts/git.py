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
    """It could not be fetched. The message is for the account and names nothing internal."""


class Git(Protocol):
    """Fetches one revision of a public repository. None of its code is run."""

    def check(self, source: GitSource) -> None:
        """Raise ``InvalidRequest``, naming the field, for a source that is never fetched."""
        ...

    async def unavailable_reason(self) -> str:
        """Return why nothing can be fetched on this machine, or ``""``."""
        ...

    async def fetch(self, source: GitSource, on_progress: Callable[[str], None]) -> FetchedProject:
        """``on_progress`` gets each step in words. Raise ``InvalidRequest`` for an address, a
        revision or a folder that is not accepted, ``GitFailed`` when it cannot be fetched.
        """
        ...

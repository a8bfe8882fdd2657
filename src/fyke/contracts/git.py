"""The way to a repository of somebody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fyke.model.upload import GitSource


@dataclass(frozen=True, slots=True)
class Fetched:
    """A project as a ZIP that is still to be read with distrust, and the commit it is of."""

    archive: bytes
    commit: str


class GitFailed(Exception):
    """It could not be fetched; the message is for the account and tells nothing of the inside."""


class Git(Protocol):
    """Fetches one state of a public repository. Nothing of it is run."""

    def check(self, source: GitSource) -> None:
        """Raise ``InvalidRequest`` for what will never be fetched, naming the field."""
        ...

    async def missing(self) -> str:
        """Why nothing can be fetched here, in words, or ``""``."""
        ...

    async def fetch(self, source: GitSource, said: Callable[[str], None]) -> Fetched:
        """``said`` hears what is being done. Raise ``InvalidRequest`` for an address, a revision
        or a folder that is not taken, ``GitFailed`` when it cannot be had.
        """
        ...

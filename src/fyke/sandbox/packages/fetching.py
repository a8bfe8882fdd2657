"""Getting what another machine has packed, or why it could not."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from fyke.contracts.execution import DiskShort, FetchEnvironment, RefuseEnvironment
from fyke.errors import FykeError, InvalidRequest, Unavailable
from fyke.model.node import EnvironmentPlace
from fyke.model.worker import InstallFailure
from fyke.sandbox.packages.environment_archive import BadArchive, TooLarge

log = structlog.get_logger()

FETCHED = ".fetched-"  # files on their way
WAIT_SECONDS = 120.0  # for an environment that another machine makes now
POLL_SECONDS = 1.0
# then the environment is built here
NOT_FETCHED = (Unavailable, InvalidRequest, DiskShort, BadArchive)


@dataclass(slots=True)
class OtherMachines:
    """How to get what another machine has packed. ``refuse``: a machine of the installation.
    ``failure``: what the installation has found, which counts if this machine finds out nothing.
    """

    fetch: FetchEnvironment
    refuse: RefuseEnvironment | None = None
    failure: InstallFailure | None = None

    async def drop(self, digest: str, read_at: float) -> None:
        """Have an archive packed again that was read since then, if this machine decides that."""
        if self.refuse is not None:
            try:
                await self.refuse(digest, read_at)
            except FykeError as error:
                log.warning("environment_not_refused", digest=digest, problem=str(error))


def is_wrong(error: Exception) -> bool:
    """Whether the archive itself is the fault, not this machine or its connection."""
    return isinstance(error, BadArchive) and not isinstance(error, TooLarge)


async def fetch_in_time(
    fetch: FetchEnvironment, keys: Sequence[str], target: Path
) -> EnvironmentPlace:
    """Fetch an archive to ``target``; wait for one that is being made, within bounds. Raise
    ``Unavailable``.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        place = await fetch(keys, target)
        if not place.pending or time.monotonic() >= deadline:
            return place
        await asyncio.sleep(POLL_SECONDS)


def new_file(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=FETCHED)
    os.close(descriptor)
    return Path(name)

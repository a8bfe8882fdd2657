"""The disk of a runner: its free space, and the size of what is cached on it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from fyke.model.runner import NOT_MEASURED
from fyke.reasons import Detail, DetailCode

MIB = 2**20
MEASURE_SECONDS = 600.0  # between two measurements of the caches, which read every file

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """Bytes; 0 for what is not known, and ``NOT_MEASURED`` for caches. Below ``floor`` free bytes
    the disk is nearly full.
    """

    free: int = 0
    total: int = 0
    floor: int = 0
    caches: int = NOT_MEASURED


class RunnerDisk:
    """Reads the disk of a data folder. ``caches`` measures them, and blocks. ``refuses``: with a
    disk that is nearly full the runner takes no attempts.
    """

    def __init__(
        self, home: Path, caches: Callable[[], int], *, floor: int, refuses: bool = False
    ) -> None:
        self._home = home
        self._measure = caches
        self._floor = floor
        self._refuses = refuses
        self._caches = NOT_MEASURED

    async def watch(self) -> None:
        """Measure the caches now and then, until cancelled."""
        while True:
            try:
                self._caches = await asyncio.to_thread(self._measure)
            except OSError as error:
                log.warning("caches_not_measured", error=str(error))
            await asyncio.sleep(MEASURE_SECONDS)

    def facts(self) -> DiskFacts:
        """What is known now."""
        try:
            usage = shutil.disk_usage(self._home)
        except OSError:
            return DiskFacts(floor=self._floor, caches=self._caches)
        return DiskFacts(usage.free, usage.total, self._floor, self._caches)

    def shortage(self) -> Detail | None:
        """Why the runner takes no attempts; None if it does. Raises ``OSError``."""
        if not self._refuses:
            return None
        free = shutil.disk_usage(self._home).free
        if free >= self._floor:
            return None
        whole = free // MIB * MIB  # which is written as a short number
        return Detail.of(DetailCode.DISK_LOW, free_bytes=whole, floor_bytes=self._floor)

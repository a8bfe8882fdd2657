"""What server and runner both stand on: state, results, blobs, doorbell, rules."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fyke.app.state import addresses, hiding, open_doorbell, open_state
from fyke.contracts import Doorbell, Results
from fyke.domain.runs.transitions import Rules
from fyke.model.billing import Prices
from fyke.settings import Settings
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.sql.results.store import open_results
from fyke.storage.sql.storage import SqlStorage


@dataclass(frozen=True, slots=True)
class House:
    """What server and runner both stand on."""

    settings: Settings
    storage: SqlStorage
    results: Results
    blobs: FilesystemBlobs
    doorbell: Doorbell
    rules: Rules


@contextlib.asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Open state, results, blobs and doorbell, and close them again."""
    doorbell = open_doorbell(settings)
    async with open_state(settings, doorbell) as storage:
        results = open_results(addresses(settings).results, durable=settings.durability == "disk")
        try:
            yield House(
                settings=settings,
                storage=storage,
                results=results,
                blobs=FilesystemBlobs(settings.blobs_dir),
                doorbell=doorbell,
                rules=rules(settings),
            )
        finally:
            await results.close()
            doorbell.close()


def rules(settings: Settings) -> Rules:
    """The installation's rules for runs, as plain values."""
    return Rules(
        prices=Prices(
            cpu_hour=settings.price_cpu_hour,
            memory_gb_hour=settings.price_memory_gb_hour,
            traffic_gb=settings.price_traffic_gb,
            traffic_quota=settings.traffic_quota,
        ),
        hiding=hiding(settings),
        max_subtasks=settings.max_subtasks,
        default_region=settings.default_region,
        running_callbacks=settings.callback_running,
    )

"""Opens the components that server and runner share."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fyke.app.agreement import installation_settings
from fyke.app.blobs import open_blobs
from fyke.app.state import addresses, hiding, open_signals, open_state
from fyke.contracts.blobs import Blobs
from fyke.contracts.inline import InlineStores
from fyke.contracts.liveness import StorePath
from fyke.contracts.parsing import ParserPool
from fyke.contracts.signals import SignalReader, Signals
from fyke.domain.results.commit import retry_while_unavailable
from fyke.domain.runs.transitions import Rules
from fyke.model.billing import Prices
from fyke.parsing.pools import ProcessPool, ThreadPool
from fyke.settings import Settings
from fyke.storage.sql.results.journaled import open_results
from fyke.storage.sql.results.store import SqlResults
from fyke.storage.sql.state.storage import SqlStorage


@dataclass(frozen=True, slots=True)
class Runtime:
    """The components that server and runner share. Where ``settings`` must agree, they have the
    values of the installation, which are of ``settings_version``.
    """

    settings: Settings
    storage: SqlStorage
    results: SqlResults
    blobs: Blobs
    parsers: ParserPool
    signals: Signals
    rules: Rules
    store_paths: tuple[StorePath, ...]
    settings_version: int = 0

    async def inline(self) -> InlineStores | None:
        """Open both stores for reads in the event loop; None on PostgreSQL."""
        state, rows = await self.storage.inline(), await self.results.inline()
        return InlineStores(state, rows) if state and rows else None


@contextlib.asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    reader: SignalReader | None = None,
    own_files: bool = False,
    runner: bool = False,
) -> AsyncIterator[Runtime]:
    """Open state, results, blobs, parsers and signals; close them at the end.

    ``reader``: the role of this process if it has only one, for signals.
    ``own_files``: all files are the user's own, and are read without limits.
    ``runner``: this is the only runner of the data folder. It waits until what an earlier one has
    left in the journal is moved.
    """
    given, number = settings, 0
    if not own_files:
        settings, number = await retry_while_unavailable(lambda: _agreed(given))
    signals = open_signals(settings, reader)
    processes = ProcessPool()
    blobs = open_blobs(settings)
    async with open_state(settings, signals) as storage:
        results = open_results(
            addresses(settings).results,
            durable=settings.durability == "disk",
            known=lambda ids: storage.read(lambda tx: tx.runs.known_attempts(ids)),
            journal=None if settings.database_url else settings.journal_dir,
            runner=runner,
            blobs=blobs,
        )
        try:
            await retry_while_unavailable(results.start)
            yield Runtime(
                settings=settings,
                storage=storage,
                results=results,
                blobs=blobs,
                parsers=ThreadPool() if own_files else processes,
                signals=signals,
                rules=rules(settings),
                store_paths=(storage.path(), results.path()),
                settings_version=number,
            )
        finally:
            await processes.close()
            await results.close()
            signals.close()


async def _agreed(settings: Settings) -> tuple[Settings, int]:
    async with open_state(settings) as storage:
        return await installation_settings(settings, storage)


def rules(settings: Settings) -> Rules:
    """The rules for runs that the settings state."""
    browsers = settings.browser != "off"
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
        browser_cpus=settings.browser_cpus if browsers else 0.0,
        browser_memory_mb=settings.browser_memory_mb if browsers else 0,
        browser_memory_max_mb=settings.browser_memory_max_mb if browsers else 0,
        default_pool=settings.default_pool,
        own_pool=settings.runner_pool or settings.default_pool,
        proxy_regions=frozenset(region.upper() for region in settings.egress_upstreams),
    )

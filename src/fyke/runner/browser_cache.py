"""The HTTP cache that browsers of a run leave for the next one, for one attempt."""

from __future__ import annotations

import structlog

from fyke.contracts.execution import SandboxFault
from fyke.model.run import AttemptKey
from fyke.runner.browser_dependencies import BrowserDependencies
from fyke.runner.browser_generation import BrowserGeneration
from fyke.runner.endings import in_time

log = structlog.get_logger()


class AttemptCache:
    """Takes copies for the browsers of an attempt, and saves theirs, unless the runner keeps none.
    Browsers are named by their number.
    """

    def __init__(self, key: AttemptKey, deps: BrowserDependencies) -> None:
        self._key = key
        self._deps = deps

    def name_of(self, number: int) -> str:
        """The name of the sandbox of a browser."""
        return f"{self._key.id}-B{number}"

    def take(self, number: int) -> str:
        """See ``RunCaches.take``."""
        caches = self._deps.caches
        return caches.take(self._key.run_id, self.name_of(number)) if caches else ""

    def started_with(self, number: int, size: int) -> None:
        """See ``RunCaches.started_with``."""
        if self._deps.caches is not None:
            self._deps.caches.started_with(self._key.run_id, self.name_of(number), size)

    def left(self, number: int, size: int | None) -> None:
        """See ``RunCaches.left``."""
        if self._deps.caches is not None:
            self._deps.caches.left(self._key.run_id, self.name_of(number), size)

    async def save(self, generation: BrowserGeneration) -> None:
        """Save the cache of a browser for the next one of the run, unless it has failed."""
        caches, size = self._deps.caches, None
        if caches is None or not generation.cache:
            return
        try:
            if generation.fault is None and not generation.usage.ooms:
                saving = generation.browser.save_cache(caches.limit)
                size = await in_time("saving the cache of the browser", saving)
        except SandboxFault as error:
            log.warning("browser_cache_not_saved", attempt=self._key.id, error=str(error))
        finally:
            self.left(generation.number, size)

"""What a runner needs to give its attempts browsers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from fyke.contracts.browser import BrowserGateway, BrowserLimits, Browsers
from fyke.model.browser import BrowserOffer
from fyke.model.last_page import KeepPages
from fyke.runner.run_caches import RunCaches


@dataclass(frozen=True, slots=True)
class BrowserDependencies:
    """The browsers of a runner. ``places`` is how many of them may be reserved at once, and
    ``share`` the part of a browser's limits that is reserved. ``checked`` is set while it is
    known whether this machine has a browser that can be used, or will not be known soon. The check
    may wait until ``wanted`` is set: it costs a start of the browser. ``keep`` is of which attempts
    the last page is kept, ``caches`` are those of runs; None: there are none.
    """

    browsers: Browsers
    gateway: BrowserGateway
    limits: BrowserLimits
    places: int
    share: float
    checked: asyncio.Event
    checks: Callable[[], tuple[tuple[str, bool, str], ...]]  # of its isolation; none before
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    keep: KeepPages = KeepPages.NEVER
    caches: RunCaches | None = None

    @property
    def problem(self) -> str:
        """Why the browser of this machine cannot be used, as far as is known."""
        return self.browsers.info().reason if self.checked.is_set() else ""

    @property
    def offer(self) -> BrowserOffer:
        """What runs can ask of the browsers of this machine; nothing until they were found."""
        return self.browsers.info().offer

    @property
    def missing(self) -> bool:
        """Whether this machine has no browser, as far as is known."""
        return self.checked.is_set() and not self.browsers.info().version

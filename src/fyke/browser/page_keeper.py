"""Keeps the last page of an attempt: a picture, its HTML, the latest requests and console lines.

A page is taken where it is about to go: before a client closes it or its browser, when a client
leaves, and at the end of the attempt. Only for that moment the gateway has a session of its own,
which asks for a picture and the document, and enables nothing: see
docs/decisions/0108-the-last-page-is-asked-for-as-it-goes.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import NamedTuple, Protocol

from fyke.browser.host import BrowserHost, DevtoolsEndpoint, HostFailed
from fyke.browser.page_taking import PageTaking
from fyke.browser.request_log import RequestLog
from fyke.browser.session import BAD_ANSWER, DevtoolsFailed, DevtoolsSession, OnEvent
from fyke.model.browser import ConsoleLine
from fyke.model.last_page import MAX_CONSOLE_LINES, PageFileKind, PageGap, TakenPage

_log = logging.getLogger(__name__)

HOLD_SECONDS = 0.3  # how long a command that closes a page waits
LEFT_SECONDS = 2.0  # how long a Chromium does not hear that its client has gone
END_SECONDS = 3.0  # at the end of the attempt
EVERY_SECONDS = 2.0  # between two pages that are taken for the same reason
SHARE, FREE_SECONDS = 0.01, 1.0  # of an attempt's time that closing pages may be delayed
LONG_SECONDS = 10.0  # a page that was open longer has probably not shown what it should
_FRESH_SECONDS = 1.0
_MAX_PAGES = 64  # that are remembered
_KINDS = (PageFileKind.SCREENSHOT, PageFileKind.HTML)


class Going(Enum):
    """Why a page is about to go. Each has its own limit of frequency."""

    PAGE_CLOSED = auto()
    CONTEXT_CLOSED = auto()
    BROWSER_CLOSED = auto()
    CLIENT_LEFT = auto()
    ENDED = auto()


class PageSource(Protocol):
    """A browser of the attempt, which is an ``AttachedBrowser``."""

    @property
    def generation(self) -> int: ...
    @property
    def host(self) -> BrowserHost: ...
    def session(
        self, endpoint: DevtoolsEndpoint, on_event: OnEvent
    ) -> contextlib.AbstractAsyncContextManager[DevtoolsSession]: ...


class PagePlace(NamedTuple):
    """A page in a Chromium of an attempt; ``target`` is empty if it is not known."""

    generation: int
    instance: int
    target: str


@dataclass(slots=True)
class _Opened:
    """An open page: the number and time of its latest document, and whether that has failed.
    ``state`` is why it cannot be drawn, if that is known.
    """

    number: int
    at: float
    failed: bool
    state: PageGap | None = None


_Rank = tuple[int, int]
"""Of pages: when a client last acted on it (0: never), and the number of its latest document."""
_NONE_TAKEN: _Rank = (-1, -1)
_UNKNOWN: _Rank = (0, 0)


class PageKeeper:
    """What is kept for one attempt, over all its browsers."""

    def __init__(self) -> None:
        self.requests = RequestLog()
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._delayed = 0.0  # seconds that closing pages has taken longer
        self._console: deque[ConsoleLine] = deque(maxlen=MAX_CONSOLE_LINES)
        self._opened: OrderedDict[PagePlace, _Opened] = OrderedDict()  # the latest last
        self._failed: OrderedDict[str, None] = OrderedDict()  # documents, by their loader
        self._documents = 0
        self._acted: OrderedDict[PagePlace, int] = OrderedDict()  # the latest last
        self._acts = 0  # changes of the page on which clients act
        self._taken: TakenPage | None = None
        self._taken_rank = _NONE_TAKEN
        self._taken_at = 0.0
        self._next: dict[Going, float] = {}
        self._taking = asyncio.Lock()

    # for the recorder

    def document_failed(self, loader: str) -> None:
        """A document was answered with an error."""
        self._failed[loader] = None
        if len(self._failed) > _MAX_PAGES:
            self._failed.popitem(last=False)

    def navigated(self, place: PagePlace, loader: str) -> None:
        """A document was opened in a tab."""
        self._documents += 1
        failed = loader in self._failed
        self._opened[place] = _Opened(self._documents, self._loop.time(), failed)
        self._opened.move_to_end(place)
        if len(self._opened) > _MAX_PAGES:
            self._opened.popitem(last=False)

    def stopped(self, place: PagePlace, state: PageGap | None) -> None:
        """A page has crashed or opened a dialog; None: it can be drawn again."""
        page = self._opened.get(place)
        if page is not None and page.state is not state:
            page.state = state
            self._taken_at = -_FRESH_SECONDS  # what was taken before is not as it is now

    def wrote(self, line: ConsoleLine) -> None:
        """A page wrote on its console."""
        self._console.append(line)

    # for connections

    def acts(self, browser: PageSource, instance: int, target: str) -> None:
        """A client acts on a page."""
        place = PagePlace(browser.generation, instance, target)
        if next(reversed(self._acted), None) == place:
            return
        self._acts += 1
        self._acted[place] = self._acts
        self._acted.move_to_end(place)
        if len(self._acted) > _MAX_PAGES:
            self._acted.popitem(last=False)

    async def before_close(self, browser: PageSource, instance: int, target: str) -> None:
        """Take a page that a client closes, which is the latest one if its id is not known, unless
        a later one is still open.
        """
        latest = self._place(browser, instance)
        place = PagePlace(browser.generation, instance, target) if target else latest
        if place == latest or not self._documents:
            await self._delay(Going.PAGE_CLOSED, browser, place)
        self._opened.pop(place, None)

    async def before_end(
        self, browser: PageSource, instance: int, *, context: bool = False
    ) -> None:
        """Take the latest page of a Chromium that a client closes, or of which a ``context``."""
        going = Going.CONTEXT_CLOSED if context else Going.BROWSER_CLOSED
        await self._delay(going, browser, self._place(browser, instance))

    async def client_left(self, browser: PageSource, instance: int) -> None:
        """Take the latest page before Chromium hears that its client has gone: it may close what
        the client had opened. Wait for a page that is being taken: a client that launched its
        browser leaves with two connections, and both end it.
        """
        if self._is_due(Going.CLIENT_LEFT):
            await self._take(browser, self._place(browser, instance), LEFT_SECONDS)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEFT_SECONDS), self._taking:
                    pass

    async def finish(self, browser: PageSource | None) -> TakenPage | None:
        """The last page; it is taken now if the browser is there. None if there is nothing."""
        if browser is not None:
            try:
                await self._take_latest(browser)
            except Exception as error:  # what was kept before counts
                _log.error("the last page of an attempt was not taken", exc_info=error)
        requests, console = self.requests.requests(), tuple(self._console)
        taken = self._taken
        if taken is None:
            if not requests and not console:
                return None
            gap = PageGap.GONE if self._documents else PageGap.NO_PAGE
            taken = TakenPage(_now(), gaps=dict.fromkeys(_KINDS, gap))
        return replace(
            taken, requests=requests, is_partial=self.requests.is_partial, console=console
        )

    # within

    async def _take_latest(self, browser: PageSource) -> None:
        deadline = self._loop.time() + END_SECONDS
        latest = [place.instance for place in sorted(self._opened, key=self._rank, reverse=True)]
        for instance in dict.fromkeys([*latest, *browser.host.endpoints]):
            left = deadline - self._loop.time()
            if await self._take(browser, self._place(browser, instance), left) or left <= 0:
                return

    def _latest(self, browser: PageSource, instance: int) -> PagePlace | None:
        """The open page on which a client acted last, otherwise that of the latest document."""
        of_browser = (browser.generation, instance)
        places = (place for place in self._opened if place[:2] == of_browser)
        return max(places, key=self._rank, default=None)

    def _rank(self, place: PagePlace) -> _Rank:
        page = self._opened.get(place)
        return (self._acted.get(place, 0), page.number) if page is not None else _UNKNOWN

    def _place(self, browser: PageSource, instance: int) -> PagePlace:
        return self._latest(browser, instance) or PagePlace(browser.generation, instance, "")

    async def _delay(self, going: Going, browser: PageSource, place: PagePlace) -> None:
        """Take a page while the command of a client waits."""
        began = self._loop.time()
        if going is not Going.BROWSER_CLOSED and not self._may_delay(place, began):
            return
        if self._is_due(going):
            await self._take(browser, place, HOLD_SECONDS)
            self._delayed += self._loop.time() - began

    def _may_delay(self, place: PagePlace, now: float) -> bool:
        """Whether closing this page may take longer: many open and close one for each row."""
        page = self._opened.get(place)
        if page is not None and (page.failed or now - page.at >= LONG_SECONDS):
            return True
        return self._delayed < FREE_SECONDS + SHARE * (now - self._began)

    def _is_due(self, going: Going) -> bool:
        now = self._loop.time()
        if now < self._next.get(going, now):
            return False
        self._next[going] = now + EVERY_SECONDS
        return True

    async def _take(self, browser: PageSource, place: PagePlace, seconds: float) -> bool:
        """Take a page unless a later one was taken; return whether the kept one is as late."""
        endpoint = browser.host.endpoints.get(place.instance)
        rank = self._rank(place)
        if endpoint is None:
            return False
        taking = PageTaking(_now())
        try:
            async with asyncio.timeout(seconds), self._taking:
                if rank < self._taken_rank or (rank == _UNKNOWN and self._documents):
                    return False
                is_fresh = self._loop.time() - self._taken_at < _FRESH_SECONDS
                if rank == self._taken_rank and is_fresh:
                    return True
                async with browser.session(endpoint, taking.ignore) as session:
                    await taking.run(session, place.target)
        except (TimeoutError, HostFailed, DevtoolsFailed, *BAD_ANSWER):
            pass  # what has arrived counts
        if taking.is_empty and (not taking.found or rank <= self._taken_rank):
            return False
        page = self._opened.get(place)
        self._taken = taking.page(page.state if page is not None else None)
        self._taken_rank = rank
        self._taken_at = self._loop.time()
        return True


def _now() -> int:
    return int(time.time() * 1000)

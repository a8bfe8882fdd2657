"""The live view of one attempt: its watchers, and the user who has taken its browser over.

It exists from the first watcher, or taking over, until neither is left. It looks for browsers of
the attempt every quarter of a second, so it needs no notice of their starts and ends.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from fyke.browser.attached import AttachedBrowser
from fyke.browser.attempt import AttemptGateway
from fyke.browser.host import DevtoolsEndpoint
from fyke.browser.viewed_browser import PICTURE_SECONDS, ViewedBrowser
from fyke.contracts.browser_view import (
    LEFT_SECONDS,
    MAX_WATCHERS,
    TAKEN_SECONDS,
    BrowserInput,
    Picture,
    ViewedPage,
    ViewRefusal,
    ViewRefused,
    ViewState,
)

_log = logging.getLogger(__name__)

MAX_LISTED = 20  # pages in one state, which must fit into a packet
_STAY_SECONDS = 3.0  # that a page is shown at least before a newer one is
_RETRY_SECONDS = 1.0
_PAUSE_SECONDS = 0.02  # between two looks, however often a browser changes its pages
_STATE_SECONDS = 0.25  # at least between two states of which only the list of pages differs

_numbers = itertools.count(1)
_Key = tuple[int, DevtoolsEndpoint]  # the generation, and a Chromium of it


class Watcher:
    """A user who watches. ``on_state`` and ``on_picture`` send to them; ``on_over`` ends it.
    ``wanted`` is the id of the page that they have chosen, or empty.
    """

    def __init__(
        self,
        wanted: str,
        holder: str,
        on_state: Callable[[ViewState], None],
        on_picture: Callable[[Picture], None],
        on_over: Callable[[], None],
    ) -> None:
        self.wanted = wanted
        self.holder = holder
        self.on_over = on_over
        self.shown = ""
        self._shown_at = 0.0
        self._last_page = ""  # that appeared before the choice
        self._on_state = on_state
        self._on_picture = on_picture
        self._state: ViewState | None = None
        self._state_at = 0.0
        self._fetched = True
        self._waiting: Picture | None = None

    def choose(self, pages: Sequence[str], newest: str, now: float, *, stays: bool) -> None:
        """Choose the page to show: the wanted one, else one that has appeared since the last
        choice, but not another one every moment. ``newest`` is the page to begin with. ``stays``:
        only a page that has gone is replaced, so that input goes where its user sends it.
        """
        if stays and self.shown in pages:
            return
        last = pages[-1] if pages else ""
        if self.wanted in pages:
            page = self.wanted
        elif self.shown not in pages:
            page = newest
        elif last != self._last_page and now >= self._shown_at + _STAY_SECONDS:
            page = last
        else:
            return
        self._last_page = last
        if page != self.shown:
            self.shown, self._shown_at = page, now
            self._waiting = None

    def send_state(self, state: ViewState, now: float) -> None:
        """Send a state that has changed: at once what is shown and who has taken over, but a list
        of pages, which a browser may change all the time, every quarter of a second at most.
        """
        if state == self._state:
            return
        only_pages = self._state is not None and state == replace(self._state, pages=state.pages)
        if only_pages and now < self._state_at + _STATE_SECONDS:
            return  # the next look is soon
        self._state, self._state_at = state, now
        self._on_state(state)

    def show(self, picture: Picture) -> None:
        """Send a picture, or once the last one was fetched the latest one."""
        if picture.page != self.shown:
            return
        if self._fetched:
            self._fetched = False
            self._on_picture(picture)
        else:
            self._waiting = picture

    def fetched(self) -> None:
        """The last picture has arrived."""
        self._fetched = True
        picture, self._waiting = self._waiting, None
        if picture is not None:
            self.show(picture)


class Taken:
    """The user who has taken over, until when, and until when they may be without a watcher."""

    def __init__(self, holder: str, name: str, now: float) -> None:
        self.holder = holder
        self.name = name
        self.until = now + TAKEN_SECONDS
        self.left_until = now + LEFT_SECONDS


class AttemptView:
    """``is_open`` says whether the attempt still is. ``on_over`` is called when it is not, or when
    neither a watcher nor a user who has taken over is left.
    """

    def __init__(
        self, attempt: AttemptGateway, is_open: Callable[[], bool], on_over: Callable[[], None]
    ) -> None:
        self._attempt = attempt
        self._is_open = is_open
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self._watchers: list[Watcher] = []
        self._browsers: dict[_Key, ViewedBrowser] = {}
        self._tried_at: dict[_Key, float] = {}
        self._taken: Taken | None = None
        self._changed = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    # for the sessions of servers

    def watch(self, watcher: Watcher) -> None:
        """Raise ``ViewRefused`` when there are too many."""
        if len(self._watchers) >= MAX_WATCHERS:
            raise ViewRefused(ViewRefusal.FULL)
        self._watchers.append(watcher)
        self._changed.set()

    def leave(self, watcher: Watcher) -> None:
        """A watcher has gone."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)
            self._changed.set()

    def take_over(self, holder: str, name: str) -> None:
        """Raise ``ViewRefused`` while another user has taken over."""
        now = self._loop.time()
        if self._taken is not None and self._taken.holder != holder:
            raise ViewRefused(ViewRefusal.TAKEN, self._taken.name)
        if self._taken is None:
            self._note(f"{name} has taken over the browser; the Worker keeps running.")
        self._taken = Taken(holder, name, now)
        self._changed.set()

    def act(self, holder: str, page: str, picture: int, inputs: Sequence[BrowserInput]) -> None:
        """Raise ``ViewRefused``."""
        if self._taken is None or self._taken.holder != holder:
            raise ViewRefused(ViewRefusal.NOT_TAKEN)
        if not any(browser.act(page, picture, inputs) for browser in self._browsers.values()):
            raise ViewRefused(ViewRefusal.NO_PAGE)
        self._taken.until = self._loop.time() + TAKEN_SECONDS

    def give_back(self, holder: str, *, revoked: bool) -> None:
        """The user has finished, or may not act any more."""
        if self._taken is not None and self._taken.holder == holder:
            why = ": they may not act any more" if revoked else ""
            self._given_back(f"{self._taken.name} has given the browser back{why}.")

    def close(self) -> None:
        """End the view."""
        self._task.cancel()

    # within

    async def _run(self) -> None:
        try:
            while self._is_open() and (self._watchers or self._taken is not None):
                self._changed.clear()
                self._end_taking()
                self._follow_browsers()
                self._update_watchers()
                with suppress(TimeoutError):
                    async with asyncio.timeout(PICTURE_SECONDS):
                        await self._changed.wait()
                await asyncio.sleep(_PAUSE_SECONDS)
        except Exception as error:
            _log.error(
                "the live view of attempt %s failed", self._attempt.attempt_id, exc_info=error
            )
        finally:
            for browser in self._browsers.values():
                browser.close()
            self._on_over()
            for watcher in list(self._watchers):
                watcher.on_over()  # which makes it leave

    def _note(self, text: str) -> None:
        """Write a line into the log of the run, however often that happens."""
        self._attempt.note(f"live view {next(_numbers)}", text)

    def _end_taking(self) -> None:
        taken, now = self._taken, self._loop.time()
        if taken is None:
            return
        watches = any(watcher.holder == taken.holder for watcher in self._watchers)
        if watches:
            taken.left_until = now + LEFT_SECONDS
        if now >= taken.until:
            minutes = f"{TAKEN_SECONDS / 60:g} minutes"
            self._given_back(f"{taken.name} has given the browser back: no input for {minutes}.")
        elif not watches and now >= taken.left_until:
            self._given_back(f"{taken.name} has given the browser back: they left its page.")

    def _given_back(self, text: str) -> None:
        self._taken = None
        self._note(text)
        self._changed.set()

    def _follow_browsers(self) -> None:
        """Connect to the Chromiums that have started, and forget those that have ended."""
        attached, now = self._attempt.browser, self._loop.time()
        living: dict[_Key, AttachedBrowser] = {}
        if attached is not None and not attached.is_over and self._watchers:
            endpoints = attached.host.endpoints.values()
            living = {(attached.generation, endpoint): attached for endpoint in endpoints}
        for key in [key for key in self._browsers if key not in living]:
            self._browsers.pop(key).close()
        self._tried_at = {key: at for key, at in self._tried_at.items() if key in living}
        for key, browser in living.items():
            viewed = self._browsers.get(key)
            if viewed is not None and not viewed.is_over:
                continue
            if now >= self._tried_at.get(key, 0.0) + _RETRY_SECONDS:
                self._tried_at[key] = now
                self._browsers[key] = ViewedBrowser(
                    browser, key[1], self._changed.set, self._show, self._dropped
                )

    def _update_watchers(self) -> None:
        pages = {
            page.id: page for browser in self._browsers.values() for page in browser.pages.values()
        }
        newest = self._newest(list(pages))
        now = self._loop.time()
        before = {watcher: watcher.shown for watcher in self._watchers}
        for watcher in self._watchers:
            watcher.choose(list(pages), newest, now, stays=self._is_taken_by(watcher))
        shown = {watcher.shown for watcher in self._watchers}
        for browser in self._browsers.values():
            browser.watch_pages([page for page in browser.pages if page in shown])
        for watcher in self._watchers:
            watcher.send_state(self._state_for(watcher, pages), now)
            if watcher.shown != before[watcher]:
                self._show_latest(watcher)

    def _newest(self, pages: Sequence[str]) -> str:
        """The page in which a document was opened last, else the one that appeared last."""
        attached = self._attempt.browser
        latest = attached.recorder.latest_page if attached is not None else None
        named = f"{latest[0]}.{latest[1]}" if latest else ""
        return named if named in pages else pages[-1] if pages else ""

    def _state_for(self, watcher: Watcher, pages: dict[str, ViewedPage]) -> ViewState:
        listed = list(pages.values())[-MAX_LISTED:]
        if watcher.shown and pages[watcher.shown] not in listed:
            listed[0] = pages[watcher.shown]
        taken = self._taken
        return ViewState(
            tuple(listed),
            watcher.shown,
            taken.name if taken else "",
            self._is_taken_by(watcher),
        )

    def _is_taken_by(self, watcher: Watcher) -> bool:
        return self._taken is not None and self._taken.holder == watcher.holder

    def _show(self, picture: Picture) -> None:
        for watcher in self._watchers:
            watcher.show(picture)

    def _dropped(self, reason: str) -> None:
        text = f"The live view leaves out pictures of the browser; the first one {reason}."
        self._attempt.note("live view picture", text)

    def _show_latest(self, watcher: Watcher) -> None:
        """Show a page that others watch already, and that may not change."""
        for browser in self._browsers.values():
            picture = browser.picture(watcher.shown)
            if picture is not None:
                watcher.show(picture)

"""The live view of one attempt: its watchers, and the user who has taken its browser over.

It exists from the first watcher, or taking over, until neither is left. It looks for browsers of
the attempt every quarter of a second, so it needs no notice of their starts and ends.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import replace

import msgspec

from fyke.browser.attached import AttachedBrowser
from fyke.browser.attempt import AttemptGateway
from fyke.browser.dialogs import OpenDialog
from fyke.browser.host import DevtoolsEndpoint
from fyke.browser.viewed_browser import PICTURE_SECONDS, ViewedBrowser
from fyke.contracts.browser_view import (
    GIVEN_BACK_WHY,
    LEFT_SECONDS,
    MAX_WATCHERS,
    MAX_WINDOWS,
    TAKEN_SECONDS,
    BrowserInput,
    Picture,
    TakeoverEnd,
    ViewedDialog,
    ViewedPage,
    ViewRefusal,
    ViewRefused,
    ViewState,
)

_log = logging.getLogger(__name__)

MAX_LIST = 40 * 1024  # bytes of the pages in one state, which must fit into a packet
_DIALOG_SECONDS = 0.5  # that a dialog is open before it is shown: the Worker may answer it
_STAY_SECONDS = 3.0  # that a page is shown at least before a newer one is
_RETRY_SECONDS = 1.0
_PAUSE_SECONDS = 0.02  # between two looks, however often a browser changes its pages
_STATE_SECONDS = 0.25  # at least between two states of which only the list of pages differs

_KINDS = frozenset({"alert", "confirm", "prompt", "beforeunload"})

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
        user: str = "",
    ) -> None:
        self.wanted = wanted
        self.holder = holder
        self.user = user
        self.on_over = on_over
        self.shown = ""
        self._shown_at = 0.0
        self._known: frozenset[str] = frozenset()  # pages at the last choice
        self._on_state = on_state
        self._on_picture = on_picture
        self._state: ViewState | None = None
        self._state_at = 0.0
        self._fetched = True
        self._waiting: Picture | None = None

    def choose(
        self, pages: Sequence[str], newest: str, blank: Set[str], now: float, *, stays: bool
    ) -> None:
        """Choose the page to show: the wanted one, else one that has appeared since the last
        choice, but not another one every moment. ``newest`` is the page to begin with; one of the
        ``blank`` pages does not replace another. ``stays``: only a page that has gone is replaced,
        so that input goes where its user sends it.
        """
        if stays and self.shown in pages:
            return
        # newer pages than the one shown, in order or by their document: a page may be heard of
        # before an older one
        after = pages.index(self.shown) if self.shown in pages else -1
        left_out = self._known if self.shown in blank else self._known | blank
        appeared = [
            page
            for place, page in enumerate(pages)
            if page not in left_out and (place > after or page == newest)
        ]
        if self.wanted in pages:
            page = self.wanted
        elif self.shown not in pages:
            page = newest
        elif appeared and now >= self._shown_at + _STAY_SECONDS:
            page = newest if newest in appeared else appeared[-1]
        else:
            return
        self._known = frozenset(pages) - blank
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

    def __init__(
        self, holder: str, name: str, on_end: Callable[[TakeoverEnd], None], now: float
    ) -> None:
        self.holder = holder
        self.name = name
        self.on_end = on_end
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
        self.watchers: list[Watcher] = []
        self._browsers: dict[_Key, ViewedBrowser] = {}
        self._tried_at: dict[_Key, float] = {}
        self._taken: Taken | None = None
        self._changed = asyncio.Event()
        attempt.before_close = self._attempt_closes
        self._task = self._loop.create_task(self._run())

    # for the sessions of servers

    def watch(self, watcher: Watcher) -> None:
        """Raise ``ViewRefused`` when there are too many. Who may take over always has a place."""
        viewers = self.viewers
        if not watcher.holder and watcher.user not in viewers and len(viewers) >= MAX_WATCHERS:
            raise ViewRefused(ViewRefusal.FULL)
        if sum(one.user == watcher.user for one in self.watchers) >= MAX_WINDOWS:
            raise ViewRefused(ViewRefusal.WINDOWS)
        self.watchers.append(watcher)
        self._changed.set()

    @property
    def viewers(self) -> set[str]:
        """The users who watch and may not take over."""
        return {watcher.user for watcher in self.watchers if not watcher.holder}

    def leave(self, watcher: Watcher) -> None:
        """A watcher has gone."""
        if watcher in self.watchers:
            self.watchers.remove(watcher)
            self._changed.set()

    def take_over(self, holder: str, name: str, on_end: Callable[[TakeoverEnd], None]) -> None:
        """``on_end`` is called when it was given back, or the same user has taken over again. Raise
        ``ViewRefused`` while another user has.
        """
        now = self._loop.time()
        if self._taken is not None and self._taken.holder != holder:
            raise ViewRefused(ViewRefusal.TAKEN, self._taken.name)
        if self._taken is None:
            self._note(f"{name} has taken over the browser; the Worker keeps running.")
        else:
            self._taken.on_end(TakeoverEnd.TAKEN_AGAIN)  # another connection has it now
        self._taken = Taken(holder, name, on_end, now)
        self._changed.set()

    def act(self, holder: str, page: str, picture: int, inputs: Sequence[BrowserInput]) -> None:
        """Raise ``ViewRefused``."""
        if self._taken is None or self._taken.holder != holder:
            raise ViewRefused(ViewRefusal.NOT_TAKEN)
        if not any(browser.act(page, picture, inputs) for browser in self._browsers.values()):
            raise ViewRefused(ViewRefusal.NO_PAGE)
        self._taken.until = self._loop.time() + TAKEN_SECONDS

    def give_back(self, holder: str, how: TakeoverEnd) -> None:
        """The user has finished, or may not act any more."""
        if self._taken is not None and self._taken.holder == holder:
            self._given_back(how)

    def close(self) -> None:
        """End the view."""
        self._attempt_closes(final=False)
        self._task.cancel()

    # within

    async def _run(self) -> None:
        try:
            while self._is_open() and (self.watchers or self._taken is not None):
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
            self._given_back(TakeoverEnd.LOST)  # only a failure leaves it taken until here
            self._on_over()
            for watcher in list(self.watchers):
                watcher.on_over()  # which makes it leave

    def _note(self, text: str) -> None:
        """Write a line into the log of the run, however often that happens."""
        self._attempt.note(f"live view {next(_numbers)}", text)

    def _end_taking(self) -> None:
        taken, now = self._taken, self._loop.time()
        if taken is None:
            return
        watches = any(watcher.holder == taken.holder for watcher in self.watchers)
        if watches:
            taken.left_until = now + LEFT_SECONDS
        if now >= taken.until:
            self._given_back(TakeoverEnd.NO_INPUT)
        elif not watches and now >= taken.left_until:
            self._given_back(TakeoverEnd.LEFT)

    def _attempt_closes(self, final: bool) -> None:
        self._given_back(TakeoverEnd.ATTEMPT_OVER if final else TakeoverEnd.LOST)

    def _given_back(self, how: TakeoverEnd) -> None:
        taken, self._taken = self._taken, None
        if taken is None:
            return
        why = f": {GIVEN_BACK_WHY[how]}" if how in GIVEN_BACK_WHY else ""
        self._note(f"{taken.name} has given the browser back{why}.")
        taken.on_end(how)
        self._changed.set()

    def _follow_browsers(self) -> None:
        """Connect to the Chromiums that have started, and forget those that have ended."""
        attached, now = self._attempt.browser, self._loop.time()
        living: dict[_Key, AttachedBrowser] = {}
        if attached is not None and not attached.is_over and self.watchers:
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
        found = [
            (browser.order[page.id], page)
            for browser in self._browsers.values()
            for page in browser.pages.values()
        ]
        pages = {page.id: page for _, page in sorted(found, key=lambda one: one[0])}
        blank = {page for browser in self._browsers.values() for page in browser.blank_pages}
        newest = self._newest([page for page in pages if page not in blank] or list(pages))
        now = self._loop.time()
        before = {watcher: watcher.shown for watcher in self.watchers}
        for watcher in self.watchers:
            watcher.choose(list(pages), newest, blank, now, stays=self._is_taken_by(watcher))
        shown = {watcher.shown for watcher in self.watchers}
        for browser in self._browsers.values():
            browser.watch_pages([page for page in browser.pages if page in shown])
        for watcher in self.watchers:
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
        unused = {browser.unused_page for browser in self._browsers.values()} - {watcher.shown}
        choices = [page for page in pages.values() if page.id not in unused]
        listed = _listed(choices, watcher.shown)
        of_shown = [one for one in self._browsers.values() if watcher.shown in one.pages]
        dialog = of_shown[0].dialog(watcher.shown) if of_shown else None
        if dialog is not None and self._loop.time() < dialog.since + _DIALOG_SECONDS:
            dialog = None
        taken, is_yours = self._taken, self._is_taken_by(watcher)
        windows = sum(one.holder == watcher.holder for one in self.watchers)
        return ViewState(
            listed,
            len(choices) - len(listed),
            watcher.shown,
            _viewed(dialog) if dialog else None,
            of_shown[0].trouble(watcher.shown) if of_shown and not dialog else None,
            taken.name if taken else "",
            is_yours,
            windows if is_yours else 0,
        )

    def _is_taken_by(self, watcher: Watcher) -> bool:
        return self._taken is not None and self._taken.holder == watcher.holder

    def _show(self, picture: Picture) -> None:
        for watcher in self.watchers:
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


def _viewed(dialog: OpenDialog) -> ViewedDialog:
    kind = dialog.kind if dialog.kind in _KINDS else "alert"
    return ViewedDialog(dialog.number, kind, _lines(dialog.text), _lines(dialog.proposal))


def _lines(text: str) -> str:
    """A text of a page without control characters."""
    kept = (one if one.isprintable() or one == "\n" else " " for one in text)
    return "".join(kept)


def _listed(pages: Sequence[ViewedPage], shown: str) -> tuple[ViewedPage, ...]:
    """The newest pages that fit into a state, and the one that is shown, in the given order."""
    left = MAX_LIST
    listed: set[str] = set()
    newest_first = pages[::-1]
    for page in sorted(newest_first, key=lambda page: page.id != shown):
        left -= len(msgspec.json.encode(page))
        if left < 0:
            break
        listed.add(page.id)
    return tuple(page for page in pages if page.id in listed)

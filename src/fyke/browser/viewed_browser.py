"""One Chromium that is watched: its pages, and pictures of those that a watcher wants.

The gateway has a DevTools session of its own for that, as long as a user watches. It lists the
pages, starts a screencast, and asks a watched page now and then whether it answers; it enables no
domain, so neither a page nor the Worker's client notices (see decision 109). All that arrives may
be hostile and is limited.
"""

from __future__ import annotations

import asyncio
import binascii
import itertools
import re
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from fyke.browser.attached import AttachedBrowser
from fyke.browser.dialogs import OpenDialog
from fyke.browser.host import DevtoolsEndpoint, HostFailed
from fyke.browser.input_commands import command_of
from fyke.browser.session import BAD_ANSWER, DevtoolsFailed, DevtoolsSession
from fyke.contracts.browser_view import (
    MAX_PICTURE,
    PICTURE_LIMIT,
    BrowserInput,
    DialogInput,
    PageTrouble,
    Picture,
    ViewedPage,
    ViewRefusal,
    ViewRefused,
)
from fyke.kit.jpeg import BadJpeg

PICTURE_SECONDS = 0.25  # at least between two pictures of a page
MAX_PAGES = 100  # of one Chromium that are known at once
MAX_URL, MAX_TITLE = 300, 100  # characters
SEEN_SECONDS = 10.0  # that input may name a picture after the next one was taken
_RECAST_SECONDS = 0.5  # at least between two screencasts of a page that changes its document
_RETRY_SECONDS = 1.0
LOOK_SECONDS = 2.0  # between two questions to a page, and between two for the titles of all
SILENT_SECONDS = 5.0  # without an answer, until a page is silent
_ANSWER_BYTES = 64 * 1024
_SCREENCAST = {
    "format": "jpeg",
    "quality": 50,
    "maxWidth": PICTURE_LIMIT.width,
    "maxHeight": PICTURE_LIMIT.height,
}
_LATE_SECONDS = 1.0  # after a crash, in which a picture may be of before
_BLANK = "about:blank"
_MAX_SIDE = 2**15  # CSS pixels
_numbers = itertools.count(1)  # of pictures
_TARGET = re.compile(r"[0-9A-Za-z-]{1,64}")


class _ViewedTarget(msgspec.Struct, rename="camel"):
    target_id: str
    type: str = ""
    subtype: str = ""
    title: str = ""
    url: str = ""
    opener_id: str = ""


class _Described(msgspec.Struct, rename="camel"):
    target_info: _ViewedTarget


class _Destroyed(msgspec.Struct, rename="camel"):
    target_id: str


class _ListedTargets(msgspec.Struct, rename="camel"):
    target_infos: list[_ViewedTarget] = []


class _Metadata(msgspec.Struct, rename="camel"):
    device_width: float = 0
    device_height: float = 0


class _CastFrame(msgspec.Struct, rename="camel"):
    session_id: int
    data: str = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_described = msgspec.json.Decoder(_Described).decode
_destroyed = msgspec.json.Decoder(_Destroyed).decode
_targets = msgspec.json.Decoder(_ListedTargets).decode
_frame = msgspec.json.Decoder(_CastFrame).decode


class _Taken(NamedTuple):
    """A picture that input may name."""

    number: int
    width: int
    height: int
    at: float


class _Cast:
    """A screencast of one page with one document. ``picture`` is the latest one."""

    def __init__(self, page: str, document: Hashable, now: float) -> None:
        self.page = page
        self.document = document
        self.began = now
        self.session = ""  # of the DevTools protocol, while it runs
        self.picture: Picture | None = None
        self.acknowledged_at = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None
        self.asked_at = 0.0  # whether it answers; 0 when it has
        self._taken: deque[_Taken] = deque()

    def show(self, picture: Picture, now: float) -> None:
        """A picture was taken."""
        self.picture = picture
        self._taken.append(_Taken(picture.number, picture.width, picture.height, now))
        self._forget(now)

    def seen(self, number: int, now: float) -> _Taken | None:
        """The picture of a number, if a user may see it now."""
        self._forget(now)
        return next((one for one in self._taken if one.number == number), None)

    def _forget(self, now: float) -> None:
        while len(self._taken) > 1 and self._taken[1].at <= now - SEEN_SECONDS:
            self._taken.popleft()

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()


class ViewedBrowser:
    """``on_pages`` is called when ``pages`` has changed, ``on_picture`` for each picture, and
    ``on_dropped`` with the reason for each that is not shown.
    """

    def __init__(
        self,
        browser: AttachedBrowser,
        endpoint: DevtoolsEndpoint,
        on_pages: Callable[[], None],
        on_picture: Callable[[Picture], None],
        on_dropped: Callable[[str], None],
    ) -> None:
        self._browser = browser
        self._endpoint = endpoint
        self._on_pages = on_pages
        self._on_picture = on_picture
        self._on_dropped = on_dropped
        self._loop = asyncio.get_running_loop()
        self._session: DevtoolsSession | None = None
        self._casts: dict[str, _Cast] = {}
        self._addresses: dict[str, int] = {}  # hashes of URLs, by page
        self._crashed: dict[str, float] = {}  # pages, and when
        self._opened: set[str] = set()  # pages that other pages have opened
        self.pages: dict[str, ViewedPage] = {}  # by id
        self.order: dict[str, int] = {}  # of pages: they were opened in the order of these numbers
        self._task = self._loop.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether this Chromium cannot be watched any more."""
        return self._task.done()

    def id_of(self, target: str) -> str:
        """The id of the page of a target."""
        return f"{self._endpoint.instance}.{target}"

    def watch_pages(self, pages: Sequence[str]) -> None:
        """Have screencasts of exactly these pages, as far as they are of this Chromium."""
        if self._session is None:
            return
        now = self._loop.time()
        for page, cast in list(self._casts.items()):
            is_old = self._is_replaced(cast) and now >= cast.began + _RECAST_SECONDS
            if page not in pages or is_old:
                self._stop(self._session, page)
        for page in pages:
            if page in self.pages and page not in self._casts:
                cast = self._casts[page] = _Cast(page, self._document(page), now)
                cast.task = self._loop.create_task(self._start(self._session, cast))

    def picture(self, page: str) -> Picture | None:
        """The latest picture of a watched page."""
        cast = self._casts.get(page)
        return cast.picture if cast else None

    @property
    def blank_pages(self) -> set[str]:
        """The ids of pages in which nothing was opened, as in the one with which Chromium began."""
        return {
            page.id
            for page in self.pages.values()
            if page.url == _BLANK and page.title in ("", _BLANK) and page.id not in self._opened
        }

    @property
    def unused_page(self) -> str:
        """The id of the page with which this Chromium began, while others are used; or empty. It is
        the first in order, unless a client has named its own page before.
        """
        blank = self.blank_pages
        if len(self.pages) < 2 or not blank:
            return ""
        first = min(self.pages, key=lambda page: self.order[page])
        return first if first in blank else blank.pop() if len(blank) == 1 else ""

    def dialog(self, page: str) -> OpenDialog | None:
        """The dialog that is open in a page, if a client of the Worker has heard of it."""
        place = self._endpoint.instance, page.partition(".")[2]
        return self._browser.recorder.dialogs.of(place)

    def trouble(self, page: str) -> PageTrouble | None:
        """Why there are no new pictures of a page."""
        if page in self._crashed:
            return PageTrouble.CRASHED
        cast = self._casts.get(page)
        silent = cast is not None and 0 < cast.asked_at < self._loop.time() - SILENT_SECONDS
        return PageTrouble.SILENT if silent else None

    def act(self, page: str, picture: int, inputs: Sequence[BrowserInput]) -> bool:
        """Send input to a watched page; return whether it is one. Raise ``ViewRefused`` for a
        picture of what was there before, and while Chromium does not read.
        """
        cast = self._casts.get(page)
        if self._session is None or cast is None:
            return False
        answers = [given for given in inputs if isinstance(given, DialogInput)]
        if answers:
            self._answer(page, answers[0])
            return True
        seen = cast.seen(picture, self._loop.time())
        if seen is None or not cast.session or self._is_replaced(cast):
            raise ViewRefused(ViewRefusal.REPLACED)
        if self._session.is_full:
            raise ViewRefused(ViewRefusal.AWAY)
        for given in inputs:
            if not isinstance(given, DialogInput):
                method, params = command_of(given, seen.width, seen.height)
                self._session.send(method, params, cast.session)
        return True

    def close(self) -> None:
        """End the screencasts and the connection."""
        for page in list(self._casts):
            if self._session is not None:
                self._stop(self._session, page)
        self._task.cancel()

    # within

    async def _run(self) -> None:
        try:
            async with self._browser.session(self._endpoint, self._event) as session:
                session.send(
                    "Target.setDiscoverTargets", {"discover": True, "filter": [{"type": "page"}]}
                )
                self._session = session
                while not session.ended.done():
                    await asyncio.wait([session.ended], timeout=LOOK_SECONDS)
                    await self._look(session)
        except (HostFailed, DevtoolsFailed):
            pass  # it has ended, or does not answer; the next one is tried
        finally:
            self._session = None
            for cast in self._casts.values():
                cast.cancel()
            self._casts.clear()
            self.pages.clear()
            self._addresses.clear()
            self._crashed.clear()
            self._opened.clear()
            self.order.clear()
            self._on_pages()

    async def _look(self, session: DevtoolsSession) -> None:
        """Read the titles of all pages: Chromium does not always say that one has changed."""
        with suppress(DevtoolsFailed, *BAD_ANSWER):
            only_pages = {"filter": [{"type": "page"}]}
            for target in _targets(await session.ask("Target.getTargets", only_pages)).target_infos:
                self._show_page(target)

    def _answer(self, page: str, given: DialogInput) -> None:
        dialog = self.dialog(page)
        if dialog is None or dialog.number != given.number:
            raise ViewRefused(ViewRefusal.REPLACED)
        dialog.answer(given.text, accept=given.accept)

    async def _start(self, session: DevtoolsSession, cast: _Cast) -> None:
        """Start a screencast, again after a failure: the page may just be made, or does not answer
        because it works.
        """
        target = cast.page.partition(".")[2]
        cast.asked_at = self._loop.time()
        while True:
            try:
                cast.session = await session.attach(target)
                await session.ask("Page.startScreencast", _SCREENCAST, cast.session)
                break
            except DevtoolsFailed:
                self._detach(session, cast)
            await asyncio.sleep(_RETRY_SECONDS)
        while cast.session:
            await self._ask_page(session, cast)
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask_page(self, session: DevtoolsSession, cast: _Cast) -> None:
        """Ask something that the page itself answers, however long that takes."""
        cast.asked_at = self._loop.time()
        with suppress(DevtoolsFailed):  # an answer too
            await session.start("Page.getFrameTree", {}, cast.session, max_bytes=_ANSWER_BYTES)
        cast.asked_at = 0.0

    def _stop(self, session: DevtoolsSession, page: str) -> None:
        cast = self._casts.pop(page)
        cast.cancel()
        self._detach(session, cast)

    def _detach(self, session: DevtoolsSession, cast: _Cast) -> None:
        if cast.session:
            session.send("Page.stopScreencast", {}, cast.session)
            session.send("Target.detachFromTarget", {"sessionId": cast.session})
            cast.session = ""

    def _document(self, page: str) -> Hashable:
        """What a page shows: its address, and its document if the Worker's client hears of it."""
        latest = self._browser.recorder.document(self._endpoint.instance, page.partition(".")[2])
        return self._addresses.get(page), latest

    def _is_replaced(self, cast: _Cast) -> bool:
        return cast.document != self._document(cast.page)

    def _event(self, method: str, params: msgspec.Raw, session: str) -> None:
        read = _EVENTS.get(method)
        if read is not None:
            with suppress(*BAD_ANSWER):
                read(self, params, session)

    def _page_described(self, params: msgspec.Raw, session: str) -> None:
        if not session:
            self._show_page(_described(params).target_info)

    def _show_page(self, target: _ViewedTarget) -> None:
        if target.type != "page" or target.subtype:
            return
        page = self.id_of(target.target_id)
        known = page in self.pages
        if not known and (len(self.pages) >= MAX_PAGES or not _TARGET.fullmatch(target.target_id)):
            return
        if not known:
            self.order[page] = self._browser.recorder.order(
                self._endpoint.instance, target.target_id
            )
        if target.opener_id:
            self._opened.add(page)
        # another fragment is the same document
        self._addresses[page] = hash(target.url.partition("#")[0])
        described = ViewedPage(page, _line(target.title, MAX_TITLE), _line(target.url, MAX_URL))
        if self.pages.get(page) != described:
            self.pages[page] = described
            self._on_pages()

    def _page_destroyed(self, params: msgspec.Raw, session: str) -> None:
        page = self.id_of(_destroyed(params).target_id)
        if session or page not in self.pages:
            return
        del self.pages[page], self._addresses[page], self.order[page]
        self._crashed.pop(page, None)
        self._opened.discard(page)
        if page in self._casts:
            self._casts.pop(page).cancel()
        self._on_pages()

    def _page_crashed(self, params: msgspec.Raw, session: str) -> None:
        page = self.id_of(_destroyed(params).target_id)
        if not session and page in self.pages:
            self._crashed[page] = self._loop.time()
            self._on_pages()

    def _page_revived(self, _params: msgspec.Raw, session: str) -> None:
        cast = self._cast_of(session)
        if cast is not None:
            self._revive(cast.page)
            cast.document = None  # so that another screencast begins

    def _revive(self, page: str) -> None:
        if self._crashed.pop(page, None) is not None:
            self._on_pages()

    def _cast_of(self, session: str) -> _Cast | None:
        casts = self._casts.values()
        return next((one for one in casts if session and one.session == session), None)

    def _frame_arrived(self, params: msgspec.Raw, session: str) -> None:
        cast = self._cast_of(session)
        if cast is None or cast.timer is not None:
            return  # not asked for, or more than was acknowledged
        frame = _frame(params)
        now = self._loop.time()
        wait = max(0.0, cast.acknowledged_at + PICTURE_SECONDS - now)
        cast.timer = self._loop.call_later(wait, self._acknowledge, cast, frame.session_id)
        try:
            picture = _picture(cast.page, frame)
        except BadJpeg as error:
            self._on_dropped(str(error))
            return
        cast.show(picture, now)
        if self._crashed.get(cast.page, now) < now - _LATE_SECONDS:
            self._revive(cast.page)
        self._on_picture(picture)

    def _acknowledge(self, cast: _Cast, number: int) -> None:
        """Ask for the next picture."""
        cast.timer = None
        cast.acknowledged_at = self._loop.time()
        if self._session is not None:
            self._session.send("Page.screencastFrameAck", {"sessionId": number}, cast.session)


_Read = Callable[[ViewedBrowser, msgspec.Raw, str], None]
_EVENTS: dict[str, _Read] = {
    "Target.targetCreated": ViewedBrowser._page_described,
    "Target.targetInfoChanged": ViewedBrowser._page_described,
    "Target.targetDestroyed": ViewedBrowser._page_destroyed,
    "Target.targetCrashed": ViewedBrowser._page_crashed,
    "Inspector.targetReloadedAfterCrash": ViewedBrowser._page_revived,
    "Page.screencastFrame": ViewedBrowser._frame_arrived,
}


def _picture(page: str, frame: _CastFrame) -> Picture:
    """The picture of a frame. Raise ``BadJpeg``."""
    size = frame.metadata
    if not (1 <= size.device_width <= _MAX_SIDE and 1 <= size.device_height <= _MAX_SIDE):
        raise BadJpeg("is of a page without a possible size")
    if len(frame.data) > MAX_PICTURE // 3 * 4:
        raise BadJpeg(f"has more than {MAX_PICTURE // 1024} KiB")
    try:
        jpeg = binascii.a2b_base64(frame.data)
    except (binascii.Error, ValueError):
        raise BadJpeg("is not in base64") from None
    PICTURE_LIMIT.check(jpeg)
    return Picture(page, next(_numbers), jpeg, int(size.device_width), int(size.device_height))


def _line(text: str, limit: int) -> str:
    """A text of a page as one line of limited length."""
    return "".join(character if character.isprintable() else " " for character in text[:limit])

"""The live picture of a run's browser: its stream, one picture, and taking the browser over.

A picture is part of the message that announces it: the next request may reach another server
process. The stream waits for a browser until the run ends.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from fyke.api.event_stream import EventStream
from fyke.api.pictures import picture_file
from fyke.console import live
from fyke.console.forms import read_body
from fyke.console.page import ConsolePage
from fyke.console.pages.run_frame import AREA
from fyke.console.texts import gettext as _
from fyke.console.texts import use_language
from fyke.console.view import View
from fyke.contracts.browser_view import (
    MAX_INPUTS,
    MAX_MACHINE_WATCHERS,
    MAX_WATCHERS,
    MAX_WINDOWS,
    BrowserInput,
    BrowserWatch,
    Picture,
    ViewRefusal,
    ViewState,
)
from fyke.domain.runs.browser_views import NotViewable, OpenBrowser, RunBrowserViews
from fyke.domain.runs.service import Runs
from fyke.errors import (
    InvalidRequest,
    RateLimited,
    Refused,
    RunNotFound,
    SessionEnded,
    Unavailable,
    UserDisabled,
)

MAX_BODY = 48 * 1024  # bytes; a request to the gateway must fit into a packet
STREAM_SECONDS = 600.0  # then the browser reconnects
STREAMS_PER_SESSION = 10
WAIT_SECONDS = 2.0  # at least from one look for a browser, or for room, to the next
LIST_SECONDS = 5.0
_MAX_ID = 100  # characters of the id of an attempt or a page
_RETRY = b"retry: 1000\n\n"


class _Posted(msgspec.Struct, forbid_unknown_fields=True):
    attempt: str
    page: str
    picture: int
    inputs: list[BrowserInput]


_decode = msgspec.json.Decoder(_Posted).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class RunBrowserLivePages:
    views: RunBrowserViews
    runs: Runs
    open: dict[str, int] = field(default_factory=dict)

    def pages(self) -> list[ConsolePage]:
        at = "/runs/{id}/browser"
        return [
            ConsolePage("GET", f"{at}/live", self.live, area=AREA, part=True),
            ConsolePage("GET", f"{at}/picture", self.picture, area=AREA, part=True),
            ConsolePage("POST", f"{at}/take-over", self.take_over, area=AREA, form_bytes=2**12),
            ConsolePage("POST", f"{at}/give-back", self.give_back, area=AREA, form_bytes=2**12),
            ConsolePage("POST", f"{at}/input", self.input, area=AREA, form_bytes=0, part=True),
        ]

    async def live(self, view: View) -> Response:
        await self.runs.get(view.caller, view.param("id"))
        session = view.signed_in.session_id if view.signed_in else ""
        if self.open.get(session, 0) >= STREAMS_PER_SESSION:
            raise RateLimited(5)
        self.open[session] = self.open.get(session, 0) + 1

        def closed() -> None:
            self.open[session] -= 1
            if not self.open[session]:
                del self.open[session]

        return EventStream(_LiveStream(self, view).messages(), closed)

    async def picture(self, view: View) -> Response:
        attempt = view.query.get("attempt", "")
        picture = await self.views.picture(view.caller, view.param("id"), attempt_id=attempt)
        return picture_file(picture.jpeg)

    async def take_over(self, view: View) -> Response:
        attempt = view.form.get("attempt")
        await self.views.take_over(view.caller, view.param("id"), attempt)
        return view.go(_address(view), _("You have taken over the browser."))

    async def give_back(self, view: View) -> Response:
        attempt = view.form.get("attempt")
        try:
            await self.views.give_back(view.caller, view.param("id"), attempt)
        except Refused:  # it ended meanwhile
            return view.go(
                f"/runs/{view.param('id')}/browser", _("The browser was closed."), "warn"
            )
        return view.go(_address(view), _("You have given the browser back."))

    async def input(self, view: View) -> Response:
        body = await read_body(view.request, MAX_BODY)
        try:
            posted = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"the input cannot be read: {error}") from None
        if len(posted.inputs) > MAX_INPUTS:
            raise InvalidRequest(f"has more than {MAX_INPUTS} entries", field="inputs")
        await self.views.act(
            view.caller,
            view.param("id"),
            posted.attempt,
            posted.page,
            posted.picture,
            posted.inputs,
        )
        return Response(status_code=204)


def _address(view: View) -> str:
    """The live picture of the attempt and the page that a form names."""
    chosen = {name: view.form.get(name)[:_MAX_ID] for name in ("attempt", "page")}
    query = urlencode({name: value for name, value in chosen.items() if value})
    return f"/runs/{view.param('id')}/browser?{query}#live-browser"


class _LiveStream:
    """The stream of one open page."""

    def __init__(self, pages: RunBrowserLivePages, view: View) -> None:
        self._pages = pages
        self._view = view
        self._run_id = view.param("id")
        self._attempt = view.query.get("attempt", "")
        self._page = view.query.get("page", "")
        self._said = ""

    async def messages(self) -> AsyncGenerator[bytes, None]:
        until = monotonic() + STREAM_SECONDS
        yield _RETRY
        try:
            while monotonic() < until:
                browsers = await self._browsers()
                if browsers is None:
                    yield live.END
                    return
                if not browsers:
                    yield self._notice(ViewRefusal.NO_PAGE)
                    await asyncio.sleep(WAIT_SECONDS)
                    continue
                began = monotonic()
                async for message in self._of_browser(browsers, until):
                    yield message
                await asyncio.sleep(max(0.0, began + WAIT_SECONDS - monotonic()))
        except RunNotFound:  # deleted meanwhile
            yield live.END
        except (SessionEnded, UserDisabled):
            pass  # the browser hears of it when it connects again

    async def _browsers(self) -> tuple[OpenBrowser, ...] | None:
        """The open browsers; None when the run is over."""
        browsers = await self._pages.views.open_browsers(self._view.caller, self._run_id)
        if browsers:
            return browsers
        run_view = await self._pages.runs.get(self._view.caller, self._run_id)
        return None if run_view.run.state.terminal else ()

    async def _of_browser(
        self, browsers: tuple[OpenBrowser, ...], until: float
    ) -> AsyncGenerator[bytes, None]:
        """Messages of the chosen browser, or else the latest one, until it ends."""
        attempts = [browser.attempt_id for browser in browsers]
        attempt = self._attempt if self._attempt in attempts else attempts[-1]
        try:
            watch = await self._pages.views.watch(
                self._view.caller, self._run_id, attempt, self._page
            )
        except NotViewable as refused:
            yield self._notice(refused.refusal, refused.name)
        except Unavailable:
            yield self._notice(ViewRefusal.AWAY)
        except Refused:
            yield self._notice(ViewRefusal.NO_PAGE)
        else:
            try:
                async for message in self._of_watch(watch, attempt, browsers, until):
                    yield message
            finally:
                watch.close()

    async def _of_watch(
        self, watch: BrowserWatch, attempt: str, browsers: tuple[OpenBrowser, ...], until: float
    ) -> AsyncGenerator[bytes, None]:
        state = ViewState()
        listed_at = monotonic()
        while (update := await watch.next(LIST_SECONDS)) is not None and monotonic() < until:
            listed = browsers
            if monotonic() - listed_at >= LIST_SECONDS:
                listed_at = monotonic()
                listed = await self._browsers() or browsers
            if update.state is not None or listed != browsers:
                state, browsers = update.state or state, listed
                yield self._state(state, attempt, browsers)
            if update.picture is not None:
                yield _picture(update.picture)
            elif update.state is None:
                yield live.comment()

    def _state(self, state: ViewState, attempt: str, browsers: tuple[OpenBrowser, ...]) -> bytes:
        self._said = ""
        names = {browser.attempt_id: str(browser.ordinal + 1) for browser in browsers}
        return _event(
            "state", {**asdict(state), "attempt": attempt, "attempts": list(names.items())}
        )

    def _notice(self, refusal: ViewRefusal, name: str = "") -> bytes:
        """Why there is no picture; a comment when that was said already."""
        with use_language(self._view.language):
            text = _texts(name)[refusal]
        if text == self._said:
            return live.comment()
        self._said = text
        return _event("notice", {"text": text})


def _texts(name: str) -> dict[ViewRefusal, str]:
    if name:
        elsewhere = _(
            "This browser runs on the machine %(name)s. Only that machine shows its live picture."
        ) % {"name": name}
    else:
        elsewhere = _(
            "This browser runs on another machine. Only that machine shows its live picture."
        )
    return {
        ViewRefusal.ELSEWHERE: elsewhere,
        ViewRefusal.FULL: _("%(count)s users are watching this browser already.")
        % {"count": MAX_WATCHERS},
        ViewRefusal.WINDOWS: _("You are watching this browser in %(count)s windows already.")
        % {"count": MAX_WINDOWS},
        ViewRefusal.MACHINE_FULL: _("%(count)s users are watching browsers on this machine.")
        % {"count": MAX_MACHINE_WATCHERS},
        ViewRefusal.NO_PAGE: _("No browser is open. Its picture appears when one is opened."),
        ViewRefusal.AWAY: _("The node, or the process that serves browsers, does not answer."),
        ViewRefusal.TAKEN: _("Another user has taken over this browser."),
        ViewRefusal.REPLACED: _("The page has changed: the input was not sent."),
        ViewRefusal.NOT_TAKEN: _("You have not taken over this browser, or no longer control it."),
    }


def _picture(picture: Picture) -> bytes:
    """A message of about a third more bytes than the picture."""
    jpeg = base64.b64encode(picture.jpeg).decode()
    return _event("picture", {"page": picture.page, "number": picture.number, "jpeg": jpeg})


def _event(kind: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), _encode(data))

"""A gateway whose live views are served, and a Chromium with pages that a test writes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from fyke.browser.gateway import Gateway
from fyke.browser.limits import GatewayLimits
from fyke.browser.messages import Noted
from fyke.browser.view_client import ViewClient
from fyke.browser.view_sessions import LiveViews, ViewSession
from fyke.contracts.browser import BrowserProgram, GatewayGrant
from fyke.contracts.browser_view import BrowserWatch, Picture, ViewState
from fyke.kit.requests import ClosableSession, serve_clients
from support.browser_hosts import ScriptedHost
from support.browser_place import ATTEMPT, SECRET, Chromium, Client, Place
from support.devtools import Devtools
from support.egress import listener, port_of
from support.jpegs import jpeg

NODE = "node"


class ViewedPages(Devtools):
    """One DevTools connection to a Chromium with ``pages``: title and URL by target."""

    def __init__(
        self, writer: asyncio.StreamWriter, pages: dict[str, tuple[str, str]], first: bytes
    ) -> None:
        super().__init__(writer)
        self.pages = pages
        self.first = first  # the picture with which a screencast begins
        self.frame_number = 0

    def answer(self, command: dict[str, Any]) -> None:
        method, params = command["method"], command["params"]
        if method == "Target.attachToTarget":
            self.results[method] = {"sessionId": f"S-{params['targetId']}"}
        super().answer(command)
        if method == "Target.setDiscoverTargets":
            for target in self.pages:
                self.tell(target)
        elif method == "Page.startScreencast":
            data = base64.b64encode(self.first).decode()
            self.raw_frame(command["sessionId"].removeprefix("S-"), data)

    def moved(self, target: str, url: str) -> None:
        """Say that a page has another address now."""
        self.pages[target] = (self.pages[target][0], url)
        self.tell(target, "Target.targetInfoChanged")

    def tell(self, target: str, method: str = "Target.targetCreated") -> None:
        title, url = self.pages[target]
        info = {"targetId": target, "type": "page", "title": title, "url": url}
        self.say(method, targetInfo=info)

    def frame(self, target: str, text: str, width: float = 800, height: float = 600) -> None:
        self.raw_frame(target, base64.b64encode(jpeg(text)).decode(), width, height)

    def raw_frame(self, target: str, data: str, width: float = 800, height: float = 600) -> None:
        self.frame_number += 1
        metadata = {"deviceWidth": width, "deviceHeight": height}
        number = self.frame_number
        self.say(
            "Page.screencastFrame", f"S-{target}", data=data, metadata=metadata, sessionId=number
        )


class ViewedPlace(Place):
    """``pages`` are those of the Chromium and ``results`` its answers by method; ``connections``
    are the DevTools connections to it, the Worker's first.
    """

    def __init__(self, gateway: Gateway, port: int, attempt: str) -> None:
        super().__init__(gateway, port)
        self.attempt = attempt
        self.pages: dict[str, tuple[str, str]] = {"T1": ("One", "https://a.example/1")}
        self.results: dict[str, Any] = {}
        self.first = jpeg("first")
        self.connections: list[ViewedPages] = []
        self.views: ViewClient
        self.live: LiveViews

    def attach(self, host: ScriptedHost) -> None:
        self.generation += 1
        shell = BrowserProgram.HEADLESS_SHELL
        self.gateway.attach(self.attempt, host.theirs, self.generation, shell, own_sandbox=True)

    async def open_browser(self) -> tuple[Client, ScriptedHost]:
        """Connect as a Worker does; its connection keeps the browser."""
        host = await self.attached(Chromium(serve_socket=self._serve))
        return await self.websocket(), host

    @property
    def viewing(self) -> list[ViewedPages]:
        """The connections of live views."""
        return [one for one in self.connections if one.sent("Target.setDiscoverTargets")]

    @property
    def log(self) -> list[str]:
        return [notice.text for notice in self.notices if isinstance(notice, Noted)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pages = ViewedPages(writer, self.pages, self.first)
        pages.results = self.results
        self.connections.append(pages)
        await pages.serve(reader)


@asynccontextmanager
async def viewed_place(folder: Path, attempt: str = ATTEMPT) -> AsyncIterator[ViewedPlace]:
    gateway = Gateway(GatewayLimits(keep_seconds=0.0))
    sock = listener()
    made = ViewedPlace(gateway, port_of(sock), attempt)
    await gateway.open([sock], GatewayGrant(attempt, SECRET), made.notify)
    made.live = LiveViews(gateway)
    sessions: set[ClosableSession] = set()
    path, ready = folder / "browser-view.sock", asyncio.Event()
    (folder / "node").write_text(NODE)
    made.views = ViewClient(path, folder / "node")
    serving = asyncio.create_task(
        serve_clients(
            path, lambda one: ViewSession(one, made.live, sessions.discard), sessions, ready
        )
    )
    try:
        async with asyncio.timeout(60), made.stack:
            await ready.wait()
            yield made
    finally:
        made.live.stop()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        gateway.stop()


_passed: WeakKeyDictionary[BrowserWatch, Picture] = WeakKeyDictionary()


async def next_state(watch: BrowserWatch) -> ViewState:
    """The next state, which is at most a minute away. The last picture until then, or with it, is
    kept for ``next_picture``: of a page that does not change there is no other.
    """
    while (update := await watch.next(60)) is not None:
        if update.picture is not None:
            _passed[watch] = update.picture
        if update.state is not None:
            return update.state
    raise AssertionError("the attempt has ended")


async def next_picture(watch: BrowserWatch) -> Picture:
    if (passed := _passed.pop(watch, None)) is not None:
        return passed
    while (update := await watch.next(60)) is not None:
        if update.picture is not None:
            return update.picture
    raise AssertionError("the attempt has ended")

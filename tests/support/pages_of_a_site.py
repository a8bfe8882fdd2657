"""A Chromium with pages that the gateway takes, written by a test."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fyke.browser.attached import AttachedBrowser
from fyke.browser.page_keeper import PageKeeper
from fyke.browser.websocket import text_frame
from fyke.model.last_page import TakenPage
from support.browser_place import ATTEMPT, Chromium, Client, Place, place, read_message
from support.jpegs import jpeg

JPEG = jpeg("picture")
PICTURE_COMMAND = "Page.captureScreenshot"


class Site:
    """A Chromium with pages; ``log`` has the methods of all its connections, in order. ``answers``
    replace its own; None: it does not answer; bytes: JSON that may not be valid.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.params: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.named: dict[str, str] = {}  # addresses of targets
        self.html = "<html>shown</html>"
        self.writers: list[asyncio.StreamWriter] = []
        self.ends: list[tuple[int, int]] = []  # connections, and the length of the log then
        self.targets = [
            {"targetId": "W", "type": "worker", "url": "https://a.example/w.js", "title": ""},
            {"targetId": "B", "type": "page", "url": "about:blank", "title": ""},
            {"targetId": "P", "type": "page", "url": "https://a.example/", "title": "Shop"},
        ]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while True:
            try:
                command = json.loads(await read_message(reader))
            except asyncio.IncompleteReadError:
                self.ends.append((self.writers.index(writer), len(self.log)))
                return
            method = command["method"]
            self.log.append(method)
            self.params.append(command.get("params", {}))
            result = self.answers.get(method, self._result(method, command.get("params", {})))
            url = self.named.get(command.get("params", {}).get("targetId", ""))
            if method == "Target.getTargetInfo" and url:
                result = {"targetInfo": self.targets[-1] | {"url": url}}
            if isinstance(result, bytes):
                writer.write(text_frame(b'{"id":%d,"result":%s}' % (command["id"], result)))
            elif result is not None:
                self.write(writer, {"id": command["id"], "result": result})

    def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        types = [wanted["type"] for wanted in params.get("filter", [])]
        targets = [one for one in self.targets if not types or one["type"] in types]
        of_method = {
            "Target.getTargets": {"targetInfos": targets},
            "Target.attachToTarget": {"sessionId": "G"},
            "Target.getTargetInfo": {"targetInfo": self.targets[-1]},
            "DOM.getDocument": {"root": {"nodeId": 1}},
            "DOM.getOuterHTML": {"outerHTML": self.html},
            PICTURE_COMMAND: {"data": base64.b64encode(JPEG).decode()},
        }
        return of_method.get(method, {})

    def write(self, writer: asyncio.StreamWriter, message: object) -> None:
        writer.write(text_frame(json.dumps(message, separators=(",", ":")).encode()))

    def opened(self, target: str = "P", url: str = "https://a.example/", loader: str = "L") -> None:
        """Tell the client that a page with a session of the same name shows a document."""
        info = {"targetId": target, "type": "page", "title": "", "url": ""}
        self.say("Target.attachedToTarget", sessionId=f"S{target}", targetInfo=info)
        frame = {"id": "F", "loaderId": loader, "url": url}
        self.say("Page.frameNavigated", f"S{target}", frame=frame)

    def say(self, method: str, session: str = "", /, **params: object) -> None:
        event = {"method": method, "params": params} | ({"sessionId": session} if session else {})
        self.write(self.writers[0], event)

    def attached(self) -> list[str]:
        """The targets that were taken."""
        calls = zip(self.log, self.params, strict=True)
        return [params["targetId"] for name, params in calls if name == "Target.attachToTarget"]


class Shop:
    """An attempt with a client on one page."""

    def __init__(self, gateway: Place, site: Site, client: Client) -> None:
        self.gateway, self.site, self.client = gateway, site, client
        self.number = 0

    @property
    def browser(self) -> AttachedBrowser:
        browser = self.gateway.gateway._attempts[ATTEMPT].browser
        assert browser is not None
        return browser

    @property
    def keeper(self) -> PageKeeper:
        keeper = self.browser.recorder.keeper
        assert keeper is not None
        return keeper

    async def open(self, target: str = "P", **more: str) -> None:
        """Let the gateway hear of a page; the client reads what the site has said."""
        self.site.opened(target, **more)
        await self.client.hear()
        await self.client.hear()

    async def say(self, method: str, session: str = "", /, **params: object) -> None:
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        await self.client.say(command | ({"sessionId": session} if session else {}))
        await self.client.hear()

    async def last(self) -> TakenPage | None:
        return await self.gateway.gateway.finish(ATTEMPT)


@asynccontextmanager
async def shop(*, keep: bool = True) -> AsyncIterator[Shop]:
    site = Site()
    async with place(keep=keep) as gateway:
        await gateway.attached(Chromium(serve_socket=site.serve))
        yield Shop(gateway, site, await gateway.websocket())

"""A served console with a running run whose attempt has a gateway, and maybe a browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from fyke.domain.runs.service import StartRequest
from fyke.model.attempt import AttemptReport
from fyke.model.browser import BrowserReport
from fyke.model.run import Origin
from fyke.model.runner import AttemptUsage, Lease
from support.browser_views import ViewedPlace, viewed_place
from support.pages import sign_in
from support.served import Served, served

OPEN = BrowserReport(starts=1, is_open=True)
USED = AttemptUsage(browser_ms=1000, browser_version="headless-shell 156.0.1.2")


@dataclass
class LiveBrowserRun:
    """A run whose attempt has a gateway, and maybe a browser."""

    server: Served
    folder: Path
    run: str = ""
    lease: Lease = field(init=False)
    place: ViewedPlace = field(init=False)

    def client(self, user_id: str | None = None) -> httpx2.Client:
        app = self.server.app
        token = self.server.do(sign_in(app.services.sessions, app, user_id))
        cookies = {"fyke_session": token}
        return httpx2.Client(base_url=self.server.base_url, cookies=cookies, timeout=20)

    def start(self) -> None:
        app = self.server.app
        worker = self.server.do(app.publish()).id
        body = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}
        request = StartRequest(worker, None, body, "", Origin.WEB)
        self.run = self.server.do(app.services.runs.start(app.owner, request)).id
        [self.lease] = self.server.do(app.begin())
        self.server.do(
            app.attempts.reserve_browser(
                self.lease.attempt.key, self.lease.attempt.runner_id, 1.0, 1024
            )
        )

    @property
    def at(self) -> str:
        return f"/runs/{self.run}/browser"

    @property
    def attempt(self) -> str:
        return self.lease.attempt.id

    def open_browser(self) -> None:
        self.server.do(self.place.open_browser())
        report = AttemptReport(self.lease.attempt.key, USED, browser=OPEN)
        self.server.do(self.server.app.attempts.report([report], 60_000))

    async def serve(self, ready: asyncio.Event, stop: asyncio.Event) -> None:
        async with viewed_place(self.folder, self.attempt) as self.place:
            ready.set()
            await stop.wait()


@contextmanager
def live_browser_run(folder: Path, templates: Path) -> Iterator[LiveBrowserRun]:
    with served(folder, templates, rate_limit=0) as server:
        server.do(server.app.register_runner())
        live = LiveBrowserRun(server, folder)
        live.start()
        ready, stop = asyncio.Event(), asyncio.Event()
        serving = asyncio.run_coroutine_threadsafe(live.serve(ready, stop), server.loop)
        server.do(ready.wait())
        try:
            yield live
        finally:
            server.loop.call_soon_threadsafe(stop.set)
            serving.result(30)

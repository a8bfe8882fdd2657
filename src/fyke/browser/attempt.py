"""The gateway of one attempt: its listeners, its connections, and the browser they wait for."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from fyke.browser.attached import AttachedBrowser
from fyke.browser.limits import GatewayLimits
from fyke.browser.messages import Acted, Ended, Noted, Notice, Started, Wanted
from fyke.browser.page_keeper import PageKeeper
from fyke.browser.requests import BrowserRequest, wrong_credentials
from fyke.browser.streams import ByteStream
from fyke.contracts.browser import (
    BrowserEndCause,
    BrowserForm,
    BrowserProgram,
    GatewayGrant,
    browser_budget,
)
from fyke.kit.start_budget import TooManyStarts
from fyke.model.last_page import TakenPage

_log = logging.getLogger(__name__)

_MAX_DROPPED_LINES = 100
_BUSY = "the browser did not start in time; try again"


class BrowserUnavailable(Exception):
    """A connection gets no browser; ``status``, text and ``retry_after`` are the answer."""

    def __init__(self, status: int, text: str, retry_after: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class StandingRefusal:
    """The runner's answer, and until when it stands in the time of the loop; None: for ever."""

    answer: BrowserUnavailable
    until: float | None


class AttemptGateway:
    """``notify`` gets what the runner must know; ``serve`` starts to serve a new connection."""

    def __init__(
        self,
        grant: GatewayGrant,
        limits: GatewayLimits,
        notify: Callable[[Notice], None],
        serve: Callable[[AttemptGateway, ByteStream], asyncio.Task[None]],
    ) -> None:
        self.limits = limits
        self.browser: AttachedBrowser | None = None
        self.room = asyncio.Semaphore(limits.large)
        self.keeper = PageKeeper() if grant.keep else None
        self._grant = grant
        self._notify = notify
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._connections: dict[asyncio.Task[None], ByteStream] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._wanted = False
        self._refusal: StandingRefusal | None = None
        self._notes: set[str] = set()
        self._launches = browser_budget()
        self._drivers = 0  # relays of chromedriver so far
        self._dropped: set[str] = set()  # names of arguments that were reported
        self._dropped_lines = 0
        self._closed = False
        self.before_close: Callable[[bool], None] | None = None
        """Called while notes still arrive, with ``final`` of ``close``."""
        self._error_logged = False

    @property
    def attempt_id(self) -> str:
        return self._grant.attempt_id

    # for the runner

    async def listen(self, listeners: Sequence[socket.socket]) -> None:
        """Serve and own the listeners."""
        for listener in listeners:
            listener.setblocking(False)
            self._listeners.append(listener)
            self._servers.append(
                await self._loop.create_server(
                    lambda: ByteStream(self._accepted), sock=listener, backlog=128
                )
            )

    def attach(
        self,
        control: socket.socket,
        generation: int,
        program: BrowserProgram,
        *,
        own_sandbox: bool,
        display: bool = False,
    ) -> None:
        """Own and use a browser sandbox. Raise ``ValueError`` while another is in use."""
        if self._closed or self.browser is not None:
            raise ValueError("the attempt has a browser already, or is closed")
        if self._grant.block:
            names = ", ".join(self._grant.block)
            self.note("block", f"The run does not load {names}: the browser blocks such requests.")
        self._wanted, self._refusal = False, None
        self.browser = AttachedBrowser(
            control,
            generation,
            program,
            self.limits,
            own_sandbox=own_sandbox,
            block=self._grant.block,
            display=display,
            on_started=lambda: self._notify(Started(self.attempt_id, generation)),
            on_over=lambda cause, detail: self._browser_over(generation, cause, detail),
            on_dropped=self._arguments_dropped,
            on_crashed=lambda: self._launches.count(self._loop.time()),
            on_activity=lambda activity: self._notify(Acted(self.attempt_id, generation, activity)),
            keeper=self.keeper,
            on_note=self.note,
        )
        if self._waiting:
            self.browser.expect_use()
        else:
            self.browser.settle()  # the connections that wanted it have gone
        self._wake()

    def refuse(self, answer: BrowserUnavailable) -> None:
        """Answer those who wait, and for ``retry_after`` seconds or for ever those who come."""
        until = self._loop.time() + answer.retry_after if answer.retry_after else None
        self._wanted = False
        self._refusal = StandingRefusal(answer, until)
        self._wake()

    async def finish(self) -> TakenPage | None:
        """The last page of the attempt; None if there is nothing, or nothing is to be kept."""
        return None if self.keeper is None else await self.keeper.finish(self.browser)

    def close(self, *, final: bool) -> None:
        """End everything. ``final`` also shuts the listening sockets down in every process."""
        if self.before_close is not None:
            self.before_close(final)
        self._closed = True
        for listener in self._listeners:
            if final:
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
        for server in self._servers:
            server.close()
        for task, stream in list(self._connections.items()):
            task.cancel()
            stream.abort()
        if self.browser is not None:
            self.browser.close()
            self.browser = None

    # for connections

    def log_error(self, error: Exception) -> None:
        """Log an unexpected error, only the first one of the attempt."""
        if not self._error_logged:
            self._error_logged = True
            _log.error("a connection of attempt %s failed", self.attempt_id, exc_info=error)

    def allows(self, request: BrowserRequest) -> bool:
        """Whether the request has no credentials, or those of the attempt."""
        return not wrong_credentials(request, self._grant.attempt_id, self._grant.secret)

    def note(self, code: str, text: str) -> None:
        """Report something to the user, once for each code."""
        if code not in self._notes:
            self._notes.add(code)
            self._notify(Noted(self.attempt_id, code, text))

    def next_driver(self) -> int:
        """A number for a relay of chromedriver, counted from 1."""
        self._drivers += 1
        return self._drivers

    def check_launches(self) -> None:
        """Raise ``BrowserUnavailable`` when too many browsers that programs of the Worker have
        launched ended by themselves.
        """
        try:
            self._launches.check(self._loop.time())
        except TooManyStarts as error:
            self.note("browser_starts", f"The Worker gets no browser: {error}.")
            raise BrowserUnavailable(503, str(error), error.retry_after) from None

    async def sandbox(self, form: BrowserForm) -> AttachedBrowser:
        """The attempt's browser sandbox; wait for one if there is none. Raise
        ``BrowserUnavailable``.

        Chromium may not run in it yet. Enter ``used`` before anything is awaited.
        """
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                while self.browser is None or self.browser.is_over:
                    self._raise_refusal()
                    async with self._change():  # before ``notify``, which may change it at once
                        if not self._wanted:
                            self._wanted = True
                            self._notify(Wanted(self.attempt_id, form))
        except TimeoutError:
            raise BrowserUnavailable(503, _BUSY, 5) from None
        return self.browser

    # within

    def _raise_refusal(self) -> None:
        refusal = self._refusal
        if refusal is None:
            return
        if refusal.until is not None and refusal.until <= self._loop.time():
            self._refusal = None
            return
        raise BrowserUnavailable(
            refusal.answer.status, str(refusal.answer), refusal.answer.retry_after
        )

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[None]:
        """Wait at the end of the block until something has changed since its start."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(future)
        try:
            yield
            await future
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _arguments_dropped(self, names: list[str]) -> None:
        """Report each name once, and a proxy of its own for every browser."""
        new = [name for name in names if name not in self._dropped or name.startswith("proxy-")]
        if not new or self._dropped_lines == _MAX_DROPPED_LINES:
            return
        self._dropped.update(new)
        self._dropped_lines += 1
        text = f"The browser was started without these arguments of the Worker: {', '.join(new)}"
        self.note(f"dropped {self._dropped_lines}", text)

    def _browser_over(self, generation: int, cause: BrowserEndCause, detail: str) -> None:
        self.browser = None
        self._notify(Ended(self.attempt_id, generation, cause, detail))
        self._wake()

    def _accepted(self, stream: ByteStream) -> None:
        if self._closed or len(self._connections) >= self.limits.connections:
            stream.abort()
            self.note(
                "browser_connections",
                f"More than {self.limits.connections} connections to the browser at once: "
                "further ones were closed",
            )
            return
        task = self._serve(self, stream)
        self._connections[task] = stream
        task.add_done_callback(self._connection_ended)

    def _connection_ended(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]

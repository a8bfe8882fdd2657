"""One connection of a Worker to its browser port: its requests, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from fyke.browser.attached import AttachedBrowser
from fyke.browser.attempt import AttemptGateway, BrowserUnavailable
from fyke.browser.endpoints import BadAnswer, read_answer, rewrite
from fyke.browser.event_reader import EventReader
from fyke.browser.host import DevtoolsEndpoint, HostFailed
from fyke.browser.page_holds import PageHold
from fyke.browser.relay import MessageRelay
from fyke.browser.requests import (
    JSON,
    NO_REQUEST,
    TEXT,
    BrowserRequest,
    UnusableRequest,
    accepted_upgrade,
    answer,
    answer_head,
    may_begin_request,
    parse_request,
    request_to_chromium,
    upgrade_to_chromium,
)
from fyke.browser.routes import BrowserRoute, RouteKind, find_route
from fyke.browser.streams import ByteStream, StreamEnded, TooLong
from fyke.browser.taps import Taps, standard_taps
from fyke.contracts.browser import BrowserForm

_TRIES = 3  # connections to a Chromium that ends meanwhile
_ERROR_BYTES = 64 * 1024
_SMALL = 64 * 1024  # bytes of a body that need no room
_CLOSE = "/json/close/"

T = TypeVar("T")
_NO_ROOM = "other requests of this attempt are in the way; send fewer large ones at once"
_NO_CAMOUFOX = {
    "error": "camoufox is not available on this Fyke",
    "message": "its client drives only its own patched Firefox; use ChromeWs",
}


class ExtraRoutes(Protocol):
    """Requests that another module serves. ``serve`` answers with ``GatewayConnection.answer`` or
    ``GatewayConnection.tunnel``.
    """

    def matches(self, request: BrowserRequest) -> bool: ...
    async def serve(
        self, request: BrowserRequest, connection: GatewayConnection, attempt: AttemptGateway
    ) -> None: ...


class GatewayConnection:
    """Serves a connection until it ends. ``UnusableRequest``, ``BrowserUnavailable``,
    ``HostFailed`` and ``BadAnswer`` that a route raises become answers.
    """

    def __init__(
        self, attempt: AttemptGateway, stream: ByteStream, routes: Sequence[ExtraRoutes] = ()
    ) -> None:
        self._attempt = attempt
        self._stream = stream
        self._routes = routes
        self._keep = True  # whether another request may follow
        self._unread_body = 0
        self._has_room = False  # for a large body or answer
        self._upgraded = False

    async def serve(self) -> None:
        """Serve requests until either side ends the connection."""
        limits = self._attempt.limits
        seconds = limits.head_seconds
        try:
            while self._keep:
                async with asyncio.timeout(seconds):
                    if not may_begin_request(await self._stream.first_byte()):
                        self._stream.write(answer(400, NO_REQUEST))
                        return
                    head = await self._stream.read_until(b"\r\n\r\n", limits.head_bytes)
                await self._serve_request(head)
                async with asyncio.timeout(limits.answer_seconds):
                    await self._stream.drain()  # what the client does not read is not answered
                await asyncio.sleep(0)  # for the other connections
                seconds = limits.idle_seconds
        except (StreamEnded, TimeoutError):
            pass
        except TooLong:
            text = f"the head of the request has more than {limits.head_bytes} bytes"
            self._stream.write(answer(400, text))
        finally:
            await self._stream.finish(limits.close_seconds)

    # for routes

    @asynccontextmanager
    async def browser(self, form: BrowserForm) -> AsyncIterator[AttachedBrowser]:
        """The attempt's browser sandbox, which is kept meanwhile. Raise ``BrowserUnavailable``, or
        ``StreamEnded`` when the client does not wait for it.
        """
        while True:
            browser = await self.while_present(self._attempt.sandbox(form))
            with browser.used():
                if not browser.is_over:  # it may have ended before the wait for it did
                    yield browser
                    return

    async def read_body(self, limit: int = 0) -> bytes:
        """The body of the request, of at most ``limit`` bytes or those of ``GatewayLimits``. Call
        ``body_done`` when it is not needed any more: few large ones are in memory at once. Raise
        ``UnusableRequest``, ``BrowserUnavailable``.
        """
        limits = self._attempt.limits
        limit = limit or limits.body_bytes
        if self._unread_body > limit:
            raise UnusableRequest(f"the body has more than {limit} bytes", 413)
        if self._unread_body > _SMALL:
            await self._take_room()
        async with asyncio.timeout(limits.idle_seconds):
            body = await self._stream.read_exactly(self._unread_body)
        self._unread_body = 0
        return body

    def body_done(self) -> None:
        """Let another large request be read, before this one is answered."""
        if self._has_room:
            self._has_room = False
            self._attempt.room.release()

    def answer(
        self, status: int, body: bytes | str, media_type: str = TEXT, *, retry_after: int = 0
    ) -> None:
        """Answer the request; the connection goes on if client and answer allow it."""
        failed = status >= 400 and media_type != JSON  # WebDriver's errors are JSON
        self._keep = self._keep and not self._unread_body and not failed
        self._stream.write(
            answer(status, body, media_type, keep_alive=self._keep, retry_after=retry_after)
        )

    async def answer_from(
        self, status: int, size: int, media_type: str, source: ByteStream
    ) -> None:
        """Answer with the next ``size`` bytes of another connection. The client's connection ends
        when that one ends before.
        """
        self._keep = self._keep and not self._unread_body
        self._stream.write(answer_head(status, size, media_type, keep_alive=self._keep))
        while size:
            part = await self.while_present(source.read(size))
            if not part:
                raise StreamEnded
            size -= len(part)
            self._stream.write(part)
            await self._stream.drain()

    @property
    def has_ended(self) -> bool:
        """Whether the client has ended the connection."""
        return self._stream.gone.done()

    async def closed(self) -> None:
        """Wait until the client has ended the connection."""
        await self._stream.gone

    async def while_present(self, waiting: Awaitable[T]) -> T:
        """Wait for something, unless the client ends the connection. Raise ``StreamEnded``."""
        task: asyncio.Future[Any] = asyncio.ensure_future(waiting)
        futures: set[asyncio.Future[Any]] = {task, self._stream.gone}
        try:
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise StreamEnded
            result: T = task.result()
            return result
        finally:
            task.cancel()

    async def devtools(
        self,
        request: BrowserRequest,
        route: BrowserRoute,
        browser: AttachedBrowser,
        endpoint: DevtoolsEndpoint,
    ) -> None:
        """Serve a route with a Chromium. Raise ``HostFailed`` or ``BadAnswer`` when there is no
        answer of it.
        """
        if route.kind is RouteKind.JSON:
            _, closes, page = route.target.rpartition(_CLOSE)
            if closes and self._attempt.keeper is not None:
                await self._attempt.keeper.before_close(browser, endpoint.instance, page)
            await self._json(request, route, browser, endpoint)
        else:
            close = None if route.target else partial(browser.closes, endpoint.instance)
            path = route.target or endpoint.path
            page = route.target.rpartition("/")[2] if route.kind is RouteKind.PAGE else ""
            look = EventReader(browser.recorder, endpoint.instance, page)
            taps = standard_taps(close)
            hold = self.hold(browser, endpoint.instance, look.target_of)
            taps = hold.taps(taps) if hold is not None else taps
            await self.tunnel(request, browser, endpoint.port, path, Taps(taps), look, hold)

    def hold(
        self,
        browser: AttachedBrowser,
        instance: int,
        target_of: Callable[[str], str] = lambda session: "",
    ) -> PageHold | None:
        """What takes pages before the client closes them; None if none are kept."""
        keeper = self._attempt.keeper
        return None if keeper is None else PageHold(keeper, browser, instance, target_of)

    async def tunnel(
        self,
        request: BrowserRequest,
        browser: AttachedBrowser,
        port: int,
        path: str,
        taps: Taps,
        look: EventReader | None = None,
        hold: PageHold | None = None,
    ) -> None:
        """Make the connection a WebSocket to ``path`` at a port inside, and relay it to its end;
        ``look`` gets the small messages from there, and ``hold`` delays those to there.
        Raise ``HostFailed`` or ``BadAnswer`` when there is no answer from there.
        """
        head = upgrade_to_chromium(request, port, path)
        async with browser.dialed(port) as chromium:
            chromium.write(head)
            status, body = await self._answer_of(chromium, _ERROR_BYTES)
            if status != 101:
                self.answer(status, body)
                return
            self._keep = False
            self._upgraded = True
            self._stream.write(accepted_upgrade(request))
            relay = MessageRelay(
                self._stream, chromium, taps, look, self._attempt.note, hold.wait if hold else None
            )
            if look is not None:
                look.connected(relay.ask)
            try:
                await relay.run()
            finally:
                if look is not None:
                    look.ended()
            if hold is not None and look is not None and self.has_ended:
                await hold.client_left()
            await chromium.finish(self._attempt.limits.close_seconds)

    def refuse_camoufox(self) -> None:
        self._attempt.note("camoufox", "The Worker asked for Camoufox, which this Fyke has not")
        self.answer(501, msgspec.json.encode(_NO_CAMOUFOX), JSON)

    # within

    async def _serve_request(self, head: bytes) -> None:
        try:
            request = parse_request(head)
            self._keep = request.keeps_alive
            self._unread_body = request.body_size
            if not self._attempt.allows(request):
                self.answer(401, "wrong credentials; use those in PROXY_AUTH, or none")
                return
            extra = next((routes for routes in self._routes if routes.matches(request)), None)
            if extra is not None:
                await extra.serve(request, self, self._attempt)
                return
            route = find_route(request)
            if route.kind is RouteKind.JSON:
                await self._take_room()
            await self._serve_route(request, route)
            async with asyncio.timeout(self._attempt.limits.answer_seconds):
                await self._stream.drain()
        except UnusableRequest as error:
            self._keep = False
            self.answer(error.status, str(error))
        except BrowserUnavailable as refused:
            self.answer(refused.status, str(refused), retry_after=refused.retry_after)
        except (HostFailed, BadAnswer) as error:
            self._keep = False
            self.answer(503, f"the browser failed: {error}", retry_after=1)
        except (StreamEnded, TimeoutError):
            raise
        except Exception as error:
            self._keep = False
            self._attempt.log_error(error)
            if not self._upgraded:
                self.answer(500, "the gateway failed; the log of Fyke says why")
        finally:
            self.body_done()

    async def _take_room(self) -> None:
        """Limit how many large bodies and answers an attempt has in memory: until ``body_done``, or
        until the request is answered. Raise ``BrowserUnavailable`` after a while without room.
        """
        try:
            async with asyncio.timeout(self._attempt.limits.answer_seconds):
                self._has_room = await self._attempt.room.acquire()
        except TimeoutError:
            raise BrowserUnavailable(503, _NO_ROOM, 1) from None

    async def _serve_route(self, request: BrowserRequest, route: BrowserRoute) -> None:
        if route.kind is RouteKind.CAMOUFOX:
            self.refuse_camoufox()
        else:
            if route.kind is RouteKind.LIGHTPANDA:
                self._attempt.note("lightpanda", "LightpandaDomain is served by Chromium")
            await self._serve_shared(request, route)

    async def _serve_shared(self, request: BrowserRequest, route: BrowserRoute) -> None:
        """Serve with the attempt's shared Chromium; once more if it has ended meanwhile."""
        lightpanda = route.kind is RouteKind.LIGHTPANDA
        form = BrowserForm.LIGHTPANDA if lightpanda else BrowserForm.CDP
        for tries_left in reversed(range(_TRIES)):
            async with self.browser(form) as browser:
                if browser.shared_failed:
                    self._attempt.check_launches()
                endpoint = None
                try:
                    endpoint = await self.while_present(browser.shared())
                    await self.devtools(request, route, browser, endpoint)
                    return
                except (HostFailed, BadAnswer):
                    if not endpoint or not tries_left or not await browser.has_ended(endpoint):
                        raise

    async def _json(
        self,
        request: BrowserRequest,
        route: BrowserRoute,
        browser: AttachedBrowser,
        endpoint: DevtoolsEndpoint,
    ) -> None:
        async with browser.dialed(endpoint.port) as chromium:
            chromium.write(request_to_chromium(route.method, endpoint.port, route.target))
            limits = self._attempt.limits
            whole = route.target == "/json/protocol"  # large, and without addresses
            limit = limits.protocol_bytes if whole else limits.answer_bytes
            status, body = await self._answer_of(chromium, limit)
        if whole:
            self.answer(status, body, JSON)
            return
        rewritten = rewrite(body, request.host)
        if rewritten is None:
            self.answer(status, body)
        else:
            self.answer(status, rewritten, JSON)

    async def _answer_of(self, chromium: ByteStream, max_bytes: int) -> tuple[int, bytes]:
        seconds = self._attempt.limits.answer_seconds
        try:
            async with asyncio.timeout(seconds):
                return await read_answer(chromium, max_bytes)
        except TimeoutError:
            raise BadAnswer(f"Chromium did not answer in {seconds:g} s") from None

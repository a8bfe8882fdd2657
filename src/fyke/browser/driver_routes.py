"""The routes of the browser port for programs that launch a browser, and for WebDriver.

Each launched Chromium, and each session of WebDriver, has a Chromium of its own in the attempt's
browser sandbox. Chromedriver runs there too and starts those of its sessions.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from weakref import WeakKeyDictionary

from fyke.browser.attached import AttachedBrowser
from fyke.browser.attempt import AttemptGateway, BrowserUnavailable
from fyke.browser.connection import GatewayConnection
from fyke.browser.endpoints import BadAnswer, read_answer, read_answer_head
from fyke.browser.host import DevtoolsEndpoint, HostFailed, PortClosed
from fyke.browser.launches import (
    DRIVER,
    INSTANCE,
    LAUNCH,
    BadLaunch,
    driver_path,
    instance_path,
    parse_launch,
)
from fyke.browser.page_holds import PageHold
from fyke.browser.requests import JSON, BrowserRequest, UnusableRequest
from fyke.browser.routes import BrowserRoute, RouteKind, find_route
from fyke.browser.streams import StreamEnded
from fyke.browser.taps import FILE_URL_NOTE, NO_FILES, Taps, bidi_taps
from fyke.browser.webdriver import (
    BadSession,
    SessionRequest,
    created_session,
    driver_request,
    error_answer,
    has_no_window,
    inner_command,
    inner_path,
    new_session,
    read_command,
    session_of,
    status_answer,
)
from fyke.contracts.browser import BrowserForm

_MAX_SMALL = 64 * 1024  # bytes of an answer that is parsed
_SESSION_SECONDS = 90.0  # chromedriver itself waits a minute for its Chromium
_END_SECONDS = 10.0
_ENDED_SECONDS = 2.0
_DRIVEN_SECONDS = 1.0  # for the host to report the Chromium of a new session
_CHECK_SECONDS = 0.01
_NO_SESSION = "this session has ended, or never was"
_DRIVER_ENDED = "chromedriver has ended, and its sessions with it"
_ENDED = b'{"value":null}'
_TOO_LARGE = (
    "the request for a session has {size} bytes, and may have {limit}: leave out extensions, "
    "profiles and other files, which are not used here"
)
_HEADLESS = (
    "headless",
    "The Worker asked for a browser with a window; it runs without one. To give it one, start the "
    'run with the option "browser": "headful".',
)


class LaunchRoutes:
    """Starts a Chromium for a program that launches one, and serves its DevTools."""

    def matches(self, request: BrowserRequest) -> bool:
        return request.path == LAUNCH or request.path.startswith(INSTANCE)

    async def serve(
        self, request: BrowserRequest, connection: GatewayConnection, attempt: AttemptGateway
    ) -> None:
        if request.path == LAUNCH:
            await self._launch(request, connection, attempt)
        else:
            await self._devtools(request, connection, attempt)

    async def _launch(
        self, request: BrowserRequest, connection: GatewayConnection, attempt: AttemptGateway
    ) -> None:
        """Answer when Chromium accepts connections; end it with the connection."""
        if request.method != "POST":
            raise UnusableRequest(f"start a browser with POST {LAUNCH}", 405)
        try:
            launch = parse_launch(await connection.read_body(attempt.limits.launch_bytes))
        except BadLaunch as error:
            raise UnusableRequest(str(error)) from None
        attempt.check_launches()
        async with connection.browser(BrowserForm.LAUNCH) as browser:
            if launch.display and not browser.display:
                attempt.note(*_HEADLESS)
            if too_many := await _too_many(browser, attempt):
                raise UnusableRequest(too_many, 503)
            with browser.starts_own() as number:
                endpoint = await browser.launch(number, launch.arguments)
            try:
                connection.answer(200, f"{number} {endpoint.path}")
                await connection.while_present(browser.ended(number))
            except StreamEnded:
                if attempt.keeper is not None:
                    await attempt.keeper.client_left(browser, number)
                raise
            finally:
                browser.closes(number)
                with suppress(HostFailed):
                    await browser.host.stop(number, attempt.limits.answer_seconds)
        raise StreamEnded

    async def _devtools(
        self, request: BrowserRequest, connection: GatewayConnection, attempt: AttemptGateway
    ) -> None:
        numbered = instance_path(request.path)
        browser = attempt.browser
        endpoint = browser.host.endpoints.get(numbered[0]) if browser and numbered else None
        if browser is None or numbered is None or endpoint is None:
            raise UnusableRequest("this browser has ended", 404)
        route = find_route(replace(request, path=numbered[1]))
        if route.kind is RouteKind.CAMOUFOX:
            raise UnusableRequest("nothing is here", 404)
        with browser.used():
            await connection.devtools(request, route, browser, endpoint)


@dataclass
class DriverSession:
    """A session of chromedriver. ``leash`` is the number of the relayed driver, 0 without one."""

    id: str
    endpoint: DevtoolsEndpoint
    leash: int


@dataclass
class DriverSessions:
    """The sessions in one browser sandbox. ``port`` is that of chromedriver, 0 before its start."""

    port: int = 0
    by_id: dict[str, DriverSession] = field(default_factory=dict)


class WebDriverRoutes:
    """Serves WebDriver with a chromedriver in the browser sandbox."""

    def __init__(self) -> None:
        self._sandboxes: WeakKeyDictionary[AttachedBrowser, DriverSessions] = WeakKeyDictionary()
        self._creating: set[asyncio.Task[tuple[int, bytes]]] = set()

    def matches(self, request: BrowserRequest) -> bool:
        path = inner_path(request.path)
        return path in ("/session", "/status") or path.startswith((DRIVER, "/session/"))

    async def serve(
        self, request: BrowserRequest, connection: GatewayConnection, attempt: AttemptGateway
    ) -> None:
        if request.path == DRIVER:
            await self._hold(connection, attempt)
            return
        leash, path = driver_path(request.path) or (0, request.path)
        request = replace(request, path=inner_path(path).rstrip("/"))
        if request.path == "/status":
            connection.answer(200, status_answer(ready=True, message="ready"), JSON)
        elif request.path == "/session" and request.method == "POST":
            await self._create(request, connection, attempt, leash)
        else:
            await self._command(request, connection, attempt)

    async def _hold(self, connection: GatewayConnection, attempt: AttemptGateway) -> None:
        """Name a prefix; end the sessions under it with the connection."""
        leash = attempt.next_driver()
        connection.answer(200, f"{DRIVER}{leash}")
        await connection.closed()
        browser = attempt.browser
        sessions = self._sandboxes.get(browser) if browser is not None else None
        if browser is not None and sessions is not None:
            held = [item for item in sessions.by_id.values() if item.leash == leash]
            for session in held:
                if attempt.keeper is not None:
                    await attempt.keeper.client_left(browser, session.endpoint.instance)
                await self._end(browser, sessions, session)
        raise StreamEnded

    # new sessions

    async def _create(
        self,
        request: BrowserRequest,
        connection: GatewayConnection,
        attempt: AttemptGateway,
        leash: int,
    ) -> None:
        size, limit = request.body_size, attempt.limits.session_bytes
        try:
            if size > limit:
                raise BadSession(_TOO_LARGE.format(size=size, limit=limit))
            asked = new_session(await connection.read_body())
        except BadSession as error:
            connection.answer(400, error_answer("invalid argument", str(error)), JSON)
            return
        if asked is None:
            connection.refuse_camoufox()
            return
        for note in asked.notes:
            attempt.note(f"webdriver {note}", note)
        try:
            attempt.check_launches()
        except BrowserUnavailable as refused:
            connection.answer(500, error_answer("session not created", str(refused)), JSON)
            return
        async with connection.browser(BrowserForm.WEBDRIVER) as browser:
            # created to the end for a client that leaves too: only the answer names what to end
            task = asyncio.create_task(
                self._create_in(browser, connection, attempt, asked, request.host, leash)
            )
            self._creating.add(task)
            task.add_done_callback(self._creating.discard)
            connection.answer(*await connection.while_present(asyncio.shield(task)), JSON)

    async def _create_in(
        self,
        browser: AttachedBrowser,
        connection: GatewayConnection,
        attempt: AttemptGateway,
        asked: SessionRequest,
        host: str,
        leash: int,
    ) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        if leash and asked.display and not browser.display:  # the clients of a grid rarely say
            attempt.note(*_HEADLESS)
        sessions = self._sandboxes.setdefault(browser, DriverSessions())
        for session in list(sessions.by_id.values()):
            if session.endpoint.instance not in browser.host.endpoints:  # its client may be gone
                await self._end(browser, sessions, session)
        if too_many := await _too_many(browser, attempt):
            return 500, error_answer("session not created", too_many)
        try:
            with browser.used(), browser.starts_own():
                sessions.port = await browser.driver()
                status, body = await self._ask(browser, sessions.port, asked.body)
                created = created_session(body, host, asked.names)
                if created is None:
                    browser.session_failed()
                    return status, body
                try:
                    endpoint = await _driven(browser, created.port)
                    await browser.covered(endpoint.instance)
                except HostFailed:
                    await self._delete(browser, sessions, created.id)
                    raise
                browser.session_created(endpoint.instance)
                session = sessions.by_id[created.id] = DriverSession(created.id, endpoint, leash)
                if connection.has_ended:
                    await self._end(browser, sessions, session)
                return status, created.body
        except (HostFailed, BadAnswer) as error:
            if sessions.port:  # chromedriver may have started a browser
                browser.session_failed()
            return 500, error_answer("session not created", str(error))

    async def _ask(self, browser: AttachedBrowser, port: int, body: bytes) -> tuple[int, bytes]:
        """The answer to a request for a session. Raise ``HostFailed`` or ``BadAnswer``."""
        async with browser.dialed(port) as driver:
            driver.write(driver_request("POST", "/session", port, body))
            try:
                async with asyncio.timeout(_SESSION_SECONDS):
                    return await read_answer(driver, _MAX_SMALL)
            except TimeoutError:
                raise BadAnswer("chromedriver did not answer") from None

    # sessions

    async def _command(
        self, request: BrowserRequest, connection: GatewayConnection, attempt: AttemptGateway
    ) -> None:
        named = session_of(request.path)
        browser = attempt.browser
        sessions = self._sandboxes.get(browser) if browser is not None else None
        session = sessions.by_id.get(named[0]) if sessions is not None and named else None
        if named is None:
            connection.answer(404, error_answer("unknown command", "nothing is here"), JSON)
        elif session is None and request.method == "DELETE" and not named[1]:
            connection.answer(200, _ENDED, JSON)  # as chromedriver does
        elif browser is None or sessions is None or session is None:
            connection.answer(404, error_answer("invalid session id", _NO_SESSION), JSON)
        else:
            with browser.used():
                if request.upgrades:
                    await self._upgrade(request, connection, browser, sessions, session)
                else:
                    await self._pass_on(request, connection, attempt, browser, sessions, session)

    async def _upgrade(
        self,
        request: BrowserRequest,
        connection: GatewayConnection,
        browser: AttachedBrowser,
        sessions: DriverSessions,
        session: DriverSession,
    ) -> None:
        """Serve the DevTools of a session's Chromium, or its bidirectional WebDriver."""
        rest = request.path.removeprefix(f"/session/{session.id}")
        if rest == "/se/cdp":
            route = BrowserRoute(RouteKind.BROWSER)
            await connection.devtools(request, route, browser, session.endpoint)
        elif not rest:
            instance = session.endpoint.instance
            hold = connection.hold(browser, instance)
            taps = bidi_taps(partial(_closes, browser, instance, hold))
            taps = hold.taps(taps) if hold is not None else taps
            path, port = request.path, sessions.port
            await connection.tunnel(request, browser, port, path, Taps(taps), hold=hold)
        else:
            raise UnusableRequest("nothing is here", 404)

    async def _pass_on(
        self,
        request: BrowserRequest,
        connection: GatewayConnection,
        attempt: AttemptGateway,
        browser: AttachedBrowser,
        sessions: DriverSessions,
        session: DriverSession,
    ) -> None:
        """Relay a command and its answer."""
        body = await connection.read_body()
        rest = request.path.removeprefix(f"/session/{session.id}")
        command = read_command(rest, body)
        if command.opens_file:
            attempt.note(*FILE_URL_NOTE)
            connection.answer(400, error_answer("invalid argument", NO_FILES), JSON)
            return
        path = f"/session/{session.id}{inner_command(rest)}"
        port, instance = sessions.port, session.endpoint.instance
        closes_window = request.method == "DELETE" and rest == "/window"
        ends = (request.method == "DELETE" and not rest) or command.closes_browser
        if attempt.keeper is not None and ends:
            await attempt.keeper.before_end(browser, instance)
        elif attempt.keeper is not None and closes_window:
            await attempt.keeper.before_close(browser, instance, "")
        if request.method == "DELETE" and not rest:
            browser.closes(instance)
            sessions.by_id.pop(session.id, None)
        elif command.closes_browser:
            browser.closes(instance)
        try:
            async with browser.dialed(port) as driver:
                driver.write(driver_request(request.method, path, port, body))
                del body
                await connection.while_present(driver.drain())
                connection.body_done()
                if closes_window:  # chromedriver ends its Chromium before it answers
                    with browser.may_close(instance):
                        status, answer = await connection.while_present(
                            read_answer(driver, _MAX_SMALL)
                        )
                        _window_closed(browser, instance, status, answer)
                    connection.answer(status, answer, JSON)
                    return
                status, size = await connection.while_present(read_answer_head(driver))
                await connection.answer_from(status, size, JSON, driver)
        except (HostFailed, BadAnswer) as error:
            if await _driver_ended(browser, port):
                _lose_sessions(browser, sessions)
                attempt.note("chromedriver ended", f"{_DRIVER_ENDED}.")
                connection.answer(404, error_answer("invalid session id", _DRIVER_ENDED), JSON)
            else:
                connection.answer(500, error_answer("unknown error", str(error)), JSON)

    async def _end(
        self,
        browser: AttachedBrowser,
        sessions: DriverSessions,
        session: DriverSession,
    ) -> None:
        """End a session whose client has gone."""
        sessions.by_id.pop(session.id, None)
        browser.closes(session.endpoint.instance)
        await self._delete(browser, sessions, session.id)

    async def _delete(
        self,
        browser: AttachedBrowser,
        sessions: DriverSessions,
        session_id: str,
    ) -> None:
        """Let chromedriver end a session, if it still can."""
        with suppress(HostFailed, BadAnswer, TimeoutError):
            async with (
                asyncio.timeout(_END_SECONDS),
                browser.dialed(sessions.port) as driver,
            ):
                path = f"/session/{session_id}"
                driver.write(driver_request("DELETE", path, sessions.port, b""))
                await read_answer(driver, _MAX_SMALL)


def _closes(browser: AttachedBrowser, instance: int, hold: PageHold | None) -> None:
    """A client ends a Chromium of chromedriver."""
    browser.closes(instance)
    if hold is not None:
        hold.ends()


def _window_closed(browser: AttachedBrowser, instance: int, status: int, answer: bytes) -> None:
    """Note what chromedriver has answered to a client that closes a window."""
    if has_no_window(answer):
        browser.closes(instance)
    elif status != 200:  # its Chromium may have ended before it could ask
        browser.may_have_closed(instance)


async def _driver_ended(browser: AttachedBrowser, port: int) -> bool:
    """Whether a chromedriver that gave no answer has ended. While it ends, its port may still
    accept connections.
    """
    try:
        async with asyncio.timeout(_ENDED_SECONDS):
            while True:
                if await _is_serving(browser, port):
                    return False
                await asyncio.sleep(_CHECK_SECONDS)
    except PortClosed:
        return True
    except (HostFailed, TimeoutError):
        return False


async def _is_serving(browser: AttachedBrowser, port: int) -> bool:
    """Whether chromedriver answers. Raise ``HostFailed``."""
    async with browser.dialed(port) as driver:
        driver.write(driver_request("GET", "/status", port, b""))
        try:
            await read_answer(driver, _MAX_SMALL)
        except BadAnswer:
            return False
        return True


def _lose_sessions(browser: AttachedBrowser, sessions: DriverSessions) -> None:
    """End the Chromiums of a chromedriver that has ended."""
    for session in sessions.by_id.values():
        browser.closes(session.endpoint.instance)
    sessions.by_id.clear()


async def _too_many(browser: AttachedBrowser, attempt: AttemptGateway) -> str:
    """Why no further browser may be launched now, noted for the user; "" if it may."""
    if await browser.has_room():
        return ""
    text = (
        f"at most {attempt.limits.instances} browsers at once (setting browser_instances); close "
        "one before you start another"
    )
    attempt.note("browser_instances", f"A browser was refused: {text}.")
    return text


async def _driven(browser: AttachedBrowser, port: int) -> DevtoolsEndpoint:
    """The Chromium of a new session, which the host reports by itself. Raise ``HostFailed``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DRIVEN_SECONDS
    while True:
        if (endpoint := browser.without_session(port)) is not None:
            return endpoint
        if loop.time() >= deadline:
            raise HostFailed("the browser of the session has ended")
        await asyncio.sleep(_CHECK_SECONDS)

"""A browser sandbox that is attached to an attempt, and the Chromiums in it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from fyke.browser.blocking import Blocker
from fyke.browser.host import SHARED, BrowserHost, DevtoolsEndpoint, HostFailed
from fyke.browser.limits import GatewayLimits
from fyke.browser.page_keeper import PageKeeper
from fyke.browser.recorder import Recorder, ignore_note
from fyke.browser.session import DevtoolsSession, OnEvent, opened
from fyke.browser.streams import ByteStream
from fyke.contracts.browser import BrowserEndCause, BrowserProgram
from fyke.model.browser import BrowserActivity, BrowserBlock

_log = logging.getLogger(__name__)

_ENDING_SECONDS = 1.0
_UNUSED_SECONDS = 10.0
_REMOTE = "http://", "https://"
_BLANKS = " \t\n\v\f\r"  # Chromium removes them around an argument


class AttachedBrowser:
    """One generation. It is over when no Chromium lives in it and no request uses it, or when the
    sandbox has ended; ``on_over`` gets the cause and a detail, once. ``on_crashed`` is called for
    each Chromium besides the shared one that does not start, or ends by itself, and when a failed
    shared one is started again. ``on_activity`` gets what they did, also before ``on_over``.
    """

    def __init__(
        self,
        control: socket.socket,
        generation: int,
        program: BrowserProgram,
        limits: GatewayLimits,
        *,
        own_sandbox: bool,
        display: bool = False,
        block: Sequence[BrowserBlock],
        on_started: Callable[[], None],
        on_over: Callable[[BrowserEndCause, str], None],
        on_dropped: Callable[[list[str]], None],
        on_crashed: Callable[[], None],
        on_activity: Callable[[BrowserActivity], None],
        keeper: PageKeeper | None = None,
        on_note: Callable[[str, str], None] = ignore_note,
    ) -> None:
        self.generation = generation
        self.display = display  # whether its Chromiums have windows
        self._program = program
        self._own_sandbox = own_sandbox
        self._limits = limits
        self._on_crashed = on_crashed
        self._on_started: Callable[[], None] | None = on_started
        self._on_over: Callable[[BrowserEndCause, str], None] | None = on_over
        self._loop = asyncio.get_running_loop()
        self._starting: asyncio.Task[DevtoolsEndpoint] | None = None
        self._closing: set[int] = set()  # instances that a client has closed
        self._may_close: list[int] = []  # those that end if their last window is being closed
        self._in_session: set[int] = set()  # those of chromedriver whose session was created
        self.shared_failed = False  # it did not start, or crashed, and was not started again
        self._timers: set[asyncio.Task[None]] = set()
        self._users = 0
        self._last_number = 0  # of a Chromium of its own
        self._own_starting: set[int] = set()  # the numbers of those that start
        self._last = (BrowserEndCause.CLOSED, "")
        self._gone: dict[int, asyncio.Future[None]] = {}  # by instance, done at its end
        self.connections: set[ByteStream] = set()  # into the sandbox; cut when it has ended
        self._ending: asyncio.TimerHandle | None = None
        self._block = block
        self._blockers: dict[int, Blocker] = {}  # by instance
        self._unblocked: dict[int, str] = {}  # those that are ended for that, and the cause
        self.recorder = Recorder(on_activity, keeper, generation, on_note)
        self.host = BrowserHost(
            control, self._instance_started, self._instance_ended, self._lost, on_dropped
        )

    @property
    def is_over(self) -> bool:
        return self._on_over is None

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the sandbox as long as a request uses it."""
        self._users += 1
        self._cancel_ending()
        try:
            yield
        finally:
            self._users -= 1
            self.settle()

    @property
    def own_browsers(self) -> int:
        """How many Chromiums live or start besides the shared one. One of chromedriver starts until
        its session was created.
        """
        living = self.host.endpoints.keys() - self._own_starting - {SHARED}
        return len(living) - len(self._without_session()) + len(self._own_starting)

    async def has_room(self) -> bool:
        """Whether one more may start now. Those that close give their place first."""
        deadline = self._loop.time() + self._limits.close_seconds
        while not self.is_over and self.own_browsers >= self._limits.instances:
            closing = {self._gone[one] for one in self._closing - {SHARED} if one in self._gone}
            seconds = deadline - self._loop.time()
            if not closing or seconds <= 0:
                return False
            await asyncio.wait(closing, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return True

    def without_session(self, port: int) -> DevtoolsEndpoint | None:
        """The Chromium at a port that chromedriver has started for a session to be created."""
        return next((one for one in self._without_session() if one.port == port), None)

    def _without_session(self) -> list[DevtoolsEndpoint]:
        return [
            endpoint
            for instance, endpoint in self.host.endpoints.items()
            if instance > self._last_number and instance not in self._in_session
        ]

    @contextmanager
    def starts_own(self) -> Iterator[int]:
        """Count a Chromium of its own that is started meanwhile. Its number is never used again, so
        that a late request cannot reach another one.
        """
        self._last_number += 1
        number = self._last_number
        self._own_starting.add(number)
        try:
            yield number
        finally:
            self._own_starting.discard(number)

    async def shared(self) -> DevtoolsEndpoint:
        """The Chromium that all plain connections use; it is started if needed. Call it while
        ``used``. Raise ``HostFailed``.
        """
        if SHARED in self._closing and SHARED in self._gone:
            await asyncio.shield(self._gone[SHARED])
        endpoint = self.host.endpoints.get(SHARED)
        if endpoint is None:
            if self._starting is None:
                if self.shared_failed:
                    self.shared_failed = False
                    self._on_crashed()
                self._starting = self._loop.create_task(self._start_shared())
                self._starting.add_done_callback(self._start_ended)
            endpoint = await asyncio.shield(self._starting)
        await self.covered(SHARED)
        return endpoint

    async def launch(self, instance: int, arguments: Sequence[str]) -> DevtoolsEndpoint:
        """Start a Chromium of its own. Call it while ``used``. Raise ``HostFailed``."""
        pages = [one for one in arguments if self._block and one.strip(_BLANKS).startswith(_REMOTE)]
        try:
            endpoint = await self.host.start(
                instance,
                self._program,
                own_sandbox=self._own_sandbox,
                timeout=self._limits.start_seconds,
                arguments=tuple(one for one in arguments if one not in pages),
            )
        except HostFailed:
            self._on_crashed()
            raise
        await self.covered(instance)
        if blocker := self._blockers.get(instance):
            await blocker.open(pages)
        return endpoint

    async def covered(self, instance: int) -> None:
        """Wait until a Chromium blocks what the run does not load. Raise ``HostFailed``."""
        if blocker := self._blockers.get(instance):
            await blocker.covered(self._limits.answer_seconds)

    async def driver(self) -> int:
        """The port of chromedriver. Call it while ``used``. Raise ``HostFailed``."""
        return await self.host.driver(self._program, self._limits.start_seconds)

    def session_failed(self) -> None:
        """Count a session of chromedriver that was not created: its Chromium may have started."""
        self._on_crashed()

    def session_created(self, instance: int) -> None:
        """From now on it counts when this Chromium of chromedriver ends by itself. Its status is
        never known, and before, chromedriver ends it when it cannot create the session.
        """
        self._in_session.add(instance)

    @contextmanager
    def may_close(self, instance: int) -> Iterator[None]:
        """A client closes a window meanwhile; if it is the last one, Chromium ends."""
        self._may_close.append(instance)
        try:
            yield
        finally:
            self._may_close.remove(instance)

    def may_have_closed(self, instance: int) -> None:
        """As ``may_close``, for a moment from now."""
        self._may_close.append(instance)
        self._loop.call_later(_ENDING_SECONDS, self._may_close.remove, instance)

    @asynccontextmanager
    async def dialed(self, port: int) -> AsyncIterator[ByteStream]:
        """A connection to a port inside. Raise ``HostFailed``."""
        sock = await self.host.dial(port, self._limits.dial_seconds)
        stream = ByteStream()
        try:
            await self._loop.create_connection(lambda: stream, sock=sock)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                raise HostFailed(str(error)) from None
            raise
        self.connections.add(stream)
        try:
            yield stream
        finally:
            self.connections.discard(stream)
            stream.abort()

    @asynccontextmanager
    async def session(
        self, endpoint: DevtoolsEndpoint, on_event: OnEvent
    ) -> AsyncIterator[DevtoolsSession]:
        """The gateway's own DevTools connection to a Chromium. Raise ``HostFailed`` or
        ``DevtoolsFailed``.
        """
        async with (
            self.dialed(endpoint.port) as stream,
            opened(stream, endpoint.port, endpoint.path, on_event) as session,
        ):
            yield session

    async def ended(self, instance: int) -> None:
        """Wait for the end of a Chromium."""
        if instance in self._gone:
            await asyncio.shield(self._gone[instance])

    async def has_ended(self, endpoint: DevtoolsEndpoint) -> bool:
        """Whether a Chromium to which a connection failed has ended, or ends at once."""
        gone = self._gone.get(endpoint.instance)
        if gone is not None and self.host.endpoints.get(endpoint.instance) is endpoint:
            await asyncio.wait({gone}, timeout=_ENDING_SECONDS)
        return self.host.endpoints.get(endpoint.instance) is not endpoint

    def closes(self, instance: int) -> None:
        """A client has closed a Chromium: it gets no further connections, and is ended if it
        does not close.
        """
        if instance in self.host.endpoints and instance not in self._closing:
            self._closing.add(instance)
            timer = self._loop.create_task(self._stop_later(instance))
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)

    def close(self) -> None:
        """End the sandbox; ``on_over`` is not called."""
        self._on_over = None
        self._release()

    # within

    async def _start_shared(self) -> DevtoolsEndpoint:
        return await self.host.start(
            SHARED,
            self._program,
            own_sandbox=self._own_sandbox,
            timeout=self._limits.start_seconds,
        )

    def _start_ended(self, task: asyncio.Task[DevtoolsEndpoint]) -> None:
        self._starting = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._last = (BrowserEndCause.NOT_STARTED, str(error))
            self.shared_failed = True
            self.settle()

    async def _stop_later(self, instance: int) -> None:
        gone = self._gone[instance]
        await asyncio.wait({gone}, timeout=self._limits.close_seconds)
        if not gone.done():
            try:
                await self.host.stop(instance, self._limits.answer_seconds)
            except HostFailed as error:
                self._lost(str(error))

    def _instance_started(self, instance: int) -> None:
        self._closing.discard(instance)
        self._gone[instance] = self._loop.create_future()
        if self._block:
            endpoint = self.host.endpoints[instance]
            self._blockers[instance] = Blocker(
                partial(self.session, endpoint),
                self._block,
                partial(self.recorder.blocked, instance),
                partial(self._blocks_no_more, endpoint),
            )
        if self._on_started is not None:
            report, self._on_started = self._on_started, None
            report()

    def _instance_ended(self, instance: int, status: int | None) -> None:
        gone = self._gone.pop(instance)
        if not gone.done():
            gone.set_result(None)
        self._end_blocker(instance)
        in_session = instance in self._in_session
        self._in_session.discard(instance)
        if instance in self._closing or instance in self._may_close or status == 0:
            self._closing.discard(instance)
            self._last = (BrowserEndCause.CLOSED, "")
        else:
            self._last = (BrowserEndCause.CRASHED, self._unblocked.pop(instance, _describe(status)))
            if instance == SHARED:
                self.shared_failed = True
            elif in_session or status is not None:
                self._on_crashed()
        self.settle()

    def _blocks_no_more(self, endpoint: DevtoolsEndpoint, cause: str) -> None:
        """End a Chromium that would load what the run does not, unless it is ending."""
        timer = self._loop.create_task(self._stop_unblocked(endpoint, cause))
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    async def _stop_unblocked(self, endpoint: DevtoolsEndpoint, cause: str) -> None:
        instance = endpoint.instance
        if gone := self._gone.get(instance):  # it may be what has ended the connection
            await asyncio.wait({gone}, timeout=self._limits.close_seconds)
        if self.host.endpoints.get(instance) is endpoint and instance not in self._closing:
            _log.warning("a browser is ended because it does not block requests: %s", cause)
            self._unblocked[instance] = f"it did not block requests: {cause}"
            try:
                await self.host.stop(instance, self._limits.answer_seconds)
            except HostFailed as error:
                self._lost(str(error))

    def _end_blocker(self, instance: int) -> None:
        if blocker := self._blockers.pop(instance, None):
            blocker.close()

    def settle(self) -> None:
        """End the sandbox when nothing is left to use it: after a while if the Worker has closed
        its Chromium, since many open and close one for each page.
        """
        self._cancel_ending()
        if self.is_over or self._users or self._starting or self.host.endpoints:
            return
        if self._last[0] is BrowserEndCause.CLOSED:
            self._ending = self._loop.call_later(
                self._limits.keep_seconds, self._finish, *self._last
            )
        else:
            self._finish(*self._last)

    def expect_use(self) -> None:
        """End the sandbox if it is not used soon: connections may go while they wait for it."""
        self._ending = self._loop.call_later(_UNUSED_SECONDS, self._finish, *self._last)

    def _cancel_ending(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def _lost(self, reason: str) -> None:
        self._finish(BrowserEndCause.SANDBOX_ENDED, reason)

    def _finish(self, cause: BrowserEndCause, detail: str) -> None:
        if self._on_over is not None:
            report, self._on_over = self._on_over, None
            try:
                self._release()
            finally:
                report(cause, detail)

    def _release(self) -> None:
        self._cancel_ending()
        self.host.close()  # which also ends the start of a Chromium
        for connection in list(self.connections):
            connection.abort()
        for timer in self._timers:
            timer.cancel()
        for instance in list(self._blockers):
            self._end_blocker(instance)
        for gone in self._gone.values():
            if not gone.done():
                gone.set_result(None)
        self.recorder.close()  # last: what may fail in it leaves nothing open


def _describe(status: int | None) -> str:
    """How a process ended, by its status as Python gives it; "" when that is not known."""
    if status is None:
        return ""
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"

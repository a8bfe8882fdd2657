"""The runner's end of the gateway: implements ``contracts.BrowserGateway`` across processes.

The gateway's process may end at any moment. The client keeps a copy of each attempt's listeners, so
that the next process continues with the same sockets; connections that arrive meanwhile wait in
them. The browsers that the process had end with it. It may also be started later: until something
connects to a listener, nothing but the kernel need listen there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from fyke.browser.messages import (
    Acted,
    AttachBrowser,
    CloseGateway,
    FinishGateway,
    Noted,
    Notice,
    OpenGateway,
    RefuseWanted,
    Started,
    Wanted,
    decode_page,
    decode_reply,
    encode,
)
from fyke.contracts.browser import (
    BrowserEndCause,
    BrowserEnded,
    BrowserNote,
    BrowserProgram,
    BrowserWanted,
    GatewayGrant,
)
from fyke.errors import FykeError, Unavailable
from fyke.kit.requests import UNAWAITED, ClientChannel, KeptConnection
from fyke.model.browser import BrowserActivity
from fyke.model.last_page import TakenPage

_log = logging.getLogger(__name__)

_CHECK_SECONDS = 3.0
_START_SECONDS = 10.0  # for the start of the process, before the log of the run says so
_OPEN_SECONDS = 2.0  # afterwards it is opened in the background
_CLOSE_SECONDS = 2.0
_FINISH_SECONDS = 5.0
_MAX_PAGE = 32 * 2**20  # bytes
_NO_ANSWER = "The process that serves browsers does not answer"
_GATEWAY_ENDED = "the process that connects Workers to browsers ended"


def _ignore_wanted(wanted: BrowserWanted) -> None:
    """Do nothing when a browser is wanted."""


def _ignore_started(attempt_id: str, generation: int) -> None:
    """Do nothing when a browser has started."""


def _ignore_ended(ended: BrowserEnded) -> None:
    """Do nothing when a browser has ended."""


def _ignore_activity(attempt_id: str, generation: int, activity: BrowserActivity) -> None:
    """Do nothing with what a browser did."""


def _ignore_note(note: BrowserNote) -> None:
    """Do nothing with a line for the log."""


@dataclass(slots=True)
class GatewayAttempt:
    """The data to open an attempt again, and what is known of its browser."""

    grant: GatewayGrant
    listeners: list[socket.socket]
    opened: bool = False
    opening: asyncio.Task[str] | None = None
    wanted: bool = False  # and not answered by the runner so far
    attached: int = 0  # the generation
    attaching: bool = False
    watching: bool = False  # its listeners, because there is no process to give them to
    refusal: tuple[int, str] | None = None  # for the rest of the attempt

    def shut(self) -> None:
        """Shut the listening sockets down in every process and close our copies."""
        if self.opening is not None:
            self.opening.cancel()
        for listener in self.listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


class GatewayClient:
    """``start`` it once, ``stop`` it at the end. ``timeout`` is how many seconds requests wait for
    a process that does not answer. ``need``, if given, is called with whether there has to be a
    process: from when something connects to a browser port, or an attempt is expected to use a
    browser, until no attempt is left. It starts one; the process ends by itself.
    """

    def __init__(
        self,
        socket_path: Path,
        *,
        timeout: float = 15.0,
        need: Callable[[bool], None] | None = None,
    ) -> None:
        self.on_wanted: Callable[[BrowserWanted], None] = _ignore_wanted
        self.on_started: Callable[[str, int], None] = _ignore_started
        self.on_ended: Callable[[BrowserEnded], None] = _ignore_ended
        self.on_note: Callable[[BrowserNote], None] = _ignore_note
        self.on_activity: Callable[[str, int, BrowserActivity], None] = _ignore_activity
        self._timeout = timeout
        self._attempts: dict[str, GatewayAttempt] = {}
        self._connection = KeptConnection(
            socket_path,
            "browser",
            decode_reply,
            self._notified,
            self._reopen,
            self._lost,
            paused=need is not None,
        )
        self._need = need
        self._asleep = need is not None

    async def start(self) -> None:
        """Start to connect, and reconnect whenever the connection is lost."""
        self._connection.start()

    async def stop(self) -> None:
        """Disconnect; the process then closes all our attempts."""
        attempts = list(self._attempts.values())
        self._attempts.clear()
        for attempt in attempts:
            self._unwatch(attempt)
        await self._connection.stop()
        for attempt in attempts:
            attempt.shut()

    # the contract

    async def check(self) -> None:
        # closing an attempt that does not exist changes nothing
        await self._request(
            lambda channel: channel.request(lambda seq: encode(CloseGateway(seq, ""))),
            _CHECK_SECONDS,
        )

    async def open(self, listeners: Sequence[socket.socket], grant: GatewayGrant) -> None:
        if grant.attempt_id in self._attempts:
            raise ValueError(f"attempt {grant.attempt_id} has a gateway already")
        attempt = GatewayAttempt(grant, [listener.dup() for listener in listeners])
        self._attempts[grant.attempt_id] = attempt
        if self._need is not None and self._connection.current is None:
            self._watch(attempt)  # connections wait in the listeners, so nothing else needs to
            if grant.expected or not self._asleep:
                self._wake()
            return
        self._report_need()
        attempt.opening = asyncio.create_task(self._open(attempt))
        try:
            await asyncio.wait({attempt.opening}, timeout=_OPEN_SECONDS)
            if not attempt.opening.done():
                self.on_note(BrowserNote(grant.attempt_id, "gateway_away", _NO_ANSWER))
                attempt.opening.add_done_callback(partial(self._opened_late, grant.attempt_id))
            elif error := attempt.opening.result():
                raise Unavailable(error)
        except BaseException:
            attempt.opening.cancel()
            del self._attempts[grant.attempt_id]
            self._report_need()
            if self._connection.current is not None:
                message = CloseGateway(UNAWAITED, grant.attempt_id, final=False)
                self._connection.current.send(encode(message))
            for copy in attempt.listeners:  # not shut down: the caller still uses them
                copy.close()
            raise

    async def attach(
        self,
        attempt_id: str,
        generation: int,
        control: socket.socket,
        program: BrowserProgram,
        *,
        own_sandbox: bool,
        display: bool = False,
    ) -> None:
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            raise Unavailable(f"attempt {attempt_id} has no gateway")
        attempt.wanted = False
        attempt.attached, attempt.attaching = generation, True  # an end may overtake the answer
        try:
            await self._request(
                lambda channel: channel.request(
                    lambda seq: encode(
                        AttachBrowser(seq, attempt_id, generation, program, own_sandbox, display)
                    ),
                    [control.fileno()],
                )
            )
        except BaseException:
            attempt.attached = 0
            raise
        finally:
            attempt.attaching = False
        attempt.wanted = False  # by a connection that came meanwhile

    async def refuse(
        self, attempt_id: str, status: int, text: str, *, retry_after: int = 0
    ) -> None:
        attempt = self._attempts.get(attempt_id)
        if attempt is None:
            return
        if not retry_after:
            attempt.refusal = (status, text)
        with suppress(Unavailable):  # the next process hears of it from ``_reopen``, or asks again
            await self._request(
                lambda channel: channel.request(
                    lambda seq: encode(RefuseWanted(seq, attempt_id, status, text, retry_after))
                )
            )
        attempt.wanted = False  # what is wanted meanwhile has this answer too

    async def finish(self, attempt_id: str) -> TakenPage | None:
        attempt, channel = self._attempts.get(attempt_id), self._connection.current
        if attempt is None or attempt.watching:
            return None
        if channel is None:
            raise Unavailable(_NO_ANSWER)
        file = os.memfd_create("fyke-last-page")
        try:
            async with asyncio.timeout(_FINISH_SECONDS):
                error = await channel.request(
                    lambda seq: encode(FinishGateway(seq, attempt_id)), [file]
                )
            if error is None:
                raise Unavailable(_NO_ANSWER)  # it ended, and what it had taken with it
            if error:
                raise FykeError(error)
            written = os.pread(file, _MAX_PAGE, 0)
            return decode_page(written) if written else None
        except (TimeoutError, msgspec.MsgspecError) as problem:
            raise Unavailable(_NO_ANSWER) from problem
        finally:
            os.close(file)

    async def close(self, attempt_id: str) -> None:
        attempt = self._attempts.pop(attempt_id, None)
        if attempt is None:
            return
        self._unwatch(attempt)
        self._report_need()
        try:
            await self._connection.request_once(
                lambda seq: encode(CloseGateway(seq, attempt_id)), _CLOSE_SECONDS
            )
        except TimeoutError:
            _log.error("the browser process did not confirm the end of attempt %s", attempt_id)
        finally:
            attempt.shut()

    # within

    def _watch(self, attempt: GatewayAttempt) -> None:
        """Wake up as soon as something connects to one of its listeners."""
        attempt.watching = True
        for listener in attempt.listeners:
            asyncio.get_running_loop().add_reader(listener.fileno(), self._wake)

    def _unwatch(self, attempt: GatewayAttempt) -> None:
        if attempt.watching:
            attempt.watching = False
            for listener in attempt.listeners:
                asyncio.get_running_loop().remove_reader(listener.fileno())

    def _wake(self) -> None:
        """Give all attempts to a process, as soon as there is one."""
        self._asleep = False
        self._report_need()
        self._connection.resume()
        loop = asyncio.get_running_loop()
        for attempt_id, attempt in self._attempts.items():
            if attempt.watching:
                self._unwatch(attempt)
                attempt.opening = asyncio.create_task(self._open(attempt))
                attempt.opening.add_done_callback(partial(self._opened_late, attempt_id))
                loop.call_later(_START_SECONDS, self._note_wait, attempt_id, attempt.opening)

    def _note_wait(self, attempt_id: str, opening: asyncio.Task[str]) -> None:
        if not opening.done():
            self.on_note(BrowserNote(attempt_id, "gateway_away", _NO_ANSWER))

    def _report_need(self) -> None:
        """Say whether a process is needed. Without attempts, a lost one is not missed."""
        if self._need is None or self._asleep:
            return
        self._need(bool(self._attempts))
        if not self._attempts and self._connection.current is None:
            self._asleep = True
            self._connection.pause()

    async def _request(
        self, send: Callable[[ClientChannel], Awaitable[str | None]], timeout: float | None = None
    ) -> None:
        try:
            error = await self._connection.request(send, timeout or self._timeout)
        except TimeoutError as problem:
            raise Unavailable(_NO_ANSWER) from problem
        if error:
            raise Unavailable(error)

    async def _open(self, attempt: GatewayAttempt) -> str:
        """Open an attempt, however long it takes; return the error of the gateway."""
        error = await self._connection.request(
            lambda channel: self._send_open(channel, attempt), None
        )
        attempt.opened = not error
        return error

    def _opened_late(self, attempt_id: str, opening: asyncio.Task[str]) -> None:
        """Report an error for which ``open`` has not waited."""
        if opening.cancelled():
            return
        problem = opening.exception() or opening.result()
        if problem:
            _log.error("attempt %s got no gateway: %s", attempt_id, problem)
            text = f"The Worker gets no browser: {problem}"
            self.on_note(BrowserNote(attempt_id, "gateway_failed", text))

    async def _send_open(self, channel: ClientChannel, attempt: GatewayAttempt) -> str | None:
        grant = attempt.grant
        return await channel.request(
            lambda seq: encode(
                OpenGateway(
                    seq,
                    grant.attempt_id,
                    grant.secret,
                    *(attempt.refusal or (0, "")),
                    block=grant.block,
                    keep=grant.keep,
                )
            ),
            [copy.fileno() for copy in attempt.listeners],
        )

    async def _reopen(self, channel: ClientChannel) -> None:
        """Open the attempts that an earlier process served in the new one."""
        for attempt_id, attempt in list(self._attempts.items()):
            if not attempt.opened or attempt_id not in self._attempts:
                continue
            error = await self._send_open(channel, attempt)
            if error:
                _log.error("attempt %s lost its gateway: %s", attempt_id, error)

    def _lost(self) -> None:
        """The browsers of a gateway end with it, and so do the connections that wait for one."""
        self._report_need()
        for attempt_id, attempt in list(self._attempts.items()):
            generation = 0
            if not attempt.attaching:
                generation, attempt.attached = attempt.attached, 0
            if generation or attempt.wanted or attempt.attaching:
                cause = BrowserEndCause.GATEWAY_ENDED
                self.on_ended(BrowserEnded(attempt_id, generation, cause, _GATEWAY_ENDED))

    def _notified(self, notice: Notice) -> None:
        if isinstance(notice, Acted):  # also while the attempt is being closed
            self.on_activity(notice.attempt_id, notice.generation, notice.activity)
            return
        if isinstance(notice, Noted):  # also while the attempt is closed
            self.on_note(BrowserNote(notice.attempt_id, notice.code, notice.text))
            return
        attempt = self._attempts.get(notice.attempt_id)
        if attempt is None:
            return
        if isinstance(notice, Wanted):
            if not attempt.wanted:  # by a connection to an earlier process
                attempt.wanted = True
                self.on_wanted(BrowserWanted(notice.attempt_id, notice.form))
        elif isinstance(notice, Started):
            self.on_started(notice.attempt_id, notice.generation)
        elif attempt.attached == notice.generation:
            attempt.attached = 0
            self.on_ended(
                BrowserEnded(notice.attempt_id, notice.generation, notice.cause, notice.detail)
            )

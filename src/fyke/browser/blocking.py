"""Blocks requests of some types in the Chromiums of an attempt, for runs that ask for it.

The gateway has a DevTools connection of its own then. It pauses nothing but requests of those
types and fails them as a content blocker does. The sessions of the Worker's client go on as they
are: they see such a request fail with ``net::ERR_BLOCKED_BY_CLIENT``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from fyke.browser.host import HostFailed
from fyke.browser.session import (
    ANSWER_SECONDS,
    DevtoolsFailed,
    DevtoolsSession,
    OnEvent,
    TargetGone,
    is_session,
)
from fyke.model.browser import BrowserBlock

_log = logging.getLogger(__name__)

_PAGE, _FRAME = "page", "iframe"  # targets whose documents have such requests
_DOES_NOT_BLOCK = "it does not block requests"
_MAX_SESSIONS = 4000  # pages, frames and others that are open at once

Connect = Callable[[OnEvent], AbstractAsyncContextManager[DevtoolsSession]]


class _TargetKind(msgspec.Struct):
    type: str = ""


class _TargetAttached(msgspec.Struct, rename="camel"):
    session_id: str
    target_info: _TargetKind


class _TargetDetached(msgspec.Struct, rename="camel"):
    session_id: str


class _Paused(msgspec.Struct, rename="camel"):
    request_id: str
    resource_type: str = ""
    network_id: str = ""  # of the request in the events that its client gets


_decode_attached = msgspec.json.Decoder(_TargetAttached).decode
_decode_detached = msgspec.json.Decoder(_TargetDetached).decode
_decode_paused = msgspec.json.Decoder(_Paused).decode


class Blocker:
    """Blocks requests in one Chromium until ``close``. ``on_blocked`` gets type and id of each
    of them. ``on_lost`` is called with the cause when it cannot block, or no longer.
    """

    def __init__(
        self,
        connect: Connect,
        types: Sequence[BrowserBlock],
        on_blocked: Callable[[str, str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._connect = connect
        self._patterns = [{"resourceType": one.request_type.capitalize()} for one in types]
        self._on_blocked = on_blocked
        self._on_lost = on_lost
        loop = asyncio.get_running_loop()
        self._session: DevtoolsSession | None = None
        self._first_page = ""  # its session
        self._below: dict[str, set[str]] = {}  # the sessions of a session's frames
        self._commands: set[asyncio.Future[msgspec.Raw]] = set()  # that are not answered
        self._covered: asyncio.Future[bool] = loop.create_future()
        self._failed: asyncio.Future[str] = loop.create_future()
        self._task = loop.create_task(self._run())

    async def covered(self, seconds: float) -> None:
        """Wait until all pages that exist are covered; later ones wait until they are. Raise
        ``HostFailed``.
        """
        await asyncio.wait({self._covered}, timeout=seconds)
        if not self._covered.done() or not self._covered.result():
            raise HostFailed(_DOES_NOT_BLOCK)

    async def open(self, urls: Sequence[str]) -> None:
        """Open pages that were arguments of the program, the first one in the page that Chromium
        has at its start. Raise ``HostFailed``.
        """
        session = self._session
        try:
            for url in urls:
                if session is None:
                    raise HostFailed(_DOES_NOT_BLOCK)
                if self._first_page:
                    session.send("Page.navigate", {"url": url}, self._first_page)
                    self._first_page = ""
                else:
                    await session.ask("Target.createTarget", {"url": url})
        except DevtoolsFailed as error:
            raise HostFailed(str(error)) from None

    def close(self) -> None:
        """Chromium has ended, or shall end."""
        self._task.cancel()
        self._settle(covered=False)

    # within

    async def _run(self) -> None:
        try:
            async with self._connect(self._event) as session:
                self._session = session
                await self._watch(session)
        except Exception as error:
            if not isinstance(error, (HostFailed, DevtoolsFailed)):
                _log.error("the blocking of requests failed", exc_info=error)
            self._settle(covered=False)
            self._on_lost(str(error))

    async def _watch(self, session: DevtoolsSession) -> None:
        """Block until it fails. Raise ``DevtoolsFailed``."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await session.attach_all([_PAGE], wait=True)
                while self._commands:  # those that the events before the answer have made
                    await asyncio.wait(self._commands)
        except TimeoutError:
            raise DevtoolsFailed(f"no answer in {ANSWER_SECONDS:g} s") from None
        self._settle(covered=not self._failed.done())
        futures: set[asyncio.Future[Any]] = {session.ended, self._failed}
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        cause = self._failed.result() if self._failed.done() else "the connection has ended"
        raise DevtoolsFailed(cause)

    def _settle(self, *, covered: bool) -> None:
        if not self._covered.done():
            self._covered.set_result(covered)

    def _event(self, method: str, params: msgspec.Raw, session: str) -> None:
        try:
            if method == "Fetch.requestPaused":
                self._block(_decode_paused(params), session)
            elif method == "Target.attachedToTarget":
                attached = _decode_attached(params)
                self._attached(session, attached.session_id, attached.target_info.type)
            elif method == "Target.detachedFromTarget":
                self._detached(session, _decode_detached(params).session_id)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # not what Chromium writes

    def _block(self, paused: _Paused, session: str) -> None:
        if session not in self._below:
            return  # not asked for
        failed = {"requestId": paused.request_id, "errorReason": "BlockedByClient"}
        self._sent().send("Fetch.failRequest", failed, session)
        self._on_blocked(paused.resource_type, paused.network_id)

    def _attached(self, parent: str, target: str, kind: str) -> None:
        """Each session costs commands, so a hostile Chromium may not name any number."""
        if not is_session(target) or target in self._below:
            self._fail("it named a session that is none")
        elif len(self._below) >= _MAX_SESSIONS:
            self._fail(f"it has more than {_MAX_SESSIONS} pages and frames")
        else:
            self._below[target] = set()
            if parent in self._below:
                self._below[parent].add(target)
            self._cover(target, kind)

    def _detached(self, parent: str, target: str) -> None:
        """Forget a session, and those of its frames, of which Chromium may say nothing."""
        if parent in self._below:
            self._below[parent].discard(target)
        gone = [target]
        while gone:
            gone += self._below.pop(gone.pop(), ())

    def _cover(self, target: str, kind: str) -> None:
        session = self._sent()
        if kind in (_PAGE, _FRAME):
            self._expect(session.start("Fetch.enable", {"patterns": self._patterns}, target))
            self._expect(session.attach_all([_FRAME], target, wait=True))
            if kind == _PAGE and not self._covered.done():
                self._first_page = self._first_page or target
        session.resume(target)

    def _expect(self, answer: asyncio.Future[msgspec.Raw]) -> None:
        self._commands.add(answer)
        answer.add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[msgspec.Raw]) -> None:
        self._commands.discard(answer)
        error = None if answer.cancelled() else answer.exception()
        if error is not None and not isinstance(error, TargetGone):
            self._fail(str(error))

    def _fail(self, cause: str) -> None:
        if not self._failed.done():
            self._failed.set_result(cause)

    def _sent(self) -> DevtoolsSession:
        assert self._session is not None  # noqa: S101 - events come after the connection is made
        return self._session

"""Answers hot reads when their request has been parsed, without a task.

uvicorn's parser reads the request, and its cycle keeps the state of the connection, as for every
other request: errors, pipelined requests, slow clients and the end of the server are handled in one
way. Only the task, the messages of ASGI and the two writes of an answer are skipped. They cost more
than a read. Whatever ``HotPath`` leaves, and a body that takes long, gets its task a moment later.

A request that was answered before, byte for byte, is not parsed again (``repeated``).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from fyke.api.hot.path import FoundRoute, HotPath
from fyke.api.hot.repeated import HotRequest, RepeatedRequests
from fyke.api.hot.route import HotAnswer
from fyke.api.stalled import StallProtocol

BODY_SECONDS = 0.05  # many clients send the body in a packet of its own, right after the head


class HotProtocol(StallProtocol):
    """See the module's docstring. The application has the path as ``hot_path``."""

    _hot: HotPath | None = None
    _asked: tuple[FoundRoute, RequestResponseCycle] | None = None  # its task has not been created
    _body_timer: asyncio.TimerHandle | None = None
    _reading = False  # the path has the request
    _parsing = False
    # The parser is between two requests. The subclass keeps it up to date.
    _between = True
    _repeated: RepeatedRequests | None = None
    _piece = b""  # what the request to keep consists of, while it is received and answered
    _admission: Scope | None = None  # of a repeated request that the parser has to read after all

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._hot = getattr(self.app, "hot_path", None)
        if self._hot is not None and self.limit_concurrency is None:
            self._repeated = self._hot.repeated(self.scheme, self.client[0] if self.client else "")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._leave()

    def data_received(self, data: bytes) -> None:
        whole, self._between = self._between, False
        self._parsing = True
        try:
            super().data_received(data)
        finally:
            self._parsing = False
        if self._asked is None or self._reading:
            return
        if not self._asked[1].more_body:
            alone = whole and self._between and self._asked[1] is self.cycle
            self._piece = data if alone else b""
            self._answer(*self._asked)
            self._piece = b""
        elif self._body_timer is None:
            self._body_timer = self.loop.call_later(BODY_SECONDS, self._leave)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called when the head has been parsed, or, for a pipelined request, when the answer before
        has been sent. The latter gets its task at once: its body may never come, and nothing but
        further bytes would look at it here.
        """
        found = None
        if self._admission is not None:
            _scope(cycle).update(self._admission)
            self._admission = None
        elif self._hot is not None and self._parsing and cycle.more_body and app is self.app:
            found = None if cycle.waiting_for_100_continue else self._hot.find(_scope(cycle))
        if found is None:
            super()._start_asgi_task(cycle, app)
        else:
            self._asked = found, cycle

    def _answer(self, found: FoundRoute, cycle: RequestResponseCycle) -> None:
        """Answer a complete request."""
        if self._hot is None or self._is_blocked():
            self._leave()
            return
        request = self._hot.request(found, _scope(cycle), bytes(cycle.body))
        if request is None:
            self._leave()
            return
        self._end_timer()
        self._reading = True
        self._hot.answer(request, _scope(cycle), partial(self._write, cycle, request))

    def _write(
        self, cycle: RequestResponseCycle, request: HotRequest, answer: HotAnswer | None
    ) -> None:
        """Write what the path has answered, unless the request has been left meanwhile."""
        if self._asked is None or self._asked[1] is not cycle:
            return
        if answer is None or self._is_blocked():
            self._leave()
            return
        self._end_wait()
        cycle.response_started = cycle.response_complete = True
        self._send(answer, cycle.default_headers, keep_alive=cycle.keep_alive)
        if cycle.keep_alive and self._piece and self._repeated is not None:
            self._repeated.put(self._piece, request)

    def _send(
        self, answer: HotAnswer, fields: list[tuple[bytes, bytes]], *, keep_alive: bool
    ) -> None:
        lines = [STATUS_LINE[answer.status]]
        lines += [b"%s: %s\r\n" % field for field in fields]
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(b"".join((*lines, answer.fields, end, answer.body)))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _repeat(self, data: bytes) -> bool:
        """Whether this was a request that has been answered before, and is again. What the path
        leaves is parsed as usual.
        """
        if self._repeated is None or not self._between:
            return False
        request = self._repeated.get(data)
        if request is None or self._hot is None or self._is_blocked():
            return False
        if self.cycle is None or not self.cycle.response_complete:
            return False
        answers: list[HotAnswer | None] = []
        admission: Scope = {}
        self._hot.answer(request, admission, answers.append)
        if not answers or answers[0] is None:
            self._admission = admission
            return False
        self._send(answers[0], self.server_state.default_headers, keep_alive=True)
        return True

    def _leave(self) -> None:
        """Leave the request to the full path."""
        if self._asked is not None:
            cycle = self._asked[1]
            self._end_wait()
            super()._start_asgi_task(cycle, self.app)

    def _is_blocked(self) -> bool:
        return self.flow.write_paused or self.transport.is_closing()

    def _end_wait(self) -> None:
        self._asked = None
        self._reading = False
        self._end_timer()

    def _end_timer(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None


def _scope(cycle: RequestResponseCycle) -> Scope:
    """The same dictionary. uvicorn's type allows only the keys of ASGI."""
    return cast("Scope", cycle.scope)

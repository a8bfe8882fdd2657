"""A run as a stream of server-sent events: its state, its log and its rows as they are written.

The id of an event is the cursor after it, so a client that reconnects with the last id continues
exactly there; the server keeps no state for it. The last event is ``end``. A client that reconnects
with its id gets 204, which makes a browser stop reconnecting.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import ClassVar

from starlette.responses import Response

from fyke.api.auth import Authenticator, credential
from fyke.api.call import Call
from fyke.api.envelope import encode
from fyke.api.event_stream import EventStream, comment, event
from fyke.api.media import Media
from fyke.api.network import header
from fyke.api.routes import get
from fyke.domain.results.headers import with_id
from fyke.domain.runs.service import Runs
from fyke.domain.runs.stream import RunStreams, RunUpdate, StreamCursor, StreamFilter
from fyke.errors import InvalidFields, RateLimited, RunNotFound, Unauthenticated
from fyke.model.account import Scope
from fyke.model.results import Row
from fyke.model.run import RunState
from fyke.wire.v2.fields import EVENT_KINDS, EventQuery, RunId
from fyke.wire.v2.runs import WorkerRun

STREAMS_PER_KEY = 16
QUIET_SECONDS = 15.0  # after this long without an event a comment shows that the stream lives
RETRY_MS = 2_000
END = "end"

_CURSOR = re.compile(r"(\d{1,12})\.(\d{1,12})\.([a-z]+|-)")
_STATES = {state.value: state for state in RunState} | {"-": None}


_SAMPLE = 'event: log\nid: 1.0.running\ndata: {"list":[{"position":1,"content":"read"}]}\n\n'


@dataclass(frozen=True, slots=True)
class EventRoutes:
    tag: ClassVar[str] = "Runs"

    runs: Runs
    streams: RunStreams
    accounts: Authenticator
    open: Counter[str] = field(default_factory=Counter)  # key to its streams

    @get(
        "/api/v2/worker-runs/{runId:run}/events",
        scope=Scope.READ,
        errors=(RunNotFound,),
        produces=(Media("text/event-stream", example=_SAMPLE),),
        statuses={204: "The `end` has already been sent; nothing follows"},
        headers={"Last-Event-ID": "the id of the last event received"},
    )
    async def stream_worker_run(self, call: Call, run_id: RunId, wanted: EventQuery) -> Response:
        """State, log and rows of a run as they are written, as server-sent events.

        Events `status` (the run), `log`, `rows` (both with positions) and, last, `end` (the run).
        To resume, send the id of the last event received; that of `end` is answered with 204. A key
        may have 16 streams open at one server.
        """
        cursor = _cursor(header(call.request.scope, b"last-event-id") or wanted.last_event_id)
        await self.runs.get(call.caller, run_id)
        if cursor is None:
            return Response(status_code=204)
        key = call.caller.key_id
        if self.open[key] >= STREAMS_PER_KEY:
            raise RateLimited(5, f"at most {STREAMS_PER_KEY} event streams per key; close one")
        self.open[key] += 1
        chosen = _chosen(wanted.kinds or EVENT_KINDS)
        return EventStream(self._events(call, run_id, chosen, cursor), lambda: self._closed(key))

    def _closed(self, key: str) -> None:
        self.open[key] -= 1
        if not self.open[key]:
            del self.open[key]

    async def _events(
        self, call: Call, run_id: str, chosen: StreamFilter, cursor: StreamCursor
    ) -> AsyncGenerator[bytes, None]:
        """Ends with the run, when the run is deleted, and when the key is no longer valid."""
        key_text = credential(call.request.scope) or ""
        yield b"retry: %d\n\n" % RETRY_MS
        sent = asked = monotonic()
        async with self.streams.follow(call.caller, run_id, cursor, chosen) as follower:
            while (update := await follower.next()) is not None:
                message = _message(update)
                now = monotonic()
                if now - asked >= QUIET_SECONDS:
                    asked = now
                    if not await self._still_admitted(key_text):
                        return
                if message is None and now - sent >= QUIET_SECONDS:
                    message = comment("still here")
                if message is not None:
                    yield message
                    sent = monotonic()
                if update.ended:
                    return

    async def _still_admitted(self, key_text: str) -> bool:
        try:
            await self.accounts.authenticate(key_text)
        except Unauthenticated:
            return False
        return True


def _chosen(kinds: Sequence[str]) -> StreamFilter:
    return StreamFilter(state="status" in kinds, log="log" in kinds, rows="rows" in kinds)


def _cursor(text: str) -> StreamCursor | None:
    """The cursor in an event's id; None after the ``end``. Raises ``InvalidFields``."""
    if not text:
        return StreamCursor()
    found = _CURSOR.fullmatch(text.strip())
    if found is not None and found[3] == END:
        return None
    if found is None or found[3] not in _STATES:
        raise InvalidFields("Last-Event-ID must be the id of an event of this stream")
    return StreamCursor(int(found[1]), int(found[2]), _STATES[found[3]])


def _message(update: RunUpdate) -> bytes | None:
    state = END if update.ended else (update.cursor.state or "-")
    cursor = f"{update.cursor.log}.{update.cursor.row}.{state}"
    if update.view is not None:
        # without a grace period: once the stream has ended, so must the run
        return event(
            END if update.ended else "status", cursor, encode(WorkerRun.of(update.view, 0))
        )
    if update.log:
        return event("log", cursor, encode({"list": update.log}))
    if update.rows:
        return event("rows", cursor, b'{"list":[' + b",".join(map(_row, update.rows)) + b"]}")
    return None


def _row(row: Row) -> bytes:
    return b'{"position":%d,"row":%s}' % (row.position, with_id(row))

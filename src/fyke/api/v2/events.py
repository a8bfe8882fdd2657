"""A run as a stream of server-sent events: its state, log and rows.

The id of an event is the cursor after it, so a client that reconnects with the last id continues
exactly there; the server stores no state for it. The last event is ``end``. A client that
reconnects with its id gets 204, which stops a browser from reconnecting.
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
from fyke.api.v2.aborting_readers import AbortingReaders
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
QUIET_SECONDS = 15.0  # after this time without an event a comment keeps the connection open
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
    aborting: AbortingReaders
    open: Counter[str] = field(default_factory=Counter)  # by key id

    @get(
        "/api/v2/worker-runs/{runId:run}/events",
        scope=Scope.READ,
        errors=(RunNotFound,),
        produces=(Media("text/event-stream", example=_SAMPLE),),
        statuses={204: "The `end` has already been sent; nothing follows"},
        headers={"Last-Event-ID": "the id of the last event received"},
    )
    async def stream_worker_run(self, call: Call, run_id: RunId, query: EventQuery) -> Response:
        """State, log and rows of an active run, as server-sent events.

        Events `status` (the run), `log`, `rows` (both with positions) and, last, `end` (the run).
        To resume, send the id of the last event received; that of `end` is answered with 204. A key
        may have 16 streams open at one server.
        """
        cursor = _cursor(header(call.request.scope, b"last-event-id") or query.last_event_id)
        await self.runs.get(call.caller, run_id)
        if cursor is None:
            return Response(status_code=204)
        key = call.caller.key_id
        if self.open[key] >= STREAMS_PER_KEY:
            raise RateLimited(5, f"at most {STREAMS_PER_KEY} event streams per key; close one")
        self.open[key] += 1
        stream_filter = _filter(query.kinds or EVENT_KINDS)
        return EventStream(
            self._events(call, run_id, stream_filter, cursor), lambda: self._closed(key)
        )

    def _closed(self, key: str) -> None:
        self.open[key] -= 1
        if not self.open[key]:
            del self.open[key]

    async def _events(
        self, call: Call, run_id: str, stream_filter: StreamFilter, cursor: StreamCursor
    ) -> AsyncGenerator[bytes, None]:
        """The events, until the run ends or is deleted, or the key becomes invalid."""
        key_text = credential(call.request.scope) or ""
        yield b"retry: %d\n\n" % RETRY_MS
        sent_at = checked_at = monotonic()
        async with self.streams.follow(call.caller, run_id, cursor, stream_filter) as follower:
            while (update := await follower.next()) is not None:
                message = _message(update)
                now = monotonic()
                if now - checked_at >= QUIET_SECONDS:
                    checked_at = now
                    if not await self._key_is_valid(key_text):
                        return
                if message is None and now - sent_at >= QUIET_SECONDS:
                    message = comment("keep-alive")
                if message is not None:
                    yield message
                    sent_at = monotonic()
                if update.ended:
                    self.aborting.add(call, run_id)  # the client has read how the run ended
                    return

    async def _key_is_valid(self, key_text: str) -> bool:
        try:
            await self.accounts.authenticate(key_text)
        except Unauthenticated:
            return False
        return True


def _filter(kinds: Sequence[str]) -> StreamFilter:
    return StreamFilter(state="status" in kinds, log="log" in kinds, rows="rows" in kinds)


def _cursor(text: str) -> StreamCursor | None:
    """The cursor in an event's id, None for the id of ``end``. Raises ``InvalidFields``."""
    if not text:
        return StreamCursor()
    match = _CURSOR.fullmatch(text.strip())
    if match is not None and match[3] == END:
        return None
    if match is None or match[3] not in _STATES:
        raise InvalidFields("Last-Event-ID must be the id of an event of this stream")
    return StreamCursor(int(match[1]), int(match[2]), _STATES[match[3]])


def _message(update: RunUpdate) -> bytes | None:
    state = END if update.ended else (update.cursor.state or "-")
    cursor = f"{update.cursor.log}.{update.cursor.row}.{state}"
    if update.view is not None:
        # no grace period: after ``end`` the run must not appear as active
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

"""Methods of the client for starting, watching and repeating runs."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from fyke_client import types
from fyke_client._async.connection import AsyncConnection
from fyke_client._decode import decode
from fyke_client._events import Event, EventParser
from fyke_client._files import write_file
from fyke_client._requests import (
    Request,
    is_temporary,
    json_request,
    new_idempotency_key,
    pause_before,
    segment,
    with_query,
)
from fyke_client._rows import without_id
from fyke_client.errors import ClientError, Unreachable

SYNC_SECONDS = 300.0
WAIT_SECONDS = 30  # of one request; many proxies end those of 60 seconds
LEAST_SECONDS = 1.0  # from one question for the end to the next; and for the last answer
PATIENCE = 300.0  # seconds that a wait or a stream survives without any answer


class AsyncRunCalls:
    """Runs: start, wait, follow, abort, repeat."""

    _connection: AsyncConnection

    async def start(
        self,
        worker: str,
        input: Mapping[str, Any] | None = None,
        *,
        system: Mapping[str, Any] | None = None,
        version: str = "",
        callback_url: str = "",
        idempotency_key: str = "",
    ) -> str:
        """Start a run of ``worker`` (``owner/name`` or its slug); return the run's slug.

        ``input`` is the Worker's own input, ``system`` the device and limits, such as
        ``{"memory": 1024}``. A start that gets no answer is sent again with the same key, so there
        is one run. With an ``idempotency_key`` of your own, also across programs, for 24
        hours.
        """
        body = types.v1.StartRun(
            scraper_slug=worker,
            input=run_input(input, system),
            version=version,
            callback_url=callback_url,
        )
        return await self._start("/api/v1/scraper/run", body, idempotency_key)

    async def start_and_wait(
        self,
        worker: str,
        input: Mapping[str, Any] | None = None,
        *,
        system: Mapping[str, Any] | None = None,
        version: str = "",
        page_index: int = 1,
        page_size: int = 10,
        idempotency_key: str = "",
    ) -> types.v1.SyncResult:
        """Start a run and wait for its end in the same request, at most five minutes."""
        body = types.v1.StartRun(
            scraper_slug=worker,
            input=run_input(input, system),
            version=version,
            is_async=False,
            page_index=page_index,
            page_size=page_size,
        )
        request = json_request(
            "POST",
            "/api/v1/scraper/run",
            body,
            extra_seconds=SYNC_SECONDS,
            idempotency_key=idempotency_key or new_idempotency_key(),
        )
        return await self._connection.answer(request, types.v1.SyncResult)

    async def rerun(self, run: str, callback_url: str = "", *, idempotency_key: str = "") -> str:
        """Start a run with the Worker, version and input of an earlier one; return its slug."""
        body = types.v1.Rerun(run, callback_url)
        return await self._start("/api/v1/rerun", body, idempotency_key)

    async def _start(self, path: str, body: object, idempotency_key: str) -> str:
        key = idempotency_key or new_idempotency_key()
        request = json_request("POST", path, body, idempotency_key=key)
        return (await self._connection.answer(request, types.v1.RunStarted)).run_slug

    async def run(self, run: str) -> types.v1.RunDetail:
        """The state and the figures of a run."""
        body = types.v1.RunRef(run)
        return await self._connection.read("/api/v1/run/detail", types.v1.RunDetail, body)

    async def run_summary(self, run: str) -> types.fyke.runs.RunSummary:
        """The state of a run, or how it ended, with the number of ``hidden`` rows."""
        path = f"/api/fyke/runs/{segment(run)}"
        return await self._connection.get(path, types.fyke.runs.RunSummary)

    async def run_page(
        self, *, status: int = 0, worker: str = "", page_index: int = 1, page_size: int = 20
    ) -> types.v1.RunPage:
        """A page of the runs with their details, newest first."""
        body = types.v1.RunList(page_index, page_size, status, worker)
        return await self._connection.read("/api/v1/run/list", types.v1.RunPage, body)

    async def search_runs(
        self,
        *,
        reason: str = "",
        state: str = "",
        worker: str = "",
        page_index: int = 1,
        page_size: int = 20,
    ) -> types.fyke.run_lists.RunItemPage:
        """A page of the runs, newest first. ``reason``: codes of why they ended, separated by
        commas.
        """
        query = {"reason": reason, "state": state, "worker": worker}
        pages = {"page_index": str(page_index), "page_size": str(page_size)}
        return await self._connection.get(
            "/api/fyke/runs", types.fyke.run_lists.RunItemPage, query | pages
        )

    async def runs(
        self, *, worker: str = "", state: str = "", reason: str = ""
    ) -> AsyncIterator[types.fyke.run_lists.RunItem]:
        """All runs, newest first, requested in pages. ``state``: such as ``failed`` or ``active``;
        ``reason``: codes of why they ended, separated by commas.
        """
        query = {"reason": reason, "state": state, "worker": worker, "page_size": "100"}
        while True:
            page = await self._connection.get(
                "/api/fyke/runs", types.fyke.run_lists.RunItemPage, query
            )
            for item in page.items:
                yield item
            if not page.next_cursor:
                return
            query["cursor"] = page.next_cursor

    async def abort(self, run: str) -> None:
        """Stop a run; its rows stay."""
        body = types.v1.RunRef(run)
        # Aborting an aborted run succeeds again.
        await self._connection.read("/api/v1/scraper/abort", type(None), body)

    async def delete_run(self, run: str) -> None:
        """Delete a finished run with its rows and logs."""
        await self._connection.delete(f"/api/fyke/runs/{segment(run)}", type(None))

    async def wait(self, run: str, timeout: float | None = None) -> types.v1.RunDetail:
        """Wait until the run has ended; return its detail, whatever the end was.

        Survives a server that is away for up to five minutes. Raises ``TimeoutError`` after
        ``timeout`` seconds; call it again to go on waiting, also in another program.
        """
        began = time.monotonic()
        deadline = math.inf if timeout is None else began + timeout
        path = f"/api/v2/worker-runs/{segment(run)}"
        heard, failures, state = began, 0, ""
        while True:
            asked = time.monotonic()
            left = deadline - asked
            seconds = int(max(0, min(left, WAIT_SECONDS)))
            # This loop repeats requests, so that each attempt keeps the deadline.
            most = max(0.0, left) + LEAST_SECONDS
            question = Request(
                "GET",
                with_query(path, {"wait": seconds}),
                extra_seconds=seconds,
                most_seconds=most,
                retries=0,
            )
            detail = json_request("POST", "/api/v1/run/detail", types.v1.RunRef(run))
            detail = detail._replace(most_seconds=most, retries=0)
            try:
                seen = await self._connection.answer(question, types.v2.runs.WorkerRun)
                if seen.finished_at:
                    return await self._connection.answer(detail, types.v1.RunDetail)
            except ClientError as error:
                failures += 1
                pause, now = pause_before(failures, error), time.monotonic()
                if not is_temporary(error):
                    raise
                if now >= deadline:
                    raise _too_late(run, state, deadline - began) from error
                if pause is None or now - heard > PATIENCE:
                    raise
                await self._connection.pause(min(pause, deadline - now))
                continue
            heard, failures, state = time.monotonic(), 0, seen.status
            if left <= 0:
                raise _too_late(run, state, deadline - began)
            rest = min(LEAST_SECONDS - (heard - asked), deadline - heard)
            if rest > 0:
                await self._connection.pause(rest)

    async def log_tail(self, run: str) -> types.v1.LogTail:
        """The last lines of the log, and a link to all of it."""
        body = types.v1.RunRef(run)
        return await self._connection.read("/api/v1/run/last/log", types.v1.LogTail, body)

    async def logs(self, run: str) -> AsyncIterator[types.fyke.run_logs.LogItem]:
        """The log that a run has now, oldest entry first, requested in parts."""
        position = 0
        while entries := await self.log_after(run, position):
            for entry in entries:
                yield entry
            position = entries[-1].position

    async def log_after(
        self, run: str, position: int = 0, limit: int = 1000
    ) -> list[types.fyke.run_logs.LogItem]:
        """Entries of the log after ``position``, in order; empty when there are none yet."""
        query = {"after": str(position), "limit": str(limit)}
        path = f"/api/fyke/runs/{segment(run)}/log"
        return (await self._connection.get(path, types.fyke.run_logs.LogPart, query)).items

    async def events(self, run: str) -> list[types.fyke.runs.RunEventItem]:
        """What has happened to a run, in order."""
        path = f"/api/fyke/runs/{segment(run)}/events"
        return (await self._connection.get(path, types.fyke.runs.RunEventList)).items

    async def diagnosis(self, run: str, *, picture: bool = True) -> bytes:
        """The content of the ZIP that ``diagnose`` writes."""
        query = {} if picture else {"picture": "false"}
        path = with_query(f"/api/fyke/runs/{segment(run)}/diagnosis", query)
        return await self._connection.file(path)

    async def diagnose(
        self, run: str, path: str | PathLike[str] = "", *, picture: bool = True
    ) -> Path:
        """Write one ZIP that explains a run: cause, remedy, figures, log, sites, last page. By
        default to ``RUN-diagnosis.zip`` in the current folder. Secrets are masked, but not in the
        ``picture`` of the last page. The file is complete or does not appear.
        """
        data = await self.diagnosis(run, picture=picture)
        target = Path(path or f"{run}-diagnosis.zip")
        await self._connection.aside(write_file, target, data)
        return target

    async def follow(
        self, run: str, kinds: Sequence[str] = ("status", "log", "rows"), *, after: str = ""
    ) -> AsyncIterator[Event]:
        """Events of a run while it goes, until the event ``end``; from the beginning, or after the
        event with the id ``after``. A broken connection is made again, and nothing is lost or
        repeated.
        """
        path = with_query(f"/api/v2/worker-runs/{segment(run)}/events", {"kinds": ",".join(kinds)})
        heard, failures = time.monotonic(), 0
        while True:
            headers = {"accept": "text/event-stream"} | ({"last-event-id": after} if after else {})
            parser = EventParser()
            try:
                async with self._connection.lines(Request("GET", path, headers)) as lines:
                    if lines is None:
                        return  # nothing comes after that event
                    async for line in lines:
                        heard, failures = time.monotonic(), 0  # an idle stream has comments
                        event = parser.feed(line)
                        if event is None:
                            continue
                        after = event.id or after
                        yield event
                        heard = time.monotonic()  # the caller may have taken long
                        if event.kind == "end":
                            return
                raise Unreachable(f"the events of run {run} ended early")
            except ClientError as error:
                failures += 1
                pause = pause_before(failures, error)
                lost = time.monotonic() - heard > PATIENCE
                if lost or pause is None or not is_temporary(error):
                    raise
            await self._connection.pause(pause)

    async def follow_rows(self, run: str) -> AsyncIterator[dict[str, Any]]:
        """The rows of a run as they are pushed, until it ends."""
        async for event in self.follow(run, ("rows",)):
            if event.kind == "rows":
                for item in event.data["list"]:
                    yield without_id(item["row"])

    async def follow_logs(self, run: str) -> AsyncIterator[types.fyke.run_logs.LogItem]:
        """The log of a run as it is written, until it ends."""
        async for event in self.follow(run, ("log",)):
            if event.kind == "log":
                part = decode(msgspec.json.encode(event.data), types.fyke.run_logs.LogPart)
                for entry in part.items:
                    yield entry


def _too_late(run: str, state: str, seconds: float) -> TimeoutError:
    text = f"run {run} is still {state}" if state else f"nothing is known of run {run}"
    return TimeoutError(f"{text} after {seconds:g} s")


def run_input(input: Mapping[str, Any] | None, system: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ``input`` of a start."""
    return {"parameters": {"system": dict(system or {}), "custom": dict(input or {})}}

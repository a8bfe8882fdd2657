"""Writes the archive of a run as a stream, with one part of a file in memory at a time."""

from __future__ import annotations

import asyncio
import time
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import IO, Any

import msgspec
from starlette.responses import Response

from fyke.api.diagnosis.report import MAX_LISTED, PICTURE, ArchiveNotes, report
from fyke.api.diagnosis.tables import (
    memory_was_read,
    requests_csv,
    seen_requests,
    sites_csv,
    usage_csv,
)
from fyke.api.downloads import Stream, after_first_chunk
from fyke.api.media import Media
from fyke.domain.logs.text import render
from fyke.domain.runs.diagnosis import (
    MAX_INSTALL_LINES,
    MAX_LOG_LINES,
    Diagnoses,
    Diagnosis,
)
from fyke.domain.runs.subtask_reader import SubtaskView
from fyke.domain.workers.secret_inputs import ALL_HIDDEN
from fyke.kit.zip_stream import StreamedZip, UnsentBytes
from fyke.model.account import Caller
from fyke.model.last_page import PageFileKind
from fyke.model.log import LogEntry
from fyke.model.run import Outcome, Run
from fyke.wire.fyke.run_browser import RunBrowserReport
from fyke.wire.fyke.runs import RunEventItem, RunEventList, RunSummary, SubtaskItem, WaitingRun

ZIP = "application/zip"
ZIP_MEDIA = Media(ZIP, {"type": "string", "format": "binary"})
_LEVEL = 4  # of compression
_STORED = zipfile.ZIP_STORED  # of what is compressed already
_ASIDE = 64 * 1024  # bytes from which compression leaves the event loop
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
}
_TEXT_FILES = {
    PageFileKind.HTML: "last-page.html.txt",
    PageFileKind.CONSOLE: "last-page.console.txt",
}

encode = msgspec.json.Encoder().encode


def archive_name(run_id: str) -> str:
    return f"{run_id}-diagnosis.zip"


async def diagnosis_file(
    diagnoses: Diagnoses, caller: Caller, run_id: str, *, picture: bool = True
) -> Response:
    """The download. Raises ``RunNotFound``, and ``RateLimited`` while another archive of the
    account is written. ``picture``: with that of the last page, in which no secret is masked.
    """
    body = _chunks(diagnoses, caller, run_id, picture=picture)
    name = archive_name(run_id)
    headers = {**_HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Stream(await after_first_chunk(body), 200, headers, ZIP)


async def _chunks(
    diagnoses: Diagnoses, caller: Caller, run_id: str, *, picture: bool
) -> AsyncGenerator[bytes, None]:
    with diagnoses.turn(caller):
        diagnosis = await diagnoses.of(caller, run_id)
        archive = _Archive(diagnoses, caller, diagnosis, picture=picture)
        async with aclosing(archive.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk


class _Archive:
    """One archive. Its files are added in the order in which they are read; the report is the last,
    because it names the others.
    """

    def __init__(
        self, diagnoses: Diagnoses, caller: Caller, diagnosis: Diagnosis, *, picture: bool
    ) -> None:
        self._diagnoses = diagnoses
        self._caller = caller
        self._diagnosis = diagnosis
        self._picture = picture
        self._masker = diagnosis.masker
        self._notes = ArchiveNotes()
        self._out = UnsentBytes()
        self._zip = StreamedZip(self._out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self._now = time.time()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        files = [self._records()]
        if self._diagnosis.secrets.known:
            files += [self._texts(), self._attempts(), self._log(), self._page()]
        for part in files:
            async for chunk in part:
                yield chunk
        page = await asyncio.to_thread(
            report, self._diagnosis, self._notes, round(self._now * 1000)
        )
        yield await self._add("diagnosis.md", page.encode("utf-8", "replace"))
        self._zip.close()
        yield self._out.take()

    # --- the files ---------------------------------------------------------------------------

    async def _records(self) -> AsyncIterator[bytes]:
        """The files that are as long as the record of a run."""
        found = self._diagnosis
        yield await self._json("run.json", _run_members(found), "state, reason, limits and figures")
        text, about = await self._diagnoses.input(self._caller, found), "the input, without secrets"
        if text is None:
            text, about = ALL_HIDDEN.encode(), "left out: too large to hide the secrets in it"
        yield await self._add("input.json", text, about)
        del text
        samples, peak = found.usage.samples, found.usage.memory_peak_bytes
        about = "CPU time, memory, traffic and rows over time"
        if not memory_was_read(samples, peak):
            about += (
                "; too short for a reading of the memory, of which `attempts.json` has the peak"
            )
        yield await self._add("usage.csv", usage_csv(samples, peak), about)

    async def _texts(self) -> AsyncIterator[bytes]:
        """The records that have texts of the Worker, and names of sites."""
        found = self._diagnosis
        events = RunEventList([RunEventItem.of(event) for event in found.events])
        omitted = found.event_count - len(found.events)
        history = (
            f"what happened, in order{f'; {omitted} earlier ones are left out' * (omitted > 0)}"
        )
        yield await self._json("events.json", events, history)
        sites = await asyncio.to_thread(sites_csv, found.traffic.sites, self._masker)
        yield await self._add("sites.csv", sites, "requests, bytes and failures of each site")
        if found.browser is not None:
            browser = RunBrowserReport.of(found.browser)
            about = "requests by type and status, console messages"
            yield await self._json("browser.json", browser, about)

    async def _attempts(self) -> AsyncIterator[bytes]:
        run, shown = self._diagnosis.view.run, 0
        with self._open("attempts.json") as file:
            file.write(b'{"count":%d,"list":[' % run.subtasks)
            async for views in self._diagnoses.subtasks(self._caller, self._diagnosis):
                self._note_failed(views)
                if views:
                    part = await asyncio.to_thread(self._masked_list, views)
                    await self._write(file, (b",\n" if shown else b"\n") + part)
                shown += len(views)
                yield self._out.take()
            file.write(b"]}\n")
        of_all = "all" if shown >= run.subtasks else f"the first {shown} of {run.subtasks}"
        self._notes.files["attempts.json"] = f"{of_all} subtasks with their attempts"
        yield self._out.take()

    async def _log(self) -> AsyncIterator[bytes]:
        found = self._diagnosis
        with self._open("log.txt") as file:
            async for entries in self._diagnoses.log(found):
                await self._write(file, await asyncio.to_thread(self._lines, entries))
                yield self._out.take()
        cut = found.log_lines > MAX_LOG_LINES
        part = f"the last {MAX_LOG_LINES} of {found.log_lines} entries" if cut else "the whole log"
        self._notes.files["log.txt"] = part
        failed = self._notes.failed
        number = next((v.subtask.number for v in failed if _not_installed(v)), "")
        if number:
            lines = await self._diagnoses.install_log(found, number)
            data = await asyncio.to_thread(self._lines, lines)
            about = (
                "output of the installer, for the first subtask that failed for it; at most "
                f"{MAX_INSTALL_LINES} entries"
            )
            yield await self._add("install.log", data, about)

    async def _page(self) -> AsyncIterator[bytes]:
        """The files of the last page of the latest attempt that has one."""
        page = self._diagnosis.last_page
        if page is None:
            return
        for file in page.page.files:
            if file.kind is PageFileKind.SCREENSHOT and not self._picture:
                continue
            stored = await self._diagnoses.page_file(
                self._caller, self._diagnosis, page, file.kind.value
            )
            if stored is None:
                continue
            cut = "; something was left out" if file.truncated else ""
            match file.kind:
                case PageFileKind.SCREENSHOT:
                    about = f"picture of the last page of subtask {page.number}"
                    yield await self._add(PICTURE, stored.data, about, compression=_STORED)
                case PageFileKind.HAR:
                    har = await asyncio.to_thread(self._masker.row, stored.data)
                    entries = await asyncio.to_thread(seen_requests, har)
                    self._notes.requests = [one for one in entries if one.failed][-MAX_LISTED:]
                    about = "requests of the last page with status and timing"
                    table = await asyncio.to_thread(requests_csv, entries)
                    yield await self._add("requests.csv", table, about)
                    about = f"the same with headers, for browsers{cut}"
                    yield await self._add("last-page.har", har, about)
                case PageFileKind.HTML | PageFileKind.CONSOLE:
                    text = await asyncio.to_thread(self._masked, stored.data)
                    about = "HTML" if file.kind is PageFileKind.HTML else "console"
                    about += f" of the last page{cut}"
                    yield await self._add(_TEXT_FILES[file.kind], text, about)

    # --- parts -------------------------------------------------------------------------------

    def _note_failed(self, views: list[SubtaskView]) -> None:
        room = MAX_LISTED - len(self._notes.failed)
        failed = [view for view in views if view.subtask.outcome not in (None, Outcome.SUCCEEDED)]
        self._notes.failed += failed[: max(0, room)]

    def _masked_list(self, views: list[SubtaskView]) -> bytes:
        """Items of a JSON list without secrets, of which the masker reads objects only."""
        items = b",\n".join(encode(SubtaskItem.of(view)) for view in views)
        masked = self._masker.row(b'{"list":[' + items + b"]}")
        return masked[len(b'{"list":[') : -len(b"]}")]

    def _lines(self, entries: list[LogEntry]) -> bytes:
        return self._masker.text("".join(map(render, entries))).encode("utf-8", "replace")

    def _masked(self, data: bytes) -> bytes:
        return self._masker.text(data.decode("utf-8", "replace")).encode("utf-8", "replace")

    # --- the archive -------------------------------------------------------------------------

    async def _json(self, name: str, value: Any, about: str) -> bytes:
        data = await asyncio.to_thread(self._masker.row, encode(value))
        return await self._add(name, msgspec.json.format(data, indent=2) + b"\n", about)

    async def _add(
        self, name: str, data: bytes, about: str = "", *, compression: int = zipfile.ZIP_DEFLATED
    ) -> bytes:
        with self._open(name, compression) as file:
            await self._write(file, data)
        if about:
            self._notes.files[name] = about
        return self._out.take()

    def _open(self, name: str, compression: int = zipfile.ZIP_DEFLATED) -> IO[bytes]:
        info = zipfile.ZipInfo(name, time.gmtime(self._now)[:6])
        info.compress_type = compression
        info.external_attr = 0o644 << 16
        return self._zip.open(info, "w")

    async def _write(self, file: IO[bytes], data: bytes) -> None:
        if len(data) < _ASIDE:
            file.write(data)
        else:
            await asyncio.to_thread(file.write, data)


def _not_installed(view: SubtaskView) -> bool:
    return view.subtask.outcome is Outcome.INSTALL_FAILED


def _run_members(diagnosis: Diagnosis) -> dict[str, Any]:
    """The answer of ``GET /api/fyke/runs/{slug}``, and what the run was allowed."""
    view = diagnosis.view
    summary = RunSummary.of(view, diagnosis.ending, diagnosis.hidden_rows, diagnosis.nodes)
    members: dict[str, Any] = msgspec.to_builtins(summary)
    if not diagnosis.secrets.known:  # they may be in any text
        members |= {"reason": "", "reason_params": {}, "hint": None, "errors": []}
    return members | {
        "worker_path": view.worker.path,
        "origin": view.run.origin.value,
        "limits": _limits(view.run),
        "cpu_ms": diagnosis.usage.cpu_ms,
        "memory_peak": diagnosis.usage.memory_peak_bytes,
        "waiting": msgspec.to_builtins(WaitingRun.of(diagnosis.waits)),
        "environment": diagnosis.environment.state.value if diagnosis.environment else "",
    }


def _limits(run: Run) -> dict[str, Any]:
    limits = run.limits
    return {
        "cpus": limits.cpus,
        "memory_mb": limits.memory_mb,
        "timeout_seconds": limits.timeout_s,
        "max_charge_micros": limits.max_charge_micros,
        "max_traffic_bytes": limits.max_traffic_bytes,
        "browser_memory_mb": limits.browser_memory_mb,
        "region": run.region,
    }

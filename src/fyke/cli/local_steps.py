"""Runs the steps of a series: local runs one after another, which share services and caches.

Each step is a file with an input and the name of an archive. A series of a known number of steps
takes them in order. An endless one always takes the newest, and a newer one stops a run: its files
appear while it runs (``fyke.cli.local_watch``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fyke.cli.errors import Exit, failure_of
from fyke.cli.local_outcome import LocalLog, outcome

if TYPE_CHECKING:
    from fyke.app.local import LocalRuns
    from fyke.model.log import LogEntry
    from fyke.settings import Settings

POLL_SECONDS = 0.2  # between looks for a newer step


def step_file(number: int) -> str:
    return f"step-{number}.json"


def project_file(number: int) -> str:
    return f"project-{number}.zip"


def rows_file(number: int) -> str:
    return f"output-{number}"


def log_file(number: int) -> str:
    return f"log-{number}"


def result_file(number: int) -> str:
    return f"result-{number}.json"


def pages_prefix(number: int) -> str:
    return f"page-{number}-"


async def run_series(settings: Settings, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Run the steps in ``folder`` until the last of ``count`` (0: endless), or a signal."""
    from fyke.app.local import open_local_runs

    async with open_local_runs(settings, builds=request["builds"]) as local:
        number = 0
        while number := await next_step(folder, number, request["count"], local.interrupted):
            result = await _run_step(local, settings, folder, number, request)
            partial = folder / f".{result_file(number)}"
            partial.write_text(json.dumps(result))
            partial.rename(folder / result_file(number))
        is_cut_off = request["count"] and local.interrupted.is_set()
    return {"code": int(Exit.INTERRUPTED if is_cut_off else Exit.OK)}


async def next_step(folder: Path, last: int, count: int, interrupted: asyncio.Event) -> int:
    """The number of the step after ``last``, 0 at the end. An endless series waits for it."""
    if count:
        return 0 if interrupted.is_set() or last >= count else last + 1
    while not interrupted.is_set():
        if (newest := _newest(folder, last)) > last:
            return newest
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(interrupted.wait(), POLL_SECONDS)
    return 0


def _newest(folder: Path, number: int) -> int:
    while (folder / step_file(number + 1)).exists():
        number += 1
    return number


async def _run_step(
    local: LocalRuns, settings: Settings, folder: Path, number: int, request: dict[str, Any]
) -> dict[str, Any]:
    """Run one step; its result, or the error that refused it."""
    step = json.loads((folder / step_file(number)).read_text())
    if step["title"]:
        print(step["title"], file=sys.stderr, flush=True)
    with contextlib.ExitStack() as stack:
        log = LocalLog() if request["print_log"] else None
        on_log = _log_writer(folder / log_file(number), log, stack)
        try:
            async with _superseded(folder, number, endless=not request["count"]) as superseded:
                end = await local.run(
                    (folder / step["project"]).read_bytes(),
                    step["input"],
                    format=request["format"],
                    output=folder / rows_file(number),
                    pages=folder / pages_prefix(number),
                    on_log=on_log,
                    on_progress=None if log is None else log.show,
                    stop=superseded,
                )
        except Exception as error:
            failed = failure_of(error)
            if failed is None:
                raise
            return {"error": str(failed), "code": int(failed.code)}
    headers = [asdict(header) for header in end.headers]
    stopped = superseded.is_set() and end.run.state == "aborted"
    return outcome(settings, end) | {"headers": headers, "superseded": stopped}


def _log_writer(
    path: Path, log: LocalLog | None, stack: contextlib.ExitStack
) -> Callable[[LogEntry], None]:
    """Write each line of the log as JSON to a file, and print it with ``log``."""
    file = stack.enter_context(path.open("w", encoding="utf-8"))

    def write(entry: LogEntry) -> None:
        file.write(json.dumps(asdict(entry)) + "\n")
        if log is not None:
            log.print(entry)

    return write


@contextlib.asynccontextmanager
async def _superseded(folder: Path, number: int, *, endless: bool) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set when there is a newer step in an endless series."""
    event = asyncio.Event()

    async def watch() -> None:
        while not event.is_set():
            await asyncio.sleep(POLL_SECONDS)
            if (folder / step_file(number + 1)).exists():
                event.set()

    task = asyncio.create_task(watch()) if endless else None
    try:
        yield event
    finally:
        if task is not None:
            task.cancel()

"""Doing what a local order says: carrying out one run, or looking which walls hold.

As root this is a process of its own, run by the service user (``fyke local-work FOLDER``).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli.context import load_settings
from fyke.cli.errors import Exit, failure_of
from fyke.cli.run_watch import log_line

if TYPE_CHECKING:
    from fyke.model.log import LogEntry
    from fyke.settings import Settings

ORDER, PROJECT, OUTPUT, RESULT = "order.json", "project.zip", "output", "result.json"


def local_work(
    folder: Annotated[Path, typer.Argument()], parent: Annotated[int, typer.Option(hidden=True)]
) -> None:
    """Carry out a local order. Started by other commands, not by people."""
    from fyke.cli.supervisor import die_with_parent

    die_with_parent(parent)
    sys.exit(do(folder))


def do(folder: Path) -> int:
    """Carry out the order in ``folder`` and leave the result there; return the exit status."""
    before = os.umask(0o077)
    try:
        return _do(folder)
    finally:
        os.umask(before)  # what the user asked for is written afterwards, with the user's own


def _do(folder: Path) -> int:
    from fyke.telemetry.logging import configure

    order = json.loads((folder / ORDER).read_text())
    settings = load_settings(home=order["home"], **order["settings"])
    configure("local", "error")
    try:
        result = _probe(settings) if order["what"] == "probe" else _run(settings, folder, order)
    except Exception as error:
        failed = failure_of(error)
        if failed is None:
            raise
        result = {"error": str(failed), "code": int(failed.code)}
    (folder / RESULT).write_text(json.dumps(result))
    return int(result.get("code", Exit.OK))


def _probe(settings: Settings) -> dict[str, Any]:
    from fyke.app.local import probe

    report = asyncio.run(probe(settings))
    return {"level": report.level.value, "reason": report.reason, "checks": report.checks}


def _run(settings: Settings, folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    from fyke.app.local import run_here

    end = asyncio.run(
        run_here(
            settings,
            (folder / PROJECT).read_bytes(),
            order["input"],
            format=order["format"],
            output=folder / OUTPUT,
            told=_told,
            builds=order["builds"],
        )
    )
    run = end.run
    started = run.started_at or run.finished_at
    return {
        "state": run.state.value,
        "err_msg": run.err_msg,
        "results": run.results,
        "hidden": end.hidden,
        "subtasks": run.subtasks,
        "subtasks_failed": run.subtasks_failed,
        "traffic": run.traffic_bytes,
        "duration": max(0, run.finished_at - started) // 1000,
        "code": _code(run.state.value, run.subtasks_failed, end.interrupted),
    }


def _code(state: str, failed: int, interrupted: bool) -> int:
    if interrupted and state == "aborted":
        return int(Exit.INTERRUPTED)
    return int(Exit.OK if state == "succeeded" and not failed else Exit.FAILED)


def _told(entry: LogEntry) -> None:
    print(log_line(entry, short=True), file=sys.stderr, flush=True)

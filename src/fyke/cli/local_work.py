"""Runs a local request: a run, or a check of the isolation of this machine.

If the command was started as root, this is a process of the service user (``fyke local-work``).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli.errors import Exit, failure_of
from fyke.cli.local_outcome import LocalLog, outcome
from fyke.cli.settings import load_settings

if TYPE_CHECKING:
    from fyke.settings import Settings

REQUEST, PROJECT, OUTPUT, RESULT = "request.json", "project.zip", "output", "result.json"
PAGES = "page-"  # what the names of the files of last pages begin with


def local_work(
    folder: Annotated[Path, typer.Argument()], parent: Annotated[int, typer.Option(hidden=True)]
) -> None:
    """Run a local request. Started by other commands, not by users."""
    from fyke.kit.prctl import end_with_parent

    end_with_parent(parent)
    sys.exit(run_request(folder))


def run_request(folder: Path) -> int:
    """Run the request in ``folder`` and write the result there; return the exit status."""
    previous_umask = os.umask(0o077)
    try:
        return _run_request(folder)
    finally:
        os.umask(previous_umask)  # the caller writes the output file with the user's umask


def _run_request(folder: Path) -> int:
    from fyke.telemetry.logging import configure

    request = json.loads((folder / REQUEST).read_text())
    settings = load_settings(home=request["home"], **request["settings"])
    configure("local", "error")
    try:
        result = _result(settings, folder, request)
    except Exception as error:
        failed = failure_of(error)
        if failed is None:
            raise
        result = {"error": str(failed), "code": int(failed.code)}
    (folder / RESULT).write_text(json.dumps(result))
    return int(result.get("code", Exit.OK))


def _result(settings: Settings, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    match request["action"]:
        case "probe":
            return _probe(settings)
        case "browser":
            return _probe_browser(settings)
        case "series":
            from fyke.cli.local_steps import run_series

            return asyncio.run(run_series(settings, folder, request))
    return _run(settings, folder, request)


def _probe(settings: Settings) -> dict[str, Any]:
    from fyke.app.local import probe

    report = asyncio.run(probe(settings))
    return {"level": report.level.value, "reason": report.reason, "checks": report.checks}


def _probe_browser(settings: Settings) -> dict[str, Any]:
    from fyke.app.local import probe_browser

    info, checks = asyncio.run(probe_browser(settings))
    return {"reason": info.reason, "checks": checks}


def _run(settings: Settings, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    from fyke.app.local import run_locally

    log = LocalLog()
    end = asyncio.run(
        run_locally(
            settings,
            (folder / PROJECT).read_bytes(),
            request["input"],
            format=request["format"],
            output=folder / OUTPUT,
            pages=folder / PAGES,
            on_log=log.print,
            on_progress=log.show,
            builds=request["builds"],
        )
    )
    return outcome(settings, end)

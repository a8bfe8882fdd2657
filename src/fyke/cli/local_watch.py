"""``fyke worker run --watch``: runs a project again whenever one of its files is saved.

The process that runs the project (``fyke.cli.local_steps``) works in the main thread, or as another
user. A second thread looks at the files, hands over each new state of the project, and reports the
runs that have ended. It takes ``RIGHTS`` while it looks: the main thread of root's process acts as
the service user when it starts another launcher, and that changes the user of every thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from fyke.cli import run_options as options
from fyke.cli.errors import CommandFailed, Exit, failure_of
from fyke.cli.file_watch import FileWatch
from fyke.cli.inputs import is_file, read_input
from fyke.cli.local_folder import Job, interruptible, local_folder, run_job
from fyke.cli.local_report import refusal, report
from fyke.cli.local_steps import (
    log_file,
    pages_prefix,
    project_file,
    result_file,
    rows_file,
    step_file,
)
from fyke.cli.local_work import RESULT
from fyke.cli.output import Output
from fyke.cli.root_supervisor import RIGHTS

if TYPE_CHECKING:
    from fyke.settings import Settings

MAX_NAMES = 5  # of changed files in a message
MAX_MISSED = 4  # looks without the folder: some programs replace it
WAITING = "Waiting for the next save; Ctrl-C ends."

Given = tuple[dict[str, Any], dict[str, Any]]  # the Worker's own input, and device and limits
Prepare = Callable[[Given], tuple[bytes, dict[str, Any]]]


class WatchedProject(NamedTuple):
    """What is run again. ``input`` is the argument of ``--input``; ``prepare`` makes the archive
    and the whole input of a run, or raises a known error.
    """

    folder: Path
    input: str | None
    prepare: Prepare
    run_options: options.GivenOptions
    output: Path | None


def watch_runs(
    project: WatchedProject, request: dict[str, Any], settings: Settings, out: Output
) -> None:
    """Run the project until SIGINT or SIGTERM."""
    if project.output is not None and not project.output.exists() and os.geteuid() != 0:
        # while runs are active, this process makes files that only its user can read
        project.output.touch()
    series = request | {"action": "series", "count": 0, "print_log": True}
    with (
        contextlib.suppress(KeyboardInterrupt),  # that is how it ends
        interruptible(),
        local_folder(settings) as local_settings,
        Job(local_settings.home.parent) as job,
    ):
        watch = SaveWatch(project, job, out)
        watch.first_look()
        try:
            code = run_job(local_settings, job, series, watch.start)
        finally:
            watch.stop()
        if (job.folder / RESULT).exists():
            result = job.result()
            if "error" in result:
                raise CommandFailed(result["error"], Exit(result["code"]))
        elif code not in (Exit.OK, Exit.INTERRUPTED):
            raise typer.Exit(code)


class SaveWatch:
    """A thread that starts a run for each save, and reports those that have ended."""

    def __init__(
        self, project: WatchedProject, job: Job, out: Output, files: FileWatch | None = None
    ) -> None:
        self._project = project
        self._job = job
        self._out = out
        from_stdin = project.input == "-"
        self._given = read_input("-") if from_stdin else None  # it can be read only once
        inputs = [Path(project.input)] if project.input and is_file(project.input) else []
        self._stopped = threading.Event()
        self._files = files or FileWatch(
            project.folder, inputs, project.output, wait=self._stopped.wait
        )
        self._number = 0  # of the last run that was handed over
        self._reported = 0  # the last run whose end was seen
        self._missed = 0  # how many times in a row the folder was not there
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="save-watch", daemon=True)

    def first_look(self) -> None:
        """Hand over the project as it is, or say what is wrong with it."""
        self._out.say("Starting a runner for this Worker ...")
        self._hand_over(self._files.changes())

    def start(self) -> None:
        """Look at the files from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and report what has ended. Raises the error that ended the thread."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        self.report_ended()

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._files.pause):
                with RIGHTS:
                    self.look()
        except BaseException as error:
            self._error = error
            os.kill(os.getpid(), signal.SIGTERM)  # the main thread ends the run, and raises it

    def look(self) -> None:
        """Report the run that has ended, if any, and hand over the project if it has changed.
        Raises ``CommandFailed`` when its folder is gone.
        """
        if self.report_ended():
            self._out.say(WAITING)
        if not self._project.folder.is_dir():
            self._missed += 1
            if self._missed >= MAX_MISSED:
                raise CommandFailed(
                    f"{self._project.folder} does not exist any more, so --watch ends",
                    Exit.NOT_FOUND,
                )
            return
        self._missed = 0
        if names := self._files.changes():
            self._hand_over(names)

    def _hand_over(self, names: list[str]) -> None:
        if self._number:
            self._out.say(f"Changed: {_listed(names)}.")
        try:
            given = self._given or read_input(self._project.input)
            archive, run_input = self._project.prepare(given)
        except Exception as error:
            failed = failure_of(error)
            if failed is None:
                raise
            self._out.say(f"fyke: {failed}")
            self._out.say(WAITING)
            return
        if self._reported < self._number:
            self._out.say("The active run is stopped, and the next one starts.")
        self._number += 1
        self._job.add(project_file(self._number), archive)
        step = {"title": "", "project": project_file(self._number), "input": run_input}
        self._job.add(step_file(self._number), json.dumps(step).encode())  # last: it starts the run

    def report_ended(self) -> bool:
        """Report the runs that have ended but were not stopped for a newer one; whether the newest
        was reported.
        """
        is_reported = False
        for ended in range(self._reported + 1, self._number + 1):
            if not (self._job.folder / result_file(ended)).exists():
                continue  # it is active, waits, or was skipped
            result = self._job.result(result_file(ended))
            if not result.get("superseded", False):
                self._report(result, ended)
                is_last = result.get("code") == Exit.INTERRUPTED  # Ctrl-C has ended it
                is_reported = ended == self._number and not is_last
            for number in range(self._reported + 1, ended + 1):
                self._remove(number)
            self._reported = ended
        return is_reported

    def _report(self, result: dict[str, Any], number: int) -> None:
        refused = refusal(result, self._project.run_options)
        if refused is not None:
            self._out.say(f"fyke: {refused}")
            return
        for name in ("headers", "superseded"):
            result.pop(name, None)
        names = rows_file(number), pages_prefix(number)
        report(self._out, result, self._job, self._project.output, *names)

    def _remove(self, number: int) -> None:
        for name in (project_file, step_file, rows_file, log_file, result_file):
            self._job.remove(name(number))
        for path in self._job.folder.glob(f"{pages_prefix(number)}*"):
            self._job.remove(path.name)


def _listed(names: list[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")

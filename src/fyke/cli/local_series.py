"""Runs the example inputs of a project on this machine, one after another in one process, and reads
their rows and logs: for the commands that check or compare them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.local_outcome import LocalLog
from fyke.cli.settings import load_settings

if TYPE_CHECKING:
    from fyke.cli.local_folder import Job
    from fyke.cli.output import Output
    from fyke.domain.workers.examples import ExampleInput
    from fyke.model.log import LogEntry
    from fyke.model.results import Header


class SeriesOptions(NamedTuple):
    """How examples are run: options of the runs, the data folder, whether dependencies may run
    code during installation, and whether the log is printed at once.
    """

    run_options: options.GivenOptions
    home: str | None
    allow_builds: bool
    print_log: bool


class ExampleRun(NamedTuple):
    """The run of an example: its outcome (``local_outcome``), rows, log, and the headers that the
    Worker has set. One that was refused has a ``problem`` only.
    """

    example: ExampleInput
    outcome: dict[str, Any]
    rows: list[dict[str, Any]]
    log: list[LogEntry]
    headers: list[Header]

    @property
    def problem(self) -> str:
        """Why the run failed; ``""`` if all its subtasks succeeded."""
        if "error" in self.outcome:
            return str(self.outcome["error"])
        failed, all_subtasks = self.outcome["subtasks_failed"], self.outcome["subtasks"]
        if self.outcome["state"] != "succeeded":
            return str(self.outcome["err_msg"]) or f"the run {self.outcome['state']}"
        return f"{failed} of {all_subtasks} subtasks failed" if failed else ""

    @property
    def seconds(self) -> float:
        return float(self.outcome.get("duration", 0))

    @property
    def figures(self) -> str:
        """Its rows and duration in words."""
        return f"{formatting.count(len(self.rows), 'row')}, {formatting.span(self.seconds)}"


def run_examples(
    archive: bytes, examples: Sequence[ExampleInput], how: SeriesOptions
) -> list[ExampleRun]:
    """Run the examples. Raises ``CommandFailed``, and ``typer.Exit`` after an interruption."""
    from fyke.cli.local_folder import Job, interruptible, local_folder, run_job
    from fyke.cli.local_steps import step_file
    from fyke.cli.local_work import PROJECT, RESULT

    request = {
        "action": "series",
        "count": len(examples),
        "format": "jsonl",
        "builds": how.allow_builds,
        "print_log": how.print_log,
    }
    with (
        interruptible(),
        local_folder(load_settings(home=how.home)) as settings,
        Job(settings.home.parent) as job,
    ):
        job.write(PROJECT, archive)
        for number, example in enumerate(examples, 1):
            title = f"Running the example {example.name} ({number} of {len(examples)}) ..."
            system = example.system | how.run_options
            run_input = {"parameters": {"system": system, "custom": example.custom}}
            step = {"title": title, "project": PROJECT, "input": run_input}
            job.write(step_file(number), json.dumps(step).encode())
        print("Starting a runner for this Worker ...", file=sys.stderr, flush=True)
        code = run_job(settings, job, request)
        if not (job.folder / RESULT).exists():
            raise typer.Exit(code or Exit.FAILED)
        result = job.result()
        if "error" in result:
            raise CommandFailed(result["error"], Exit(result["code"]))
        if code:
            raise typer.Exit(code)
        numbered = enumerate(examples, 1)
        return [_read(job, number, example, how.run_options) for number, example in numbered]


def _read(
    job: Job, number: int, example: ExampleInput, run_options: options.GivenOptions
) -> ExampleRun:
    from fyke.cli.local_steps import log_file, result_file, rows_file
    from fyke.model.log import LogEntry
    from fyke.model.results import Header

    outcome = job.result(result_file(number))
    with job.open(log_file(number)) as lines:
        log = [LogEntry(**json.loads(line)) for line in lines]
    if "error" in outcome:
        outcome["error"] = options.with_option_names(outcome["error"], run_options.given)
        return ExampleRun(example, outcome, [], log, [])
    with job.open(rows_file(number)) as lines:
        rows = [json.loads(line) for line in lines]
    headers = [Header(**header) for header in outcome["headers"]]
    return ExampleRun(example, outcome, rows, log, headers)


def project_examples(archive: bytes, names: Sequence[str]) -> list[ExampleInput]:
    """The examples of a project, or those with ``names`` in this order. Raises ``CommandFailed``,
    and ``InvalidRequest`` for an unusable file.
    """
    from fyke.domain.workers.archive import open_archive
    from fyke.domain.workers.examples import read_examples

    with open_archive(archive) as project:
        by_name = {example.name: example for example in read_examples(project)}
    for name in names:
        if name not in by_name:
            known = ", ".join(by_name)
            raise CommandFailed(
                f"--example {name}: there is no such example; this project has {known}",
                Exit.NOT_FOUND,
            )
    return [by_name[name] for name in names] or list(by_name.values())


def show_log(out: Output, run: ExampleRun) -> None:
    """Print the log of a run to standard error."""
    log = LocalLog()
    for entry in run.log:
        out.say(log.line(entry))

"""``fyke task``: saved inputs of Workers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fyke.cli import words
from fyke.cli.context import Server, group, server_command
from fyke.cli.inputs import read_input
from fyke.cli.run_options import (
    CallbackOption,
    FollowOption,
    InputOption,
    VersionOption,
    WaitOption,
    WaitSecondsOption,
)
from fyke.cli.run_watch import Watching, report_start

tasks = group("Tasks: saved inputs, to be run again and again.")

Slug = Annotated[str, typer.Argument(help="The task's slug.", metavar="TASK")]


@server_command(tasks, "create")
def create(
    server: Server,
    worker: Annotated[str, typer.Argument(help="owner/name or slug.", metavar="WORKER")],
    input: InputOption = None,
    title: Annotated[str, typer.Option("--title", help="What it is called.")] = "",
    version: VersionOption = "",
) -> None:
    """Save an input for a Worker; writes the new task's slug.

    \b
    Examples:
      fyke task create owner/website-content-crawler --input docs.json --title "Our docs"
      fyke task create owner/hello --input '{"urls": [{"url": "https://example.com"}]}' --json
    """
    from fyke.client import TaskRequest

    custom, system = read_input(input)
    whole = {"parameters": {"system": system, "custom": custom}}
    task = server.client.create_task(TaskRequest(worker, whole, title, version))
    if server.out.as_json:
        server.out.json({"slug": task.slug})
        return
    server.out.raw(task.slug)
    server.out.say(f'Run it with "fyke task run {task.slug}".')


@server_command(tasks, "list")
def list_tasks(
    server: Server,
    page: Annotated[int, typer.Option("--page", min=1)] = 1,
    size: Annotated[int, typer.Option("--size", min=1, max=1000)] = 20,
) -> None:
    """Your tasks, newest first.

    \b
    Examples:
      fyke task list
      fyke task list --page 2 --size 50 --json
    """
    found = server.client.tasks(page, size)
    if server.out.as_json:
        server.out.json(asdict(found))
        return
    server.out.table(
        ("slug", "title", "worker", "version", "created"),
        [
            (t.slug, t.title, t.scraper_path, t.version or "newest", words.when(t.created_at))
            for t in found.list
        ],
    )


@server_command(tasks, "show")
def show(server: Server, task: Slug) -> None:
    """A task with its input.

    \b
    Examples:
      fyke task show 01JG...
      fyke task show 01JG... --json | jq .input
    """
    from fyke.cli.output import to_json

    found = server.client.task(task)
    if server.out.as_json:
        server.out.json(asdict(found))
        return
    server.out.fields(
        [
            ("task", found.slug),
            ("title", found.title),
            ("worker", found.scraper_path),
            ("version", found.version or "newest"),
            ("created", words.when(found.created_at)),
            ("input", to_json(found.input)),
        ]
    )


@server_command(tasks, "delete")
def delete(server: Server, task: Slug) -> None:
    """Remove a task; its runs stay.

    \b
    Examples:
      fyke task delete 01JG...
    """
    server.client.delete_task(task)
    if server.out.as_json:
        server.out.json({"deleted": task})
    else:
        server.out.say(f"The task {task} is gone; its runs are still there.")


@server_command(tasks, "run")
def run(
    server: Server,
    task: Slug,
    callback: CallbackOption = "",
    wait: WaitOption = False,
    follow: FollowOption = False,
    timeout_seconds: WaitSecondsOption = None,
) -> None:
    """Start a run of a task; writes the run's slug.

    \b
    Examples:
      fyke task run 01JG...
      fyke task run 01JG... --wait --json
    """
    slug = server.client.start_task(task, callback)
    report_start(server, slug, Watching(wait, follow, timeout_seconds))

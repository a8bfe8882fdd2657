"""``fyke task``: saved inputs of Workers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.inputs import parts, read_input
from fyke.cli.output import data_of
from fyke.cli.run_watch import WatchOptions, report_start
from fyke.cli.task_check import naming_saved_options, warn_unless_runnable

if TYPE_CHECKING:
    from fyke_client.types.v2.tasks import WorkerTask

tasks = group()

Slug = Annotated[str, typer.Argument(help="The task's slug.", metavar="TASK")]


@server_command(tasks, "create")
@options.with_run_options()
def create(
    server: ServerContext,
    worker: Annotated[str, typer.Argument(help="owner/name or slug.", metavar="WORKER")],
    input: options.InputOption = None,
    title: Annotated[str, typer.Option("--title", help="Title of the task.")] = "",
    version: options.TaskVersionOption = "",
    description: Annotated[
        str, typer.Option("--description", help="Description of the task.")
    ] = "",
    run_options: options.GivenOptions = options.NO_OPTIONS,
) -> None:
    """Save an input and run options for a Worker; print the new task's slug.

    Without --version, each run uses the newest version. An input that the version does not accept
    is saved, with a warning.

    \b
    Examples:
      fyke task create owner/website-content-crawler --input docs.json --title "Our docs"
      fyke task create owner/hello --input '{"urls": ["https://example.com/"]}' --json
      fyke task create owner/shop -i shop.json --memory 1024 --browser-block images,fonts
    """
    custom, system = read_input(input)
    system |= run_options
    run_input = {"parameters": {"system": system, "custom": custom}}
    slug = server.client.create_task(
        worker, run_input, title=title, version=version, description=description
    )
    if server.out.as_json:
        server.out.json({"slug": slug})
    else:
        server.out.raw(slug)
        server.out.say(f'Run it with "fyke task run {slug}".')
    warn_unless_runnable(server, slug)


@server_command(tasks, "list")
def list_tasks(
    server: ServerContext,
    page: Annotated[int, typer.Option("--page", min=1)] = 1,
    size: Annotated[int, typer.Option("--size", min=1, max=100)] = 20,
    keyword: Annotated[str, typer.Option("--keyword", help="Part of a title or slug.")] = "",
) -> None:
    """Your tasks, newest first.

    \b
    Examples:
      fyke task list
      fyke task list --keyword docs --page 2 --size 50 --json
    """
    result = server.client.task_page(page, size, keyword)
    if server.out.as_json:
        server.out.json(data_of(result))
        return
    server.out.table(
        ("slug", "title", "worker", "version", "runs", "next run"),
        [
            (
                task.slug,
                task.title,
                formatting.path(task.worker_path),
                task.version,
                str(task.run_times),
                _next_run(task),
            )
            for task in result.items
        ],
    )


@server_command(tasks, "show")
def show(server: ServerContext, task: Slug) -> None:
    """A task with its input.

    \b
    Examples:
      fyke task show 01JG...
      fyke task show 01JG... --json | jq .input
    """
    from fyke.cli.output import data_of, to_json

    details = server.client.task(task)
    if server.out.as_json:
        server.out.json(data_of(details))
        return
    server.out.fields(
        [
            ("task", details.slug),
            ("title", details.title),
            ("description", details.description),
            ("worker", formatting.path(details.worker_path)),
            ("version", details.version),
            ("runs", str(details.run_times)),
            ("last run", details.last_run_slug or "never"),
            ("schedule", _schedule_text(details)),
            ("next run", _next_run(details)),
            ("last error", _last_error(details)),
            ("created", formatting.when(details.created_at)),
            ("input", to_json(_input_of(details))),
        ]
    )


@server_command(tasks, "update")
@options.with_run_options()
def update(
    server: ServerContext,
    task: Slug,
    input: options.InputOption = None,
    title: Annotated[str | None, typer.Option("--title", help="A new title.")] = None,
    version: options.TaskVersionOption = "",
    description: Annotated[
        str | None, typer.Option("--description", help="A new description.")
    ] = None,
    run_options: options.GivenOptions = options.NO_OPTIONS,
    reset_option: options.ResetOption = None,
    reset_options: Annotated[
        bool, typer.Option("--reset-options", help="Remove all saved run options first.")
    ] = False,
) -> None:
    """Change a task; omitted options leave their values unchanged.

    The saved run options stay with a new --input, unless it has its own in parameters.system. An
    input that the version does not accept is saved, with a warning.

    \b
    Examples:
      fyke task update 01JG... --title "Our docs, weekly"
      fyke task update 01JG... --input docs.json --version latest
      fyke task update 01JG... --timeout 600 --browser-block images,fonts
      fyke task update 01JG... --version v1.0.2 --reset-option browser-block
      fyke task update 01JG... --reset-options --memory 1024
    """
    changes_input = input is not None or bool(run_options or reset_option) or reset_options
    if not changes_input and not version and title is None and description is None:
        raise typer.BadParameter(
            "nothing to change: use --title, --description, --input, --version or a run option"
        )
    if title is not None or description is not None:
        server.client.update_task(task, title=title, description=description)
    if changes_input or version:
        kept: dict[str, Any] = {}  # of the saved run options
        if changes_input:
            custom, system = read_input(input)
            if input is None or not (system or reset_options):
                saved_custom, saved = parts(_input_of(server.client.task(task)))
                custom = saved_custom if input is None else custom
                removed = saved.keys() if reset_options else set(reset_option or ())
                kept = {name: value for name, value in saved.items() if name not in removed}
            run_input = {"parameters": {"system": kept | system | run_options, "custom": custom}}
        else:
            run_input = _input_of(server.client.task(task))
            _, kept = parts(run_input)
        with naming_saved_options(kept.keys() - run_options.keys()):
            server.client.set_task_input(task, run_input, version)
    if server.out.as_json:
        server.out.json({"updated": task})
    else:
        server.out.say(f"The task {task} was changed.")
    if changes_input or version:
        warn_unless_runnable(server, task)


@server_command(tasks, "delete")
def delete(server: ServerContext, task: Slug) -> None:
    """Remove a task, its schedule and its alert rules; its runs stay.

    \b
    Examples:
      fyke task delete 01JG...
    """
    server.client.delete_task(task)
    if server.out.as_json:
        server.out.json({"deleted": task})
    else:
        server.out.say(f"The task {task} was deleted; its runs were kept.")


@server_command(tasks, "run")
def run(
    server: ServerContext,
    task: Slug,
    callback: options.CallbackOption = "",
    wait: options.WaitOption = False,
    follow: options.FollowOption = False,
    timeout_seconds: options.WaitSecondsOption = None,
) -> None:
    """Start a run of a task; print the run's slug.

    \b
    Examples:
      fyke task run 01JG...
      fyke task run 01JG... --wait --json
    """
    slug = server.client.start_task(task, callback)
    report_start(server, slug, WatchOptions(wait, follow, timeout_seconds))


def _input_of(task: WorkerTask) -> dict[str, Any]:
    """The input, which the answer contains as text."""
    value: dict[str, Any] = json.loads(bytes(task.input))
    return value


def _next_run(task: WorkerTask) -> str:
    at = task.schedule_next_at
    return formatting.when(at) if isinstance(at, int) else "-"


def _last_error(task: WorkerTask) -> str:
    error = task.schedule_last_error
    return error if isinstance(error, str) else "-"


def _schedule_text(task: WorkerTask) -> str:
    kind = task.schedule_kind
    if not isinstance(kind, str):
        return "none"
    return kind if task.schedule_enabled else f"{kind}, off"

"""``fyke run``: start, inspect and abort runs."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.confirm import YesOption, confirm, confirm_deletion
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.inputs import read_input
from fyke.cli.output import data_of
from fyke.cli.queue import report_waiting
from fyke.cli.run_abort import abort_all
from fyke.cli.run_ended import ending_data, ending_fields
from fyke.cli.run_lists import report_ended, report_runs
from fyke.cli.run_watch import (
    RunWatch,
    WatchOptions,
    detail_data,
    log_to_data,
    progress_text,
    report_start,
)

if TYPE_CHECKING:
    from fyke_client.types.fyke.run_lists import RunItemPage
    from fyke_client.types.fyke.runs import RunSummary, UsageMarkItem

runs = group()

RunArgument = Annotated[str, typer.Argument(help="The run's slug.", metavar="RUN")]


class Status(StrEnum):
    """States of a run, as a filter."""

    READY = "ready"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"


class ActiveState(StrEnum):
    """States of runs that have not ended."""

    READY = "ready"
    RUNNING = "running"


@server_command(runs, "start")
@options.with_run_options()
def start(
    server: ServerContext,
    worker: Annotated[str, typer.Argument(help="owner/name or slug.", metavar="WORKER")],
    input: options.InputOption = None,
    version: options.VersionOption = "",
    run_options: options.GivenOptions = options.NO_OPTIONS,
    callback: options.CallbackOption = "",
    wait: options.WaitOption = False,
    follow: options.FollowOption = False,
    timeout_seconds: options.WaitSecondsOption = None,
    queued: options.QueuedOption = False,
) -> None:
    """Start a run of a Worker; print its slug, or with --queued the queue reference.

    \b
    Examples:
      fyke run start owner/hello --input '{"urls": ["https://example.com/"]}' --wait
      fyke run start owner/hello -i input.json --memory 1024 --timeout 600 --follow
      jq '{urls: .}' list.json | fyke run start owner/hello -i - --json
    """
    custom, system = read_input(input)
    requested: dict[str, Any] = {
        "system": system | run_options,
        "version": version,
        "callback_url": callback,
    }
    if queued:
        if wait or follow or timeout_seconds is not None:
            raise typer.BadParameter(
                "--queued starts nothing yet, so there is nothing to wait for or to follow; "
                "omit --wait, --follow and --timeout-seconds"
            )
        report_waiting(server, server.client.hold(worker, custom, **requested))
        return
    slug = server.client.start(worker, custom, **requested)
    report_start(server, slug, WatchOptions(wait, follow, timeout_seconds))


@server_command(runs, "list")
def list_runs(
    server: ServerContext,
    status: Annotated[
        Status | None, typer.Option("--state", "--status", help="Only runs in this state.")
    ] = None,
    worker: Annotated[str, typer.Option("--worker", help="Only runs of this Worker.")] = "",
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            help="Only runs that ended for this reason: codes, separated by commas.",
            metavar="CODE",
        ),
    ] = "",
    page: Annotated[int, typer.Option("--page", min=1)] = 1,
    size: Annotated[int, typer.Option("--size", min=1, max=1000)] = 20,
) -> None:
    """Your runs, newest first.

    \b
    Examples:
      fyke run list
      fyke run list --state failed --worker owner/hello
      fyke run list --reason timeout,out_of_memory
      fyke run list --size 100 --json | jq -r '.list[].slug'
    """
    state = status.value if status else ""

    def search(**page: int) -> RunItemPage:
        return server.client.search_runs(reason=reason, state=state, worker=worker, **page)

    if reason:
        report_ended(server, search, page, size)
    elif server.out.as_json:
        from fyke_client.types.v1 import STATUS_BY_NUMBER

        number = next((n for n, name in STATUS_BY_NUMBER.items() if name == state), 0)
        page_of_runs = server.client.run_page(
            status=number, worker=worker, page_index=page, page_size=size
        )
        if worker and not page_of_runs.count:
            search(page_index=1, page_size=1)  # an unknown Worker is no error in v1, but here
        details = [detail_data(run) for run in page_of_runs.items]
        server.out.json({**data_of(page_of_runs), "list": details})
    else:
        report_runs(server, search, page, size)


@server_command(runs, "show")
def show(server: ServerContext, run: RunArgument) -> None:
    """The state and usage of a run; why it failed, and the next step.

    \b
    Examples:
      fyke run show 01JG...
      fyke run show 01JG... --json | jq -r .state
      fyke run show 01JG... --json | jq -r .hint.next_step
    """
    from fyke.reasons import ReasonCode

    detail, run_summary = server.client.run(run), server.client.run_summary(run)
    usage = server.client.run_usage(run)
    browser = usage.browser
    happened = server.client.events(run) if run_summary.max_retries else []
    retried = [event for event in happened if event.reason_code == ReasonCode.RETRY.value]
    if server.out.as_json:
        browser_use = browser and data_of(browser)
        more = {"hidden": run_summary.hidden, "browser": browser_use, "nodes": run_summary.nodes}
        more["max_retries"] = run_summary.max_retries
        more |= {"pool": run_summary.pool, "labels": run_summary.labels}
        more |= {"region": run_summary.region, "retried": len(retried)}
        more["progress"] = run_summary.progress and data_of(run_summary.progress)
        more["marks"] = [data_of(mark) for mark in usage.marks]
        server.out.json({**detail_data(detail), **more, **ending_data(run_summary)})
        return
    pairs: list[tuple[str, object]] = [
        ("run", detail.slug),
        ("state", detail.status_name),
        ("worker", f"{detail.scraper_title} {detail.version}"),
        ("rows", detail.results),
        ("traffic", formatting.size(detail.traffic)),
        *([("cost", f"{detail.usage} USD")] if Decimal(detail.usage) else []),
        ("started", formatting.when(detail.started_at)),
        ("finished", formatting.when(detail.finished_at)),
        ("took", formatting.span(run_summary.duration)),
        ("origin", detail.origin),
    ]
    if run_summary.progress:
        pairs.insert(2, ("progress", progress_text(run_summary.progress)))
    if run_summary.max_retries:
        pairs.append(("retries", f"up to {run_summary.max_retries} for each subtask"))
    if retried:
        times = "once" if len(retried) == 1 else f"{len(retried)} times"
        why = retried[-1].detail
        pairs.append(("retried", f"{times}; {why}. The rows of the lost attempt are replaced"))
    pairs += _placement(run_summary)
    if run_summary.nodes:
        pairs.append(("ran on", _machines(run_summary.nodes)))
    if browser:
        used = formatting.span(browser.ms / 1000), formatting.memory(browser.memory_peak)
        pairs.append(("browser", f"{browser.version}, {used[0]}, up to {used[1]} of memory"))
    pairs += [("marked", mark_text(mark)) for mark in usage.marks]
    may_wait = detail.status_name == Status.READY or (
        detail.status_name == Status.RUNNING and run_summary.max_retries
    )
    if may_wait and (wait_reason := server.client.waiting(run).reason):
        pairs.insert(2, ("waits", wait_reason))
    if detail.err_msg:
        pairs.insert(2, ("reason", detail.err_msg))
    server.out.fields([*pairs, *ending_fields(run_summary)])
    if run_summary.hidden:
        _report_hidden(server, run, run_summary.hidden)


def mark_text(mark: UsageMarkItem) -> str:
    """What is marked in the usage curves: ``3 answers with status 429, 12:03:10 to 12:03:35``."""
    texts = {
        "answers_403": f"{mark.count} answers with status 403",
        "answers_429": f"{mark.count} answers with status 429",
        "cpu_limit": f"at the limit of its cores for {formatting.span(mark.count / 1000)}",
        "memory_high": f"up to {formatting.memory(mark.count)} of memory in use, nearly all",
    }
    since, until = (formatting.when(at // 1000) for at in (mark.since, mark.until))
    return f"{texts.get(mark.kind, mark.kind)}, {since} to {until.rpartition(' ')[2]}"


def _placement(run: RunSummary) -> list[tuple[str, object]]:
    """Region, pool and labels of the run; no pool if it is the usual one."""
    from fyke.model.placement import DEFAULT_POOL, labels_text

    pairs: list[tuple[str, object]] = [("region", run.region)] if run.region else []
    if run.pool not in ("", DEFAULT_POOL):  # an older server does not say it
        pairs.append(("pool", run.pool))
    if run.labels:
        pairs.append(("labels", labels_text(run.labels)))
    return pairs


def _machines(names: list[str]) -> str:
    """Each machine once; an older server says the id of its own."""
    from fyke.reasons import machine_names

    return ", ".join(machine_names(names))


def _report_hidden(server: ServerContext, run: str, count: int) -> None:
    stored = "row is" if count == 1 else "rows are"
    server.out.say(
        f"{count} {stored} stored but hidden because the Worker failed:\n"
        f"  show         fyke run results {run} {options.FAILED_ROWS}\n"
        f"  export       fyke run export {run} {options.FAILED_ROWS}\n"
        '  always keep  the setting failed_rows: FYKE_FAILED_ROWS=keep, or failed_rows = "keep" '
        "in config.toml of the server's data folder, and a restart"
    )


@server_command(runs, "log")
def log(
    server: ServerContext,
    run: RunArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue until the run has ended.")
    ] = False,
) -> None:
    """The whole log of a run. With --json one object per line.

    \b
    Examples:
      fyke run log 01JG...
      fyke run log 01JG... --follow
      fyke run log 01JG... --json | jq -r 'select(.type == 4).content'
    """
    on_log = log_to_data(server)
    if follow:
        watch = RunWatch(server, run, None, on_log)
        server.out.say(watch.summary(watch.until_end()))
        return
    position = 0
    while entries := server.client.log_after(run, position):
        for entry in entries:
            on_log(entry)
        position = entries[-1].position


@server_command(runs, "events")
def events(server: ServerContext, run: RunArgument) -> None:
    """The events of a run in order, and the deliveries of its callback.

    \b
    Examples:
      fyke run events 01JG...
      fyke run events 01JG... --json
    """
    run_events = server.client.events(run)
    deliveries = server.client.deliveries(run)
    if server.out.as_json:
        server.out.json(
            {
                "events": [data_of(event) for event in run_events],
                "deliveries": [data_of(delivery) for delivery in deliveries],
            }
        )
        return
    server.out.table(
        ("time", "event", "from", "to", "by", "detail"),
        [
            (
                formatting.when(event.timestamp // 1000),
                event.kind,
                event.before or "-",
                event.after,
                event.actor,
                event.detail,
            )
            for event in run_events
        ],
    )
    if deliveries:
        server.out.line("")
        server.out.table(
            ("callback", "state", "tries", "next", "url", "detail"),
            [
                (
                    delivery.id,
                    delivery.state,
                    delivery.tries,
                    formatting.when(delivery.next_at),
                    delivery.url,
                    delivery.last_error or delivery.last_status,
                )
                for delivery in deliveries
            ],
        )


@server_command(runs, "abort")
def abort(
    server: ServerContext,
    run: Annotated[str, typer.Argument(help="The run's slug.", metavar="[RUN]")] = "",
    state: Annotated[
        ActiveState | None, typer.Option("--state", help="All runs in this state instead.")
    ] = None,
    worker: Annotated[
        str, typer.Option("--worker", help="All active runs of this Worker instead.")
    ] = "",
    yes: YesOption = False,
) -> None:
    """Abort a run, or all active runs of a state or a Worker. Their rows so far stay.

    \b
    Examples:
      fyke run abort 01JG...
      fyke run abort --state ready
      fyke run abort --worker owner/hello --yes
    """
    if bool(run) == bool(state or worker):
        raise typer.BadParameter("name one run, or choose runs with --state or --worker")
    if run:
        server.client.abort(run)
        if server.out.as_json:
            server.out.json({"aborted": run})
        else:
            server.out.say(f"The run {run} is being aborted.")
        return
    chosen = state.value if state else "active"
    runs = [item.slug for item in server.client.runs(worker=worker, state=chosen)]
    if runs and not yes:
        confirm(f"Abort {len(runs)} {'run' if len(runs) == 1 else 'runs'}?")
    abort_all(server, runs)


@server_command(runs, "rerun")
def rerun(
    server: ServerContext,
    run: RunArgument,
    callback: options.CallbackOption = "",
    wait: options.WaitOption = False,
    follow: options.FollowOption = False,
    timeout_seconds: options.WaitSecondsOption = None,
) -> None:
    """Start a run again with the same Worker, version, limits and input.

    \b
    Examples:
      fyke run rerun 01JG...
      fyke run rerun 01JG... --wait
    """
    slug = server.client.rerun(run, callback)
    report_start(server, slug, WatchOptions(wait, follow, timeout_seconds))


@server_command(runs, "delete")
def delete(server: ServerContext, run: RunArgument, yes: YesOption = False) -> None:
    """Delete a finished run permanently, with its rows and its log.

    \b
    Examples:
      fyke run delete 01JG...
      fyke run delete 01JG... --yes
    """
    if not yes:
        confirm_deletion(f"the run {run}")
    server.client.delete_run(run)
    if server.out.as_json:
        server.out.json({"deleted": run})
    else:
        server.out.say(f"The run {run} was deleted with its rows and its log.")

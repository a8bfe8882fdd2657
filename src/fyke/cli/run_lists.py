"""Lists of runs, as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke_client.types.fyke.run_lists import RunItem, RunItemPage

Search = Callable[..., "RunItemPage"]  # takes page_index and page_size


def report_ended(server: ServerContext, search: Search, page: int, size: int) -> None:
    """Print a table of ended runs, with the code and the sentence of their reasons."""
    from fyke.model.run_list_limits import MAX_LISTED

    if size > MAX_LISTED:
        raise typer.BadParameter(
            f"must be at most {MAX_LISTED} with --reason; --page shows more", param_hint="--size"
        )
    result = search(page_index=page, page_size=size)
    if server.out.as_json:
        server.out.json(data_of(result))
        return
    server.out.table(
        ("run", "state", "rows", "took", "finished", "reason", "error"),
        [
            (
                run.slug,
                run.state,
                run.results,
                formatting.span(run.duration),
                formatting.when(run.finished_at),
                run.reason_code,
                run.error,
            )
            for run in result.items
        ],
    )


def report_runs(server: ServerContext, search: Search, page: int, size: int) -> None:
    """Print a table of runs, and why the ones that have not started wait."""
    runs, has_more = runs_between(search, (page - 1) * size, size)
    server.out.table(
        ("run", "state", "rows", "traffic", "took", "started", "worker"),
        [
            (
                run.slug,
                run.state,
                run.results,
                formatting.size(run.traffic),
                formatting.span(run.duration),
                formatting.when(run.started_at),
                run.worker,
            )
            for run in runs
        ],
    )
    ready = {run.slug for run in runs if run.state == "ready"}
    for waiting in server.client.waiting_runs() if ready else ():
        if waiting.slug in ready:
            server.out.say(f"{waiting.slug} waits: {waiting.reason}")
    if has_more:
        server.out.say(f"There are more runs: use --page {page + 1}.")


def runs_between(search: Search, first: int, count: int) -> tuple[list[RunItem], bool]:
    """``count`` runs after the newest ``first``, requested in pages, and whether there are more."""
    from fyke.model.run_list_limits import MAX_LISTED

    size = min(count, MAX_LISTED)
    number, skipped = divmod(first, size)
    runs: list[RunItem] = []
    has_more = True
    while has_more and len(runs) < skipped + count:
        number += 1
        page = search(page_index=number, page_size=size)
        runs += page.items
        has_more = bool(page.next_cursor)
    return runs[skipped : skipped + count], has_more or len(runs) > skipped + count

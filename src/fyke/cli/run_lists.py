"""Lists of runs, as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke.wire.fyke.run_lists import RunItem, RunItemPage

Search = Callable[..., "RunItemPage"]  # takes page_index and page_size


def report_ended(server: ServerContext, search: Search, page: int, size: int) -> None:
    """Print a line for each run, with the code and the sentence of its reason."""
    from fyke.model.run_list import MAX_LISTED

    if size > MAX_LISTED:
        raise typer.BadParameter(
            f"with --reason it is at most {MAX_LISTED}; --page shows more", param_hint="--size"
        )
    found = search(page_index=page, page_size=size)
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    server.out.table(
        ("run", "state", "rows", "took", "finished", "reason", "error"),
        [
            (
                run.slug,
                run.state,
                run.results,
                formatting.span(round(run.duration)),
                formatting.when(run.finished_at),
                run.reason_code,
                run.error,
            )
            for run in found.items
        ],
    )


def report_runs(server: ServerContext, search: Search, page: int, size: int) -> None:
    """Print a line for each run, and why those wait that have not started."""
    runs, more = items_of(search, (page - 1) * size, size)
    server.out.table(
        ("run", "state", "rows", "traffic", "took", "started", "worker"),
        [
            (
                run.slug,
                run.state,
                run.results,
                formatting.size(run.traffic),
                formatting.span(round(run.duration)),
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
    if more:
        server.out.say(f"There are more: --page {page + 1} shows the next ones.")


def items_of(search: Search, first: int, count: int) -> tuple[list[RunItem], bool]:
    """``count`` runs after the newest ``first`` ones, and whether there are more. The server lists
    a limited number at once.
    """
    from fyke.model.run_list import MAX_LISTED

    size = min(count, MAX_LISTED)
    number, skipped = divmod(first, size)
    found: list[RunItem] = []
    more = True
    while more and len(found) < skipped + count:
        number += 1
        page = search(page_index=number, page_size=size)
        found += page.items
        more = bool(page.next_cursor)
    return found[skipped : skipped + count], more or len(found) > skipped + count

"""Why runs ended: of one run with its hint, and runs listed by reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fyke.cli import formatting
from fyke.cli.context import ServerContext
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke.wire.fyke.run_lists import RunItemPage
    from fyke.wire.fyke.runs import RunSummary


def report_ended(server: ServerContext, found: RunItemPage) -> None:
    """Print a line for each run, with the code and the sentence of its reason."""
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


def worker_paths(
    page_of: Callable[[int, int], RunItemPage], first: int, count: int, size: int
) -> dict[str, str]:
    """The paths of the Workers of ``count`` runs behind the newest ``first`` ones, by run. A run
    that began meanwhile moves the list, so one may be missing. ``page_of``: by number and size.
    """
    from fyke.model.run_list import MAX_LISTED

    found: dict[str, str] = {}
    size = min(size, MAX_LISTED)
    pages = range(first // size + 1, (first + count - 1) // size + 2)
    for index in pages if count else ():
        found |= {run.slug: run.worker for run in page_of(index, size).items}
    return found


def ending_data(run: RunSummary) -> dict[str, object]:
    """The reason of the end and the hint, as the API gives them; no reason: ``""`` and null."""
    data = data_of(run)
    return {name: data[name] for name in ("reason_code", "reason_params", "hint")}


def ending_fields(run: RunSummary) -> list[tuple[str, object]]:
    """The same as named lines; none while the run is active."""
    lines: list[tuple[str, object]] = []
    if run.reason_code:
        lines.append(("reason code", run.reason_code))
    if run.hint is not None:
        lines += [("likely cause", run.hint.cause), ("next step", run.hint.next_step)]
    return lines

"""Runs by the reason of their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fyke.cli import formatting
from fyke.cli.context import ServerContext
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke.wire.fyke.run_lists import RunItemPage


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

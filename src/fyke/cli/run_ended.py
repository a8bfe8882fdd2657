"""Runs by the reason of their end."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from fyke.cli import formatting
from fyke.cli.context import ServerContext

if TYPE_CHECKING:
    from fyke.client.models import EndedPage


def report_ended(server: ServerContext, found: EndedPage) -> None:
    """Print a line for each run, with the code and the sentence of its reason."""
    if server.out.as_json:
        server.out.json(asdict(found))
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
            for run in found.list
        ],
    )

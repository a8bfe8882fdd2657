"""``fyke worker estimate``: the probable duration, traffic and cost of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli import run_options as options
from fyke.cli.context import ServerContext, server_command
from fyke.cli.output import data_of
from fyke.cli.worker import workers

if TYPE_CHECKING:
    from fyke_client.types.fyke.estimates import EstimateReport


@server_command(workers, "estimate")
@options.with_run_options(options.LIMIT_OPTIONS)
def estimate(
    server: ServerContext,
    worker: Annotated[str, typer.Argument(help="owner/name or id.", metavar="WORKER")],
    version: options.VersionOption = "",
    subtasks: Annotated[
        int,
        typer.Option("--subtasks", help="0 = the number in earlier runs.", min=0, metavar="N"),
    ] = 0,
    run_options: options.GivenOptions = options.NO_OPTIONS,
) -> None:
    """Estimate time, traffic and cost of a run from your account's last runs.

    \b
    Examples:
      fyke worker estimate acme/shop
      fyke worker estimate acme/shop --memory 1024 --subtasks 20
      fyke worker estimate acme/shop --json | jq .charge.p95
    """
    report = server.client.estimate(worker, version, subtasks, system=run_options)
    if server.out.as_json:
        server.out.json(data_of(report))
        return
    if report.time is None or report.traffic is None or report.charge is None:
        server.out.say(f"Not enough runs for an estimate yet: {report.runs} of {report.needed}.")
        return
    server.out.table(
        ("", "median", "95th percentile"),
        [
            ("time", _span(report.time.p50), _span(report.time.p95)),
            ("traffic", formatting.size(report.traffic.p50), formatting.size(report.traffic.p95)),
            *(
                [("cost", f"{report.charge.p50} USD", f"{report.charge.p95} USD")]
                if report.priced
                else []
            ),
        ],
    )
    server.out.say(_basis(report))


def _span(seconds: float) -> str:
    return formatting.span(math.ceil(seconds))


def _basis(report: EstimateReport) -> str:
    source = f"of version {report.version}" if report.of_version else "of all versions"
    return (
        f"Based on your account's last {formatting.count(report.runs, 'run')} {source}, "
        f"for {report.memory} MB and {report.cpus:g} cores."
    )

"""``fyke worker estimate``: the probable time, traffic and cost of a run, from the account's
earlier runs."""

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
    from fyke.wire.fyke.estimates import EstimateReport


@server_command(workers, "estimate")
def estimate(
    server: ServerContext,
    worker: Annotated[str, typer.Argument(help="owner/name or id.", metavar="WORKER")],
    version: options.VersionOption = "",
    subtasks: Annotated[
        int,
        typer.Option("--subtasks", help="0 = as many as earlier runs had.", min=0, metavar="N"),
    ] = 0,
    memory: options.MemoryOption = None,
    cpus: options.CpusOption = None,
    timeout: options.TimeoutOption = None,
    max_charge: options.MaxChargeOption = None,
    max_traffic: options.MaxTrafficOption = None,
) -> None:
    """Estimate time, traffic and cost of a run from your account's last runs.

    \b
    Examples:
      fyke worker estimate acme/shop
      fyke worker estimate acme/shop --memory 1024 --subtasks 20
      fyke worker estimate acme/shop --json | jq .charge.p95
    """
    system = options.system_of(
        memory=memory,
        cpus=cpus,
        timeout=timeout,
        max_charge=max_charge,
        max_traffic=max_traffic,
    )
    found = server.client.estimate(worker, version, subtasks, **system)
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    if found.time is None or found.traffic is None or found.charge is None:
        server.out.say(
            f"Not enough runs yet to say what it usually takes: {found.runs} of {found.needed}."
        )
        return
    server.out.table(
        ("", "one in two within", "nineteen in twenty within"),
        [
            ("time", _span(found.time.p50), _span(found.time.p95)),
            ("traffic", formatting.size(found.traffic.p50), formatting.size(found.traffic.p95)),
            *(
                [("cost", f"{found.charge.p50} USD", f"{found.charge.p95} USD")]
                if found.priced
                else []
            ),
        ],
    )
    server.out.say(_basis(found))


def _span(seconds: float) -> str:
    return formatting.span(math.ceil(seconds))


def _basis(found: EstimateReport) -> str:
    of = f"of version {found.version}" if found.of_version else "of all versions"
    return (
        f"By the last {formatting.count(found.runs, 'run')} {of} that your account made, "
        f"for {found.memory} MB and {found.cpus:g} cores."
    )

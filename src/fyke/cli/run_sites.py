"""``fyke run sites``: the sites that a run has contacted."""

from __future__ import annotations

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.output import data_of
from fyke.cli.run import RunArgument, runs

WHY = {
    "undeclared": "not among the declared sites",
    "not_public": "not public",
    "rule": "leads to no public address, has a closed port, or is throttled",
}


@server_command(runs, "sites")
def sites(server: ServerContext, run: RunArgument) -> None:
    """List the sites that a run has contacted: bytes, requests, failures, refusals.

    \b
    Examples:
      fyke run sites 01JG...
      fyke run sites 01JG... --json | jq -r '.list[].domain'
    """
    found = server.client.sites(run)
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    server.out.table(
        ("site", "requests", "up", "down", "failed", "refused", "reason"),
        [
            (
                site.domain,
                site.requests,
                formatting.size(site.bytes_up),
                formatting.size(site.bytes_down),
                site.failures,
                site.refused,
                WHY.get(site.why, site.why),
            )
            for site in found.items
        ],
    )
    if found.egress is None:
        server.out.say("The version declares no sites: every public one may be reached.")
    else:
        server.out.say(f"The version may reach: {', '.join(found.egress) or 'no site'}.")

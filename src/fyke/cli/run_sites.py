"""``fyke run sites``: the sites that a run has contacted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.output import data_of
from fyke.cli.run import RunArgument, runs

if TYPE_CHECKING:
    from fyke_client.types.fyke.runs import SiteItem

REASONS = {
    "undeclared": "not among the declared sites",
    "not_public": "not public",
    "rule": "no public address, a closed port, or throttled",
    "unreachable": "no such name, or no answer; see the log",
}


def answers(site: SiteItem) -> str:
    """The answers by status: ``200: 38, 403: 2``."""
    return ", ".join(f"{status}: {count}" for status, count in site.statuses.items())


@server_command(runs, "sites")
def sites(server: ServerContext, run: RunArgument) -> None:
    """List the sites that a run has contacted: bytes, requests, answers, failures, refusals.

    Answers are counted by HTTP status: over plain HTTP the first one of a connection, and those
    that a browser reports. Fyke does not decrypt HTTPS, so answers to the Worker over HTTPS are
    not visible.

    \b
    Examples:
      fyke run sites 01JG...
      fyke run sites 01JG... --json | jq -r '.list[].domain'
    """
    report = server.client.sites(run)
    if server.out.as_json:
        server.out.json(data_of(report))
        return
    server.out.table(
        ("site", "requests", "up", "down", "answers", "failed", "refused", "reason"),
        [
            (
                site.domain,
                site.requests,
                formatting.size(site.bytes_up),
                formatting.size(site.bytes_down),
                answers(site),
                site.failures,
                site.refused,
                REASONS.get(site.why, site.why),
            )
            for site in report.items
        ],
    )
    if unseen := sum(site.unseen for site in report.items):
        server.out.say(f"The answers of {unseen} connections are not visible: HTTPS, or not HTTP.")
    if report.egress is None:
        server.out.say("The version declares no sites, so it may reach all public ones.")
    else:
        server.out.say(f"The version may reach: {', '.join(report.egress) or 'no site'}.")

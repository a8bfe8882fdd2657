"""``fyke queue``: list, activate and release the starts in the run queue."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.errors import Exit
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke_client.types.v2.queue import QueueResult

queue = group()

Refs = Annotated[list[str], typer.Argument(help="Queue references.", metavar="REF...")]


class ItemStatus(StrEnum):
    """States of an item, as a filter."""

    WAITING = "waiting"
    INACTIVE = "inactive"


@server_command(queue, "list")
def list_items(
    server: ServerContext,
    status: Annotated[
        ItemStatus | None,
        typer.Option("--status", help="Only items in this state; inactive: started or released."),
    ] = None,
    page: Annotated[int, typer.Option("--page", min=1)] = 1,
    size: Annotated[int, typer.Option("--size", min=1, max=100)] = 20,
) -> None:
    """List queue items, newest first, including started and released ones.

    \b
    Examples:
      fyke queue list
      fyke queue list --status waiting --json | jq -r '.list[].queue_ref'
    """
    queue_page = server.client.queue(status=status.value if status else "", page=page, size=size)
    if server.out.as_json:
        server.out.json(data_of(queue_page))
        return
    server.out.table(
        ("item", "state", "worker", "version", "created", "reason"),
        [
            (
                item.queue_ref,
                item.queue_status,
                formatting.path(item.worker_path),
                item.version,
                formatting.when(item.created_at),
                item.reason,
            )
            for item in queue_page.items
        ],
    )


@server_command(queue, "activate")
def activate(server: ServerContext, refs: Refs) -> None:
    """Start items of the queue; exit status 5 if one of them could not be started.

    \b
    Examples:
      fyke queue activate 22
    """
    _report(server, server.client.activate(refs), "started as run")


@server_command(queue, "release")
def release(
    server: ServerContext,
    refs: Refs,
    reason: Annotated[
        str, typer.Option("--reason", help="Reason, stored with the items.", metavar="TEXT")
    ] = "",
) -> None:
    """Remove items from the queue permanently; exit status 5 if one was no longer in it.

    \b
    Examples:
      fyke queue release 22 --reason "no longer needed"
    """
    _report(server, server.client.release(refs, reason), "released")


def report_waiting(server: ServerContext, ref: str) -> None:
    """Report a start that was put into the queue."""
    if server.out.as_json:
        server.out.json({"queue_ref": ref})
        return
    server.out.raw(ref)
    server.out.say(f"The start waits in the run queue; activate it with: fyke queue activate {ref}")


def _report(server: ServerContext, results: list[QueueResult], success_text: str) -> None:
    if server.out.as_json:
        server.out.json([data_of(result) for result in results])
    else:
        for result in results:
            text = (
                f"{success_text} {result.run_slug or ''}".strip()
                if result.success
                else result.error
            )
            server.out.line(f"{result.queue_ref}  {text}")
    if not all(result.success for result in results):
        raise typer.Exit(Exit.CONFLICT)

"""``fyke callback``: what became of callbacks, sending them again, receivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.output import data_of
from fyke.cli.run import RunArgument, runs

if TYPE_CHECKING:
    from fyke.wire.fyke.callbacks import DeliveryItem

callbacks = group("Callbacks: what became of them, sending them again, receivers.")


@server_command(callbacks, "list")
def list_deliveries(
    server: ServerContext,
    state: Annotated[
        str,
        typer.Option("--state", help="pending, delivered, failed or superseded.", metavar="STATE"),
    ] = "",
    host: Annotated[
        str, typer.Option("--host", help="Host of the URL, maybe with :port.", metavar="HOST")
    ] = "",
    page: Annotated[int, typer.Option("--page", help="1 is the newest.", metavar="N")] = 1,
) -> None:
    """The callbacks of your account, newest first.

    \b
    Examples:
      fyke callback list
      fyke callback list --state failed --host example.com --json
    """
    show_deliveries(server, server.client.account_deliveries(state=state, host=host, page=page))


@server_command(callbacks, "replay")
def replay(
    server: ServerContext,
    delivery: Annotated[str, typer.Argument(help="Id of the callback.", metavar="ID")],
) -> None:
    """Send a callback again, under the same id.

    \b
    Examples:
      fyke callback replay msg_01JG...
    """
    again = server.client.replay_delivery(delivery)
    if server.out.as_json:
        server.out.json(data_of(again))
        return
    server.out.say(f"The callback {again.id} is on its way to {again.url} again.")


@server_command(callbacks, "receivers")
def receivers(server: ServerContext) -> None:
    """The receivers of your callbacks, those that are switched off first.

    \b
    Examples:
      fyke callback receivers
      fyke callback receivers --json
    """
    found = server.client.receivers()
    if server.out.as_json:
        server.out.json([data_of(one) for one in found])
        return
    server.out.table(
        ("receiver", "used", "failing since", "last success"),
        [
            (
                one.receiver,
                "no" if one.disabled else "yes",
                formatting.when(one.failing_since),
                formatting.when(one.last_success_at),
            )
            for one in found
        ],
    )


@server_command(callbacks, "enable")
def enable(
    server: ServerContext,
    receiver: Annotated[
        str, typer.Argument(help="scheme://host:port, or any URL there.", metavar="RECEIVER")
    ],
) -> None:
    """Use a receiver again that was switched off after five days of failures.

    \b
    Examples:
      fyke callback enable https://example.com
    """
    again = server.client.enable_receiver(receiver)
    if server.out.as_json:
        server.out.json(data_of(again))
        return
    server.out.say(f"{again.receiver} is used again. Replay what it has missed.")


@server_command(runs, "deliveries")
def of_run(server: ServerContext, run: RunArgument) -> None:
    """The callbacks of a run, with every try.

    \b
    Examples:
      fyke run deliveries 01JG...
      fyke run deliveries 01JG... --json
    """
    show_deliveries(server, server.client.deliveries(run))


def show_deliveries(server: ServerContext, found: list[DeliveryItem]) -> None:
    """Print deliveries, each with its tries."""
    if server.out.as_json:
        server.out.json([data_of(one) for one in found])
        return
    server.out.table(
        ("id", "run", "tells", "state", "tries", "last try", "url"),
        [
            (
                one.id,
                one.run_slug,
                one.kind,
                one.state,
                str(one.tries),
                f"{one.last_status or ''} {one.last_error}".strip(),
                one.url,
            )
            for one in found
        ],
    )
    tries = [(one.id, tried) for one in found for tried in one.attempts]
    if tries:
        server.out.table(
            ("callback", "tried", "status", "error", "ms"),
            [
                (
                    name,
                    formatting.when(tried.timestamp // 1000),
                    str(tried.status or "-"),
                    tried.error,
                    str(tried.duration_ms),
                )
                for name, tried in tries
            ],
        )

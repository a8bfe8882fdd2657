"""``fyke callback``: the states of callbacks, replays, and receivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.output import data_of
from fyke.cli.run import RunArgument, runs

if TYPE_CHECKING:
    from fyke_client.types.fyke.callbacks import DeliveryItem

callbacks = group()


@server_command(callbacks, "list")
def list_deliveries(
    server: ServerContext,
    state: Annotated[
        str,
        typer.Option("--state", help="pending, delivered, failed or superseded.", metavar="STATE"),
    ] = "",
    host: Annotated[
        str, typer.Option("--host", help="Host of the URL, optionally with :port.", metavar="HOST")
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
    callback = server.client.replay_delivery(delivery)
    if server.out.as_json:
        server.out.json(data_of(callback))
        return
    server.out.say(f"The callback {callback.id} is being sent to {callback.url} again.")


@server_command(callbacks, "receivers")
def receivers(server: ServerContext) -> None:
    """The receivers of your callbacks, the disabled ones first.

    \b
    Examples:
      fyke callback receivers
      fyke callback receivers --json
    """
    items = server.client.receivers()
    if server.out.as_json:
        server.out.json([data_of(item) for item in items])
        return
    server.out.table(
        ("receiver", "used", "failing since", "last success"),
        [
            (
                item.receiver,
                "no" if item.disabled else "yes",
                formatting.when(item.failing_since),
                formatting.when(item.last_success_at),
            )
            for item in items
        ],
    )


@server_command(callbacks, "enable")
def enable(
    server: ServerContext,
    receiver: Annotated[
        str,
        typer.Argument(help="scheme://host:port, or a URL of the receiver.", metavar="RECEIVER"),
    ],
) -> None:
    """Enable a receiver that was disabled after five days of failures.

    \b
    Examples:
      fyke callback enable https://example.com
    """
    enabled = server.client.enable_receiver(receiver)
    if server.out.as_json:
        server.out.json(data_of(enabled))
        return
    server.out.say(f"{enabled.receiver} is enabled again. Replay the callbacks that it has missed.")


@server_command(runs, "deliveries")
def of_run(server: ServerContext, run: RunArgument) -> None:
    """The callbacks of a run, with every attempt.

    \b
    Examples:
      fyke run deliveries 01JG...
      fyke run deliveries 01JG... --json
    """
    show_deliveries(server, server.client.deliveries(run))


def show_deliveries(server: ServerContext, deliveries: list[DeliveryItem]) -> None:
    """Print deliveries, and a second table with their attempts."""
    if server.out.as_json:
        server.out.json([data_of(delivery) for delivery in deliveries])
        return
    server.out.table(
        ("id", "run", "kind", "state", "attempts", "last attempt", "url"),
        [
            (
                delivery.id,
                delivery.run_slug,
                delivery.kind,
                delivery.state,
                str(delivery.tries),
                f"{delivery.last_status or ''} {delivery.last_error}".strip(),
                delivery.url,
            )
            for delivery in deliveries
        ],
    )
    attempts = [(delivery.id, attempt) for delivery in deliveries for attempt in delivery.attempts]
    if attempts:
        server.out.table(
            ("callback", "time", "status", "error", "ms"),
            [
                (
                    callback,
                    formatting.when(attempt.timestamp // 1000),
                    str(attempt.status or "-"),
                    attempt.error,
                    str(attempt.duration_ms),
                )
                for callback, attempt in attempts
            ],
        )

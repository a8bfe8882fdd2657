"""``fyke callback``: the states of callbacks, replays, receivers, and which are allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.output import data_of
from fyke.cli.run import RunArgument, runs

if TYPE_CHECKING:
    from fyke_client.types.fyke.callbacks import DeliveryItem
    from fyke_client.types.fyke.installation import AllowedReceiverList

callbacks = group()
EntryArgument = Annotated[
    str,
    typer.Argument(help="host:port or network:port, such as 10.0.0.5:5678.", metavar="ENTRY"),
]


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


@server_command(callbacks, "allowed")
def allowed(server: ServerContext) -> None:
    """The private addresses to which callbacks are allowed. For the operator.

    \b
    Examples:
      fyke callback allowed
      fyke callback allowed --json
    """
    _show_allowed(server, server.client.allowed_receivers())


@server_command(callbacks, "allow")
def allow(
    server: ServerContext,
    entry: EntryArgument,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what it would allow, and change nothing.")
    ] = False,
) -> None:
    """Allow callbacks to a private address, on all servers, without a restart. For the operator.

    The entry has one port, and is a name or in a private network. The addresses of the
    installation itself are never allowed; for these there is the setting callback_allow.

    \b
    Examples:
      fyke callback allow 10.0.0.5:5678
      fyke callback allow 192.168.7.0/24:443 --preview
    """
    if not preview:
        _show_allowed(server, server.client.allow_receiver(entry))
        return
    found = server.client.preview_receiver(entry)
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    server.out.fields(
        [
            ("entry", found.entry),
            ("addresses", str(found.addresses) if found.addresses else "those of the name"),
            ("port", str(found.port)),
            ("not allowed", ", ".join(found.left_out) or "-"),
            ("allowed already", "yes" if found.is_allowed else "no"),
        ]
    )


@server_command(callbacks, "disallow")
def disallow(server: ServerContext, entry: EntryArgument) -> None:
    """Take back an entry that was allowed while servers ran. For the operator.

    \b
    Examples:
      fyke callback disallow 10.0.0.5:5678
    """
    _show_allowed(server, server.client.disallow_receiver(entry))


def _show_allowed(server: ServerContext, found: AllowedReceiverList) -> None:
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    origins = {"setting": "callback_allow", "operator": "fyke callback allow"}
    rows = [(item.entry, origins.get(item.origin, item.origin)) for item in found.items]
    server.out.table(("entry", "allowed by"), rows)


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

"""``fyke webhook``: programs and chats that get messages about runs and alerts."""

from __future__ import annotations

from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.inputs import secret_value
from fyke.cli.output import data_of

webhooks = group()

IdArgument = Annotated[str, typer.Argument(help="Id of the webhook.", metavar="ID")]


@server_command(webhooks, "list")
def list_webhooks(server: ServerContext) -> None:
    """The webhooks and chats of your account, with the result of their last call.

    \b
    Examples:
      fyke webhook list
      fyke webhook list --json
    """
    items = server.client.webhooks()
    if server.out.as_json:
        server.out.json([data_of(item) for item in items])
        return
    server.out.table(
        ("id", "name", "channel", "address", "events", "enabled", "last call", "answer"),
        [
            (
                item.id,
                item.name,
                item.channel,
                item.url,
                " ".join(item.events),
                "yes" if item.enabled else "no",
                formatting.when(item.last_at),
                str(item.last_status or item.last_error),
            )
            for item in items
        ],
    )


@server_command(webhooks, "add")
def add(
    server: ServerContext,
    name: Annotated[str, typer.Argument(help="Name, unique in the account.", metavar="NAME")],
    channel: Annotated[
        str,
        typer.Option(
            "--channel",
            help="webhook, slack, teams, discord or telegram.",
            metavar="CHANNEL",
        ),
    ] = "webhook",
    event: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            help="run.started, run.succeeded, run.failed, run.aborted or alert.raised; may be "
            "repeated; default: alert.raised.",
            metavar="EVENT",
        ),
    ] = None,
) -> None:
    """Add a webhook or a chat. A webhook's secret is written to standard output, only this once.

    The address is prompted for, or read from standard input: that of a chat is a secret. For
    Telegram it is https://api.telegram.org/bot<token>/sendMessage?chat_id=<chat>.

    \b
    Examples:
      fyke webhook add team --channel slack
      fyke webhook add ops --event run.failed --event alert.raised < address.txt
    """
    address = secret_value("Address", confirm=False)
    created = server.client.add_webhook(
        name, address, channel=channel, events=event or ["alert.raised"]
    )
    if server.out.as_json:
        server.out.json(data_of(created))
        return
    if created.secret:
        server.out.raw(created.secret)
        server.out.say("Store the secret: it is not shown again.")
    server.out.say(f"{created.name} is added. Try it: fyke webhook test {created.id}")


@server_command(webhooks, "test")
def test(server: ServerContext, webhook: IdArgument) -> None:
    """Send a test message now. Exits with 1 when it is not accepted.

    \b
    Examples:
      fyke webhook test 01JG...
    """
    result = server.client.test_webhook(webhook)
    if server.out.as_json:
        server.out.json(data_of(result))
    else:
        for step in result.steps:
            server.out.say(f"{step.name}: {step.detail}")
    if not result.taken:
        answer = f"HTTP {result.status}" if result.status else result.error
        raise CommandFailed(f"the message was not accepted: {answer}", Exit.FAILED)
    if not server.out.as_json:
        server.out.say("The message was accepted.")


@server_command(webhooks, "delete")
def delete(server: ServerContext, webhook: IdArgument) -> None:
    """Remove a webhook or a chat. Messages that wait for it fail.

    \b
    Examples:
      fyke webhook delete 01JG...
    """
    server.client.delete_webhook(webhook)
    if server.out.as_json:
        server.out.json({"id": webhook})
    else:
        server.out.say(f"{webhook} is removed.")

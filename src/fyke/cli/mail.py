"""``fyke mail``: the mail server of the installation, for its operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.inputs import secret_value
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke_client.types.fyke.mail import MailServerItem

mail = group()


@server_command(mail, "show")
def show(server: ServerContext) -> None:
    """The mail server that sends alerts and links to confirm addresses.

    \b
    Examples:
      fyke mail show
      fyke mail show --json
    """
    _show(server, server.client.mail_server())


@server_command(mail, "set")
def set_server(
    server: ServerContext,
    host: Annotated[str, typer.Argument(help="Name or address of the server.", metavar="HOST")],
    port: Annotated[
        int,
        typer.Option(
            "--port", help="Default: 465 for tls, 587 for starttls, 25 for none.", metavar="PORT"
        ),
    ] = 0,
    tls: Annotated[
        str, typer.Option("--tls", help="starttls, tls or none.", metavar="KIND")
    ] = "starttls",
    user: Annotated[str, typer.Option("--user", help="User to sign in as.", metavar="USER")] = "",
    sender: Annotated[
        str,
        typer.Option(
            "--sender",
            help="Address, with or without a name; default: fyke@ and HOST.",
            metavar="SENDER",
        ),
    ] = "",
    keep_password: Annotated[
        bool, typer.Option("--keep-password", help="Keep the stored password of this user.")
    ] = False,
) -> None:
    """Send mail through this server, on all servers, without a restart.

    With --user the password is prompted for, or read from standard input. The server may be in a
    private network. The setting smtp_url wins; it can also name a mail server on this machine.

    \b
    Examples:
      fyke mail set smtp.example.org --user fyke --sender alerts@example.org
      fyke mail set 10.0.0.5 --tls none
    """
    password = None
    if user and not keep_password:
        password = secret_value("Password", confirm=False)
    found = server.client.set_mail_server(
        host, port=port, tls=tls, user=user, password=password, sender=sender
    )
    _show(server, found)
    if not server.out.as_json:
        server.out.say("Try it: fyke mail test")


@server_command(mail, "test")
def test(
    server: ServerContext,
    to: Annotated[
        str, typer.Option("--to", help="Default: the name of your user.", metavar="ADDRESS")
    ] = "",
) -> None:
    """Send a test mail now. Exits with 1 when the mail server does not accept it.

    \b
    Examples:
      fyke mail test
      fyke mail test --to ada@example.org
    """
    result = server.client.test_mail_server(to)
    answer = f"{result.status} {result.reply}".strip() if result.status else result.error
    if server.out.as_json:
        server.out.json(data_of(result))
    if not result.accepted:
        raise CommandFailed(f"the mail to {result.to} was not accepted: {answer}", Exit.FAILED)
    if not server.out.as_json:
        server.out.say(f"The mail to {result.to} was accepted: {answer}")


@server_command(mail, "remove")
def remove(server: ServerContext) -> None:
    """Send no more mail. Mail that waits is tried again on the usual schedule.

    \b
    Examples:
      fyke mail remove
    """
    _show(server, server.client.remove_mail_server())


def _show(server: ServerContext, found: MailServerItem) -> None:
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    if not found.host:
        server.out.say("There is no mail server: no mail is sent.")
        return
    password = "set again" if found.unreadable else "stored" if found.has_password else "-"
    origins = {"setting": "smtp_url", "operator": "fyke mail set"}
    server.out.fields(
        [
            ("server", f"{found.host}:{found.port}"),
            ("encryption", found.tls),
            ("user", found.user or "-"),
            ("password", password),
            ("sender", found.sender),
            ("set by", origins.get(found.origin, found.origin)),
        ]
    )

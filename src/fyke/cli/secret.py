"""``fyke secret``: values for a Worker that users cannot read, for example logins and cookies."""

from __future__ import annotations

from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.inputs import secret_value
from fyke.cli.output import data_of
from fyke.cli.worker import Ref

secrets = group()

Name = Annotated[
    str,
    typer.Argument(
        help="Name of the environment variable, for example SHOP_LOGIN.", metavar="NAME"
    ),
]


@server_command(secrets, "list")
def list_secrets(server: ServerContext, worker: Ref) -> None:
    """The secrets that your account stores for a Worker, without values, and the missing ones.

    \b
    Examples:
      fyke secret list owner/hello
    """
    view = server.client.secrets(worker)
    if server.out.as_json:
        server.out.json(data_of(view))
        return
    server.out.table(
        ("name", "set", "by", "last used", "state"),
        [
            (
                secret.name,
                formatting.when(secret.set_at),
                secret.set_by,
                formatting.when(secret.used_at),
                "" if secret.readable else "sealed with another key: set it again",
            )
            for secret in view.items
        ],
    )
    for name in view.missing:
        server.out.say(f"{worker} needs {name}, which is missing: fyke secret set {worker} {name}")


@server_command(secrets, "set")
def set_secret(server: ServerContext, worker: Ref, name: Name) -> None:
    """Set a secret, or replace its value. Your account's runs of the Worker get it from now on.

    The value is prompted for, or read from standard input without the final line break. It cannot
    be an argument, because all users of a machine can read the arguments of programs.

    \b
    Examples:
      fyke secret set owner/hello SHOP_LOGIN
      fyke secret set owner/hello COOKIES < cookies.txt
    """
    secret = server.client.set_secret(worker, name, secret_value(f"Value of {name}", confirm=True))
    if server.out.as_json:
        server.out.json(data_of(secret))
    else:
        server.out.say(f"{secret.name} is set. Your runs of {worker} get it from now on.")


@server_command(secrets, "delete")
def delete_secret(server: ServerContext, worker: Ref, name: Name) -> None:
    """Remove a secret. Active runs keep it until they end.

    \b
    Examples:
      fyke secret delete owner/hello SHOP_LOGIN
    """
    server.client.delete_secret(worker, name)
    if server.out.as_json:
        server.out.json({"worker": worker, "name": name})
    else:
        server.out.say(f"{name} is removed.")

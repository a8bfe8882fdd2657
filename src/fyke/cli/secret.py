"""``fyke secret``: values that a Worker needs and no user can read, such as logins and cookies."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import data_of
from fyke.cli.worker import Ref

secrets = group("Secrets: values that a Worker needs and that cannot be read back.")

Name = Annotated[
    str, typer.Argument(help="Of the variable that runs get, such as SHOP_LOGIN.", metavar="NAME")
]
MAX_READ_CHARS = 2**20  # characters; the server takes far fewer, and says so better


@server_command(secrets, "list")
def list_secrets(server: ServerContext, worker: Ref) -> None:
    """The secrets that your account keeps for a Worker, without their values, and which it lacks.

    \b
    Examples:
      fyke secret list owner/hello
    """
    found = server.client.secrets(worker)
    if server.out.as_json:
        server.out.json(data_of(found))
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
            for secret in found.items
        ],
    )
    for name in found.missing:
        server.out.say(f"{worker} needs {name}, which is missing: fyke secret set {worker} {name}")


@server_command(secrets, "set")
def set_secret(server: ServerContext, worker: Ref, name: Name) -> None:
    """Set a secret, or replace its value. Your account's runs of the Worker get it from now on.

    The value is asked for, or read from standard input to its end, without a line end there. It is
    never an argument, because every user of a machine can read the arguments of its programs.

    \b
    Examples:
      fyke secret set owner/hello SHOP_LOGIN
      fyke secret set owner/hello COOKIES < cookies.txt
    """
    secret = server.client.set_secret(worker, name, _value(name))
    if server.out.as_json:
        server.out.json(data_of(secret))
    else:
        server.out.say(f"{secret.name} is set. Your runs of {worker} get it from now on.")


@server_command(secrets, "delete")
def delete_secret(server: ServerContext, worker: Ref, name: Name) -> None:
    """Remove a secret. What runs already keeps it until it ends.

    \b
    Examples:
      fyke secret delete owner/hello SHOP_LOGIN
    """
    server.client.delete_secret(worker, name)
    if server.out.as_json:
        server.out.json({"worker": worker, "name": name})
    else:
        server.out.say(f"{name} is removed.")


def _value(name: str) -> str:
    """The value as it was typed or sent. Raise ``CommandFailed`` for text that is not UTF-8."""
    if sys.stdin.isatty():
        typed: str = typer.prompt(
            f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True
        )
        return typed
    try:
        text = sys.stdin.buffer.read(4 * MAX_READ_CHARS).decode()
    except UnicodeDecodeError:
        raise CommandFailed(
            "the value is not UTF-8 text; encode binary data as base64", Exit.USAGE
        ) from None
    return text.removesuffix("\n").removesuffix("\r")

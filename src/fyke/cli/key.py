"""``fyke key``: API keys of an account."""

from __future__ import annotations

from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.errors import naming_missing
from fyke.cli.output import data_of

keys = group()

AccountOption = Annotated[
    str,
    typer.Option("--account", help="Another account (for the operator).", metavar="NAME"),
]


@server_command(keys, "create")
def create(
    server: ServerContext,
    name: Annotated[str, typer.Argument(help="Purpose of the key.", metavar="NAME")],
    account: AccountOption = "",
    expires: Annotated[
        str | None,
        typer.Option("--expires", help="Days from now, or a date.", metavar="DAYS|DATE"),
    ] = None,
    rate_limit: Annotated[
        int,
        typer.Option(
            "--rate-limit",
            help="Requests per second, instead of the server's setting.",
            metavar="N",
        ),
    ] = 0,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="read, run, write or admin; may be repeated; default: all.",
            metavar="SCOPE",
        ),
    ] = None,
) -> None:
    """Create a key and write its text to standard output, only this once.

    \b
    Examples:
      fyke key create ci
      fyke key create ci --expires 90
      fyke key create reader --scope read
      fyke key create reports --account marketing --expires 2027-12-31 --json
    """
    expires_at = 0 if expires is None else formatting.expiry(expires)
    created = server.client.create_key(
        name, account=account, expires_at=expires_at, rate_limit=rate_limit, scopes=scope or ()
    )
    if server.out.as_json:
        server.out.json(data_of(created))
        return
    server.out.raw(created.key)
    server.out.say("Store it: it is not shown again.")


@server_command(keys, "list")
def list_keys(server: ServerContext, account: AccountOption = "") -> None:
    """The keys of your account, without their text.

    \b
    Examples:
      fyke key list
      fyke key list --account marketing --json
    """
    items = server.client.list_keys(account)
    if server.out.as_json:
        server.out.json([data_of(key) for key in items])
        return
    server.out.table(
        ("id", "name", "key", "scopes", "rate limit", "created", "expires", "last used", "revoked"),
        [
            (
                key.id,
                key.name,
                f"{key.prefix}...",
                " ".join(key.scopes),
                f"{key.rate_limit}/s" if key.rate_limit else "",
                formatting.when(key.created_at),
                formatting.when(key.expires_at) if key.expires_at else "never",
                formatting.when(key.last_used_at),
                formatting.when(key.revoked_at),
            )
            for key in items
        ],
    )


@server_command(keys, "revoke")
def revoke(
    server: ServerContext,
    name_or_id: Annotated[str, typer.Argument(help="Name or id of the key.", metavar="KEY")],
    account: AccountOption = "",
) -> None:
    """Revoke an API key.

    \b
    Examples:
      fyke key revoke ci
      fyke key revoke 01JG... --account marketing
    """
    with naming_missing(f"no valid key {name_or_id}", "fyke key list"):
        server.client.revoke_key(name_or_id, account)
    if server.out.as_json:
        server.out.json({"revoked": name_or_id})
    else:
        server.out.say(f"The key {name_or_id} is revoked.")

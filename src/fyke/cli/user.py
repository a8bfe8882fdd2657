"""``fyke user``: the users of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.key import AccountOption
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke_client.types.fyke.users import AccountUser, UserLink

users = group()

Name = Annotated[str, typer.Argument(help="Name of the user.", metavar="NAME")]


@server_command(users, "list")
def list_users(server: ServerContext, account: AccountOption = "") -> None:
    """The users of your account.

    \b
    Examples:
      fyke user list
      fyke user list --account marketing --json
    """
    items = server.client.users(account)
    if server.out.as_json:
        server.out.json([data_of(user) for user in items])
        return
    server.out.table(
        ("name", "role", "state", "second factor", "created", "last seen", "open link"),
        [
            (
                user.name,
                user.role,
                user.state,
                "on" if user.second_factor else "off",
                formatting.when(user.created_at),
                formatting.when(user.seen_at),
                f"{user.link} until {formatting.when(user.link_expires_at)}" if user.link else "",
            )
            for user in items
        ],
    )


@server_command(users, "invite")
def invite(
    server: ServerContext,
    name: Name,
    role: Annotated[
        str, typer.Option("--role", help="owner, member or viewer.", metavar="ROLE")
    ] = "member",
    account: AccountOption = "",
) -> None:
    """Add a user; print a one-time link for choosing a password.

    \b
    Examples:
      fyke user invite ada
      fyke user invite ada@example.com --role viewer
    """
    invitation = server.client.invite_user(name, role, account)
    if server.out.as_json:
        server.out.json({"user": data_of(invitation.user), "link": data_of(invitation.link)})
        return
    _show_link(server, invitation.link)


@server_command(users, "link")
def link(server: ServerContext, name: Name) -> None:
    """Create a one-time link for a new password. It replaces an older link.

    \b
    Examples:
      fyke user link ada
    """
    created = server.client.link_user(name)
    if server.out.as_json:
        server.out.json(data_of(created))
        return
    _show_link(server, created)


@server_command(users, "reset-second-factor")
def reset_second_factor(server: ServerContext, name: Name) -> None:
    """Switch off the second factor of a user who has lost the device and the recovery codes.

    Only with the operator's key on this machine. The user's sessions end.

    \b
    Examples:
      fyke user reset-second-factor ada
    """
    server.client.reset_second_factor(name)
    if server.out.as_json:
        server.out.json({"name": name, "second_factor": False})
    else:
        server.out.say(f"{name} now signs in with the password alone, and the sessions have ended.")


@server_command(users, "role")
def role(
    server: ServerContext,
    name: Name,
    role: Annotated[str, typer.Argument(help="owner, member or viewer.", metavar="ROLE")],
    account: AccountOption = "",
) -> None:
    """Change the role of a user.

    \b
    Examples:
      fyke user role ada owner
    """
    changed = server.client.change_role(name, role, account)
    _show(server, changed, f"{changed.name} now has the role {changed.role}.")


@server_command(users, "disable")
def disable(server: ServerContext, name: Name, account: AccountOption = "") -> None:
    """Disable a user: sessions end, and API keys are refused.

    \b
    Examples:
      fyke user disable ada
    """
    changed = server.client.disable_user(name, account)
    _show(server, changed, f"{changed.name} is disabled, and the user's API keys are refused.")


@server_command(users, "enable")
def enable(server: ServerContext, name: Name, account: AccountOption = "") -> None:
    """Enable a disabled user, with the same password and API keys.

    \b
    Examples:
      fyke user enable ada
    """
    changed = server.client.enable_user(name, account)
    _show(server, changed, f"{changed.name} can sign in again.")


@server_command(users, "remove")
def remove(server: ServerContext, name: Name, account: AccountOption = "") -> None:
    """Remove a user permanently, with sessions and keys. Workers, runs and tasks stay.

    \b
    Examples:
      fyke user remove ada
    """
    server.client.remove_user(name, account)
    if server.out.as_json:
        server.out.json({"removed": name})
    else:
        server.out.say(f"{name} was removed, and the user's API keys were revoked.")


def _show(server: ServerContext, user: AccountUser, sentence: str) -> None:
    if server.out.as_json:
        server.out.json(data_of(user))
    else:
        server.out.say(sentence)


def _show_link(server: ServerContext, link: UserLink) -> None:
    server.out.raw(link.url)
    until = formatting.when_with_zone(link.expires_at)
    server.out.say(f"Send it to {link.name}. It works once, until {until}, and is not shown again.")

"""``fyke account``: tenants of this installation, their balance and traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke.wire.fyke.accounts import AccountItem

accounts = group("Accounts: who may run, and what they have left.")

Name = Annotated[str, typer.Argument(help="Name of the account.", metavar="NAME")]


@server_command(accounts, "add")
def add(server: ServerContext, name: Name) -> None:
    """Make an account with a first key, which is shown this once. For the operator.

    \b
    Examples:
      fyke account add marketing
      fyke account add marketing --json
    """
    made = server.client.create_account(name)
    if server.out.as_json:
        server.out.json(
            {"account": data_of(made.account), "key": {"name": made.key.name, "key": made.key.key}}
        )
        return
    server.out.fields([("account", made.account.name), ("key", made.key.key)])
    server.out.say("Keep the key: it is not shown again.")


@server_command(accounts, "list")
def list_accounts(server: ServerContext) -> None:
    """All accounts of this installation. For the operator.

    \b
    Examples:
      fyke account list
      fyke account list --json
    """
    found = server.client.accounts()
    if server.out.as_json:
        server.out.json([data_of(account) for account in found])
        return
    server.out.table(
        ("name", "plan", "balance", "held", "traffic", "created"),
        [
            (
                a.name,
                a.plan,
                f"{a.balance} USD",
                f"{a.held} USD",
                formatting.size(a.traffic),
                formatting.when(a.created_at),
            )
            for a in found
        ],
    )


@server_command(accounts, "show")
def show(server: ServerContext) -> None:
    """Your own account: balance, traffic, and the secret that signs its callbacks.

    \b
    Examples:
      fyke account show
      fyke account show --json
    """
    account = server.client.account()
    if server.out.as_json:
        server.out.json(data_of(account))
        return
    server.out.fields(
        [
            ("account", account.name),
            ("operator", "yes" if account.operator else "no"),
            ("plan", _plan(account)),
            ("balance", f"{account.balance} USD"),
            ("held for runs", f"{account.held} USD"),
            ("traffic left", formatting.size(account.traffic)),
            ("traffic expires", formatting.when(account.traffic_expiration_at)),
            ("time zone", account.time_zone),
            ("webhook secret", account.webhook_secret),
            ("created", formatting.when(account.created_at)),
        ]
    )


@server_command(accounts, "zone")
def zone(
    server: ServerContext,
    name: Annotated[
        str, typer.Argument(help="IANA name, such as Europe/Berlin.", metavar="[ZONE]")
    ] = "",
) -> None:
    """Show or set the time zone of schedules that name none of their own.

    \b
    Examples:
      fyke account zone
      fyke account zone Europe/Berlin
    """
    found = server.client.set_time_zone(name) if name else server.client.account().time_zone
    if server.out.as_json:
        server.out.json({"time_zone": found})
    else:
        server.out.raw(found)


@server_command(accounts, "plan")
def plan(
    server: ServerContext,
    name: Name,
    plan: Annotated[
        str, typer.Argument(help="free, starter, pro, business or unlimited.", metavar="PLAN")
    ],
) -> None:
    """Say how many runs of an account may be under way at once. For the operator.

    \b
    Examples:
      fyke account plan marketing pro
    """
    account = server.client.change_plan(name, plan)
    if server.out.as_json:
        server.out.json(data_of(account))
    else:
        server.out.fields([("account", account.name), ("plan", _plan(account))])


@server_command(accounts, "caps")
def caps(
    server: ServerContext,
    run: Annotated[
        str | None, typer.Option("--run", help="US dollars that one run may cost; 0 = no cap.")
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", help="US dollars for a calendar month; 0 = no cap.")
    ] = None,
    account: Annotated[
        str, typer.Option("--account", help="Another account. For the operator.", metavar="NAME")
    ] = "",
) -> None:
    """Show or set the spending caps of the account. For its owners.

    \b
    Examples:
      fyke account caps
      fyke account caps --run 2.50 --month 100
      fyke account caps --month 0
    """
    if run is None and month is None:
        if account:
            raise typer.BadParameter("give --run or --month too", param_hint="--account")
        found = server.client.caps()
    else:
        found = server.client.change_caps(run, month, account)
    if server.out.as_json:
        server.out.json(data_of(found))
        return
    server.out.fields(
        [
            ("one run", _cap(found.run_cap)),
            (f"month ({found.month})", _cap(found.month_cap)),
            ("spent", f"{found.spent} USD"),
            ("held for runs", f"{found.held} USD"),
            *([("left", f"{found.left} USD")] if found.left is not None else []),
        ]
    )
    if not found.priced:
        server.out.say("Nothing costs anything here, so no cap is ever reached.")


@server_command(accounts, "credit")
def credit(
    server: ServerContext,
    name: Name,
    usd: Annotated[str, typer.Option("--usd", help="US dollars to add.", metavar="AMOUNT")] = "0",
    traffic_mb: Annotated[
        str, typer.Option("--traffic-mb", help="Megabytes of traffic to add.", metavar="MB")
    ] = "0",
) -> None:
    """Add balance and traffic to an account. For the operator.

    \b
    Examples:
      fyke account credit marketing --usd 25
      fyke account credit marketing --traffic-mb 5000
    """
    account = server.client.credit(name, usd, traffic_mb)
    if server.out.as_json:
        server.out.json(data_of(account))
        return
    server.out.fields(
        [
            ("account", account.name),
            ("balance", f"{account.balance} USD"),
            ("traffic left", formatting.size(account.traffic)),
        ]
    )


def _cap(usd: str) -> str:
    return "no cap" if usd == "0" else f"at most {usd} USD"


def _plan(account: AccountItem) -> str:
    most = f"{account.most_runs} runs at once" if account.most_runs else "no limit"
    return f"{account.plan} ({most})"

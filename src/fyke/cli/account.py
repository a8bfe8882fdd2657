"""``fyke account``: tenants of this installation, their balance and traffic."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke_client.types.fyke.accounts import AccountItem, OwnAccount

accounts = group()

Name = Annotated[str, typer.Argument(help="Name of the account.", metavar="NAME")]


@server_command(accounts, "add")
def add(server: ServerContext, name: Name) -> None:
    """Create an account with a first key, which is shown only once. For the operator.

    \b
    Examples:
      fyke account add marketing
      fyke account add marketing --json
    """
    created = server.client.create_account(name)
    if server.out.as_json:
        server.out.json(
            {
                "account": data_of(created.account),
                "key": {"name": created.key.name, "key": created.key.key},
            }
        )
        return
    server.out.fields([("account", created.account.name), ("key", created.key.key)])
    server.out.say("Store the key: it is not shown again.")


@server_command(accounts, "list")
def list_accounts(server: ServerContext) -> None:
    """All accounts of this installation. For the operator.

    \b
    Examples:
      fyke account list
      fyke account list --json
    """
    items = server.client.accounts()
    if server.out.as_json:
        server.out.json([data_of(account) for account in items])
        return
    server.out.table(
        ("name", "plan", "balance", "held", "traffic", "created"),
        [
            (
                account.name,
                account.plan,
                f"{account.balance} USD",
                f"{account.held} USD",
                formatting.size(account.traffic),
                formatting.when(account.created_at),
            )
            for account in items
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
    money = [("balance", f"{account.balance} USD"), ("held for runs", f"{account.held} USD")]
    traffic = [
        ("traffic left", formatting.size(account.traffic)),
        ("traffic expires", formatting.when(account.traffic_expiration_at)),
    ]
    is_priced = server.client.caps().priced or Decimal(account.balance) or Decimal(account.held)
    server.out.fields(
        [
            ("account", account.name),
            ("operator", "yes" if account.operator else "no"),
            ("plan", _plan(account)),
            *(money if is_priced else []),
            *traffic,
            ("time zone", account.time_zone),
            ("webhook secret", account.webhook_secret),
            ("created", formatting.when(account.created_at)),
        ]
    )


@server_command(accounts, "zone")
def zone(
    server: ServerContext,
    name: Annotated[
        str, typer.Argument(help="IANA name, for example Europe/Berlin.", metavar="[ZONE]")
    ] = "",
) -> None:
    """Show or set the default time zone of schedules.

    \b
    Examples:
      fyke account zone
      fyke account zone Europe/Berlin
    """
    time_zone = server.client.set_time_zone(name) if name else server.client.account().time_zone
    if server.out.as_json:
        server.out.json({"time_zone": time_zone})
    else:
        server.out.raw(time_zone)


@server_command(accounts, "plan")
def plan(
    server: ServerContext,
    name: Name,
    plan: Annotated[
        str, typer.Argument(help="free, starter, pro, business or unlimited.", metavar="PLAN")
    ],
) -> None:
    """Set the plan of an account, which limits its simultaneous runs. For the operator.

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
        str | None,
        typer.Option(
            "--run", help="US dollars that one run may cost, where prices are set; 0 = no cap."
        ),
    ] = None,
    month: Annotated[
        str | None,
        typer.Option(
            "--month", help="US dollars for a calendar month, where prices are set; 0 = no cap."
        ),
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
            raise typer.BadParameter("also give --run or --month", param_hint="--account")
        report = server.client.caps()
    else:
        report = server.client.change_caps(run, month, account)
    if server.out.as_json:
        server.out.json(data_of(report))
        return
    server.out.fields(
        [
            ("one run", _cap(report.run_cap)),
            (f"month ({report.month})", _cap(report.month_cap)),
            ("spent", f"{report.spent} USD"),
            ("held for runs", f"{report.held} USD"),
            *([("left", f"{report.left} USD")] if report.left is not None else []),
        ]
    )
    if not report.priced:
        server.out.say("No prices are set, so no cap is ever reached.")


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


def _plan(account: AccountItem | OwnAccount) -> str:
    limit = f"{account.most_runs} runs at once" if account.most_runs else "no limit"
    return f"{account.plan} ({limit})"

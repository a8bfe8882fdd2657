"""``fyke worker``: versions, builds of dependencies, and deletion of a Worker."""

from __future__ import annotations

from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.confirm import YesOption, confirm_deletion
from fyke.cli.context import ServerContext, server_command
from fyke.cli.output import data_of
from fyke.cli.worker import Ref, workers

VersionArgument = Annotated[str, typer.Argument(help="For example v1.0.3.", metavar="VERSION")]


@server_command(workers, "versions")
def versions(server: ServerContext, worker: Ref) -> None:
    """All versions of a Worker, newest first.

    \b
    Examples:
      fyke worker versions owner/hello
    """
    items = server.client.versions(worker)
    if server.out.as_json:
        server.out.json([data_of(version) for version in items])
        return
    server.out.table(
        ("version", "state", "language", "published", "digest", "sites", "install", "browser"),
        [
            (
                v.version,
                v.state,
                v.language,
                formatting.when(v.created_at),
                v.digest[:16],
                "all public" if v.egress is None else ", ".join(v.egress) or "none",
                "build" if v.builds else "wheels",
                formatting.browser(v.browser, declared=v.browser_declared),
            )
            for v in items
        ],
    )


@server_command(workers, "builds")
def builds(
    server: ServerContext,
    worker: Ref,
    allow: Annotated[
        bool | None, typer.Option("--allow/--forbid", help="Change it. For the operator.")
    ] = None,
) -> None:
    """Whether dependencies of a Worker may run code while they are installed.

    A version requests it with "install": "build" in its fyke.json; the operator allows it.

    \b
    Examples:
      fyke worker builds acme/prices
      fyke worker builds acme/prices --allow
    """
    client = server.client
    state = client.builds(worker) if allow is None else client.allow_builds(worker, allowed=allow)
    if server.out.as_json:
        server.out.json(data_of(state))
        return
    server.out.fields(
        [
            ("builds", "allowed" if state.allowed else "not allowed"),
            ("requested by", ", ".join(state.versions) or "no version"),
        ]
    )


@server_command(workers, "withdraw")
def withdraw(server: ServerContext, worker: Ref, version: VersionArgument) -> None:
    """Withdraw a version, which then cannot be started. Its active runs continue.

    \b
    Examples:
      fyke worker withdraw owner/hello v1.0.3
    """
    withdrawn = server.client.withdraw(worker, version)
    if server.out.as_json:
        server.out.json(data_of(withdrawn))
    else:
        server.out.say(f"{worker} {withdrawn.version} can no longer be started.")


@server_command(workers, "restore-version")
def restore_version(server: ServerContext, worker: Ref, version: VersionArgument) -> None:
    """Make a withdrawn version available again.

    \b
    Examples:
      fyke worker restore-version owner/hello v1.0.3
    """
    restored = server.client.restore(worker, version)
    if server.out.as_json:
        server.out.json(data_of(restored))
    else:
        server.out.say(f"{worker} {restored.version} can be started again.")


@server_command(workers, "delete")
def delete(server: ServerContext, worker: Ref, yes: YesOption = False) -> None:
    """Delete a Worker of your account permanently. Its past runs, their rows and logs stay.

    Active runs continue to their end; waiting runs fail. Its tasks stay but cannot be started. A
    new Worker can have the name.

    \b
    Examples:
      fyke worker delete owner/hello
      fyke worker delete owner/hello --yes
    """
    if not yes:
        confirm_deletion(worker)
    failed_runs = server.client.delete_worker(worker)
    if server.out.as_json:
        server.out.json({"worker": worker, "ended_runs": failed_runs})
        return
    failed_text = f" {formatting.count(failed_runs, 'waiting run')} failed." if failed_runs else ""
    server.out.say(f"{worker} is deleted.{failed_text}")

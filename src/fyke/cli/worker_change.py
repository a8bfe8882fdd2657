"""``fyke worker``: the versions of a Worker in and out of use, and the end of a Worker."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fyke.cli import formatting
from fyke.cli.context import ServerContext, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import data_of
from fyke.cli.worker import Ref, workers

VersionArgument = Annotated[str, typer.Argument(help="Such as v1.0.3.", metavar="VERSION")]


@server_command(workers, "versions")
def versions(server: ServerContext, worker: Ref) -> None:
    """All versions of a Worker, newest first.

    \b
    Examples:
      fyke worker versions owner/hello
    """
    found = server.client.versions(worker)
    if server.out.as_json:
        server.out.json([data_of(version) for version in found])
        return
    server.out.table(
        ("version", "state", "language", "published", "digest", "sites", "install"),
        [
            (
                v.version,
                v.state,
                v.language,
                formatting.when(v.created_at),
                v.digest[:16],
                "every public one" if v.egress is None else ", ".join(v.egress) or "none",
                "build" if v.builds else "wheels",
            )
            for v in found
        ],
    )


@server_command(workers, "builds")
def builds(
    server: ServerContext,
    worker: Ref,
    allow: Annotated[
        bool | None, typer.Option("--allow/--forbid", help="For the operator; else only shown.")
    ] = None,
) -> None:
    """Whether dependencies of a Worker may run code of their own while they are installed.

    A version asks for it with "install": "build" in its fyke.json; the operator allows it.

    \b
    Examples:
      fyke worker builds acme/prices
      fyke worker builds acme/prices --allow
    """
    client = server.client
    now = client.builds(worker) if allow is None else client.allow_builds(worker, allowed=allow)
    if server.out.as_json:
        server.out.json(data_of(now))
        return
    server.out.fields(
        [
            ("builds", "allowed" if now.allowed else "not allowed"),
            ("asked for by", ", ".join(now.versions) or "no version"),
        ]
    )


@server_command(workers, "withdraw")
def withdraw(server: ServerContext, worker: Ref, version: VersionArgument) -> None:
    """Take a version out of use. Its active runs continue.

    \b
    Examples:
      fyke worker withdraw owner/hello v1.0.3
    """
    gone = server.client.withdraw(worker, version)
    if server.out.as_json:
        server.out.json(data_of(gone))
    else:
        server.out.say(f"{worker} {gone.version} cannot be started any more.")


@server_command(workers, "restore-version")
def restore_version(server: ServerContext, worker: Ref, version: VersionArgument) -> None:
    """Put a withdrawn version into use again.

    \b
    Examples:
      fyke worker restore-version owner/hello v1.0.3
    """
    back = server.client.restore(worker, version)
    if server.out.as_json:
        server.out.json(data_of(back))
    else:
        server.out.say(f"{worker} {back.version} can be started again.")


@server_command(workers, "delete")
def delete(
    server: ServerContext,
    worker: Ref,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a Worker of yours permanently. Its past runs, their rows and logs stay.

    Runs that have started continue to their end; runs that still wait fail with a reason. Its
    tasks stay but cannot be started. The name is free for a new Worker.

    \b
    Examples:
      fyke worker delete owner/hello
      fyke worker delete owner/hello --yes
    """
    if not yes:
        _ask(worker)
    ended = server.client.delete_worker(worker)
    if server.out.as_json:
        server.out.json({"worker": worker, "ended_runs": ended})
        return
    waited = f" {formatting.count(ended, 'run')} that waited ended." if ended else ""
    server.out.say(f"{worker} is deleted.{waited}")


def _ask(worker: str) -> None:
    """Return when the user agrees; raise ``CommandFailed`` when not, or without a terminal."""
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{worker} would be deleted permanently; without a terminal, confirm it with --yes",
            Exit.USAGE,
        )
    if not typer.confirm(f"Delete {worker} permanently?", err=True):
        raise CommandFailed(f"{worker} stays as it is.")

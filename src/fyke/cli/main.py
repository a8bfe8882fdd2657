"""The command ``fyke`` with all its commands.

Commands import what they need when they run, so that ``fyke --help`` is fast.
"""

from __future__ import annotations

from typing import Annotated

import typer

import fyke.cli.run_results  # these modules add commands to groups
import fyke.cli.run_sites
import fyke.cli.schedule
import fyke.cli.worker_change
import fyke.cli.worker_estimate
import fyke.cli.worker_run  # noqa: F401
from fyke.cli.account import accounts
from fyke.cli.backup import backups
from fyke.cli.callback import callbacks
from fyke.cli.config import config
from fyke.cli.db import db
from fyke.cli.doctor import doctor
from fyke.cli.errors import run_command
from fyke.cli.key import keys
from fyke.cli.local_work import local_work
from fyke.cli.prune import prune
from fyke.cli.queue import queue
from fyke.cli.restore import restore
from fyke.cli.run import runs
from fyke.cli.secret import secrets
from fyke.cli.serve import serve
from fyke.cli.store import store
from fyke.cli.task import tasks
from fyke.cli.up import up
from fyke.cli.user import users
from fyke.cli.worker import workers

app = typer.Typer(
    name="fyke",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(up)
app.command()(serve)
app.command(hidden=True)(local_work)
app.command()(doctor)
app.add_typer(workers, name="worker")
app.add_typer(runs, name="run")
app.add_typer(queue, name="queue")
app.add_typer(tasks, name="task")
app.add_typer(secrets, name="secret")
app.add_typer(store, name="store")
app.add_typer(keys, name="key")
app.add_typer(accounts, name="account")
app.add_typer(users, name="user")
app.add_typer(callbacks, name="callback")
app.add_typer(backups, name="backup")
app.command()(restore)
app.command()(prune)
app.add_typer(db, name="db")
app.add_typer(config, name="config")


def show_version(requested: bool) -> None:
    """Print versions and exit."""
    if requested:
        from fyke.cli.about import versions

        typer.echo(versions())
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print versions and exit.", is_eager=True, callback=show_version
        ),
    ] = False,
) -> None:
    """Fyke runs web-scraping Workers on your own machines.

    \b
    Examples:
      fyke up                                    the whole platform on this machine
      fyke worker new hello                      a Worker of your own
      fyke run start owner/hello --wait          a run, with its outcome
      fyke run results RUN                       its rows

    Exit status: 0 success, 1 the run failed or any other error, 2 wrong usage, 3 not found,
    4 not allowed, 5 a conflict or a limit, 6 the server cannot be reached, 124 timed out,
    130 interrupted.
    """


def main() -> None:
    """Run the command line; a known error prints one sentence and sets the exit code."""
    run_command(app)

"""The command ``fyke`` with all its commands.

Commands import what they need when they run, so that ``fyke --help`` is fast.
"""

from __future__ import annotations

from typing import Annotated

import typer

from fyke.cli.errors import run_command
from fyke.cli.lazy import Entry, LazyGroup


class _Root(LazyGroup):
    entries = {  # a class variable of LazyGroup
        "up": Entry(
            "Start server, runner, egress and browser gateway, and keep them running until Ctrl-C.",
            "fyke.cli.up:up",
        ),
        "serve": Entry(
            "Run one role in the foreground, for installations of several machines.",
            "fyke.cli.serve:serve",
        ),
        "local-work": Entry(
            "Run a local request. Started by other commands, not by users.",
            "fyke.cli.local_work:local_work",
            hidden=True,
        ),
        "nodes-home": Entry(
            "Make the data folder of script/up --nodes. Started by that, not by users.",
            "fyke.cli.nodes_home:nodes_home",
            hidden=True,
        ),
        "doctor": Entry(
            "Check this machine: Python, data folder, port, processes, database, registries of "
            "packages, sandbox, browser.",
            "fyke.cli.doctor:doctor",
        ),
        "restore": Entry(
            "Restore a backup to a data folder, completely or not at all.",
            "fyke.cli.restore:restore",
        ),
        "prune": Entry(
            "List files that nothing needs, or remove them with --yes.", "fyke.cli.prune:prune"
        ),
        "worker": Entry(
            "Workers: create, check, run and test locally, publish.",
            "fyke.cli.worker:workers",
            (
                "fyke.cli.worker_change",
                "fyke.cli.worker_estimate",
                "fyke.cli.worker_run",
                "fyke.cli.worker_test",
                "fyke.cli.worker_verify",
                "fyke.cli.worker_prove",
            ),
        ),
        "run": Entry(
            "Runs: start, watch and abort them.",
            "fyke.cli.run:runs",
            (
                "fyke.cli.run_results",
                "fyke.cli.run_sites",
                "fyke.cli.run_diagnose",
                "fyke.cli.run_browser",
                "fyke.cli.run_picture",
                "fyke.cli.callback",
            ),
        ),
        "queue": Entry(
            "Run queue: list, activate or release the starts in it.", "fyke.cli.queue:queue"
        ),
        "task": Entry(
            "Tasks: saved inputs that are run by hand or on a schedule.",
            "fyke.cli.task:tasks",
            ("fyke.cli.schedule",),
        ),
        "secret": Entry(
            "Secrets: values for a Worker that cannot be read back.", "fyke.cli.secret:secrets"
        ),
        "store": Entry("The catalog of published Workers.", "fyke.cli.store:store"),
        "key": Entry("API keys: create, list and revoke them.", "fyke.cli.key:keys"),
        "account": Entry(
            "Accounts: balance, traffic, plan and spending caps.", "fyke.cli.account:accounts"
        ),
        "user": Entry("Users: invite, change and remove them.", "fyke.cli.user:users"),
        "node": Entry(
            "Nodes: let other machines join this installation, cordon and drain them.",
            "fyke.cli.node:nodes",
            ("fyke.cli.node_join", "fyke.cli.node_up"),
        ),
        "fleet": Entry(
            "Machines of nodes that an engine such as Kubernetes runs: replace and scale them.",
            "fyke.cli.fleet:fleet",
        ),
        "mcp": Entry(
            "Agents: serve one over standard input and output, and install that in its program.",
            "fyke.cli.mcp:mcp",
            default="serve",
        ),
        "callback": Entry(
            "Callbacks: states, replays and receivers.", "fyke.cli.callback:callbacks"
        ),
        "webhook": Entry(
            "Programs and chats that get messages about runs and alerts: add, test, remove them.",
            "fyke.cli.webhook:webhooks",
        ),
        "mail": Entry(
            "The mail server that sends alerts: set it, send a test.", "fyke.cli.mail:mail"
        ),
        "backup": Entry(
            "Create and verify backups. fyke restore restores one.", "fyke.cli.backup:backups"
        ),
        "db": Entry("The database: migrate, convert, check.", "fyke.cli.db:db"),
        "config": Entry(
            "Settings in effect, and where each value comes from.", "fyke.cli.config:config"
        ),
        "help": Entry(
            "Print the help of a command, as its --help does.", "fyke.cli.help:show_help"
        ),
    }


app = typer.Typer(
    name="fyke",
    cls=_Root,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},  # of all commands
)


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
    4 not allowed, 5 a conflict or a limit, 6 the server cannot be reached, 7 this node is not
    served any more, 124 timed out, 130 interrupted.
    """


def main() -> None:
    """Run the command line; a known error prints one sentence and sets the exit code."""
    run_command(app)

"""``fyke node up``: the roles of a node on this machine, in the foreground."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.node import nodes
from fyke.cli.output import Output
from fyke.cli.settings import load_settings


@nodes.command("up")
def up(
    home: HomeOption = None,
    as_json: JsonOption = False,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    launcher_events: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the Workers of the installation that this machine has joined, until Ctrl-C.

    The node connects to its gateway, and connects again whenever the connection ends. It listens on
    no port. It ends with exit status 7 when the installation has forgotten it, when another machine
    has its name, or when the releases of the two do not fit together.

    \b
    Examples:
      fyke node up
      fyke node up --home /var/lib/fyke-node --json
    """
    from fyke.app.folder import is_node
    from fyke.app.node_folder import read_node
    from fyke.cli.up import supervise

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # set by a shell for background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o077)
    settings = load_settings(home=home)
    if not is_node(settings.home):
        raise CommandFailed(
            f"The folder {settings.home} is not that of a node: join an installation with "
            "fyke node join first, or choose another folder with --home",
            Exit.CONFLICT,
        )
    if os.geteuid() == 0:
        from fyke.cli.root_start import start_as_root

        start_as_root(settings, [*sys.argv[1:], "--home", str(settings.home)])
    if parent is not None:
        from fyke.kit.prctl import end_with_parent

        end_with_parent(parent)
    node = read_node(settings.home)
    out = Output(as_json)
    if as_json:
        out.json({"name": node.name, "pool": node.pool, "gateways": node.gateways})
    else:
        out.say(f"Node {node.name} of the pool {node.pool}; gateway {' '.join(node.gateways)}")
    sys.stdout.flush()
    supervise(settings, None, launcher_events)

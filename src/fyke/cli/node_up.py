"""``fyke node up``: the roles of a node on this machine, in the foreground."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli.context import HomeOption, JsonOption
from fyke.cli.errors import CommandFailed, Exit, report
from fyke.cli.node import nodes
from fyke.cli.node_join import TOKEN, GatewayOption, ReplaceOption, join_installation
from fyke.cli.node_options import LabelOption, given
from fyke.cli.output import Output
from fyke.cli.settings import load_settings

if TYPE_CHECKING:
    from fyke.settings import Settings


@nodes.command("up")
def up(
    home: HomeOption = None,
    as_json: JsonOption = False,
    gateway: Annotated[
        str | None,
        typer.Option(
            "--join",
            help=f"Join first, with the token in {TOKEN}, unless this folder is a node that the "
            "installation knows.",
            metavar="GATEWAY",
        ),
    ] = None,
    more: GatewayOption = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="With --join: the name of the node (default: the host name)."),
    ] = None,
    pool: Annotated[
        str | None, typer.Option("--pool", help="With --join: the pool of the node.")
    ] = None,
    label: LabelOption = None,
    replace: ReplaceOption = False,
    leave: Annotated[
        bool,
        typer.Option(
            "--leave",
            help="When it is stopped, leave the installation, which forgets the node. Only for "
            "a node that has joined with a token for several uses.",
        ),
    ] = False,
    idle_minutes: Annotated[
        float | None,
        typer.Option(
            "--idle-minutes",
            help="Stop, as after SIGTERM, when no attempt has run for so long (default: never).",
            metavar="MINUTES",
            min=0,
        ),
    ] = None,
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
      FYKE_NODE_TOKEN=fyken_... fyke node up --join gateway.example:8110 --leave
    """
    from fyke.app.configuration import ignored_on_node
    from fyke.app.folder import is_node
    from fyke.app.node_folder import read_node
    from fyke.cli.up import supervise

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # set by a shell for background jobs
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o077)
    for option, value in (("--join", gateway), ("--name", name), ("--pool", pool)):
        given(option, value)
    settings = load_settings(home=home, node_leave=leave or None, node_idle_minutes=idle_minutes)
    if gateway is not None:
        _join_once(settings, [gateway, *(more or ())], name, pool, label, replace=replace)
    os.environ.pop(TOKEN, None)  # no process of the node needs it
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
    if ignored := ignored_on_node(settings, os.environ):
        report(f"{', '.join(ignored)}: ignored on a node, which uses those of its installation")
    out = Output(as_json)
    if as_json:
        out.json({"name": node.name, "pool": node.pool, "gateways": node.gateway_names()})
    else:
        out.say(
            f"Node {node.name} of the pool {node.pool}; gateway {' '.join(node.gateway_names())}"
        )
    sys.stdout.flush()
    supervise(settings, None, launcher_events)


def _join_once(
    settings: Settings,
    gateways: list[str],
    name: str | None,
    pool: str | None,
    label: list[str] | None,
    *,
    replace: bool,
) -> None:
    """Join unless this folder is a node already. One that the installation has forgotten, or whose
    certificate has expired, joins again.
    """
    from fyke.app.folder import is_node
    from fyke.app.node_folder import is_outdated, leave_folder, read_node
    from fyke.cli.owner import as_owner

    if is_node(settings.home):
        with as_owner(settings.home, settings.service_user):
            if not os.environ.get(TOKEN) or not is_outdated(read_node(settings.home)):
                return
            leave_folder(settings.home)
    join_installation(
        settings, gateways, None, name, pool, label, replace=replace, passed_with="the variable "
    )

"""``fyke node``: machines that join the installation, and the tokens that they need for it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.confirm import YesOption, confirm_deletion
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke.wire.fyke.nodes import NodeItem

nodes = group()

_DURATION = re.compile(r"([0-9]{1,6})([mhd])")
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}

Name = Annotated[str, typer.Argument(help="Name of the node.", metavar="NAME")]
LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", help="A label of the node; may be repeated.", metavar="NAME=VALUE"),
]


@server_command(nodes, "token")
def token(
    server: ServerContext,
    pool: Annotated[
        str,
        typer.Option(
            "--pool", help="The pool of nodes that join with it (default: the one they ask for)."
        ),
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="A label that a node must have to join; may be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    names: Annotated[
        str,
        typer.Option(
            "--names",
            help="The name that a node must have to join, or a pattern such as 'gpu-*' (default: "
            "any).",
            metavar="PATTERN",
        ),
    ] = "",
    uses: Annotated[
        int,
        typer.Option(
            "--uses",
            help="How many machines may join with it; 0: any number. All but 1 need --pool.",
            metavar="N",
        ),
    ] = 1,
    expires: Annotated[
        str,
        typer.Option(
            "--expires",
            help="How long the token is valid, such as 30m, 12h or 7d; at most 30d.",
            metavar="TIME",
        ),
    ] = "1h",
) -> None:
    """Create a token with which a machine joins as a node, and print it. It is not shown again.

    Nodes need PostgreSQL. The first token starts the gateway, at the address in the settings
    gateway_host and gateway_port.

    \b
    Examples:
      fyke node token
      fyke node token --pool gpu --names 'gpu-*' --uses 10 --expires 7d
      fyke node token --label disk=ssd --json
    """
    from fyke.domain.nodes.rules import is_local_only, join_options
    from fyke.wire.fyke.nodes import NodeTokenToCreate

    request = NodeTokenToCreate(pool, labels_of(label), names, uses, minutes_of(expires))
    made = server.client.create_node_token(request)
    if server.out.as_json:
        server.out.json(data_of(made))
        return
    server.out.raw(made.token)
    until = formatting.when_with_zone(made.expires_at)
    server.out.say(
        f"It is valid until {until}, and is not shown again. On the machine that joins:\n"
        f"  fyke node join {made.gateway} --token TOKEN{join_options(made.names, made.labels)}"
    )
    if is_local_only(made.gateway):
        server.out.say(
            f"Only this machine can reach {made.gateway}: set gateway_host to an address that the "
            "other one can reach, and restart Fyke."
        )


@server_command(nodes, "tokens")
def list_tokens(server: ServerContext) -> None:
    """List the tokens for nodes, but not their text.

    \b
    Examples:
      fyke node tokens
    """
    items = server.client.node_tokens()
    if server.out.as_json:
        server.out.json([data_of(item) for item in items])
        return
    server.out.table(
        ("id", "pool", "names", "labels", "used", "by", "expires", "revoked"),
        [
            (
                item.id,
                item.pool or "-",
                item.names or "-",
                label_text(item.labels) or "-",
                f"{item.used} of {item.uses}" if item.uses else f"{item.used}",
                item.created_by or "-",
                formatting.when(item.expires_at),
                formatting.when(item.revoked_at),
            )
            for item in items
        ],
    )


@server_command(nodes, "revoke")
def revoke(
    server: ServerContext,
    token_id: Annotated[str, typer.Argument(help="Id of the token.", metavar="TOKEN")],
) -> None:
    """Revoke a token. Nodes that have joined with it stay.

    \b
    Examples:
      fyke node revoke 01JG...
    """
    with _found(f"no token {token_id}", "fyke node tokens"):
        server.client.revoke_node_token(token_id)
    if server.out.as_json:
        server.out.json({"revoked": token_id})
    else:
        server.out.say(f"The token {token_id} is revoked.")


@server_command(nodes, "demand")
def show_demand(server: ServerContext) -> None:
    """Show what each pool is asked for: what waits and may begin now, and what runs.

    \b
    Examples:
      fyke node demand
      fyke node demand --json
    """
    items = server.client.node_demand()
    if server.out.as_json:
        server.out.json([data_of(item) for item in items])
        return
    server.out.table(
        ("pool", "waiting", "cores", "MiB", "browsers", "running", "cores", "MiB", "browsers"),
        [
            (
                item.pool,
                f"{item.waiting}",
                f"{item.waiting_cpus:g}",
                f"{item.waiting_memory_mb}",
                f"{item.waiting_browsers}",
                f"{item.running}",
                f"{item.running_cpus:g}",
                f"{item.running_memory_mb}",
                f"{item.running_browsers}",
            )
            for item in items
        ],
    )


@server_command(nodes, "list")
def list_nodes(
    server: ServerContext,
    pool: Annotated[
        str, typer.Option("--pool", help="Only those of this pool.", metavar="NAME")
    ] = "",
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", help="Only those with this label; may be repeated.", metavar="NAME=VALUE"
        ),
    ] = None,
) -> None:
    """List the nodes of this installation.

    \b
    Examples:
      fyke node list
      fyke node list --pool gpu --label disk=ssd
      fyke node list --json
    """
    wanted = labels_of(label).items()
    items = [
        item
        for item in server.client.nodes()
        if pool in ("", item.pool) and wanted <= item.labels.items()
    ]
    if server.out.as_json:
        server.out.json([data_of(item) for item in items])
        return
    server.out.table(
        (
            "name",
            "pool",
            "state",
            "connected",
            "attempts",
            "labels",
            "last seen",
            "address",
            "release",
        ),
        [
            (
                item.name,
                item.pool,
                item.state.value,
                _connected(item),
                item.attempts,
                label_text(item.labels) or "-",
                formatting.when(item.seen_at),
                item.address or "-",
                item.release or "-",
            )
            for item in items
        ],
    )


@server_command(nodes, "show")
def show(server: ServerContext, name: Name) -> None:
    """Show what is known about a node.

    \b
    Examples:
      fyke node show gpu-1
    """
    with _node(name):
        node = server.client.node(name)
    if server.out.as_json:
        server.out.json(data_of(node))
        return
    fields = [
        ("name", node.name),
        ("pool", node.pool),
        ("labels", label_text(node.labels) or "-"),
        ("state", node.state.value),
        ("set by", node.state_by or "-"),
        ("reason", node.reason or "-"),
        ("drain until", formatting.when(node.drain_until)),
        ("connected", _connected(node)),
        ("takes runs", _availability(node)),
        ("attempts", node.attempts),
        ("cores", f"{node.cpus_taken:g} of {node.cpus:g} in use" if node.cpus else "-"),
        ("memory", f"{node.memory_taken} of {node.memory} MB in use" if node.memory else "-"),
        ("isolation", _isolation(node)),
        ("joined", formatting.when(node.joined_at)),
        ("last seen", formatting.when(node.seen_at)),
        ("address", node.address or "-"),
        ("release", node.release or "-"),
        ("settings", _settings(node)),
    ]
    server.out.fields(fields)


def _settings(node: NodeItem) -> str:
    version, newest = node.settings_version, node.newest_settings
    if version == newest:
        return f"version {version}" if version else "-"
    return f"{f'version {version}' if version else 'none yet'}; the installation has {newest}"


@server_command(nodes, "cordon")
def cordon(server: ServerContext, name: Name) -> None:
    """Stop a node from taking new attempts. It finishes those that it has.

    \b
    Examples:
      fyke node cordon gpu-1
    """
    with _node(name):
        node = server.client.cordon_node(name)
    _say(server, node, f"{name} takes no new attempts. To undo this: fyke node uncordon {name}")


@server_command(nodes, "uncordon")
def uncordon(server: ServerContext, name: Name) -> None:
    """Let a node take new attempts again.

    \b
    Examples:
      fyke node uncordon gpu-1
    """
    with _node(name):
        node = server.client.uncordon_node(name)
    _say(server, node, f"{name} takes attempts again.")


@server_command(nodes, "drain")
def drain(
    server: ServerContext,
    name: Name,
    seconds: Annotated[
        int,
        typer.Option(
            "--seconds", help="How long attempts may go on; at most 604800 (7 days).", metavar="S"
        ),
    ] = 3600,
) -> None:
    """Stop a node from taking new attempts; it finishes those it has.

    Attempts that still run after --seconds are stopped.

    \b
    Examples:
      fyke node drain gpu-1
      fyke node drain gpu-1 --seconds 60
    """
    with _node(name):
        node = server.client.drain_node(name, seconds)
    until = formatting.when_with_zone(node.drain_until)
    _say(server, node, f"{name} takes no new attempts. Those that it has may go on until {until}.")


@server_command(nodes, "forget")
def forget(server: ServerContext, name: Name, yes: YesOption = False) -> None:
    """Remove a node. Its connection is refused immediately, and its attempts are lost.

    \b
    Examples:
      fyke node forget gpu-1
      fyke node forget gpu-1 --yes --json
    """
    if not yes:
        confirm_deletion(f"the node {name}")
    with _node(name):
        server.client.forget_node(name)
    if server.out.as_json:
        server.out.json({"forgotten": name})
    else:
        server.out.say(f"The node {name} was removed.")


def labels_of(options: list[str] | None) -> dict[str, str]:
    """The labels of ``--label``. Raises ``CommandFailed``."""
    labels = {}
    for text in options or ():
        name, sign, value = text.partition("=")
        if not sign:
            raise CommandFailed(f"--label {text}: must be NAME=VALUE, such as disk=ssd", Exit.USAGE)
        if name in labels:
            raise CommandFailed(f"--label {text}: {name} has a value already", Exit.USAGE)
        labels[name] = value
    return labels


def minutes_of(text: str) -> int:
    """The minutes of ``--expires``. Raises ``CommandFailed``."""
    from fyke.domain.nodes.tokens import MAX_MINUTES

    found = _DURATION.fullmatch(text)
    if found is None:
        raise CommandFailed(
            f"--expires {text}: must be minutes, hours or days, such as 30m, 12h or 7d", Exit.USAGE
        )
    minutes = int(found[1]) * _MINUTES[found[2]]
    if not 1 <= minutes <= MAX_MINUTES:
        raise CommandFailed(
            f"--expires {text}: must be 1m to {MAX_MINUTES // _MINUTES['d']}d", Exit.USAGE
        )
    return minutes


def label_text(labels: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _connected(node: NodeItem) -> str:
    return "yes" if node.connected else "no"


def _availability(node: NodeItem) -> str:
    """Whether the node takes attempts, or else why not."""
    known = {
        "ready": "yes",
        "operator_only": "only those of your own Workers, because their limits cannot be enforced",
        "not_connected": "no: it has not connected since it joined; start it with fyke node up",
        "stopped": "no: it was stopped; start it with fyke node up",
        "silent": "no: it does not report",
        "draining": "no: it is draining",
        "cordoned": "no: it is cordoned",
        "starting": "not yet: it is starting",
        "stopping": "no: it is being stopped",
        "no_isolation": "no: an isolation check failed; run fyke doctor on it",
        "trouble": f"no: {node.trouble}",
    }
    return known.get(node.availability.value, node.availability.value)


def _isolation(node: NodeItem) -> str:
    because = f": {node.isolation_reason}" if node.isolation_reason else ""
    return f"{node.isolation}{because}" if node.isolation else "-"


def _say(server: ServerContext, node: NodeItem, sentence: str) -> None:
    if server.out.as_json:
        server.out.json(data_of(node))
    else:
        server.out.say(sentence)


def _node(name: str) -> contextlib.AbstractContextManager[None]:
    return _found(f"no node {name}", "fyke node list")


@contextlib.contextmanager
def _found(missing: str, command: str) -> Iterator[None]:
    """Say what is missing, which the server does not."""
    try:
        yield
    except Exception as error:
        if getattr(error, "status", 0) != 404:
            raise
        raise CommandFailed(f'There is {missing}; "{command}" lists them', Exit.NOT_FOUND) from None

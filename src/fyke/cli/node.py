"""``fyke node``: machines that join the installation, and the tokens that they need for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from fyke.cli import formatting
from fyke.cli.confirm import YesOption, confirm_deletion
from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.errors import CommandFailed, exit_code, naming_missing
from fyke.cli.node_options import (
    drain_seconds_of,
    given,
    invalid_options,
    label_text,
    labels_of,
    minutes_of,
    required,
)
from fyke.cli.output import data_of

if TYPE_CHECKING:
    from fyke_client.types.fyke.nodes import NodeItem

nodes = group()
_INVALID = ("invalid_request", "invalid_fields")  # keys of errors

Name = Annotated[str, typer.Argument(help="Name of the node.", metavar="NAME")]
DrainOption = Annotated[
    str,
    typer.Option(
        "--seconds",
        help="How long attempts may go on: seconds, or a time such as 10m or 1h; at most 7d.",
        metavar="TIME",
    ),
]


@server_command(nodes, "token")
def token(
    server: ServerContext,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool", help="The pool of nodes that join with it (default: the one they ask for)."
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="A label that a node must have to join; may be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            "--names",
            help="The name that a node must have to join, or a pattern such as 'gpu-*' (default: "
            "any).",
            metavar="PATTERN",
        ),
    ] = None,
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
    from fyke_client.types.fyke.nodes import NodeTokenToCreate

    request = NodeTokenToCreate(
        given("--pool", pool), labels_of(label), given("--names", names), uses, minutes_of(expires)
    )
    with _naming_options():
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
    if not items:
        server.out.say("There are no tokens; make one with fyke node token")
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
    required("TOKEN", token_id)
    with naming_missing(f"no token {token_id}", "fyke node tokens"), _refused_plainly():
        server.client.revoke_node_token(token_id)
    if server.out.as_json:
        server.out.json({"revoked": token_id})
    else:
        server.out.say(f"The token {token_id} is revoked.")


@server_command(nodes, "demand")
def show_demand(server: ServerContext) -> None:
    """Show the demand of each pool: how much waits and may start now, and how much runs.

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
        str | None, typer.Option("--pool", help="Only those of this pool.", metavar="NAME")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", help="Only those with this label; may be repeated.", metavar="NAME=VALUE"
        ),
    ] = None,
) -> None:
    """List the nodes of this installation.

    STATE is what was decided about a node. TAKES RUNS is also no for a node that is not
    connected; fyke node show says why. LAST SEEN is now for one that is connected.

    \b
    Examples:
      fyke node list
      fyke node list --pool gpu --label disk=ssd
      fyke node list --json
    """
    wanted, wanted_pool = labels_of(label).items(), given("--pool", pool)
    known = server.client.nodes()
    items = [
        item for item in known if wanted_pool in ("", item.pool) and wanted <= item.labels.items()
    ]
    if server.out.as_json:
        server.out.json([data_of(item) for item in items])
        return
    if not known:
        server.out.say("There are no nodes; make a token with fyke node token")
        return
    server.out.table(
        ("name", "takes runs", "attempts", "state", "last seen", "pool", "labels"),
        [
            (
                item.name,
                _takes_runs(item),
                item.attempts,
                item.state,
                "now" if item.connected else _seen(item),
                item.pool,
                label_text(item.labels) or "-",
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
        ("takes runs", _availability(node)),
        ("attempts", node.attempts),
        ("state", node.state),
        *_decision(node),
        ("connected", _connected(node)),
        ("last seen", _seen(node)),
        ("pool", node.pool),
        ("labels", label_text(node.labels) or "-"),
        ("cores", f"{node.cpus_taken:g} of {node.cpus:g} in use" if node.cpus else "-"),
        ("memory", f"{node.memory_taken} of {node.memory} MiB in use" if node.memory else "-"),
        ("isolation", _isolation(node)),
        *(("failed check", f"{check.name}: {check.seen}") for check in node.failed_checks),
        ("disk", _disk(node)),
        ("caches", _caches(node)),
        ("clock", _clock(node)),
        ("settings", _settings(node)),
        ("release", node.release or "-"),
        ("address", node.address or "-"),
        ("joined", formatting.when(node.joined_at)),
    ]
    server.out.fields(fields)


def _decision(node: NodeItem) -> Iterator[tuple[str, str]]:
    """Who decided about the node, and what, as far as there is something to say."""
    if node.state_by:
        yield "set by", node.state_by
    if node.reason:
        yield "reason", node.reason
    if node.drain_until:
        yield "drain until", formatting.when(node.drain_until)
    if node.replacing:
        yield "replacing", "yes"


def _disk(node: NodeItem) -> str:
    if not node.disk_total:
        return "-"
    text = f"{formatting.room(node.disk_free)} of {formatting.room(node.disk_total)} free"
    if node.disk_free >= node.disk_floor:
        return text
    return f"{text}; below {formatting.room(node.disk_floor)} it takes no attempts"


def _caches(node: NodeItem) -> str:
    if not node.disk_total:
        return "-"
    return "not measured yet" if node.caches is None else formatting.room(node.caches)


def _clock(node: NodeItem) -> str:
    if not node.disk_total:  # of a release that reports neither
        return "-"
    seconds = abs(node.clock_ahead)
    if seconds < 1:
        return "as that of the database"
    side = "ahead of" if node.clock_ahead > 0 else "behind"
    return f"{formatting.span(seconds)} {side} that of the database"


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
    seconds: DrainOption = "3600",
) -> None:
    """Stop a node from taking new attempts; it finishes those it has.

    Attempts that still run after --seconds are stopped.

    \b
    Examples:
      fyke node drain gpu-1
      fyke node drain gpu-1 --seconds 60
      fyke node drain gpu-1 --seconds 10m
    """
    longest = drain_seconds_of(seconds)
    with _node(name):
        node = server.client.drain_node(name, longest)
    until = formatting.when_with_zone(node.drain_until)
    _say(server, node, f"{name} takes no new attempts. Those that it has may go on until {until}.")


@server_command(nodes, "replace")
def replace(server: ServerContext, name: Name, seconds: DrainOption = "3600") -> None:
    """Drain a node, and let the engine that runs it replace it.

    The engine ends the machine when it has no attempt left, and starts another one. Only with the
    setting fleet and fyke fleet up; elsewhere a person or systemd does it. To withdraw it: fyke
    node uncordon, cordon or drain.

    \b
    Examples:
      fyke node replace fyke-node-7d9c5b6f4-x2x7k
      fyke node replace fyke-node-7d9c5b6f4-x2x7k --seconds 10m
    """
    longest = drain_seconds_of(seconds)
    with _node(name), _refused_plainly():
        node = server.client.replace_node(name, longest)
    until = formatting.when_with_zone(node.drain_until)
    text = f"{name} takes no new attempts. It is replaced when no attempt is left, after {until}"
    _say(server, node, f"{text} at the latest.")


@server_command(nodes, "forget")
def forget(server: ServerContext, name: Name, yes: YesOption = False) -> None:
    """Remove a node. Its connection is refused immediately, and its attempts are lost.

    \b
    Examples:
      fyke node forget gpu-1
      fyke node forget gpu-1 --yes --json
    """
    if not yes:
        with _node(name):  # before the question
            server.client.node(name)
        confirm_deletion(f"the node {name}")
    with _node(name):
        server.client.forget_node(name)
    if server.out.as_json:
        server.out.json({"forgotten": name})
    else:
        server.out.say(f"{name} is forgotten; its attempts have ended.")


def _connected(node: NodeItem) -> str:
    if node.connected:
        return "yes"
    return "no; what follows is from its last report" if node.cpus else "no"


def _seen(node: NodeItem) -> str:
    return formatting.when(node.seen_at) if node.seen_at else "never"


def _takes_runs(node: NodeItem) -> str:
    """Whether the node takes attempts, in short; the other columns show the rest."""
    known = {
        "ready": "yes",
        "operator_only": "own Workers",
        "starting": "not yet",
        "no_isolation": "no isolation",
        "trouble": "cannot start",
    }
    return known.get(node.availability, "no")


def _availability(node: NodeItem) -> str:
    """Whether the node takes attempts, or else why not, and what was decided besides."""
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
    text = known.get(node.availability, node.availability)
    is_away = node.availability in ("not_connected", "silent")
    if is_away and node.state != "ready":
        text += f"; it is also {node.state}, until fyke node uncordon {node.name}"
    return text


def _isolation(node: NodeItem) -> str:
    because = f": {node.isolation_reason}" if node.isolation_reason else ""
    return f"{node.isolation}{because}" if node.isolation else "-"


def _say(server: ServerContext, node: NodeItem, sentence: str) -> None:
    if server.out.as_json:
        server.out.json(data_of(node))
    else:
        server.out.say(sentence)


def _node(name: str) -> contextlib.AbstractContextManager[None]:
    required("NAME", name)
    return naming_missing(f"no node {name}", "fyke node list")


@contextlib.contextmanager
def _naming_options() -> Iterator[None]:
    """Name the options of the command in the problems of its request."""
    from fyke_client.errors import ApiError

    try:
        yield
    except ApiError as error:
        if error.key not in _INVALID or not error.details:
            raise
        raise invalid_options(error.details) from None


@contextlib.contextmanager
def _refused_plainly() -> Iterator[None]:
    """A refusal with its own sentence only."""
    from fyke_client.errors import ApiError

    try:
        yield
    except ApiError as error:
        if error.key != "refused":
            raise
        text = error.message.removeprefix("Request refused: ")
        raise CommandFailed(text, exit_code(error.status, error.code, error.key)) from None

"""``fyke fleet``: the machines of nodes that an engine runs, replaced and scaled."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from fyke.cli.context import ServerContext, group, server_command
from fyke.cli.errors import CommandFailed, Exit, failure_of
from fyke.cli.settings import load_settings

if TYPE_CHECKING:
    from fyke.model.fleet import FleetGroup, FleetNode, FleetState
    from fyke.model.placement import PoolDemand
    from fyke.settings import Settings
    from fyke_client.types.fyke.nodes import NodeItem

fleet = group()


@server_command(fleet, "up")
def up(server: ServerContext) -> None:
    """Ask the engine of nodes for what the installation needs, until SIGTERM.

    With the setting fleet = "kubernetes", in a pod of its own: it deletes the pods of nodes that
    are to be replaced, marks idle ones so that Kubernetes takes these first, and scales Deployments
    with the annotation fyke/max-nodes. From the installation it only reads, with a key that has the
    scope admin, of a viewer of the operator's account.

    \b
    Examples:
      FYKE_FLEET=kubernetes FYKE_URL=http://fyke:8100 FYKE_KEY=... fyke fleet up
    """
    from fyke.app.fleet import open_fleet
    from fyke.domain.nodes.fleet import FleetDriver
    from fyke.telemetry.logging import configure

    settings = _settings_of_engine()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    configure("fleet", settings.log_level)
    with open_fleet(settings) as engine:
        driver = FleetDriver(engine, cooldown_seconds=settings.fleet_cooldown_seconds)
        repeat(lambda: driver.step(*_read(server)), settings.fleet_seconds, stop)


@server_command(fleet, "list")
def list_machines(server: ServerContext) -> None:
    """List the machines that the engine has, with their nodes, and how their groups are scaled.

    With Kubernetes a machine is a pod, and a group a Deployment. NODE is - for a machine that has
    not joined. Works in the pod of fyke fleet up.

    \b
    Examples:
      kubectl -n fyke exec deploy/fyke-fleet -- fyke fleet list
    """
    from fyke.app.fleet import open_fleet

    with open_fleet(_settings_of_engine()) as engine:
        state = engine.state()
    show_fleet(server, state, server.client.nodes())


def _settings_of_engine() -> Settings:
    """Raises ``CommandFailed`` where no engine is asked."""
    from fyke.model.fleet import NO_ENGINE

    settings = load_settings()
    if settings.fleet == "static":
        raise CommandFailed(NO_ENGINE, Exit.CONFLICT)
    return settings


def repeat(step: Callable[[], None], seconds: float, stop: threading.Event) -> None:
    """Call ``step`` until ``stop`` is set. A known failure is logged, and tried again after the
    pause, or after as long as the other end asks for.
    """
    from fyke.telemetry.repeated import RepeatedProblem

    problem = RepeatedProblem("fleet_step_failed", "fleet_steps_again")
    while not stop.is_set():
        pause = seconds
        try:
            step()
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            problem.occurred(str(failure))
            pause = max(seconds, getattr(error, "retry_after", 0))
        else:
            problem.ended()
        stop.wait(pause)


def _read(server: ServerContext) -> tuple[Sequence[FleetNode], Sequence[PoolDemand]]:
    import msgspec

    from fyke.model.placement import PoolDemand

    demand = [PoolDemand(**msgspec.structs.asdict(item)) for item in server.client.node_demand()]
    return [_node(item) for item in server.client.nodes()], demand


def _node(item: NodeItem) -> FleetNode:
    from fyke.model.fleet import FleetNode
    from fyke.model.node import NodeState

    is_open = item.state is NodeState.READY
    return FleetNode(item.name, item.pool, item.attempts, is_open, item.replacing)


def show_fleet(server: ServerContext, state: FleetState, nodes: Iterable[NodeItem]) -> None:
    """Print machines and groups."""
    known = {item.name: item for item in nodes}
    if server.out.as_json:
        server.out.json(
            {
                "groups": [_group_values(one) for one in state.groups],
                "machines": [
                    {
                        "name": machine.name,
                        "group": machine.group,
                        "state": machine.state,
                        "ending": machine.ending,
                        "removal_cost": machine.removal_cost,
                        "is_node": machine.name in known,
                    }
                    for machine in state.machines
                ],
            }
        )
        return
    server.out.table(
        ("machine", "group", "state", "node", "attempts", "removal cost"),
        [
            (
                machine.name,
                machine.group or "-",
                "ending" if machine.ending else machine.state,
                _node_state(known.get(machine.name)),
                known[machine.name].attempts if machine.name in known else "-",
                machine.removal_cost,
            )
            for machine in state.machines
        ],
    )
    for one in state.groups:
        server.out.say(f"{one.name}: {one.count} of the pool {one.pool}. {_scaling(one)}")


def _node_state(item: NodeItem | None) -> str:
    if item is None:
        return "-"
    return "replacing" if item.replacing else item.state


def _scaling(group: FleetGroup) -> str:
    """How a group is scaled, as a sentence."""
    if group.obstacle:
        return f"{group.obstacle}."
    if group.bounds is None:
        return "Fyke does not scale it."
    return f"Fyke keeps {group.bounds.least} to {group.bounds.most}."


def _group_values(group: FleetGroup) -> dict[str, object]:
    return {
        "name": group.name,
        "pool": group.pool,
        "count": group.count,
        "least": group.bounds.least if group.bounds else None,
        "most": group.bounds.most if group.bounds else None,
        "obstacle": group.obstacle,
    }

"""Lets the engine replace nodes, take idle ones first, and keep as many as a pool needs.

Nothing of it is stored: what is to be replaced is said by the nodes, and all else follows from what
the engine and the installation say now. So a driver may be killed, and two may run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog

from fyke.contracts.fleet import Fleet
from fyke.errors import FykeError, RateLimited, Unavailable
from fyke.model.fleet import FleetBounds, FleetGroup, FleetNode, FleetState
from fyke.model.placement import PoolDemand

MAX_MARKS = 20  # in one step
MARK_SECONDS = 60.0  # between two changes of one machine that stays busy, or idle
CLOSED_COST = -2000  # of a node that takes no more attempts; it has at most 1024

log = structlog.get_logger()


class FleetDriver:
    """Each ``step`` looks once, and changes what has to change. ``cooldown_seconds``: a group
    shrinks to the highest number that it needed within this time.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        cooldown_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet = fleet
        self._cooldown = cooldown_seconds
        self._clock = clock
        self._marked: dict[str, float] = {}  # when, by the ids of machines
        self._needed: dict[str, deque[tuple[float, int]]] = {}  # when and how many, by group
        self._said: set[str] = set()

    def step(self, nodes: Sequence[FleetNode], demand: Sequence[PoolDemand]) -> None:
        """Raise ``FykeError``; what is possible without what has failed is done."""
        state = self._fleet.state()
        known = {node.name: node for node in nodes}
        asked = {pool.pool: pool for pool in demand}
        parts: list[Callable[[], None]] = [
            lambda: self._replace(state, known),
            lambda: self._mark(state, known, asked),
            *(self._scaling(group, state, asked) for group in state.groups if group.bounds),
        ]
        failure: FykeError | None = None
        for part in parts:
            try:
                part()
            except (RateLimited, Unavailable):
                raise
            except FykeError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    # --- replacing --------------------------------------------------------------------------------

    def _replace(self, state: FleetState, nodes: Mapping[str, FleetNode]) -> None:
        machines = {machine.name: machine for machine in state.machines}
        for node in nodes.values():
            if not node.replacing:
                continue
            machine = machines.get(node.name)
            if machine is None:
                self._say_once("node_to_replace_is_not_of_the_engine", node=node.name)
            elif not machine.ending and not node.attempts and self._fleet.remove(machine):
                log.info("node_replaced", node=node.name, group=machine.group)

    # --- idle machines first ----------------------------------------------------------------------

    def _mark(
        self,
        state: FleetState,
        nodes: Mapping[str, FleetNode],
        asked: Mapping[str, PoolDemand],
    ) -> None:
        """Set removal costs where a group may shrink: changes between idle and busy first."""
        shrinking = {group.name for group in state.groups if _may_shrink(group, state, asked)}
        changes = []
        for machine in state.machines:
            node = nodes.get(machine.name)  # one that has not joined yet costs nothing
            if node is None or machine.ending or machine.group not in shrinking:
                continue
            cost, before = removal_cost(node), machine.removal_cost
            waits = self._clock() - self._marked.get(machine.id, -MARK_SECONDS) < MARK_SECONDS
            is_minor = _rank(cost) == _rank(before)
            if cost != before and not (is_minor and waits):
                changes.append((is_minor, -abs(cost - before), machine.name, machine, cost))
        for *_, machine, cost in sorted(changes, key=lambda change: change[:3])[:MAX_MARKS]:
            if self._fleet.mark(machine, cost):
                self._marked[machine.id] = self._clock()
        ids = {machine.id for machine in state.machines}
        self._marked = {one: at for one, at in self._marked.items() if one in ids}

    # --- scaling ----------------------------------------------------------------------------------

    def _scaling(
        self, group: FleetGroup, state: FleetState, asked: Mapping[str, PoolDemand]
    ) -> Callable[[], None]:
        return lambda: self._scale(group, state, asked)

    def _scale(self, group: FleetGroup, state: FleetState, asked: Mapping[str, PoolDemand]) -> None:
        if obstacle := _obstacle(group, state):
            self._needed.pop(group.name, None)
            self._say_once("group_is_not_scaled", group=group.name, why=obstacle)
            return
        assert group.bounds is not None  # noqa: S101 - for mypy
        count = self._count_for(group, group.bounds, asked.get(group.pool, PoolDemand(group.pool)))
        if count != group.count:
            self._fleet.scale(group, count)
            log.info("group_scaled", group=group.name, pool=group.pool, to=count, was=group.count)

    def _count_for(self, group: FleetGroup, bounds: FleetBounds, demand: PoolDemand) -> int:
        """How many machines the group is to have: enough at once, fewer after the cool-down."""
        now = self._clock()
        needed = self._needed.setdefault(group.name, deque([(now, group.count)]))
        needed.append((now, group.machines_for(demand)))
        while now - needed[0][0] > self._cooldown:
            needed.popleft()
        return min(max(bounds.least, *(count for _, count in needed)), bounds.most)

    def _say_once(self, event: str, **facts: str) -> None:
        line = f"{event} {facts}"
        if line not in self._said:
            self._said.add(line)
            log.warning(event, **facts)


def removal_cost(node: FleetNode) -> int:
    """The number of attempts; below 0 for a node that takes no more, which goes first."""
    return node.attempts if node.is_open else CLOSED_COST + node.attempts


def _rank(cost: int) -> int:
    """-1 for a node that takes no attempts, 0 for an idle one, 1 for a busy one."""
    return (cost > 0) - (cost < 0)


def _may_shrink(group: FleetGroup, state: FleetState, asked: Mapping[str, PoolDemand]) -> bool:
    """Whether the pool has more machines than it needs, as far as that is known."""
    if not group.has_size:
        return True
    names = {other.name for other in state.groups if other.pool == group.pool}
    own = [one for one in state.machines if one.group in names and not one.ending]
    return len(own) > group.machines_for(asked.get(group.pool, PoolDemand(group.pool)))


def _obstacle(group: FleetGroup, state: FleetState) -> str:
    """Why the group is not scaled, "" for no reason."""
    return next(_obstacles(group, state), "")


def _obstacles(group: FleetGroup, state: FleetState) -> Iterator[str]:
    if group.obstacle:
        yield group.obstacle
    if not group.has_size:
        yield "The size of its nodes is not known: FYKE_RUNNER_CPUS and FYKE_RUNNER_MEMORY_MB"
    if [one for one in state.groups if one.pool == group.pool and one.bounds] != [group]:
        yield f"Several groups of the pool {group.pool} are to be scaled"

"""What is known of the machines that run Workers, and why one takes no attempts.

The machines of the installation itself are no nodes: their runner is beside a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fyke.contracts.state import Transaction
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS, can_execute
from fyke.model.account import Caller
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.model.run import Attempt
from fyke.model.runner import NODE_PLACE, RunnerInfo, RunnerLoad

MAX_ATTEMPTS = 50  # that are listed


class Availability(StrEnum):
    """Whether a machine takes attempts, and if not, why; the reason that comes first."""

    NOT_CONNECTED = "not_connected"  # since it joined
    STOPPED = "stopped"  # on the machine itself
    SILENT = "silent"
    DRAINING = "draining"
    CORDONED = "cordoned"
    STARTING = "starting"  # its runner has not reported yet
    STOPPING = "stopping"  # on the machine itself
    TROUBLE = "trouble"  # the runner says why it cannot start Workers
    NO_ISOLATION = "no_isolation"
    OPERATOR_ONLY = "operator_only"  # takes only Workers of the operator, for want of limits
    READY = "ready"


@dataclass(frozen=True, slots=True)
class MachineView:
    """A machine as the operator sees it: ``connected`` if it has reported lately, and with how many
    active ``attempts``. ``runner`` is what it last reported, None before that. Its attempts reserve
    ``cpus_taken`` cores and ``memory_taken_mb``. ``newest_settings`` is the number of the version
    of the settings that the installation has, 0 for none yet.
    """

    runner: RunnerInfo | None
    connected: bool
    attempts: int
    cpus_taken: float
    memory_taken_mb: int
    availability: Availability
    newest_settings: int

    @property
    def settings_version(self) -> int:
        """The number of the version that the machine has, 0 for none yet."""
        return self.runner.settings_version if self.runner else 0

    @property
    def pool(self) -> str:
        return self.runner.pool if self.runner else ""

    @property
    def labels(self) -> Mapping[str, str]:
        return self.runner.labels if self.runner else {}

    @property
    def takes_attempts(self) -> bool:
        return self.availability in (Availability.READY, Availability.OPERATOR_ONLY)


@dataclass(frozen=True, slots=True)
class NodeView(MachineView):
    node: Node

    @property
    def pool(self) -> str:
        return self.node.pool

    @property
    def labels(self) -> Mapping[str, str]:
        return self.node.labels


@dataclass(frozen=True, slots=True)
class Machines:
    """``own`` are those of the installation itself: the active ones, or else the one that was
    active last. ``nodes`` are sorted by name.
    """

    own: list[MachineView]
    nodes: list[NodeView]


@dataclass(frozen=True, slots=True)
class MachineAttempt:
    """An active attempt. ``worker`` is the path of its Worker, "" for one that the caller may not
    see: then only the account of the run is known.
    """

    attempt: Attempt
    account: str
    worker: str
    cpus: float
    memory_mb: int


class MachineFacts:
    """Reads machines in one transaction; what all of them need is read once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._runners = {runner.id: runner for runner in tx.runs.runners(0)}
        self._active = tx.runs.active_by_runner()
        self._loads = {load.runner_id: load for load in tx.admission.loads()}
        self._newest_settings = tx.settings.newest_number()

    def machines(self) -> Machines:
        return Machines(self._own(), self.nodes())

    def nodes(self) -> list[NodeView]:
        """All nodes by name."""
        return [self.node(node) for node in self._tx.nodes.all()]

    def node(self, node: Node) -> NodeView:
        runner = self._runners.get(node.runner_id)
        connected = is_connected(node, self._tx.now)
        cpus, memory_mb = self._taken(runner)
        return NodeView(
            runner=runner,
            connected=connected,
            attempts=self._active.get(node.runner_id, 0),
            cpus_taken=cpus,
            memory_taken_mb=memory_mb,
            availability=_of_node(node, runner, connected=connected),
            newest_settings=self._newest_settings,
            node=node,
        )

    def own(self, runner_id: str) -> MachineView | None:
        """A machine of the installation itself; None when there is none with this runner."""
        runner = self._runners.get(runner_id)
        return None if runner is None or _is_of_node(runner) else self._own_view(runner)

    def _own(self) -> list[MachineView]:
        known = [runner for runner in self._runners.values() if not _is_of_node(runner)]
        active = [runner for runner in known if self._is_recent(runner.heartbeat_at)]
        shown = active or sorted(known, key=lambda runner: runner.heartbeat_at)[-1:]
        ordered = sorted(shown, key=lambda runner: (runner.node, runner.id))
        return [self._own_view(runner) for runner in ordered]

    def _own_view(self, runner: RunnerInfo) -> MachineView:
        connected = self._is_recent(runner.heartbeat_at)
        cpus, memory_mb = self._taken(runner)
        return MachineView(
            runner=runner,
            connected=connected,
            attempts=self._active.get(runner.id, 0),
            cpus_taken=cpus,
            memory_taken_mb=memory_mb,
            availability=_of_runner(runner) if connected else Availability.SILENT,
            newest_settings=self._newest_settings,
        )

    def _is_recent(self, at: int) -> bool:
        return _is_recent(at, self._tx.now)

    def _taken(self, runner: RunnerInfo | None) -> tuple[float, int]:
        if runner is None:
            return 0.0, 0
        cpus, memory_mb = runner.reserved(self._loads.get(runner.id, RunnerLoad(runner.id)))
        return round(cpus, 3), memory_mb


def is_connected(node: Node, now: int) -> bool:
    """Whether a node has reported lately, and was not stopped; ``now`` in ms."""
    return node.has_connected and node.gateway_id != "" and _is_recent(node.seen_at, now)


def _is_recent(at: int, now: int) -> bool:
    return at > 0 and now - at <= RUNNER_SILENCE_MS


def attempts_on(tx: Transaction, caller: Caller, runner_id: str) -> list[MachineAttempt]:
    """The active attempts of a runner, at most ``MAX_ATTEMPTS``, the oldest first."""
    if not runner_id:
        return []
    active = tx.runs.active_attempts(runner_id)[:MAX_ATTEMPTS]
    accounts = {account.id: account.name for account in tx.accounts.all()} if active else {}
    return list(_attempts(tx, caller, active, accounts))


def _attempts(
    tx: Transaction, caller: Caller, active: list[Attempt], accounts: dict[str, str]
) -> Iterable[MachineAttempt]:
    for attempt in active:
        run = tx.runs.get(attempt.run_id)
        if run is None:
            continue
        worker = tx.workers.get(run.worker_id) if run.account_id == caller.account_id else None
        yield MachineAttempt(
            attempt,
            accounts.get(run.account_id, ""),
            worker.path if worker is not None else "",
            run.limits.cpus,
            run.limits.memory_mb,
        )


def _is_of_node(runner: RunnerInfo) -> bool:
    return runner.place.startswith(NODE_PLACE)


def _of_node(node: Node, runner: RunnerInfo | None, *, connected: bool) -> Availability:
    if not connected:
        if not node.has_connected:
            return Availability.NOT_CONNECTED
        return Availability.SILENT if node.gateway_id else Availability.STOPPED
    if node.state is NodeState.DRAINING:
        return Availability.DRAINING
    if node.state is NodeState.CORDONED:
        return Availability.CORDONED
    if runner is None:
        return Availability.STARTING
    if runner.draining and runner.heartbeat_at <= node.state_at:
        return Availability.READY  # it was cordoned or drained when it reported
    return _of_runner(runner)


def _of_runner(runner: RunnerInfo) -> Availability:
    if runner.draining:
        return Availability.STOPPING
    if runner.trouble is not None:
        return Availability.TROUBLE
    if not can_execute(runner, own=True):
        return Availability.NO_ISOLATION
    return Availability.READY if can_execute(runner, own=False) else Availability.OPERATOR_ONLY

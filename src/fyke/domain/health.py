"""The health of an installation: its database, blobs, disk, processes, sandboxes and proxies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fyke.contracts.execution import COMPLETE, Isolation
from fyke.contracts.liveness import ProcessReport, StoreState
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.rights import require_operator
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.model.account import Caller
from fyke.model.health import Disk, HealthCheck, Level, ProxyReport
from fyke.model.runner import NODE_PLACE, RunnerInfo, RunnerLoad
from fyke.model.settings_version import SERVER_SILENCE_MS
from fyke.reasons import (
    OWN_MACHINE,
    health_texts,
    is_own_machine,
    machine_name,
    remedy_of,
    rule_of,
)
from fyke.reasons.health_texts import HealthText

CLOCK_MS = 10_000  # a warning if the clock of a node differs by more
MAX_SILENT = 20  # silent nodes that are named
_BROWSER = "browser: "  # before the names of the checks of a browser
LOW_DISK = 4  # a warning below this multiple of the floor; below the floor no run starts
SILENT_SECONDS = 6.0  # a process reports every two seconds
NO_RUNNER = health_texts.NO_RUNNER


async def _no_checks() -> Sequence[HealthCheck]:
    return ()


class Health:
    """Checks the parts of the installation, for its operator."""

    def __init__(
        self,
        storage: Storage,
        disk: Callable[[], Disk],
        proxies: Callable[[], Awaitable[list[ProxyReport]]],
        processes: Callable[[], Sequence[ProcessReport]] = tuple,
        database: Callable[[], Awaitable[Sequence[HealthCheck]]] = _no_checks,
    ) -> None:
        """``processes`` returns what the supervisor reports about each role; empty without one.
        ``database`` checks database and blobs.
        """
        self._storage = storage
        self._disk = disk
        self._proxies = proxies
        self._processes = processes
        self._database = database

    async def all(self, caller: Caller) -> list[HealthCheck]:
        """All checks. Raises ``Forbidden``."""
        require_operator(caller, "Checking the installation")
        return [
            *await self._database(),
            *await self.disk(caller),
            *self.processes(caller),
            *await self.sandboxes(caller),
            *await self.proxies(caller),
        ]

    async def disk(self, caller: Caller) -> list[HealthCheck]:
        """Free space on the disk of the data folder. Raises ``Forbidden``."""
        require_operator(caller, "Checking the disk")
        try:
            disk = self._disk()
        except OSError as error:
            unreadable = f"the data folder cannot be read: {error.strerror or error}"
            return [
                HealthCheck(health_texts.DISK, Level.BAD, unreadable, "check it with fyke doctor")
            ]
        detail: str = _free(disk.free, disk.total)
        if disk.free >= disk.floor * LOW_DISK:
            return [HealthCheck(health_texts.DISK, Level.GOOD, detail)]
        detail += f"; below {_gib(disk.floor)} no run starts"
        if disk.free >= disk.floor:
            return [HealthCheck(health_texts.DISK, Level.WARNING, detail, "free some space soon")]
        return [
            HealthCheck(health_texts.DISK, Level.BAD, detail, "free some space: delete old runs")
        ]

    def processes(self, caller: Caller) -> list[HealthCheck]:
        """What the watchdog knows of each process of this machine. Raises ``Forbidden``."""
        require_operator(caller, "Checking processes")
        return [_process_check(report) for report in self._processes()]

    async def not_ready(self) -> str:
        """Why a process of this machine does not work or no run can start, else ``""``. A silent
        process is named first, because it causes a runner's trouble.

        Raises ``Unavailable`` when the storage does not answer.
        """
        for report in self._processes():
            if silence := _silence(report):
                return f"the process {report.name} {silence}"
        runners = await self._storage.read(_active_runners)
        troubles = [runner.trouble for runner in runners if runner.trouble is not None]
        if len(troubles) < len(runners):
            return ""
        return f"no runner can start Workers: {rule_of(troubles[0])}" if troubles else NO_RUNNER

    async def sandboxes(self, caller: Caller) -> list[HealthCheck]:
        """The active runners, with their level of isolation and the places for browsers of those
        that have them; disk and clock of nodes, and nodes that are silent. Raises ``Forbidden``.
        """
        require_operator(caller, "Checking sandboxes")

        def work(tx: Transaction) -> tuple[list[RunnerInfo], list[RunnerLoad], list[HealthCheck]]:
            checks = [*_silent_nodes(tx), *_settings_checks(tx)]
            return _active_runners(tx), tx.admission.loads(), checks

        runners, loads, others = await self._storage.read(work)
        if not runners:
            name, detail = health_texts.RUNNER, NO_RUNNER
            remedy = health_texts.START_A_RUNNER
            return [HealthCheck(name, Level.BAD, detail, remedy), *others]
        taken = {load.runner_id: load.browsers for load in loads}
        checks = [
            check
            for runner in runners
            for check in (
                _runner_check(runner, _name(runner, runners)),
                *_browser_checks(runner, _name(runner, runners), taken.get(runner.id, 0)),
                *_machine_checks(runner),
            )
        ]
        return [*checks, *others]

    async def proxies(self, caller: Caller) -> list[HealthCheck]:
        """The proxies of the regions, none when there are no regions. Raises ``Forbidden``."""
        require_operator(caller, "Checking proxies")
        return [_proxy_check(report) for report in await self._proxies()]


def _active_runners(tx: Transaction) -> list[RunnerInfo]:
    return tx.runs.runners(tx.now - RUNNER_SILENCE_MS)


def _name(runner: RunnerInfo, runners: Sequence[RunnerInfo]) -> str:
    """The name of its machine; of several machines of the installation itself, also the id."""
    own = {r.node for r in runners if is_own_machine(r.node)}
    if runner.node not in own:
        return runner.node
    if len(own) > 1:
        return f"{machine_name(runner.node)} ({runner.node})"
    return HealthText(OWN_MACHINE)


def _silent_nodes(tx: Transaction) -> list[HealthCheck]:
    """Nodes that have reported before, and neither report now nor were stopped."""
    since = tx.now - RUNNER_SILENCE_MS
    silent = [
        node
        for node in tx.nodes.all()
        if node.has_connected and node.gateway_id and node.seen_at < since
    ]
    checks = []
    for node in silent[:MAX_SILENT]:
        seconds = (tx.now - node.seen_at) // 1000
        ago = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
        remedy = "look at the machine, or forget the node with fyke node forget"
        detail = f"it has not reported for {ago}"
        checks.append(
            HealthCheck(
                HealthText(health_texts.NODE, name=node.name), Level.WARNING, detail, remedy
            )
        )
    if more := silent[MAX_SILENT:]:
        detail = f"{len(more)} more do not report"
        checks.append(HealthCheck("node ...", Level.WARNING, detail, "see fyke node list"))
    return checks


def _settings_checks(tx: Transaction) -> list[HealthCheck]:
    """Runners and servers that do not use the newest settings of the installation, once they had
    the time to follow and to report.
    """
    version = tx.settings.newest()
    newest = version.number if version is not None else 0
    if version is not None and 0 <= tx.now - version.stored_at < SERVER_SILENCE_MS:
        return []
    checks, runners = [], _active_runners(tx)
    for runner in runners:
        if runner.settings_version != newest:
            found = f"version {runner.settings_version}" if runner.settings_version else "its own"
            detail = f"its egress uses {found}; the installation has version {newest}"
            remedy = "it gets them with its next report; if not, see its log"
            name = f"settings of {_name(runner, runners)}"
            checks.append(HealthCheck(name, Level.WARNING, detail, remedy))
    beats = tx.servers.active(tx.now - SERVER_SILENCE_MS)
    if earlier := sum(beat.settings_version != newest for beat in beats):
        detail = f"{earlier} of {len(beats)} do not use version {newest} of the settings"
        remedy = "restart them with the settings of that version"
        checks.append(HealthCheck("settings of servers", Level.WARNING, detail, remedy))
    return checks


def _silence(report: ProcessReport) -> str:
    if report.silent < SILENT_SECONDS:
        return ""
    return f"has not reported for {report.silent:.0f} s"


def _process_check(report: ProcessReport) -> HealthCheck:
    name = HealthText(health_texts.PROCESS, name=report.name)
    ended = ""
    if report.restarts:
        times = "once" if report.restarts == 1 else f"{report.restarts} times"
        ended = f"; it was restarted {times}, most recently because {report.cause}"
    if silence := _silence(report):
        remedy = "it is restarted after 20 s without a report; see the log of fyke up"
        return HealthCheck(name, Level.BAD, f"it {silence}{ended}", remedy)
    if report.store is StoreState.PENDING:
        detail = f"it reports, but its database does not answer{ended}"
        return HealthCheck(name, Level.WARNING, detail, "check the database")
    if report.store is StoreState.FAILED:
        detail = f"it reports, but its database fails{ended}"
        return HealthCheck(name, Level.BAD, detail, "check the database")
    return HealthCheck(name, Level.GOOD, f"it reports{ended}" if ended else health_texts.REPORTS)


def _runner_check(runner: RunnerInfo, machine: str) -> HealthCheck:
    is_node = runner.place.startswith(NODE_PLACE)
    name = HealthText(health_texts.NODE if is_node else health_texts.RUNNER_OF, name=machine)
    capacity = f"{runner.cpus:g} cores, {runner.memory_mb} MiB"
    if runner.trouble is not None:
        detail = f"it cannot start Workers: {rule_of(runner.trouble)}; {capacity}"
        return HealthCheck(name, Level.BAD, detail, remedy_of(runner.trouble) or "runs wait")
    if runner.isolation == Isolation.FULL.value:
        _, _, notes = runner.reason.partition(COMPLETE)
        detail = HealthText(
            health_texts.COMPLETE_SANDBOX,
            notes=notes,
            cores=f"{runner.cpus:g}",
            memory=str(runner.memory_mb),
        )
        return HealthCheck(name, Level.GOOD, detail)
    why = f" ({runner.reason})" if runner.reason else ""
    if runner.isolation == Isolation.NO_LIMITS.value:
        detail = f"the sandbox has no limits on cpu and memory{why}; {capacity}"
        return HealthCheck(
            name, Level.WARNING, detail, "only your own Workers run; see fyke doctor"
        )
    return HealthCheck(name, Level.BAD, f"there is no sandbox{why}; {capacity}", "see fyke doctor")


def _machine_checks(runner: RunnerInfo) -> list[HealthCheck]:
    """Disk and clock of a node; the disk of the installation itself has a check of its own."""
    if not runner.place.startswith(NODE_PLACE):
        return []
    checks = []
    if runner.disk_total and not runner.is_disk_low:  # a disk that is low is the node's trouble
        detail: str = _free(runner.disk_free, runner.disk_total)
        level = Level.GOOD
        if runner.disk_free < runner.disk_floor * LOW_DISK:
            detail += f"; below {_gib(runner.disk_floor)} it takes no attempts"
            level = Level.WARNING
        remedy = "free some space there soon, such as with fyke prune --yes"
        checks.append(
            HealthCheck(HealthText(health_texts.DISK_OF, name=runner.node), level, detail, remedy)
        )
    if abs(runner.clock_ahead_ms) > CLOCK_MS:
        side = "ahead of" if runner.clock_ahead_ms > 0 else "behind"
        seconds = abs(runner.clock_ahead_ms) / 1000
        detail = f"it is {seconds:.0f} s {side} that of the database"
        remedy = "set the clock of that machine, for example with an NTP client"
        checks.append(
            HealthCheck(
                HealthText(health_texts.CLOCK_OF, name=runner.node), Level.WARNING, detail, remedy
            )
        )
    return checks


def _browser_checks(runner: RunnerInfo, machine: str, taken: int) -> list[HealthCheck]:
    """The browsers of a runner; ``taken``: how many of their places are in use. One that never had
    any is healthy.
    """
    name = HealthText(health_texts.BROWSERS_OF, name=machine)
    if runner.browser_problem:
        level = Level.WARNING if runner.browsers or runner.browser_programs else Level.GOOD
        remedy = "Workers that need a browser are refused; see fyke doctor"
        return [HealthCheck(name, level, runner.browser_problem, remedy)]
    if not runner.browsers:
        return []
    failed = [
        f"{check.removeprefix(_BROWSER)}: {finding}"
        for check, passed, finding in runner.checks
        if check.startswith(_BROWSER) and not passed
    ]
    if failed:  # they run all the same, with one layer less
        remedy = "fix what this line reports, and restart the node or the installation"
        return [HealthCheck(name, Level.WARNING, "; ".join(failed), remedy)]
    programs = ", ".join(one.value for one in runner.browser_programs) or "not checked yet"
    free = max(0, runner.browsers - taken)
    form = health_texts.PLACES if free else health_texts.NO_PLACES
    values = {"programs": programs, "free": str(free), "total": str(runner.browsers)}
    return [HealthCheck(name, Level.GOOD, HealthText(form, **values))]


def proxy_name(region: str) -> HealthText:
    """The name of the check of a region's proxy."""
    if region == "*":
        return health_texts.OTHER_PROXY
    return HealthText(health_texts.PROXY_OF, region=region)


def _proxy_check(report: ProxyReport) -> HealthCheck:
    name = proxy_name(report.region)
    if report.error:
        detail = f"{report.host} does not answer: {report.error}"
        remedy = "runs in this region cannot reach the web; check the setting egress_upstreams"
        return HealthCheck(name, Level.BAD, detail, remedy)
    return HealthCheck(
        name,
        Level.GOOD,
        HealthText(health_texts.ANSWERS_IN, place=report.host, number=str(report.milliseconds)),
    )


def _free(free: int, total: int) -> HealthText:
    return HealthText(health_texts.FREE, free=_gib(free), total=_gib(total))


def _gib(size: int) -> str:
    gib = size / 2**30
    return f"{gib:.0f} GiB" if gib >= 10 else f"{gib:.1f} GiB"

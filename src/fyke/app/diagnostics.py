"""What a maintainer needs to know of an installation: settings, tables, counts, machines.

Nothing here is text of a user: no rows, inputs, logs of runs, names of accounts or Workers.
"""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from fyke import __version__
from fyke.app import maintenance
from fyke.app.configuration import masked, origins_of
from fyke.app.folder_size import folder_size
from fyke.app.runtime import rules
from fyke.app.state import open_state
from fyke.contracts.state import Transaction
from fyke.domain.installation.metrics import InstallationMetrics
from fyke.domain.nodes.machines import MachineFacts, MachineView, NodeView
from fyke.errors import Unavailable
from fyke.kit.clock import SystemClock
from fyke.settings import Settings
from fyke.telemetry.exposition import text_of

READ_SECONDS = 30.0
ENDED_DAYS = 7
MAX_ENDED = 100_000  # of the runs that have ended last, whose reasons are counted
_DAY_MS = 24 * 3600 * 1000
_PROC_FILES = (
    *("loadavg", "uptime", "version", "self/cgroup"),
    *("pressure/cpu", "pressure/memory", "pressure/io"),
    *("sys/kernel/unprivileged_userns_clone", "sys/user/max_user_namespaces"),
    *("sys/kernel/apparmor_restrict_unprivileged_userns", "sys/kernel/pid_max", "sys/fs/file-max"),
)
_MEMORY = ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")


def program_versions() -> dict[str, Any]:
    """Fyke, Python, and all installed packages."""
    packages = {
        str(package.metadata["Name"]): package.version for package in metadata.distributions()
    }
    state, results = maintenance.schema_heads()
    return {
        "fyke": __version__,
        "python": sys.version,
        "executable": sys.executable,
        "tables": {"state": state, "rows": results},
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }


def settings_with_origins(settings: Settings, environment: Mapping[str, str]) -> dict[str, Any]:
    """Each setting with its value, secrets masked, and where it was set."""
    origins = origins_of(settings, {}, environment)
    return {
        name: {"value": masked(getattr(settings, name)), "origin": origins[name]}
        for name in type(settings).model_fields
    }


def machine_facts(home: Path) -> dict[str, Any]:
    """The system, its memory, the disk of the data folder, and what the kernel allows."""
    system = platform.uname()
    return {
        "system": {"kernel": system.release, "machine": system.machine, "host": system.node},
        "distribution": _distribution(),
        "user": os.geteuid(),
        "cores": os.cpu_count(),
        "cores_of_this_process": len(os.sched_getaffinity(0)),
        "memory": _memory(),
        "disk": _disk(home),
        "limits": {
            name: list(resource.getrlimit(number))
            for name, number in (
                ("open files", resource.RLIMIT_NOFILE),
                ("processes", resource.RLIMIT_NPROC),
                ("file size", resource.RLIMIT_FSIZE),
            )
        },
        "container": any(Path(mark).exists() for mark in ("/run/.containerenv", "/.dockerenv")),
        "proc": {name: _text(Path("/proc") / name) for name in _PROC_FILES},
    }


def _distribution() -> dict[str, str]:
    try:
        return dict(platform.freedesktop_os_release())
    except OSError:
        return {}


def _memory() -> dict[str, str]:
    lines = (line.partition(":") for line in _text(Path("/proc/meminfo")).splitlines())
    return {name: value.strip() for name, _, value in lines if name in _MEMORY}


def _disk(home: Path) -> dict[str, Any]:
    folder = next(path for path in (home, *home.parents) if path.exists())
    space = os.statvfs(folder)
    return {
        "folder": str(folder),
        "bytes": space.f_blocks * space.f_frsize,
        "free_bytes": space.f_bavail * space.f_frsize,
        "files": space.f_files,
        "free_files": space.f_favail,
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def folder_sizes(home: Path) -> dict[str, int]:
    """Files and folders of the data folder, with their sizes in bytes. Raises ``OSError``."""
    return {
        entry.name: folder_size(entry.name, "", entry).bytes
        if entry.is_dir()
        else entry.lstat().st_size
        for entry in sorted(home.iterdir())
        if not entry.is_symlink()
    }


def table_versions(settings: Settings) -> dict[str, Any]:
    """The migrations that the tables have, and those that this program has. Raises
    ``Unavailable``.
    """
    versions = maintenance.versions(settings)
    return {
        "database": "PostgreSQL" if settings.database_url else "SQLite",
        "up_to_date": not versions.remedy,
        "remedy": versions.remedy,
        **{
            name: {"current": version.current, "newest": version.head}
            for name, version in (("state", versions.state), ("rows", versions.rows))
        },
    }


@dataclass(frozen=True, slots=True)
class InstallationFacts:
    """``metrics`` is the text of ``/metrics`` without that of the servers. ``runs`` has the numbers
    of runs by state, and those that ended lately by reason. ``machines`` are the runners of the
    installation itself and its nodes.
    """

    metrics: str
    runs: dict[str, Any]
    machines: dict[str, Any]


def installation_facts(settings: Settings) -> InstallationFacts:
    """What the state says. Changes nothing. Raises ``FykeError``."""
    if remedy := maintenance.versions(settings).remedy:
        raise Unavailable(f"The tables cannot be read: {remedy}")

    async def read() -> InstallationFacts:
        async with asyncio.timeout(READ_SECONDS), open_state(settings) as storage:
            metrics = InstallationMetrics(storage, rules(settings), SystemClock())
            text = text_of(await metrics.read_all())
            return InstallationFacts(text, await storage.read(_runs), await storage.read(_machines))

    try:
        return asyncio.run(read())
    except TimeoutError:
        raise Unavailable(f"The database has not answered within {READ_SECONDS:g} s") from None


def _runs(tx: Transaction) -> dict[str, Any]:
    ended = tx.metrics.ended_runs(tx.now - ENDED_DAYS * _DAY_MS, MAX_ENDED)
    return {
        "by_state": dict(sorted(tx.metrics.runs_by_state().items())),
        "ended": f"in the last {ENDED_DAYS} days, at most {MAX_ENDED} of them",
        "ended_by_reason": [
            {"state": one.state, "outcome": one.outcome, "reason": one.reason, "runs": one.runs}
            for one in ended
        ],
    }


def _machines(tx: Transaction) -> dict[str, Any]:
    machines = MachineFacts(tx).machines()
    return {
        "now": tx.now,
        "own": [_machine(machine) for machine in machines.own],
        "nodes": [_machine(node) | _of_node(node) for node in machines.nodes],
    }


def _machine(machine: MachineView) -> dict[str, Any]:
    runner = machine.runner
    facts: dict[str, Any] = {
        "pool": machine.pool,
        "labels": dict(machine.labels),
        "availability": machine.availability.value,
        "connected": machine.connected,
        "attempts": machine.attempts,
        "cores_reserved": machine.cpus_taken,
        "memory_mb_reserved": machine.memory_taken_mb,
        "settings_version": machine.settings_version,
        "newest_settings_version": machine.newest_settings,
    }
    if runner is None:
        return facts
    return facts | {
        "machine": runner.node,
        "isolation": runner.isolation,
        "isolation_reason": runner.reason,
        "failed_checks": [[name, seen] for name, passed, seen in runner.checks if not passed],
        "trouble": runner.trouble.code.value if runner.trouble else "",
        "cores": runner.cpus,
        "memory_mb": runner.memory_mb,
        "heartbeat_at": runner.heartbeat_at,
        "browser_problem": runner.browser_problem,
        "disk_free": runner.disk_free,
        "clock_ms": runner.clock_ms,
    }


def _of_node(node: NodeView) -> dict[str, Any]:
    return {"name": node.node.name, "seen_at": node.node.seen_at, "release": node.node.release}

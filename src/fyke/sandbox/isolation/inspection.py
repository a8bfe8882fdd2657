"""Tests the isolation of this machine: starts a real sandbox and inspects it from both sides.

Every check is a layer of isolation. When one fails, nothing may run; when only the limits fail,
only Workers that the operator trusts may run.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from fyke.contracts.execution import (
    COMPLETE,
    Isolation,
    IsolationReport,
    SandboxFault,
    SandboxLimits,
)
from fyke.sandbox.isolated import IsolatedSandbox
from fyke.sandbox.isolation import bubblewrap, checks, inspector
from fyke.sandbox.isolation.cgroups import ALL_LIMITS
from fyke.sandbox.isolation.checks import Check, InsideView
from fyke.sandbox.isolation.host_inspection import HostView
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.process.spawner import SpawnedSandbox, Spawner

SETTINGS = Path("/proc/sys")
LIMITS = SandboxLimits(cpus=1.0, memory=256 * 2**20, processes=32)

PROGRAM = "bubblewrap"
SANDBOX_CHECK = "box"
LIMITS_CHECK = "limits"


async def inspect(spawner: Spawner) -> IsolationReport:
    """Start a sandbox, inspect it, end it. A machine without support for sandboxes is a report of
    level ``none``, not an exception.
    """
    program = _program()
    if not program[1]:
        return _report([program])
    try:
        inside, host, spawned = await _observe(spawner)
    except SandboxFault as fault:
        return _report([program, (SANDBOX_CHECK, False, _explain_failure(str(fault)))])
    kind, reason = await spawner.limits()
    ours = inspector.namespaces()
    results = checks.evaluate(inside, host, spawned.user, ours, LIMITS.tmp_size)
    enforced = spawned.enforced if host.in_cgroup else frozenset()
    remaining = checks.shared_locks(inside, host)
    return _report([program, *results, _limits(enforced, kind, reason)], remaining)


def _program() -> Check:
    if not Path(bubblewrap.PROGRAM).exists():
        return (
            PROGRAM,
            False,
            f"{bubblewrap.PROGRAM} is missing; install it "
            "(apt install bubblewrap, or dnf install bubblewrap)",
        )
    answer = subprocess.run(
        [bubblewrap.PROGRAM, "--version"], capture_output=True, text=True, timeout=10, check=False
    ).stdout.strip()
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", answer)
    version = tuple(int(part) for part in match.groups()) if match else (0,)
    minimum = ".".join(map(str, bubblewrap.MIN_VERSION))
    if version < bubblewrap.MIN_VERSION:
        return PROGRAM, False, f"{answer or 'unknown version'} is too old; {minimum} is needed"
    return PROGRAM, True, answer


async def _observe(spawner: Spawner) -> tuple[InsideView, HostView, SpawnedSandbox]:
    """Return what the inspector and the host observed, and the sandbox, which has ended by then."""
    order = LaunchOrder(
        name=f"PROBE-{secrets.token_hex(8).upper()}",
        kind="probe",
        bundle=None,
        environment=None,
        cpus=LIMITS.cpus,
        memory=LIMITS.memory,
        processes=LIMITS.processes,
        tmp_size=LIMITS.tmp_size,
        work_size=LIMITS.work_size,
    )
    with canary() as port:
        spawned = await spawner.start(order)
        sandbox = IsolatedSandbox(spawned, order, LIMITS)
        try:
            host = await spawned.observe()
            return await _run_inspector(sandbox, port), host, spawned
        finally:
            await sandbox.close()


async def _run_inspector(sandbox: IsolatedSandbox, port: int) -> InsideView:
    variables = {
        "FYKE_CANARY_PORT": str(port),
        "FYKE_CALLS": json.dumps(checks.samples()),
        "FYKE_PATHS": json.dumps(bubblewrap.shared_paths()),
    }
    await sandbox.launch(variables)
    printed: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    async for stream, data in sandbox.output():
        printed[stream] += data
    exit_status = await sandbox.wait()
    try:
        view: InsideView = json.loads(printed["stdout"])
    except ValueError as error:
        message = printed["stderr"].decode(errors="replace").strip()[-300:]
        raise SandboxFault(
            f"the inspector ended with code {exit_status.code}: {message}"
        ) from error
    return view


@contextlib.contextmanager
def canary() -> Iterator[int]:
    """A listening port on the machine's loopback that no sandbox may reach."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield server.getsockname()[1]


def _limits(enforced: frozenset[str], kind: str, reason: str) -> Check:
    if enforced >= ALL_LIMITS:
        return LIMITS_CHECK, True, f"cpu, memory and pids by control groups {kind}"
    missing = ", ".join(sorted(ALL_LIMITS - enforced))
    cause = reason or f"control groups {kind} did not accept the limit"
    return LIMITS_CHECK, False, f"no hard limit for {missing}: {cause}"


def _explain_failure(message: str) -> str:
    """Add the cause and the remedy to the message, where the system's settings show them."""
    if _setting(SETTINGS / "kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            f"{message}. AppArmor forbids user namespaces to this program: load the profile "
            "bwrap-userns-restrict (apt install apparmor-profiles, copy "
            "/usr/share/apparmor/extra-profiles/bwrap-userns-restrict to /etc/apparmor.d/, then "
            "apparmor_parser -r on it)"
        )
    if _setting(SETTINGS / "user/max_user_namespaces") == "0":
        return f"{message}. User namespaces are off: set sysctl user.max_user_namespaces=15000"
    if _setting(SETTINGS / "kernel/unprivileged_userns_clone") == "0":
        return f"{message}. Set sysctl kernel.unprivileged_userns_clone=1"
    if "proc" in message:
        return (
            f"{message}. A masked /proc prevents a new mount of it: in Docker use "
            "--security-opt systempaths=unconfined and a seccomp profile that allows namespaces"
        )
    return message


def _setting(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _report(results: list[Check], remaining: str = "") -> IsolationReport:
    failed = [check for check in results if not check[1]]
    if not failed:
        reason = f"{COMPLETE}; {remaining}" if remaining else COMPLETE
        return IsolationReport(Isolation.FULL, reason, tuple(results))
    limits_only = all(name == LIMITS_CHECK for name, _, _ in failed)
    level = Isolation.NO_LIMITS if limits_only else Isolation.NONE
    name, _, detail = failed[0]
    return IsolationReport(level, f"{name}: {detail}", tuple(results))

"""Which walls hold on this machine: a real box is put up and looked at from both sides.

Every check is a wall. One that is missing means that nothing may run; the limits alone may be
missing, and then only what the operator trusts may run.
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

from fyke.contracts.execution import Isolation, IsolationReport, SandboxFault, SandboxLimits
from fyke.sandbox.isolated import IsolatedSandbox
from fyke.sandbox.isolation import bubblewrap, inspector
from fyke.sandbox.isolation import checks as walls
from fyke.sandbox.isolation.cgroups import ALL_HOLD
from fyke.sandbox.isolation.checks import Check, Seen
from fyke.sandbox.isolation.host_inspection import HostView
from fyke.sandbox.process.order import LaunchOrder
from fyke.sandbox.process.spawner import SpawnedSandbox, Spawner

SETTINGS = Path("/proc/sys")
LIMITS = SandboxLimits(cpus=1.0, memory=256 * 2**20, processes=32)

PROGRAM = "bubblewrap"
BOX = "box"
LIMITS_CHECK = "limits"


async def inspect(spawner: Spawner) -> IsolationReport:
    """Put up a box, look, take it down. Never raises for what the machine lacks."""
    program = _program()
    if not program[1]:
        return _report([program])
    try:
        seen, outside, held = await _look(spawner)
    except SandboxFault as fault:
        return _report([program, (BOX, False, _why_no_box(str(fault)))])
    kind, reason = await spawner.limits()
    ours = inspector.namespaces()
    judged = walls.evaluate(seen, outside, held.user, ours, LIMITS.tmp_size)
    holds = held.holds if outside.grouped else frozenset()
    return _report([program, *judged, _limits(holds, kind, reason)])


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
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", answer)
    version = tuple(int(part) for part in found.groups()) if found else (0,)
    oldest = ".".join(map(str, bubblewrap.OLDEST))
    if version < bubblewrap.OLDEST:
        return PROGRAM, False, f"{answer or 'unknown version'} is too old; {oldest} is needed"
    return PROGRAM, True, answer


async def _look(spawner: Spawner) -> tuple[Seen, HostView, SpawnedSandbox]:
    """What the inside sees, what the outside sees, and the box, which is over by then."""
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
    with _canary() as port:
        held = await spawner.start(order)
        box = IsolatedSandbox(held, order, LIMITS)
        try:
            outside = await held.look()
            return await _ask(box, port), outside, held
        finally:
            await box.close()


async def _ask(box: IsolatedSandbox, port: int) -> Seen:
    told = {"FYKE_CANARY_PORT": str(port), "FYKE_CALLS": json.dumps(walls.samples())}
    await box.launch(told)
    said: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    async for stream, data in box.output():
        said[stream] += data
    ended = await box.wait()
    try:
        seen: Seen = json.loads(said["stdout"])
    except ValueError as error:
        words = said["stderr"].decode(errors="replace").strip()[-300:]
        raise SandboxFault(f"the inspector ended with {ended.code}: {words}") from error
    return seen


@contextlib.contextmanager
def _canary() -> Iterator[int]:
    """A port on the machine's own loopback that no box may reach."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield server.getsockname()[1]


def _limits(holds: frozenset[str], kind: str, reason: str) -> Check:
    if holds >= ALL_HOLD:
        return LIMITS_CHECK, True, f"cpu, memory and pids by control groups {kind}"
    missing = ", ".join(sorted(ALL_HOLD - holds))
    why = reason or f"control groups {kind} do not take them"
    return LIMITS_CHECK, False, f"no hard limit for {missing}: {why}"


def _why_no_box(message: str) -> str:
    """Name what forbids it, and the way out, as far as the machine tells."""
    if _setting(SETTINGS / "kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            f"{message}. AppArmor forbids user namespaces to plain programs: load the profile "
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
            f"{message}. A masked /proc forbids a new one: in Docker use "
            "--security-opt systempaths=unconfined and a seccomp profile that allows namespaces"
        )
    return message


def _setting(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _report(checks: list[Check]) -> IsolationReport:
    failed = [check for check in checks if not check[1]]
    if not failed:
        return IsolationReport(Isolation.FULL, "all walls and limits hold", tuple(checks))
    limits_only = all(name == LIMITS_CHECK for name, _, _ in failed)
    level = Isolation.NO_LIMITS if limits_only else Isolation.NONE
    name, _, seen = failed[0]
    return IsolationReport(level, f"{name}: {seen}", tuple(checks))

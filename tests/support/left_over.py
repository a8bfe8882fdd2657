"""What is left of runs on a booted platform: processes, control groups, folders, descriptors."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from support.booted import Booted

LAUNCHER = "fyke.sandbox.process.launcher"
CGROUPS = Path("/sys/fs/cgroup")
USERS = 4096  # of one platform without a setting, see Booted.environment
OTHER_USERS = re.compile(r"sandboxes of this one run as (\d+) to ")  # in the log


def groups_of(platform: Booted) -> list[str]:
    """Control groups of sandboxes of this platform, wherever they are mounted."""
    scope = os.fsencode((platform.home / "work").absolute())
    parent = "fyke-" + hashlib.sha256(scope).hexdigest()[:12]
    return [str(path) for path in CGROUPS.glob(f"**/{parent}/*/")]


def processes_of_sandboxes(platform: Booted) -> list[str]:
    """Those of bubblewrap, and all of the users that only sandboxes have."""
    found = [f"bubblewrap {pid}" for pid in platform.sandboxes()]
    if not _has_launcher(platform):
        return found
    others = OTHER_USERS.findall(platform.log.read_text(errors="replace"))
    environment = platform.environment()
    first = int([environment["FYKE_ATTEMPT_UID_BASE"], *others][-1])
    last = first + int(environment.get("FYKE_ATTEMPT_UIDS", USERS)) - 1
    for entry in Path("/proc").iterdir():
        try:
            uid = entry.stat().st_uid if entry.name.isdigit() else -1
        except OSError:
            continue
        if first <= uid <= last:
            found.append(f"process {entry.name} of user {uid}")
    return found


def left_over(platform: Booted) -> list[str]:
    """What is left of runs that have ended, on any machine; empty when nothing is."""
    return [left for machine in platform.machines() for left in _left_over_on(machine)]


def _left_over_on(machine: Booted) -> list[str]:
    folders = [f"folder {name}" for name in os.listdir(machine.home / "work")]
    return [*processes_of_sandboxes(machine), *folders, *groups_of(machine)]


def nothing_is_left(platform: Booted, run: str) -> None:
    """Check that no process, control group or work folder is left ten seconds after the end."""
    try:
        platform.wait_for(lambda: not left_over(platform), f"nothing to be left of run {run}", 10)
    except AssertionError as error:
        raise AssertionError(f"left: {', '.join(left_over(platform))}\n{error}") from None


def descriptors(platform: Booted) -> dict[str, tuple[int, int]]:
    """The processes that serve browsers, and how many descriptors each has. Connections to the
    database are not counted, because their number grows with those used at once: with SQLite they
    are files of the data folder, and with PostgreSQL the runner is left out.
    """
    pids = {role: platform.role(role) for role in ("browser", "egress", "runner")}
    if "database_url" in platform.settings:
        del pids["runner"]
    if _has_launcher(platform):
        pids["launcher"] = _launcher(platform)
    found = {}
    for role, pid in pids.items():
        targets = [_target(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
        counted = [name for name in targets if name and not name.startswith(f"{platform.home}/")]
        found[role] = pid, len(counted)
    return found


def _has_launcher(platform: Booted) -> bool:
    return os.geteuid() == 0 and platform.uid is None


def _launcher(platform: Booted) -> int:
    return next(pid for pid, command in platform.tree().items() if LAUNCHER in command)


def _target(path: Path) -> str:
    """What a link leads to; empty when it has gone."""
    try:
        return os.readlink(path)
    except OSError:
        return ""

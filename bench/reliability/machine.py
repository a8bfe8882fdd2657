"""Inspects this machine: processes of a platform, and what is left of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from support.booted import Booted
from support.processes import parent_of

LAUNCHER, PRELOAD = "fyke.sandbox.process.launcher", "fyke.cli.preload"


def after(seconds: float, look: Callable[[], list[str]]) -> list[str]:
    """What ``look`` still finds after ``seconds``; an empty list as soon as it finds nothing."""
    until = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def pid_in(platform: Booted, name: str) -> int:
    """The process id of a role, ``launcher``, ``preload``, ``supervisor`` or ``root``; 0 without
    such a process.
    """
    process = platform.process
    assert process is not None
    if name == "root":
        return process.pid
    if name == "supervisor":
        return parent_of(pid_in(platform, "runner")) if os.geteuid() == 0 else process.pid
    module = {"launcher": LAUNCHER, "preload": PRELOAD}.get(name)
    for pid, command in platform.tree().items():
        role = command[command.index("--role") + 1] if "--role" in command[:-1] else ""
        if role == name or (module and module in command):
            return pid
    return 0


def pidfd_of(platform: Booted, pid: int) -> int:
    """A pidfd of a process that certainly belongs to this platform; -1 when it has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return -1
    assert platform.process is not None
    if pid != platform.process.pid and pid not in platform.tree():
        os.close(pidfd)
        return -1
    return pidfd


def send(number: signal.Signals, pidfd: int) -> None:
    """Signal a process, if it is still there."""
    if pidfd >= 0:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, number)


def close_all(pidfds: Iterable[int]) -> None:
    for pidfd in pidfds:
        if pidfd >= 0:
            os.close(pidfd)


def processes_of(home: Path, uids: range) -> list[str]:
    """Processes of this installation: by the users of its sandboxes, its commands and its
    environment. Those that have ended and wait for their parent do not count.
    """
    text, found = os.fsencode(home), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            command = (entry / "cmdline").read_bytes()
            ours = entry.stat().st_uid in uids or text in command
            if state not in "ZX" and (ours or text in (entry / "environ").read_bytes()):
                words = command.replace(b"\0", b" ").decode(errors="replace")
                found.append(f"process {entry.name}: {words[:80].strip()}")
    return found


def left_of(home: Path, uids: range) -> list[str]:
    """What is left of an installation that has stopped: processes, mounts, control groups."""
    left = processes_of(home, uids)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    left += [f"mount {at}" for at in mounts if at.startswith(f"{home}/")]
    group = "fyke-" + hashlib.sha256(os.fsencode(home / "work")).hexdigest()[:12]
    return left + [f"control group {at}" for at in Path("/sys/fs/cgroup").rglob(group)]


def fyke(platform: Booted, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ``fyke`` in a session of its own, so that Ctrl-C does not reach it."""
    return subprocess.run(
        [sys.executable, "-m", "fyke.cli.entry", *arguments],
        env=platform.environment(),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        start_new_session=True,
    )


def check_database(platform: Booted) -> list[str]:
    """The findings of ``fyke db check``."""
    done = fyke(platform, "db", "check", "--json")
    try:
        found: list[str] = json.loads(done.stdout)["findings"]
    except (ValueError, KeyError):
        return [f"it ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}"]
    return found


def first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{lines[0]} ... {lines[-1]}" if len(lines) > 1 else "".join(lines)


def stopped(platform: Booted) -> None:
    """Stop the platform, and kill processes that do not stop, so that the next round does not find
    them.
    """
    process = platform.process
    try:
        platform.stop()
    except AssertionError as error:
        print(first_line(error), file=sys.stderr)
        if process is not None and process.poll() is None:
            process.kill()

"""The kinds of faults, and how each is injected while the load runs."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reliability.machine import close_all, pidfd_of, send
from reliability.one_machine import stage
from reliability.restored import compare_restored
from reliability.stage import Injected, Stage
from support.tools import TOOLS

SINGLE = ("server", "runner", "egress", "preload", "launcher")
WHOLE = ("supervisor", "root", "tree")  # nothing of the platform may outlive these
HARMLESS = {"server", "egress", "preload"}  # these do not execute runs
STEPS = (600, 3600, 86_400, 30 * 86_400)  # seconds, of the clock
VOLUME_MB = 512
OUTAGE_SECONDS = 60.0
FAKETIME = "*/faketime/libfaketimeMT.so.1"


def roles() -> tuple[str, ...]:
    """The processes that the platform restarts."""
    return SINGLE if os.geteuid() == 0 else SINGLE[:-1]


def whole() -> tuple[str, ...]:
    return WHOLE if os.geteuid() == 0 else ("supervisor", "tree")


def inject(kind: Kind, stage: Stage, rng: random.Random) -> Injected:
    """Inject the faults of one round, one after another, until one breaks a rule."""
    done: list[Injected] = []
    for _ in range(rng.randint(*kind.faults)):
        time.sleep(rng.uniform(0, kind.gap))  # the first one while Workers start or run
        done.append(kind.inject(stage, rng))
        if done[-1].down or done[-1].left:
            break
    return Injected(
        targets=[target for item in done for target in item.targets],
        over=done[-1].over,
        harmless=all(item.harmless for item in done),
        paused=sum(item.paused for item in done),
        seen=[run for item in done for run in item.seen],
        down=[text for item in done for text in item.down],
        left=[text for item in done for text in item.left],
        findings=[text for item in done for text in item.findings],
    )


def kill(stage: Stage, rng: random.Random) -> Injected:
    """SIGKILL for one process, or for all at once."""
    target = rng.choice([*roles() * 3, *whole()])
    if target in WHOLE:
        left, down = kill_whole(stage, target, rng)
        return Injected([target], time.monotonic(), down=down, left=left)
    pidfd = stage.signal(target, signal.SIGKILL)
    if pidfd < 0:
        return Injected([target], time.monotonic(), down=[f"{target} did not exist for 20 s"])
    os.close(pidfd)
    return ended_or_restarted(stage, [target], target in HARMLESS)


def kill_whole(stage: Stage, target: str, rng: random.Random) -> tuple[list[str], list[str]]:
    """Kill the supervisor, the root supervisor or everything, and start the platform again; return
    the processes that were left, and what was wrong with the start.
    """
    pids = stage.everything() if target == "tree" else [stage.awaited(target)]
    pidfds = [pidfd_of(stage.platform, pid) for pid in pids]
    rng.shuffle(pidfds)
    for pidfd in pidfds:
        send(signal.SIGKILL, pidfd)
    close_all(pidfds)
    left = stage.strays()
    return left, stage.restart()


def freeze(stage: Stage, rng: random.Random) -> Injected:
    """SIGSTOP for one process, and SIGCONT if it still exists."""
    target = rng.choice([*roles(), "supervisor"])
    seconds = rng.choice([rng.uniform(1, 5), rng.uniform(5, 15), rng.uniform(15, 40)])
    pidfd = stage.signal(target, signal.SIGSTOP)
    if pidfd < 0:
        return Injected([target], time.monotonic(), down=[f"{target} did not exist for 20 s"])
    try:
        time.sleep(seconds)
    finally:
        send(signal.SIGCONT, pidfd)
        os.close(pidfd)
    return ended_or_restarted(stage, [target], target in HARMLESS)


def ended_or_restarted(stage: Stage, targets: Sequence[str], harmless: bool) -> Injected:
    """Restart a platform that has ended although the fault should not have ended it."""
    process = stage.platform.process
    assert process is not None
    if process.poll() is None:
        return Injected(targets, time.monotonic(), harmless)
    down = [f"fyke up ended with {process.returncode}"]
    left = stage.strays()
    return Injected(targets, time.monotonic(), down=[*down, *stage.restart()], left=left)


def pause(stage: Stage, rng: random.Random) -> Injected:
    """Stop every process for a time, as if the machine were suspended."""
    seconds = rng.choice([rng.uniform(2, 12), rng.uniform(12, 60)])
    stopped: dict[int, int] = {}
    try:
        while new := [pid for pid in stage.everything() if pid not in stopped]:
            for pid in new:
                stopped[pid] = pidfd_of(stage.platform, pid)
                send(signal.SIGSTOP, stopped[pid])
        time.sleep(seconds)
    finally:
        for pidfd in stopped.values():
            send(signal.SIGCONT, pidfd)
        close_all(stopped.values())
    return Injected(["all"], time.monotonic(), harmless=True, paused=seconds)


def clock(stage: Stage, rng: random.Random) -> Injected:
    """Set the clock of the processes forward or back, by libfaketime."""
    assert stage.clock is not None
    step = rng.choice(STEPS) * rng.choice([1, -1])
    stage.clock.write_text(f"{int(stage.clock.read_text()) + step:+d}")
    return Injected(["forward" if step > 0 else "back"], time.monotonic(), harmless=True)


def silent(stage: Stage, rng: random.Random) -> Injected:
    """The connections to PostgreSQL go silent: those that are open, or all for a time."""
    assert stage.proxy is not None
    stage.proxy.end_silent()
    everything = rng.random() < 0.5
    try:
        stage.proxy.silence(new_ones=everything)
        if everything:
            time.sleep(rng.uniform(5, 40))
    finally:
        if everything:
            stage.proxy.silence()  # those stay silent, new ones work
    return Injected(["all" if everything else "open"], time.monotonic())


def disk(stage: Stage, rng: random.Random) -> Injected:
    """Leave between nothing and 100 MiB on the disk of the data folder for a time."""
    assert stage.volume is not None and stage.volume.is_mount()  # not the disk of this machine
    leave = rng.choice([0.0, rng.uniform(0, 16), rng.uniform(16, 64), rng.uniform(64, 100)])
    ballast = stage.volume / "ballast"
    try:
        fill(ballast, shutil.disk_usage(stage.volume).free - int(leave * 2**20))
        time.sleep(rng.choice([rng.uniform(3, 12), rng.uniform(12, 40)]))
    finally:
        ballast.unlink(missing_ok=True)
    return Injected(["nothing" if leave == 0 else "little"], time.monotonic())


def stall(stage: Stage, rng: random.Random) -> Injected:
    """Writes to the disk of the data folder wait for a time, as if the disk did not answer."""
    assert stage.volume is not None and stage.volume.is_mount()  # not the disk of this machine
    subprocess.run(["fsfreeze", "--freeze", str(stage.volume)], check=True)
    try:
        time.sleep(rng.choice([rng.uniform(1, 5), rng.uniform(5, 25)]))
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(stage.volume)], check=True)
    return ended_or_restarted(stage, ["disk"], harmless=False)


def fill(file: Path, size: int) -> None:
    """Make a file of this size, or as large as the disk permits."""
    with file.open("wb") as out, contextlib.suppress(OSError):
        if size > 0:
            os.posix_fallocate(out.fileno(), 0, size)
            return
    with file.open("ab") as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(2**16))
            out.flush()


def outage(stage: Stage, rng: random.Random) -> Injected:
    """PostgreSQL is down for a minute."""
    assert stage.postgres is not None
    stage.postgres.stop()
    try:
        time.sleep(OUTAGE_SECONDS)
    finally:
        stage.postgres.start()
    return ended_or_restarted(stage, ["60 s"], harmless=True)


def backup(stage: Stage, rng: random.Random) -> Injected:
    """Make a backup that is stopped most of the time, so that each step takes long; restore it to
    another folder, and compare the rows.
    """
    before = {job.tag: max((e.number for e in stage.watcher.of(job.tag)), default=0)
              for job in stage.jobs}  # fmt: skip
    file = stage.platform.folder / f"backup-{time.monotonic_ns()}.tar.gz"
    command = [sys.executable, "-m", "fyke.cli.entry", "backup", "create", str(file)]
    process = subprocess.Popen(
        command, env=stage.platform.environment(), cwd="/", stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        slowed(process, stage.platform.home, rng)
        errors = process.communicate(timeout=60)[1]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    over = time.monotonic()
    # a deletion may have been half done at the moment of the copy
    uncertain = {f"{job.run} (restored)" for job in stage.jobs if job.deleting}
    if process.returncode:
        return Injected(["backup"], over, True, down=[f"the backup failed: {errors[-200:]}"])
    found = compare_restored(stage, file, before)
    found["seen"] = [run for run in found["seen"] if run.run not in uncertain]
    file.unlink()
    return Injected(["backup"], over, True, **found)


def slowed(process: subprocess.Popen[str], home: Path, rng: random.Random) -> None:
    """Run it a few milliseconds at a time, as soon as it has opened the data folder."""
    until = time.monotonic() + 60
    while process.poll() is None and not opens(process.pid, home):
        if time.monotonic() > until:
            return
        time.sleep(0.002)
    until = time.monotonic() + rng.uniform(8, 20)
    while process.poll() is None and time.monotonic() < until:
        process.send_signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0.2, 1.5))
        process.send_signal(signal.SIGCONT)
        time.sleep(rng.uniform(0.001, 0.01))


def opens(pid: int, folder: Path) -> bool:
    """Whether a process has a file of this folder open."""
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if entry.readlink().is_relative_to(folder):
                    return True
    return False


# --- the kinds --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """``aims``: how many single faults are to be injected in all, by database. A round starts
    ``jobs`` runs within ``spread`` seconds and injects ``faults`` faults (from, to), each after at
    most ``gap`` seconds. ``rounds`` rounds share one platform.
    """

    name: str
    aims: dict[str, int]
    inject: Callable[[Stage, random.Random], Injected]
    faults: tuple[int, int] = (1, 1)
    gap: float = 4.0
    rounds: int = 5
    jobs: int = 5
    spread: float = 4.0
    rows: tuple[int, int] = (30, 200)
    impossible: Callable[[], str] = lambda: ""  # why it is impossible on this machine
    opens: Callable[..., AbstractContextManager[Stage]] = stage
    options: Callable[[], dict[str, Any]] = dict  # of ``opens``
    divided: bool = False  # see ``reliability.load.divided``
    before: Callable[[Stage], None] = lambda stage: None  # called before each round


def no_postgres() -> str:
    return "" if TOOLS["postgres"].installed() else "PostgreSQL is not installed"


def no_volume() -> str:
    if os.geteuid() != 0:
        return "mounting a small file system needs root"
    return "" if shutil.which("mkfs.ext4") else "mkfs.ext4 is not installed"


def no_freeze() -> str:
    return no_volume() or ("" if shutil.which("fsfreeze") else "fsfreeze is not installed")


def libfaketime() -> str:
    """Its path, which LIBFAKETIME may also name; empty when it is not installed."""
    found = [os.environ.get("LIBFAKETIME", ""), *map(str, Path("/usr/lib").glob(FAKETIME))]
    return next((path for path in found if path and Path(path).exists()), "")


def no_faketime() -> str:
    return "" if libfaketime() else "libfaketime is not installed, and no other clock can be set"


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "kill",
            {"sqlite": 1000, "postgres": 1000},
            kill,
            faults=(8, 14),
            gap=2,
            rounds=20,
            jobs=16,
            spread=25,
        ),
        Kind("freeze", {"sqlite": 100, "postgres": 100}, freeze, faults=(2, 2), jobs=8, spread=25),
        Kind(
            "silent",
            {"postgres": 100},
            silent,
            faults=(2, 2),
            jobs=8,
            spread=25,
            options=lambda: {"proxied": True},
        ),
        Kind("pause", {"sqlite": 25, "postgres": 25}, pause),
        Kind(
            "clock",
            {"sqlite": 25, "postgres": 25},
            clock,
            faults=(2, 3),
            jobs=8,
            spread=10,
            impossible=no_faketime,
            options=lambda: {"preload": libfaketime()},
        ),
        Kind(
            "disk",
            {"sqlite": 100},
            disk,
            faults=(2, 2),
            jobs=12,
            spread=15,
            impossible=no_volume,
            # few at a time, so that many wait while the disk is full
            options=lambda: {"volume_mb": VOLUME_MB, "runner_slots": "3", "disk_floor_mb": "16"},
        ),
        Kind(
            "stall",
            {"sqlite": 25},
            stall,
            faults=(2, 2),
            jobs=8,
            spread=15,
            impossible=no_freeze,
            options=lambda: {"volume_mb": VOLUME_MB, "disk_floor_mb": "16"},
        ),
        Kind("backup", {"sqlite": 20}, backup, jobs=12, options=lambda: {"runner_slots": "3"}),
        Kind("outage", {"postgres": 20}, outage, gap=6, rounds=3, jobs=8, rows=(100, 400)),
    )
}

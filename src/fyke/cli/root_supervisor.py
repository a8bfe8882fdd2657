"""The root supervisor: it runs the launcher and the supervisor.

It opens no network connection and reads no data from the network. It restarts the launcher if it
ends or is silent for ``LAUNCHER_SILENCE`` seconds, and stops it with the platform. It imports
little, because this process lives as long as the platform.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from fyke.cli.handover import accept_signals, handover_data, stopping_signals
from fyke.kit.watchdog import Watchdog

LAUNCHER_READY_SECONDS = 10.0
LAUNCHER_SILENCE = 20.0
LAUNCHER_END_SECONDS = 10.0
CHECK_INTERVAL = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds before another start of a launcher that ended
STABLE_SECONDS = 10.0  # a launcher that lived longer is started again at once
# Held by a thread while it acts as the service user, which changes the user of all threads, or
# while it needs the rights of root beside the main thread.
RIGHTS = threading.RLock()
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class RootConfig(NamedTuple):
    """The service user, the folder of sockets, and the commands of the two processes.

    ``reports_ends``: the supervisor takes the option ``--launcher-events``, a descriptor.
    """

    uid: int
    gid: int
    run_dir: str
    launcher_socket: str
    launcher: list[str]
    supervisor: list[str]
    reports_ends: bool


class RunningLauncher:
    """The process of the launcher, and the pipe of its reports."""

    def __init__(self, process: subprocess.Popen[bytes], reports: int) -> None:
        self.process = process
        self.reports = reports
        self.closed = False
        self._end = os.pidfd_open(process.pid)
        self._open = contextlib.ExitStack()
        for descriptor in (reports, self._end):
            self._open.callback(os.close, descriptor)

    def descriptors(self) -> list[int]:
        """Descriptors that become readable when the launcher reports or ends; none afterwards."""
        return [] if self.process.poll() is not None else [self.reports, self._end]

    def reported(self) -> bool:
        """Whether the launcher has reported since the last call."""
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self.reports, 4096))
        return False

    def stop(self) -> None:
        """Terminate the launcher; kill it if it is frozen."""
        self.process.terminate()
        try:
            self.process.wait(LAUNCHER_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.close()

    def close(self) -> None:
        """Close both descriptors. Safe to repeat."""
        self.closed = True
        self._open.close()


def main() -> None:
    """Run with the data of ``fyke up``; the environment is that of the supervisor."""
    sys.exit(supervise_as_root(RootConfig(**handover_data()), os.environ))


def supervise_as_root(
    config: RootConfig,
    environment: Mapping[str, str],
    started: Callable[[], None] = lambda: None,
) -> int:
    """Run the supervisor as the service user with ``environment``, and a launcher; return the exit
    status of the supervisor. ``started`` is called once it runs.
    """
    stopping = StopRequest()
    launcher = start_launcher(config)
    wait_until_ready(config, launcher)
    events, writing = os.pipe()
    os.set_blocking(writing, False)
    reported = ["--launcher-events", str(events)] if config.reports_ends else []
    child = subprocess.Popen(
        [*config.supervisor, "--parent", str(os.getpid()), *reported],
        pass_fds=[events] if reported else [],
        user=config.uid,
        group=config.gid,
        extra_groups=[],
        cwd="/",
        env=environment,
        process_group=0,
    )
    os.close(events)
    stopping.forward_to(child)
    try:
        started()
        start = functools.partial(start_launcher, config)
        ended = functools.partial(write_end, writing)
        launcher = until_child_ends(child, launcher, start, stopping, ended)
        if child.returncode < 0 and not stopping.signal:
            name = signal.Signals(-child.returncode).name
            _say(f"fyke: the supervisor was ended by {name}, and all roles with it")
        return stopping.exit_status(child)
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(60)
        launcher.stop()


def until_child_ends(
    child: subprocess.Popen[bytes],
    launcher: RunningLauncher,
    start: Callable[[], RunningLauncher],
    stopping: StopRequest,
    ended: Callable[[int, str], None],
    *,
    silence: float = LAUNCHER_SILENCE,
) -> RunningLauncher:
    """Wait until ``child`` ends; ``start`` replaces a launcher that ends, or that is killed after
    ``silence`` seconds of silence, before a requested stop. One that ends soon, or cannot be
    started, is replaced after a growing pause: the platform serves everything but new Workers.
    ``ended`` gets the exit status of each and why it ended.

    Returns the current launcher.
    """
    watchdog: Watchdog[str] = Watchdog()
    watchdog.watch("launcher", silence)
    restarts = Restarts()
    killed = ""
    end = os.pidfd_open(child.pid)
    while child.poll() is None:
        pause = CHECK_INTERVAL
        if launcher.process.poll() is not None and not stopping.signal:
            if not launcher.closed:
                launcher.close()
                code = launcher.process.returncode
                ended(code, killed or f"it exited with status {code}")
                killed = ""
            pause = restarts.pause()
            if pause <= 0:
                restarts.started()
                watchdog.watch("launcher", silence)
                try:
                    launcher = start()
                except OSError as error:
                    _say(f"fyke: the launcher cannot be started: {error}")
        waiting = min(CHECK_INTERVAL, max(pause, 0))
        readable, _, _ = select.select([end, *launcher.descriptors()], [], [], waiting)
        if launcher.reports in readable and launcher.reported():
            watchdog.renew("launcher")
        if watchdog.silent() and launcher.process.poll() is None:
            killed = f"it did not report for {silence:g} s"
            launcher.process.kill()
            launcher.process.wait()
        if os.getpid() == 1 and RIGHTS.acquire(blocking=False):
            # not while another thread waits for a process of its own
            try:
                reap_orphans({child.pid, launcher.process.pid})
            finally:
                RIGHTS.release()
    os.close(end)
    return launcher


def write_end(events: int, code: int, reason: str) -> None:
    """Write the end of a launcher to the pipe of the supervisor, which logs and counts it."""
    with contextlib.suppress(OSError):
        os.write(events, json.dumps({"code": code, "reason": reason}).encode() + b"\n")


class Restarts:
    """When a launcher that has ended is started again."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._pause = 0.0
        self._due: float | None = None

    def started(self) -> None:
        self._started, self._due = time.monotonic(), None

    def pause(self) -> float:
        """Seconds until the next start; at most 0 when it is due. Called only after an end."""
        now = time.monotonic()
        if self._due is None:
            longer = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            self._pause = 0.0 if now - self._started > STABLE_SECONDS else longer
            self._due = now + self._pause
        return self._due - now


def reap_orphans(pids: set[int]) -> None:
    """Reap children that have ended and are not in ``pids``: as process 1 of a container, this
    process inherits orphans.
    """
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            if ended.si_pid in pids:
                return
            os.waitpid(ended.si_pid, 0)


@contextlib.contextmanager
def as_user(uid: int, gid: int) -> Iterator[None]:
    """Act with the rights of the service user in that user's folder: a name there may be a link,
    which root would follow. Other threads that need the rights of root take ``RIGHTS``.
    """
    with RIGHTS:
        os.setegid(gid)
        os.seteuid(uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)


def start_launcher(config: RootConfig) -> RunningLauncher:
    """Start the launcher. Raises ``OSError``."""
    socket = Path(config.launcher_socket)
    with as_user(config.uid, config.gid):
        run_dir = Path(config.run_dir)
        run_dir.mkdir(mode=0o700, exist_ok=True)
        run_dir.chmod(0o700)
        socket.unlink(missing_ok=True)
    reports, writing = os.pipe()
    os.set_blocking(reports, False)
    launcher = subprocess.Popen(
        [*config.launcher, "--parent", str(os.getpid()), "--reports", str(writing)],
        env={"PATH": _PATH, "LANG": "C.UTF-8"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        pass_fds=[writing],
        process_group=0,  # Ctrl-C must not end it and every sandbox before Workers are drained
    )
    os.close(writing)
    return RunningLauncher(launcher, reports)


def wait_until_ready(config: RootConfig, launcher: RunningLauncher) -> None:
    """Wait for the socket of the launcher. Raises ``SystemExit`` if it ends or is late."""
    socket = Path(config.launcher_socket)
    deadline = time.monotonic() + LAUNCHER_READY_SECONDS
    while not socket.exists():
        if launcher.process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("fyke: The launcher did not start; see the lines above")
        time.sleep(0.02)


class StopRequest:
    """The signal that requested the stop, if any. It is forwarded to the supervisor, which has a
    process group of its own, so that Ctrl-C reaches it only once.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._child: subprocess.Popen[bytes] | None = None
        for number in stopping_signals():
            signal.signal(number, self._on_signal)
        accept_signals()

    def forward_to(self, child: subprocess.Popen[bytes]) -> None:
        """Forward signals to ``child``, including one that arrived before it was started."""
        self._child = child
        if self.signal:
            child.terminate()

    def exit_status(self, child: subprocess.Popen[bytes]) -> int:
        """The exit status for the ended ``child``. If the forwarded SIGTERM killed it before it had
        handlers, it is the status for the signal that this process received.
        """
        if child.returncode >= 0:
            return child.returncode
        return 128 + self.signal if self.signal else 128 - child.returncode

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number
        if self._child is not None:
            self._child.terminate()


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

"""The root supervisor: its files, imports and child processes."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.cli import root_start, root_supervisor
from fyke.cli.handover import STOPPING
from fyke.cli.root_supervisor import Restarts, RunningLauncher, StopRequest
from fyke.settings import Settings
from support.processes import stop_and_wait

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="the root supervisor runs as root only")
USER = pwd.struct_passwd(("service", "x", 12_346, 12_346, "", "/", ""))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can traverse."""
    folder = Path(tempfile.mkdtemp(prefix="fyke-root-"))
    folder.chmod(0o711)
    before = os.umask(0o077)
    yield folder
    os.umask(before)
    shutil.rmtree(folder)


@pytest.fixture
def stopping() -> Iterator[StopRequest]:
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    yield StopRequest()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@ROOT_ONLY
def test_a_link_instead_of_the_run_folder_is_not_followed(open_folder: Path) -> None:
    home, victim = open_folder / "home", open_folder / "victim"
    home.mkdir()
    victim.mkdir()
    os.chown(home, USER.pw_uid, USER.pw_gid)
    (home / "run").symlink_to(victim)
    with pytest.raises(PermissionError):
        root_supervisor.start_launcher(root_start._config(Settings(home=home), USER, [], []))
    assert (victim.stat().st_uid, victim.stat().st_mode & 0o777) == (0, 0o700)
    assert list(victim.iterdir()) == []
    assert os.geteuid() == 0


@ROOT_ONLY
@pytest.mark.parametrize("reports_ends", [False, True])
def test_the_supervisor_inherits_the_pipe_of_ends_only_with_its_option(
    open_folder: Path, stopping: StopRequest, reports_ends: bool
) -> None:
    run, ready = open_folder / "run", open_folder / "run" / "socket"
    os.chown(open_folder, USER.pw_uid, USER.pw_gid)
    count = "set -- /proc/$$/fd/*; exit $#"  # with that of the folder
    config = root_supervisor.RootConfig(
        uid=USER.pw_uid,
        gid=USER.pw_gid,
        run_dir=str(run),
        launcher_socket=str(ready),
        launcher=["/bin/sh", "-c", f": > {ready}; exec sleep 60"],
        supervisor=["/bin/sh", "-c", count],
        reports_ends=reports_ends,
    )
    users: list[int] = []
    code = root_supervisor.supervise_as_root(config, {}, lambda: users.append(os.geteuid()))
    assert code == (5 if reports_ends else 4)
    assert users == [0]


def test_adopted_orphans_are_reaped() -> None:
    orphan = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, orphan.pid, os.WEXITED | os.WNOWAIT)
    root_supervisor.reap_orphans({-1})
    with contextlib.suppress(ChildProcessError):
        pytest.fail(f"not reaped: {os.waitpid(orphan.pid, os.WNOHANG)}")
    root_supervisor.reap_orphans({-1})  # without any child


def test_the_two_children_are_not_reaped_as_orphans() -> None:
    child = subprocess.Popen(["false"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    root_supervisor.reap_orphans({child.pid})
    assert child.wait(30) == 1


@pytest.mark.parametrize("pid, looks", [(2, False), (1, True), (1, False)])
def test_orphans_are_reaped_only_as_process_1_and_while_no_thread_looks(
    stopping: StopRequest, ended: Ended, monkeypatch: pytest.MonkeyPatch, pid: int, looks: bool
) -> None:
    """Another thread may wait for the end of a process of its own."""
    reaped: list[set[int]] = []
    monkeypatch.setattr(root_supervisor, "reap_orphans", reaped.append)
    monkeypatch.setattr(root_supervisor, "CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(os, "getpid", lambda: pid)
    child = subprocess.Popen(["sleep", "0.1"])
    launcher = running(subprocess.Popen(["sleep", "600"]))
    holding, finish = threading.Event(), threading.Event()

    def look() -> None:
        with root_supervisor.RIGHTS if looks else contextlib.nullcontext():
            holding.set()
            finish.wait(30)

    thread = threading.Thread(target=look)
    thread.start()
    holding.wait(30)

    def start() -> RunningLauncher:
        raise AssertionError("it was replaced")

    root_supervisor.until_child_ends(child, launcher, start, stopping, ended)
    finish.set()
    thread.join()
    launcher.stop()
    assert bool(reaped) == (pid == 1 and not looks)


def test_the_root_supervisor_imports_only_the_standard_library() -> None:
    code = "import sys, fyke.cli.root_supervisor; print(*sys.modules)"
    command = [sys.executable, "-S", "-c", code]
    source = str(Path(root_supervisor.__file__).parents[2])
    modules = subprocess.run(
        command, env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    ).stdout.split()
    fyke_modules = {name for name in modules if name.partition(".")[0] == "fyke"}
    assert fyke_modules == {
        *("fyke", "fyke.cli", "fyke.cli.root_supervisor", "fyke.cli.handover"),
        *("fyke.kit", "fyke.kit.watchdog"),
    }
    assert not {"asyncio", "dataclasses", "inspect", "logging", "ssl"} & {
        *modules
    }  # for its memory


@pytest.mark.parametrize("module", ["fyke.sandbox.process.launcher", "fyke.cli.entry"])
def test_a_child_that_starts_after_the_root_supervisor_was_killed_ends(
    module: str, open_folder: Path
) -> None:
    """Its parent is not the process that started it."""
    arguments = ["up", "--home", str(open_folder)]
    config = root_start._config(Settings(home=open_folder), USER, [], arguments)
    [command] = [item for item in (config.launcher, config.supervisor) if module in item]
    other_user = USER.pw_uid if os.geteuid() == 0 and command == config.supervisor else None
    done = subprocess.run(
        [*command, "--parent", "1"],
        user=other_user,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.strip()) == (1, "the supervisor is gone")
    assert list(open_folder.iterdir()) == []


@pytest.mark.parametrize("stops", [False, True])
def test_a_launcher_that_ends_is_replaced_unless_the_platform_stops(
    stopping: StopRequest, ended: Ended, stops: bool
) -> None:
    """The child ends after the launcher, when the last copy of the pipe's end is closed."""
    reading, writing = os.pipe()
    child = subprocess.Popen(["cat"], stdin=reading)
    launcher = running(subprocess.Popen(["true"], pass_fds=[writing]))
    os.close(reading)
    started: list[RunningLauncher] = []
    if stops:
        signal.raise_signal(signal.SIGTERM)
        os.close(writing)

    def start() -> RunningLauncher:
        started.append(running(subprocess.Popen(["cat"], stdin=subprocess.PIPE)))
        os.close(writing)
        return started[-1]

    current = root_supervisor.until_child_ends(child, launcher, start, stopping, ended)
    current.process.communicate()
    current.close()
    assert started == ([] if stops else [current])
    assert ended.seen == ([] if stops else [(0, "it exited with status 0")])
    assert child.returncode == 0


class Ended:
    """Records the ends of launchers."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []

    def __call__(self, code: int, reason: str) -> None:
        self.seen.append((code, reason))


@pytest.fixture
def ended() -> Ended:
    return Ended()


def test_the_end_of_a_launcher_is_one_line_and_a_full_pipe_is_not_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    root_supervisor.write_end(writing, -9, "it exited with status -9")
    assert json.loads(os.read(reading, 4096)) == {"code": -9, "reason": "it exited with status -9"}
    for _ in range(5000):
        root_supervisor.write_end(writing, 0, "x")
    os.close(reading)
    root_supervisor.write_end(writing, 0, "x")
    os.close(writing)


def running(process: subprocess.Popen[bytes], reports: int | None = None) -> RunningLauncher:
    """A launcher that never reports, unless ``reports`` is the end of its pipe."""
    if reports is None:
        reports, _ = os.pipe()  # the other end stays open
        os.set_blocking(reports, False)
    return RunningLauncher(process, reports)


def test_a_launcher_that_does_not_report_is_killed_and_replaced(
    stopping: StopRequest, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child ends when the replacement is there."""
    monkeypatch.setattr(root_supervisor, "CHECK_INTERVAL", 0.01)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    frozen = running(subprocess.Popen(["sleep", "600"]))
    stop_and_wait(frozen.process)
    reports, writing = os.pipe()
    os.set_blocking(reports, False)
    next_one = running(
        subprocess.Popen(
            ["bash", "-c", f"while echo . >&{writing}; do :; done"], pass_fds=[writing]
        ),
        reports,
    )
    os.close(writing)

    def start() -> RunningLauncher:
        assert child.stdin is not None
        child.stdin.close()
        return next_one

    current = root_supervisor.until_child_ends(child, frozen, start, stopping, ended, silence=0.2)
    assert current is next_one
    assert frozen.process.returncode == -signal.SIGKILL
    assert ended.seen == [(-signal.SIGKILL, "it did not report for 0.2 s")]
    current.stop()


def test_a_launcher_that_reports_is_kept(
    stopping: StopRequest, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher closes the child's input after several terms."""
    monkeypatch.setattr(root_supervisor, "CHECK_INTERVAL", 0.01)
    reading, writing = os.pipe()
    child = subprocess.Popen(["cat"], stdin=reading)
    os.close(reading)
    reports, reporting = os.pipe()
    os.set_blocking(reports, False)
    program = (
        f"for i in $(seq 40); do echo . >&{reporting}; sleep 0.05; done; exec {writing}>&-; cat"
    )
    process = subprocess.Popen(
        ["bash", "-c", program], stdin=subprocess.PIPE, pass_fds=[writing, reporting]
    )
    os.close(writing)
    os.close(reporting)

    def start() -> RunningLauncher:
        raise AssertionError("it was replaced")

    launcher = running(process, reports)
    current = root_supervisor.until_child_ends(child, launcher, start, stopping, ended, silence=1.5)
    assert current is launcher
    assert process.poll() is None
    current.stop()


def test_a_launcher_that_cannot_be_replaced_at_once_is_tried_again(
    stopping: StopRequest,
    ended: Ended,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Two that end at once and one that cannot be started, each after a longer pause."""
    monkeypatch.setattr(root_supervisor, "FIRST_PAUSE", 0.01)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    started = [time.monotonic()]

    def start() -> RunningLauncher:
        started.append(time.monotonic())
        if len(started) == 3:
            raise OSError("no memory")
        if len(started) < 5:
            return running(subprocess.Popen(["true"]))
        assert child.stdin is not None
        child.stdin.close()
        return running(subprocess.Popen(["sleep", "600"]))

    launcher = running(subprocess.Popen(["true"]))
    current = root_supervisor.until_child_ends(child, launcher, start, stopping, ended)
    assert len(started) == 5
    assert [code for code, _ in ended.seen] == [0] * 3  # that which could not be started never ran
    assert current.process.poll() is None
    assert "the launcher cannot be started: no memory" in capfd.readouterr().err
    for index, pause in enumerate([0.01, 0.02, 0.04, 0.08]):
        assert started[index + 1] - started[index] >= pause
    current.stop()


def test_a_launcher_that_was_stable_is_replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    restarts = Restarts()
    assert restarts.pause() == pytest.approx(root_supervisor.FIRST_PAUSE)
    restarts.started()
    monkeypatch.setattr(root_supervisor, "STABLE_SECONDS", 0.0)
    assert restarts.pause() <= 0


def test_the_first_launcher_must_start(tmp_path: Path) -> None:
    config = root_start._config(Settings(home=tmp_path), USER, [], [])
    launcher = running(subprocess.Popen(["true"]))
    with pytest.raises(SystemExit, match="The launcher did not start"):
        root_supervisor.wait_until_ready(config, launcher)
    launcher.close()


def test_a_launcher_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_supervisor, "LAUNCHER_END_SECONDS", 0.01)
    launcher = running(subprocess.Popen(["sleep", "600"]))
    stop_and_wait(launcher.process)
    launcher.stop()
    assert launcher.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_before_the_supervisor_is_there_reaches_it(
    stopping: StopRequest, number: int
) -> None:
    signal.raise_signal(number)
    child = subprocess.Popen(["sleep", "60"])
    stopping.forward_to(child)
    assert child.wait(30) == -signal.SIGTERM
    assert stopping.signal == number
    assert stopping.exit_status(child) == 128 + number


def test_each_signal_stops_the_supervisor(stopping: StopRequest) -> None:
    child = subprocess.Popen(["sleep", "60"])
    stopping.forward_to(child)
    assert not stopping.signal
    signal.raise_signal(signal.SIGHUP)
    assert child.wait(30) == -signal.SIGTERM


def test_a_signal_that_is_ignored_stays_ignored(stopping: StopRequest) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # by nohup
    later = StopRequest()
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert not later.signal

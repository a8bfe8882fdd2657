"""The guarantees that remain when processes die, ports are taken or folders are not writable."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fyke.app.maintenance import check
from fyke.cli.shipped import setup_link
from fyke.model.runner import LEASE_SECONDS
from fyke.reasons import HintCode, ReasonCode
from fyke.settings import Settings
from support.booted import Booted
from support.commands import Cli
from support.processes import is_alive, parent_of
from support.projects import python_project, zoo
from support.reasons import reaches
from support.small_disk import platform_in, small_disk
from support.two_servers import answers

WAITING, RUNNING, SUCCEEDED, FAILED, ABORTED = 1, 2, 3, 4, 5
LAUNCHER = "fyke.sandbox.process.launcher"
PRELOAD = "fyke.cli.preload"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root has a launcher")
PUSHED_ROWS = 400
PUSHES_AND_SAYS = f"""
from sdk import CoreSDK

for number in range({PUSHED_ROWS}):
    CoreSDK.Result.push_data({{"n": number}})
"""


def acknowledged(platform: Booted, run: str) -> int:
    """The highest number acknowledged to the Worker of ``run``, from its own log."""
    numbers = re.findall(r"acknowledged (\d+)", platform.log_text(run))
    return max(map(int, numbers), default=0)


def test_killing_the_server_stops_no_worker_and_loses_no_row(own_platform: Booted) -> None:
    slug = own_platform.push(python_project(PUSHES_AND_SAYS), "pusher")
    run = own_platform.start_run(slug)
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 0, "the first row")
    before = own_platform.role("runner")
    own_platform.kill_role("server")
    own_platform.wait_for(lambda: answers(own_platform.url), "the server's return", 10)
    detail = own_platform.ended(run)
    assert detail["status"] == SUCCEEDED, detail
    assert [row["n"] for row in own_platform.rows(run)] == list(range(PUSHED_ROWS))
    assert own_platform.role("runner") == before


@reaches(ReasonCode.RUNNER_LOST, HintCode.RUNNER_LOST)
def test_killing_the_runner_ends_its_runs_with_the_reason_and_keeps_their_rows(
    own_platform: Booted,
) -> None:
    slug = own_platform.push(zoo("pushes_forever"), "pushes-forever")
    run = own_platform.start_run(slug)
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 20, "some rows")
    own_platform.kill_role("runner")
    began = time.monotonic()
    detail = own_platform.ended(run, 30)
    assert time.monotonic() - began < 30
    assert detail["status"] == FAILED
    assert own_platform.summary(run)["reason_code"] == "runner_lost"
    numbers = [row["n"] for row in own_platform.rows(run)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) == detail["results"] >= acknowledged(own_platform, run) > 0
    own_platform.wait_for(lambda: not own_platform.sandboxes(), "an empty process table", 10)
    # the runner is available again: the next run is executed
    again = own_platform.start_run(own_platform.push(zoo("upserts"), "upserts"))
    assert own_platform.ended(again)["status"] == SUCCEEDED


@pytest.mark.long
@reaches(ReasonCode.RETRY)
def test_a_run_with_retries_goes_on_with_the_rows_of_its_last_attempt(
    own_platform: Booted,
) -> None:
    slug = own_platform.push(zoo("pushes_forever"), "pushes-forever")
    run = own_platform.start_run(slug, max_retries=3)

    def attempts() -> list[dict[str, Any]]:
        [subtask] = own_platform.read(f"/api/fyke/runs/{run}/subtasks")["list"]
        found: list[dict[str, Any]] = subtask["attempts"]
        return found

    def pushes(number: int) -> bool:
        """Whether this attempt has started, and rows of it are shown."""
        found = attempts()
        is_started = len(found) == number and found[-1]["started_at"] > 0
        return is_started and own_platform.detail(run)["results"] > 20

    for number in (1, 2, 3):
        own_platform.wait_for(lambda number=number: pushes(number), f"attempt {number}", 60)
        own_platform.kill_role("runner")
    # the third retry has a pause of two seconds
    own_platform.wait_for(lambda: own_platform.waits(run)["code"] == "retry", "the reason", 60)
    own_platform.wait_for(lambda: pushes(4), "the last attempt", 60)
    own_platform.call("/api/v1/scraper/abort", {"run_slug": run})
    detail = own_platform.ended(run)
    assert detail["status"] == ABORTED
    outcomes = [attempt["outcome"] for attempt in attempts()]
    assert outcomes == ["runner_lost"] * 3 + ["aborted"]
    numbers = [row["n"] for row in own_platform.rows(run)]
    assert numbers == list(range(1, len(numbers) + 1)), "no row of two attempts"
    assert len(numbers) == detail["results"] == max(a["rows"] for a in attempts())


@pytest.mark.long
@reaches(ReasonCode.NO_RUNNER, ReasonCode.NO_NODE)
def test_the_runs_of_a_runner_that_never_returns_end_within_thirty_seconds(
    own_platform: Booted,
) -> None:
    slug = own_platform.push(zoo("pushes_forever"), "pushes-forever")
    run = own_platform.start_run(slug)
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 20, "some rows")
    supervisor = parent_of(own_platform.role("runner"))
    os.kill(supervisor, signal.SIGSTOP)  # no process is restarted
    try:
        own_platform.kill_role("runner")
        began = time.monotonic()
        detail = own_platform.ended(run, 30)
        assert time.monotonic() - began < 30
        assert detail["status"] == FAILED
        assert "runner was lost" in detail["err_msg"]
        assert len(own_platform.rows(run)) == detail["results"] > 0
        assert own_platform.sandboxes() == []
        waiting = own_platform.start_run(slug)
        own_platform.wait_for(
            lambda: own_platform.waits(waiting)["code"] == "no_runner", "a silent runner", 30
        )
        elsewhere = own_platform.start_run(slug, pool="default")
        assert own_platform.waits(elsewhere)["code"] == "no_node"
        for left in (waiting, elsewhere):
            own_platform.call("/api/v1/scraper/abort", {"run_slug": left})
    finally:
        os.kill(supervisor, signal.SIGCONT)


@pytest.mark.long
@reaches(ReasonCode.RUNNER_LOST)
def test_the_workers_of_a_frozen_runner_end_before_it_is_replaced(own_platform: Booted) -> None:
    """Without root there is no launcher, and the Workers end with the runner."""
    slug = own_platform.push(zoo("pushes_forever"), "pushes-forever")
    run = own_platform.start_run(slug)
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 20, "some rows")
    frozen = own_platform.role("runner")
    os.kill(frozen, signal.SIGSTOP)
    began = time.monotonic()
    own_platform.wait_for(lambda: not own_platform.sandboxes(), "the end of the Worker", 15)
    assert time.monotonic() - began < 15  # the term of its lease
    silent = "the process runner has not reported for"
    own_platform.wait_for(
        lambda: silent in own_platform.raw("/readyz", method="GET").text, "the reason", 15
    )
    own_platform.wait_for(lambda: not is_alive(frozen), "the end of the frozen runner", 30)
    own_platform.wait_for(lambda: answers(own_platform.url), "another runner", 30)
    detail = own_platform.ended(run)
    assert detail["status"] == FAILED
    assert own_platform.summary(run)["reason_code"] == "runner_lost"
    assert len(own_platform.rows(run)) == detail["results"] >= acknowledged(own_platform, run)
    again = own_platform.start_run(own_platform.push(zoo("upserts"), "upserts"))
    assert own_platform.ended(again)["status"] == SUCCEEDED


@pytest.mark.long
@ROOT_ONLY
def test_a_frozen_launcher_is_replaced(own_platform: Booted) -> None:
    slug = own_platform.push(zoo("upserts"), "upserts")
    [launcher] = [p for p, command in own_platform.tree().items() if LAUNCHER in command]
    os.kill(launcher, signal.SIGSTOP)
    own_platform.wait_for(lambda: not is_alive(launcher), "the end of the frozen launcher", 40)
    run = own_platform.start_run(slug)
    assert own_platform.ended(run, 60)["status"] == SUCCEEDED


@pytest.mark.long
def test_a_start_kills_a_frozen_runner_of_an_earlier_start(own_platform: Booted) -> None:
    frozen = own_platform.role("runner")
    os.kill(frozen, signal.SIGSTOP)
    os.kill(parent_of(frozen), signal.SIGKILL)
    process, own_platform.process = own_platform.process, None
    assert process is not None
    process.wait(30)
    own_platform.start()
    assert not is_alive(frozen)
    assert "the runner of an earlier start did not end by itself" in own_platform.log.read_text()
    run = own_platform.start_run(own_platform.push(zoo("upserts"), "upserts"))
    assert own_platform.ended(run)["status"] == SUCCEEDED


def test_a_run_survives_a_restart_of_the_egress(own_platform: Booted) -> None:
    slug = own_platform.push(
        python_project(
            "import time\n"
            "from sdk import CoreSDK\n"
            "CoreSDK.Result.push_data({'n': 1})\n"
            "time.sleep(3)\n"
            "CoreSDK.Result.push_data({'n': 2})\n"
        ),
        "waits",
    )
    run = own_platform.start_run(slug)
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 0, "the first row")
    own_platform.kill_role("egress")
    assert own_platform.ended(run)["status"] == SUCCEEDED
    assert len(own_platform.rows(run)) == 2


@pytest.mark.long
def test_roles_outlive_the_preload_process_and_the_next_one_can_restart_them(
    own_platform: Booted,
) -> None:
    def running(module: str) -> list[int]:
        return [pid for pid, command in own_platform.tree().items() if module in command]

    roles = {name: own_platform.role(name) for name in ("server", "runner", "egress")}
    [preload] = running(PRELOAD)
    os.kill(preload, signal.SIGKILL)
    own_platform.wait_for(lambda: set(running(PRELOAD)) - {preload}, "another preload process")
    for name in ("egress", "runner"):
        own_platform.kill_role(name)
        own_platform.wait_for(lambda name=name: own_platform.role(name) != roles[name], name)
    assert own_platform.role("server") == roles["server"]
    run = own_platform.start_run(own_platform.push(zoo("upserts"), "upserts"))
    assert own_platform.ended(run)["status"] == SUCCEEDED


@ROOT_ONLY
@reaches(ReasonCode.INTERNAL, HintCode.INTERNAL)
def test_the_launcher_is_restarted_and_its_sandboxes_end_with_a_reason(
    own_platform: Booted,
) -> None:
    slug = own_platform.push(zoo("pushes_forever"), "pushes-forever")
    run = own_platform.start_run(slug)
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 0, "a row")
    [launcher] = [p for p, command in own_platform.tree().items() if LAUNCHER in command]
    os.kill(launcher, signal.SIGKILL)
    detail = own_platform.ended(run, 30)
    assert detail["status"] == FAILED
    assert own_platform.summary(run)["reason_code"] == "internal"
    assert len(own_platform.rows(run)) == detail["results"] > 0
    own_platform.wait_for(lambda: not own_platform.sandboxes(), "an empty process table", 10)
    own_platform.wait_for(
        lambda: [p for p, c in own_platform.tree().items() if LAUNCHER in c and p != launcher],
        "a new launcher",
    )
    ended = '"code": -9, "reason": "it exited with status -9", "event": "launcher_ended"'
    own_platform.wait_for(lambda: ended in own_platform.log.read_text(), "its end in the log", 10)
    own_platform.wait_for(
        lambda: any(
            check["name"] == "process launcher" and "restarted once" in check["detail"]
            for check in own_platform.read("/api/fyke/health")["list"]
        ),
        "the number of its restarts",
        10,
    )
    again = own_platform.start_run(own_platform.push(zoo("upserts"), "upserts"))
    assert own_platform.ended(again)["status"] == SUCCEEDED


def test_no_role_outlives_the_supervisor(own_platform: Booted) -> None:
    run = own_platform.start_run(own_platform.push(zoo("pushes_forever"), "pushes-forever"))
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 0, "a row")
    everything = own_platform.tree()
    os.kill(parent_of(own_platform.role("runner")), signal.SIGKILL)
    gone = "the end of all processes"
    own_platform.process, process = None, own_platform.process
    assert process is not None
    own_platform.wait_for(lambda: not [p for p in everything if is_alive(p)], gone, 20)
    process.wait(10)
    own_platform.start()
    detail = own_platform.ended(run)
    assert detail["status"] == FAILED
    assert detail["err_msg"]  # from the runner or the launcher, whichever ended first
    assert len(own_platform.rows(run)) == detail["results"] > 0


def test_a_data_folder_is_used_by_one_platform_only(own_platform: Booted) -> None:
    said = Cli(own_platform).process("up", "--port", "0", code=5, cwd="/")[1]
    assert "already running" in said
    assert answers(own_platform.url)
    # it has removed nothing that the running one still needs
    own_platform.kill_role("runner")
    run = own_platform.start_run(own_platform.push(zoo("upserts"), "upserts"))
    assert own_platform.ended(run)["status"] == SUCCEEDED


def test_queued_runs_wait_for_a_runner_and_are_executed(own_platform: Booted) -> None:
    slug = own_platform.push(zoo("upserts"), "upserts")
    supervisor = parent_of(own_platform.role("runner"))
    os.kill(supervisor, signal.SIGSTOP)
    try:
        own_platform.kill_role("runner")
        runs = [own_platform.start_run(slug) for _ in range(3)]
        assert {own_platform.detail(run)["status"] for run in runs} == {1}
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert [own_platform.ended(run)["status"] for run in runs] == [SUCCEEDED] * 3


@reaches(ReasonCode.RUNNER_TROUBLE)
def test_runs_wait_while_the_egress_is_frozen(own_platform: Booted) -> None:
    slug = own_platform.push(zoo("upserts"), "upserts")
    egress = own_platform.role("egress")
    os.kill(egress, signal.SIGSTOP)
    try:
        own_platform.wait_for(lambda: not answers(own_platform.url), "the end of readiness", 15)
        runs = [own_platform.start_run(slug) for _ in range(3)]
        found = own_platform.waits(runs[0])
        assert (found["code"], found["params"]["detail_code"]) == ("runner_trouble", "egress_away")
        assert {own_platform.detail(run)["status"] for run in runs} == {WAITING}
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have been restarted
            os.kill(egress, signal.SIGCONT)
    assert [own_platform.ended(run)["status"] for run in runs] == [SUCCEEDED] * 3


@reaches(ReasonCode.NEXT_TRY, ReasonCode.NOT_STARTED)
def test_a_worker_that_cannot_be_unpacked_is_retried(own_platform: Booted) -> None:
    slug = own_platform.push(python_project("print('unpacked')"), "never-unpacked")
    bundles = own_platform.home / "cache" / "bundles"
    mode = bundles.stat().st_mode
    bundles.chmod(0o555)
    try:
        run = own_platform.start_run(slug)
        own_platform.wait_for(lambda: own_platform.waits(run)["code"] == "next_try", "a next try")
        detail = own_platform.ended(run)
    finally:
        bundles.chmod(mode)
    assert detail["status"] == FAILED
    assert own_platform.summary(run)["reason_code"] == "not_started"
    assert "could not be started, 3 times in a row" in detail["err_msg"]
    again = own_platform.start_run(slug)
    assert own_platform.ended(again)["status"] == SUCCEEDED


@ROOT_ONLY
@pytest.mark.long
def test_all_runs_wait_while_the_disk_is_nearly_full() -> None:
    with small_disk() as folder, platform_in(folder, disk_floor_mb="16") as platform:
        slug = platform.push(zoo("upserts"), "upserts")
        assert platform.ended(platform.start_run(slug))["status"] == SUCCEEDED
        with (platform.home / "filler").open("wb") as filler:
            free = shutil.disk_usage(folder).free
            os.posix_fallocate(filler.fileno(), 0, free - 40 * 2**20)
        runs = [platform.start_run(slug) for _ in range(12)]
        platform.wait_for(
            lambda: platform.waits(runs[-1])["code"] == "runner_trouble", "the reason", 20
        )
        assert platform.waits(runs[-1])["params"]["detail_code"] == "disk_short"
        assert {platform.detail(run)["status"] for run in runs} == {WAITING}
        (platform.home / "filler").unlink()
        assert [platform.ended(run)["status"] for run in runs] == [SUCCEEDED] * 12


@pytest.mark.long
def test_a_pause_of_the_whole_platform_ends_no_run(own_platform: Booted) -> None:
    slug = own_platform.push(zoo("pushes_forever"), "pushes-forever")
    runs = [own_platform.start_run(slug) for _ in range(2)]
    for run in runs:
        own_platform.wait_for(lambda run=run: own_platform.detail(run)["results"] > 0, "a row")
    everything = [*own_platform.tree()]
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + 5)
    for pid in everything:
        os.kill(pid, signal.SIGCONT)
    before = [own_platform.detail(run)["results"] for run in runs]
    time.sleep(LEASE_SECONDS + 5)  # a lost lease would end them in this time
    for run, rows in zip(runs, before, strict=True):
        assert own_platform.detail(run)["results"] > rows
        assert own_platform.detail(run)["status"] == RUNNING
        own_platform.call("/api/v1/scraper/abort", {"run_slug": run})


@reaches(ReasonCode.ABORTED, HintCode.ABORTED, ReasonCode.RUN_NOT_ENDED)
def test_waiting_and_running_runs_can_be_aborted(own_platform: Booted) -> None:
    slug = own_platform.push(zoo("pushes_forever"), "pushes-forever")
    run = own_platform.start_run(slug)
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 0, "a row")
    assert own_platform.raw(f"/api/fyke/runs/{run}", method="DELETE").status_code == 400
    own_platform.call("/api/v1/scraper/abort", {"run_slug": run})
    assert own_platform.detail(run)["status"] == ABORTED
    began = time.monotonic()
    own_platform.wait_for(lambda: not own_platform.sandboxes(), "the end of the Worker", 10)
    assert time.monotonic() - began < 10
    detail = own_platform.ended(run)
    rows = len(own_platform.rows(run))
    assert rows > 0
    own_platform.call("/api/v1/scraper/abort", {"run_slug": run})
    assert len(own_platform.rows(run)) == rows
    assert detail["err_msg"] == "Aborted on request"
    assert own_platform.summary(run)["reason_code"] == "aborted"


@reaches(ReasonCode.PLATFORM_STOPPED)
def test_ctrl_c_drains_the_platform_and_a_running_worker_ends_with_the_reason(
    own_platform: Booted,
) -> None:
    slug = own_platform.push(zoo("pushes_forever"), "pushes-forever")
    run = own_platform.start_run(slug)
    own_platform.wait_for(lambda: own_platform.detail(run)["results"] > 0, "a row")
    before = _setup_token(own_platform)
    assert own_platform.stop() == 0
    own_platform.start()
    detail = own_platform.ended(run)
    assert detail["status"] == FAILED
    assert own_platform.summary(run)["reason_code"] == "platform_stopped"
    assert len(own_platform.rows(run)) == detail["results"] > 0
    _set_up(own_platform, before)


def _setup_token(platform: Booted) -> str:
    assert "/setup?token" not in platform.log.read_text(errors="replace")
    return platform.setup_link().partition("/setup?token=")[2]


def _set_up(platform: Booted, stale: str) -> None:
    """Use the setup link of this start; the session outlives the process of the server."""
    token = _setup_token(platform)
    with httpx2.Client(base_url=platform.url, headers={"origin": platform.url}) as browser:
        assert browser.get("/setup", params={"token": stale}).status_code == 404
        form = {"token": token, "password": "a long enough secret"}
        answer = browser.post("/setup", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/welcome")
        assert str(platform.home) in browser.get("/welcome").text
        assert browser.post("/setup", data=form).status_code == 404
        platform.kill_role("server")
        platform.wait_for(lambda: answers(platform.url), "an answer")
        assert browser.get("/settings/account").status_code == 200
    settings = Settings(home=platform.home)
    assert setup_link(settings, platform.url) == ""


def test_old_runs_are_removed_with_all_their_data(own_platform: Booted) -> None:
    """``FYKE_KEEP_DAYS`` is 1, by the clock of the machine."""
    assert own_platform.environment()["FYKE_KEEP_DAYS"] == "1"
    slug = own_platform.push(zoo("upserts"), "upserts")
    old, young = own_platform.start_run(slug), own_platform.start_run(slug)
    own_platform.ended(old)
    own_platform.ended(young)
    numbers = {run: number for number, run in _stored(own_platform, "number, run_id", "runs")}
    assert _contents(own_platform, numbers[old])["rows"] == 2
    with sqlite3.connect(own_platform.home / "state.db", timeout=30) as state:
        state.execute("UPDATE runs SET finished_at = finished_at - 86500000 WHERE id = ?", (old,))
    state.close()
    own_platform.kill_role("server")  # a new one checks at once
    own_platform.wait_for(
        lambda: (
            answers(own_platform.url)
            and own_platform.raw("/api/v1/run/detail", {"run_slug": old}).status_code == 404
        ),
        "the old run to be forgotten",
        20,
    )
    assert own_platform.raw("/api/v1/run/detail", {"run_slug": old}).json()["code"] == 70001
    assert own_platform.detail(young)["results"] == 2
    own_platform.wait_for(
        lambda: not any(_contents(own_platform, numbers[old]).values()), "the end of its rows", 20
    )
    kept = _contents(own_platform, numbers[young])
    assert kept["rows"] == 2 and kept["log"] > 0 and kept["attempts"] > 0
    assert check(Settings(home=own_platform.home)) == []


def _stored(platform: Booted, columns: str, table: str, where: str = "1") -> list[Any]:
    with closing(sqlite3.connect(platform.home / "rows.db", timeout=30)) as rows:
        return rows.execute(f"SELECT {columns} FROM results_{table} WHERE {where}").fetchall()


def _contents(platform: Booted, run: int) -> dict[str, int]:
    """The number of entries that each table has of the run with this number."""
    keys = f"id > {run << 32} AND id <= {(run + 1) << 32}"
    places = {"runs": f"number = {run}", "attempts": f"run = {run}", "upserts": f"run = {run}"}
    return {
        table: _stored(platform, "count(*)", table, where)[0][0]
        for table, where in (places | {"rows": keys, "log": keys}).items()
    }


@ROOT_ONLY
def test_no_process_outlives_the_root_supervisor(own_platform: Booted) -> None:
    everything = own_platform.tree()
    process, own_platform.process = own_platform.process, None
    assert process is not None
    process.kill()
    process.wait(10)
    gone = "the end of all processes"
    own_platform.wait_for(lambda: not [p for p in everything if is_alive(p)], gone, 20)
    assert not [p for p in everything if is_alive(p)]


# --- starts that must be refused -----------------------------------------------------------


def fyke_up(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    tmp_path.chmod(0o711)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FYKE_")}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "fyke.cli.entry",
            "up",
            "--home",
            str(tmp_path / "home"),
            *arguments,
        ],
        env={**environment, "HOME": str(tmp_path), **settings},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may traverse, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="fyke-start-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def test_the_error_for_a_port_in_use_names_it(open_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = fyke_up(open_folder, "--port", str(port))
    assert result.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use" in result.stderr
    assert "--port" in result.stderr


def test_the_error_for_a_folder_that_cannot_be_written_names_it(open_folder: Path) -> None:
    (open_folder / "home").write_text("a file where the folder should be")
    result = fyke_up(open_folder, "--port", "0")
    assert result.returncode == 1
    assert str(open_folder / "home") in result.stderr
    assert "--home" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_public_address_is_refused_until_the_owner_has_a_password(open_folder: Path) -> None:
    result = fyke_up(open_folder, "--port", "0", "--host", "0.0.0.0")
    assert result.returncode == 1
    assert "the owner has no password" in result.stderr


def test_the_error_for_an_invalid_setting_names_it(open_folder: Path) -> None:
    result = fyke_up(open_folder, "--port", "0", FYKE_DURABILITY="maybe")
    assert result.returncode == 2
    assert "durability" in result.stderr

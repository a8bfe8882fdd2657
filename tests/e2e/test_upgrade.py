"""An installation of an earlier release: backup, upgrade and roll-back, as ``upgrade.md`` says."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.booted import TLS, Booted, booted
from support.commands import Cli
from support.postgres import PostgresServer, binary, running_postgres
from support.projects import python_project
from support.released import COMMITS, Released, install

pytestmark = [pytest.mark.long, pytest.mark.needs("git"), pytest.mark.timeout(900)]

SUCCEEDED = 3
ROWS = 250
SECRET = "canary of the upgrade"
MAIN = f"""
import hashlib, os
from sdk import CoreSDK

for number in range({ROWS}):
    CoreSDK.Result.push_data({{"n": number, "text": "caf\\u00e9", "big": 2**63}})
CoreSDK.Result.upsert_data({{"n": -1, "login": hashlib.sha256(
    os.environ.get("LOGIN", "").encode()).hexdigest()}}, "n")
CoreSDK.Log.info("all rows are pushed")
"""
LOGIN = {text: hashlib.sha256(text.encode()).hexdigest() for text in (SECRET, "")}


@pytest.fixture(scope="module", params=sorted(COMMITS))
def program(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """The command of the earlier release."""
    folder = Path(tempfile.mkdtemp(prefix="fyke-released-"))
    folder.chmod(0o711)
    try:
        yield install(request.param, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Installed:
    """The same installation with either program. ``server`` is its PostgreSQL, if it has one."""

    old: Released
    new: Booted
    server: PostgresServer | None

    @property
    def database(self) -> str:
        """The address of the database, for PostgreSQL's programs."""
        return self.old.settings["database_url"].replace("+psycopg", "")

    def contents(self) -> dict[str, str]:
        """The digest of every file of the data folder, and of the tables of PostgreSQL. Without
        SQLite's shared memory, which even a reader writes and which has no data.
        """
        found = {
            str(path.relative_to(self.old.home)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.old.home.rglob("*"))
            if path.is_file() and path.suffix != ".db-shm"
        }
        if self.server is not None:
            lines = self.pg("pg_dump", self.database).splitlines()
            tables = [line for line in lines if b"restrict " not in line]  # has a random word
            found["database"] = hashlib.sha256(b"\n".join(tables)).hexdigest()
        return found

    def pg(self, name: str, *arguments: object) -> bytes:
        command = [binary(name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(params=["sqlite", "postgresql"])
def installed(request: pytest.FixtureRequest, program: tuple[str, ...]) -> Iterator[Installed]:
    if request.param == "sqlite":
        with booted(Released, start=False) as old:
            old.program = program
            yield from both(old, None)
        return
    with running_postgres() as server:
        database = server.new_database()
        with booted(Released, start=False, database_url=database) as old:
            old.program = program
            yield from both(old, server)


def both(old: Released, server: PostgresServer | None) -> Iterator[Installed]:
    new = Booted(old.folder, **old.settings)
    try:
        yield Installed(old, new, server)
    finally:
        new.stop()


@dataclass(frozen=True)
class Made:
    """What was made with the earlier release: slugs, the second account's key, and ``answers``."""

    worker: str
    run: str
    other_run: str
    task: str
    queued: str
    other_key: str
    answers: dict[str, Any]


def make(old: Released) -> Made:
    """Use the earlier release by its own commands."""
    cli, archive = Cli(old), old.folder / "shop.zip"
    archive.write_bytes(python_project(MAIN))
    worker = cli.process_json("worker", "push", archive, "--name", "shop", "--public")["slug"]
    cli.process("secret", "set", worker, "LOGIN", stdin=SECRET)
    run = cli.process("run", "start", worker, "--wait")[0].strip()
    task = cli.process("task", "create", worker, "--title", "each day")[0].strip()
    cli.process("task", "schedule", task, "--daily", "09:30", "--zone", "Europe/Berlin")
    queued = cli.process("run", "start", worker, "--queued")[0].strip()
    other_key = old.new_account("second")
    other_run = old.start_run(worker, key=other_key)
    assert old.ended(other_run, key=other_key)["status"] == SUCCEEDED
    made = Made(worker, run, other_run, task, queued, other_key, {})
    made.answers.update(answers(old, made))
    assert len(made.answers["rows"]) == ROWS + 1
    assert made.answers["rows"][-1]["login"] == LOGIN[SECRET]
    return made


def answers(platform: Booted, made: Made) -> dict[str, Any]:
    """What users see of it, the same in each release."""
    exported, log = (httpx2.get(link, timeout=60, verify=TLS) for link in platform.links(made.run))
    detail = platform.detail(made.run)
    other = platform.detail(made.other_run, key=made.other_key)
    task = send(platform, "GET", f"/api/v2/worker-tasks/{made.task}")
    schedule = send(platform, "GET", f"/api/fyke/tasks/{made.task}/schedule")
    secrets = platform.read(f"/api/fyke/workers/{made.worker}/secrets")["list"]
    ledgers = [platform.read("/api/fyke/ledger", key=key) for key in (platform.key, made.other_key)]
    return {
        "rows": platform.rows(made.run),
        "export": exported.text,
        "log": [line for line in log.text.splitlines() if "pushed" in line],
        "runs": [
            {name: run[name] for name in ("slug", "status", "results", "finished_at", "usage")}
            for run in (detail, other)
        ],
        "task": {name: task[name] for name in ("slug", "title", "run_times")},
        "schedule": {name: schedule[name] for name in ("kind", "time", "time_zone", "next_at")},
        "secrets": [secret["name"] for secret in secrets],
        "queue": [item["queue_ref"] for item in send(platform, "GET", QUEUE)["list"]],
        "entries": [[(one["kind"], one["usd"]) for one in each["list"]] for each in ledgers],
    }


QUEUE = "/api/v2/run-queue/items?limit=100"


def send(platform: Booted, method: str, path: str, body: Any = None) -> Any:
    answer = platform.raw(path, body, method=method).json()
    assert answer["code"] == 0, answer
    return answer["data"]


def works(platform: Booted, made: Made) -> str:
    """A new run has rows and the secret, can be exported, and another account runs it without;
    return the slug of the first.
    """
    run = platform.start_run(made.worker)
    assert platform.ended(run)["status"] == SUCCEEDED
    assert [row["n"] for row in platform.rows(run)] == [*range(ROWS), -1]
    assert platform.rows(run)[-1]["login"] == LOGIN[SECRET]
    link = platform.call("/api/v1/run/result/export", {"run_slug": run, "format": "json"})
    exported = httpx2.get(link["download_url"], timeout=60, verify=TLS).json()
    assert [row["n"] for row in exported] == [*range(ROWS), -1]
    other = platform.start_run(made.worker, key=made.other_key)
    assert platform.ended(other, key=made.other_key)["results"] == ROWS + 1
    return run


def test_a_release_is_upgraded_and_rolled_back(installed: Installed) -> None:
    old, new = installed.old, installed.new
    old.start()
    made = make(old)
    old.stop()
    backup = back_up(installed)

    new.start()
    assert answers(new, made) == made.answers
    later = works(new, made)
    fires(new, made)
    [activated] = new.change_queue("activate", made.queued)
    assert new.ended(activated["run_slug"])["results"] == ROWS + 1
    assert Cli(new).json("db", "check")["ok"] is True
    new.stop()

    refused_unchanged(installed)
    roll_back(installed, backup)
    old.start()
    assert answers(old, made) == made.answers
    assert old.raw("/api/v1/run/detail", {"run_slug": later}).json()["code"] != 0
    works(old, made)
    assert Cli(old).process("db", "check")[1].startswith("No problems found.")
    old.stop()

    new.start()  # the upgrade again, after its cause is known
    assert answers(new, made)["rows"] == made.answers["rows"]
    assert Cli(new).json("db", "check")["ok"] is True


def back_up(installed: Installed) -> Path:
    """The backup of the files, and beside it the dump of the database, if there is one."""
    file = installed.old.folder / "before.tar.zst"
    if installed.server is not None:
        dump = file.with_name("before.dump")
        installed.pg("pg_dump", "--format=custom", f"--file={dump}", installed.database)
    Cli(installed.old).process("db", "backup", file)
    return file


def fires(platform: Booted, made: Made) -> None:
    """The schedule starts a run; its next time is set to now, and a change sends the signal."""
    path = f"/api/fyke/tasks/{made.task}/schedule"
    fired = "UPDATE schedules SET next_at = ? WHERE task_id = ?"
    platform.change_state(fired, int(time.time()) * 1000, made.task)
    body = {"worker_id": made.worker, "title": "signal", "input": {}}
    signal = send(platform, "POST", "/api/v2/worker-tasks", body)["slug"]
    send(platform, "PUT", f"/api/fyke/tasks/{signal}/schedule", {"kind": "daily", "time": "00:00"})

    def found() -> Any:
        return send(platform, "GET", f"{path}/fires")["list"]

    [fire] = platform.wait_for(found, "the schedule to start a run")
    assert platform.ended(fire["run_slug"])["results"] == ROWS + 1


def refused_unchanged(installed: Installed) -> None:
    """It does not start with the tables of this release, and changes nothing."""
    before = installed.contents()
    cli = Cli(installed.old)
    for command in (("up", "--port", "0"), ("db", "migrate")):
        err = cli.process(*command, code=1)[1]
        assert "newer version of Fyke" in err
        assert installed.contents() == before


def roll_back(installed: Installed, backup: Path) -> None:
    home = installed.old.home
    home.rename(home.with_name("home.upgraded"))
    Cli(installed.old).process("db", "restore", backup, "--home", home)
    if installed.server is None:
        return
    name = installed.database.partition("@/")[2].partition("?")[0]
    with installed.server.admin() as connection:
        connection.execute(f"ALTER DATABASE {name} RENAME TO upgraded")  # type: ignore[call-overload]
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    dump = backup.with_name("before.dump")
    installed.pg("pg_restore", "--exit-on-error", f"--dbname={installed.database}", dump)

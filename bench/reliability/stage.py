"""A platform under test: finds its processes by role, reads its state, and checks what remains."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from reliability.checks import RoundSeen, RunSeen, lived
from reliability.load import WORKER, Client, Job, Load, Unreachable, Watcher, states_query
from reliability.machine import (
    after,
    check_database,
    first_line,
    left_of,
    pidfd_of,
    processes_of,
    send,
    stopped,
)
from reliability.proxy import Proxy, proxying
from reliability.sealed import SealedRows
from support.booted import Booted
from support.postgres import PostgresServer, running_postgres
from support.processes import parent_of
from support.projects import python_project
from support.receivers import Receiver, Reply, listening

LAUNCHER, PRELOAD = "fyke.sandbox.process.launcher", "fyke.cli.preload"
ROLES = ("server", "runner", "egress")
UIDS = 4096  # of each platform, from ``attempt_uid_base``
FIRST_UID = 131_072  # beyond those of ordinary installations and of the suite
PRICE = "3600"  # US dollars for a core and an hour; the smallest device costs 0.125 a second
MICROS_A_SECOND = 125_000
GONE_SECONDS = 10.0
CALLBACK_SECONDS = 75.0  # the claim of a server that was killed lasts 60
SETTINGS = {
    "rate_limit": "0",
    "default_plan": "unlimited",
    "callback_allow": "127.0.0.1/32",
    "failed_rows": "keep",
    "drain_seconds": "0",
    "seal_rows": "1",  # so that faults hit rows, files, and the move between the two
    "seal_after_seconds": "1",
    "warm_sandboxes": "4",
    "warm_idle_seconds": "2",  # the check for sandboxes that were left waits longer
}


@dataclass(frozen=True)
class Injected:
    """A fault that was injected. ``over`` is when it ended, in monotonic seconds."""

    targets: Sequence[str]  # one for each single fault
    over: float
    harmless: bool = False  # it must not end a run
    paused: float = 0.0  # seconds in which nothing ran
    seen: Sequence[RunSeen] = ()  # runs of another installation that was also checked
    down: Sequence[str] = ()
    left: Sequence[str] = ()
    findings: Sequence[str] = ()


@dataclass
class Stage:
    """``postgres`` and ``proxy`` are None with SQLite, ``volume`` without a small disk."""

    platform: Booted
    client: Client
    watcher: Watcher
    receiver: Receiver
    worker: str
    priced: bool
    uids: range
    postgres: PostgresServer | None = None
    proxy: Proxy | None = None
    volume: Path | None = None
    clock: Path | None = None  # what libfaketime adds to the clock of the processes
    jobs: list[Job] = field(default_factory=list)  # of all rounds
    files: SealedRows = field(init=False)
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load(self.client, self.worker, self.watcher, self.query, self._callback)
        self.files = SealedRows(self.execute, self.platform.home / "blobs" / "rows")

    def _callback(self, tag: str) -> str:
        if tag[-1] in "05":  # its first try fails, and the next one must have the same id
            self.receiver.reply(f"/{tag}", Reply(500))
        return self.receiver.url(f"/{tag}")

    # --- the state ------------------------------------------------------------------------

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Read rows of the state directly from the database. Raises ``Unreachable``."""
        return self.execute(statement, "state.db")

    def execute(
        self, statement: str, file: str = "rows.db", *, write: bool = False
    ) -> list[tuple[Any, ...]]:
        """Execute a statement on the database, with SQLite in ``file``. Raises ``Unreachable``."""
        try:
            if self.postgres is not None:
                with self.postgres.admin("fyke") as connection:
                    found = connection.execute(statement.encode())
                    return [] if write else found.fetchall()
            if self.platform.process is None or self.platform.process.poll() is not None:
                raise Unreachable("the platform is stopped", None)  # root must not make files there
            url = f"{(self.platform.home / file).as_uri()}?mode={'rw' if write else 'ro'}"
            with contextlib.closing(sqlite3.connect(url, uri=True, timeout=5)) as lite, lite:
                return lite.execute(statement).fetchall()
        except (sqlite3.Error, psycopg.Error) as error:
            raise Unreachable(f"{file}: {error}", None) from None

    # --- processes ------------------------------------------------------------------------

    def pid_of(self, name: str) -> int:
        """The process id of a role, ``launcher``, ``preload``, ``supervisor`` or ``root``; 0 if
        there is no such process.
        """
        process = self.platform.process
        assert process is not None
        tree = self.platform.tree()
        if name == "root":
            return process.pid
        if name == "supervisor":
            return parent_of(self.pid_of("runner")) if os.geteuid() == 0 else process.pid
        for pid, command in tree.items():
            role = command[command.index("--role") + 1] if "--role" in command[:-1] else ""
            module = {"launcher": LAUNCHER, "preload": PRELOAD}.get(name)
            if role == name or (module and module in command):
                return pid
        return 0

    def awaited(self, name: str) -> int:
        """Like ``pid_of``, but wait up to 20 s for a process that is being restarted."""
        until = time.monotonic() + 20
        while not (pid := self.pid_of(name)) and time.monotonic() < until:
            time.sleep(0.05)
        return pid

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to one of our processes; return its pidfd (the caller closes it) or -1."""
        pidfd = pidfd_of(self.platform, self.awaited(name))
        send(number, pidfd)
        return pidfd

    def everything(self) -> list[int]:
        """The process of ``fyke up`` and all its descendants, the oldest first."""
        assert self.platform.process is not None
        return sorted({self.platform.process.pid, *self.platform.tree()})

    def strays(self, seconds: float = GONE_SECONDS) -> list[str]:
        """The processes of a stopped platform that still exist after ``seconds``."""
        return after(seconds, lambda: processes_of(self.platform.home, self.uids))

    def restart(self) -> list[str]:
        """Start a platform that has ended; return what is wrong if it does not come back."""
        process = self.platform.process
        assert process is not None
        try:
            process.wait(GONE_SECONDS)
            self.platform.process = None  # until it has started, because ``query`` checks it
            self.platform.start()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return [f"after its end it did not start again: {first_line(error)}"]
        return []

    # --- observations after a fault -----------------------------------------------------------

    def observe(self, jobs: Sequence[Job], injected: Injected, refused: Sequence[str]) -> RoundSeen:
        """Everything that the checks compare, once the platform serves again."""
        left = [*injected.left, *after(GONE_SECONDS, self._left_of_runs)]
        down, accounts, starts, runs = [*refused, *injected.down], [], {}, []
        sealed = 0
        try:
            runs = [
                self.run_seen(job, jobs, injected) for job in jobs if job.run and not job.deleting
            ]
            accounts, starts = self._accounts(), self._starts(jobs)
            sealed = self.asked(self.files.new)
        except Unreachable as error:
            down.append(str(error.args[0]))
        return RoundSeen(
            runs=[*runs, *injected.seen],
            starts=starts,
            left=left,
            accounts=accounts,
            findings=[*self.check_database(), *injected.findings],
            down=[f"{text} (load {os.getloadavg()[0]:.0f})" for text in down],
            sealed=sealed,
        )

    def run_seen(self, job: Job, jobs: Sequence[Job], injected: Injected) -> RunSeen:
        executions = self.watcher.of(job.tag)
        acknowledged = max((execution.number for execution in executions), default=0)
        ends = self._ends(job) + [f"execution {n + 2}" for n in range(len(executions) - 1)]
        attempts, charged = self.asked(
            lambda: self.query(
                "SELECT (SELECT count(*) FROM attempts a WHERE a.run_id = r.id"
                f" AND a.started_at > 0), r.usage_micros FROM runs r WHERE r.id = '{job.run}'"
            )
        )[0]
        return RunSeen(
            run=job.run,
            state=job.state,
            reason=job.reason,
            started=attempts > 0,
            planned=job.rows,
            acknowledged=acknowledged,
            pushed=acknowledged + 1 if executions else job.rows,
            **self.results_of(job.run),
            ends=tuple(ends),
            silence=self.load.silence(job, jobs, injected.over),
            charged=charged / MICROS_A_SECOND,
            lived=lived(job.tried, job.ended or time.monotonic(), injected.over, injected.paused),
            harmless=injected.harmless,
        )

    def results_of(self, run: str) -> dict[str, Any]:
        """The rows of a run as pages, as an export and as counts. Raises ``Unreachable``."""
        body = {"run_slug": run}
        detail = self.call("/api/v1/run/detail", body)
        rows: list[int] = []
        page, count = [0], 0
        for index in range(1, 10_000):
            if not page:
                break
            answer = self.call(
                "/api/v1/run/result/list", body | {"page_index": index, "page_size": 100}
            )
            page, count = answer["list"], answer["count"]
            rows += [row["n"] for row in page]
        link = self.call("/api/v1/run/result/export", body | {"format": "jsonl"})["download_url"]
        text = self.asked(lambda: self.client.get(link))
        return {
            "rows": tuple(rows),
            "exported": tuple(json.loads(line)["n"] for line in text.splitlines() if line),
            "count": count,
            "results": detail["results"],
        }

    def call(self, path: str, body: Any) -> Any:
        return self.asked(lambda: self.client.post(path, body))

    def asked(self, ask: Callable[[], Any]) -> Any:
        """Return the answer of ``ask``; a platform that has just started may need several tries."""
        return self.client.patiently(ask, 30)

    def _ends(self, job: Job) -> list[str]:
        """The ends that callbacks have announced, one for each different callback."""
        found = {
            (item.headers.get("webhook-id", ""), item.data["run_status"])
            for item in self.receiver.at(f"/{job.tag}")
        }
        return sorted(
            f"{status} by callback {name}" for name, status in found if status != "running"
        )

    def _left_of_runs(self) -> list[str]:
        """Sandboxes and work folders that exist although no run is active."""
        left = [f"sandbox {pid}" for pid in self.platform.sandboxes()]
        with contextlib.suppress(OSError):
            folders = (self.platform.home / "work").iterdir()
            left += [f"folder work/{folder.name}" for folder in folders]
        return left

    def _accounts(self) -> list[tuple[str, str, str]]:
        rows = self.asked(
            lambda: self.query(
                "SELECT a.id, a.balance_micros, a.held_micros,"
                " coalesce(sum(CASE WHEN l.kind IN ('hold', 'release') THEN 0"
                " ELSE l.usd_micros END), 0) FROM accounts a LEFT JOIN ledger l"
                " ON l.account_id = a.id GROUP BY a.id, a.balance_micros, a.held_micros"
            )
        )
        used = self.asked(
            lambda: self.query(
                "SELECT r.id, r.usage_micros, coalesce(-sum(l.usd_micros), 0) FROM runs r"
                " LEFT JOIN ledger l ON l.run_id = r.id AND l.kind = 'usage'"
                " GROUP BY r.id, r.usage_micros"
            )
        )
        # all runs have ended, so nothing is on hold
        return [
            *(
                (f"account {name}", f"{balance}, {held} on hold", f"{int(total)}, 0 on hold")
                for name, balance, held, total in rows
            ),
            *((f"run {run}", str(usage), str(int(paid))) for run, usage, paid in used),
        ]

    def _starts(self, jobs: Sequence[Job]) -> dict[str, int]:
        """How many runs there are for each accepted start."""
        prefix = jobs[0].tag.rpartition("-")[0]
        rows = self.asked(
            lambda: self.query(f"SELECT input_json FROM runs WHERE input_json LIKE '%{prefix}%'")
        )
        tags = [json.loads(text).get("tag") for (text,) in rows]
        return {job.tag: tags.count(job.tag) for job in jobs if job.run and not job.deleting}

    def check_database(self) -> list[str]:
        return check_database(self.platform)

    def finish(self) -> RoundSeen:
        """Stop the platform; return what was observed of the runs of all rounds before the stop,
        and of the machine afterwards. Their rows are compared again, because most are in files now.
        """
        runs: list[RunSeen] = []
        left, down, unsealed, sealed = list[str](), list[str](), list[str](), 0
        try:
            runs, left = self._changed_ends(), after(CALLBACK_SECONDS, self._unannounced)
            unsealed = self.asked(self._finish_sealing)
            sealed = self.asked(self.files.new)
            runs += self._rows_at_the_end()
            self._finish_deletions()
            left += after(GONE_SECONDS, lambda: self.asked(self._left_of_rows))
        except Unreachable as error:
            down.append(str(error.args[0]))
        try:
            self.watcher.release()
            self.platform.stop()
        except AssertionError as error:
            down.append(first_line(error))
        left += after(GONE_SECONDS, lambda: left_of(self.platform.home, self.uids))
        return RoundSeen(runs=runs, left=left, down=down, sealed=sealed, unsealed=unsealed)

    def _finish_sealing(self) -> list[str]:
        # after the clock was set back, all runs have ended too recently
        found = self.files.finish()
        return [] if self.clock else found

    def _left_of_rows(self) -> list[str]:
        return self.files.left({job.run for job in self.jobs if job.deleted})

    def _rows_at_the_end(self) -> list[RunSeen]:
        return [
            RunSeen(
                run=f"{job.run} (at the end)",
                state=job.state,
                reason=job.reason,
                planned=job.rows,
                acknowledged=max((e.number for e in self.watcher.of(job.tag)), default=0),
                **self.results_of(job.run),
            )
            for job in self.jobs
            if job.ended and not job.deleting
        ]

    def _finish_deletions(self) -> None:
        """Delete one more run: that also finishes deletions that were interrupted."""
        if rest := [job for job in self.jobs if job.ended and not job.deleting]:
            rest[-1].deleting = True
            self.asked(lambda: self.client.delete(rest[-1].run))
            rest[-1].deleted = True

    def _unannounced(self) -> list[str]:
        ended = [job for job in self.jobs if job.ended and not job.deleting and not self._ends(job)]
        return [f"the end of run {job.run} ({job.state}) was not announced" for job in ended]

    def _changed_ends(self) -> list[RunSeen]:
        """Runs of all rounds whose end or callback has changed since their round."""
        by_run = {job.run: job for job in self.jobs if job.ended}
        found = []
        for run, *now in self.asked(lambda: self.query(states_query(by_run))) if by_run else ():
            job = by_run[run]
            ends = {(job.state, job.finished_at, job.reason), (now[0], int(now[1]), now[2])}
            for several in (self._ends(job), sorted(map(str, ends))):
                if len(several) > 1:
                    found.append(RunSeen(run, job.state, ends=tuple(several)))
        return found


# --- creation ---------------------------------------------------------------------------------


@contextlib.contextmanager
def stage(
    database: str,
    *,
    priced: bool,
    proxied: bool = False,
    volume_mb: int = 0,
    preload: str = "",
    **settings: str,
) -> Iterator[Stage]:
    """Start a platform with a public Worker in a new account. ``proxied``: PostgreSQL is behind a
    proxy that can fail. ``volume_mb``: the data folder is on a file system of this size.
    ``preload`` is the path of libfaketime.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="fyke-torture-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)
        base = FIRST_UID + UIDS * (os.getpid() % 256)
        given = SETTINGS | {"attempt_uid_base": str(base)} | settings
        if priced:
            given["price_cpu_hour"] = PRICE
        postgres, proxy = None, None
        if database == "postgres":
            postgres = stack.enter_context(running_postgres(fsync=False))
            with postgres.admin() as connection:
                connection.execute("CREATE DATABASE fyke")
            given["database_url"] = postgres.url("fyke")
            if proxied:
                socket = postgres.socket_dir / ".s.PGSQL.5432"
                proxy = stack.enter_context(proxying(socket))
                given["database_url"] = f"postgresql+psycopg://fyke@127.0.0.1:{proxy.port}/fyke"
        platform = (Shifted if preload else Booted)(folder, **given)
        if isinstance(platform, Shifted):
            platform.shift(preload)
        volume = None
        if volume_mb:
            volume = platform.home
            stack.enter_context(mounted(folder / "volume", volume, volume_mb))
        stack.callback(stopped, platform)
        platform.start()
        receiver = stack.enter_context(listening())
        watcher = stack.enter_context(Watcher(platform.home / "work"))
        key = platform.new_account("torture")
        name = str(platform.read("/api/fyke/account", key=key)["name"])
        platform.call(f"/api/fyke/accounts/{name}/credit", {"usd": "1000000", "traffic_mb": "0"})
        worker = platform.push(python_project(WORKER), "torture", key=key)
        client = Client(lambda: platform.url, key)
        yield Stage(
            platform=platform,
            client=client,
            watcher=watcher,
            receiver=receiver,
            worker=worker,
            priced=priced,
            uids=range(base, base + UIDS) if os.geteuid() == 0 else range(0),
            postgres=postgres,
            proxy=proxy,
            volume=volume,
            clock=platform.clock if isinstance(platform, Shifted) else None,
        )


class Shifted(Booted):
    """A platform whose processes read the clock through libfaketime, except the launcher, which has
    an empty environment and uses only monotonic time.
    """

    clock: Path
    _library = ""

    def shift(self, library: str) -> None:
        self.clock, self._library = self.folder / "clock", library
        self.clock.write_text("+0")
        self.clock.chmod(0o644)

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without it every call reads the file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@contextlib.contextmanager
def mounted(image: Path, at: Path, megabytes: int) -> Iterator[None]:
    """An ext4 of this size at a folder. Its files must be closed before it is removed."""
    with image.open("wb") as file:
        file.truncate(megabytes * 2**20)
    quiet = {"check": True, "capture_output": True}
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-F", str(image)], **quiet)  # type: ignore[call-overload]
    at.mkdir()
    subprocess.run(["mount", "-o", "loop", str(image), str(at)], **quiet)  # type: ignore[call-overload]
    try:
        (at / "lost+found").rmdir()
        yield
    finally:
        for _ in range(50):
            if (
                subprocess.run(["umount", str(at)], capture_output=True, check=False).returncode
                == 0
            ):
                break
            time.sleep(0.2)
        else:
            subprocess.run(["umount", "--lazy", str(at)], check=False)

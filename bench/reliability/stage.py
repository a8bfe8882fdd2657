"""A platform under test: finds its processes by role, reads its state, and checks what remains."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from reliability.checks import ENDED, Execution, RoundSeen, RunSeen, at_once, lived
from reliability.load import Client, Job, Load, Unreachable, Watcher, states_query
from reliability.machine import (
    after,
    check_database,
    first_line,
    left_of,
    pid_in,
    pidfd_of,
    processes_of,
    send,
)
from reliability.proxy import Proxy
from reliability.sealed import SealedRows
from support.booted import Booted
from support.postgres import PostgresServer
from support.receivers import Receiver, Reply

ROLES = ("server", "runner", "egress")
MICROS_A_SECOND = 125_000
GONE_SECONDS = 10.0
RAN_ON_SECONDS = 1.0  # allowed after the end of a run was seen
CALLBACK_SECONDS = 75.0  # the claim of a server that was killed lasts 60


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


@dataclass(frozen=True)
class Results:
    """The rows of a run in pages and in its export, and both of its counts."""

    rows: Sequence[dict[str, Any]]
    exported: Sequence[dict[str, Any]]
    count: int
    results: int

    def numbers(self) -> dict[str, Any]:
        """As members of ``RunSeen``."""
        return {
            "rows": tuple(row["n"] for row in self.rows),
            "exported": tuple(row["n"] for row in self.exported),
            "count": self.count,
            "results": self.results,
        }


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
        self.files = SealedRows(self.execute, self.row_files)

    def row_files(self) -> set[str]:
        """The names of the blobs with rows of ended runs."""
        folder = self.platform.home / "blobs" / "rows"
        return {f"rows/{path.name}" for path in folder.glob("*")}

    def _callback(self, tag: str) -> str:
        if tag[-1] in "05":  # its first try fails, and the next one must have the same id
            self.receiver.reply(f"/{tag}", Reply(500))
        return self.receiver.url(f"/{tag}")

    @property
    def machines(self) -> Sequence[Booted]:
        return [self.platform]

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
        return pid_in(self.platform, name)

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
                seen
                for job in jobs
                if job.run and not job.deleting
                for seen in self.runs_seen(job, jobs, injected)
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
            at_once=at_once([one for job in jobs for tag in job.tags for one in self._seen(tag)]),
            ran_on=[text for job in jobs for text in self._ran_on(job)],
        )

    def _seen(self, tag: str) -> list[Execution]:
        return [Execution(tag, one.where, one.began, one.beat) for one in self.watcher.of(tag)]

    def _ran_on(self, job: Job) -> list[str]:
        """The executions that existed after the end of their run was seen."""
        return [
            f"{one.tag} of run {job.run} for {one.beat - job.ended:.1f} s, in {one.where}"
            for tag in job.tags
            for one in self._seen(tag)
            if job.ended and one.beat > job.ended + RAN_ON_SECONDS
        ]

    def saw(self, jobs: Sequence[Job]) -> Counter[str]:
        """How the runs of these jobs ended for their user."""
        return Counter(self._end_of(job) for job in jobs)

    def _end_of(self, job: Job) -> str:
        if not job.run:
            return "not accepted"
        if job.state not in ("succeeded", "failed"):
            return job.state
        again = any(len(self.watcher.of(tag)) > 1 for tag in job.tags)
        note = f" {job.reason}" if job.state == "failed" else " in part" * (job.lost > 0)
        return f"{job.state}{note}{' after a retry' * again}"

    def waited(self, jobs: Sequence[Job]) -> float:
        """The longest time between two rows of a Worker that went on, in seconds."""
        tags = [tag for job in jobs for tag in job.tags]
        return max((one.longest for tag in tags for one in self.watcher.of(tag)), default=0.0)

    def runs_seen(self, job: Job, jobs: Sequence[Job], injected: Injected) -> list[RunSeen]:
        """The run of a job, once for each of its subtasks."""
        query = f"SELECT usage_micros FROM runs WHERE id = '{job.run}'"
        charged = self.asked(lambda: self.query(query))[0][0] / MICROS_A_SECOND
        number, until = max(1, job.parts), job.ended or time.monotonic()
        return [
            replace(
                seen,
                silence=self.load.silence(job, jobs, injected.over),
                charged=charged / number,  # each attempt is charged
                lived=lived(job.tried, until, injected.over, injected.paused),
                harmless=injected.harmless,
                patience=self.load.stuck_seconds,
            )
            for seen in self.subtasks_seen(job)
        ]

    def subtasks_seen(self, job: Job, note: str = "") -> list[RunSeen]:
        """What can be read about each subtask, and what its Workers have reported."""
        query = (
            "SELECT coalesce(s.outcome, ''), s.reason_code, (SELECT count(*) FROM attempts a"
            " WHERE a.run_id = s.run_id AND a.ordinal = s.ordinal AND a.started_at > 0)"
            f" FROM subtasks s WHERE s.run_id = '{job.run}' ORDER BY s.ordinal"
        )
        subtasks = self.asked(lambda: self.query(query))
        found = self.results_of(job.run)
        seen = []
        for tag, (outcome, reason, started) in zip(job.tags, subtasks, strict=True):
            state, reason = state_of(job, outcome, reason)
            one = self._subtask_seen(job, tag, found, note)
            seen.append(replace(one, state=state, reason=reason, started=started > 0))
        job.lost = sum(one.state == "failed" for one in seen)
        return seen

    def _subtask_seen(self, job: Job, tag: str, found: Results, note: str) -> RunSeen:
        executions = self.watcher.of(tag)
        acknowledged = max((execution.number for execution in executions), default=0)
        more = range(1 + job.max_retries, len(executions))
        others = sum(row["tag"] != tag for row in found.rows)
        merged = sum(row["tag"] == tag and "u" in row for row in found.rows)
        exported = [row for row in found.exported if row["tag"] == tag]
        return RunSeen(
            run=f"{job.run}{tag[len(job.tag) :]}{note}",
            state=job.state,
            reason=job.reason,
            planned=job.rows,
            acknowledged=acknowledged,
            pushed=acknowledged + 1 if executions else job.rows,
            rows=tuple(row["n"] for row in found.rows if row["tag"] == tag and "n" in row),
            exported=tuple(row["n"] for row in exported if "n" in row),
            # those of the run without what others have pushed
            count=found.count - others - merged,
            results=found.results - others - merged,
            merged=tuple(
                (int(row["key"].rpartition(":")[2]), row["u"])
                for row in found.rows
                if row["tag"] == tag and "u" in row
            )
            if job.upserts
            else None,
            ends=tuple(self._ends(job) + [f"execution {number + 1}" for number in more]),
        )

    def results_of(self, run: str) -> Results:
        """The rows of a run as pages, as an export and as counts. Raises ``Unreachable``."""
        body = {"run_slug": run}
        detail = self.call("/api/v1/run/detail", body)
        rows: list[dict[str, Any]] = []
        page, count = [{}], 0
        for index in range(1, 10_000):
            if not page:
                break
            answer = self.call(
                "/api/v1/run/result/list", body | {"page_index": index, "page_size": 100}
            )
            page, count = answer["list"], answer["count"]
            rows += page
        link = self.call("/api/v1/run/result/export", body | {"format": "jsonl"})["download_url"]
        text = self.asked(lambda: self.client.get(link))
        exported = [json.loads(line) for line in text.splitlines() if line]
        return Results(rows, exported, count, detail["results"])

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
        for machine in self.machines:
            with contextlib.suppress(OSError):
                folders = (machine.home / "work").iterdir()
                left += [f"folder {machine.folder.name}/work/{one.name}" for one in folders]
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
            self.stop()
        except AssertionError as error:
            down.append(first_line(error))
        for machine in self.machines:
            left += after(GONE_SECONDS, partial(left_of, machine.home, self.uids))
        return RoundSeen(runs=runs, left=left, down=down, sealed=sealed, unsealed=unsealed)

    def stop(self) -> None:
        """Raises ``AssertionError`` for a machine that does not stop."""
        self.platform.stop()

    def _finish_sealing(self) -> list[str]:
        # after the clock was set back, all runs have ended too recently
        found = self.files.finish()
        return [] if self.clock else found

    def _left_of_rows(self) -> list[str]:
        return self.files.left({job.run for job in self.jobs if job.deleted})

    def _rows_at_the_end(self) -> list[RunSeen]:
        return [
            replace(seen, pushed=None, ends=())
            for job in self.jobs
            if job.ended and not job.deleting
            for seen in self.subtasks_seen(job, " (at the end)")
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


def state_of(job: Job, outcome: str, reason: str) -> tuple[str, str]:
    """State and reason of a subtask, as if it were the only one of its run. A run succeeds when one
    of its subtasks has.
    """
    if job.state not in ENDED or not outcome:
        return job.state, job.reason
    if outcome in ("succeeded", "aborted"):
        return outcome, ""
    return "failed", reason

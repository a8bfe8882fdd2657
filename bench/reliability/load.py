"""The load of a round: Workers that push numbered rows and report which ones were acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reliability.checks import ENDED, STUCK_SECONDS, silence

# The file has room for the number from the start, so that writing it needs no disk space and never
# fails. This command opens the file, to read it even after the work folder was removed, and then
# changes its mode, for which the Worker waits.
#
# A thread writes the monotonic time ten times a second, which is the same in all processes of this
# machine, so that two executions at once are seen. With ``upserts``, each fifth number is also
# merged into a row of its own for each twenty numbers.
WORKER = """
import os
import threading
import time

from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
tag = given["tag"] + "".join("/" + part for part in given.get("parts", ()))
progress = os.open("progress.new", os.O_RDWR | os.O_CREAT, 0o600)
began = time.monotonic()
os.pwrite(progress, f"{tag:<40}{0:>20}{began:>20.6f}{began:>20.6f}".encode(), 0)
os.rename("progress.new", "progress")


def beat():
    while True:
        os.pwrite(progress, f"{time.monotonic():>20.6f}".encode(), 80)
        time.sleep(0.1)


threading.Thread(target=beat, daemon=True).start()
until = time.monotonic() + 30
while not os.fstat(progress).st_mode & 0o040 and time.monotonic() < until:
    time.sleep(0.01)
for number in range(1, given["rows"] + 1):
    CoreSDK.Result.push_data({"n": number, "tag": tag})
    if given.get("upserts") and number % 5 == 0:
        merged = {"key": f"{tag}:{number // 20}", "u": number, "tag": tag}
        CoreSDK.Result.upsert_data(merged, "key")
    os.pwrite(progress, f"{number:>20}".encode(), 40)
    time.sleep(given["pause"])
"""
SCHEMA = {
    "properties": [{"name": "parts", "type": "array"}],
    "concurrency": {"fields": ["parts"]},
}  # with it, each part of the input is a subtask
TAG, NUMBER = 40, 20  # characters; two times of NUMBER characters follow
LOOK_SECONDS = 0.03
SIGN_SECONDS = 0.5  # all progress within this time counts as one sign
ASK_SECONDS = 0.25
PROBE_SECONDS = 0.5
CALL_SECONDS = 10.0
ACCEPT_SECONDS = 60.0
SETTLE_SECONDS = 180.0  # after the end of a fault
ALREADY_ENDED = 70002  # code of an abort that came too late
DELETE_SECONDS = 30.0


class Unreachable(Exception):
    """The platform or its database did not answer, or refused the request."""


class Progress:
    """How far one execution of a Worker has come. ``began`` and ``beat`` are the first and the last
    time at which its process existed, in its own monotonic seconds.
    """

    def __init__(self, tag: str, descriptor: int, where: str = "") -> None:
        self.tag = tag
        self.where = where  # the work folder
        self.number = 0
        self.began = self.beat = 0.0
        self.signs = [time.monotonic()]
        self.longest = 0.0  # time between two numbers
        self._grew = self.signs[0]
        self._descriptor = descriptor

    def read(self) -> None:
        """Take number and times from the file; they only grow."""
        if self._descriptor < 0:
            return
        text = os.pread(self._descriptor, 3 * NUMBER, TAG)
        with contextlib.suppress(ValueError):
            number, now = int(text[:NUMBER]), time.monotonic()
            if number > self.number:
                self.number = number
                self.longest = max(self.longest, now - self._grew)
                self._grew = now
                if now - self.signs[-1] > SIGN_SECONDS:
                    self.signs.append(now)
        with contextlib.suppress(ValueError):
            self.began = float(text[NUMBER : 2 * NUMBER])
            self.beat = max(self.beat, float(text[2 * NUMBER :]))

    def close(self) -> None:
        if self._descriptor >= 0:
            self.read()
            os.close(self._descriptor)
            self._descriptor = -1


class Watcher:
    """Finds the executions of Workers below the work folders of all machines, and follows them."""

    def __init__(self, *works: Path) -> None:
        self._works = list(works)
        self._found: dict[Path, Progress] = {}  # by folder
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for progress in self._found.values():
            progress.close()

    def of(self, tag: str) -> list[Progress]:
        """The executions with this tag, up to date."""
        with self._lock:
            found = [item for item in self._found.values() if item.tag == tag]
            for item in found:
                item.read()
            return found

    def add(self, work: Path) -> None:
        """Look into the work folder of another machine as well."""
        with self._lock:
            self._works.append(work)

    def release(self) -> None:
        """Close the files of all executions that were found."""
        with self._lock:
            for progress in self._found.values():
                progress.close()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            with self._lock:
                self._look()

    def _look(self) -> None:
        for work in self._works:
            with contextlib.suppress(OSError):
                for folder in work.iterdir():
                    if folder not in self._found:
                        with contextlib.suppress(OSError, ValueError):
                            self._found[folder] = opened(folder / "progress")
        for progress in self._found.values():
            progress.read()


def opened(path: Path) -> Progress:
    """The progress in this file; shows the Worker that it is being read. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    tag = os.pread(descriptor, TAG, 0).decode().strip()
    os.fchmod(descriptor, 0o640)
    return Progress(tag, descriptor, str(path.parent))


class Client:
    """Calls of v1. ``url`` is called before each, because a restart changes it."""

    def __init__(self, url: Callable[[], str], key: str) -> None:
        self._url, self.key = url, key

    def post(self, path: str, body: Any, *, seconds: float = CALL_SECONDS, **headers: str) -> Any:
        """``data`` of the answer. Raises ``Unreachable``, with the code as its second argument."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        own = {"api-key": self.key, "content-type": "application/json"}
        answer = self._send("POST", path, json.dumps(body), own | named, seconds)
        try:
            found = json.loads(answer)
        except ValueError as error:
            raise Unreachable(f"{path}: {error}", None) from None
        if found.get("code") != 0:
            raise Unreachable(f"{path}: {found.get('message')}", found.get("code"))
        return found["data"]

    def delete(self, run: str) -> None:
        """Delete a run. Raises ``Unreachable``, with the status as its second argument."""
        self._send("DELETE", f"/api/fyke/runs/{run}", None, {"api-key": self.key}, CALL_SECONDS)

    def get(self, url: str) -> str:
        """The text at a link of the platform. Raises ``Unreachable``."""
        where = urlsplit(url)
        return self._send("GET", f"{where.path}?{where.query}", None, {}, 60).decode()

    def _send(
        self, method: str, path: str, body: str | None, headers: dict[str, str], seconds: float
    ) -> bytes:
        where = urlsplit(self._url())
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=seconds)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if method != "POST" and answer.status >= 300:
                text = f"{path.partition('?')[0]}: status {answer.status}"
                raise Unreachable(text, answer.status)
            return content
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{path.partition('?')[0]}: {error!r}", None) from None
        finally:
            connection.close()

    def patiently(self, ask: Callable[[], Any], seconds: float) -> Any:
        """Repeat a call until it is answered. Raises the last ``Unreachable`` after ``seconds``."""
        until = time.monotonic() + seconds
        while True:
            try:
                return ask()
            except Unreachable:
                if time.monotonic() > until:
                    raise
            time.sleep(0.3)


@dataclass
class Job:
    """One start and its run. Times are monotonic seconds, ``..._after`` from the first start;
    ``deletes_after`` from its end.
    """

    tag: str
    rows: int
    pause: float
    starts_after: float = 0.0
    aborts_after: float | None = None
    deletes_after: float | None = None
    parts: int = 0  # subtasks; 0 for a Worker without a schema, which has one
    max_retries: int = 0
    upserts: bool = False
    run: str = ""
    tried: float = 0.0  # the first try of the start
    accepted: float = 0.0
    answer: str = ""  # to the last start that was not accepted
    changes: list[tuple[float, str]] = field(default_factory=list)  # time and state of the run
    ended: float = 0.0
    finished_at: int = 0
    reason: str = ""
    lost: int = 0  # subtasks that failed
    deleting: bool = False  # from the first try on
    deleted: bool = False  # the deletion was confirmed

    @property
    def state(self) -> str:
        return self.changes[-1][1] if self.changes else "ready"

    @property
    def tags(self) -> list[str]:
        """Those of its subtasks."""
        return [f"{self.tag}/{part}" for part in range(self.parts)] or [self.tag]

    def given(self) -> dict[str, Any]:
        """The input of the run."""
        custom: dict[str, Any] = {"tag": self.tag, "rows": self.rows, "pause": self.pause}
        system = {"execute_limit_time_seconds": 300, "max_retries": self.max_retries}
        if self.parts:
            custom["parts"] = [str(part) for part in range(self.parts)]
        return {"parameters": {"system": system, "custom": custom | {"upserts": self.upserts}}}


def jobs_of(
    rng: random.Random, number: int, prefix: str, rows: tuple[int, int], spread: float
) -> list[Job]:
    """Different Workers that start within ``spread`` seconds; one of six is aborted, and one of
    five is deleted, most of them while their rows are moved into a file or shortly after.
    """
    return [
        Job(
            tag=f"{prefix}-{index}",
            rows=rng.randint(*rows),
            pause=rng.uniform(0.01, 0.06),
            starts_after=rng.uniform(0, spread),
            aborts_after=rng.uniform(1, 5) if rng.random() < 1 / 6 else None,
            deletes_after=rng.uniform(0, 4) if rng.random() < 1 / 5 else None,
        )
        for index in range(number)
    ]


def divided(jobs: Sequence[Job], rng: random.Random) -> Sequence[Job]:
    """The same jobs for several machines: half of them have several subtasks, half retry what was
    lost, and half upsert.
    """
    for job in jobs:
        job.parts = rng.choice([1, 1, 2, 3, 4])
        job.max_retries = rng.choice([0, 0, 1, 2])
        job.upserts = rng.random() < 0.5
    return jobs


class Load:
    """Starts the runs of the jobs, and follows their states in the database."""

    def __init__(
        self,
        client: Client,
        worker: str,
        watcher: Watcher,
        query: Callable[[str], list[tuple[Any, ...]]],
        callback: Callable[[str], str],
    ) -> None:
        """``callback`` returns the URL for a tag. ``query`` reads the state or raises
        ``Unreachable``.
        """
        self._client, self.worker, self._watcher = client, worker, watcher
        self._query, self._callback = query, callback
        self._give_up = threading.Event()
        self.stuck_seconds = STUCK_SECONDS
        self.away = 0.0  # the longest time in which a client got no answer, since the last round

    @contextlib.contextmanager
    def started(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Start the jobs, abort some, and follow their states during the block."""
        self._give_up.clear()
        self.away = 0.0
        threads = [threading.Thread(target=self._drive, args=(job,), daemon=True) for job in jobs]
        threads.append(threading.Thread(target=self._follow, args=(jobs,), daemon=True))
        threads.append(threading.Thread(target=self._probe, daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._give_up.set()
            for thread in threads:
                thread.join()

    def _drive(self, job: Job) -> None:
        body = {
            "scraper_slug": self.worker,
            "callback_url": self._callback(job.tag),
            "input": job.given(),
        }
        self._give_up.wait(job.starts_after)
        job.tried = time.monotonic()
        while not self._give_up.is_set() and not job.run:
            try:
                data = self._client.post("/api/v1/scraper/run", body, idempotency_key=job.tag)
                job.accepted, job.run = time.monotonic(), str(data["run_slug"])
            except Unreachable as error:
                job.answer = str(error.args[0])
                self._give_up.wait(0.3)
        if job.aborts_after is not None:
            self._give_up.wait(job.aborts_after)
            self._abort(job)
        if job.deletes_after is not None:
            self._delete(job)

    def _delete(self, job: Job) -> None:
        """Delete the run after its end, if it has ended before the end of the round."""
        while not job.ended and not self._give_up.wait(ASK_SECONDS):
            pass
        self._give_up.wait(job.deletes_after)
        until = time.monotonic() + DELETE_SECONDS
        while job.ended and not job.deleted and time.monotonic() < until:
            tried, job.deleting = job.deleting, True
            try:
                self._client.delete(job.run)
                job.deleted = True
            except Unreachable as error:
                job.answer = str(error.args[0])
                # the answer of an earlier try was lost
                job.deleted = tried and error.args[1] == 404
                time.sleep(0.3)

    def _abort(self, job: Job) -> None:
        while not self._give_up.is_set():
            try:
                self._client.post("/api/v1/scraper/abort", {"run_slug": job.run})
                return
            except Unreachable as error:
                if error.args[1] == ALREADY_ENDED:
                    return
                self._give_up.wait(0.3)

    def _probe(self) -> None:
        """Ask as a client does, all the time."""
        began = 0.0  # of the first request since the last answer
        while not self._give_up.wait(PROBE_SECONDS):
            began = began or time.monotonic()
            with contextlib.suppress(Unreachable):
                self._client.post("/api/v1/run/list", {"page_index": 1, "page_size": 1})
                self.away, began = max(self.away, time.monotonic() - began), 0.0

    def _follow(self, jobs: Sequence[Job]) -> None:
        while not self._give_up.wait(ASK_SECONDS):
            open_jobs = {job.run: job for job in jobs if job.run and not job.ended}
            if open_jobs:
                with contextlib.suppress(Unreachable):
                    for run, *found in self._query(states_query(open_jobs)):
                        note(open_jobs[run], *found)

    def signs(self, job: Job, jobs: Sequence[Job]) -> list[float]:
        """When there was progress: of its Worker, of its state, and by the ends of other runs that
        it may have waited for.
        """
        found = [job.accepted, *(at for at, _ in job.changes)]
        for tag in job.tags:
            for progress in self._watcher.of(tag):
                found += progress.signs
        return found + [other.ended for other in jobs if other.ended]

    def silence(self, job: Job, jobs: Sequence[Job], over: float) -> float:
        """The longest time without progress after ``over``, see ``reliability.checks``."""
        until = job.ended or time.monotonic()
        return silence(max(over, job.accepted), until, self.signs(job, jobs))

    def settle(self, jobs: Sequence[Job], over: float) -> list[str]:
        """Wait until each run has ended or is stuck; a sentence for each start that was refused."""
        over_at = max(over, time.monotonic())
        until = over_at + SETTLE_SECONDS
        while (now := time.monotonic()) < until:
            waiting = [
                job
                for job in jobs  # some start only now
                if not job.run and now < max(over_at, job.tried or now) + ACCEPT_SECONDS
            ]
            running = [job for job in jobs if job.run and not job.ended]
            stuck = [job for job in running if self.silence(job, jobs, over) > self.stuck_seconds]
            if not waiting and len(stuck) == len(running):
                break
            time.sleep(0.1)
        return [f"a start was not accepted: {job.answer}" for job in jobs if not job.run]


def states_query(runs: Sequence[str] | dict[str, Job]) -> str:
    quoted = ", ".join(f"'{run}'" for run in runs)
    return f"SELECT id, state, finished_at, reason_code FROM runs WHERE id IN ({quoted})"


def note(job: Job, state: str, finished_at: int, reason: str) -> None:
    """Note a state that was read."""
    now = time.monotonic()
    if not job.changes or job.changes[-1][1] != state:
        job.changes.append((now, state))
    if state in ENDED:
        job.finished_at, job.reason, job.ended = int(finished_at), reason, now

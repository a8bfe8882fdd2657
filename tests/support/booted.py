"""A whole Fyke for end-to-end tests: real processes, a real data folder, real sandboxes."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psycopg

from fyke.api.errors import REASON_HEADER
from fyke.reasons import ReasonCode
from fyke_client import FykeAdmin
from support import reasons

START_SECONDS = 60.0
STOP_SECONDS = 60.0
PLAIN_UID = 12_345
FYKE = (sys.executable, "-m", "fyke.cli.entry")
# The platforms use plain HTTP, but a context for each request would take most of its time.
TLS = ssl.create_default_context()

Platform = TypeVar("Platform", bound="Booted")


def owner_of(home: Path) -> dict[str, Any]:
    """Arguments of ``Popen`` with which root starts a process as the owner of the data folder."""
    if os.geteuid() != 0:
        return {}
    owner = home.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def descendants(ancestor: int) -> dict[int, list[str]]:
    """The living processes below ``ancestor``, and itself: pid to command line."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                if stat[0] != "Z":
                    parents[int(entry.name)] = int(stat[1])
    commands: dict[int, list[str]] = {}
    for pid in parents:
        up = pid
        while up in parents and up != ancestor:
            up = parents[up]
        if up == ancestor:
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                commands[pid] = [part.decode(errors="replace") for part in command]
    return commands


class Booted:
    """``fyke up`` in a separate folder. ``uid`` is the user that runs it (needs root)."""

    wrapper: tuple[str, ...] = ()  # a command that starts ``fyke`` by executing it
    program: tuple[str, ...] = FYKE

    def __init__(self, folder: Path, *, uid: int | None = None, **settings: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.uid = uid
        self.log = folder / "up.log"
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.key = ""

    def environment(self) -> dict[str, str]:
        settings = {f"FYKE_{name.upper()}": value for name, value in self.settings.items()}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("FYKE_")}
        # Two platforms on one machine must not use the same users for sandboxes.
        process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        settings.setdefault("FYKE_ATTEMPT_UID_BASE", str(30_000 + 4096 * process))
        # What waits for a start would count as left over; test_warm_starts has it.
        settings.setdefault("FYKE_WARM_SANDBOXES", "0")
        settings.setdefault("FYKE_WARM_BROWSERS", "0")
        return {**inherited, "HOME": str(self.folder), "FYKE_HOME": str(self.home), **settings}

    def start(self, *arguments: str) -> Booted:
        identity: dict[str, Any] = {}
        if self.uid is not None:
            os.chown(self.folder, self.uid, self.uid)
            identity = {"user": self.uid, "group": self.uid, "extra_groups": []}
        server_file = self.home / "server.json"
        server_file.unlink(missing_ok=True)  # a killed platform has left one
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, *self.program, "up", "--port", "0", *arguments],
                env=self.environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity,
            )
        self.wait_for(lambda: server_file.exists() and server_file.read_text(), "server.json")
        self.url = json.loads(server_file.read_text())["url"]
        self.key = (self.home / "owner.key").read_text().strip()
        self.wait_for(self._ready, "readiness")
        return self

    def _ready(self) -> bool:
        return f"Fyke is running at {self.url}" in self.log.read_text(errors="replace")

    def wait_for(
        self, condition: Callable[[], Any], name: str, seconds: float = START_SECONDS
    ) -> Any:
        """Poll until ``condition`` is true; fail with the platform's log after ``seconds``.

        The interval grows with the time, so that a wait is at most a tenth too long.
        """
        began = time.monotonic()
        while True:
            value = condition()
            if value:
                return value
            if self.process is not None and self.process.poll() is not None and name != "the end":
                raise AssertionError(f"fyke up ended while waiting for {name}:\n{self.tail()}")
            waited = time.monotonic() - began
            if waited > seconds:
                raise AssertionError(f"waited {seconds:g} s for {name}:\n{self.tail()}")
            time.sleep(min(0.02 + waited / 10, 0.25))

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # --- processes ----------------------------------------------------------------------

    def tree(self) -> dict[int, list[str]]:
        """Living descendants of ``fyke up``: pid to command line."""
        assert self.process is not None
        return descendants(self.process.pid)

    def role(self, name: str) -> int:
        """Wait for the process of a role; return its id."""

        def find_process() -> int:
            for pid, command in self.tree().items():
                if "--role" in command and command[command.index("--role") + 1] == name:
                    return pid
            return 0

        return int(self.wait_for(find_process, f"the role {name}", 20))

    def kill_role(self, name: str, number: int = signal.SIGKILL) -> int:
        pid = self.role(name)
        os.kill(pid, number)
        return pid

    def machines(self) -> list[Booted]:
        """The machines that run Workers for it."""
        return [self]

    def sandboxes(self) -> list[int]:
        """The processes of bubblewrap."""
        return [pid for pid, command in self.tree().items() if "bwrap" in command[0]]

    def stop(self, number: int = signal.SIGTERM, *, group: bool = False) -> int:
        """End the platform by a signal; return its exit status. With ``group`` the signal goes to
        its process group, as from a terminal after Ctrl-C.
        """
        if self.process is None:
            return 0
        process, self.process = self.process, None
        if process.poll() is None and group:
            os.killpg(process.pid, number)
        elif process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"fyke up did not stop:\n{self.tail()}") from None

    def isolation(self) -> str:
        """The level at which Workers run here: ``full``, or ``no-limits`` without cgroups."""
        [runner] = self.read("/api/fyke/runners")["list"]
        return str(runner["isolation"])

    # --- requests -----------------------------------------------------------------------

    def call(self, path: str, body: Any = None, *, key: str | None = None, **kwargs: Any) -> Any:
        """POST to v1 and return ``data``; fail on any other code than 0."""
        answer = self.raw(path, body, key=key, **kwargs).json()
        assert answer["code"] == 0, answer
        return answer["data"]

    def raw(
        self, path: str, body: Any = None, *, key: str | None = None, **kwargs: Any
    ) -> httpx2.Response:
        headers = {"api-key": self.key if key is None else key, **kwargs.pop("headers", {})}
        timeout = kwargs.pop("timeout", 60)
        if isinstance(body, bytes):
            kwargs["content"] = body
        else:
            kwargs["json"] = {} if body is None else body
        method = kwargs.pop("method", "POST")
        url = f"{self.url}{path}"
        answer = httpx2.request(method, url, headers=headers, timeout=timeout, verify=TLS, **kwargs)
        reasons.note_reason(answer.headers.get(REASON_HEADER, ""))
        return answer

    def read(self, path: str, *, key: str | None = None) -> Any:
        """GET and return ``data``; fail on any other code than 0."""
        headers = {"api-key": self.key if key is None else key}
        url = f"{self.url}{path}"
        answer = httpx2.get(url, headers=headers, timeout=60, verify=TLS).json()
        assert answer["code"] == 0, answer
        return answer["data"]

    def summary(self, run: str, *, key: str | None = None) -> dict[str, Any]:
        """Return how the run ended, with the code of its reason and the hint."""
        detail: dict[str, Any] = self.read(f"/api/fyke/runs/{run}", key=key)
        reasons.note_summary(detail)
        return detail

    def alerts(
        self, run: str | None = None, *, key: str | None = None
    ) -> dict[str, dict[str, Any]]:
        """The alerts, of one run if it is given, by their reason code; the newest of each."""
        listed = self.read("/api/fyke/alerts?page_size=100", key=key)["list"]
        matching = [alert for alert in listed if run in (None, alert["run_slug"])]
        for alert in matching:
            reasons.note_reason(alert["reason_code"])
        return {alert["reason_code"]: alert for alert in reversed(matching)}

    def waits(self, run: str, *, key: str | None = None) -> dict[str, Any]:
        """Return why the run has not started."""
        reason: dict[str, Any] = self.read(f"/api/fyke/runs/{run}/waiting", key=key)
        reasons.note_reason(reason["code"])
        return reason

    def queued(self, *, key: str | None = None) -> dict[str, str]:
        """The items of the run queue: reference to reason."""
        items = self.read("/api/v2/run-queue/items?limit=100", key=key)["list"]
        texts = {item["queue_ref"]: item["reason"] for item in items}
        for text in texts.values():
            reasons.note_text(text, ReasonCode)
        return texts

    def change_queue(
        self, act: str, *refs: str, key: str | None = None, **options: str
    ) -> list[dict[str, Any]]:
        """``activate`` or ``release`` items; the result of each."""
        body = {"queue_refs": list(refs), **options}
        answer = self.raw(f"/api/v2/run-queue/items/{act}", body, key=key).json()
        results: list[dict[str, Any]] = answer["data"]["results"]
        for result in results:
            reasons.note_text(result.get("error", ""), ReasonCode)
        return results

    def new_account(self, name: str) -> str:
        """Create an account and return its key. The name gets a random suffix, because test files
        share a platform.
        """
        body = {"name": f"{name}-{secrets.token_hex(4)}"}
        return str(self.call("/api/fyke/accounts", body)["key"]["key"])

    def push(
        self, archive: bytes, name: str, *, public: bool = False, key: str | None = None
    ) -> str:
        """Upload a Worker; return its slug."""
        with FykeAdmin(self.url, key or self.key, timeout=60) as client:
            return client.push_worker(archive, name=name, public=public).slug

    def start_run(
        self, slug: str, custom: Any = None, *, key: str | None = None, **system: Any
    ) -> str:
        parameters = {"system": system, "custom": {} if custom is None else custom}
        body = {"scraper_slug": slug, "input": {"parameters": parameters}}
        return str(self.call("/api/v1/scraper/run", body, key=key)["run_slug"])

    def detail(self, run: str, *, key: str | None = None) -> dict[str, Any]:
        data: dict[str, Any] = self.call("/api/v1/run/detail", {"run_slug": run}, key=key)
        return data

    def start_over_isolation(self, slug: str, *, key: str | None = None) -> str:
        """Start a run although the isolation of the only runner does not suffice for it, as if a
        better runner had just been lost; it waits.
        """
        body = {"scraper_slug": slug, "input": {"parameters": {"system": {}, "custom": {}}}}

        def try_start() -> str:
            self.change_state("UPDATE runners SET isolation = 'full'")
            answer = self.raw("/api/v1/scraper/run", body, key=key).json()
            return str(answer["data"]["run_slug"]) if answer["code"] == 0 else ""

        return str(self.wait_for(try_start, "the start", 10))

    def ended(self, run: str, seconds: float = 60, *, key: str | None = None) -> dict[str, Any]:
        """Wait until the run is over and return its detail."""

        def ended_detail() -> Any:
            detail = self.detail(run, key=key)
            return detail if detail["finished_at"] else None  # status 5 includes ending runs

        result: dict[str, Any] = self.wait_for(ended_detail, f"the end of run {run}", seconds)
        return result

    def rows(self, run: str, size: int = 1000) -> list[dict[str, Any]]:
        """All rows, page by page, without their ids."""
        rows: list[dict[str, Any]] = []
        page = 1
        while True:
            body = {"run_slug": run, "page_index": page, "page_size": size}
            listed = self.call("/api/v1/run/result/list", body)["list"]
            rows += [
                {k: v for k, v in row.items() if not k.startswith("__coreclaw")} for row in listed
            ]
            if len(listed) < size:
                return rows
            page += 1

    def change_state(self, statement: str, *values: object) -> None:
        """Change the state database directly; ``?`` is a placeholder."""
        address = self.settings.get("database_url")
        if address:
            with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as state:
                state.execute(statement.replace("?", "%s").encode(), values)
            return
        with contextlib.closing(sqlite3.connect(self.home / "state.db", timeout=30)) as lite, lite:
            lite.execute(statement, values)

    def links(self, run: str, **headers: str) -> list[str]:
        """The links to an export and to the log of a run, requested with these headers."""
        body = {"run_slug": run, "format": "csv"}
        export = self.call("/api/v1/run/result/export", body, headers=headers)
        log = self.call("/api/v1/run/last/log", {"run_slug": run}, headers=headers)
        return [export["download_url"], log["all_logs_url"]]

    def setup_link(self) -> str:
        """The link for the owner's first password, which Fyke saves without a terminal."""
        return (self.home / "setup-link").read_text().strip()

    def log_text(self, run: str) -> str:
        """The whole log, from its download link."""
        url = self.call("/api/v1/run/last/log", {"run_slug": run})["all_logs_url"]
        return httpx2.get(url, timeout=60, verify=TLS).text


@contextlib.contextmanager
def booted(
    kind: type[Platform] = Booted,  # type: ignore[assignment] # a default for a type variable
    *,
    uid: int | None = None,
    start: bool = True,
    **settings: str,
) -> Iterator[Platform]:
    """A platform in a temporary folder that sandboxes' users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="fyke-e2e-"))
    folder.chmod(0o711)
    platform = kind(folder, uid=uid, **settings)
    try:
        if start:
            platform.start()
        yield platform
    finally:
        try:
            platform.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

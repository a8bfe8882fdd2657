"""The interface of a peer, and what the peers share: waiting, processes, JSON over HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import httpx2

T = TypeVar("T")
READY_SECONDS = 120.0
JOB_SECONDS = 120.0
POLL_SECONDS = 0.01
HTTP = httpx2.Client(trust_env=False, timeout=60)


@dataclass(frozen=True, slots=True)
class Job:
    """Milliseconds from the submission to the first line of the job, and until its result can be
    read.
    """

    first_line: float
    result: float


@dataclass(frozen=True, slots=True)
class Status:
    """How to read the status of a job. ``header`` is empty or one header line."""

    name: str
    url: str
    header: str = ""


class Running:
    """A peer whose services run. Subclasses define ``job``, and more where the peer has more."""

    services: tuple[int, ...] = ()  # their first processes

    def job(self) -> Job:
        """Run one trivial job that stores one row, where the peer has rows."""
        raise NotImplementedError

    def drain(self, jobs: int) -> float:
        """Seconds from the first submission until the last of ``jobs`` queued jobs has ended."""
        raise NotImplementedError("there is no queue")

    def status(self) -> Status | None:
        """The status of a job that has ended, or None without an interface for it."""
        return None

    def push(self, rows: int) -> float | None:
        """Rows a second that one job stores, one at a time, by its own clock; None without rows
        that are stored one at a time.
        """
        return None

    def processes(self) -> list[int]:
        """The resident processes."""
        return [pid for top in self.services for pid in (top, *descendants(top))]


class Peer(Protocol):
    name: str
    drains: bool  # whether it has a queue
    slow: bool  # whether a job takes seconds, so that few are measured

    def up(self, folder: Path) -> AbstractContextManager[Running]: ...


def wait_for(
    what: str,
    found: Callable[[], T | None],
    seconds: float = JOB_SECONDS,
    pause: float = POLL_SECONDS,
) -> T:
    """The first value of ``found`` that is not None. Raises ``RuntimeError`` after ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value is not None:
            return value
        time.sleep(pause)
    raise RuntimeError(f"{what} did not happen within {seconds:g} s")


def marking(path: Path) -> str:
    """Python code that appends the clock to ``path``."""
    return f"""import time
with open({str(path)!r}, "a") as file:
    file.write(f"{{time.monotonic()}}\\n")
"""


def first_mark(path: Path, sent: float) -> float:
    """Milliseconds from ``sent`` to the first line that a job wrote into ``path``."""
    with contextlib.suppress(FileNotFoundError, IndexError):
        return (float(path.read_text().splitlines()[0]) - sent) * 1000
    raise RuntimeError(f"the job wrote nothing into {path}")


def timed(folder: Path, work: Callable[[], object]) -> Job:
    """The times of a job that ``work`` submits and waits for; it writes ``marking`` into
    ``folder / "mark"``.
    """
    mark = folder / "mark"
    mark.unlink(missing_ok=True)  # the deployment may have loaded the job, too
    sent = time.monotonic()
    work()
    return Job(first_mark(mark, sent), (time.monotonic() - sent) * 1000)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool | None:
    """True if the URL answers, else None, for ``wait_for``."""
    try:
        HTTP.get(url)
    except httpx2.TransportError:
        return None
    return True


@contextlib.contextmanager
def service(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], name: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its log in ``folder``, ended with its children when the block ends."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    tree = [process.pid, *descendants(process.pid)]
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in tree[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """The processes below ``pid``."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found

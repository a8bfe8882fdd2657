"""Watching a Worker: its end, its disk use, and the CPU limit after its start."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.contracts.execution import SandboxExit, SandboxLimits, SandboxUsage
from fyke.model.log import LogType
from fyke.model.run import End, Outcome, RunLimits
from fyke.runner import watch
from fyke.runner.endings import EndRequest
from fyke.runner.metering import Stopwatch
from fyke.runner.watch import ProcessWatch

pytestmark = pytest.mark.anyio

LIMITS = RunLimits(1.0, 512, 60, 0, 0)
SANDBOX_LIMITS = SandboxLimits(cpus=1.0, memory=2**29, work_size=2**20)


class Silent:
    """An intake that stores nothing but the log."""

    masker = None
    attempt_id = "A"

    def __init__(self) -> None:
        self.first_call = asyncio.Event()
        self.entries: list[tuple[int, str]] = []
        self.logged = asyncio.Event()

    def log(self, type: int, content: str) -> None:
        self.entries.append((type, content))
        self.logged.set()

    def mask(self, text: str) -> str:
        return text

    async def wait_for_log_space(self) -> None:
        """There is always space."""


class Scripted:
    """A sandbox that ends with ``exit`` when ``end`` is called."""

    def __init__(self, exit: SandboxExit, *, stubborn: bool = False, used: int = 0) -> None:
        self._exit = exit
        self._stubborn = stubborn
        self._used = used
        self._over = asyncio.Event()
        self.limited = asyncio.Event()
        self.received: list[str] = []

    def end(self) -> None:
        self._over.set()

    async def wait(self) -> SandboxExit:
        await self._over.wait()
        return self._exit

    async def output(self) -> Any:
        yield "stderr", b"ValueError: no price\n"
        await self._over.wait()

    async def usage(self) -> SandboxUsage:
        return SandboxUsage(cpu_ms=5, memory_peak=7, work_bytes=self._used)

    async def apply_cpu_limit(self) -> None:
        self.limited.set()

    async def terminate(self) -> None:
        self.received.append("terminate")
        if not self._stubborn:
            self.end()

    async def kill(self) -> None:
        self.received.append("kill")
        self.end()


def watching(sandbox: Scripted, stop: EndRequest | None = None) -> ProcessWatch:
    return ProcessWatch(
        cast(Any, sandbox), cast(Any, Silent()), LIMITS, SANDBOX_LIMITS, stop or EndRequest()
    )


async def test_a_worker_that_never_calls_leaves_no_task_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "BOOT_GRACE_SECONDS", 0.01)
    before = asyncio.all_tasks()
    limited = asyncio.Event()

    async def apply() -> None:
        limited.set()

    watched = watching(cast(Any, SimpleNamespace(apply_cpu_limit=apply)))
    await watched._limit_cpu_after_boot()
    assert limited.is_set()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("exit", "outcome", "message"),
    [
        (SandboxExit(0, 0, False), Outcome.SUCCEEDED, ""),
        (SandboxExit(3, 0, False), Outcome.EXIT_CODE, "code 3: ValueError: no price"),
        (SandboxExit(139, 11, False), Outcome.SIGNAL, "signal 11"),
        (SandboxExit(137, 9, True), Outcome.OUT_OF_MEMORY, "512 MB"),
    ],
)
async def test_the_end_depends_on_the_exit(
    exit: SandboxExit, outcome: Outcome, message: str
) -> None:
    sandbox = Scripted(exit)
    asyncio.get_running_loop().call_soon(sandbox.end)
    watched = watching(sandbox)
    end = await watched.until_end()
    assert end.outcome is outcome
    assert message in end.message
    assert watched.usage.cpu_ms == 5
    assert sandbox.received == []


async def test_a_process_that_ignores_the_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TERM_GRACE_SECONDS", 0.01)
    stop, sandbox = EndRequest(), Scripted(SandboxExit(137, 9, False), stubborn=True)
    stop.request(End(Outcome.ABORTED, "requested"))
    end = await watching(sandbox, stop).until_end()
    assert (end.outcome, end.message) == (Outcome.ABORTED, "requested")
    assert sandbox.received == ["terminate", "kill"]


async def test_a_worker_over_its_disk_limit_is_killed_without_grace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "FAST_POLL_SECONDS", 0.01)
    sandbox = Scripted(SandboxExit(137, 9, False), stubborn=True, used=2**20 + 1)
    async with asyncio.timeout(4):  # the grace period is five seconds
        end = await watching(sandbox).until_end()
    assert end.outcome is Outcome.DISK_CAP
    assert end.reason.params == {"limit_mb": 1} and isinstance(end.reason.params["limit_mb"], int)
    assert sandbox.received == ["terminate", "kill"]


class Printing(Scripted):
    """A sandbox that prints these chunks and ends when the test says."""

    def __init__(self, *chunks: tuple[str, bytes]) -> None:
        super().__init__(SandboxExit(1, 0, False))
        self._chunks = chunks

    async def output(self) -> Any:
        for chunk in self._chunks:
            yield chunk
        await self._over.wait()


TRACEBACK = b"""Traceback (most recent call last):
  File "/work/main.py", line 9, in <module>
    main()
KeyError: 'price'
"""


async def test_entries_keep_their_severity_and_a_traceback_is_one() -> None:
    sandbox = Printing(
        ("stderr", b"INFO:root:reading\n" + TRACEBACK[:60]),
        ("stdout", b"page 1\n[ERROR] page 2\n"),
        ("stderr", TRACEBACK[60:]),
    )
    asyncio.get_running_loop().call_soon(sandbox.end)
    intake = Silent()
    over = ProcessWatch(cast(Any, sandbox), cast(Any, intake), LIMITS, SANDBOX_LIMITS, EndRequest())
    end = await over.until_end()
    assert end.message == "The Worker exited with code 1: KeyError: 'price' (main.py:9)"
    assert intake.entries == [
        (LogType.INFO, "INFO:root:reading"),
        (LogType.INFO, "page 1"),
        (LogType.ERROR, "[ERROR] page 2"),
        (LogType.ERROR, TRACEBACK.decode().removesuffix("\n")),
    ]


async def test_a_traceback_is_logged_while_the_worker_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "ENTRY_SECONDS", 0.01)
    sandbox, intake = Printing(("stderr", TRACEBACK)), Silent()
    over = ProcessWatch(cast(Any, sandbox), cast(Any, intake), LIMITS, SANDBOX_LIMITS, EndRequest())
    running = asyncio.create_task(over.until_end())
    async with asyncio.timeout(5):
        await intake.logged.wait()
    assert intake.entries == [(LogType.ERROR, TRACEBACK.decode().removesuffix("\n"))]
    sandbox.end()
    await running


class Times:
    """A monotonic clock that a wait moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 1000.0
        self.pauses: list[float] = []
        self.extra = 0.0  # seconds that the next pause takes longer
        monkeypatch.setattr(watch.time, "monotonic", lambda: self.at)
        monkeypatch.setattr(watch.asyncio, "wait", self.wait)

    async def wait(self, tasks: Any, *, timeout: float, return_when: str) -> Any:
        self.pauses.append(timeout)
        self.at, self.extra = self.at + timeout + self.extra, 0.0
        return set(), tasks


async def test_the_time_limit_counts_the_time_that_the_worker_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = watching(Scripted(SandboxExit(0, 0, False)))
    times = Times(monkeypatch)
    watched._stopwatch = Stopwatch(times.at)
    times.extra = 3600.0  # the machine is stopped
    await watched._wait_for_time_limit(set())
    assert times.at == pytest.approx(1000 + 3600 + LIMITS.timeout_s, abs=watch.READ_SECONDS)
    assert watched.busy_ms == LIMITS.timeout_s * 1000
    assert max(times.pauses) <= watch.READ_SECONDS


async def test_the_elapsed_time_ends_with_the_worker() -> None:
    sandbox = Scripted(SandboxExit(0, 0, False))
    asyncio.get_running_loop().call_soon(sandbox.end)
    watched = watching(sandbox)
    await watched.until_end()
    first = watched.busy_ms
    await asyncio.sleep(0.01)
    assert watched.busy_ms == first < 5000

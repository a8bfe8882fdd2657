"""A run without a server: its folder, its log, its signals; running one needs a sandbox."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fyke.app import local
from fyke.model.log import LogEntry
from fyke.model.run import Run, RunState
from support.memory import a_run

pytestmark = pytest.mark.anyio


def entries(*positions: int) -> list[LogEntry]:
    return [LogEntry(position, 2, "7", f"line {position}", 0) for position in positions]


class Runtime:
    """A run that has these states in turn; its log is read in these pieces."""

    def __init__(self, states: list[RunState], log: list[list[LogEntry]]) -> None:
        self.states, self.log = states, log
        self.storage = self.results = self

    async def read(self, work: Any) -> Run:
        return a_run("A", state=self.states.pop(0))

    async def log_after(self, run: str, position: int, limit: int) -> list[LogEntry]:
        return self.log.pop(0)


def test_caches_stay_and_everything_else_is_forgotten(tmp_path: Path) -> None:
    kept = ["cache/environments/e", "tool-caches/A", "node.id"]
    gone = ["state.db", "state.db-wal", "rows.db", "blobs/b/1", "run/bell", "cache/bundles/b/f"]
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    local._forget(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)
    local._forget(tmp_path / "none")


async def test_every_line_of_the_log_is_forwarded() -> None:
    runtime: Any = Runtime([], [entries(1, 2), entries(3), [], []])
    seen: list[LogEntry] = []
    assert await local._forward_log(runtime, "R", 0, seen.append) == 3
    assert await local._forward_log(runtime, "R", 3, seen.append) == 3
    assert [entry.position for entry in seen] == [1, 2, 3]


async def test_the_line_that_is_written_after_the_end_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "LOOK_SECONDS", 0)
    states = [RunState.READY, RunState.RUNNING, RunState.SUCCEEDED]
    runtime: Any = Runtime(states, [[], entries(1), [], [], entries(2), []])
    seen: list[int] = []
    working: asyncio.Task[Any] = asyncio.create_task(asyncio.Event().wait())
    await local._until_end(runtime, working, "R", lambda entry: seen.append(entry.position))
    assert (seen, runtime.states, runtime.log) == ([1, 2], [], [])
    working.cancel()


async def test_a_runner_that_fails_ends_the_wait() -> None:
    async def fail() -> None:
        raise OSError("no sandbox")

    working = asyncio.create_task(fail())
    await asyncio.sleep(0)
    runtime: Any = Runtime([RunState.READY], [[]])
    with pytest.raises(OSError, match="no sandbox"):
        await local._until_end(runtime, working, "R", lambda _: None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_aborts_the_run_and_its_handler_is_removed(number: int) -> None:
    aborted: list[str] = []
    called = asyncio.Event()

    async def abort(caller: Any, run_id: str) -> None:
        aborted.append(run_id)
        called.set()

    runs: Any = SimpleNamespace(abort=abort)
    caller: Any = None
    with local._abort_on_signal(runs, caller, "R") as asked:
        assert not asked.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(called.wait(), 10)
        assert asked.is_set()
    assert aborted == ["R"]
    assert not asyncio.get_running_loop().remove_signal_handler(number)

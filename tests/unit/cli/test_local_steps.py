"""The steps of a series of local runs. No run is started."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fyke.app import local
from fyke.app.local import LocalRunResult
from fyke.cli import local_steps
from fyke.cli.errors import Exit
from fyke.cli.local_steps import log_file, next_step, result_file, run_series, step_file
from fyke.errors import InvalidRequest
from fyke.model.log import LogEntry
from fyke.model.results import Header
from fyke.model.run import RunState
from fyke.settings import Settings
from support.memory import a_run

pytestmark = pytest.mark.anyio

Work = Callable[[dict[str, Any], asyncio.Event], Any]


class Runs:
    """Local runs that end as ``work`` of the input says."""

    current: Runs  # those of the last series

    def __init__(self, work: Work) -> None:
        Runs.current = self
        self.interrupted = asyncio.Event()
        self.archives: list[bytes] = []
        self._work = work

    async def run(self, archive: bytes, input: dict[str, Any], **how: Any) -> LocalRunResult:
        self.archives.append(archive)
        how["on_log"](LogEntry(1, 3, "7", f"line of {input['a']}", 0))
        state = await self._work(input, how["stop"])
        headers = (Header("Title", "title", "text"),)
        return LocalRunResult(a_run("A", state=state), 0, self.interrupted.is_set(), None, headers)


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Run a series in ``tmp_path`` with local runs that do ``work``."""
    monkeypatch.setattr(local_steps, "POLL_SECONDS", 0.01)

    async def run(work: Work, count: int, print_log: bool = False) -> tuple[dict[str, Any], Runs]:
        runs = Runs(work)

        @contextlib.asynccontextmanager
        async def open_runs(settings: Settings, *, builds: bool) -> AsyncIterator[Runs]:
            yield runs

        monkeypatch.setattr(local, "open_local_runs", open_runs)
        request = {"count": count, "builds": False, "format": "jsonl", "print_log": print_log}
        async with asyncio.timeout(60):
            return await run_series(Settings(home=tmp_path), tmp_path, request), runs

    return run


def write_step(folder: Path, number: int, title: str = "") -> None:
    (folder / "p.zip").write_bytes(b"archive")
    step = {"title": title, "project": "p.zip", "input": {"a": number}}
    (folder / step_file(number)).write_text(json.dumps(step))


def result(folder: Path, number: int) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / result_file(number)).read_text())
    return value


async def succeed(input: dict[str, Any], stop: asyncio.Event) -> RunState:
    return RunState.SUCCEEDED


async def test_the_steps_run_in_order_and_leave_results_and_logs(
    series: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        write_step(tmp_path, number, f"Example {number}")
    ended, runs = await series(succeed, 2)
    assert ended == {"code": Exit.OK}
    assert runs.archives == [b"archive"] * 2
    assert capsys.readouterr().err == "Example 1\nExample 2\n"
    assert result(tmp_path, 2)["state"] == "succeeded"
    assert result(tmp_path, 2)["headers"] == [{"label": "Title", "key": "title", "format": "text"}]
    [line] = (tmp_path / log_file(2)).read_text().splitlines()
    assert (json.loads(line)["type"], json.loads(line)["content"]) == (3, "line of 2")


async def test_the_log_is_printed_if_requested(
    series: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_step(tmp_path, 1)
    await series(succeed, 1, print_log=True)
    assert capsys.readouterr().err.endswith("WARN  line of 1\n")


async def test_a_step_that_is_refused_does_not_stop_the_next(series: Any, tmp_path: Path) -> None:
    async def refuse_first(input: dict[str, Any], stop: asyncio.Event) -> RunState:
        if input["a"] == 1:
            raise InvalidRequest("no browser")
        return RunState.FAILED

    write_step(tmp_path, 1)
    write_step(tmp_path, 2)
    await series(refuse_first, 2)
    assert result(tmp_path, 1) == {"error": "no browser", "code": Exit.USAGE}
    assert result(tmp_path, 2)["state"] == "failed"


async def test_an_interruption_skips_the_other_steps(series: Any, tmp_path: Path) -> None:
    async def interrupt(input: dict[str, Any], stop: asyncio.Event) -> RunState:
        Runs.current.interrupted.set()
        return RunState.ABORTED

    write_step(tmp_path, 1)
    write_step(tmp_path, 2)
    ended, _ = await series(interrupt, 2)
    assert ended == {"code": Exit.INTERRUPTED}
    assert result(tmp_path, 1)["code"] == Exit.INTERRUPTED
    assert not (tmp_path / result_file(2)).exists()


async def test_a_newer_step_stops_a_run_and_the_newest_is_next(series: Any, tmp_path: Path) -> None:
    started: list[int] = []

    async def work(input: dict[str, Any], stop: asyncio.Event) -> RunState:
        started.append(input["a"])
        if input["a"] == 1:
            write_step(tmp_path, 3)
            write_step(tmp_path, 2)
            await stop.wait()
            return RunState.ABORTED
        Runs.current.interrupted.set()  # Ctrl-C
        return RunState.SUCCEEDED

    write_step(tmp_path, 1)
    ended, _ = await series(work, 0)
    assert ended == {"code": Exit.OK}  # that is how an endless series ends
    assert started == [1, 3]
    assert result(tmp_path, 1)["superseded"] is True
    assert result(tmp_path, 3)["superseded"] is False


async def test_an_endless_series_waits_for_a_step_or_a_signal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local_steps, "POLL_SECONDS", 0.01)
    interrupted = asyncio.Event()
    waiting = asyncio.create_task(next_step(tmp_path, 0, 0, interrupted))
    await asyncio.sleep(0)
    assert not waiting.done()
    write_step(tmp_path, 1)
    assert await asyncio.wait_for(waiting, 60) == 1
    waiting = asyncio.create_task(next_step(tmp_path, 1, 0, interrupted))
    await asyncio.sleep(0)
    interrupted.set()
    assert await asyncio.wait_for(waiting, 60) == 0

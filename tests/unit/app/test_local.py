"""A run without a server: its folder, its log, its signals. No run is started."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fyke.app import local
from fyke.contracts.browser import BrowserInfo, BrowserProgram
from fyke.errors import InvalidRequest, RunNotAbortable
from fyke.model.log import LogEntry
from fyke.model.run import Run, RunState
from fyke.model.worker import BrowserNeed
from fyke.settings import Settings
from support.memory import a_run

pytestmark = pytest.mark.anyio


def entries(*positions: int) -> list[LogEntry]:
    return [LogEntry(position, 2, "7", f"line {position}", 0) for position in positions]


class Runtime:
    """A runtime whose run has these states in turn; its log is read in these pieces."""

    def __init__(self, states: list[RunState], log: list[list[LogEntry]]) -> None:
        self.states, self.log = states, log
        self.storage = self.results = self

    async def read(self, work: Any) -> Run:
        return a_run("A", state=self.states.pop(0))

    async def log_after(self, run: str, position: int, limit: int) -> list[LogEntry]:
        return self.log.pop(0)


def replace_services(
    monkeypatch: pytest.MonkeyPatch, runtime: Any, need: BrowserNeed = BrowserNeed.UNKNOWN
) -> None:
    """Let ``run_locally`` use ``runtime``, and services that do nothing."""
    run = a_run("A")

    async def returns(value: Any) -> Any:
        return value

    async def totals(*_: Any) -> Any:
        return SimpleNamespace(rows=0)

    @contextlib.asynccontextmanager
    async def open_runtime(settings: Any, *, own_files: bool, runner: bool) -> AsyncIterator[Any]:
        assert own_files
        runtime.settings = settings
        yield runtime

    runtime.totals = totals
    worker = SimpleNamespace(id="W")
    services: dict[str, Any] = {
        "make_home": lambda _: None,
        "create_secret": lambda _: None,
        "migrate_all": lambda _: None,
        "open_runtime": open_runtime,
        "_caller": lambda _: returns(None),
        "make_workers": lambda _: SimpleNamespace(
            publish=lambda *_, **__: returns((worker, SimpleNamespace(browser=need), None))
        ),
        "Builds": lambda _: SimpleNamespace(allow=lambda *_, **__: returns(None)),
        "make_runs": lambda _: SimpleNamespace(start=lambda *_: returns(run)),
        "_write": lambda *_: returns(None),
    }
    for name, service in services.items():
        monkeypatch.setattr(local, name, service)


@pytest.mark.parametrize("program", ["headless-shell", "chromium"])
async def test_the_program_of_the_settings_is_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    opened: list[BrowserProgram] = []

    class Browsers:
        async def prepare(self) -> None: ...

        def info(self) -> BrowserInfo:
            return BrowserInfo(opened[0])

        def checks(self) -> tuple[()]:
            return ()

    def browsers(wanted: BrowserProgram) -> Browsers:
        opened.append(wanted)
        return Browsers()

    monkeypatch.setattr(local, "make_home", lambda _: None)
    monkeypatch.setattr(local, "open_sandbox", lambda _: SimpleNamespace(browsers=browsers))
    info, _ = await local.probe_browser(Settings(home=tmp_path, browser_program=program))  # type: ignore[arg-type]
    assert info.program == program


def test_state_is_removed_and_caches_stay(tmp_path: Path) -> None:
    kept = ["cache/environments/e", "tool-caches/A", "node.id"]
    gone = ["state.db", "state.db-wal", "rows.db", "blobs/b/1", "run/bell", "cache/bundles/b/f"]
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    local._remove_state(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)
    local._remove_state(tmp_path / "none")


async def test_every_line_of_the_log_is_forwarded() -> None:
    runtime: Any = Runtime([], [entries(1, 2), entries(3), [], []])
    seen: list[LogEntry] = []
    assert await local._forward_log(runtime, "R", 0, seen.append) == 3
    assert await local._forward_log(runtime, "R", 3, seen.append) == 3
    assert [entry.position for entry in seen] == [1, 2, 3]


async def test_the_log_is_forwarded_until_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "POLL_SECONDS", 0)
    states = [RunState.READY, RunState.RUNNING, RunState.SUCCEEDED]
    runtime: Any = Runtime(states, [[], entries(1), [], []])
    seen: list[int] = []
    runner: asyncio.Task[Any] = asyncio.create_task(asyncio.Event().wait())
    position = await local._log_until_end(
        runtime, runner, "R", lambda entry: seen.append(entry.position)
    )
    assert (position, seen, runtime.states, runtime.log) == (1, [1], [], [])
    runner.cancel()


async def test_lines_after_the_end_of_the_run_are_forwarded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The runner writes its summary after the run's end, at the latest before it ends itself."""
    runtime: Any = Runtime([RunState.SUCCEEDED, RunState.SUCCEEDED], [entries(1), []])
    replace_services(monkeypatch, runtime)

    @contextlib.asynccontextmanager
    async def runner_of(_runtime: Any) -> AsyncIterator[asyncio.Task[Any]]:
        task: asyncio.Task[Any] = asyncio.create_task(asyncio.Event().wait())
        yield task
        task.cancel()
        runtime.log += [entries(2), []]

    monkeypatch.setattr(local, "_runner", runner_of)
    seen: list[int] = []
    await local.run_locally(
        Settings(home=tmp_path, price_cpu_hour=Decimal(5), traffic_quota=True),
        b"",
        {},
        format="json",
        output=tmp_path / "rows",
        on_log=lambda entry: seen.append(entry.position),
    )
    assert seen == [1, 2]
    assert (runtime.settings.price_cpu_hour, runtime.settings.traffic_quota) == (0, False)


async def test_a_project_that_requires_a_browser_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its run would wait for ever for a runner that has one."""
    replace_services(monkeypatch, Runtime([], []), BrowserNeed.REQUIRED)
    expected = 'is "required", and fyke worker run has no browser; publish it with fyke worker push'
    with pytest.raises(InvalidRequest, match=expected):
        await local.run_locally(
            Settings(home=tmp_path), b"", {}, format="json", output=tmp_path / "r", on_log=print
        )


async def test_a_runner_that_fails_ends_the_wait() -> None:
    async def fail() -> None:
        raise OSError("no sandbox")

    runner = asyncio.create_task(fail())
    await asyncio.sleep(0)
    runtime: Any = Runtime([RunState.READY], [[]])
    with pytest.raises(OSError, match="no sandbox"):
        await local._log_until_end(runtime, runner, "R", lambda _: None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_aborts_the_run_and_its_handler_is_removed(number: int) -> None:
    aborted: list[str] = []
    called = asyncio.Event()

    async def abort(caller: Any, run_id: str) -> None:
        aborted.append(run_id)
        called.set()

    runs: Any = SimpleNamespace(abort=abort)
    caller: Any = None
    before = signal.getsignal(number)
    with local._abort_on_signal(runs, caller, "R") as event:
        assert not event.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(called.wait(), 10)
        assert event.is_set()
        os.kill(os.getpid(), number)  # a second one leaves the rows to be written
        await asyncio.sleep(0)
    assert aborted == ["R"]
    assert not asyncio.get_running_loop().remove_signal_handler(number)
    assert signal.getsignal(number) is before


async def test_a_signal_just_after_the_end_of_the_run_is_not_an_error() -> None:
    called = asyncio.Event()
    problems: list[Any] = []

    async def abort(caller: Any, run_id: str) -> None:
        called.set()
        raise RunNotAbortable

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(context))
    runs: Any = SimpleNamespace(abort=abort)
    caller: Any = None
    with local._abort_on_signal(runs, caller, "R") as event:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(called.wait(), 10)
        assert event.is_set()
    await asyncio.sleep(0)
    gc.collect()  # an exception that was never retrieved is reported now
    assert problems == []

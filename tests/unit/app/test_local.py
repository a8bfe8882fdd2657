"""A run without a server: its folder, its log, its signals. No run is started."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fyke.app import browser, browser_availability, local
from fyke.app.folder import make_home
from fyke.contracts.browser import BrowserInfo, BrowserProgram
from fyke.domain.runs.browser_reports import BrowserPresence, RunBrowser
from fyke.domain.runs.last_pages import NumberedPage
from fyke.errors import InvalidRequest, RunNotAbortable
from fyke.kit.ids import is_ulid
from fyke.model.browser import BrowserActivity, BrowserBlock, BrowserMode
from fyke.model.last_page import LastPage, PageFile, PageFileKind
from fyke.model.log import LogEntry
from fyke.model.results import Header
from fyke.model.run import Run, RunState
from fyke.runner.loop import RunnerSize
from fyke.settings import Settings
from support.memory import MemoryStorage, a_run

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
    monkeypatch: pytest.MonkeyPatch, runtime: Any, run: Run, browser: RunBrowser
) -> None:
    """Let ``run_locally`` use ``runtime``, and services that do nothing; its run is ``run``."""

    async def returns(value: Any) -> Any:
        return value

    async def totals(*_: Any) -> Any:
        return SimpleNamespace(rows=0)

    @contextlib.asynccontextmanager
    async def open_runtime(settings: Any, *, own_files: bool, runner: bool) -> AsyncIterator[Any]:
        assert own_files
        runtime.settings = settings
        yield runtime

    async def headers(_: str) -> list[Header]:
        return [Header("Title", "title", "text")]

    runtime.totals, runtime.headers = totals, headers
    worker = SimpleNamespace(id="W")
    services: dict[str, Any] = {
        "make_home": lambda _: None,
        "create_secret": lambda _: None,
        "migrate_all": lambda _: None,
        "open_runtime": open_runtime,
        "_caller": lambda _: returns(None),
        "make_workers": lambda _: SimpleNamespace(
            publish=lambda *_, **__: returns((worker, None, None))
        ),
        "Builds": lambda _: SimpleNamespace(allow=lambda *_, **__: returns(None)),
        "make_runs": lambda _: SimpleNamespace(start=lambda *_: returns(run)),
        "_write": lambda *_: returns(None),
        "_hint": lambda *_: returns(None),
        "RunBrowsers": lambda _: SimpleNamespace(of_run=lambda *_: returns(browser)),
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


async def test_the_account_is_the_same_in_every_run() -> None:
    """Dependencies that an earlier run installed are looked up by the account, too."""
    callers = []
    for storage in (MemoryStorage(), MemoryStorage()):
        callers.append(await local._caller(cast(Any, SimpleNamespace(storage=storage))))
    first, second = (caller.account_id for caller in callers)
    assert first == second and is_ulid(first)


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


def had_browser(run: Run, state: BrowserPresence) -> RunBrowser:
    return RunBrowser(run, state, "", None, 0, 0, 0, BrowserActivity(), ())


@pytest.mark.parametrize("presence", [BrowserPresence.NONE, BrowserPresence.ENDED])
async def test_lines_after_the_end_of_the_run_are_forwarded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, presence: BrowserPresence
) -> None:
    """The runner writes its summary after the run's end, at the latest before it ends itself."""
    runtime: Any = Runtime([RunState.SUCCEEDED, RunState.SUCCEEDED], [entries(1), []])
    run = a_run("A")
    replace_services(monkeypatch, runtime, run, had_browser(run, presence))

    @contextlib.asynccontextmanager
    async def runner_of(
        _runtime: Any, _run: Run, _isolation: Any
    ) -> AsyncIterator[asyncio.Task[Any]]:
        task: asyncio.Task[Any] = asyncio.create_task(asyncio.Event().wait())
        yield task
        task.cancel()
        runtime.log += [entries(2), []]

    monkeypatch.setattr(local, "_runner", runner_of)
    seen: list[int] = []
    result = await local.run_locally(
        Settings(home=tmp_path, price_cpu_hour=Decimal(5), traffic_quota=True, warm_browsers=3),
        b"",
        {},
        format="json",
        output=tmp_path / "rows",
        pages=tmp_path / "page-",
        on_log=lambda entry: seen.append(entry.position),
    )
    assert seen == [1, 2]
    assert (runtime.settings.price_cpu_hour, runtime.settings.traffic_quota) == (0, False)
    assert runtime.settings.warm_browsers == 0  # no later run would use it
    assert (result.browser is None) == (presence is BrowserPresence.NONE)
    assert result.headers == (Header("Title", "title", "text"),)


async def test_the_files_of_last_pages_are_written_before_they_are_removed(tmp_path: Path) -> None:
    stored = {"pages/a.jpg": b"picture", "pages/a.html.txt": b"<p>", "pages/b.jpg": b"other"}

    async def get(name: str) -> bytes:
        return stored[name]

    html = PageFile(PageFileKind.HTML, 3)
    pages = tuple(
        NumberedPage(attempt, number, LastPage(0, "", "", (*files,)))
        for attempt, number, files in [
            ("A", "1", [PageFile(PageFileKind.SCREENSHOT, 7), html]),
            ("B", "2", [PageFile(PageFileKind.SCREENSHOT, 5)]),
        ]
    )
    browser = replace(had_browser(a_run("R"), BrowserPresence.ENDED), pages=pages)
    runtime: Any = SimpleNamespace(blobs=SimpleNamespace(get=get))
    await local._write_pages(runtime, browser, tmp_path / "page-")
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert files == {
        "page-1.jpg": b"picture",
        "page-1.html.txt": b"<p>",
        "page-2.jpg": b"other",
    }


def dependencies(reason: str, *, checked: bool = True, **found: Any) -> Any:
    """The browsers of a machine whose check has this result."""
    info = BrowserInfo(BrowserProgram.CHROMIUM, reason=reason, **found)
    browsers = SimpleNamespace(info=lambda: info)
    done = asyncio.Event()
    if checked:
        done.set()
    return SimpleNamespace(browsers=browsers, checked=done, wanted=asyncio.Event())


@pytest.mark.parametrize(
    ("setting", "asked", "message"),
    [
        (
            "auto",
            False,
            'browser in fyke.json is "required", but no browser is installed on this machine; '
            "install one: apt install chromium-headless-shell",
        ),
        (
            "off",
            False,
            'browser in fyke.json is "required", but the setting browser is off; set it to auto',
        ),
        (
            "auto",
            True,
            "input.parameters.system.browser_memory is for the browser, but no browser is "
            "installed on this machine; install one: apt install chromium-headless-shell",
        ),
    ],
)
async def test_a_run_that_requires_a_browser_is_refused_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: Any, asked: bool, message: str
) -> None:
    """It would wait for ever for a runner that has one."""
    monkeypatch.setattr(browser_availability, "find_programs", dict)
    settings = Settings(home=tmp_path, browser=setting, launcher=True)
    make_home(settings)
    run = a_run("A", browser_required=True, browser_memory_asked=asked)
    runtime: Any = SimpleNamespace(settings=settings)
    with pytest.raises(InvalidRequest) as caught:
        async with local._runner(runtime, run, local.LocalIsolation()):
            raise AssertionError("a runner was started")
    assert str(caught.value) == message


async def test_a_run_that_blocks_is_refused_where_there_is_no_browser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on the platform: the option would have no effect."""
    monkeypatch.setattr(browser_availability, "find_programs", dict)
    settings = Settings(home=tmp_path, launcher=True)
    make_home(settings)
    run = a_run("A", browser_block=(BrowserBlock.IMAGES,))
    runtime: Any = SimpleNamespace(settings=settings)
    with pytest.raises(InvalidRequest) as caught:
        async with local._runner(runtime, run, local.LocalIsolation()):
            raise AssertionError("a runner was started")
    assert str(caught.value) == (
        "input.parameters.system.browser_block is for the browser, but no browser is installed on "
        "this machine; install one: apt install chromium-headless-shell"
    )


async def test_a_run_that_requires_a_browser_is_refused_where_it_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = a_run("A", browser_required=True)
    missing = local.missing_browser(Settings())
    expected = "but filter: not effective; see fyke doctor"
    with pytest.raises(InvalidRequest, match=expected):
        await local._require_usable(dependencies("filter: not effective"), run, missing)
    await local._require_usable(dependencies(""), run, missing)

    monkeypatch.setattr(local, "BROWSER_SECONDS", 0.0)
    with pytest.raises(InvalidRequest, match="but the launcher does not answer"):
        await local._require_usable(
            dependencies("the launcher does not answer", checked=False), run, missing
        )


@pytest.mark.parametrize(
    ("reason", "asked", "message"),
    [
        ("", {"browser_mode": BrowserMode.HEADFUL}, 'browser is "headful", but no virtual display'),
        (
            "",
            {"browser_program": "headless-shell"},
            'input.parameters.system.browser_program is "headless-shell", but chromium-headless-',
        ),
        (
            "no seccomp",
            {"browser_mode": BrowserMode.HEADFUL},
            "input.parameters.system.browser_memory is for the browser, but no seccomp",
        ),
    ],
)
async def test_a_refusal_names_the_option_that_the_browser_of_the_machine_does_not_fit(
    reason: str, asked: dict[str, Any], message: str
) -> None:
    versions = {BrowserProgram.CHROMIUM: "156.0"}
    run = a_run("A", browser_required=True, browser_memory_asked=True, **asked)
    with pytest.raises(InvalidRequest) as caught:
        await local._require_usable(
            dependencies(reason, versions=versions), run, local.missing_browser(Settings())
        )
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("installed", [True, False])
async def test_the_gateway_runs_where_there_is_a_browser(
    monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    """With the parts of the platform, and without a check that no connection has asked for."""
    opened: list[Any] = []

    @contextlib.asynccontextmanager
    async def gateway_here(_: Settings) -> AsyncIterator[None]:
        opened.append("gateway")
        yield
        opened.append("gateway closed")

    @contextlib.asynccontextmanager
    async def open_browsers(*_: Any, check_unasked: bool, **__: Any) -> AsyncIterator[Any]:
        opened.append(check_unasked)
        yield None
        opened.append("browsers closed")

    monkeypatch.setattr(browser, "gateway_here", gateway_here)
    monkeypatch.setattr(local, "open_browsers", open_browsers)
    monkeypatch.setattr(local, "serves_browsers", lambda _: installed)
    monkeypatch.setattr(local, "runner_size", lambda _: RunnerSize(2.0, 4096, 1))
    sandbox: Any = None
    async with local._browsers(Settings(), sandbox) as dependencies:
        assert dependencies is None
    gateway = ["gateway"], ["gateway closed"]
    first, last = gateway if installed else ([], [])
    assert opened == [*first, False, "browsers closed", *last]


@pytest.mark.parametrize(
    ("memory_mb", "block"), [(0, ()), (1024, ()), (0, (BrowserBlock.IMAGES,))], ids=str
)
async def test_a_browser_that_the_run_reserves_or_has_an_option_for_is_checked_at_once(
    monkeypatch: pytest.MonkeyPatch, memory_mb: int, block: tuple[BrowserBlock, ...]
) -> None:
    found = dependencies("")

    @contextlib.asynccontextmanager
    async def browsers(*_: Any) -> AsyncIterator[Any]:
        yield found

    class Runner:
        async def run(self) -> None: ...

        def drain(self) -> None: ...

        def stop_all(self) -> None: ...

    async def probe() -> None: ...

    monkeypatch.setattr(local, "_browsers", browsers)
    monkeypatch.setattr(local, "open_sandbox", lambda _: SimpleNamespace(probe=probe))
    monkeypatch.setattr(local, "make_runner", lambda *_, **__: Runner())
    monkeypatch.setattr(local, "gateway_in_place", lambda _: None)
    run = a_run("A", browser_block=block)
    run = replace(run, limits=replace(run.limits, browser_memory_mb=memory_mb))
    runtime: Any = SimpleNamespace(settings=Settings())
    async with local._runner(runtime, run, local.LocalIsolation()):
        assert found.wanted.is_set() == (memory_mb > 0 or bool(block))


async def test_the_isolation_is_checked_once_for_all_runs() -> None:
    reports = [object(), object()]

    async def probe() -> Any:
        return reports.pop()

    isolation = local.LocalIsolation()
    sandbox: Any = SimpleNamespace(probe=probe)
    assert await isolation.of(sandbox) is await isolation.of(sandbox)
    assert len(reports) == 1


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
    with local._set_by_signal() as interrupted:
        assert not interrupted.is_set()
        async with local._aborted_by([interrupted], runs, caller, "R"):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(called.wait(), 10)
            assert interrupted.is_set()
            os.kill(os.getpid(), number)  # a second one leaves the rows to be written
            await asyncio.sleep(0)
        called.clear()
        async with local._aborted_by([interrupted], runs, caller, "S"):  # so is every later run
            await asyncio.wait_for(called.wait(), 10)
    assert aborted == ["R", "S"]
    assert not asyncio.get_running_loop().remove_signal_handler(number)
    assert signal.getsignal(number) is before


async def test_a_run_that_is_to_stop_is_aborted_and_an_end_before_that_is_no_error() -> None:
    called = asyncio.Event()
    problems: list[Any] = []

    async def abort(caller: Any, run_id: str) -> None:
        called.set()
        raise RunNotAbortable

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(context))
    runs: Any = SimpleNamespace(abort=abort)
    caller: Any = None
    stop = asyncio.Event()
    async with local._aborted_by([asyncio.Event(), stop], runs, caller, "R"):
        stop.set()
        await asyncio.wait_for(called.wait(), 10)
    await asyncio.sleep(0)
    gc.collect()  # an exception that was never retrieved is reported now
    assert problems == []


@pytest.mark.parametrize("error", [InvalidRequest("no browser"), OSError("no browser")])
async def test_a_run_that_cannot_go_on_is_aborted_so_that_no_later_runner_takes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    run = a_run("A")
    runtime: Any = Runtime([], [])
    replace_services(monkeypatch, runtime, run, had_browser(run, BrowserPresence.NONE))
    aborted: list[str] = []

    async def start(*_: Any) -> Run:
        return run

    async def abort(caller: Any, run_id: str) -> None:
        aborted.append(run_id)

    @contextlib.asynccontextmanager
    async def refuses(*_: Any) -> AsyncIterator[Any]:
        raise error
        yield

    monkeypatch.setattr(local, "make_runs", lambda _: SimpleNamespace(start=start, abort=abort))
    monkeypatch.setattr(local, "_runner", refuses)
    with pytest.raises(type(error), match="no browser"):
        await local.run_locally(
            Settings(home=tmp_path),
            b"",
            {},
            format="json",
            output=tmp_path / "rows",
            pages=tmp_path / "page-",
            on_log=lambda entry: None,
        )
    assert aborted == [run.id]


async def test_a_run_that_was_written_is_removed_before_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = RunState.SUCCEEDED
    runtime: Any = Runtime([ended] * 6, [[] for _ in range(6)])
    run = a_run("A")
    replace_services(monkeypatch, runtime, run, had_browser(run, BrowserPresence.NONE))
    done: list[str] = []

    async def start(*_: Any) -> Run:
        done.append("start")
        return run

    async def remove(run_id: str) -> None:
        done.append(f"remove {run_id}")

    @contextlib.asynccontextmanager
    async def runner_of(*_: Any) -> AsyncIterator[Any]:
        yield None

    monkeypatch.setattr(local, "make_runs", lambda _: SimpleNamespace(start=start, remove=remove))
    monkeypatch.setattr(local, "_runner", runner_of)
    async with local.open_local_runs(Settings(home=tmp_path)) as runs:
        for _ in range(2):
            await runs.run(
                b"",
                {},
                format="json",
                output=tmp_path / "rows",
                pages=tmp_path / "page-",
                on_log=lambda entry: None,
            )
    assert done == ["start", f"remove {run.id}", "start"]  # the last one goes with the folder

"""Runs without a server: the same services, stores, runner and sandbox, in one process and in a
temporary folder. Services and stores stay open from one run to the next; each run has a runner of
its own, so that it begins as it would alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fyke.app.browser_availability import serves_browsers
from fyke.app.egress import inside_addresses
from fyke.app.egress_policy import own_policy
from fyke.app.folder import create_secret, make_home
from fyke.app.runner import make_runner, open_sandbox, runner_size
from fyke.app.runner_browsers import open_browsers
from fyke.app.runner_role import gateway_in_place
from fyke.app.runtime import Runtime, open_runtime
from fyke.app.services import make_runs, make_workers
from fyke.app.state import migrate_all
from fyke.contracts.browser import BrowserInfo, BrowserProgram
from fyke.contracts.execution import IsolationReport
from fyke.domain.accounts.service import Accounts
from fyke.domain.logs.reading import LogReader
from fyke.domain.results.export.formats import parse_format
from fyke.domain.results.export.service import Exports
from fyke.domain.results.service import RunResults
from fyke.domain.runs.browser_reports import BrowserPresence, RunBrowser, RunBrowsers
from fyke.domain.runs.endings import RunEndings
from fyke.domain.runs.last_pages import SUFFIXES, page_blob
from fyke.domain.runs.progress import RunProgress
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.runs.sites import RunSites
from fyke.domain.workers.builds import Builds
from fyke.egress.local import LocalEgress
from fyke.egress.throttle import throttle_rules
from fyke.errors import InvalidKey, InvalidRequest, RunNotAbortable
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.model.account import Caller
from fyke.model.log import LogEntry
from fyke.model.progress import Progress
from fyke.model.results import Header
from fyke.model.run import Origin, Run
from fyke.reasons import Hint
from fyke.runner.browser_dependencies import BrowserDependencies
from fyke.runner.loop import Runner
from fyke.sandbox import installed_browser
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.isolation.checks import Check
from fyke.settings import Settings
from fyke.settings.groups.accounts import PriceSettings

BROWSER_SECONDS = 30.0  # for the check of a browser that the run requires
POLL_SECONDS = 0.1
PROGRESS_SECONDS = 1.0
# Installed dependencies and package caches belong to an account: those of an earlier run are found
# only by an account with the same id.
ACCOUNT_ID = "00000000000000000000000000"
LOG_CHUNK = 500
# Removed before and after a run. The other caches stay: they make the next run faster.
REMOVED = (
    "state.db*",
    "rows.db*",
    "journal",
    "blobs",
    "run/bell",
    "scratch",
    "cache/bundles",
)


@dataclass(frozen=True, slots=True)
class LocalRunResult:
    """The run after its end. ``hidden`` counts the rows of subtasks that failed. ``browser`` is
    None when no attempt had one. ``headers`` are those that the Worker has set. ``hint`` is that of
    ``fyke run show``, None if there is none.
    """

    run: Run
    hidden: int
    interrupted: bool
    browser: RunBrowser | None
    headers: tuple[Header, ...] = ()
    hint: Hint | None = None


async def probe(settings: Settings) -> IsolationReport:
    """Check the isolation that this user has on this machine."""
    make_home(settings)
    return await open_sandbox(settings).probe()


@dataclass(frozen=True, slots=True)
class BrowserProblem:
    """Why a local run cannot have a browser, and what to do about it."""

    rule: str
    remedy: str

    @property
    def text(self) -> str:
        return f"{self.rule}; {self.remedy}"


def missing_browser(settings: Settings) -> BrowserProblem:
    """Why a local run has no browser, where it has none."""
    if settings.browser == "off":
        return BrowserProblem("the setting browser is off", "set it to auto")
    return BrowserProblem(
        "no browser is installed on this machine", f"install one: {installed_browser.INSTALL}"
    )


@dataclass(frozen=True, slots=True)
class MachineBrowser:
    """The browsers of this machine: version by program, chromedriver's version, whether there is a
    virtual display, and the fonts.
    """

    versions: dict[str, str]
    driver: str
    display: bool
    fonts: int
    missing_fonts: list[str]


def machine_browser() -> MachineBrowser:
    """Find the browser of this machine; takes about a second."""
    programs, driver = installed_browser.find_programs(), installed_browser.find_driver()
    fonts, missing = installed_browser.find_fonts()
    versions = {name: installed_browser.version_of(path) for name, path in programs.items()}
    driver_version = installed_browser.version_of(driver) if driver else ""
    display = bool(installed_browser.find_display())
    return MachineBrowser(versions, driver_version, display, fonts, missing)


async def probe_browser(settings: Settings) -> tuple[BrowserInfo, tuple[Check, ...]]:
    """Check the browser of this machine and its isolation, as ``BrowserSandboxes.prepare``."""
    make_home(settings)
    browsers = open_sandbox(settings).browsers(BrowserProgram(settings.browser_program))
    await browsers.prepare()
    return browsers.info(), browsers.checks()


async def run_locally(
    settings: Settings,
    archive: bytes,
    input: dict[str, Any],
    *,
    format: str,
    output: Path,
    pages: Path,
    on_log: Callable[[LogEntry], None],
    on_progress: Callable[[Progress | None], None] | None = None,
    builds: bool = False,
) -> LocalRunResult:
    """One run, see ``open_local_runs`` and ``LocalRuns.run``."""
    async with open_local_runs(settings, builds=builds) as runs:
        return await runs.run(
            archive,
            input,
            format=format,
            output=output,
            pages=pages,
            on_log=on_log,
            on_progress=on_progress,
        )


@contextlib.asynccontextmanager
async def open_local_runs(settings: Settings, *, builds: bool = False) -> AsyncIterator[LocalRuns]:
    """Open services and stores in the folder ``settings.home`` for one run after another.

    ``builds`` allows dependencies to run code during installation, when ``fyke.json`` of a project
    requests that. SIGINT and SIGTERM abort the current run and all later ones.
    """
    free = {name: field.default for name, field in PriceSettings.model_fields.items()}
    # prices are those of the platform, and a browser of one run serves no other
    settings = settings.model_copy(update={**free, "warm_browsers": 0})
    _remove_state(settings.home)
    make_home(settings)
    create_secret(settings)
    migrate_all(settings)
    try:
        async with open_runtime(settings, own_files=True, runner=True) as runtime:
            caller = await _caller(runtime)
            with _set_by_signal() as interrupted:
                yield LocalRuns(runtime, caller, builds, interrupted)
    finally:
        _remove_state(settings.home)


class LocalRuns:
    """Runs projects; ``interrupted`` is set by the first SIGINT or SIGTERM."""

    def __init__(
        self, runtime: Runtime, caller: Caller, builds: bool, interrupted: asyncio.Event
    ) -> None:
        self._runtime = runtime
        self._caller = caller
        self._builds = builds
        self._isolation = LocalIsolation()
        self._written = ""  # the last run whose rows were written
        self.interrupted = interrupted

    async def run(
        self,
        archive: bytes,
        input: dict[str, Any],
        *,
        format: str,
        output: Path,
        pages: Path,
        on_log: Callable[[LogEntry], None],
        on_progress: Callable[[Progress | None], None] | None = None,
        stop: asyncio.Event | None = None,
    ) -> LocalRunResult:
        """Publish ``archive``, run it with ``input`` (the whole object with ``parameters``), and
        write the visible rows to ``output``. ``pages`` is what the paths of the files of last pages
        begin with (``browser_keep``); the number of the subtask follows.

        The run before it is removed. ``on_log`` gets every line of the log, ``on_progress`` once a
        second how far the run is, and None at its end. The run is aborted when ``stop`` is set.
        Raises ``FykeError`` for an invalid project or input.
        """
        runtime, caller = self._runtime, self._caller
        worker, _, _ = await make_workers(runtime).publish(caller, archive, name="local")
        await Builds(runtime.storage).allow(caller, worker.id, allowed=self._builds)
        runs = make_runs(runtime)
        if self._written:
            await runs.remove(self._written)
            self._written = ""
        run = await runs.start(caller, StartRequest(worker.id, None, input, "", Origin.API))
        events = [self.interrupted] if stop is None else [self.interrupted, stop]
        async with _aborted_by(events, runs, caller, run.id):
            try:
                async with (
                    _runner(runtime, run, self._isolation) as runner,
                    _shown_progress(runtime, run.id, on_progress),
                ):
                    position = await _log_until_end(runtime, runner, run.id, on_log)
            except Exception:
                with contextlib.suppress(RunNotAbortable):
                    await runs.abort(caller, run.id)  # the runner of a later run must not take it
                raise
            # The runner writes the last lines after the end of the run.
            await _forward_log(runtime, run.id, position, on_log)
            ended = await runtime.storage.read(lambda tx: tx.runs.get(run.id)) or run
            await _write(runtime, ended, format, output)
        totals = await runtime.results.totals(run.id, frozenset())
        browser = await RunBrowsers(runtime.storage).of_run(caller, run.id)
        await _write_pages(runtime, browser, pages)
        headers = tuple(await runtime.results.headers(run.id))
        hint = await _hint(runtime, runs, caller, run.id)
        self._written = run.id if ended.state.terminal else ""
        return LocalRunResult(
            ended,
            totals.rows - ended.results,
            self.interrupted.is_set(),
            None if browser.state is BrowserPresence.NONE else browser,
            headers,
            hint,
        )


class LocalIsolation:
    """The isolation of this machine. The check starts a sandbox, so it is made only once."""

    def __init__(self) -> None:
        self._report: IsolationReport | None = None

    async def of(self, sandbox: BubblewrapSandboxes) -> IsolationReport:
        if self._report is None:
            self._report = await sandbox.probe()
        return self._report


def _remove_state(home: Path) -> None:
    for pattern in REMOVED:
        for path in home.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


async def _caller(runtime: Runtime) -> Caller:
    accounts = Accounts(runtime.storage, SystemClock())
    _, key = await accounts.bootstrap(ACCOUNT_ID)
    if key is None:
        raise InvalidKey
    return await accounts.authenticate(key)


@contextlib.asynccontextmanager
async def _runner(
    runtime: Runtime, run: Run, isolation: LocalIsolation
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a runner with its proxy and browsers while the context is open; yield the runner's task.
    Raise ``InvalidRequest`` when ``run`` requires a browser, or has an option for it, and there is
    none.
    """
    settings = runtime.settings
    rules = AddressRules(settings.egress_allow, inside_addresses(settings))
    no_browser = missing_browser(settings).text
    egress = LocalEgress(
        rules,
        settings.egress_upstreams,
        throttle=throttle_rules(own_policy(settings)),
        no_browser=no_browser,
    )
    sandbox = open_sandbox(settings)
    try:
        async with _browsers(settings, sandbox) as browser:
            if browser is not None and (run.limits.browser_memory_mb or run.browser_block):
                browser.wanted.set()  # it is checked while the Worker is prepared
            if run.browser_required or run.browser_block:
                await _require_usable(browser, run, missing_browser(settings))
            runner: Runner = make_runner(
                settings,
                gateway_in_place(runtime),
                sandbox,
                egress,
                await isolation.of(sandbox),
                browser=browser,
                no_browser=no_browser,
            )
            task = asyncio.create_task(runner.run())
            try:
                yield task
            finally:
                runner.drain()
                runner.stop_all()
                await task
    finally:
        await egress.stop()


@contextlib.asynccontextmanager
async def _browsers(
    settings: Settings, sandbox: BubblewrapSandboxes
) -> AsyncIterator[BrowserDependencies | None]:
    """The browsers of the runner, as those of the platform; None where there is none."""
    size = runner_size(settings)
    async with contextlib.AsyncExitStack() as stack:
        if serves_browsers(settings):
            from fyke.app.browser import gateway_here  # takes a tenth of all imports

            await stack.enter_async_context(gateway_here(settings))
        yield await stack.enter_async_context(
            open_browsers(
                settings,
                sandbox,
                cpus=size.cpus,
                memory_mb=size.memory_mb,
                check_unasked=False,
            )
        )


async def _require_usable(
    browser: BrowserDependencies | None, run: Run, missing: BrowserProblem
) -> None:
    """Raise ``InvalidRequest`` when the browser that ``run`` requires, or has an option for, is not
    there or cannot be used: it would wait for another runner, or the option have no effect.
    """
    problem: BrowserProblem | None = missing
    unlike_choice = ""  # why a browser that can be used is not the one that the run asks for
    if browser is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BROWSER_SECONDS):
                await browser.checked.wait()
        info = browser.browsers.info()
        unlike_choice = "" if info.reason else info.offer.problem_with(run.browser_choice)
        reason = info.reason or unlike_choice
        problem = BrowserProblem(reason, "see fyke doctor") if reason else None
    if problem is None:
        return
    if run.browser_memory_asked and not unlike_choice:
        field, rule = "input.parameters.system.browser_memory", "is for the browser"
    elif run.browser_choice.headful:
        field, rule = "browser", f'is "{run.browser_mode.value}"'
    elif run.browser_program:
        field, rule = "input.parameters.system.browser_program", f'is "{run.browser_program}"'
    elif not run.browser_required:
        field, rule = "input.parameters.system.browser_block", "is for the browser"
    else:
        field, rule = "browser in fyke.json", 'is "required"'
    raise InvalidRequest(f"{rule}, but {problem.rule}", field=field, remedy=problem.remedy)


async def _log_until_end(
    runtime: Runtime, runner: asyncio.Task[None], run_id: str, on_log: Callable[[LogEntry], None]
) -> int:
    """Forward the log until the run or the runner ends; return the position of the last line."""
    position = 0
    while True:
        run = await runtime.storage.read(lambda tx: tx.runs.get(run_id))
        position = await _forward_log(runtime, run_id, position, on_log)
        if run is not None and run.state.terminal:
            return position
        if runner.done():
            runner.result()
            return position
        await asyncio.sleep(POLL_SECONDS)


@contextlib.asynccontextmanager
async def _shown_progress(
    runtime: Runtime, run_id: str, on_progress: Callable[[Progress | None], None] | None
) -> AsyncIterator[None]:
    """Call ``on_progress`` once a second while the context is open, and with None at its end."""
    if on_progress is None:
        yield
        return

    async def show() -> None:
        progress = RunProgress(runtime.storage)
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            run = await runtime.storage.read(lambda tx: tx.runs.get(run_id))
            if run is not None:
                on_progress(await progress.of(run, 0))  # an estimate needs earlier runs

    task = asyncio.create_task(show())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        on_progress(None)


async def _forward_log(
    runtime: Runtime, run_id: str, position: int, on_log: Callable[[LogEntry], None]
) -> int:
    while entries := await runtime.results.log_after(run_id, position, LOG_CHUNK):
        for entry in entries:
            on_log(entry)
        position = entries[-1].position
    return position


async def _write(runtime: Runtime, run: Run, format: str, output: Path) -> None:
    results = RunResults(runtime.storage, runtime.results)
    exports = Exports(runtime.storage, results, SystemClock(), runtime.settings.scratch_dir)
    export = await exports.open(run.id, parse_format(format))
    with output.open("wb") as file:
        async for chunk in export.body:
            file.write(chunk)


async def _hint(runtime: Runtime, runs: Runs, caller: Caller, run_id: str) -> Hint | None:
    """The hint about the end of the run, as ``fyke run show`` has it."""
    logs = LogReader(runtime.storage, runtime.results)
    endings = RunEndings(runtime.storage, logs, RunSites(runtime.storage))
    ending = await endings.of(await runs.get(caller, run_id))
    return ending.hint


async def _write_pages(runtime: Runtime, browser: RunBrowser, start: Path) -> None:
    for item in browser.pages:
        for file in item.page.files:
            data = await runtime.blobs.get(page_blob(item.attempt_id, file.kind))
            path = Path(f"{start}{item.number}.{SUFFIXES[file.kind]}")
            await asyncio.to_thread(path.write_bytes, data)


@contextlib.contextmanager
def _set_by_signal() -> Iterator[asyncio.Event]:
    """Yield the event that the first SIGINT or SIGTERM sets. Later ones do nothing, so that rows
    are written. Afterwards the handlers are those from before.
    """
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextlib.asynccontextmanager
async def _aborted_by(
    events: Iterable[asyncio.Event], runs: Runs, caller: Caller, run_id: str
) -> AsyncIterator[None]:
    """Abort the run as soon as one of ``events`` is set, while the context is open."""

    async def abort(event: asyncio.Event) -> None:
        await event.wait()
        with contextlib.suppress(RunNotAbortable):  # it has just ended, or is being aborted
            await runs.abort(caller, run_id)

    tasks = [asyncio.create_task(abort(event)) for event in events]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""One run without a server: the same services, stores, runner and sandbox, in one process and in
a temporary folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fyke.app.egress import inside_addresses, throttle_rules
from fyke.app.folder import make_home
from fyke.app.runner import make_runner, open_sandbox
from fyke.app.runtime import Runtime, open_runtime
from fyke.app.services import make_runs, make_workers
from fyke.app.state import migrate_all
from fyke.contracts.execution import IsolationReport
from fyke.domain.accounts.service import Accounts
from fyke.domain.results.export.formats import format_named
from fyke.domain.results.export.service import Exports
from fyke.domain.results.service import RunResults
from fyke.domain.runs.service import Runs, StartRequest
from fyke.domain.workers.builds import Builds
from fyke.egress.local import LocalEgress
from fyke.errors import InvalidKey
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.model.account import Caller
from fyke.model.log import LogEntry
from fyke.model.run import Origin, Run
from fyke.runner.loop import Runner
from fyke.settings import Settings

LOOK_SECONDS = 0.1
LOG_CHUNK = 500
# Removed before and after a run; caches stay, because they make the next run fast.
FORGOTTEN = ("state.db*", "rows.db*", "blobs", "run/bell", "scratch", "cache/bundles")


@dataclass(frozen=True, slots=True)
class LocalRunResult:
    """How the run ended. ``hidden`` rows belong to subtasks that failed."""

    run: Run
    hidden: int
    interrupted: bool


async def probe(settings: Settings) -> IsolationReport:
    """Check the isolation on this machine, for this user."""
    make_home(settings)
    return await open_sandbox(settings).probe()


async def run_locally(
    settings: Settings,
    archive: bytes,
    input: dict[str, Any],
    *,
    format: str,
    output: Path,
    on_log: Callable[[LogEntry], None],
    builds: bool = False,
) -> LocalRunResult:
    """Publish ``archive`` in the folder ``settings.home``, run it with ``input`` (the whole
    object with ``parameters``) until its end, and write the visible rows to ``output``.

    ``on_log`` gets every line of the log. ``builds``: its dependencies may run code during
    installation, when its ``fyke.json`` asks for that. SIGINT and SIGTERM abort the run. Raises
    ``FykeError`` for an invalid project or input.
    """
    _forget(settings.home)
    make_home(settings)
    migrate_all(settings)
    try:
        async with open_runtime(settings) as runtime:
            caller = await _caller(runtime)
            worker, _, _ = await make_workers(runtime).publish(caller, archive, name="local")
            await Builds(runtime.storage).allow(caller, worker.id, allowed=builds)
            runs = make_runs(runtime)
            request = StartRequest(worker.id, None, input, "", Origin.API)
            run = await runs.start(caller, request)
            with _abort_on_signal(runs, caller, run.id) as asked:
                async with _runner(runtime) as runner:
                    await _until_end(runtime, runner, run.id, on_log)
            ended = await runtime.storage.read(lambda tx: tx.runs.get(run.id)) or run
            await _write(runtime, ended, format, output)
            every = await runtime.results.totals(run.id, frozenset())
            return LocalRunResult(ended, every.rows - ended.results, asked.is_set())
    finally:
        _forget(settings.home)


def _forget(home: Path) -> None:
    for pattern in FORGOTTEN:
        for path in home.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


async def _caller(runtime: Runtime) -> Caller:
    accounts = Accounts(runtime.storage, SystemClock())
    _, key = await accounts.bootstrap()
    if key is None:
        raise InvalidKey
    return await accounts.authenticate(key)


@contextlib.asynccontextmanager
async def _runner(runtime: Runtime) -> AsyncIterator[asyncio.Task[None]]:
    """Run a runner and its proxy while the context is open; yield the runner's task."""
    settings = runtime.settings
    rules = AddressRules(settings.egress_allow, inside_addresses(settings))
    egress = LocalEgress(rules, settings.egress_upstreams, throttle=throttle_rules(settings))
    sandbox = open_sandbox(settings)
    try:
        runner: Runner = make_runner(runtime, sandbox, egress, await sandbox.probe())
        working = asyncio.create_task(runner.run())
        try:
            yield working
        finally:
            runner.drain()
            runner.stop_all()
            await working
    finally:
        await egress.stop()


async def _until_end(
    runtime: Runtime, working: asyncio.Task[None], run_id: str, on_log: Callable[[LogEntry], None]
) -> None:
    position = 0
    while True:
        run = await runtime.storage.read(lambda tx: tx.runs.get(run_id))
        position = await _forward_log(runtime, run_id, position, on_log)
        if run is not None and run.state.terminal:
            break
        if working.done():
            working.result()
            return
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(LOOK_SECONDS)  # the summary line is written after the end
    await _forward_log(runtime, run_id, position, on_log)


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
    export = await exports.open(run.id, format_named(format))
    with output.open("wb") as file:
        async for chunk in export.body:
            file.write(chunk)


@contextlib.contextmanager
def _abort_on_signal(runs: Runs, caller: Caller, run_id: str) -> Iterator[asyncio.Event]:
    """The first SIGINT or SIGTERM aborts the run, and so does any later one."""
    asked = asyncio.Event()
    tasks: set[asyncio.Task[Run]] = set()

    def abort() -> None:
        asked.set()
        tasks.add(asyncio.ensure_future(runs.abort(caller, run_id)))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, abort)
    try:
        yield asked
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
